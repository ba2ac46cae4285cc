/** Queues that are full, links that are slow and addresses that lead nowhere. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { outerAddress } from '../../core/dataplane/outer-address.ts'
import { HEADROOM_BYTES, PacketBatch } from '../../core/dataplane/ports.ts'
import { libc, NativeMemory } from '../../core/dataplane/tun/libc.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import {
  counters,
  flowOf,
  fromInside,
  fromSession,
  PERMIT_ALL,
  toInside,
} from '../contracts/data-plane-bench.ts'
import { makePeer } from '../contracts/udp-peer.ts'
import { joinByVeth, makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { openPacketSocket } from '../support/packet-socket.ts'
import { until } from '../support/until.ts'
import { watchWorkers } from '../support/workers.ts'

const skip = skipWithoutNetns
const LNS = { address: '10.1.0.1', port: 1701 }
const PEER = '10.1.0.2'
const TUN = { name: 'bt0', mtuBytes: 1500 }
const IP_RECVERR = 11

function makeNets(t: TestContext) {
  const [host, outside] = [makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: host, device: 'out', address: `${LNS.address}/24` },
    { netns: outside, device: 'in', address: `${PEER}/24` },
  )
  return { host, outside, tc: (what: string) => host.exec('tc', ...`qdisc ${what}`.split(' ')) }
}

async function openScene(t: TestContext, firstDelayMs = 1) {
  const nets = makeNets(t)
  const { host, outside } = nets
  const workers = watchWorkers(t)
  const plane = createWorkerDataPlane({ listen: [LNS], tun: TUN }, { supervision: { firstDelayMs } })
  const events: DataPlaneEvent[] = []
  plane.onEvent(event => events.push(event))
  await host.inside(() => plane.start())
  t.after(() => plane.stop())
  await host.inside(() =>
    linuxKernel.configureTun(TUN.name, {
      address: '192.168.1.254',
      mtuBytes: TUN.mtuBytes,
      routes: [],
      ipv6: false,
    }),
  )
  const device = openPacketSocket(host, TUN.name)
  t.after(() => device.close())
  const peer = await makePeer(t, outside, PEER)
  await plane.setPolicy('dmz', PERMIT_ALL)
  await plane.upsert([flowOf(0, { local: LNS, remote: peer.address })])
  const statistic = (name: string) =>
    BigInt(host.exec('cat', `/sys/class/net/${TUN.name}/statistics/${name}`).trim())
  return {
    ...nets,
    plane,
    events,
    workers,
    device,
    peer,
    /** Packets that were taken out of the device's queue, or that found no room there. */
    left: () => statistic('tx_packets') + statistic('tx_dropped'),
    dropped: () => statistic('tx_dropped'),
  }
}

const LARGE = fromInside(0, { payload: new Uint8Array(1300) })

test('a link that is stuck holds up nothing but what goes there, and goes on when it is mended', {
  skip,
}, async t => {
  const { plane, events, device, peer, tc, left, dropped } = await openScene(t)
  tc('add dev out root tbf rate 8kbit burst 10000 limit 100000000')
  let injected = 0n
  const failed = () => counters(plane, 0).drops['send-failed'] ?? 0n
  const settled = () => {
    const { packetsOut } = counters(plane, 0)
    return packetsOut + failed() + dropped() === injected
  }
  await until(
    'a send buffer without room',
    async () => {
      for (let i = 0; i < 400; i++) device.inject(LARGE)
      injected += 400n
      await until('all of them are accounted for', settled)
      return failed() > 0n
    },
    30_000,
  )
  const began = performance.now()
  for (let i = 0; i < 1000; i++) device.inject(LARGE)
  injected += 1000n
  peer.send(LNS, fromSession(0, toInside(0)))
  await until('a packet the other way', () => counters(plane, 0).packetsIn === 1n)
  await until('all of them are accounted for', settled)
  const tookMs = performance.now() - began
  assert.equal(left(), injected)
  // At 10 ms a packet the queue alone would be five seconds.
  assert.ok(tookMs < 3000, `${tookMs} ms`)
  tc('del dev out root')
  const received = peer.received.length
  device.inject(fromInside(0))
  await until('a packet this way', () => peer.received.length > received)
  assert.deepEqual(events, [{ kind: 'stage', stage: 'worker', state: 'up' }])
})

