/** Bulk through two real data planes: what arrives is what was sent, and the figures are those of the packets on the wire. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import test from 'node:test'
import { PORTS_NAMES } from '../../core/dataplane/data-plane.ts'
import { counters } from '../contracts/data-plane-bench.ts'
import { openPair, PAIR_INSIDE, type Pair, TUN } from '../support/data-plane-pair.ts'
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
      return (
        atLns.packetsIn === atClient.packetsOut &&
        atLns.octetsIn === atClient.octetsOut &&
        atLns.packetsOut === atClient.packetsIn &&
        atLns.octetsOut === atClient.octetsIn
      )
    })
    const { packetsIn, octetsIn, packetsOut, octetsOut } = counters(lnsPlane, 0)
    assert.ok(octetsIn / packetsIn <= TUN.mtuBytes && octetsOut / packetsOut <= TUN.mtuBytes)
    const superPackets = ports === 'batches' ? 1 : 4
    assert.ok(Number(packetsIn) >= superPackets * kernelCount(lns, 'rx_packets'), 'merged on the way up')
    assert.ok(Number(packetsOut) >= superPackets * kernelCount(lns, 'tx_packets'), 'cut on the way down')
    assert.deepEqual(lnsPlane.totals().drops, {})
  })
}
