import assert from 'node:assert/strict'
import test from 'node:test'
import { md5 } from '../../../core/crypto.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { decodeChap } from '../../../core/wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import {
  type Answerer,
  answerer,
  CLIENT_CONFIG,
  GRANT,
  hex,
  LNS_CONFIG,
  PASSWORD,
  pair,
  USER,
} from './harness.ts'
import { Peer } from './peer.ts'

const PAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'] }
const CHAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['chap-md5'] }
/** Both sides prove themselves by CHAP with the same secret: the case that reflection is made for. */
const MUTUAL: PppConfig = { ...CHAP_ONLY, authAs: { user: 'lns', methods: ['chap-md5'] } }
const DEMAND_CHAP = '0305 c223 05'

const CHALLENGE = 1
const RESPONSE = 2
const SUCCESS = 3
const FAILURE = 4

const text = (string: string) => new TextEncoder().encode(string)
const nothing = () => undefined

function chapAfterLcp(config: PppConfig = CHAP_ONLY, answer = answerer, options = ''): Peer {
  const peer = new Peer({ config, answer }).openLcp(options)
  peer.heard()
  return peer
}

/** Our outstanding challenge. */
function challengeOf(peer: Peer): { identifier: number; value: Uint8Array } {
  const challenges = peer.us.sent.flatMap(bytes => {
    const frame = decodePppFrame(bytes)
    const packet = frame?.protocol === PPP.CHAP ? decodeChap(frame.payload) : undefined
    return packet?.kind === 'challenge' ? [packet] : []
  })
  return challenges.at(-1) ?? assert.fail('no challenge')
}

function valueAndName(value: Uint8Array, name: string): Uint8Array {
  return Uint8Array.from([value.length, ...value, ...text(name)])
}

function respond(
  peer: Peer,
  secret = PASSWORD,
  identifier = challengeOf(peer).identifier,
  name = USER,
): void {
  const digest = md5(Uint8Array.of(identifier), text(secret), challengeOf(peer).value)
  peer.send(PPP.CHAP, RESPONSE, identifier, valueAndName(digest, name))
}

test('the challenge carries 16 random octets and our name, and is repeated as it was', () => {
  const peer = new Peer({ config: { ...CHAP_ONLY, authName: 'gate' } }).openLcp()
  const first = challengeOf(peer)
  assert.equal(first.value.length, 16)
  peer.heard()
  peer.wire.run(3000)
  const { code, identifier, data } = peer.heardOne()
  assert.deepEqual([code, identifier], [CHALLENGE, first.identifier])
  assert.equal(data, `10${Buffer.from(first.value).toString('hex')}${Buffer.from('gate').toString('hex')}`)
})

test('two calls get different challenges', () => {
  const { wire, lns } = pair({ config: CHAP_ONLY })
  wire.start()
  wire.run(1000)
  const first = lns.link.proof?.challenge
  wire.inject(lns, hex('ff03 c021 01 63 000a 0506 0badcafe'))
  wire.run(1000)
  assert.notDeepEqual(lns.link.proof?.challenge, first)
})

test('a challenge that nobody answers is repeated Max-Configure times, then the link ends', () => {
  const peer = chapAfterLcp()
  peer.wire.run(LNS_CONFIG.maxConfigure * LNS_CONFIG.restartTimerMs)
  assert.equal(peer.us.said.filter(line => line.startsWith('CHAP 1')).length, LNS_CONFIG.maxConfigure)
  assert.equal(peer.us.link.ending?.text, 'the peer does not answer our challenge')
})

test('no challenge is repeated while the hooks think', () => {
  const peer = chapAfterLcp(CHAP_ONLY, nothing)
  respond(peer)
  peer.wire.run(20_000)
  assert.equal(peer.us.said.filter(line => line.startsWith('CHAP 1')).length, 1)
})

test('a response with a foreign identifier is ignored', () => {
  const peer = chapAfterLcp()
  const { identifier } = challengeOf(peer)
  respond(peer, PASSWORD, (identifier + 1) & 0xff)
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], ['ppp-stale']])
})

test('the hook gets identifier, challenge and response', () => {
  const peer = chapAfterLcp(CHAP_ONLY, nothing)
  const { identifier, value: challenge } = challengeOf(peer)
  respond(peer)
  const response = md5(Uint8Array.of(identifier), text(PASSWORD), challenge)
  assert.deepEqual(peer.us.asked, [
    {
      kind: 'authenticate',
      user: USER,
      proof: { method: 'chap-md5', identifier, challenge, response },
    },
  ])
})

