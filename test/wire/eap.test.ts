import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEap, type EapPacket, encodeEap } from '../../core/wire/eap.ts'
import { octets } from '../packets/l2tp/golden.ts'

const bytes = (hex: string) => octets(hex.replaceAll(' ', ''))

/** Laid out by hand after RFC 3748 4 and 5. */
const GOLDEN: readonly (readonly [string, string, EapPacket])[] = [
  ['Identity asked for', '01 00 0005 01', { kind: 'request', identifier: 0, type: 1, data: bytes('') }],
  [
    'Identity',
    '02 00 000a 01 6862406862',
    { kind: 'response', identifier: 0, type: 1, data: bytes('6862406862') },
  ],
  ['Nak for TLS', '02 05 0006 03 0d', { kind: 'response', identifier: 5, type: 3, data: bytes('0d') }],
  [
    'MD5-Challenge',
    '01 ff 0008 04 02 beef',
    { kind: 'request', identifier: 255, type: 4, data: bytes('02beef') },
  ],
  ['Success', '03 07 0004', { kind: 'success', identifier: 7 }],
  ['Failure', '04 07 0004', { kind: 'failure', identifier: 7 }],
]

for (const [name, hex, packet] of GOLDEN) {
  test(`EAP, ${name}: octets and packet are the same`, () => {
    assert.deepEqual(decodeEap(bytes(hex)), packet)
    assert.deepEqual(encodeEap(packet), bytes(hex))
  })
}

test('octets behind the length are padding of the link (RFC 3748 4.1)', () => {
  assert.deepEqual(decodeEap(bytes('02 00 0006 01 61 ffff')), {
    kind: 'response',
    identifier: 0,
    type: 1,
    data: bytes('61'),
  })
})

for (const [what, hex] of [
  ['nothing', ''],
  ['no whole header', '01 00 00'],
  ['a length below the header', '01 00 0003 01'],
  ['a length beyond what came', '02 00 0006 01'],
  ['a Request without type', '01 00 0004'],
  ['a Response without type', '02 00 0004'],
  ['a Success with data', '03 00 0005 00'],
  ['a Failure with data', '04 00 0005 00'],
  ['code 0', '00 00 0005 01'],
  ['code 5, Initiate (RFC 5296)', '05 00 0005 01'],
] as const)
  test(`an EAP packet is refused: ${what}`, () => assert.equal(decodeEap(bytes(hex)), undefined))

const fitting = fc
  .tuple(fc.integer({ min: 0, max: 6 }), fc.nat(255), fc.uint8Array({ maxLength: 60 }))
  .map(([code, identifier, data]) => Uint8Array.of(code, identifier, 0, 4 + data.length, ...data))

test('whatever comes is a packet that encodes to what it was read from, or none; nothing throws', () => {
  let read = 0
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), fitting), input => {
      const packet = decodeEap(input)
      if (packet === undefined) return
      read++
      const encoded = encodeEap(packet)
      assert.deepEqual(encoded, input.subarray(0, encoded.length))
    }),
  )
  assert.ok(read > 0)
})
