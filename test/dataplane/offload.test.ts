import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type BatchMemory, plainMemory, vectorMemory } from '../../core/dataplane/offload/batch-memory.ts'
import { Coalescer } from '../../core/dataplane/offload/coalescer.ts'
import { Segmenter } from '../../core/dataplane/offload/segmenter.ts'
import { HEADROOM_BYTES, PacketBatch } from '../../core/dataplane/ports.ts'
import { sum16 } from '../support/ip-packets.ts'
import { byConversation, PLAIN, packetOf, type SuperPacket, segments, streams } from './super-packets.ts'

const RUNS = { numRuns: Math.max(2000, Number(process.env.BURROW_SEEDS ?? 0)) }
const MOST = 256
const SLOT_BYTES = 2048
const MEMORY_BYTES = MOST * SLOT_BYTES
const MEMORIES: readonly (readonly [string, BatchMemory])[] = [
  ['vectors', vectorMemory(MEMORY_BYTES)],
  ['words', plainMemory(MEMORY_BYTES)],
]

/** One after another, each at a place of its own that may be odd. */
function batchOf(packets: readonly Uint8Array[], memory: BatchMemory): PacketBatch {
  const batch = new PacketBatch(SLOT_BYTES, MOST, memory)
  let at = 3
  for (const [i, packet] of packets.entries()) {
    batch.bytes.set(packet, at)
    batch.at[i] = at
    batch.length[i] = packet.length
    at += packet.length + (i % 4)
  }
  return batch
}

/** The super-packets, and the packets, that a batch becomes. */
function coalesced(
  packets: readonly Uint8Array[],
  memory: BatchMemory,
  withUdp = true,
): readonly SuperPacket[] {
  const batch = batchOf(packets, memory)
  const runs = new Coalescer(MOST, withUdp)
  runs.merge(batch, 0, packets.length)
  return Array.from({ length: runs.count }, (_, run) => {
    const parts: Uint8Array[] = []
    let packet = runs.first[run] ?? 0
    for (let member = 0; member < (runs.members[run] ?? 0); member++) {
      const [at = 0, length = 0] = [batch.at[packet], batch.length[packet]]
      parts.push(batch.bytes.slice(at + (member === 0 ? 0 : (runs.headerBytes[run] ?? 0)), at + length))
      packet = runs.next[packet] ?? 0
    }
    return { bytes: new Uint8Array(Buffer.concat(parts)), gsoSize: runs.gsoSize[run] ?? 0 }
  })
}

for (const [name, memory] of MEMORIES) {
  test(`sums of ${name} are those of RFC 1071 at any place and of any length`, () => {
    for (const [at, length] of [0, 1, 2, 3, 63, 64].flatMap(at =>
      Array.from({ length: 300 }, (_, n) => [at, n] as const),
    )) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length * 11 + at) & 0xff)
      memory.bytes.set(bytes, at)
      assert.equal(~memory.sum(at, length) & 0xffff, sum16(bytes), `${length} at ${at}`)
    }
    memory.bytes.fill(0xff)
    for (const length of [0, 1, 2, 1500, 65_535, 65_536]) {
      const expected = ~sum16(new Uint8Array(length).fill(0xff)) & 0xffff
      assert.equal(memory.sum(5, length), expected, `${length} of ones`)
    }
  })

  test(`cut again, what was put together is what went in (${name})`, () => {
    let [merged, single] = [0, 0]
    fc.assert(
      fc.property(streams, fc.boolean(), (packets, withUdp) => {
        const made = coalesced(packets, memory, withUdp)
        for (const { gsoSize } of made) {
          if (gsoSize > 0) merged++
          else single++
        }
        const again = made.flatMap(segments)
        assert.equal(again.length, packets.length)
        assert.deepEqual(byConversation(again), byConversation(packets))
      }),
      RUNS,
    )
    assert.ok(merged > RUNS.numRuns && single > RUNS.numRuns, `${merged} merged, ${single} single`)
  })
}

const memory = MEMORIES[0]?.[1] ?? assert.fail()
const segment = (n: number, more: Partial<typeof PLAIN> = {}) =>
  packetOf({ ...PLAIN, sequence: 1000 + 100 * n, identification: 7 + n, ...more })
const sizes = (packets: readonly Uint8Array[], withUdp?: boolean) =>
  coalesced(packets, memory, withUdp).map(({ bytes, gsoSize }) => [bytes.length, gsoSize])

test('neighbours of a conversation are merged, whatever is between them', () => {
  const others = [1, 2, 3].map(host => packetOf({ ...PLAIN, host: host + 1 }))
  assert.deepEqual(sizes([segment(0), ...others, segment(1), segment(2)]), [
    [340, 100],
    [140, 0],
    [140, 0],
    [140, 0],
  ])
})

test('a shorter one, FIN or PSH is the last of its run; 64 are the most', () => {
  const short = segment(2, { payload: new Uint8Array(50) })
  const behind = packetOf({ ...PLAIN, sequence: 1250, identification: 10 })
  assert.deepEqual(sizes([segment(0), segment(1), short, behind]), [
    [290, 100],
    [140, 0],
  ])
  for (const flags of [0x18, 0x11])
    assert.deepEqual(sizes([segment(0), segment(1, { flags }), segment(2)]), [
      [240, 100],
      [140, 0],
    ])
  const many = Array.from({ length: 100 }, (_, n) => segment(n))
  assert.deepEqual(sizes(many), [
    [6440, 100],
    [3640, 100],
  ])
})

