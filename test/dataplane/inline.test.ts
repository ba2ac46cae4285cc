import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { createInlineDataPlane } from '../../core/dataplane/inline.ts'
import { createMemoryNetwork, createMemoryTun } from '../../core/dataplane/memory.ts'
import { PacketBatch } from '../../core/dataplane/ports.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { dataPlaneContract } from '../contracts/data-plane.ts'
import { type Bench, OTHER_PORT, type Peer, PORT, TUN_MTU_BYTES } from '../contracts/data-plane-bench.ts'

const OUTSIDES = [
  { name: 'inline', wildcard: '0.0.0.0', addresses: ['192.0.2.1', '192.0.2.2'], peers: '192.0.2.100' },
  {
    name: 'inline, over IPv6',
    wildcard: '::',
    addresses: ['2001:db8::1', '2001:db8::2'],
    peers: '2001:db8::100',
  },
] as const

for (const { name, wildcard, addresses, peers: peerAddress } of OUTSIDES)
  dataPlaneContract({
    name,
    skip: false,
    async open(t): Promise<Bench> {
      const network = createMemoryNetwork()
      const tun = createMemoryTun()
      const plane = createInlineDataPlane(
        {
          listen: [PORT, OTHER_PORT].map(port => ({ address: wildcard, port })),
          tun: { name: 'bt0', mtuBytes: TUN_MTU_BYTES },
        },
        { clock: nodeClock, host: network.host(...addresses), tun },
      )
      const events: DataPlaneEvent[] = []
      plane.onEvent(event => events.push(event))
      await plane.start()
      t.after(() => plane.stop())
      const peers = network.host(peerAddress)
      return {
        plane,
        events,
        addresses,
        makePeer: async () => makePeer(peers.bind({ address: peerAddress, port: 0 })),
        inject: packet => tun.inject(packet),
        take: () => tun.take(),
      }
    },
  })

type Socket = ReturnType<ReturnType<ReturnType<typeof createMemoryNetwork>['host']>['bind']>

function makePeer(socket: Socket): Peer {
  const received: Peer['received'] = []
  const batch = new PacketBatch(TUN_MTU_BYTES + 500)
  socket.onReadable(() => {
    let more: boolean
    do {
      more = socket.receive(batch)
      for (let i = 0; i < batch.count; i++) {
        const at = batch.at[i] ?? 0
        received.push({
          from: { address: batch.remoteText(i), port: batch.remotePort[i] ?? 0 },
          bytes: batch.bytes.slice(at, at + (batch.length[i] ?? 0)),
        })
      }
    } while (more)
  })
  return {
    address: socket.bound,
    received,
    send: (to, bytes) => void socket.sendOne({ local: socket.bound, remote: to }, bytes),
  }
}
