/** EAP on the wire, of either side, against peers that send exactly what a test says (RFC 3748). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { md5 } from '../../../core/crypto.ts'
import type { Verdict } from '../../../core/protocol/outputs.ts'
import { MOST_EAP_ROUNDS } from '../../../core/protocol/ppp/decisions.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { EAP_TYPE, encodeEap } from '../../../core/wire/eap.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import {
  type Answerer,
  answerer,
  CLIENT_CONFIG,
  eapMessage,
  eapRequest,
  except,
  GRANT,
  hex,
  LNS_CONFIG,
  PASSWORD,
  pair,
  USER,
} from './harness.ts'
import { Peer } from './peer.ts'

const EAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['eap'] }
const REQUEST = 1
const RESPONSE = 2
const SUCCESS = 3
const FAILURE = 4
const TLS = 13
const DECIDED_MS = 10
const NEVER: Answerer = ask => (ask.kind === 'authenticate' ? undefined : answerer(ask))
const NAME = Buffer.from(USER).toString('hex')

/** A plugin that asks by `type` until the round `rounds`, then accepts. */
const asking =
  (type: number, rounds: number, more: object = {}): Answerer =>
  ask => {
    if (ask.kind !== 'authenticate') return answerer(ask)
    assert.equal(ask.proof.method, 'eap')
    const round = ask.continued?.round ?? 0
    const data = Uint8Array.of(round)
    return round < rounds
      ? eapRequest(ask.proof.packet, type, data, ask.continued)
      : { kind: 'accept', grant: GRANT, ...more }
  }

function atIdentity(answer: Answerer = answerer, config = EAP_ONLY): { peer: Peer; identifier: number } {
  const peer = new Peer({ config, answer }).openLcp()
  const request = peer.heard().at(-1)
  assert.deepEqual([request?.protocol, request?.packet.code], [PPP.EAP, REQUEST])
  assert.deepEqual(request?.packet.data, hex('01'))
  return { peer, identifier: request?.packet.identifier ?? 0 }
}

const respond = (peer: Peer, identifier: number, data: string) =>
  peer.send(PPP.EAP, RESPONSE, identifier, data)

/** The peer has said who it is, and the plugin has answered. */
function named(answer: Answerer, config = EAP_ONLY): { peer: Peer; identifier: number } {
  const { peer, identifier } = atIdentity(answer, config)
  respond(peer, identifier, `01 ${NAME}`)
  peer.wire.run(DECIDED_MS)
  return { peer, identifier: (identifier + 1) & 0xff }
}

const asks = ({ us }: Peer) => us.asked.flatMap(ask => (ask.kind === 'authenticate' ? [ask] : []))

test('the identity is asked for, repeated as it was, and given up as a challenge of CHAP is', () => {
  const { peer, identifier } = atIdentity()
  peer.wire.run(LNS_CONFIG.restartTimerMs)
  assert.deepEqual(peer.heardOne(), { protocol: PPP.EAP, code: REQUEST, identifier, data: '01' })
  peer.wire.run(LNS_CONFIG.maxConfigure * LNS_CONFIG.restartTimerMs)
  assert.equal(peer.us.said.filter(line => line === `EAP 1 ${identifier}`).length, LNS_CONFIG.maxConfigure)
  assert.equal(peer.us.link.ending?.text, 'the peer does not answer our challenge')
})

test('the hook gets the Response whole, the name in it, and how much the link carries', () => {
  const { peer, identifier } = atIdentity(NEVER, { ...EAP_ONLY, mruBytes: 1280 })
  respond(peer, identifier, `01 ${NAME}`)
  const packet = encodeEap({ kind: 'response', identifier, type: 1, data: Buffer.from(USER) })
  assert.deepEqual(asks(peer), [
    { kind: 'authenticate', user: USER, proof: { method: 'eap', identity: USER, packet, mtuBytes: 1280 } },
  ])
})

test("a peer's smaller MRU is what the link carries", () => {
  const peer = new Peer({ config: EAP_ONLY, answer: NEVER }).openLcp('0104 0400')
  const { packet } = peer.heard().at(-1) ?? assert.fail()
  respond(peer, packet.identifier, `01 ${NAME}`)
  const [{ proof } = assert.fail()] = asks(peer)
  assert.equal(proof.method === 'eap' && proof.mtuBytes, 0x400)
})

