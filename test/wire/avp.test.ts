import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeAvpList, encodeAvpList, hideAvp, type RawAvp, unhideAvpList } from '../../core/wire/avp.ts'
import { CLIENTS } from '../packets/l2tp/clients.ts'
import { GOLDEN_SECRET, octets } from '../packets/l2tp/golden.ts'
import { HIDDEN, VECTOR } from '../packets/l2tp/hidden.ts'
import { RFC } from '../packets/l2tp/rfc.ts'
import { XL2TPD } from '../packets/l2tp/xl2tpd.ts'

const rawAvp: fc.Arbitrary<RawAvp> = fc
  .record({
    mandatory: fc.boolean(),
    hidden: fc.boolean(),
    reserved: fc.constant(false),
    vendorId: fc.nat(0xffff),
    type: fc.nat(0xffff),
    value: fc.uint8Array({ maxLength: 1017 }),
  })
  .map(avp => ({ ...avp }))

test('the AVPs of every golden packet frame, and frame again to the same octets', () => {
  for (const { name, hex } of [...XL2TPD, ...RFC, ...CLIENTS, ...HIDDEN]) {
    const body = octets(hex).subarray(12)
    const { avps, fault } = decodeAvpList(body)
    if (fault === undefined) assert.deepEqual(encodeAvpList(avps), body, name)
    else assert.match(name, /longer than the message/)
  }
})

test('a list of AVPs that is encoded decodes to the same', () => {
  fc.assert(
    fc.property(fc.array(rawAvp, { maxLength: 6 }), avps => {
      assert.deepEqual(decodeAvpList(encodeAvpList(avps)), { avps })
    }),
  )
})

test('security case: a list that breaks off keeps what was whole, and says why it ends', () => {
  const whole = '8008 0000 0000 000a'
  for (const [tail, kept] of [
    ['0000 0000 0001', 1],
    ['0005 0000 0001', 1],
    ['0007 0000 0001', 2],
    ['03ff 0000 0001 00', 2],
    ['00', 1],
    ['0000000000', 1],
  ] as const) {
    const { avps, fault } = decodeAvpList(octets(whole + tail))
    assert.equal(avps.length, kept, tail)
    assert.ok(fault !== undefined, tail)
  }
})

test('security case: no octets make the framing throw or loop', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), body => {
      const { avps } = decodeAvpList(body)
      assert.ok(avps.length <= body.length / 6)
    }),
    { numRuns: 1000 },
  )
})

test('a value or a message that is too long is refused with a code', () => {
  const avp = (octetCount: number): RawAvp => ({
    mandatory: true,
    hidden: false,
    reserved: false,
    vendorId: 0,
    type: 7,
    value: new Uint8Array(octetCount),
  })
  assert.equal(encodeAvpList([avp(1017)]).length, 1023)
  assert.throws(() => encodeAvpList([avp(1018)]), { code: 'WIRE_OVERFLOW' })
  assert.throws(() => encodeAvpList(new Array<RawAvp>(65).fill(avp(1017))), { code: 'WIRE_OVERFLOW' })
  assert.throws(() => hideAvp(avp(1016), GOLDEN_SECRET, VECTOR), { code: 'WIRE_OVERFLOW' })
})

test('what is hidden is found again under the same secret and vector, whatever its length', () => {
  const secret = fc.uint8Array({ maxLength: 40 })
  const vector = fc.uint8Array({ maxLength: 40 })
  const short = rawAvp.filter(({ value, type }) => value.length <= 1015 && type !== 36)
  fc.assert(
    fc.property(short, secret, vector, (avp, key, random) => {
      const plain = { ...avp, hidden: false }
      const randomVector = { ...plain, vendorId: 0, type: 36, value: random }
      const hidden = hideAvp(plain, key, random)
      assert.equal(hidden.value.length, plain.value.length + 2)
      assert.deepEqual(unhideAvpList([randomVector, hidden], key), [randomVector, plain])
    }),
  )
})

test('only a Random Vector of the IETF that is itself plain counts', () => {
  const vector: RawAvp = {
    mandatory: true,
    hidden: false,
    reserved: false,
    vendorId: 0,
    type: 36,
    value: VECTOR,
  }
  const hidden = hideAvp({ ...vector, type: 14, value: octets('0051') }, GOLDEN_SECRET, VECTOR)
  for (const wrong of [{ vendorId: 9 }, { reserved: true }, { type: 35 }]) {
    assert.throws(() => unhideAvpList([{ ...vector, ...wrong }, hidden], GOLDEN_SECRET), {
      code: 'WIRE_MALFORMED',
    })
  }
})
