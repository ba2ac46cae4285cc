/** An engine over ports with offloads beside one over ports without: packets, figures and verdicts are the same. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { Engine } from '../../core/dataplane/engine.ts'
import { createEngineMemory } from '../../core/dataplane/engine-memory.ts'
import { createMemoryNetwork, createMemoryTun } from '../../core/dataplane/memory.ts'
import { superBatch } from '../../core/dataplane/offload/layout.ts'
import { VNET_HEADER_BYTES } from '../../core/dataplane/offload/vnet-header.ts'
import { compileRules } from '../../core/dataplane/policy/program.ts'
import { RuleCounters } from '../../core/dataplane/policy/rule-counters.ts'
import type { DatagramPort, PacketBatch, TunPort } from '../../core/dataplane/ports.ts'
import { ERRNO } from '../../core/dataplane/tun/libc.ts'
import { OffloadTun } from '../../core/dataplane/tun/offload-tun.ts'
import type { AclRule, Flow } from '../../core/flow.ts'
import { PPP } from '../../core/wire/ppp-frame.ts'
import { flowOf, fromSession } from '../contracts/data-plane-bench.ts'
import { FakeCalls } from './fake-calls.ts'
import { byConversation, PLAIN, packetOf, type SuperPacket, segments, streams } from './super-packets.ts'

const RUNS = { numRuns: Math.max(1000, Number(process.env.BURROW_SEEDS ?? 0)) }
const LNS = { address: '192.0.2.1', port: 1701 }
const PEER = { address: '192.0.2.100', port: 5000 }
const FLOWS = 4
const MTU_BYTES = 1400

/** Session n has what `packetOf` says of host n + 1 and, if it is odd, of IPv6. */
const flows = (more: Partial<Flow>) =>
  Array.from({ length: FLOWS }, (_, n) =>
    flowOf(
      n,
      { local: LNS, remote: PEER },
      {
        prefixes: [
          { address: `10.0.0.${n + 1}`, length: 32 },
          { address: `2001:db8:a::${n + 1}`, length: 128 },
        ],
        mtuBytes: MTU_BYTES,
        ...more,
      },
    ),
  )

const RULES: readonly AclRule[] = [
  {
    action: 'deny',
    direction: 'from-session',
    protocol: 17,
    source: [{ address: '10.0.0.3', length: 32 }],
    name: 'no',
  },
  {
    action: 'reject',
    direction: 'to-session',
    protocol: 17,
    destination: [{ address: '10.0.0.1', length: 32 }],
    name: 'not',
  },
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
]

function makeEngine(
  socket: DatagramPort,
  tun: TunPort,
  makeBatch: undefined | typeof superBatch,
  more: Partial<Flow>,
) {
  const sizes = { maxFlows: 16, connections: 1024 }
  const memory = createEngineMemory(sizes)
  const ruleCounters = new RuleCounters(memory.ruleCounters)
  const engine = new Engine({
    ...sizes,
    mtuBytes: 1500,
    memory,
    sockets: [socket],
    tun,
    up: (_event: DataPlaneEvent) => true,
    ...(makeBatch === undefined ? {} : { makeBatch }),
  })
  engine.apply({
    kind: 'ruleSet',
    rules: { ...compileRules(RULES, name => ruleCounters.slotOf(name)), number: 1 },
  })
  engine.apply({ kind: 'zonePolicy', zone: 'dmz', rules: 1 })
  engine.apply({ kind: 'upsert', flows: flows(more) })
  engine.forwarder.tick(1000)
  const figures = () => ({
    flows: Array.from({ length: FLOWS }, (_, flow) => engine.counters.read(flow)),
    totals: engine.counters.totals(),
    rules: ruleCounters.read(),
  })
  return { engine, figures }
}

