import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { type DataPlaneEvent, PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { createDataPlane } from '../../core/dataplane/worker-or-dgram.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { dataPlaneContract } from '../contracts/data-plane.ts'
import { type Bench, OTHER_PORT, type Peer, PORT, TUN_MTU_BYTES } from '../contracts/data-plane-bench.ts'
import { makeNetns, type Netns, skipWithoutNetns } from '../support/netns.ts'
import { openPacketSocket } from '../support/packet-socket.ts'

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

for (const { wildcard, bits, addresses, peers, ports, name } of OUTSIDES.flatMap(outside =>
  PORTS_NAMES.map(ports => ({ ...outside, ports, name: `${outside.name}, ${ports}` })),
))
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
        ports,
      })
      const events: DataPlaneEvent[] = []
      plane.onEvent(event => events.push(event))
      await netns.inside(() => plane.start())
      t.after(() => plane.stop())
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

async function makePeer(t: TestContext, netns: Netns, own: string): Promise<Peer> {
  const socket = createSocket(own.includes(':') ? 'udp6' : 'udp4')
  t.after(() => socket.close())
  await netns.inside(async () => {
    socket.bind(0, own)
    await once(socket, 'listening')
  })
  const received: Peer['received'] = []
  socket.on('message', (bytes, { address, port }) =>
    received.push({ from: { address, port }, bytes: new Uint8Array(bytes) }),
  )
  return {
    address: { address: own, port: socket.address().port },
    received,
    send: ({ address, port }, bytes) => socket.send(bytes, port, address),
  }
}
