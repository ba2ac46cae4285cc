/** Bulk through two real data planes: what arrives is what was sent, and the figures are those of the packets on the wire. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import test from 'node:test'
import { PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { superBatch } from '../../core/dataplane/offload/layout.ts'
import { outerAddress } from '../../core/dataplane/outer-address.ts'
import { OffloadSocket } from '../../core/dataplane/tun/offload-socket.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import { counters } from '../contracts/data-plane-bench.ts'
import { openPair, PAIR_INNER, PAIR_INSIDE, type Pair, TUN } from '../support/data-plane-pair.ts'
import { type Netns, skipWithoutNetns } from '../support/netns.ts'
import { until } from '../support/until.ts'

const skip = skipWithoutNetns
const OCTETS = 24 << 20
const PORT = 8080

/** What the kernel counts of the TUN: super-packets are one. */
const kernelCount = (netns: Netns, name: string) =>
  Number(netns.exec('cat', `/sys/class/net/${TUN.name}/statistics/${name}`))

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Sends `up` and receives `down`; the hash of each as it arrived. */
async function exchange({ client, lns }: Pair, address: string, up: Uint8Array, down: Uint8Array) {
  const atServer = createHash('sha256')
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('data', chunk => atServer.update(chunk))
    socket.on('end', () => socket.end(down))
  })
  await lns.inside(async () => {
    server.listen(PORT, address)
    await once(server, 'listening')
  })
  const socket = await client.inside(async () => {
    const connecting = connect({ port: PORT, host: address, allowHalfOpen: true })
    await once(connecting, 'connect')
    return connecting
  })
  const atClient = createHash('sha256')
  socket.on('data', chunk => atClient.update(chunk))
  socket.end(up)
  await once(socket, 'end')
  socket.destroy()
  server.close()
  return [atServer.digest('hex'), atClient.digest('hex')]
}

for (const ports of PORTS_NAMES) {
  test(`${ports}: TCP of either family arrives whole both ways, and both ends count the same packets`, {
    skip,
  }, async t => {
    const pair = await openPair(t, ports)
    const { lnsPlane, clientPlane, lns } = pair
    const [up, down] = [randomBytes(OCTETS), randomBytes(OCTETS)]
    for (const address of [PAIR_INSIDE.ipv4, PAIR_INSIDE.ipv6])
      assert.deepEqual(await exchange(pair, address, up, down), [hashOf(up), hashOf(down)], address)
    await until('both ends count the same', () => {
      const [atLns, atClient] = [counters(lnsPlane, 0), counters(clientPlane, 0)]
      const passed = [
        [atClient.packetsOut, atLns.packetsIn],
        [atClient.octetsOut, atLns.octetsIn],
        [atLns.packetsOut, atClient.packetsIn],
        [atLns.octetsOut, atClient.octetsIn],
      ] as const
      // What Node does not take from the kernel in time is lost between them.
      return passed.every(([sent, received]) => (ports === 'dgram' ? sent >= received : sent === received))
    })
    const { packetsIn, octetsIn, packetsOut, octetsOut } = counters(lnsPlane, 0)
    assert.ok(octetsIn / packetsIn <= TUN.mtuBytes && octetsOut / packetsOut <= TUN.mtuBytes)
    const superPackets = ports.startsWith('offloads') ? 4 : 1
    assert.ok(Number(packetsIn) >= superPackets * kernelCount(lns, 'rx_packets'), 'merged on the way up')
    assert.ok(Number(packetsOut) >= superPackets * kernelCount(lns, 'tx_packets'), 'cut on the way down')
    assert.deepEqual(lnsPlane.totals().drops, {})
  })
}

const BURST = 60
const BURSTS = 20
const DATAGRAM_OCTETS = 1200

/** Super-datagrams from one end to the other, where they arrive one by one; the octets of each datagram are its number. */
async function bursts(
  { netns: from, address: source }: { readonly netns: Netns; readonly address: string },
  { netns: to, address }: { readonly netns: Netns; readonly address: string },
): Promise<void> {
  const receiver = to.inside(() => UdpSocket.open({ address, port: 0 }))
  const opened = from.inside(() => UdpSocket.open({ address: source, port: 0 }))
  const sender = new OffloadSocket(opened.fd, opened.bound)
  const [outgoing, incoming] = [superBatch(4096), superBatch(4096)]
  const [local, remote] = [outerAddress(source), outerAddress(address)]
  try {
    for (let burst = 0; burst < BURSTS; burst++) {
      for (let i = 0; i < BURST; i++) {
        const at = 16 + i * DATAGRAM_OCTETS
        outgoing.bytes.fill(1 + ((burst + i) % 255), at, at + DATAGRAM_OCTETS)
        outgoing.at[i] = at
        outgoing.length[i] = DATAGRAM_OCTETS - (i === BURST - 1 ? 77 : 0)
        outgoing.localAddress[i] = local.number
        outgoing.remoteAddress[i] = remote.number
        outgoing.remotePort[i] = receiver.bound.port
        outgoing.localWords.set(local.words ?? [], 4 * i)
        outgoing.remoteWords.set(remote.words ?? [], 4 * i)
      }
      sender.send(outgoing, 0, BURST)
      const seen: number[][] = []
      await until('the burst', () => {
        receiver.receive(incoming)
        for (let i = 0; i < incoming.count; i++) {
          const [at = 0, length = 0] = [incoming.at[i], incoming.length[i]]
          const octets = new Set(incoming.bytes.subarray(at, at + length))
          seen.push([length, ...octets])
        }
        return seen.length === BURST
      })
      assert.deepEqual(
        seen,
        Array.from({ length: BURST }, (_, i) => [
          DATAGRAM_OCTETS - (i === BURST - 1 ? 77 : 0),
          1 + ((burst + i) % 255),
        ]),
      )
    }
  } finally {
    sender.close()
    receiver.close()
  }
}

for (const ports of PORTS_NAMES) {
  test(`${ports}: super-datagrams of either family arrive as what they were, both ways`, {
    skip,
  }, async t => {
    const pair = await openPair(t, ports)
    const { client, lns, lnsPlane } = pair
    const merged = ports === 'offloads' ? 10 : 1
    for (const family of ['ipv4', 'ipv6'] as const) {
      const [inner, inside] = [
        { netns: client, address: PAIR_INNER[family] },
        { netns: lns, address: PAIR_INSIDE[family] },
      ]
      const before = counters(lnsPlane, 0)
      const kernel = (name: string) => kernelCount(lns, name)
      const [rx, tx] = [kernel('rx_packets'), kernel('tx_packets')]
      await bursts(inner, inside)
      await bursts(inside, inner)
      const after = counters(lnsPlane, 0)
      const octets = BigInt((DATAGRAM_OCTETS + (family === 'ipv4' ? 28 : 48)) * BURST * BURSTS - 77 * BURSTS)
      for (const [packets, sum] of [
        [after.packetsIn - before.packetsIn, after.octetsIn - before.octetsIn],
        [after.packetsOut - before.packetsOut, after.octetsOut - before.octetsOut],
      ] as const) {
        assert.ok(packets >= BigInt(BURST * BURSTS) && sum >= octets)
        assert.ok(packets < BigInt(BURST * BURSTS + 20), 'little but that')
      }
      assert.ok(BURST * BURSTS >= merged * (kernel('rx_packets') - rx - 20), 'merged on the way up')
      assert.ok(BURST * BURSTS >= merged * (kernel('tx_packets') - tx - 20), 'cut on the way down')
    }
  })
}
