/** The reference in network namespaces: a mobile user, the LNS of the headquarters, and the intranet behind it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BurrowOptions, burrow } from './burrow.ts'
import { joinByVeth, makeNetns, type Netns } from './netns.ts'
import type { Program } from './processes.ts'

export const HEADQUARTERS = {
  lns: '2.2.2.2',
  gateway: '192.168.1.254',
  web: '192.168.1.1',
  intranet: '192.168.1.0/24',
  password: 'admin@123',
} as const
const START_MS = 20_000

type Undo = { readonly after: (act: () => unknown) => void }

export interface Headquarters {
  readonly server: Netns
  readonly client: Netns
  readonly intranet: Netns
  /** A folder that goes with the test. */
  readonly folder: string
  readonly controlSocket: string
  /** Writes the config, `listen` and plugins at least, and starts a server that ends with the test. */
  serve(config: string, options?: BurrowOptions): Promise<Program>
}

/** The server's devices are `outside` and `inside`, the others' `outside`. */
export function headquarters(t: Undo): Headquarters {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-headquarters-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [server, client, intranet] = [makeNetns(t), makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: server, device: 'outside', address: `${HEADQUARTERS.lns}/24` },
    { netns: client, device: 'outside', address: '2.2.2.100/24' },
  )
  joinByVeth(
    { netns: server, device: 'inside', address: `${HEADQUARTERS.gateway}/24` },
    { netns: intranet, device: 'outside', address: `${HEADQUARTERS.web}/24` },
  )
  intranet.ip(`route add default via ${HEADQUARTERS.gateway}`)
  const controlSocket = join(folder, 'control.sock')
  const serve = async (text: string, options: BurrowOptions = {}) => {
    const config = join(folder, 'burrow.yaml')
    const given = `gatewayAddress: 172.16.1.1\nmanageKernel: true\ncontrolSocket: ${controlSocket}\n`
    writeFileSync(config, given + text, { mode: 0o600 })
    const lns = burrow(['serve', '-c', config], { ...options, netns: server.name })
    t.after(() => lns.end('SIGTERM', START_MS))
    await lns.says(/Burrow listens/, START_MS)
    return lns
  }
  return { server, client, intranet, folder, controlSocket, serve }
}