test('a response that differs, while the hooks think or after, changes nothing: the verdict is repeated', () => {
  const peer = chapAfterLcp()
  respond(peer)
  respond(peer, 'other')
  peer.wire.run(100)
  assert.equal(peer.us.link.phase, 'network')
  peer.heard()
  respond(peer, 'other')
  assert.equal(peer.heardOne().code, SUCCESS)
  assert.equal(peer.us.asked.filter(ask => ask.kind === 'authenticate').length, 1)
})

test('a wrong response gets Failure with a message that tells nothing, then the link ends', () => {
  const peer = chapAfterLcp()
  respond(peer, 'wrong')
  peer.wire.run(10)
  const [failure, terminate, ...rest] = peer.heard()
  assert.deepEqual(failure?.packet.code, FAILURE)
  assert.deepEqual(failure?.packet.data, text('Authentication failed'))
  assert.equal(terminate?.packet.code, CP_CODE.TERMINATE_REQUEST)
  assert.deepEqual(rest, [])
  respond(peer)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-phase']])
})

for (const [what, data] of [
  ['of 15 octets', valueAndName(new Uint8Array(15), USER)],
  ['of 17 octets', valueAndName(new Uint8Array(17), USER)],
  ['without value', Uint8Array.of(0)],
  ['whose Value-Size reaches beyond the packet', Uint8Array.of(16, 1, 2, 3)],
  ['with a name of 256 octets', valueAndName(new Uint8Array(16), 'x'.repeat(256))],
] as const) {
  test(`a response ${what} is dropped`, () => {
    const peer = chapAfterLcp()
    peer.send(PPP.CHAP, RESPONSE, challengeOf(peer).identifier, data)
    assert.deepEqual([peer.us.asked, peer.us.drops], [[], ['ppp-malformed']])
  })
}

test('an empty CHAP name is refused without asking anybody', () => {
  const peer = chapAfterLcp()
  respond(peer, PASSWORD, undefined, '')
  assert.deepEqual([peer.us.asked, peer.us.link.ending?.text], [[], 'empty name or password'])
})

for (const [user, password] of [
  ['', ''],
  ['hb@hb', ''],
  ['', 'admin@123'],
] as const) {
  test(`OpenBSD sppp: PAP with name "${user}" and password "${password}" is refused, whatever a hook would say`, () => {
    const peer = new Peer({ config: PAP_ONLY }).openLcp()
    peer.heard()
    peer.sendPap(user, password, 7)
    const [nak, terminate] = peer.heard()
    assert.deepEqual([nak?.packet.code, nak?.packet.identifier], [3, 7])
    assert.equal(terminate?.packet.code, CP_CODE.TERMINATE_REQUEST)
    assert.deepEqual([peer.us.asked, peer.us.link.ending?.cause], [[], 'auth-failed'])
  })
}

test('PAP and CHAP look alike to a peer that guesses: the same message', () => {
  const peer = new Peer({ config: PAP_ONLY }).openLcp()
  peer.heard()
  peer.sendPap('nobody', 'x')
  peer.wire.run(10)
  assert.equal(Buffer.from(peer.heard()[0]?.packet.data ?? []).toString('latin1', 1), 'Authentication failed')
})

const greeting: Answerer = ask =>
  ask.kind === 'authenticate' ? { kind: 'accept', grant: GRANT, message: 'good morning' } : answerer(ask)

test('a text of the hook goes with the Ack of PAP and the Success of CHAP, and with each repetition of it', () => {
  const pap = new Peer({ config: PAP_ONLY, answer: greeting }).openLcp()
  pap.heard()
  for (const identifier of [1, 2]) {
    pap.sendPap(USER, PASSWORD, identifier)
    pap.wire.run(100)
    const { packet } = pap.heard()[0] ?? assert.fail()
    assert.deepEqual([packet.code, Buffer.from(packet.data).toString('latin1', 1)], [2, 'good morning'])
  }
  const chap = chapAfterLcp(CHAP_ONLY, greeting)
  for (let turn = 0; turn < 2; turn++) {
    respond(chap)
    chap.wire.run(100)
    const { packet } = chap.heard()[0] ?? assert.fail()
    assert.deepEqual([packet.code, Buffer.from(packet.data).toString()], [SUCCESS, 'good morning'])
  }
})

test('a peer that proved itself and is turned away for want of an address hears the text of that', () => {
  const peer = new Peer({
    config: PAP_ONLY,
    answer: ask =>
      ask.kind === 'assignAddress' ? { kind: 'deny', reason: 'none', message: 'full' } : greeting(ask),
  }).openLcp()
  peer.heard()
  peer.sendPap(USER, PASSWORD)
  peer.wire.run(100)
  const { packet } = peer.heard()[0] ?? assert.fail()
  assert.deepEqual([packet.code, Buffer.from(packet.data).toString('latin1', 1)], [2, 'full'])
})