test('what waits in the queue of the TUN while there is no worker is for the next; what found no room is lost', {
  skip,
}, async t => {
  const { plane, events, device, workers, dropped } = await openScene(t, 300)
  await workers[0]?.terminate()
  const injected = 3000
  for (let i = 0; i < injected; i++) device.inject(LARGE)
  const lost = dropped()
  assert.ok(lost > 0n && lost < BigInt(injected), `${lost}`)
  assert.equal(events.at(-1)?.kind === 'stage' && plane.totals().restarts, 1)
  await until('what waited', () => counters(plane, 0).packetsOut === BigInt(injected) - lost)
})

/** Packets of 1000 octets to these addresses. */
function batchTo(addresses: readonly string[]): PacketBatch {
  const batch = new PacketBatch(HEADROOM_BYTES + 1000)
  for (const [i, address] of addresses.entries()) {
    batch.at[i] = i * batch.slotBytes + HEADROOM_BYTES
    batch.length[i] = 1000
    batch.localAddress[i] = outerAddress(LNS.address).number
    batch.remoteAddress[i] = outerAddress(address).number
    batch.remotePort[i] = 9
  }
  return batch
}

test('a message that the kernel refuses costs no other of its batch, for whatever reason', { skip }, t => {
  const { host, tc } = makeNets(t)
  host.ip('route add prohibit 198.51.100.0/24', 'route add unreachable 203.0.113.0/24')
  // Nothing waits for ARP.
  host.ip(`neigh replace ${PEER} lladdr 02:00:00:00:00:01 nud permanent dev out`)
  const socket = host.inside(() => UdpSocket.open(LNS))
  t.after(() => socket.close())
  const sent = (addresses: readonly string[]) => {
    const batch = batchTo(addresses)
    socket.send(batch, 0, addresses.length)
    return addresses.map((_, i) => batch.length[i] !== 0)
  }
  const strange = ['198.51.100.1', PEER, '203.0.113.1', '192.0.2.1', PEER, '0.0.0.0', PEER]
  assert.deepEqual(sent(strange).slice(0, 5), [false, true, false, false, true])
  assert.equal(sent(strange).at(-1), true)
  // ENOBUFS: a queue of the kernel that is full, told to sockets that want to know.
  const on = new NativeMemory(4)
  on.view.setInt32(0, 1, true)
  assert.equal(libc.setsockopt(socket.fd, 0, IP_RECVERR, on.address, 4), 0)
  tc('add dev out root tbf rate 8kbit burst 10000 limit 20000')
  const many = sent(Array.from({ length: 64 }, () => PEER))
  assert.ok(many.includes(true) && many.includes(false), many.join())
  tc('del dev out root')
  assert.deepEqual(sent([PEER, PEER]), [true, true])
})

test('a TUN that is set down forwards nothing and goes on when it is up again', { skip }, async t => {
  const { plane, events, peer, host } = await openScene(t)
  host.ip(`link set ${TUN.name} down`)
  peer.send(LNS, fromSession(0, toInside(0)))
  await until('what the kernel did not take', () => counters(plane, 0).drops['send-failed'] === 1n)
  host.ip(`link set ${TUN.name} up`)
  const device = openPacketSocket(host, TUN.name)
  t.after(() => device.close())
  device.inject(fromInside(0))
  peer.send(LNS, fromSession(0, toInside(0)))
  await until('both ways', () => counters(plane, 0).packetsIn === 1n && counters(plane, 0).packetsOut === 1n)
  assert.equal(events.length, 1)
})
