/** A call that a LAC passes on to us with what it negotiated (RFC 2661 4.4.5): whom that is believed of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { md5 } from '../../core/crypto.ts'
import { LNS_CONFIG } from '../support/pair.ts'
import { Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const SECRET = 'tunnel-secret'
const octets = (text: string) => new TextEncoder().encode(text)
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

/** ICCN of a LAC that had `hb@hb` log in by PAP; our session id. */
function passOn(peer: ScriptedPeer, password = 'admin@123'): number {
  peer.icrq(1)
  const { assignedSessionId } = peer.expect('ICRP').avps
  const avps = {
    txConnectSpeed: 1_000_000,
    framingType: { async: false, sync: true },
    initialReceivedLcpConfReq: hex('0104 05dc'),
    lastSentLcpConfReq: hex('0104 05dc 0304 c023 0506 0badcafe'),
    lastReceivedLcpConfReq: hex('0104 05dc'),
    proxyAuthenType: 3,
    proxyAuthenName: 'hb@hb',
    proxyAuthenId: 7,
    proxyAuthenResponse: octets(password),
  }
  peer.send({ type: 'ICCN', avps }, { sessionId: assignedSessionId })
  return assignedSessionId
}

function benchWith(proxy: 'renegotiate' | 'accept') {
  return new Bench({
    config: {
      secrets: [{ name: 'carrier', secret: SECRET, peerHostName: 'lac' }],
      ppp: { ...LNS_CONFIG.ppp, proxy, demandAuth: ['chap-md5', 'pap'] },
    },
  })
}

/** With the secret of `lac`. */
function proven(bench: Bench): ScriptedPeer {
  const peer = bench.peer()
  peer.sccrq({ hostName: 'lac' })
  const { challenge = new Uint8Array() } = peer.expect('SCCRP').avps
  const challengeResponse = md5(Uint8Array.of(3), octets(SECRET), challenge)
  peer.send({ type: 'SCCCN', avps: { challengeResponse } })
  peer.heard()
  return peer
}

const logins = ({ asked }: Bench) =>
  asked.flatMap(({ ask }) => (ask.kind === 'authenticate' ? [[ask.user, ask.proof]] : []))

test('a LAC that proved itself by a tunnel secret is believed, where the config has it so', () => {
  const bench = benchWith('accept')
  const peer = proven(bench)
  passOn(peer)
  assert.deepEqual(logins(bench), [['hb@hb', { method: 'pap', password: 'admin@123' }]])
  assert.deepEqual(peer.frames(), [], 'nothing is negotiated')
  assert.equal(bench.endpoint.sessions()[0]?.session.proxied, 'login', 'hooks, log and trail are told')
})

test('a wrong password is no better for having come by way of a LAC', () => {
  const bench = benchWith('accept')
  const peer = proven(bench)
  passOn(peer, 'wrong')
  const [{ ask, askId } = assert.fail()] = bench.asked.filter(({ ask }) => ask.kind === 'authenticate')
  assert.ok('session' in ask && ask.session.proxied === 'login')
  bench.answer(askId, { kind: 'deny', reason: 'wrong password' })
  const [nak] = peer.frames()
  assert.equal(Buffer.from(nak?.frame ?? []).toString('hex', 0, 6), 'ff03c0230307', 'PAP: Authenticate-Nak 7')
})

test('a client that begins LCP anew proves itself to us, whatever its LAC said', () => {
  const bench = benchWith('accept')
  const peer = proven(bench)
  const sessionId = passOn(peer)
  peer.frames()
  peer.frame(sessionId, hex('ff03 c021 01 01 0008 0104 05dc'))
  assert.equal(bench.endpoint.sessions()[0]?.session.proxied, undefined)
  assert.match(
    peer
      .frames()
      .map(({ frame }) => Buffer.from(frame).toString('hex'))
      .join(),
    /ff03c02101/,
  )
})

test('without a secret anybody could say so: LCP is negotiated, and the client proves itself', () => {
  const bench = benchWith('accept')
  const peer = bench.peer().establish()
  passOn(peer)
  assert.deepEqual(logins(bench), [])
  assert.equal(Buffer.from(peer.frames()[0]?.frame ?? []).toString('hex', 0, 5), 'ff03c02101')
})

test('by default nothing of it counts', () => {
  const bench = benchWith('renegotiate')
  const peer = proven(bench)
  passOn(peer)
  assert.deepEqual(logins(bench), [])
  assert.equal(peer.frames().length, 1)
})

test('the password that a LAC passes on is in no snapshot beyond its login', () => {
  const bench = benchWith('accept')
  passOn(proven(bench))
  const [{ askId } = { askId: 0 }] = bench.asked.filter(({ ask }) => ask.kind === 'authenticate')
  bench.answer(askId, { kind: 'accept', grant: { user: 'hb@hb' } })
  const snapshot = JSON.stringify(bench.endpoint.snapshot())
  for (const form of ['admin@123', Buffer.from('admin@123').toString('hex')])
    assert.ok(!snapshot.includes(form))
})