/** A socket whose datagrams come from a list, each at an odd or even place behind the one before, as those of a super-datagram do. */
function listSocket(datagrams: readonly Uint8Array[], sent: Uint8Array[]): DatagramPort {
  const network = createMemoryNetwork()
  const socket = network.host(LNS.address).bind(LNS)
  const peer = network.host(PEER.address).bind(PEER)
  const left = [...datagrams]
  return {
    ...socket,
    bound: LNS,
    close: () => [socket, peer].forEach(port => void port.close()),
    sendOne: () => true,
    shedOpenings: () => {},
    receive(batch: PacketBatch) {
      batch.count = 0
      batch.oversized = 0
      batch.isIpv6 = false
      let at = 16
      const room = Math.min(batch.most, 64)
      for (const datagram of left.splice(0, room)) {
        const i = batch.count++
        batch.bytes.set(datagram, at)
        batch.at[i] = at
        batch.length[i] = datagram.length
        batch.localAddress[i] = addressNumber(LNS.address)
        batch.remoteAddress[i] = addressNumber(PEER.address)
        batch.remotePort[i] = PEER.port
        at += datagram.length
      }
      return left.length > 0
    },
    send(batch, from, to) {
      for (let i = from; i < to; i++) {
        const [start = 0, length = 0, restAt = 0, rest = 0] = [
          batch.at,
          batch.length,
          batch.restAt,
          batch.restLength,
        ].map(column => column[i] ?? 0)
        sent.push(
          Buffer.concat([
            batch.bytes.slice(start, start + length - rest),
            batch.bytes.slice(restAt, restAt + rest),
          ]),
        )
      }
    },
  }
}

const addressNumber = (text: string) => text.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const limits = fc.constantFrom<Partial<Flow>>({}, { upRateBps: 300_000, downRateBps: 300_000 })

/** What was written to a TUN with offloads, as the packets that the kernel takes it for. */
function packetsOf(written: readonly Buffer[]): Uint8Array[] {
  return written.flatMap(bytes => {
    const [flags, type] = bytes
    const packet = new Uint8Array(bytes.subarray(VNET_HEADER_BYTES))
    const isIpv6 = (packet[0] ?? 0) >> 4 === 6
    const gsoSize = bytes.readUInt16LE(4)
    if (gsoSize === 0)
      assert.deepEqual([...bytes.subarray(0, VNET_HEADER_BYTES)], new Array(VNET_HEADER_BYTES).fill(0))
    else {
      const isTcp = packet[isIpv6 ? 6 : 9] === 6
      assert.deepEqual([flags, type], [1, isTcp ? (isIpv6 ? 4 : 1) : 5])
      assert.deepEqual([bytes.readUInt16LE(6), bytes.readUInt16LE(8)], [isIpv6 ? 40 : 20, isTcp ? 16 : 6])
    }
    return segments({ bytes: packet, gsoSize })
  })
}

test('from sessions: the kernel is given what it would be given packet by packet, and all figures are the same', () => {
  let merged = 0
  fc.assert(
    fc.property(streams, limits, fc.integer({ min: 0, max: 5 }), (packets, more, moved) => {
      // Some of them come from a session that they do not belong to.
      const datagrams = packets.map((packet, i) => {
        const isIpv6 = (packet[0] ?? 0) >> 4 === 6
        const host = (packet[isIpv6 ? 23 : 15] ?? 1) - 1
        const session = i % 6 === moved ? 0 : host % FLOWS
        return fromSession(session, packet, isIpv6 ? PPP.IPV6 : PPP.IPV4)
      })
      const plainTun = createMemoryTun()
      const plain = makeEngine(listSocket(datagrams, []), plainTun.port, undefined, more)
      const calls = new FakeCalls()
      const offload = makeEngine(listSocket(datagrams, []), new OffloadTun(-1, true, calls), superBatch, more)
      for (const { engine } of [plain, offload]) {
        const source = listSocket(datagrams, [])
        while (engine.forwarder.fromNetwork(source));
      }
      const given = packetsOf(calls.written)
      merged += given.length - calls.written.length
      assert.deepEqual(byConversation(given), byConversation(plainTun.take()))
      assert.deepEqual(offload.figures(), plain.figures())
    }),
    RUNS,
  )
  assert.ok(merged > RUNS.numRuns, `${merged} merged`)
})

