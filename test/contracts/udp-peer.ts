/** A peer with a real socket, in a namespace. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import type { Netns } from '../support/netns.ts'
import type { Peer } from './data-plane-bench.ts'

/** On a port of its own of an address of the namespace. */
export async function makePeer(t: TestContext, netns: Netns, own: string): Promise<Peer> {
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
