/**
 * Each LNS in a namespace of its own between the same client and the same inside host:
 *
 *     client                     LNS k                                    inside
 *     10.9.k.2  --- veth --- 10.9.k.1, pool 10.k.0.0/16, 192.168.k.254 --- veth --- 192.168.k.1 and .2
 *
 * The client reaches 192.168.k.1 through a data plane with offloads, .2 through one without.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestScope } from '../../../core/testing/scope.ts'
import { flowOf } from '../../contracts/data-plane-bench.ts'
import { isThere } from '../../setup/peers.ts'
import { say } from '../../setup/prepare.ts'
import { type Agent, startAgent } from '../../support/agent.ts'
import { burrow } from '../../support/burrow.ts'
import { startFreeradius } from '../../support/freeradius.ts'
import { ROOT } from '../../support/imports.ts'
import { joinByVeth, makeNetns, type Netns } from '../../support/netns.ts'
import { run, start } from '../../support/processes.ts'
import { until } from '../../support/until.ts'
import type { Client, Rung } from './client.ts'
import type { Peers } from './peers.ts'

export type VariantName = 'burrow' | 'l2tpns' | 'plain C' | 'raw veth'

export interface Variant {
  readonly name: VariantName
  /** Of the LNS; the bare line has none. */
  readonly pid: number | undefined
  /** Inside, as the client reaches it through each data plane. */
  readonly inside: Readonly<Record<Rung, string>>
  /** Of the sessions that peers have, inside; of the bare line, of the client itself. */
  readonly targets: readonly string[]
  readonly notes: readonly string[]
}

export interface Scene {
  readonly client: Netns
  readonly clientAgent: Agent<Client>
  readonly peers: Agent<Peers>
  readonly inside: Agent<Peers>
  readonly insideNetns: Netns
  readonly variants: readonly Variant[]
}

interface Place {
  readonly k: number
  readonly lns: Netns
  readonly folder: string
}

const PORT = 1701
const PEERS_PORT = 1704
const CLIENT_PORTS: Readonly<Record<Rung, number>> = { offloads: 1702, 'no offloads': 1703 }
const RUNG_NAMES = ['offloads', 'no offloads'] as const
const PASSWORD = 'load'
const RADIUS_PORT = 1812
/** Burrow takes 1024 in a tunnel, and Debian's l2tpns 500 tunnels. */
const SESSIONS_PER_TUNNEL = 500
const MTU_BYTES = 1400
/** Of plain C: the address of the first is that of the TUN. */
const FIRST_SESSION = 2
/** Of accounting updates, for who sends them. */
const INTERIM_S = 600
const L2TPNS_START_MS = 30_000

const lnsAddress = (k: number) => ({ address: `10.9.${k}.1`, port: PORT })
const clientAddress = (k: number, port: number) => ({ address: `10.9.${k}.2`, port })
const poolAddress = (k: number, n: number) => `10.${k}.${n >> 8}.${n & 255}`
const insideOf = (k: number) => ({ offloads: `192.168.${k}.1`, 'no offloads': `192.168.${k}.2` }) as const

