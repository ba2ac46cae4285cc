/** A client and an LNS, each a data plane with sockets and a TUN in a namespace of its own, and one session between them. */
import type { ListeningDataPlane, PortsName } from '../../core/dataplane/data-plane.ts'
import { createDataPlane } from '../../core/dataplane/worker-or-dgram.ts'
import type { Flow } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { flowOf, PERMIT_ALL } from '../contracts/data-plane-bench.ts'
import { joinByVeth, makeNetns, type Netns } from './netns.ts'

export const TUN = { name: 'bt0', mtuBytes: 1400 }
export const PAIR_INSIDE = { ipv4: '192.168.1.1', ipv6: '2001:db8:b::1' }
export const PAIR_INNER = { ipv4: '10.0.0.0', ipv6: '2001:db8:a::1' }

interface After {
  after(remove: () => unknown): void
}

async function open(
  t: After,
  netns: Netns,
  ports: PortsName | undefined,
  own: typeof PAIR_INNER,
  other: typeof PAIR_INNER,
) {
  const plane = createDataPlane({
    listen: [{ address: '0.0.0.0', port: 1701 }],
    tun: TUN,
    ...(ports === undefined ? {} : { ports }),
  })
  await netns.inside(() => plane.start())
  t.after(() => plane.stop())
  const routes = [`${other.ipv4}/32`, `${other.ipv6}/128`]
  await netns.inside(() =>
    linuxKernel.configureTun(TUN.name, { address: own.ipv4, mtuBytes: TUN.mtuBytes, routes, ipv6: true }),
  )
  netns.ip(`addr add ${own.ipv6}/128 dev ${TUN.name} nodad`)
  await plane.setPolicy('dmz', PERMIT_ALL)
  return plane
}

export interface Pair {
  readonly client: Netns
  readonly lns: Netns
  readonly clientPlane: ListeningDataPlane
  readonly lnsPlane: ListeningDataPlane
}

/** `more`: of the flow, at either end. */
export async function openPair(t: After, ports?: PortsName, more: Partial<Flow> = {}): Promise<Pair> {
  const [client, lns] = [makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: client, device: 'out', address: '192.0.2.100/24' },
    { netns: lns, device: 'out', address: '192.0.2.1/24' },
  )
  const lnsPlane = await open(t, lns, ports, PAIR_INSIDE, PAIR_INNER)
  const clientPlane = await open(t, client, ports, PAIR_INNER, PAIR_INSIDE)
  const ends: Path = {
    local: { address: '192.0.2.1', port: 1701 },
    remote: { address: '192.0.2.100', port: 1701 },
  }
  const prefixes = [
    { address: PAIR_INNER.ipv4, length: 32 },
    { address: PAIR_INNER.ipv6, length: 128 },
  ]
  const atLns = flowOf(0, ends, { prefixes, ...more })
  const atClient: Flow = {
    ...atLns,
    path: { local: ends.remote, remote: ends.local },
    localTunnelId: atLns.peerTunnelId,
    localSessionId: atLns.peerSessionId,
    peerTunnelId: atLns.localTunnelId,
    peerSessionId: atLns.localSessionId,
    prefixes: ['0.0.0.0', '::'].map(address => ({ address, length: 0 })),
  }
  await lnsPlane.upsert([atLns])
  await clientPlane.upsert([atClient])
  return { client, lns, clientPlane, lnsPlane }
}