test('padding behind the length does not reach the hook', () => {
  const { peer, identifier } = atIdentity(NEVER)
  peer.sendRaw(Uint8Array.from([...hex('ff03 c227 02'), identifier, ...hex('0006 01 61 ffff')]))
  const [{ proof } = assert.fail()] = asks(peer)
  assert.deepEqual(proof.method === 'eap' && [proof.identity, proof.packet.length], ['a', 6])
})

test('a login: the Requests of the plugin go out as they are, the peer gets Success, and is let in', () => {
  const { peer, identifier: first } = named(asking(TLS, 3))
  let identifier = first
  for (const round of [0, 1, 2]) {
    assert.deepEqual(peer.heardOne(), { protocol: PPP.EAP, code: REQUEST, identifier, data: `0d0${round}` })
    respond(peer, identifier, '0d 00')
    peer.wire.run(100)
    identifier = (identifier + 1) & 0xff
  }
  const [success, ipcp] = peer.heard()
  assert.deepEqual(success?.packet, {
    code: SUCCESS,
    identifier: (identifier - 1) & 0xff,
    data: new Uint8Array(),
  })
  assert.equal(ipcp?.protocol, PPP.IPCP)
  assert.equal(peer.us.link.phase, 'network')
  assert.deepEqual(
    asks(peer).map(({ user, continued }) => `${user} ${continued?.round}`),
    [`${USER} undefined`, `${USER} 1`, `${USER} 2`, `${USER} 3`],
  )
  assert.deepEqual(peer.us.drops, [])
})

test('a Success and a Failure of the plugin go out as they are', () => {
  const { peer } = named(asking(TLS, 0, { eap: encodeEap({ kind: 'success', identifier: 77 }) }))
  peer.wire.run(100)
  assert.deepEqual(peer.heard()[0]?.packet, { code: SUCCESS, identifier: 77, data: new Uint8Array() })
  const eap = encodeEap({ kind: 'failure', identifier: 78 })
  const other = named(except('authenticate', { kind: 'deny', reason: 'no', eap }))
  assert.deepEqual(other.peer.heard()[0]?.packet, { code: FAILURE, identifier: 78, data: new Uint8Array() })
})

test('a refusal is Failure, then the link ends', () => {
  const { peer, identifier } = named(answerer)
  peer.heard()
  respond(peer, identifier, `04 10 ${'00'.repeat(16)}`)
  peer.wire.run(DECIDED_MS)
  const [failure, terminate, ...rest] = peer.heard()
  assert.deepEqual([failure?.packet.code, failure?.packet.identifier], [FAILURE, identifier])
  assert.equal(terminate?.packet.code, CP_CODE.TERMINATE_REQUEST)
  assert.deepEqual([rest, peer.us.link.ending?.cause], [[], 'auth-failed'])
})

test('whoever is denied by a later decision gets no Success of the plugin', () => {
  const eap = encodeEap({ kind: 'success', identifier: 1 })
  const { peer } = named(ask => {
    if (ask.kind === 'authenticate') return { kind: 'accept', grant: GRANT, eap }
    return { kind: 'deny', reason: 'no' }
  })
  peer.wire.run(DECIDED_MS)
  assert.equal(peer.heard()[0]?.packet.code, FAILURE)
})

test('a duplicate asks nobody: not while it is decided, not when the next Request is out; after the end that is said again', () => {
  const { peer, identifier } = atIdentity(asking(TLS, 1))
  respond(peer, identifier, `01 ${NAME}`)
  respond(peer, identifier, `01 ${NAME}`)
  peer.wire.run(DECIDED_MS)
  assert.equal(peer.heard().length, 1)
  respond(peer, identifier, `01 ${NAME}`)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-stale']])
  const next = (identifier + 1) & 0xff
  respond(peer, next, '0d 00')
  peer.wire.run(100)
  peer.heard()
  respond(peer, next, '0d 00')
  assert.deepEqual(peer.heardOne(), { protocol: PPP.EAP, code: SUCCESS, identifier: next, data: '' })
  assert.equal(asks(peer).length, 2)
})