export async function openScene(t: TestScope, sessions: number): Promise<Scene> {
  const client = makeNetns(t)
  const insideNetns = makeNetns(t)
  const clientAgent = startAgent<Client>(t, client, 'bench/dataplane/client')
  const peers = startAgent<Peers>(t, client, 'bench/dataplane/peers')
  const inside = startAgent<Peers>(t, insideNetns, 'bench/dataplane/peers')
  await inside.call('sink', { address: '0.0.0.0', port: 9 })
  const folder = mkdtempSync(join(tmpdir(), 'burrow-bench-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const scene = { client, clientAgent, peers, inside, insideNetns }
  const variants: Variant[] = []
  for (const [index, [name, open]] of Object.entries(VARIANTS).entries()) {
    const k = 1 + index
    const lns = makeNetns(t)
    lay(k, scene, lns)
    say(`bench: ${name}`)
    const variant = await open(t, scene, { k, lns, folder: join(folder, String(k)) }, sessions)
    if (variant !== undefined) variants.push({ ...variant, name: name as VariantName, inside: insideOf(k) })
  }
  return { ...scene, variants }
}

function lay(k: number, { client, insideNetns }: Pick<Scene, 'client' | 'insideNetns'>, lns: Netns): void {
  joinByVeth(
    { netns: client, device: `lns${k}`, address: `10.9.${k}.2/24` },
    { netns: lns, device: 'outer', address: `10.9.${k}.1/24` },
  )
  joinByVeth(
    { netns: insideNetns, device: `lns${k}`, address: `192.168.${k}.1/24` },
    { netns: lns, device: 'inner', address: `192.168.${k}.254/24` },
  )
  insideNetns.ip(
    `addr add 192.168.${k}.2/24 dev lns${k}`,
    `route add 10.${k}.0.0/16 via 192.168.${k}.254`,
    `route add 10.9.${k}.0/24 via 192.168.${k}.254`,
  )
  lns.inside(() => writeFileSync('/proc/sys/net/ipv4/ip_forward', '1'))
}

type Parts = Pick<Scene, 'client' | 'clientAgent' | 'peers'>
type Opened = Pick<Variant, 'pid' | 'targets' | 'notes'>
type Open = (t: TestScope, scene: Parts, place: Place, sessions: number) => Promise<Opened | undefined>

const VARIANTS: Readonly<Record<VariantName, Open>> = {
  burrow: async (t, scene, place, sessions) => {
    const { k, lns, folder } = place
    await run(['mkdir', '-p', folder])
    const { secret } = await startRadius(t, lns)
    const config = join(folder, 'burrow.yaml')
    writeFileSync(
      config,
      `listen: [10.9.${k}.1]
gatewayAddress: 10.${k}.0.1
manageKernel: true
interimIntervalS: ${INTERIM_S}
controlSocket: ${join(folder, 'control.sock')}
log: { level: warn, format: json }
ppp: { auth: [chap-md5, pap] }
plugins:
  - radius-client: { servers: [{ address: 127.0.0.1, authPort: ${RADIUS_PORT}, acctPort: ${RADIUS_PORT + 1}, secret: ${secret} }] }
  - auth-radius
  - address-pool: { pools: { main: { ranges: [10.${k}.0.2-10.${k}.255.250] } } }
  - policy-zones: { zones: { trust: [192.168.${k}.0/24] } }
  - accounting-radius: { spool: ${join(folder, 'spool')} }
`,
      { mode: 0o600 },
    )
    const server = burrow(['serve', '-c', config], { netns: lns.name })
    t.after(async () => void (await server.end('SIGKILL')))
    await server.says(/Burrow listens/, 30_000)
    return { pid: server.pid, ...(await dialAll(scene, k, 'burrow', sessions)) }
  },

  l2tpns: async (t, scene, place, sessions) => {
    if (!isThere('l2tpns')) return undefined
    const { k, lns, folder } = place
    await run(['mkdir', '-p', folder])
    const { secret } = await startRadius(t, lns)
    const files = {
      ip_pool: `10.${k}.0.0/16\n`,
      users: '',
      'startup-config': `set debug 1
set log_file "${folder}/log"
set pid_file "${folder}/pid"
set l2tp_secret "${secret}"
set primary_dns 10.${k}.0.1
set primary_radius 127.0.0.1
set primary_radius_port ${RADIUS_PORT}
set radius_secret "${secret}"
set radius_authtypes "chap,pap"
set radius_accounting yes
set radius_interim ${INTERIM_S}
set bind_address 10.9.${k}.1
set cli_bind_address 127.0.0.1
set peer_address 10.${k}.0.1
set echo_timeout 3600
set idle_echo_timeout 7200
set cluster_interface "outer"
set cluster_hb_timeout 20
`,
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    // It reads them there and nowhere else; the namespace of \`ip netns exec\` hides the change from all others.
    const script = `mount --bind ${folder} /etc/l2tpns && exec l2tpns -h lns`
    const server = start(['sh', '-c', script], { netns: lns.name })
    // It answers SIGTERM late.
    t.after(async () => void (await server.end('SIGKILL')))
    // It listens from the start and answers only when it has found itself alone; then it has its address on the TUN.
    await until('l2tpns to be ready', () => lns.exec('ip', '-o', 'link').includes('tun'), L2TPNS_START_MS)
    return { pid: server.pid, ...(await dialAll(scene, k, 'l2tpns', sessions)) }
  },

  'plain C': async (t, scene, place, sessions) => {
    if (!(isThere('gcc') && isThere('/usr/include/dlfcn.h'))) return undefined
    const { k, lns, folder } = place
    await run(['mkdir', '-p', folder])
    const program = join(folder, 'plain-forwarder')
    const source = join(ROOT, 'test/bench/dataplane/plain-forwarder.c')
    const { code, stderr } = await run(['gcc', '-O2', '-Wall', '-Werror', '-o', program, source])
    assert.equal(code, 0, stderr)
    const sessionOf = (n: number) => ({ tunnelId: 1, sessionId: n, address: poolAddress(k, n) })
    const many = Array.from({ length: sessions }, (_, n) => sessionOf(10 + n))
    const rows = [
      ...RUNG_NAMES.map((rung, n) => ({ ...sessionOf(FIRST_SESSION + n), port: CLIENT_PORTS[rung] })),
      ...many.map(session => ({ ...session, port: PEERS_PORT })),
    ]
    const table = rows.map(
      ({ sessionId, address, port }) => `${sessionId} 1 ${sessionId} ${address} 10.9.${k}.2 ${port}\n`,
    )
    const { address } = lnsAddress(k)
    const server = start([program, address, String(PORT), 'plain0'], {
      netns: lns.name,
      input: table.join(''),
    })
    t.after(async () => void (await server.end('SIGKILL')))
    await server.says(/ready/)
    lns.ip(
      `addr add 10.${k}.0.1/32 dev plain0`,
      `link set plain0 mtu ${MTU_BYTES} up`,
      `route add 10.${k}.0.0/16 dev plain0`,
    )
    for (const [n, rung] of RUNG_NAMES.entries()) {
      const { sessionId, address } = sessionOf(FIRST_SESSION + n)
      const path = { local: clientAddress(k, CLIENT_PORTS[rung]), remote: lnsAddress(k) }
      const ids = { localTunnelId: 1, localSessionId: sessionId, peerTunnelId: 1, peerSessionId: sessionId }
      const flow = flowOf(0, path, { ...ids, prefixes: [{ address: '0.0.0.0', length: 0 }] })
      await scene.clientAgent.call('assume', flow, address, tunOf(k, n), insideOf(k)[rung], rung)
    }
    const ends = { local: clientAddress(k, PEERS_PORT), lns: lnsAddress(k) }
    await scene.peers.call('assume', 'plain C', ends, many)
    return { pid: server.pid, targets: many.map(({ address }) => address), notes: [] }
  },

  'raw veth': async (_t, { client, peers }, { k }) => {
    client.ip(`route add 192.168.${k}.0/24 via 10.9.${k}.1`)
    await peers.call('sink', { address: `10.9.${k}.2`, port: 9 })
    return { pid: undefined, targets: [`10.9.${k}.2`], notes: [] }
  },
}

const tunOf = (k: number, n: number) => `c${k}-${n}`

async function startRadius(t: TestScope, lns: Netns) {
  const userLines = [`DEFAULT User-Name =~ "^load[0-9]+$", Cleartext-Password := "${PASSWORD}"`]
  const users = Object.fromEntries(RUNG_NAMES.map((_, n) => [`client${n}`, { password: PASSWORD }]))
  return startFreeradius(t, {
    users,
    userLines,
    netns: lns.name,
    authPort: RADIUS_PORT,
    recordsRequests: false,
  })
}

/** The calls of the client, and those of the peers. */
async function dialAll({ clientAgent, peers }: Parts, k: number, name: VariantName, sessions: number) {
  for (const [n, rung] of RUNG_NAMES.entries())
    await clientAgent.call(
      'dial',
      lnsAddress(k),
      `client${n}`,
      PASSWORD,
      tunOf(k, n),
      `${insideOf(k)[rung]}/32`,
      rung,
    )
  const ends = { local: clientAddress(k, PEERS_PORT), lns: lnsAddress(k) }
  const { addresses, seconds } = await peers.call('dial', name, ends, sessions, SESSIONS_PER_TUNNEL, PASSWORD)
  return { targets: addresses, notes: [`${name}: ${sessions} calls came up in ${seconds.toFixed(1)} s`] }
}
