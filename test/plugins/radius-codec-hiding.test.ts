/** RADIUS attributes that are hidden under the secret, and those that are split: as the RFCs write it, both ways. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RadiusAttribute } from '../../core/index.ts'
import { EXAMPLES } from '../packets/radius/rfc2865.ts'
import {
  attributesHex,
  attributesOf,
  bytes,
  codec,
  decodedHex,
  encodedHex,
  hex,
  IDENTIFIER,
  md5,
  OPTIONAL,
  requestOf,
  SECRET,
  told,
} from '../support/radius.ts'

const utf8 = (text: string) => hex(Buffer.from(text))

test('RFC 2865 5.2: a password takes whole blocks, one at least, and comes back without its padding', () => {
  for (const [password, blocks] of [
    ['', 1],
    ['a', 1],
    ['x'.repeat(15), 1],
    ['x'.repeat(16), 1],
    ['x'.repeat(17), 2],
    ['x'.repeat(128), 8],
    ['pässwörd \u{1f511}', 1],
  ] as const) {
    const attribute = { name: 'User-Password', value: password }
    const { bytes: packet } = requestOf('Access-Request', [attribute])
    const [, [type, hidden] = [0, '']] = attributesOf(packet)
    assert.deepEqual([type, hidden.length / 2], [2, 16 * blocks])
    assert.ok(password === '' || !hidden.includes(utf8(password).slice(0, 8)))
    assert.deepEqual(told(codec.decodeRequest(packet, SECRET)), [attribute])
  }
})

test('RFC 2865 5.2: a password of more than 128 octets is refused, and not told', () => {
  const value = 'ö'.repeat(65)
  assert.throws(
    () => encodedHex({ name: 'User-Password', value }),
    (error: Error & { code: string }) => error.code === 'RADIUS_ATTRIBUTE' && !error.message.includes('ö'),
  )
})

test('RFC 2865 5.2: each block is hidden by a digest of the one before, as the RFC writes it', () => {
  const password = 'correct horse battery staple'
  const { bytes: packet, authenticator } = requestOf('Access-Request', [
    { name: 'User-Password', value: password },
  ])
  const [, [, hidden] = [0, '']] = attributesOf(packet)
  const padded = Buffer.alloc(32)
  padded.write(password)
  const c1 = xor(padded.subarray(0, 16), bytes(md5(SECRET, authenticator)))
  const c2 = xor(padded.subarray(16), bytes(md5(SECRET, c1)))
  assert.equal(hidden, hex(c1) + hex(c2))
})

test('RFC 2865 5.2: a password of no whole blocks, of none, or of more than 128 octets is none', () => {
  for (const octets of [0, 1, 15, 17, 144])
    assert.deepEqual(decodedHex(attributesHex([2, 'ab'.repeat(octets)])), [
      { name: 'Attr-2', value: bytes('ab'.repeat(octets)) },
    ])
})

/** As RFC 2868 3.5 and RFC 2548 2.4.2 write it. */
function salted(salt: string, plain: string, authenticator: Uint8Array): string {
  const block = bytes(plain)
  let before = md5(SECRET, authenticator, bytes(salt))
  let done = ''
  for (let at = 0; at < block.length; at += 16) {
    const masked = xor(block.subarray(at, at + 16), bytes(before))
    done += hex(masked)
    before = md5(SECRET, masked)
  }
  return salt + done
}

const KEY = '000102030405060708090a0b0c0d0e0f'
const MPPE = (inner: string) => attributesHex([26, `00000137 10 ${octet(2 + inner.length / 2)} ${inner}`])
const octet = (value: number) => hex(Uint8Array.of(value))

test('RFC 2548 2.4.2: MPPE keys are revealed with the authenticator of the request', () => {
  const { authenticator } = requestOf()
  const inner = salted('8001', `10${KEY}${'00'.repeat(15)}`, authenticator)
  assert.deepEqual(decodedHex(MPPE(inner)), [{ name: 'MS-MPPE-Send-Key', value: bytes(KEY) }])
})

test('RFC 2548 2.4.2: the length of a key is 0 to what there is; anything else is no key', () => {
  const { authenticator } = requestOf()
  const inner = (length: number) => salted('8001', `${octet(length)}${'ab'.repeat(15)}`, authenticator)
  assert.deepEqual(decodedHex(MPPE(inner(0))), [{ name: 'MS-MPPE-Send-Key', value: bytes('') }])
  assert.deepEqual(decodedHex(MPPE(inner(15))), [{ name: 'MS-MPPE-Send-Key', value: bytes('ab'.repeat(15)) }])
  for (const wrong of [inner(16), inner(255), '8001', '80', '8001ff', inner(3).slice(2), ''])
    assert.deepEqual(decodedHex(MPPE(wrong)), [{ name: 'Vendor-311-Attr-16', value: bytes(wrong) }])
})

test('RFC 2548 2.4.2: a server that forgets the high bit of the salt is understood', () => {
  const { authenticator } = requestOf()
  const inner = salted('0001', `01aa${'00'.repeat(14)}`, authenticator)
  assert.deepEqual(decodedHex(MPPE(inner)), [{ name: 'MS-MPPE-Send-Key', value: bytes('aa') }])
})

