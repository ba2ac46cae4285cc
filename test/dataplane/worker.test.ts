import { type DataPlaneEvent, PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { createDataPlane } from '../../core/dataplane/worker-or-dgram.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { dataPlaneContract } from '../contracts/data-plane.ts'
import { type Bench, OTHER_PORT, PORT, TUN_MTU_BYTES } from '../contracts/data-plane-bench.ts'
import { makePeer } from '../contracts/udp-peer.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { openPacketSocket } from '../support/packet-socket.ts'
import { until } from '../support/until.ts'
import { watchWorkers } from '../support/workers.ts'

const TUN = 'bt0'
const OUTSIDES = [
  {
    name: 'worker',
    wildcard: '0.0.0.0',
    bits: 32,
    addresses: ['192.0.2.1', '192.0.2.2'],
    peers: '192.0.2.100',
  },
  {
    name: 'worker, over IPv6',
    wildcard: '::',
    bits: 128,
    addresses: ['2001:db8::1', '2001:db8::2'],
    peers: '2001:db8::100',
  },
] as const

const PLANES = OUTSIDES.flatMap(outside => [
  ...PORTS_NAMES.map(ports => ({ ...outside, ports, name: `${outside.name}, ${ports}`, restarted: false })),
  { ...outside, ports: undefined, name: `${outside.name}, started anew`, restarted: true },
])

for (const { name, wildcard, bits, addresses, peers, ports, restarted } of PLANES)
  dataPlaneContract({
    name,
    skip: skipWithoutNetns,
    async open(t): Promise<Bench> {
      const netns = makeNetns(t)
      netns.ip(
        ...[...addresses, peers].map(
          address => `addr add ${address}/${bits} dev lo${bits === 128 ? ' nodad' : ''}`,
        ),
      )
      const plane = createDataPlane({
        listen: [PORT, OTHER_PORT].map(port => ({ address: wildcard, port })),
        tun: { name: TUN, mtuBytes: TUN_MTU_BYTES },
        ...(ports === undefined ? {} : { ports }),
      })
      const events: DataPlaneEvent[] = []
      plane.onEvent(event => events.push(event))
      const workers = watchWorkers(t)
      await netns.inside(() => plane.start())
      t.after(() => plane.stop())
      if (restarted) {
        await workers[0]?.terminate()
        await until(
          'another worker',
          () => plane.totals().restarts === 1 && events.at(-1)?.kind === 'stage' && events.length === 3,
        )
        events.length = 0
      }
      await netns.inside(() =>
        linuxKernel.configureTun(TUN, {
          address: '192.168.1.254',
          mtuBytes: TUN_MTU_BYTES,
          routes: [],
          ipv6: false,
        }),
      )
      const device = openPacketSocket(netns, TUN)
      t.after(() => device.close())
      return {
        plane,
        events,
        addresses,
        makePeer: () => makePeer(t, netns, peers),
        inject: packet => device.inject(packet),
        take: () => device.take(),
      }
    },
  })
