import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAvpList, type RawAvp } from '../../core/wire/avp.ts'
import { AVPS, type AvpName } from '../../core/wire/avp-dictionary.ts'
import {
  type ControlFault,
  type ControlMessage,
  decodeControl,
  decodeMessage,
  encodeControl,
  encodeMessage,
  MESSAGES,
  peekHostName,
  peekSessionId,
} from '../../core/wire/control-message.ts'
import { ERROR } from '../../core/wire/result-codes.ts'
import { CLIENTS } from '../packets/l2tp/clients.ts'
import { GOLDEN_SECRET, octets } from '../packets/l2tp/golden.ts'
import { HIDDEN, HIDDEN_AS_SENT, HIDDEN_CLAIMS_TOO_MUCH, VECTOR } from '../packets/l2tp/hidden.ts'
import { RFC } from '../packets/l2tp/rfc.ts'
import { RFC_AVPS, RFC_MESSAGES } from '../packets/l2tp/rfc2661.ts'
import { XL2TPD } from '../packets/l2tp/xl2tpd.ts'
import { controlHeader, controlMessage } from '../support/control-messages.ts'

const FAMILIES = { xl2tpd: XL2TPD, RFC, client: CLIENTS, hidden: HIDDEN }
const ALL = Object.entries(FAMILIES).flatMap(([family, packets]) =>
  packets.map(packet => ({ ...packet, name: `${family}: ${packet.name}` })),
)

for (const { name, hex, header, message, sent } of ALL) {
  test(`golden packet, decoded and encoded again: ${name}`, () => {
    const decoded = decodeControl(octets(hex), { secret: GOLDEN_SECRET })
    assert.deepEqual(decoded, { ok: true, header, ...(message === undefined ? {} : { message }) })
    assert.deepEqual(encodeControl(header, message), octets(sent ?? hex))
  })
}

test('every AVP and every message has a golden packet', () => {
  const messages = ALL.flatMap(({ message }) => (message === undefined ? [] : [message]))
  const avps = new Set(['messageType', 'randomVector', ...messages.flatMap(({ avps }) => Object.keys(avps))])
  assert.deepEqual([...avps].sort(), Object.keys(AVPS).sort())
  assert.deepEqual([...new Set(messages.map(({ type }) => type))].sort(), Object.keys(MESSAGES).sort())
})

test('what is encoded decodes to the same, for every message and AVP', () => {
  fc.assert(
    fc.property(controlHeader, controlMessage, (header, message) => {
      assert.deepEqual(decodeControl(encodeControl(header, message)), { ok: true, header, message })
    }),
  )
})

test('what is hidden decodes to the same with the secret, and is not there to see', () => {
  const names = Object.keys(AVPS) as AvpName[]
  const hide = { secret: GOLDEN_SECRET, randomVector: VECTOR, names }
  fc.assert(
    fc.property(controlMessage, message => {
      const body = encodeMessage(message, hide)
      assert.deepEqual(decodeMessage(body, { secret: GOLDEN_SECRET }), message)
    }),
  )
  const message: ControlMessage = {
    type: 'CDN',
    avps: { resultCode: { result: 3 }, calledNumber: '5551234' },
  }
  assert.ok(Buffer.from(encodeMessage(message)).includes('5551234'))
  assert.ok(!Buffer.from(encodeMessage(message, hide)).includes('5551234'))
})

test('hiding gives the octets that an independent implementation gives', () => {
  const { header, message, hex } = HIDDEN_AS_SENT
  const names = ['assignedSessionId', 'callSerialNumber'] as const
  const hide = { secret: GOLDEN_SECRET, randomVector: VECTOR, names }
  assert.deepEqual(encodeControl(header, message, hide), octets(hex))
})

test('the tables are those of RFC 2661 4.4 and 6', () => {
  const types = RFC_AVPS.map(([name, type, , hidden]) => [name, type, hidden])
  assert.deepEqual(
    Object.entries(AVPS).map(([name, { type, hideable }]) => [name, type, hideable ? 'H' : '-']),
    types,
  )
  const withoutId = { StopCCN: ['assignedTunnelId'], CDN: ['assignedSessionId'] }
  for (const [name, [number, ...required]] of Object.entries(RFC_MESSAGES)) {
    const lenient: readonly string[] = name in withoutId ? withoutId[name as keyof typeof withoutId] : []
    const entry = MESSAGES[name as keyof typeof MESSAGES]
    assert.deepEqual(
      { number: entry.number, required: entry.required },
      { number, required: required.filter(avp => !lenient.includes(avp)) },
      name,
    )
  }
  assert.equal(Object.keys(MESSAGES).length, Object.keys(RFC_MESSAGES).length)
})

