import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { add16, ahead16, isBefore16 } from '../../core/protocol/serial16.ts'

const serial = fc.integer({ min: 0, max: 0xffff })

test('a step forward is that far ahead, across the wrap', () => {
  fc.assert(fc.property(serial, serial, (from, step) => ahead16(from, add16(from, step)) === step))
  assert.equal(add16(65535, 1), 0)
  assert.equal(ahead16(65534, 1), 3)
})

test('the 32768 numbers before a reference are seen already, the others are ahead or equal (RFC 2661 5.8)', () => {
  fc.assert(
    fc.property(serial, serial, (reference, back) => {
      const value = add16(reference, 0x10000 - back)
      return isBefore16(value, reference) === (back > 0 && back <= 0x8000)
    }),
  )
})
