import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeControl } from '../../core/wire/control-message.ts'
import { describeDatagram } from '../../core/wire/describe.ts'
import { EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'
import { encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { encodeChap, encodePap, encodeText } from '../../core/wire/ppp-auth.ts'
import { encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { encodeCpPacket } from '../../core/wire/ppp-options.ts'
import { CLIENTS } from '../packets/l2tp/clients.ts'
import { GOLDEN_SECRET, type GoldenMessage, octets } from '../packets/l2tp/golden.ts'
import { HIDDEN, HIDDEN_CLAIMS_TOO_MUCH } from '../packets/l2tp/hidden.ts'
import { RFC } from '../packets/l2tp/rfc.ts'
import { XL2TPD } from '../packets/l2tp/xl2tpd.ts'
import { controlHeader, controlMessage } from '../support/control-messages.ts'

const FORGES = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const textOf = (hex: string, options = {}) => describeDatagram(octets(hex), options).text
const golden = (packets: readonly GoldenMessage[], name: string) => {
  const packet = packets.find(candidate => candidate.name === name)
  assert.ok(packet !== undefined, name)
  return packet.hex
}
const data = (protocol: number, payload: Uint8Array) =>
  encodeDataDatagram(
    { tunnelId: 1, sessionId: 81, length: false, priority: false },
    encodePppFrame(protocol, payload, { acfc: false, pfc: false }),
  )
const IDS = 'tunnel 1 session 77'

test('a control message shows its ids, its order and what it is about', () => {
  assert.equal(
    textOf(golden(XL2TPD, 'SCCRQ')),
    'SCCRQ tunnel 0 session 0 Ns 0 Nr 0, assigned tunnel 51731, host lac.example, vendor xelerance.com, window 4',
  )
  assert.equal(textOf(golden(XL2TPD, 'ZLB')), 'ZLB tunnel 51731 session 0 Ns 1 Nr 2')
  assert.equal(
    textOf(golden(XL2TPD, 'StopCCN with a message')),
    'StopCCN tunnel 46449 session 0 Ns 1 Nr 1, assigned tunnel 31304, result 2 (general error), ' +
      'error 6 (vendor-specific error): No secret key on our end',
  )
  assert.equal(
    textOf(golden(RFC, 'CDN with a Q.931 cause and a PPP disconnect cause')),
    `CDN ${IDS} Ns 4 Nr 2, assigned session 81, result 2 (call disconnected for the reason in the error code), ` +
      'error 4 (insufficient resources): no address, PPP cause 19 (NCP: no acceptable addresses): no address',
  )
})

test('the same comes as data', () => {
  assert.deepEqual(describeDatagram(octets(golden(XL2TPD, 'StopCCN with a message'))).fields, {
    kind: 'control',
    message: 'StopCCN',
    tunnelId: 46_449,
    sessionId: 0,
    ns: 1,
    nr: 1,
    avps: {
      assignedTunnelId: 31_304,
      resultCode: {
        text: '2 (general error), error 6 (vendor-specific error): No secret key on our end',
        result: 2,
        error: 6,
        message: 'No secret key on our end',
      },
    },
  })
})

test('hidden AVPs are shown to who has the secret', () => {
  const hidden = golden(HIDDEN, 'StopCCN with a hidden tunnel id')
  const result = 'result 6 (requester is being shut down)'
  assert.equal(textOf(hidden), `StopCCN tunnel 1 session 0 Ns 4 Nr 2, ${result}`)
  assert.equal(
    textOf(hidden, { secret: GOLDEN_SECRET }),
    `StopCCN tunnel 1 session 0 Ns 4 Nr 2, assigned tunnel 7, ${result}`,
  )
})

test('what cannot be read is said to be so, with what can be read of it', () => {
  assert.equal(textOf('c803 000c'), 'no L2TPv2 datagram (truncated), 4 octets')
  assert.equal(textOf('0003 0000 0000 0001'), 'no L2TPv2 datagram (l2tpv3), 8 octets')
  assert.equal(
    textOf('c802 0014 0001 0000 0001 0001 0008 0000 0000 0063'),
    'message type 99 tunnel 1 session 0 Ns 1 Nr 1, not understood',
  )
  assert.match(
    textOf('c802 0014 0001 0000 0001 0001 8008 0000 0000 000a'),
    /^ICRQ tunnel 1 .*, ICRQ without assignedSessionId$/,
  )
  const claims = describeDatagram(HIDDEN_CLAIMS_TOO_MUCH, { secret: GOLDEN_SECRET })
  assert.ok(claims.fields.kind === 'control' && claims.fields.fault !== undefined)
})

/** Payload, text after the name's own ids. */
const PPP_FRAMES: readonly (readonly [string, string])[] = [
  [
    'ff03 c021 01 01 0013 0104 05dc 0304 c023 0506 12345678 0702 ff',
    'LCP Configure-Request id 1 tunnel 1 session 77, malformed',
  ],
  [
    'ff03 c021 01 00 0019 0104 05dc 0305 c22305 0506 12345678 0702 6304 beef',
    `LCP Configure-Request id 0 ${IDS}, MRU 1500, Authentication-Protocol CHAP-MD5, Magic-Number 0x12345678, PFC, option 99 beef`,
  ],
  ['c021 08 02 0008 80fd 0000', `LCP Protocol-Reject id 2 ${IDS}, rejected CCP`],
  ['c021 09 03 0008 12345678', `LCP Echo-Request id 3 ${IDS}`],
  ['c021 0c 04 000b 00000000 4d5300', `LCP Identification id 4 ${IDS}, message MS\\u{0}`],
  ['c021 05 05 0007 627965', `LCP Terminate-Request id 5 ${IDS}, message bye`],
  ['c021 63 05 0004', `LCP ${IDS}, malformed, 4 octets`],
  ['ff03 8021 03 07 000a 0306 ac100133', `IPCP Configure-Nak id 7 ${IDS}, IP-Address 172.16.1.51`],
  ['ff03 8021 02 07 000a 0300 ac100133', `IPCP Configure-Ack id 7 ${IDS}, malformed`],
  [
    'ff03 8057 01 01 000e 010a 0102030405060708',
    `IPV6CP Configure-Request id 1 ${IDS}, Interface-Identifier 0102030405060708`,
  ],
  ['ff03 c223 01 09 0009 02 beef 6c6e', `CHAP Challenge id 9 ${IDS}, name ln`],
  ['ff03 c223 04 09 0006 6e6f', `CHAP Failure id 9 ${IDS}, message no`],
  ['ff03 c023 03 09 0007 02 6e6f', `PAP Authenticate-Nak id 9 ${IDS}, message no`],
  ['ff03 c023 01 09 0006 ff 6e', `PAP ${IDS}, malformed, 6 octets`],
  ['ff03 c227 01 00 0005 01', `EAP Request id 0 ${IDS}, Identity`],
  ['ff03 c227 02 00 000a 01 6862406862', `EAP Response id 0 ${IDS}, Identity, name hb@hb`],
  ['ff03 c227 01 01 0016 04 10 000102030405060708090a0b0c0d0e0f', `EAP Request id 1 ${IDS}, MD5-Challenge`],
  ['ff03 c227 02 01 0006 03 0d', `EAP Response id 1 ${IDS}, Nak`],
  ['ff03 c227 01 02 0007 02 6e6f', `EAP Request id 2 ${IDS}, Notification, message no`],
  ['ff03 c227 01 02 0006 63 00', `EAP Request id 2 ${IDS}, type 99`],
  ['ff03 c227 03 02 0004', `EAP Success id 2 ${IDS}`],
  ['ff03 c227 04 02 0005 00', `EAP ${IDS}, malformed, 5 octets`],
  ['21 4500', `IPV4 ${IDS}, 2 octets`],
  ['ff03', `PPP ${IDS}, malformed, 2 octets`],
]

for (const [payload, text] of PPP_FRAMES) {
  test(`a PPP frame is described: ${text}`, () => {
    assert.equal(textOf(`0002 0001 004d ${payload}`), text)
  })
}

test('order is shown where a data message has it, and the fields are data', () => {
  const { text, fields } = describeDatagram(octets('0802 0001 004d 0005 0006 8021 02 07 000a 0306 ac100133'))
  assert.equal(text, `IPCP Configure-Ack id 7 ${IDS} Ns 5 Nr 6, IP-Address 172.16.1.51`)
  const options = [{ name: 'IP-Address', value: '172.16.1.51' }]
  const ppp = { protocol: 'IPCP', octets: 10, code: 'Configure-Ack', id: 7, options }
  assert.deepEqual(fields, { kind: 'data', tunnelId: 1, sessionId: 77, ns: 5, nr: 6, ppp })
})

test('passwords, challenges and proofs are never shown', () => {
  const secret = 'pw-5e1f'
  const value = encodeText(secret)
  const user = encodeText('hb@hb')
  const proxy = {
    txConnectSpeed: 1,
    framingType: { async: false, sync: true },
    proxyAuthenName: 'hb@hb',
    proxyAuthenChallenge: value,
    proxyAuthenResponse: value,
    challenge: value,
  }
  const packets = [
    data(PPP.PAP, encodePap({ kind: 'request', identifier: 1, user, password: value })),
    data(PPP.CHAP, encodeChap({ kind: 'response', identifier: 1, value, name: user })),
    data(PPP.EAP, encodeEap({ kind: 'response', identifier: 1, type: EAP_TYPE.IDENTITY, data: user })),
    encodeControl({ tunnelId: 1, sessionId: 1, ns: 1, nr: 1 }, { type: 'ICCN', avps: proxy }),
  ]
  const hex = Buffer.from(secret).toString('hex')
  for (const packet of packets) {
    const description = JSON.stringify(describeDatagram(packet))
    assert.ok(description.includes('hb@hb'))
    assert.ok(!description.includes(secret) && !description.includes(hex), description)
  }
})

test('a truncated PAP request shows no part of its password', () => {
  const request = encodePap({
    kind: 'request',
    identifier: 1,
    user: encodeText('u'),
    password: encodeText('secret-secret'),
  })
  for (let end = 0; end < request.length; end++) {
    assert.ok(!JSON.stringify(describeDatagram(data(PPP.PAP, request.slice(0, end)))).includes('secret'))
  }
})

test('text of a peer is escaped, in the line and in the data', () => {
  const hostile = 'x\u001b[2J\n\u202efdp'
  const avps = { resultCode: { result: 2, error: 6, message: hostile }, hostName: hostile }
  const packets = [
    encodeControl({ tunnelId: 1, sessionId: 1, ns: 1, nr: 1 }, { type: 'StopCCN', avps }),
    data(
      PPP.PAP,
      encodePap({ kind: 'request', identifier: 1, user: encodeText(hostile), password: octets('') }),
    ),
    data(PPP.CHAP, encodeChap({ kind: 'failure', identifier: 1, message: encodeText(hostile) })),
    data(PPP.LCP, encodeCpPacket({ code: 12, identifier: 1, data: encodeText(`abcd${hostile}`) })),
  ]
  for (const packet of packets) {
    const { text, fields } = describeDatagram(packet)
    assert.doesNotMatch(text, FORGES)
    assert.match(text, /x\\u\{1b\}\[2J\\n\\u\{202e\}fdp/)
    for (const value of strings(fields)) assert.doesNotMatch(value, FORGES)
  }
})

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

test('security case: a frame full of options makes a short line', () => {
  const options = new Uint8Array(60_000).fill(2)
  const { text, fields } = describeDatagram(
    data(PPP.LCP, encodeCpPacket({ code: 1, identifier: 1, data: options })),
  )
  assert.match(text, /29976 more options$/)
  assert.ok(JSON.stringify(fields).length < 2000)
})

test('whatever the octets, a description is one line of bounded length, and JSON', () => {
  const real = [...XL2TPD, ...RFC, ...CLIENTS, ...HIDDEN].map(({ hex }) => octets(hex))
  const ppp = PPP_FRAMES.map(([payload]) => octets(`0002 0001 004d ${payload}`))
  const edits = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 })
  const mutated = fc
    .tuple(fc.constantFrom(...real, ...ppp), edits, fc.nat(200))
    .map(([bytes, changes, keep]) => {
      const copy = bytes.slice(0, 6 + keep)
      for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    })
  const messages = fc
    .tuple(controlHeader, controlMessage)
    .map(([header, message]) => encodeControl(header, message))
  fc.assert(
    fc.property(fc.oneof(mutated, messages, fc.uint8Array({ maxLength: 80 })), bytes => {
      const { text, fields } = describeDatagram(bytes, { secret: GOLDEN_SECRET })
      assert.doesNotMatch(text, FORGES)
      assert.ok(text.length < 20_000)
      assert.deepEqual(JSON.parse(JSON.stringify(fields)), fields)
    }),
    { numRuns: 1000 },
  )
})
