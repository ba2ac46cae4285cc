/** MS-CHAPv2 on the wire, of either side, against peers that send exactly what a test says (RFC 2759). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ntPasswordHash } from '../../../core/crypto.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { authenticatorResponse, mschapv2Response } from '../../../core/protocol/ppp/mschapv2.ts'
import { decodeChap } from '../../../core/wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import {
  type Answerer,
  answerer,
  CLIENT_CONFIG,
  except,
  hex,
  LNS_CONFIG,
  PASSWORD,
  pair,
  USER,
} from './harness.ts'
import { Peer } from './peer.ts'

const CONFIG: PppConfig = { ...LNS_CONFIG, demandAuth: ['mschapv2'] }
const CHALLENGE = 1
const RESPONSE = 2
const SUCCESS = 3
const FAILURE = 4
const CHANGE_PASSWORD = 7
const PEER_CHALLENGE = hex('21402324255e262a28295f2b3a337c7e')
const NT_HASH = ntPasswordHash(PASSWORD)
const DECIDED_MS = 10

const NEVER: Answerer = ask => (ask.kind === 'authenticate' ? undefined : answerer(ask))
const refusing = (word: object): Answerer => except('authenticate', { kind: 'deny', reason: 'no', ...word })
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function challenged(answer: Answerer = answerer) {
  const peer = new Peer({ config: CONFIG, answer }).openLcp()
  const { packet } = peer.heard().at(-1) ?? assert.fail()
  const chap = decodeChap(
    decodePppFrame(peer.us.sent.at(-1) ?? new Uint8Array())?.payload ?? new Uint8Array(),
  )
  assert.ok(chap?.kind === 'challenge')
  const { identifier } = packet
  const authenticatorChallenge = chap.value.slice()
  const proof = (user: string) => ({ userName: user, authenticatorChallenge, peerChallenge: PEER_CHALLENGE })
  /** What a peer answers; `edges`: what it has in the reserved octets and the flags. */
  const respond = (user = USER, hashed = user, edges = 0) => {
    const ntResponse = mschapv2Response(NT_HASH, proof(hashed))
    const value = [...PEER_CHALLENGE, ...Array(8).fill(edges), ...ntResponse, edges]
    peer.send(PPP.CHAP, RESPONSE, identifier, Uint8Array.of(value.length, ...value, ...Buffer.from(user)))
    return { ...proof(hashed), identifier, ntResponse }
  }
  return { peer, identifier, authenticatorChallenge, respond }
}

const verdictOf = (peer: Peer) => {
  const [verdict = assert.fail('no verdict')] = peer.heard()
  assert.equal(verdict.protocol, PPP.CHAP)
  return { code: verdict.packet.code, text: Buffer.from(verdict.packet.data).toString() }
}

test('LCP asks for algorithm 81, and the challenge has 16 octets', () => {
  const { peer, authenticatorChallenge } = challenged()
  assert.ok(toHex(peer.us.sent[0] ?? new Uint8Array()).includes('0305c22381'))
  assert.equal(authenticatorChallenge.length, 16)
})

test('the hook gets what the response was made of, and the name as it came', () => {
  const { peer, respond } = challenged(NEVER)
  const proof = respond('DOM\\hb', 'hb')
  assert.deepEqual(peer.us.asked, [
    { kind: 'authenticate', user: 'DOM\\hb', proof: { method: 'mschapv2', ...proof } },
  ])
})

for (const edges of [0, 0xff])
  test(`the right response gets Success with our own proof, whatever the reserved octets hold: ${edges}`, () => {
    const { peer, identifier, respond } = challenged()
    const proof = respond(USER, USER, edges)
    peer.wire.run(100)
    const success = peer.heard()[0]?.packet
    assert.deepEqual([success?.code, success?.identifier], [SUCCESS, identifier])
    assert.equal(Buffer.from(success?.data ?? []).toString(), `${authenticatorResponse(NT_HASH, proof)} M=`)
    assert.equal(peer.us.link.phase, 'network')
  })

test('a text of the plugin goes with Success, and one that the verifier gave stays', () => {
  for (const [word, told] of [
    [{ message: 'hello', mschapv2: 'S=AB' }, 'S=AB M=hello'],
    [{ message: 'hello', mschapv2: 'S=AB M=bye' }, 'S=AB M=bye'],
  ] as const) {
    const { peer, respond } = challenged(ask =>
      ask.kind === 'authenticate' ? { kind: 'accept', grant: { user: USER }, ...word } : answerer(ask),
    )
    respond()
    peer.wire.run(100)
    assert.deepEqual(verdictOf(peer), { code: SUCCESS, text: told })
  }
})

