/**
 * Octets over TCP through a session, each way, while the line between client and LNS is bad; what arrived of them, and what the
 * kernel found wrong at either end.
 *
 *     client, TUN 10.0.0.0 --- line (bad-line.ts) --- LNS, TUN 192.168.1.1
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { DataPlaneOptions, PortsName } from '../../core/dataplane/data-plane.ts'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import type { Flow } from '../../core/flow.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import type { TestScope } from '../../core/testing/scope.ts'
import { flowOf, PERMIT_ALL } from '../contracts/data-plane-bench.ts'
import { startAgent } from './agent.ts'
import type { BadLine, LineReport, LineWeather } from './bad-line.ts'
import { joinByVeth, makeNetns, type Netns } from './netns.ts'
import { countersOf } from './snmp.ts'

export interface BadWay {
  readonly client: Netns
  readonly line: Netns
  readonly lns: Netns
  /** What comes out of the line, to each end: one datagram each, never several in one. */
  readonly outlets: readonly { readonly device: string; readonly address: string }[]
  transfer(
    direction: 'up' | 'down',
    bytes: number,
  ): Promise<{ readonly sent: string; readonly received: string }>
  /** Of TCP and UDP with a wrong checksum, at both ends. */
  badChecksums(): number
  report(): Promise<LineReport>
}

const PORT = 1701
const ENDS = {
  client: { own: '192.0.2.100', line: '192.0.2.1', inner: '10.0.0.0' },
  lns: { own: '198.51.100.100', line: '198.51.100.1', inner: '192.168.1.1' },
} as const
const TUN = { name: 'bt0', mtuBytes: 1400 }
const CHUNK_BYTES = 1 << 20

/** `ports`: of both data planes; absent: the fastest that this kernel has. */
export async function openBadWay(t: TestScope, weather: LineWeather, ports?: PortsName): Promise<BadWay> {
  const [client, line, lns] = [makeNetns(t), makeNetns(t), makeNetns(t)]
  for (const [netns, name] of [
    [client, 'client'],
    [lns, 'lns'],
  ] as const) {
    const { own, line: other } = ENDS[name]
    joinByVeth(
      { netns, device: 'out', address: `${own}/24` },
      { netns: line, device: name, address: `${other}/24` },
    )
  }
  const relay = startAgent<BadLine>(t, line, 'support/bad-line')
  const endOf = ({ own, line: other }: { own: string; line: string }) => ({
    own: { address: other, port: PORT },
    peer: { address: own, port: PORT },
  })
  await relay.call('open', endOf(ENDS.client), endOf(ENDS.lns), weather)
  const pathOf = ({ own, line: other }: { own: string; line: string }) => ({
    local: { address: own, port: PORT },
    remote: { address: other, port: PORT },
  })
  const atLns = flowOf(0, pathOf(ENDS.lns))
  const atClient: Flow = {
    ...flowOf(0, pathOf(ENDS.client)),
    localTunnelId: atLns.peerTunnelId,
    localSessionId: atLns.peerSessionId,
    peerTunnelId: atLns.localTunnelId,
    peerSessionId: atLns.localSessionId,
    prefixes: [{ address: '0.0.0.0', length: 0 }],
  }
  await openPlane(t, lns, ENDS.lns.inner, ENDS.client.inner, atLns, ports)
  await openPlane(t, client, ENDS.client.inner, ENDS.lns.inner, atClient, ports)
  return {
    client,
    line,
    lns,
    outlets: [
      { device: 'client', address: ENDS.client.line },
      { device: 'lns', address: ENDS.lns.line },
    ],
    transfer: (direction, bytes) => transfer(client, lns, direction, bytes),
    badChecksums: () =>
      [client, lns]
        .map(netns => netns.inside(() => countersOf()))
        .flatMap(counters =>
          ['Tcp.InCsumErrors', 'Udp.InCsumErrors'].map(name => counters.get(name) ?? Number.NaN),
        )
        .reduce((sum, count) => sum + count, 0),
    report: () => relay.call('report'),
  }
}

async function openPlane(
  t: TestScope,
  netns: Netns,
  address: string,
  other: string,
  flow: Flow,
  ports: PortsName | undefined,
): Promise<void> {
  const options: DataPlaneOptions = {
    listen: [{ address: '0.0.0.0', port: PORT }],
    tun: TUN,
    ...(ports === undefined ? {} : { ports }),
  }
  const plane = createWorkerDataPlane(options)
  await netns.inside(() => plane.start())
  t.after(() => plane.stop())
  const network = { address, mtuBytes: TUN.mtuBytes, routes: [`${other}/32`], ipv6: false }
  await netns.inside(() => linuxKernel.configureTun(TUN.name, network))
  await plane.setPolicy(flow.zone, PERMIT_ALL)
  await plane.upsert([flow])
}

/** The hashes of what was sent and of what came. */
async function transfer(client: Netns, lns: Netns, direction: 'up' | 'down', bytes: number) {
  const server = createServer()
  await lns.inside(async () => {
    server.listen(0, ENDS.lns.inner)
    await once(server, 'listening')
  })
  try {
    const { port } = server.address() as { readonly port: number }
    const accepted = once(server, 'connection')
    const near = await client.inside(async () => {
      const socket = connect(port, ENDS.lns.inner)
      await once(socket, 'connect')
      return socket
    })
    const [far] = (await accepted) as [Socket]
    const [from, to] = direction === 'up' ? [near, far] : [far, near]
    const received = createHash('sha256')
    to.on('data', chunk => received.update(chunk))
    const ended = once(to, 'end')
    const sent = createHash('sha256')
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      const chunk = randomBytes(Math.min(CHUNK_BYTES, left))
      sent.update(chunk)
      if (!from.write(chunk)) await once(from, 'drain')
    }
    from.end()
    await ended
    to.end()
    return { sent: sent.digest('hex'), received: received.digest('hex') }
  } finally {
    server.close()
  }
}