/** As a kernel's TUN gives it; one that is none has no checksum to be completed. */
function withVnetHeader({ bytes, gsoSize }: SuperPacket): Uint8Array {
  const header = Buffer.alloc(VNET_HEADER_BYTES)
  const isIpv6 = (bytes[0] ?? 0) >> 4 === 6
  const isTcp = bytes[isIpv6 ? 6 : 9] === 6
  if (gsoSize > 0) {
    header.writeUInt8(1, 0)
    header.writeUInt8(isTcp ? (isIpv6 ? 4 : 1) : 5, 1)
    header.writeUInt16LE(gsoSize, 4)
    header.writeUInt16LE(isIpv6 ? 40 : 20, 6)
    header.writeUInt16LE(isTcp ? 16 : 6, 8)
  }
  return Uint8Array.from([...header, ...bytes])
}

const toSession = (packet: Uint8Array) => {
  const turned = packet.slice()
  const isIpv6 = (packet[0] ?? 0) >> 4 === 6
  const [from, octets] = isIpv6 ? [8, 16] : [12, 4]
  turned.set(packet.subarray(from + octets, from + 2 * octets), from)
  turned.set(packet.subarray(from, from + octets), from + octets)
  return turned
}

const fromInside: fc.Arbitrary<readonly SuperPacket[]> = fc.array(
  fc
    .record({
      isIpv6: fc.boolean(),
      isTcp: fc.boolean(),
      host: fc.integer({ min: 1, max: FLOWS + 1 }),
      flags: fc.constantFrom(0x10, 0x18, 0x19, 0x02),
      payload: fc.uint8Array({ minLength: 1, maxLength: 5000, size: 'max' }),
    })
    .chain(fields =>
      fc.record({
        bytes: fc.constant(toSession(packetOf({ ...PLAIN, ...fields }))),
        // A super-packet whose parts do not fit a session, and packets that are none.
        gsoSize: fc.oneof(
          { weight: 4, arbitrary: fc.integer({ min: 400, max: 1360 }) },
          fc.constantFrom(0, 1361, 1400),
        ),
      }),
    ),
  { maxLength: 8 },
)

test('to sessions: peers are sent what they would be sent packet by packet, and all figures and answers are the same', () => {
  let cut = 0
  fc.assert(
    fc.property(fromInside, limits, fc.boolean(), (superPackets, more, sequence) => {
      const needs = { sequence, shaping: false, mss: true, nat: false }
      const packets = superPackets.filter(({ bytes, gsoSize }) => gsoSize > 0 || bytes.length <= 1500)
      const [plainSent, offloadSent]: [Uint8Array[], Uint8Array[]] = [[], []]
      const plainTun = createMemoryTun()
      for (const packet of packets.flatMap(segments)) plainTun.inject(packet)
      const plain = makeEngine(listSocket([], plainSent), plainTun.port, undefined, { ...more, needs })
      while (plain.engine.forwarder.fromTun(plainTun.port));
      const calls = new FakeCalls()
      calls.toRead.push(...packets.map(withVnetHeader))
      const tun = new OffloadTun(-1, true, calls)
      const offload = makeEngine(listSocket([], offloadSent), tun, superBatch, { ...more, needs })
      while (offload.engine.forwarder.fromTun(tun));
      cut += offloadSent.length
      assert.deepEqual(offloadSent.map(hex), plainSent.map(hex))
      assert.deepEqual(packetsOf(calls.written).map(hex), plainTun.take().map(hex), 'answers')
      assert.deepEqual(offload.figures(), plain.figures())
    }),
    RUNS,
  )
  assert.ok(cut > 3 * RUNS.numRuns, `${cut} were sent`)
})

