import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Reader, Writer } from '../../core/wire/bytes.ts'
import { octets } from '../packets/l2tp/golden.ts'

test('numbers are read and written in network order', () => {
  const hex = octets('01 0203 04050607 08090a0b0c0d0e0f ff')
  const reader = new Reader(hex)
  const read = [reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.remaining]
  assert.deepEqual(read, [0x01, 0x0203, 0x04050607, 0x08090a0b0c0d0e0fn, 1])
  assert.deepEqual(reader.rest(), octets('ff'))
  const writer = new Writer(16).u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0fn).bytes(octets('ff'))
  assert.deepEqual(writer.finish(), hex)
})

test('the largest of each width survives', () => {
  const writer = new Writer(15).u8(255).u16(65_535).u32(0xffffffff).u64(0xffffffff_ffffffffn)
  assert.deepEqual(writer.finish(), octets('ff'.repeat(15)))
  const reader = new Reader(writer.finish())
  const read = [reader.u8(), reader.u16(), reader.u32(), reader.u64()]
  assert.deepEqual(read, [255, 65_535, 0xffffffff, 0xffffffff_ffffffffn])
})

test('an over-read throws, reads nothing and leaves the place', () => {
  const reader = new Reader(octets('0102 03').subarray(1))
  for (const read of [
    () => reader.u32(),
    () => reader.u64(),
    () => reader.bytes(3),
    () => reader.bytes(-1),
  ]) {
    assert.throws(read, { code: 'WIRE_TRUNCATED' })
  }
  assert.equal(reader.u16(), 0x0203)
  assert.throws(() => reader.u8(), { code: 'WIRE_TRUNCATED' })
})

test('security case: an over-write throws, whatever is written', () => {
  const full = () => new Writer(3).u16(1)
  const writes = [
    () => full().u16(1),
    () => full().u32(1),
    () => full().u64(1n),
    () => full().bytes(new Uint8Array(2)),
    () => full().setU16(1, 1),
    () => full().setU16(0, 65_536),
    () => full().u8(256),
    () => full().u8(-1),
    () => full().u8(0.5),
    () => new Writer(9).u64(2n ** 64n),
    () => new Writer(9).u64(-1n),
  ]
  for (const write of writes) assert.throws(write, { code: 'WIRE_OVERFLOW' })
})

test('a writer grows up to its limit and keeps what it has', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }), parts => {
      const whole = Uint8Array.from(parts.flatMap(part => [...part]))
      const writer = new Writer(whole.length)
      for (const part of parts) writer.bytes(part)
      assert.deepEqual(writer.finish(), whole)
      assert.equal(writer.length, whole.length)
      assert.throws(() => writer.u8(0), { code: 'WIRE_OVERFLOW' })
    }),
  )
})

test('what a length is set to later replaces only itself', () => {
  const writer = new Writer(8).u16(0xaaaa).u16(0).u16(0xbbbb)
  writer.setU16(2, 0x1234)
  assert.deepEqual(writer.finish(), octets('aaaa 1234 bbbb'))
})