test('a Request of the plugin is repeated until it is answered, and with patience of its own', () => {
  const { peer, identifier } = named(asking(TLS, 1))
  peer.heard()
  peer.wire.run((LNS_CONFIG.maxConfigure - 1) * LNS_CONFIG.restartTimerMs)
  const repeated = peer.heard()
  assert.equal(repeated.length, LNS_CONFIG.maxConfigure - 1)
  for (const { packet } of repeated)
    assert.deepEqual([packet.identifier, packet.data], [identifier, hex('0d00')])
  peer.wire.run(LNS_CONFIG.restartTimerMs)
  assert.equal(peer.us.link.ending?.text, 'the peer does not answer our challenge')
})

test('nothing is repeated while the plugin thinks', () => {
  const { peer, identifier } = atIdentity(NEVER)
  respond(peer, identifier, `01 ${NAME}`)
  peer.wire.run(20_000)
  assert.deepEqual(peer.heard(), [])
})

for (const [what, data, right] of [
  ['of the method that was asked', '0d 00', true],
  ['that declines it (5.3.1)', '03 04', true],
  ['of another method', '04 10', false],
  ['that names the peer again', `01 ${NAME}`, false],
] as const)
  test(`a Response ${what} is ${right ? 'the plugin’s affair' : 'dropped'}`, () => {
    const { peer, identifier } = named(asking(TLS, 9))
    respond(peer, identifier, data)
    peer.wire.run(DECIDED_MS)
    assert.equal(asks(peer).length, right ? 2 : 1)
    assert.deepEqual(peer.us.drops, right ? [] : ['ppp-malformed'])
  })

test('the identity itself cannot be declined', () => {
  const { peer, identifier } = atIdentity()
  respond(peer, identifier, '03 04')
  assert.deepEqual([asks(peer), peer.us.drops], [[], ['ppp-malformed']])
})

test('an empty identity is refused without asking anybody, and one beyond 255 octets is dropped', () => {
  const empty = atIdentity()
  respond(empty.peer, empty.identifier, '01')
  assert.deepEqual([asks(empty.peer), empty.peer.us.link.ending?.text], [[], 'empty name or password'])
  const long = atIdentity()
  respond(long.peer, long.identifier, `01 ${'61'.repeat(256)}`)
  assert.deepEqual([asks(long.peer), long.peer.us.drops], [[], ['ppp-malformed']])
  respond(long.peer, long.identifier, `01 ${'61'.repeat(255)}`)
  assert.equal(asks(long.peer).length, 1)
})

test('a foreign identifier, what is no EAP, what is larger than any MRU, and the other role are dropped', () => {
  const { peer, identifier } = atIdentity()
  respond(peer, (identifier + 1) & 0xff, `01 ${NAME}`)
  peer.send(PPP.EAP, 9, identifier, '01')
  respond(peer, identifier, `01 ${'61'.repeat(1496)}`)
  for (const code of [REQUEST, SUCCESS, FAILURE])
    peer.send(PPP.EAP, code, identifier, code === REQUEST ? '01' : '')
  assert.deepEqual(asks(peer), [])
  assert.deepEqual(peer.us.drops, [
    'ppp-stale',
    'ppp-malformed',
    'ppp-oversized',
    ...Array(3).fill('ppp-auth-not-negotiated'),
  ])
  assert.deepEqual(peer.heard(), [])
})

test('PAP and CHAP in place of the EAP that was agreed are dropped', () => {
  const { peer } = atIdentity()
  peer.sendPap(USER, PASSWORD)
  peer.send(PPP.CHAP, 2, 1, `10 ${'00'.repeat(16)} ${NAME}`)
  assert.deepEqual([asks(peer), peer.us.drops], [[], Array(2).fill('ppp-auth-not-negotiated')])
})

test(`an exchange of ${MOST_EAP_ROUNDS} rounds ends with its verdict, one more does not`, () => {
  for (const [rounds, accepted] of [
    [MOST_EAP_ROUNDS - 1, true],
    [MOST_EAP_ROUNDS, false],
  ] as const) {
    const { peer, identifier: first } = named(asking(TLS, rounds))
    for (let round = 0; round < rounds && peer.us.link.ending === undefined; round++) {
      respond(peer, (first + round) & 0xff, '0d 00')
      peer.wire.run(DECIDED_MS)
    }
    peer.wire.run(100)
    assert.equal(asks(peer).length, MOST_EAP_ROUNDS)
    assert.equal(peer.us.link.phase === 'network', accepted)
    if (!accepted) assert.equal(peer.us.link.ending?.text, `no verdict after ${MOST_EAP_ROUNDS} rounds`)
  }
})