test('a message from a hook is cut to what the packet can carry', () => {
  const peer = new Peer({
    config: PAP_ONLY,
    answer: () => ({ kind: 'deny', reason: 'no', message: 'é'.repeat(1000) }),
  }).openLcp()
  peer.heard()
  peer.sendPap('hb@hb', 'x')
  peer.wire.run(10)
  assert.equal(peer.heard()[0]?.packet.data.length, 256)
})

test('a PAP request cut short is dropped', () => {
  const peer = new Peer({ config: PAP_ONLY }).openLcp()
  peer.send(PPP.PAP, 1, 1, '05 6862')
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], ['ppp-malformed']])
})

test('PAP in place of the CHAP that was agreed is dropped, and the other way about', () => {
  const chap = chapAfterLcp()
  chap.sendPap(USER, PASSWORD)
  const pap = new Peer({ config: PAP_ONLY }).openLcp()
  pap.send(PPP.CHAP, RESPONSE, 1, valueAndName(new Uint8Array(16), USER))
  for (const { us } of [chap, pap]) assert.deepEqual([us.asked, us.drops], [[], ['ppp-auth-not-negotiated']])
})

test('EAP that was not negotiated is dropped, whatever it holds (pppd CVE-2020-8597)', () => {
  const peer = chapAfterLcp()
  peer.send(PPP.EAP, 1, 1, Uint8Array.from([4, 16, ...new Uint8Array(1400).fill(0x41)]))
  peer.send(PPP.EAP, 2, 1, '01')
  assert.deepEqual(
    [peer.heard(), peer.us.drops],
    [[], ['ppp-auth-not-negotiated', 'ppp-auth-not-negotiated']],
  )
})

test('a role that was not negotiated is dropped: verdicts and challenges for an LNS that does not log in', () => {
  const peer = chapAfterLcp()
  peer.send(PPP.CHAP, SUCCESS, challengeOf(peer).identifier)
  peer.send(PPP.CHAP, FAILURE, challengeOf(peer).identifier)
  peer.send(PPP.CHAP, CHALLENGE, 1, valueAndName(new Uint8Array(16), 'peer'))
  const pap = new Peer({ config: PAP_ONLY }).openLcp()
  pap.send(PPP.PAP, 2, 1, '00')
  pap.send(PPP.PAP, 3, 1, '00')
  for (const { us } of [peer, pap]) {
    assert.deepEqual(new Set(us.drops), new Set(['ppp-auth-not-negotiated']))
    assert.equal(us.link.phase, 'authenticate')
  }
})

test('authentication before LCP is open is dropped', () => {
  const peer = new Peer({ config: PAP_ONLY })
  peer.sendPap(USER, PASSWORD)
  assert.deepEqual([peer.us.asked, peer.us.drops], [[], ['ppp-phase']])
})

test('reflection: our own outstanding challenge, sent back, is never answered', () => {
  const peer = chapAfterLcp(MUTUAL, answerer, DEMAND_CHAP)
  const { identifier, value } = challengeOf(peer)
  peer.send(PPP.CHAP, CHALLENGE, identifier, valueAndName(value, 'lns'))
  peer.wire.run(10_000)
  assert.equal(peer.us.closed?.cause, 'auth-failed')
  assert.ok(!peer.us.asked.some(ask => ask.kind === 'ownSecret'))
  assert.ok(!peer.us.said.some(line => line.startsWith('CHAP 2')))
})

test('reflection across calls: an LNS answers no challenge before the peer has proved itself', () => {
  const peer = chapAfterLcp(MUTUAL, answerer, DEMAND_CHAP)
  const fromAnotherCall = new Uint8Array(16).fill(7)
  peer.send(PPP.CHAP, CHALLENGE, 9, valueAndName(fromAnotherCall, 'peer'))
  peer.wire.run(1000)
  assert.deepEqual([peer.us.asked, peer.us.said.filter(line => line.startsWith('CHAP 2'))], [[], []])
  respond(peer)
  peer.wire.run(100)
  peer.heard()
  const answers = peer.us.said.filter(line => line.startsWith('CHAP 2'))
  assert.deepEqual(answers, ['CHAP 2 9'])
  assert.equal(peer.us.link.phase, 'authenticate', 'until the peer accepts us')
  peer.send(PPP.CHAP, SUCCESS, 8)
  assert.deepEqual([peer.us.link.phase, peer.us.drops], ['authenticate', ['ppp-stale']])
  peer.send(PPP.CHAP, SUCCESS, 9)
  assert.equal(peer.us.link.phase, 'network')
})

