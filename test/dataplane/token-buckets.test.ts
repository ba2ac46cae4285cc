import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { TokenBuckets } from '../../core/dataplane/token-buckets.ts'

const MTU_BYTES = 1400
/** As the file says: 100 ms of the rate, and no less than two packets of 1500 octets. */
const burst = (rateBps: number) => Math.max(rateBps / 80, 3000)

const packets = fc.array(
  fc.record({
    afterMs: fc.double({ min: 0, max: 500, noNaN: true }),
    octets: fc.integer({ min: 20, max: 1500 }),
  }),
  { minLength: 1, maxLength: 60 },
)
const rate = fc.constantFrom(1, 8000, 1_000_000, 50_000_000)

test('in no span of time does more pass than the burst and the rate for that span', () => {
  fc.assert(
    fc.property(rate, packets, (rateBps, sent) => {
      const buckets = new TokenBuckets(2)
      buckets.set(1, rateBps, MTU_BYTES, true)
      let nowMs = 12_345.678
      const passed: { readonly atMs: number; readonly octets: number }[] = []
      for (const { afterMs, octets } of sent) {
        nowMs += afterMs
        buckets.tick(nowMs)
        if (buckets.take(1, octets)) passed.push({ atMs: nowMs, octets })
      }
      for (const [first, { atMs: fromMs }] of passed.entries()) {
        let sum = 0
        for (const { atMs, octets } of passed.slice(first)) {
          sum += octets
          assert.ok(sum <= burst(rateBps) + ((atMs - fromMs) * rateBps) / 8000 + 1e-6)
        }
      }
    }),
  )
})

test('what stays below the rate always passes, and a full bucket takes a burst', () => {
  fc.assert(
    fc.property(rate, fc.integer({ min: 20, max: 1500 }), (rateBps, octets) => {
      const buckets = new TokenBuckets(1)
      buckets.set(0, rateBps, MTU_BYTES, true)
      const periodMs = (octets * 8000) / rateBps
      for (let n = 1; n <= 50; n++) {
        buckets.tick(n * periodMs * 1.001)
        assert.ok(buckets.take(0, octets))
      }
      buckets.tick(1e13)
      let passed = 0
      while (buckets.take(0, octets)) passed += octets
      assert.ok(passed <= burst(rateBps) && passed > burst(rateBps) - octets)
    }),
  )
})

test('a bucket holds two of the largest packets at the slowest rate', () => {
  const buckets = new TokenBuckets(1)
  buckets.set(0, 1, 9000, true)
  assert.deepEqual(
    [1, 2, 3].map(() => buckets.take(0, 9000)),
    [true, true, false],
  )
})

test('another rate leaves in the bucket what it can hold; a fresh flow begins with a full one', () => {
  const buckets = new TokenBuckets(1)
  buckets.set(0, 80_000_000, MTU_BYTES, true)
  buckets.set(0, 8000, MTU_BYTES, false)
  assert.deepEqual(
    [3000, 1].map(octets => buckets.take(0, octets)),
    [true, false],
  )
  buckets.set(0, 80_000_000, MTU_BYTES, false)
  assert.equal(buckets.take(0, 1), false)
  buckets.set(0, 8000, MTU_BYTES, true)
  assert.ok(buckets.take(0, 3000))
})
