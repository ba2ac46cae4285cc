import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { createInlineDataPlane } from '../../core/dataplane/inline.ts'
import { createMemoryNetwork, createMemoryTun } from '../../core/dataplane/memory.ts'
import { PacketBatch } from '../../core/dataplane/ports.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { formatIpv4 } from '../../core/wire/ip.ts'
import { dataPlaneContract } from '../contracts/data-plane.ts'
import { type Bench, OTHER_PORT, type Peer, PORT, TUN_MTU_BYTES } from '../contracts/data-plane-bench.ts'

const ADDRESSES = ['192.0.2.1', '192.0.2.2'] as const
const PEERS = '192.0.2.100'

dataPlaneContract({
  name: 'inline',
  skip: false,
  async open(t): Promise<Bench> {
    const network = createMemoryNetwork()
    const tun = createMemoryTun()
    const plane = createInlineDataPlane(
      {
        listen: [PORT, OTHER_PORT].map(port => ({ address: '0.0.0.0', port })),
        tun: { name: 'bt0', mtuBytes: TUN_MTU_BYTES },
      },
      { clock: nodeClock, host: network.host(...ADDRESSES), tun },
    )
    const events: DataPlaneEvent[] = []
    plane.onEvent(event => events.push(event))
    await plane.start()
    t.after(() => plane.stop())
    const peers = network.host(PEERS)
    return {
      plane,
      events,
      addresses: ADDRESSES,
      makePeer: async () => makePeer(peers.bind({ address: PEERS, port: 0 })),
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
          from: { address: formatIpv4(batch.remoteAddress[i] ?? 0), port: batch.remotePort[i] ?? 0 },
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