test('RFC 2868 3.5: Tunnel-Password has tag, salt, length and blocks', () => {
  const { authenticator } = requestOf()
  const inner = (tag: string) =>
    tag + salted('9abc', `06${utf8('sécret').slice(0, 12)}${'00'.repeat(9)}`, authenticator)
  const value = 'sécre'
  assert.deepEqual(decodedHex(attributesHex([69, inner('05')], [69, inner('00')], [69, inner('20')])), [
    { name: 'Tunnel-Password', value, tag: 5 },
    { name: 'Tunnel-Password', value },
    { name: 'Tunnel-Password', value },
  ])
  assert.deepEqual(decodedHex(attributesHex([69, '']))[0]?.name, 'Attr-69')
})

test('RFC 2868 3.5: each salt of a packet is another, with its high bit set; what is hidden comes back', () => {
  const { authenticator } = requestOf()
  const frame = { identifier: IDENTIFIER, authenticator }
  const attributes: readonly RadiusAttribute[] = [
    { name: 'Tunnel-Password', value: 'one', tag: 1 },
    { name: 'Tunnel-Password', value: 'x'.repeat(239) },
    { name: 'MS-MPPE-Send-Key', value: bytes(KEY) },
    { name: 'MS-MPPE-Recv-Key', value: bytes(KEY) },
    { name: 'MS-CHAP-MPPE-Keys', value: bytes(KEY + KEY) },
  ]
  const reply = codec.encodeReply({ code: 'Access-Accept', attributes }, frame, SECRET)
  assert.deepEqual(
    told(codec.decodeReply(reply, { ...OPTIONAL, ...frame, code: 'Access-Request' })),
    attributes,
  )
  const salts = attributesOf(reply).flatMap(([type, value]) =>
    type === 69
      ? value.slice(2, 6)
      : value.startsWith('0000013710') || value.startsWith('0000013711')
        ? value.slice(12, 16)
        : [],
  )
  assert.equal(new Set(salts).size, 4)
  assert.ok(salts.every(salt => (Number.parseInt(salt, 16) & 0x8000) !== 0))
  assert.throws(() => encodedHex({ name: 'Tunnel-Password', value: 'x'.repeat(240) }), {
    code: 'RADIUS_ATTRIBUTE',
  })
})

test('RFC 2868 3.5: what a CoA-Request hides is hidden with zeroes for its authenticator', () => {
  const attribute = { name: 'Tunnel-Password', value: 'one' }
  const { bytes: packet } = requestOf('CoA-Request', [attribute])
  const [, [, value] = [0, '']] = attributesOf(packet)
  assert.equal(
    value,
    `00${salted(value.slice(2, 6), `03${utf8('one')}${'00'.repeat(12)}`, new Uint8Array(16))}`,
  )
  assert.deepEqual(told(codec.decodeRequest(packet, SECRET)), [attribute])
})

test('RFC 2869 5.13: EAP-Message is split over attributes of 253 octets, and joined', () => {
  for (const [octets, lengths] of [
    [0, [0]],
    [253, [253]],
    [254, [253, 1]],
    [506, [253, 253]],
    [1500, [253, 253, 253, 253, 253, 235]],
  ] as const) {
    const value = Uint8Array.from({ length: octets }, (_, at) => at % 251)
    const attributes = [
      { name: 'User-Name', value: 'a' },
      { name: 'EAP-Message', value },
      { name: 'State', value: bytes('01') },
    ]
    const { bytes: packet } = requestOf('Access-Request', attributes)
    const sent = attributesOf(packet)
    assert.deepEqual(
      sent.flatMap(([type, part]) => (type === 79 ? part.length / 2 : [])),
      [...lengths],
    )
    assert.deepEqual(
      sent.slice(2, -1).map(([type]) => type),
      lengths.map(() => 79),
    )
    assert.deepEqual(told(codec.decodeRequest(packet, SECRET)), attributes)
  }
})

test('RFC 3579 3.1: EAP-Message is one value even where others stand between', () => {
  const { authenticator } = requestOf()
  const eap = [
    { name: 'Attr-79', value: bytes('01') },
    { name: 'Class', value: bytes('ff') },
    { name: 'Attr-79', value: bytes('02') },
  ]
  const frame = { identifier: IDENTIFIER, authenticator }
  const reply = codec.encodeReply({ code: 'Access-Challenge', attributes: eap }, frame, SECRET)
  assert.deepEqual(told(codec.decodeReply(reply, { ...OPTIONAL, ...frame, code: 'Access-Request' })), [
    { name: 'EAP-Message', value: bytes('0102') },
    { name: 'Class', value: bytes('ff') },
  ])
})

test('RFC 2865 7.1: without the right secret a password is not what it was', () => {
  const [, password] = told(codec.decodeRequest(bytes(EXAMPLES['7.1'].request), 'another'))
  assert.notEqual(password?.value, 'arctangent')
})

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, at) => byte ^ (b[at] ?? 0))
}