test('an AVP has the M bit of the RFC where a message requires it, and never one that the RFC forbids', () => {
  const optional = new Set<string>()
  fc.assert(
    fc.property(controlMessage, message => {
      const required: readonly string[] = MESSAGES[message.type].required
      for (const [name, value] of Object.entries(message.avps)) {
        const alone = { type: message.type, avps: { [name]: value } } as unknown as ControlMessage
        const sent = (encodeMessage(alone)[8] ?? 0) >> 7
        const rfc = RFC_AVPS.find(([avp]) => avp === name)?.[2]
        assert.ok(rfc === 1 || sent === 0, name)
        if (required.includes(name)) assert.equal(sent, 1, name)
        else if (sent === 1) optional.add(name)
      }
    }),
  )
  // Those an answer depends on, or that every peer is known to take.
  const insisted = [
    'assignedSessionId',
    'assignedTunnelId',
    'challenge',
    'challengeResponse',
    'receiveWindowSize',
    'sequencingRequired',
  ]
  for (const name of insisted) assert.ok(optional.has(name), name)
})

const type = (name: keyof typeof MESSAGES | number, mandatory = true): RawAvp =>
  avp(0, [0, typeof name === 'number' ? name : MESSAGES[name].number], { mandatory })
const ID = [0, 81]
const SERIAL = [0, 0, 0, 1]

function avp(kind: number, value: readonly number[], flags: Partial<RawAvp> = {}): RawAvp {
  const plain = { mandatory: true, hidden: false, reserved: false, vendorId: 0 }
  return { ...plain, type: kind, value: Uint8Array.from(value), ...flags }
}

function faultOf(avps: readonly RawAvp[], secret?: Uint8Array): ControlFault | undefined {
  const decoded = decodeMessage(encodeAvpList(avps), secret === undefined ? {} : { secret })
  return 'kind' in decoded ? decoded : undefined
}

function avpsOf(avps: readonly RawAvp[]): unknown {
  const decoded = decodeMessage(encodeAvpList(avps))
  return 'type' in decoded ? decoded.avps : decoded
}

function assertFault(fault: ControlFault | undefined, messageType: string | undefined, errorCode: number) {
  assert.ok(fault?.kind === 'body', JSON.stringify(fault))
  assert.deepEqual(
    { type: fault.messageType, error: fault.errorCode },
    { type: messageType, error: errorCode },
  )
}

const ICRQ = [type('ICRQ'), avp(14, ID), avp(15, SERIAL)]

test('an AVP that is not known and not insisted on is passed over', () => {
  const known = { assignedSessionId: 81, callSerialNumber: 1 }
  assert.deepEqual(avpsOf([...ICRQ, avp(99, [1], { mandatory: false })]), known)
  assert.deepEqual(avpsOf([...ICRQ, avp(9, [1], { mandatory: false, vendorId: 9 })]), known)
  assert.deepEqual(avpsOf([...ICRQ, avp(21, [1], { mandatory: false, hidden: true })]), known)
})

test('an AVP that is not known is kept as it came, unless it is hidden or has a reserved bit', () => {
  const ours = { mandatory: false, vendorId: 9 }
  const list = [
    ...ICRQ,
    avp(5, [1], ours),
    avp(6, [2], { ...ours, hidden: true }),
    avp(99, [3], { mandatory: false }),
  ]
  const decoded = decodeMessage(Uint8Array.of(...encodeAvpList(list), ...octets('1007 0009 0007 04')))
  assert.deepEqual('unknown' in decoded && decoded.unknown, [
    { vendorId: 9, type: 5, value: octets('01') },
    { vendorId: 0, type: 99, value: octets('03') },
  ])
})

test('an AVP that is not known and insisted on is error 8, and the text names it', () => {
  for (const unknown of [avp(99, [1]), avp(14, ID, { vendorId: 311 }), avp(21, [1, 2], { hidden: true })]) {
    const fault = faultOf([...ICRQ, unknown])
    assertFault(fault, 'ICRQ', ERROR.unknownMandatory)
    assert.ok(
      fault?.kind === 'body' && fault.text.includes(`vendor ${unknown.vendorId}, type ${unknown.type}`),
    )
  }
})