const C = `C=${'[0-9A-F]'.repeat(32)}`
for (const [what, word, told] of [
  ['a refusal', {}, `E=691 R=0 ${C} V=3 M=Authentication failed`],
  ['a refusal with a text', { message: 'go away' }, `E=691 R=0 ${C} V=3 M=go away`],
  [
    'what a verifier would let try again',
    { mschapv2: 'E=691 R=1 C=00112233445566778899AABBCCDDEEFF V=3 M=try again' },
    `E=691 R=0 ${C} V=3 M=try again`,
  ],
  [
    'a password that has expired',
    { mschapv2: 'E=648 R=0 V=3' },
    `E=648 R=0 ${C} V=3 M=the password has expired, and cannot be changed here`,
  ],
  ['an unknown code', { mschapv2: 'E=7', message: 'what' }, `E=7 R=0 ${C} V=3 M=what`],
] as const)
  test(`${what} is told as RFC 2759 6 has it, without another try, and the link ends`, () => {
    const { peer, respond, authenticatorChallenge } = challenged(refusing(word))
    respond()
    peer.wire.run(DECIDED_MS)
    const { code, text } = verdictOf(peer)
    assert.equal(code, FAILURE)
    assert.match(text, new RegExp(`^${told}$`))
    assert.ok(text.includes(toHex(authenticatorChallenge).toUpperCase()))
    assert.equal(peer.us.link.ending?.cause, 'auth-failed')
  })

test('a long text is cut to what the packet can carry', () => {
  const { peer, respond } = challenged(refusing({ message: 'é'.repeat(1000) }))
  respond()
  peer.wire.run(DECIDED_MS)
  assert.equal(peer.heard()[0]?.packet.data.length, 255)
})

test('a repeated response gets the verdict again and asks nobody', () => {
  const { peer, respond } = challenged()
  respond()
  peer.wire.run(100)
  const first = verdictOf(peer)
  respond()
  assert.deepEqual(verdictOf(peer), first)
  assert.equal(peer.us.asked.filter(({ kind }) => kind === 'authenticate').length, 1)
})

test('a response of another length, of MD5 or of MS-CHAPv1 among them, is dropped', () => {
  const { peer, identifier } = challenged()
  for (const bytes of [16, 24, 48, 50])
    peer.send(
      PPP.CHAP,
      RESPONSE,
      identifier,
      Uint8Array.of(bytes, ...new Uint8Array(bytes), ...Buffer.from(USER)),
    )
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], Array(4).fill('ppp-malformed')])
})

test('a response of 49 octets where MD5 was agreed is dropped', () => {
  const peer = new Peer({ config: { ...LNS_CONFIG, demandAuth: ['chap-md5'] } }).openLcp()
  const { packet } = peer.heard().at(-1) ?? assert.fail()
  peer.send(
    PPP.CHAP,
    RESPONSE,
    packet.identifier,
    Uint8Array.of(49, ...new Uint8Array(49), ...Buffer.from(USER)),
  )
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], ['ppp-malformed']])
})

test('a change of the password is not spoken of: dropped before the verdict and after', () => {
  const { peer, identifier, respond } = challenged(refusing({ mschapv2: 'E=648 R=0 V=3' }))
  const change = new Uint8Array(582)
  peer.send(PPP.CHAP, CHANGE_PASSWORD, identifier, change)
  respond()
  peer.wire.run(DECIDED_MS)
  peer.heard()
  peer.send(PPP.CHAP, CHANGE_PASSWORD, identifier + 1, change)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-malformed', 'ppp-phase']])
})

/** A client that was challenged and has answered. */
function answered() {
  const config: PppConfig = { ...CLIENT_CONFIG, authAs: { user: 'DOM\\hb', methods: ['mschapv2'] } }
  const peer = new Peer({ config }).openLcp('0305 c223 81')
  const authenticatorChallenge = new Uint8Array(16).fill(9)
  peer.send(PPP.CHAP, CHALLENGE, 7, Uint8Array.of(16, ...authenticatorChallenge, 0x78))
  peer.wire.run(DECIDED_MS)
  const { packet } = peer.heard().at(-1) ?? assert.fail()
  const value = packet.data.subarray(1, 50)
  const proof = {
    identifier: 7,
    userName: 'hb',
    authenticatorChallenge,
    peerChallenge: value.slice(0, 16),
    ntResponse: value.slice(24, 48),
  }
  return { peer, packet, value, proof }
}

test('a client answers with 49 octets, made of its name without the domain, and with its whole name', () => {
  const { packet, value, proof } = answered()
  assert.deepEqual([packet.code, packet.identifier, packet.data[0]], [RESPONSE, 7, 49])
  assert.equal(Buffer.from(packet.data).toString('latin1', 50), 'DOM\\hb')
  assert.deepEqual([value.slice(16, 24), value[48]], [new Uint8Array(8), 0])
  assert.deepEqual(proof.ntResponse, mschapv2Response(NT_HASH, proof))
})