test('a client answers a repeated challenge with the same response and asks for its secret once', () => {
  const { wire, lns, client } = pair({ config: CHAP_ONLY, answer: nothing })
  wire.start()
  wire.run(50)
  const [challenge] = lns.sent.filter((_, at) => lns.said[at]?.startsWith('CHAP 1'))
  assert.ok(challenge)
  wire.inject(client, challenge)
  const responses = client.sent.filter((_, at) => client.said[at]?.startsWith('CHAP 2'))
  assert.equal(responses.length, 2)
  assert.deepEqual(responses[0], responses[1])
  assert.equal(client.asked.length, 1)
})

test('a client answers a new challenge in the network phase, and stays up', () => {
  const { wire, client } = pair({ config: CHAP_ONLY })
  wire.start()
  wire.run(1000)
  wire.inject(client, hex(`ff03 c223 01 77 0015 10 ${'ab'.repeat(16)}`))
  wire.run(60_000)
  assert.equal(client.said.filter(line => line === `CHAP 2 ${0x77}`).length, 1)
  assert.deepEqual([client.asked.length, client.downs], [2, 0])
  wire.inject(client, hex('ff03 c223 04 77 0004'))
  assert.equal(client.link.ending?.cause, 'auth-failed')
})

test('a challenge that changes while the secret is fetched is answered in its last form', () => {
  const { wire, lns, client } = pair({ config: CHAP_ONLY }, {}, { askDelayMs: [500, 500] })
  wire.start()
  wire.run(50)
  wire.inject(client, hex(`ff03 c223 01 77 0015 10 ${'ab'.repeat(16)}`))
  wire.run(600)
  assert.deepEqual(
    client.said.filter(line => line.startsWith('CHAP 2')),
    [`CHAP 2 ${0x77}`],
  )
  assert.deepEqual(lns.drops, ['ppp-stale'])
  assert.equal(client.asked.length, 1)
})

test('a verdict before our proof, or with a foreign identifier, does not let a client in', () => {
  for (const demandAuth of [['pap'], ['chap-md5']] as const) {
    const { wire, client } = pair({ config: { ...LNS_CONFIG, demandAuth }, answer: nothing })
    const protocol = demandAuth[0] === 'pap' ? 'c023' : 'c223'
    const accept = demandAuth[0] === 'pap' ? '02' : '03'
    wire.start()
    wire.run(20)
    for (let identifier = 0; identifier < 256; identifier++)
      wire.inject(
        client,
        hex(`ff03 ${protocol} ${accept} ${identifier.toString(16).padStart(2, '0')} 0005 00`),
      )
    assert.equal(client.link.phase, 'authenticate')
    assert.deepEqual(new Set(client.drops), new Set(['ppp-stale']))
  }
})

test('a client repeats its PAP request with a new identifier, fetching its secret each time; any answer counts', () => {
  const { wire, lns, client } = pair({ config: PAP_ONLY, answer: nothing })
  wire.start()
  wire.run(7_000)
  assert.deepEqual(
    client.said.filter(line => line.startsWith('PAP')),
    ['PAP 1 1', 'PAP 1 2', 'PAP 1 3'],
  )
  assert.equal(client.asked.length, 3)
  assert.equal(lns.asked.length, 1)
  wire.inject(client, hex('ff03 c023 02 01 0005 00'))
  assert.equal(client.link.phase, 'network')
})

test('a verdict that contradicts the first one is stale', () => {
  const { wire, client } = pair({ config: PAP_ONLY })
  wire.start()
  wire.run(1000)
  wire.inject(client, hex('ff03 c023 03 01 0005 00'))
  assert.deepEqual([client.link.phase, client.drops], ['network', ['ppp-stale']])
})

test('each new challenge is answered with patience of its own', () => {
  const { wire, client } = pair({ config: CHAP_ONLY, answer: nothing })
  wire.start()
  wire.run(50)
  for (let id = 0x10; id < 0x30; id++) {
    wire.inject(client, hex(`ff03 c223 01 ${id.toString(16)} 0015 10 ${'ab'.repeat(16)}`))
    wire.run(6)
  }
  wire.run(3000)
  assert.equal(client.link.ending, undefined)
})

test('a client that nobody answers gives up its login', () => {
  const { wire, client } = pair({ config: PAP_ONLY, answer: nothing })
  wire.start()
  wire.run(55_000)
  assert.equal(client.closed?.text, 'the peer does not answer our login')
  assert.equal(client.said.filter(line => line.startsWith('PAP')).length, CLIENT_CONFIG.maxLogins)
})

test('secrets are nowhere in the state of a link', () => {
  const { wire, lns, client } = pair({ config: PAP_ONLY })
  wire.start()
  for (let at = 0; at < 20; at++) {
    wire.run(5)
    for (const { link } of [lns, client]) assert.ok(!JSON.stringify(link).includes(PASSWORD))
  }
  assert.ok(lns.network)
})