test('a checksum that the kernel left to the device is completed', () => {
  const whole = toSession(packetOf({ ...PLAIN, isTcp: false, payload: new Uint8Array(33).fill(9) }))
  const partial = withVnetHeader({ bytes: whole, gsoSize: 0 })
  partial.set([1, 0, 0, 0, 0, 0, 20, 0, 6, 0])
  const upperAt = VNET_HEADER_BYTES + 20
  const pseudo = [...whole.subarray(12, 20), 0, 17, 0, 41]
  const sum = pseudo.reduce((total, byte, i) => total + (i % 2 === 0 ? byte << 8 : byte), 0)
  const folded = (sum & 0xffff) + (sum >> 16)
  partial.set([folded >> 8, folded & 0xff], upperAt + 6)
  const calls = new FakeCalls()
  calls.toRead.push(partial)
  const batch = superBatch(4096)
  new OffloadTun(-1, true, calls).receive(batch)
  const [at = 0, length = 0] = [batch.at[0], batch.length[0]]
  assert.equal(hex(batch.bytes.subarray(at, at + length)), hex(whole))
})

const upStream = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    fromSession(0, packetOf({ ...PLAIN, sequence: 100 * n, identification: n })),
  )

test('what a full TUN does not take is counted packet by packet, and what comes later passes', () => {
  for (const fault of [ERRNO.EAGAIN, ERRNO.ENOBUFS, ERRNO.EIO]) {
    const calls = new FakeCalls()
    calls.writeFaults.push(fault)
    const datagrams = upStream(80)
    const { engine, figures } = makeEngine(
      listSocket([], []),
      new OffloadTun(-1, true, calls),
      superBatch,
      {},
    )
    const source = listSocket(datagrams, [])
    while (engine.forwarder.fromNetwork(source));
    const [row] = figures().flows
    assert.deepEqual(
      [row?.packetsIn, row?.octetsIn, row?.drops],
      [16n, 16n * 140n, { 'send-failed': 64n }],
      String(fault),
    )
  }
})

test('super-packets of the smallest parts are cut in as many turns as it takes, and nothing is lost or written over', () => {
  const calls = new FakeCalls()
  const bytes = toSession(
    packetOf({ ...PLAIN, payload: Uint8Array.from({ length: 60_000 }, (_, i) => i % 251) }),
  )
  const small = toSession(packetOf(PLAIN))
  const superPackets = [15, 16, 1].map(gsoSize => ({ bytes, gsoSize }))
  const packets = superPackets.flatMap(one => [
    one,
    ...Array.from({ length: 400 }, () => ({ bytes: small, gsoSize: 0 })),
  ])
  calls.toRead.push(...packets.map(withVnetHeader))
  const tun = new OffloadTun(-1, true, calls)
  const batch = superBatch(4096)
  let seen = 0
  let octets = 0
  let isMore: boolean
  do {
    isMore = tun.receive(batch)
    assert.ok(batch.count <= batch.most)
    seen += batch.count
    for (let i = 0; i < batch.count; i++) {
      octets += batch.length[i] ?? 0
      const [at = 0, restAt = 0, rest = 0] = [batch.at[i], batch.restAt[i], batch.restLength[i]]
      const head = batch.bytes.subarray(at, at + (batch.length[i] ?? 0) - rest)
      assert.equal(head[0], 0x45)
      // As what forwards it does: the headroom is ours.
      batch.bytes.fill(0xa5, at - 16, at)
      assert.ok(restAt + rest <= batch.bytes.length)
    }
  } while (isMore)
  const expected = packets.flatMap(({ gsoSize }) => (gsoSize === 0 ? [1] : [Math.ceil(60_000 / gsoSize)]))
  assert.equal(
    seen,
    expected.reduce((sum, count) => sum + count, 0),
  )
  const wire = packets.map(({ gsoSize }, i) => (gsoSize === 0 ? 140 : 60_000 + 40 * (expected[i] ?? 0)))
  assert.equal(
    octets,
    wire.reduce((sum, count) => sum + count, 0),
  )
})

test('a packet that the kernel cannot describe is lost, and those behind it are read', () => {
  const calls = new FakeCalls()
  const packet = toSession(packetOf(PLAIN))
  calls.toRead.push(new Uint8Array(0), withVnetHeader({ bytes: packet, gsoSize: 0 }))
  const batch = superBatch(4096)
  assert.equal(new OffloadTun(-1, true, calls).receive(batch), false)
  assert.equal(batch.count, 1)
})