test('the deadline of authentication is for all rounds', () => {
  const { peer, identifier: first } = named(asking(TLS, 99))
  for (let round = 0; round < 10 && peer.us.link.ending === undefined; round++) {
    respond(peer, (first + round) & 0xff, '0d 00')
    peer.wire.run(LNS_CONFIG.authTimeoutMs / 10)
  }
  assert.equal(peer.us.link.ending?.text, 'authentication took too long')
})

test('a renegotiation in the middle begins a new exchange, with the identity', () => {
  const { peer } = named(asking(TLS, 9))
  peer.send(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 0x63, '0506 0badcafe')
  assert.equal(peer.us.link.continued, undefined)
  peer.acknowledge(PPP.LCP)
  const request = peer.heard().at(-1)
  assert.deepEqual([request?.protocol, request?.packet.data], [PPP.EAP, hex('01')])
  respond(peer, request?.packet.identifier ?? 0, `01 ${NAME}`)
  peer.wire.run(DECIDED_MS)
  assert.equal(asks(peer).at(-1)?.continued, undefined)
})

test('a verdict on an earlier round, late, changes nothing', () => {
  const { peer, identifier } = atIdentity(NEVER)
  respond(peer, identifier, `01 ${NAME}`)
  const [first = assert.fail()] = peer.us.pending.keys()
  const [{ proof } = assert.fail()] = asks(peer)
  assert.ok(proof.method === 'eap')
  const go = eapRequest(proof.packet, TLS, new Uint8Array(), undefined)
  peer.wire.answer(peer.us, first, go)
  respond(peer, (identifier + 1) & 0xff, '0d')
  for (const late of [go, { kind: 'accept', grant: GRANT } as Verdict]) peer.wire.answer(peer.us, first, late)
  assert.deepEqual([peer.us.link.phase, peer.us.link.continued?.round], ['authenticate', 1])
})

/** A client that is asked to prove itself by EAP. */
function dialling(answer: Answerer = answerer): Peer {
  const config: PppConfig = { ...CLIENT_CONFIG, authAs: { user: USER, methods: ['eap'] } }
  const peer = new Peer({ config, answer }).openLcp('0304 c227')
  peer.heard()
  return peer
}

const challenge = `04 10 ${'ab'.repeat(16)} 6c6e73`
const digest = (identifier: number) =>
  Buffer.from(md5(Uint8Array.of(identifier), Buffer.from(PASSWORD), hex('ab'.repeat(16)))).toString('hex')

test('a client tells its name, nods at notifications, proves itself by MD5 and declines what it does not have', () => {
  const peer = dialling()
  for (const [identifier, request, data] of [
    [5, '01', `01${NAME}`],
    [5, '01', `01${NAME}`],
    [6, '02 6869', '02'],
    [7, `0d 20`, '031a04'],
    [8, challenge, `0410${digest(8)}${NAME}`],
    [8, challenge, `0410${digest(8)}${NAME}`],
  ] as const) {
    peer.send(PPP.EAP, REQUEST, identifier, request)
    peer.wire.run(DECIDED_MS)
    assert.deepEqual(peer.heardOne(), { protocol: PPP.EAP, code: RESPONSE, identifier, data })
  }
  assert.deepEqual(
    peer.us.asked.map(({ kind }) => kind),
    ['ownSecret'],
  )
  peer.send(PPP.EAP, SUCCESS, 8)
  assert.equal(peer.us.link.phase, 'network')
})

test('pppd as the server gives its Success the next number: a client takes that too, and no other', () => {
  const peer = dialling()
  peer.send(PPP.EAP, REQUEST, 255, challenge)
  peer.wire.run(DECIDED_MS)
  peer.send(PPP.EAP, SUCCESS, 254)
  peer.send(PPP.EAP, SUCCESS, 1)
  assert.deepEqual([peer.us.link.phase, peer.us.drops], ['authenticate', Array(2).fill('ppp-stale')])
  peer.send(PPP.EAP, SUCCESS, 0)
  assert.equal(peer.us.link.phase, 'network')
})