for (const tail of ['', ' M=', ' M=welcome'])
  test(`a client lets itself in when the server proves itself: S=...${tail}`, () => {
    const { peer, proof } = answered()
    const said = authenticatorResponse(NT_HASH, proof) + tail
    peer.send(PPP.CHAP, SUCCESS, 7, Buffer.from(said))
    assert.equal(peer.us.link.phase, 'network')
  })

for (const [what, said] of [
  ['nothing', () => ''],
  ['M= alone', () => 'M=welcome'],
  ['a proof cut short', (right: string) => right.slice(0, -1)],
  ['another proof', (right: string) => right.slice(0, -1) + (right.endsWith('0') ? '1' : '0')],
] as const)
  test(`a client believes no server that accepts it with ${what}`, () => {
    const { peer, proof } = answered()
    peer.send(PPP.CHAP, SUCCESS, 7, Buffer.from(said(authenticatorResponse(NT_HASH, proof))))
    assert.match(peer.us.link.ending?.text ?? '', /impostor/)
    assert.equal(peer.us.link.ending?.cause, 'auth-failed')
  })

for (const [said, text] of [
  ['E=691 R=1 C=00 V=3 M=Access denied', 'wrong name or password: Access denied'],
  ['E=648 R=0 C=00 V=3', 'the password has expired, and cannot be changed here'],
  ['E=9999 R=0 M=why not', 'error 9999: why not'],
  ['', 'wrong name or password'],
] as const)
  test(`a client tells people what a Failure means: "${said}"`, () => {
    const { peer } = answered()
    peer.send(PPP.CHAP, FAILURE, 7, Buffer.from(said))
    assert.deepEqual([peer.us.link.ending?.cause, peer.us.link.ending?.text], ['auth-failed', text])
  })

test('a client answers no challenge of another length', () => {
  const config: PppConfig = { ...CLIENT_CONFIG, authAs: { user: USER, methods: ['mschapv2'] } }
  const peer = new Peer({ config }).openLcp('0305 c223 81')
  for (const bytes of [8, 15, 17])
    peer.send(PPP.CHAP, CHALLENGE, 7, Uint8Array.of(bytes, ...new Uint8Array(bytes)))
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], Array(3).fill('ppp-malformed')])
})

test('each answer has a challenge of its own, and a repeated question the same answer', () => {
  const { wire, lns, client } = pair({ config: CONFIG, answer: NEVER })
  wire.start()
  wire.run(50)
  const at = lns.said.findIndex(line => line.startsWith('CHAP 1'))
  wire.inject(client, lns.sent[at] ?? new Uint8Array())
  const sent = client.sent.filter((_, index) => client.said[index]?.startsWith('CHAP 2'))
  assert.equal(sent.length, 2)
  assert.deepEqual(sent[0], sent[1])
  const [other] = [pair({ config: CONFIG, answer: NEVER }, {}, { seed: 9 })]
  other.wire.start()
  other.wire.run(50)
  const [theirs] = other.client.sent.filter((_, index) => other.client.said[index]?.startsWith('CHAP 2'))
  assert.notDeepEqual(theirs?.subarray(9, 25), sent[0]?.subarray(9, 25))
})

test('with both sides proving themselves, one by MD5 and one by MS-CHAPv2, each gets its own algorithm', () => {
  const { wire, lns, client } = pair(
    { config: { ...CONFIG, authAs: { user: 'lns', methods: ['chap-md5'] } } },
    {
      config: { ...CLIENT_CONFIG, demandAuth: ['chap-md5'] },
      answer: ask =>
        ask.kind === 'authenticate' ? { kind: 'accept', grant: { user: ask.user } } : answerer(ask),
    },
  )
  wire.start()
  wire.run(5000)
  assert.ok(lns.network && client.network)
  const methods = [lns, client].map(({ asked }) =>
    asked.flatMap(ask => (ask.kind === 'authenticate' ? ask.proof.method : [])),
  )
  assert.deepEqual(methods, [['mschapv2'], ['chap-md5']])
})

test('the password is nowhere in the state of either side, nor is its hash', () => {
  const { wire, lns, client } = pair({ config: CONFIG })
  wire.start()
  for (let at = 0; at < 40; at++) {
    wire.run(5)
    for (const { link } of [lns, client]) {
      const state = JSON.stringify(link, (_, value) => (value instanceof Uint8Array ? toHex(value) : value))
      assert.ok(!state.includes(PASSWORD) && !state.includes(toHex(NT_HASH)))
    }
  }
  assert.ok(lns.network)
})
