/** RADIUS packets: who signed them, and what is dropped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RadiusCode } from '../../core/index.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { CODES } from '../../plugins/radius-client/codes.ts'
import { EXAMPLES, SECRET as RFC_SECRET } from '../packets/radius/rfc2865.ts'
import {
  attributesHex,
  attributesOf,
  bytes,
  codec,
  dropped,
  hex,
  hmacMd5,
  IDENTIFIER,
  md5,
  OPTIONAL,
  patched,
  REQUIRED,
  replyHex,
  requestOf,
  SECRET,
  told,
} from '../support/radius.ts'

const ZEROES = new Uint8Array(16)
const NAME = { name: 'User-Name', value: 'nemo' } as const
const REQUESTS = (Object.keys(CODES) as RadiusCode[]).filter(code => CODES[code].authenticator)
const DIGESTED = REQUESTS.filter(code => CODES[code].authenticator === 'digest')
const PROVEN = REQUESTS.flatMap(request =>
  (CODES[request].replies ?? []).map(reply => ({ request, reply }) as const),
)

test('RFC 2865 7.1: a password is hidden and revealed, and the answer proves the secret', () => {
  const { request, reply } = EXAMPLES['7.1']
  assert.deepEqual(told(codec.decodeRequest(bytes(request), RFC_SECRET)), [
    { name: 'User-Name', value: 'nemo' },
    { name: 'User-Password', value: 'arctangent' },
    { name: 'NAS-IP-Address', value: '192.168.1.16' },
    { name: 'NAS-Port', value: 3 },
  ])
  assert.deepEqual(told(codec.decodeReply(bytes(reply), expected(request))), [
    { name: 'Service-Type', value: 1 },
    { name: 'Login-Service', value: 0 },
    { name: 'Login-IP-Host', value: '192.168.1.3' },
  ])
  // What stands in ours behind the Message-Authenticator is what the RFC has.
  const authenticator = bytes(request).subarray(4, 20)
  const ours = codec.encodeRequest(
    {
      code: 'Access-Request',
      identifier: 0,
      attributes: [
        NAME,
        { name: 'User-Password', value: 'arctangent' },
        { name: 'NAS-IP-Address', value: '192.168.1.16' },
        { name: 'NAS-Port', value: 3 },
      ],
    },
    { secret: RFC_SECRET, random: { bytes: () => authenticator, uint16: () => 0, uint32: () => 0 } },
  )
  assert.deepEqual(attributesOf(ours.bytes).slice(1), attributesOf(bytes(request)))
})

test('RFC 2865 7.2: a login by CHAP', () => {
  const { request, reply } = EXAMPLES['7.2']
  assert.deepEqual(told(codec.decodeRequest(bytes(request), RFC_SECRET)), [
    { name: 'User-Name', value: 'flopsy' },
    { name: 'CHAP-Password', value: bytes('16 e97557c316185895f293ff6344077275') },
    { name: 'NAS-IP-Address', value: '192.168.1.16' },
    { name: 'NAS-Port', value: 20 },
    { name: 'Service-Type', value: 2 },
    { name: 'Framed-Protocol', value: 1 },
  ])
  assert.deepEqual(told(codec.decodeReply(bytes(reply), expected(request))), [
    { name: 'Service-Type', value: 2 },
    { name: 'Framed-Protocol', value: 1 },
    { name: 'Framed-IP-Address', value: '255.255.255.254' },
    { name: 'Framed-Routing', value: 2 },
    { name: 'Framed-Compression', value: 1 },
    { name: 'Framed-MTU', value: 1500 },
  ])
})

test('RFC 2865 7.3: a challenge', () => {
  const { request, reply } = EXAMPLES['7.3']
  assert.deepEqual(told(codec.decodeReply(bytes(reply), expected(request))), [
    { name: 'Reply-Message', value: 'Challenge 32769430.  Enter response at prompt.' },
    { name: 'State', value: bytes('3332373639343330') },
  ])
})

test('RFC 2865 3, RFC 5997 3: the authenticator of Access-Request and Status-Server is chance', () => {
  for (const code of REQUESTS.filter(request => !DIGESTED.includes(request))) {
    const random = new SeededRandom(7)
    const frame = { code, identifier: 1, attributes: [] }
    const [first, second] = [1, 2].map(
      () => codec.encodeRequest(frame, { secret: SECRET, random }).authenticator,
    )
    assert.deepEqual(first, new SeededRandom(7).bytes(16))
    assert.notDeepEqual(first, second)
  }
})

test('RFC 2866 3, RFC 5176 2.3: the authenticator of the other requests is a digest over zeroes', () => {
  assert.deepEqual(DIGESTED, ['Accounting-Request', 'Disconnect-Request', 'CoA-Request'])
  for (const code of DIGESTED) {
    const request = requestOf(code, [NAME])
    assert.deepEqual(request.authenticator, request.bytes.slice(4, 20))
    assert.equal(hex(request.authenticator), md5(patched(request.bytes, 4, ZEROES), SECRET), code)
  }
})

test('RFC 2869 5.14, RFC 5176 3.4: Message-Authenticator is the first attribute of every request', () => {
  for (const code of REQUESTS) {
    const { bytes: packet } = requestOf(code, [NAME])
    const [[type, value] = [0, ''], ...others] = attributesOf(packet)
    assert.equal(type, 80)
    assert.deepEqual(others, [[1, hex(Buffer.from('nemo'))]])
    const signed = DIGESTED.includes(code) ? patched(packet, 4, ZEROES) : packet
    assert.equal(value, hmacMd5(SECRET, patched(signed, 22, ZEROES)), code)
  }
})

test('RFC 2869 5.14, RFC 5176 3.4: Message-Authenticator is the first attribute of every answer, over the authenticator of the request', () => {
  for (const { request: code, reply } of PROVEN) {
    const request = requestOf(code)
    const answer = codec.encodeReply(
      { code: reply, attributes: [NAME] },
      { identifier: 9, ...request },
      SECRET,
    )
    const [[type, value] = [0, '']] = attributesOf(answer)
    assert.equal(type, 80)
    const over = patched(answer, 4, request.authenticator)
    assert.equal(value, hmacMd5(SECRET, patched(over, 22, ZEROES)), reply)
    assert.equal(hex(answer.subarray(4, 20)), md5(over, SECRET), reply)
  }
})

test('each request is read by its receiver, and each answer by who asked', () => {
  for (const { request: code, reply } of PROVEN) {
    const request = requestOf(code, [NAME])
    const received = codec.decodeRequest(request.bytes, SECRET, { requireMessageAuthenticator: true })
    assert.ok(received.kind === 'message', code)
    assert.deepEqual(received.message, { code, attributes: [NAME] })
    assert.deepEqual([received.identifier, received.authenticator], [IDENTIFIER, request.authenticator])
    const answer = codec.encodeReply({ code: reply, attributes: [NAME] }, received, SECRET)
    const decoded = codec.decodeReply(answer, asked(code, request))
    assert.ok(decoded.kind === 'message', reply)
    assert.deepEqual(decoded.message, { code: reply, attributes: [NAME] })
  }
})

test('RFC 2865 3: an answer with any other bit in its authenticator is dropped', () => {
  const request = requestOf()
  const { authenticator } = request
  const reply = replyHex(2, authenticator, '')
  assert.equal(
    dropped(codec.decodeReply(reply, { ...asked('Access-Request', request), ...OPTIONAL })),
    undefined,
  )
  for (const flipped of flips(reply, 4, 20))
    assert.equal(
      dropped(codec.decodeReply(flipped, { ...asked('Access-Request', request), ...OPTIONAL })),
      'wrong-authenticator',
    )
})

test('RFC 2866 3, RFC 5176 2.3: a request with any other bit in its digest is dropped', () => {
  for (const code of DIGESTED)
    for (const flipped of flips(requestOf(code).bytes, 4, 20))
      assert.equal(dropped(codec.decodeRequest(flipped, SECRET)), 'wrong-authenticator')
})

test('RFC 2869 5.14: any other bit in the Message-Authenticator of an answer, all else proven, and it is dropped', () => {
  const { authenticator } = requestOf()
  const decode = (attributes: string) =>
    dropped(
      codec.decodeReply(replyHex(2, authenticator, attributes), asked('Access-Request', { authenticator })),
    )
  const unsigned = replyHex(2, authenticator, attributesHex([80, hex(ZEROES)]))
  const right = bytes(hmacMd5(SECRET, patched(unsigned, 4, authenticator)))
  assert.equal(decode(attributesHex([80, hex(right)])), undefined)
  for (const flipped of flips(right, 0, 16))
    assert.equal(decode(attributesHex([80, hex(flipped)])), 'wrong-message-authenticator')
})

test('RFC 2869 5.14: any other bit in the Message-Authenticator of an Access-Request, and it is dropped', () => {
  for (const flipped of flips(requestOf().bytes, 22, 38))
    assert.equal(dropped(codec.decodeRequest(flipped, SECRET)), 'wrong-message-authenticator')
})

test('RFC 5176 3.4: a CoA-Request whose digest is right but whose Message-Authenticator is not is dropped', () => {
  for (const code of DIGESTED) {
    const forged = patched(patched(requestOf(code).bytes, 22, ZEROES), 4, ZEROES)
    const digested = patched(forged, 4, bytes(md5(forged, SECRET)))
    assert.equal(dropped(codec.decodeRequest(digested, SECRET)), 'wrong-message-authenticator', code)
  }
})

test('Message-Authenticator is verified wherever it stands', () => {
  const { authenticator } = requestOf()
  const parts = (value: string) => attributesHex([18, '6869'], [80, value], [25, '01'])
  const unsigned = replyHex(2, authenticator, parts(hex(ZEROES)))
  const right = hmacMd5(SECRET, patched(unsigned, 4, authenticator))
  const decode = (value: string) =>
    codec.decodeReply(replyHex(2, authenticator, parts(value)), asked('Access-Request', { authenticator }))
  assert.deepEqual(told(decode(right)), [
    { name: 'Reply-Message', value: 'hi' },
    { name: 'Class', value: bytes('01') },
  ])
  assert.equal(dropped(decode(hex(ZEROES))), 'wrong-message-authenticator')
})

test('Message-Authenticator that is missing drops the packet where it is required, and only there', () => {
  const request = requestOf()
  const reply = replyHex(2, request.authenticator, '')
  assert.equal(
    dropped(codec.decodeReply(reply, asked('Access-Request', request))),
    'missing-message-authenticator',
  )
  const { request: plain } = EXAMPLES['7.1']
  const required = { requireMessageAuthenticator: true }
  assert.equal(
    dropped(codec.decodeRequest(bytes(plain), RFC_SECRET, required)),
    'missing-message-authenticator',
  )
  assert.equal(dropped(codec.decodeRequest(bytes(plain), RFC_SECRET)), undefined)
})

test('RFC 3579 3.2, RFC 5997 3: what carries EAP, and Status-Server, must have a Message-Authenticator, required or not', () => {
  const { authenticator } = requestOf()
  const lenient = { ...asked('Access-Request', { authenticator }), ...OPTIONAL }
  const challenge = replyHex(11, authenticator, attributesHex([79, '01020005']))
  assert.equal(dropped(codec.decodeReply(challenge, lenient)), 'missing-message-authenticator')
  const plain = bytes(EXAMPLES['7.1'].request)
  const status = patched(plain, 0, Uint8Array.of(12))
  assert.equal(dropped(codec.decodeRequest(status, RFC_SECRET)), 'missing-message-authenticator')
})

test('RFC 2869 5.19: two Message-Authenticators, or one of another length, drop the packet', () => {
  const { authenticator } = requestOf()
  const own = asked('Access-Request', { authenticator })
  const two = replyHex(2, authenticator, attributesHex([80, hex(ZEROES)]).repeat(2))
  assert.equal(dropped(codec.decodeReply(two, own)), 'malformed')
  for (const length of [0, 15, 17]) {
    const odd = replyHex(2, authenticator, attributesHex([80, '00'.repeat(length)]))
    assert.equal(dropped(codec.decodeReply(odd, own)), 'malformed')
  }
})

test('a wrong secret is seen on either side', () => {
  const request = requestOf()
  const answer = codec.encodeReply(
    { code: 'Access-Accept', attributes: [] },
    { identifier: IDENTIFIER, ...request },
    'another',
  )
  assert.equal(dropped(codec.decodeReply(answer, asked('Access-Request', request))), 'wrong-authenticator')
  assert.equal(dropped(codec.decodeRequest(request.bytes, 'another')), 'wrong-message-authenticator')
  assert.equal(dropped(codec.decodeRequest(requestOf('CoA-Request').bytes, 'another')), 'wrong-authenticator')
})

test('RFC 2865 3: an answer with another identifier is dropped', () => {
  const request = requestOf()
  const answer = codec.encodeReply(
    { code: 'Access-Accept', attributes: [] },
    { identifier: 43, ...request },
    SECRET,
  )
  assert.equal(dropped(codec.decodeReply(answer, asked('Access-Request', request))), 'wrong-identifier')
})

test('a code that is no answer to the request is dropped, however well it is signed', () => {
  for (const code of REQUESTS) {
    const request = requestOf(code)
    for (const reply of Object.keys(CODES) as RadiusCode[]) {
      const answer = codec.encodeReply(
        { code: reply, attributes: [] },
        { identifier: IDENTIFIER, ...request },
        SECRET,
      )
      const right = CODES[code].replies?.includes(reply)
      assert.equal(dropped(codec.decodeReply(answer, asked(code, request))), right ? undefined : 'wrong-code')
    }
  }
  const { authenticator } = requestOf()
  assert.equal(
    dropped(codec.decodeReply(replyHex(99, authenticator, ''), asked('Access-Request', { authenticator }))),
    'wrong-code',
  )
  assert.equal(dropped(codec.decodeRequest(replyHex(2, authenticator, ''), SECRET)), 'wrong-code')
})

test('RFC 2865 3: octets behind the length are padding; fewer than it says drop the packet', () => {
  const { bytes: packet } = requestOf('CoA-Request', [NAME])
  assert.deepEqual(told(codec.decodeRequest(bytes(`${hex(packet)}ffff`), SECRET)), [NAME])
  for (let length = 0; length < packet.length; length++)
    assert.equal(dropped(codec.decodeRequest(packet.subarray(0, length), SECRET)), 'malformed')
})

test('RFC 2865 3: a length below 20 or above 4096 drops the packet', () => {
  const { bytes: packet } = requestOf('CoA-Request')
  for (const length of ['0000', '0013', '1001']) {
    const padded = Uint8Array.from({ length: 5000 }, (_, at) => patched(packet, 2, bytes(length))[at] ?? 0)
    assert.equal(dropped(codec.decodeRequest(padded, SECRET)), 'malformed', length)
  }
  const { authenticator } = requestOf()
  const filled = attributesHex([25, 'ab'.repeat(253)]).repeat(15) + attributesHex([25, 'ab'.repeat(249)])
  const longest = replyHex(2, authenticator, filled)
  assert.equal(longest.length, 4096)
  const expectedReply = { ...asked('Access-Request', { authenticator }), ...OPTIONAL }
  assert.equal(told(codec.decodeReply(longest, expectedReply)).length, 16)
  const longer = replyHex(
    2,
    authenticator,
    attributesHex([25, 'ab'.repeat(253)]).repeat(15) + attributesHex([25, 'ab'.repeat(250)]),
  )
  assert.equal(longer.length, 4097)
  assert.equal(dropped(codec.decodeReply(longer, expectedReply)), 'malformed')
  const empty = replyHex(2, authenticator, '')
  assert.equal(empty.length, 20)
  assert.deepEqual(told(codec.decodeReply(empty, expectedReply)), [])
})

test('RFC 2865 5: an attribute that overruns the packet, or is shorter than its head, drops the packet', () => {
  const { authenticator } = requestOf()
  for (const attributes of ['01', '0100', '0101', '010102', '010361 01', '0104 61', '01ff 616263']) {
    const reply = replyHex(2, authenticator, attributes.replaceAll(' ', ''))
    const own = { ...asked('Access-Request', { authenticator }), ...OPTIONAL }
    assert.equal(dropped(codec.decodeReply(reply, own)), 'malformed', attributes)
  }
})

test('RFC 2865 3: no packet of more than 4096 octets is made', () => {
  const filled = Array(15).fill({ name: 'Class', value: new Uint8Array(253) })
  const request = (octets: number) =>
    requestOf('Accounting-Request', [...filled, { name: 'Class', value: new Uint8Array(octets) }]).bytes
  assert.equal(request(231).length, 4096)
  assert.throws(() => request(232), { code: 'RADIUS_ATTRIBUTE' })
})

test('a message outlives the datagram that it came in, also where that is a Buffer', () => {
  const { bytes: packet, authenticator } = requestOf('CoA-Request', [{ name: 'Class', value: bytes('0102') }])
  const datagram = Buffer.from(packet)
  const decoded = codec.decodeRequest(datagram, SECRET)
  datagram.fill(0xff)
  assert.deepEqual(told(decoded), [{ name: 'Class', value: bytes('0102') }])
  assert.ok(decoded.kind === 'message')
  assert.deepEqual(decoded.authenticator, authenticator)
})

function asked(code: RadiusCode, { authenticator }: { readonly authenticator: Uint8Array }) {
  return { ...REQUIRED, code, identifier: IDENTIFIER, authenticator }
}

function expected(requestHex: string) {
  const request = bytes(requestHex)
  const [, identifier = 0] = request
  return {
    code: 'Access-Request',
    identifier,
    authenticator: request.subarray(4, 20),
    secret: RFC_SECRET,
    requireMessageAuthenticator: false,
  } as const
}

/** Each with one bit turned. */
function flips(octets: Uint8Array, from: number, to: number): readonly Uint8Array[] {
  return Array.from({ length: 8 * (to - from) }, (_, bit) => {
    const at = from + (bit >> 3)
    return patched(octets, at, Uint8Array.of((octets[at] ?? 0) ^ (1 << (bit & 7))))
  })
}