test('no super-packet is longer than its length field says', () => {
  const payload = new Uint8Array(1400)
  const many = Array.from({ length: 60 }, (_, n) => segment(n, { payload, sequence: 1400 * n }))
  assert.deepEqual(sizes(many), [
    [46 * 1400 + 40, 1400],
    [14 * 1400 + 40, 1400],
  ])
})

test('one whose checksum is wrong is handed on as it is, alone, and those around it are not merged over it', () => {
  const wrong = segment(1, { checksum: 'wrong' })
  assert.deepEqual(sizes([segment(0), wrong, segment(2), segment(3)]), [
    [140, 0],
    [140, 0],
    [240, 100],
  ])
  const first = segment(0, { checksum: 'wrong' })
  assert.deepEqual(sizes([first, segment(1), segment(2)]), [
    [140, 0],
    [240, 100],
  ])
})

test('UDP is merged where the kernel takes that, and never without a checksum', () => {
  const datagram = (n: number, more: Partial<typeof PLAIN> = {}) => segment(n, { isTcp: false, ...more })
  const three = [0, 1, 2].map(n => datagram(n))
  assert.deepEqual(sizes(three), [[328, 100]])
  assert.deepEqual(sizes(three, false).length, 3)
  assert.equal(sizes([0, 1, 2].map(n => datagram(n, { checksum: 'zero' }))).length, 3)
  assert.deepEqual(sizes([0, 1, 2].map(n => datagram(n, { isIpv6: true }))), [[348, 100]])
})

test('a checksum that is right, but not as the kernel would write it, stays as it is', () => {
  // One whose sum is zero: its payload makes up for the rest.
  const made = (n: number, checksum: 'right' | 'other zero') => {
    const payload = new Uint8Array(100)
    const rest = Buffer.from(segment(n, { payload })).readUInt16BE(36)
    payload.set([rest >> 8, rest & 0xff])
    return segment(n, { payload, checksum })
  }
  assert.equal(Buffer.from(made(1, 'right')).readUInt16BE(36), 0)
  assert.deepEqual(sizes([segment(0), made(1, 'right'), segment(2)]), [[340, 100]])
  assert.equal(sizes([segment(0), made(1, 'other zero'), segment(2)]).length, 3)
})

const superPacket = fc
  .record({
    isIpv6: fc.boolean(),
    isTcp: fc.boolean(),
    flags: fc.constantFrom(0x10, 0x18, 0x11, 0x90, 0x99, 0x50),
    tcpOptions: fc.constantFrom([], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
    payload: fc.uint8Array({ minLength: 1, maxLength: 6000, size: 'max' }),
    sequence: fc.constantFrom(0, 0xffff_fff0, 77),
    identification: fc.constantFrom(0, 0xfffe, 5),
  })
  .chain(fields => fc.record({ fields: fc.constant(fields), gsoSize: fc.integer({ min: 1, max: 1400 }) }))

test('a super-packet is cut as the kernel would cut it, in as many turns as the room for headers makes it', () => {
  const headersAt = MEMORY_BYTES - 16_384
  fc.assert(
    fc.property(
      superPacket,
      fc.constantFrom(MEMORY_BYTES, headersAt + 400),
      ({ fields, gsoSize }, headersEnd) => {
        const bytes = packetOf({ ...PLAIN, ...fields })
        const batch = new PacketBatch(SLOT_BYTES, MOST, memory)
        const at = HEADROOM_BYTES
        batch.bytes.set(bytes, at)
        const segmenter = new Segmenter(headersAt, headersEnd)
        const type = fields.isTcp ? (fields.isIpv6 ? 4 : 1) : 5
        assert.ok(segmenter.begin(batch, at, bytes.length, type, gsoSize, fields.isIpv6 ? 40 : 20))
        const cut: Uint8Array[] = []
        while (segmenter.isPending) {
          batch.count = 0
          segmenter.rewind()
          segmenter.cut(batch)
          assert.ok(batch.count > 0)
          for (let i = 0; i < batch.count; i++) {
            const [from = 0, restAt = 0, rest = 0] = [batch.at[i], batch.restAt[i], batch.restLength[i]]
            const head = batch.bytes.slice(from, from + (batch.length[i] ?? 0) - rest)
            cut.push(new Uint8Array(Buffer.concat([head, batch.bytes.slice(restAt, restAt + rest)])))
            // As our own headers will be.
            batch.bytes.fill(0xa5, from - HEADROOM_BYTES, from)
          }
        }
        assert.deepEqual(cut, segments({ bytes, gsoSize }))
      },
    ),
    RUNS,
  )
})

test('what does not look like a super-packet is not cut', () => {
  const batch = batchOf([packetOf(PLAIN)], memory)
  const segmenter = new Segmenter(MEMORY_BYTES - 16_384, MEMORY_BYTES)
  const at = batch.at[0] ?? 0
  for (const [type, gsoSize, upperBytes, length] of [
    [3, 100, 20, 140],
    [0, 100, 20, 140],
    [1, 0, 20, 140],
    [1, 100, 0, 140],
    [1, 100, 121, 140],
    [1, 100, 65_535, 140],
    [1, 100, 20, 40],
    [1, 100, 20, 0],
  ] as const)
    assert.equal(segmenter.begin(batch, at, length, type, gsoSize, upperBytes), false)
})