test('an AVP with a reserved bit counts as one that is not known (4.1)', () => {
  const reserved = octets(`8008 0000 0000 000a
    8008 0000 000e 0051
    800a 0000 000f 00000001
    9008 0000 0019 0001`)
  const fault = decodeMessage(reserved)
  assertFault('kind' in fault ? fault : undefined, 'ICRQ', ERROR.unknownMandatory)
})

test('a message type that is not known is error 8 with its M bit, and ignorable without', () => {
  assertFault(faultOf([type(99)]), undefined, ERROR.unknownMandatory)
  assert.deepEqual(faultOf([type(99, false)]), { kind: 'ignorable', number: 99 })
})

test('a message whose first AVP is not a Message Type is a fault', () => {
  assertFault(faultOf([avp(14, ID), type('ICRQ')]), undefined, ERROR.badValue)
  assertFault(
    faultOf([type('ICRQ'), avp(14, ID)].map(raw => ({ ...raw, vendorId: 9 }))),
    undefined,
    ERROR.badValue,
  )
  assertFault(faultOf([{ ...type('ICRQ'), hidden: true }], GOLDEN_SECRET), undefined, ERROR.badValue)
})

test('a message without an AVP that it requires is a fault that names it', () => {
  const fault = faultOf([type('ICRQ'), avp(14, ID)])
  assertFault(fault, 'ICRQ', ERROR.badValue)
  assert.ok(fault?.kind === 'body' && fault.text.includes('callSerialNumber'))
})

test('a value of a wrong length is a fault, or as good as absent where nothing depends on it', () => {
  for (const [name, kind, , , length] of RFC_AVPS) {
    if (length === undefined || name === 'messageType') continue
    for (const wrong of [length + 1, length - 1].filter(octetCount => octetCount >= 0)) {
      const value = new Array<number>(wrong).fill(0)
      const rest = ICRQ.filter(raw => raw.type !== kind)
      assertFault(faultOf([...rest, avp(kind, value)]), 'ICRQ', ERROR.badLength)
      const dropped = avpsOf([...ICRQ, avp(kind, value, { mandatory: false })])
      assert.deepEqual(dropped, { assignedSessionId: 81, callSerialNumber: 1 }, name)
    }
  }
})

test('of two AVPs of a kind the first counts', () => {
  assert.deepEqual(avpsOf([...ICRQ, avp(14, [0, 99])]), { assignedSessionId: 81, callSerialNumber: 1 })
})

test('security case: a Calling or Called Number of up to 1017 octets is not taken', () => {
  for (const kind of [21, 22, 23, 7]) {
    const long = new Array<number>(1017).fill(0x35)
    assertFault(faultOf([...ICRQ, avp(kind, long)]), 'ICRQ', ERROR.badLength)
    const known = { assignedSessionId: 81, callSerialNumber: 1 }
    assert.deepEqual(avpsOf([...ICRQ, avp(kind, long, { mandatory: false })]), known)
  }
})

test('security case: an AVP length below 6 or beyond the message is a fault', () => {
  const head = '8008 0000 0000 000a 8008 0000 000e 0051 800a 0000 000f 00000001'
  for (const tail of [
    '8000 0000 0000',
    '8005 0000 0000',
    '8008 0000 0019 00',
    '83ff 0000 0019 0001',
    '80',
    '80080000',
  ]) {
    const fault = decodeMessage(octets(head + tail))
    assertFault('kind' in fault ? fault : undefined, 'ICRQ', ERROR.badLength)
  }
  assertFault(faultOf([]), undefined, ERROR.badValue)
})

test('security case: a hidden AVP that claims more than its value holds is a fault', () => {
  const decoded = decodeControl(HIDDEN_CLAIMS_TOO_MUCH, { secret: GOLDEN_SECRET })
  assertFault(decoded.ok ? undefined : decoded.fault, 'ICRP', ERROR.badLength)
  for (const value of [[], [1]]) {
    const hidden = [type('ICRQ'), avp(36, [1]), avp(14, value, { hidden: true })]
    assertFault(faultOf(hidden, GOLDEN_SECRET), 'ICRQ', ERROR.badLength)
  }
})

test('a hidden AVP without a Random Vector before it is a fault', () => {
  const late = [type('ICRQ'), avp(14, [0, 2, 0, 1], { hidden: true }), avp(36, [1]), avp(15, SERIAL)]
  assertFault(faultOf(late, GOLDEN_SECRET), 'ICRQ', ERROR.badLength)
})

