import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type DataHeader,
  decodeHeader,
  encodeControlDatagram,
  encodeDataDatagram,
  type HeaderFault,
} from '../../core/wire/l2tp-header.ts'
import { octets } from '../packets/l2tp/golden.ts'
import { controlHeader } from '../support/control-messages.ts'

const BARE = { tunnelId: 1, sessionId: 77, length: false, priority: false }
/** Form, octets before the frame `ff03c021`, header. */
const DATA_FORMS: readonly (readonly [string, string, DataHeader])[] = [
  ['bare', '0002 0001 004d', BARE],
  ['L', '4002 000c 0001 004d', { ...BARE, length: true }],
  ['S', '0802 0001 004d 0005 0006', { ...BARE, sequence: { ns: 5, nr: 6 } }],
  ['O', '0202 0001 004d 0000', { ...BARE, offsetBytes: 0 }],
  ['O with padding', '0202 0001 004d 0003 000000', { ...BARE, offsetBytes: 3 }],
  ['P', '0102 0001 004d', { ...BARE, priority: true }],
  [
    'L, S, O and P',
    '4b02 0014 0001 004d ffff 8000 0002 0000',
    { ...BARE, length: true, sequence: { ns: 65535, nr: 32768 }, offsetBytes: 2, priority: true },
  ],
]

for (const [form, head, header] of DATA_FORMS) {
  test(`a data message, decoded and encoded again: ${form}`, () => {
    const payload = octets('ff03 c021')
    const datagram = octets(`${head} ff03 c021`)
    assert.deepEqual(decodeHeader(datagram), { kind: 'data', header, payload })
    assert.deepEqual(encodeDataDatagram(header, payload), datagram)
  })
}

test('octets beyond Length are ignored, in data and in control messages', () => {
  const data = decodeHeader(octets('4002 000a 0001 004d c021 dead'))
  assert.deepEqual(data.kind === 'data' && data.payload, octets('c021'))
  const control = decodeHeader(octets('c802 000c 0001 0000 0002 0003 dead beef'))
  const header = { tunnelId: 1, sessionId: 0, ns: 2, nr: 3 }
  assert.deepEqual(control, { kind: 'control', header, payload: octets('') })
})

test('reserved bits are ignored', () => {
  assert.equal(decodeHeader(octets('fcf2 000c 0001 0000 0002 0003')).kind, 'control')
  assert.equal(decodeHeader(octets('34f2 0001 004d')).kind, 'data')
})

/** Security case: lengths below their minimum or beyond the datagram; T, L and S for control. */
const FAULTS: readonly (readonly [string, string, HeaderFault])[] = [
  ['nothing', '', 'truncated'],
  ['five octets', 'c802 000c 00', 'truncated'],
  ['a control message of 11 octets', 'c802 000b 0001 0000 0002 00', 'truncated'],
  ['control Length 11', 'c802 000b 0001 0000 0002 0003', 'bad-length'],
  ['control Length 0', 'c802 0000 0001 0000 0002 0003', 'bad-length'],
  ['control Length beyond the datagram', 'c802 000d 0001 0000 0002 0003', 'bad-length'],
  ['a control message without L', '8802 000c 0001 0000 0002 0003', 'bad-flags'],
  ['a control message without S', 'c002 000c 0001 0000 0002 0003', 'bad-flags'],
  ['L2TPv3, a control message', 'c803 000c 0001 0000 0002 0003', 'l2tpv3'],
  ['L2TPv3, data', '0003 0000 0000 0001', 'l2tpv3'],
  ['L2F, which is version 1', '0001 0000 0000 0001', 'bad-version'],
  ['version 0', 'c800 000c 0001 0000 0002 0003', 'bad-version'],
  ['data whose L field is cut off', '4002 0001 004d', 'truncated'],
  ['data whose S fields are cut off', '0802 0001 004d 0001', 'truncated'],
  ['data whose O field is cut off', '0202 0001 004d', 'truncated'],
  ['data Length below its header', '4002 0007 0001 004d', 'bad-length'],
  ['data Length beyond the datagram', '4002 0009 0001 004d', 'bad-length'],
  ['an offset beyond the datagram', '0202 0001 004d 0001', 'bad-length'],
  ['an offset beyond Length', '4202 000b 0001 004d 0002 0000', 'bad-length'],
  ['the longest offset', '0202 0001 004d ffff', 'bad-length'],
]

for (const [what, hex, fault] of FAULTS) {
  test(`a datagram is refused: ${what}`, () => {
    assert.deepEqual(decodeHeader(octets(hex)), { kind: 'fault', fault })
  })
}

test('a control message is sent with the flags C8 02 and its exact length, whatever it carries', () => {
  fc.assert(
    fc.property(controlHeader, fc.uint8Array({ maxLength: 300 }), (header, payload) => {
      const datagram = encodeControlDatagram(header, payload)
      assert.deepEqual(datagram.subarray(0, 2), octets('c802'))
      assert.equal(datagram.length, 12 + payload.length)
      assert.deepEqual(decodeHeader(datagram), { kind: 'control', header, payload })
    }),
  )
})

const uint16 = fc.nat(0xffff)
const dataHeader = fc.record(
  {
    tunnelId: uint16,
    sessionId: uint16,
    length: fc.boolean(),
    priority: fc.boolean(),
    sequence: fc.record({ ns: uint16, nr: uint16 }),
    offsetBytes: fc.nat(100),
  },
  { requiredKeys: ['tunnelId', 'sessionId', 'length', 'priority'] },
)

test('a data message that is encoded decodes to the same', () => {
  fc.assert(
    fc.property(dataHeader, fc.uint8Array({ maxLength: 100 }), (header, payload) => {
      const decoded = decodeHeader(encodeDataDatagram(header, payload))
      assert.deepEqual(decoded, { kind: 'data', header: structuredClone(header), payload })
    }),
  )
})

test('an id or a length that does not fit its field is refused with a code', () => {
  const payload = octets('')
  assert.throws(() => encodeDataDatagram({ ...BARE, sessionId: 65_536 }, payload), { code: 'WIRE_OVERFLOW' })
  assert.throws(() => encodeDataDatagram({ ...BARE, tunnelId: -1 }, payload), { code: 'WIRE_OVERFLOW' })
  assert.throws(() => encodeDataDatagram(BARE, new Uint8Array(65_507)), { code: 'WIRE_OVERFLOW' })
  const longest = encodeDataDatagram(BARE, new Uint8Array(65_501))
  assert.equal(longest.length, 65_507)
})

test('no octets make the decoder throw, and the payload lies within them', () => {
  const flags = fc.tuple(fc.nat(255), fc.constantFrom(2, 2, 2, 3, 0x12)).map(pair => Uint8Array.from(pair))
  fc.assert(
    fc.property(flags, fc.uint8Array({ maxLength: 40 }), (head, rest) => {
      const datagram = Uint8Array.of(...head, ...rest)
      const decoded = decodeHeader(datagram)
      if (decoded.kind !== 'fault') assert.ok(decoded.payload.length <= datagram.length - 6)
    }),
    { numRuns: 1000 },
  )
})
