import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constantTimeEqual } from '../../core/crypto.ts'

/** Around the length up to which both sides are padded, and beyond it, where they are hashed. */
const LENGTHS = [0, 1, 16, 255, 256, 257, 1000]
const octets = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 7 + 1) & 0xff)

test('secrets of any length equal themselves, and no other of any length', () => {
  for (const length of LENGTHS) {
    assert.equal(constantTimeEqual(octets(length), octets(length)), true, `${length}`)
    for (const other of LENGTHS.filter(other => other !== length))
      assert.equal(constantTimeEqual(octets(length), octets(other)), false, `${length} and ${other}`)
  }
})

test('one octet that differs is seen wherever it stands', () => {
  for (const length of LENGTHS) {
    for (const at of new Set([0, length >> 1, length - 1].filter(at => at >= 0 && at < length))) {
      const other = octets(length)
      other[at] = (other[at] ?? 0) ^ 1
      assert.equal(constantTimeEqual(octets(length), other), false, `${length} at ${at}`)
    }
  }
})

test('zeros at the end are not the padding', () => {
  for (const length of LENGTHS.slice(1)) {
    const zeros = new Uint8Array(length)
    assert.equal(constantTimeEqual(zeros, zeros.subarray(1)), false, `${length}`)
    assert.equal(constantTimeEqual(zeros.subarray(1), zeros), false, `${length}`)
  }
})

test('nothing is left of a longer secret when a shorter one is compared', () => {
  constantTimeEqual(octets(256), octets(256).reverse())
  assert.equal(constantTimeEqual(octets(8), octets(8)), true)
})