test('a client believes a Success only once it has proved itself, and of its last Response', () => {
  const peer = dialling()
  for (let identifier = 0; identifier < 256; identifier++) peer.send(PPP.EAP, SUCCESS, identifier)
  peer.send(PPP.EAP, REQUEST, 5, '01')
  peer.send(PPP.EAP, SUCCESS, 5)
  peer.send(PPP.EAP, REQUEST, 6, challenge)
  peer.send(PPP.EAP, SUCCESS, 6)
  peer.wire.run(DECIDED_MS)
  peer.send(PPP.EAP, SUCCESS, 5)
  assert.equal(peer.us.link.phase, 'authenticate')
  assert.deepEqual(new Set(peer.us.drops), new Set(['ppp-stale']))
})

test('a client hears a Failure at any time after its first word', () => {
  const peer = dialling()
  peer.send(PPP.EAP, FAILURE, 0)
  assert.deepEqual([peer.us.link.ending, peer.us.drops], [undefined, ['ppp-stale']])
  peer.send(PPP.EAP, REQUEST, 5, '01')
  peer.send(PPP.EAP, FAILURE, 5)
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
})

test('a client whose Success was lost takes the first packet of IPCP for it, once it has proved itself (4.2)', () => {
  const peer = dialling()
  peer.send(PPP.EAP, REQUEST, 5, '01')
  peer.send(PPP.IPCP, CP_CODE.CONFIGURE_REQUEST, 1, '0306 ac100101')
  assert.deepEqual([peer.us.link.phase, peer.us.drops], ['authenticate', ['ppp-phase']])
  peer.send(PPP.EAP, REQUEST, 6, challenge)
  peer.wire.run(DECIDED_MS)
  peer.send(PPP.IPCP, CP_CODE.CONFIGURE_REQUEST, 1, '0306 ac100101')
  assert.equal(peer.us.link.phase, 'network')
})

test('with PAP and CHAP a packet of IPCP lets no client in', () => {
  for (const method of ['pap', 'chap-md5', 'mschapv2'] as const) {
    const { wire, client } = pair({ config: { ...LNS_CONFIG, demandAuth: [method] }, answer: NEVER })
    wire.start()
    wire.run(1000)
    wire.inject(client, hex('ff03 8021 01 01 000a 0306 ac100101'))
    assert.deepEqual([client.link.phase, client.drops], ['authenticate', ['ppp-phase']])
  }
})

test('a client never repeats a Response by itself (4.1), and gives up a silent server', () => {
  const peer = dialling()
  peer.send(PPP.EAP, REQUEST, 6, challenge)
  peer.wire.run(DECIDED_MS)
  peer.heard()
  peer.wire.run(LNS_CONFIG.restartTimerMs)
  assert.deepEqual(peer.heard(), [])
  peer.wire.run(LNS_CONFIG.maxLogins * LNS_CONFIG.restartTimerMs)
  assert.equal(peer.us.link.ending?.text, 'the peer does not answer our login')
})

for (const data of ['04', '04 00', '04 11 abab'])
  test(`a challenge that is none is dropped: ${data}`, () => {
    const peer = dialling()
    peer.send(PPP.EAP, REQUEST, 6, data)
    assert.deepEqual([peer.heard(), peer.us.asked, peer.us.drops], [[], [], ['ppp-malformed']])
  })

test('reflection: our own outstanding challenge, sent back under another name, is never answered', () => {
  const mutual: PppConfig = { ...EAP_ONLY, role: 'lac', authAs: { user: 'us', methods: ['eap'] } }
  const peer = new Peer({ config: mutual, answer: answerer }).openLcp('0304 c227')
  const [{ packet } = assert.fail()] = peer.heard().slice(-1)
  respond(peer, packet.identifier, `01 ${NAME}`)
  peer.wire.run(DECIDED_MS)
  const ours = eapMessage(peer.us.sent.at(-1)?.subarray(4) ?? new Uint8Array())
  assert.equal(ours.type, EAP_TYPE.MD5_CHALLENGE)
  peer.send(PPP.EAP, REQUEST, 99, Uint8Array.of(4, ...ours.data, 0x78))
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
  assert.ok(!peer.us.asked.some(({ kind }) => kind === 'ownSecret'))
})