test('a hidden AVP under another secret never decodes to what was hidden', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), secret => {
      fc.pre(!Buffer.from(secret).equals(GOLDEN_SECRET))
      const decoded = decodeControl(octets(HIDDEN_AS_SENT.hex), { secret })
      assert.ok(!decoded.ok || JSON.stringify(decoded.message) !== JSON.stringify(HIDDEN_AS_SENT.message))
    }),
  )
})

test('StopCCN and CDN are read whatever else is wrong with them', () => {
  const result = avp(1, [0, 2, 0, 6])
  const wrong = [avp(99, [1]), avp(14, [1]), avp(21, [9], { hidden: true }), avp(9, [1, 2, 3])]
  for (const name of ['StopCCN', 'CDN'] as const) {
    for (const bad of wrong) {
      assert.deepEqual(avpsOf([type(name), bad, result]), { resultCode: { result: 2, error: 6 } })
    }
    const hidden = [type(name), result, avp(36, [1]), avp(9, [255, 255, 255], { hidden: true })]
    const decoded = decodeMessage(encodeAvpList(hidden), { secret: GOLDEN_SECRET })
    assert.deepEqual('avps' in decoded ? decoded.avps : decoded, { resultCode: { result: 2, error: 6 } })
    assertFault(faultOf([type(name)]), name, ERROR.badValue)
    assertFault(faultOf([type(name), avp(1, [7])]), name, ERROR.badLength)
  }
})

test('text that is no UTF-8 is read as Latin-1', () => {
  assert.deepEqual(avpsOf([...ICRQ, avp(21, [0x64, 0xe9])]), {
    assignedSessionId: 81,
    callSerialNumber: 1,
    calledNumber: 'dé',
  })
})

test('a value of ours that does not fit is refused with a code, and a long complaint is cut between characters', () => {
  const icrq = (calledNumber: string, callSerialNumber = 1): ControlMessage => {
    return { type: 'ICRQ', avps: { assignedSessionId: 1, callSerialNumber, calledNumber } }
  }
  assert.throws(() => encodeMessage(icrq('5'.repeat(256))), { code: 'WIRE_OVERFLOW' })
  assert.throws(() => encodeMessage(icrq('5', 2 ** 32)), { code: 'WIRE_OVERFLOW' })
  const answer: ControlMessage = { type: 'SCCCN', avps: { challengeResponse: new Uint8Array(15) } }
  assert.throws(() => encodeMessage(answer), { code: 'WIRE_OVERFLOW' })
  const stop = {
    type: 'StopCCN',
    avps: { resultCode: { result: 2, error: 6, message: 'ü'.repeat(200) } },
  } as const
  const decoded = decodeMessage(encodeMessage(stop))
  assert.ok('type' in decoded && decoded.type === 'StopCCN')
  assert.equal(decoded.avps.resultCode.message, 'ü'.repeat(127))
})

test('names and ids can be peeked at in a message that is wrong elsewhere', () => {
  const broken = encodeAvpList([type('ICRQ'), avp(7, [0x68, 0x69]), avp(14, ID), avp(99, [1])])
  assert.equal(peekHostName(broken), 'hi')
  assert.equal(peekSessionId(broken), 81)
  assert.equal(peekSessionId(encodeAvpList([type('ICRQ'), avp(14, [1])])), undefined)
  assert.equal(peekHostName(octets('80')), undefined)
})

test('a message as long as a datagram can be costs no more than it is long', () => {
  const avps = [
    type('CDN'),
    avp(1, [0, 1]),
    ...new Array<RawAvp>(10_900).fill(avp(99, [], { mandatory: false })),
  ]
  const decoded = decodeMessage(encodeAvpList(avps))
  assert.ok('type' in decoded && decoded.unknown?.length === 10_900)
})

test('no octets make the decoder throw: random ones, and golden packets mutated', () => {
  const options = fc.constantFrom({}, { secret: GOLDEN_SECRET })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), options, (bytes, secret) => {
      decodeControl(bytes, secret)
      decodeMessage(bytes, secret)
      peekHostName(bytes)
      peekSessionId(bytes)
    }),
  )
  const golden = fc.constantFrom(...ALL.map(({ hex }) => octets(hex)))
  const edits = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(golden, edits, fc.nat(200), options, (bytes, changes, keep, secret) => {
      const mutated = bytes.slice(0, 12 + keep)
      for (const [at, value] of changes) mutated[at % mutated.length] = value
      const decoded = decodeControl(mutated, secret)
      assert.equal(typeof decoded.ok, 'boolean')
    }),
    { numRuns: 1000 },
  )
})
