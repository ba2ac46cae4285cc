/**
 * A charon of a test's own in a network namespace: its own config, socket and log, and ESP in user space (kernel-libipsec), since the
 * kernel of a test machine need not have any. That does tunnel mode, in UDP.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Netns } from './netns.ts'
import { type Program, start } from './processes.ts'

const CHARON = '/usr/lib/ipsec/charon'
const PLUGINS = [
  ...['random', 'nonce', 'openssl', 'pem', 'pkcs1', 'pkcs8', 'x509', 'pubkey', 'constraints', 'kdf', 'hmac'],
  ...['kernel-libipsec', 'kernel-netlink', 'socket-default', 'vici'],
]

export interface RealCharon {
  readonly socket: string
  readonly program: () => Program
  start(): Promise<void>
  end(signal: NodeJS.Signals): Promise<void>
}

export async function startCharon(
  t: { after(end: () => void | Promise<void>): void },
  netns: Netns,
): Promise<RealCharon> {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-charon-'))
  const socket = join(folder, 'charon.vici')
  const config = join(folder, 'strongswan.conf')
  writeFileSync(
    config,
    `charon {
  load = ${PLUGINS.join(' ')}
  plugins { vici { socket = unix://${socket} } }
  filelog { stderr { default = 1 } }
}
`,
  )
  let program: Program | undefined
  const charon: RealCharon = {
    socket,
    program: () => program ?? never(),
    async start() {
      rmSync(socket, { force: true })
      // Its pid file has a fixed place.
      const inOwnRun = `mount -t tmpfs tmpfs /run && exec ${CHARON}`
      program = start(['unshare', '--mount', 'sh', '-c', inOwnRun], {
        netns: netns.name,
        env: { STRONGSWAN_CONF: config },
      })
      await program.says(/spawning \d+ worker threads/)
    },
    async end(signal) {
      await program?.end(signal)
    },
  }
  t.after(async () => {
    await charon.end('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  await charon.start()
  return charon
}

const never = (): never => {
  throw new Error('charon was not started')
}
