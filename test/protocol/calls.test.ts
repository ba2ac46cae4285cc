/** Calls to an LNS (RFC 2661 5.2, 5.3, 5.6), by scripted peers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP } from '../../core/protocol/config.ts'
import type { Verdict } from '../../core/protocol/outputs.ts'
import type { MessageOf } from '../../core/wire/control-message.ts'
import { decodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { acceptAdmission, Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const LCP_ECHO = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0)

function cdnCodes({ avps: { resultCode } }: MessageOf<'CDN'>): [result: number, error: number] {
  return [resultCode.result, resultCode.error ?? 0]
}

/** A tunnel whose calls wait for `verdict`, or for the test. */
function tunnel(verdict?: Verdict): { bench: Bench; peer: ScriptedPeer } {
  const bench = new Bench({
    decide: ask => (ask.kind === 'admitSession' ? verdict : acceptAdmission(ask)),
  })
  return { bench, peer: bench.peer().establish() }
}

/** `body` as a control message, its first AVP a Message Type. */
function rawMessage(peer: ScriptedPeer, sessionId: number, body: string): void {
  const avps = Buffer.from(body.replaceAll(/\s/g, ''), 'hex')
  const header = Buffer.alloc(12)
  for (const [at, value] of [0xc802, 12 + avps.length, peer.theirId, sessionId, peer.ns++, peer.nr].entries())
    header.writeUInt16BE(value, at * 2)
  peer.raw(new Uint8Array(Buffer.concat([header, avps])))
}

test('ICRQ, ICRP, ICCN: a call, acknowledged at once, and PPP begins with it', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.icrq(81, { callSerialNumber: 12, callingNumber: '5551', calledNumber: '5552', subAddress: 's' })
  const { assignedSessionId } = peer.expect('ICRP').avps
  assert.deepEqual(peer.frames(), [], 'no PPP before ICCN: Android would lose it')
  peer.iccn(assignedSessionId)
  assert.deepEqual(peer.types(), ['ZLB'])
  const [first] = peer.frames()
  assert.equal(first?.sessionId, 81)
  assert.equal(first && decodePppFrame(first.frame)?.protocol, PPP.LCP)
  const [summary] = bench.endpoint.sessions()
  assert.ok(summary !== undefined)
  const { id, key, tunnel: of, ...facts } = summary.session
  assert.match(id, /^[0-9a-f]{16}$/)
  assert.equal(key, `${of.key}/${assignedSessionId}`)
  assert.deepEqual(facts, {
    localSessionId: assignedSessionId,
    peerSessionId: 81,
    callSerialNumber: 12,
    callingNumber: '5551',
    calledNumber: '5552',
    subAddress: 's',
    txConnectSpeedBps: 1_000_000,
  })
})

test('a refused call gets a CDN with the codes of the verdict, and the tunnel goes on', () => {
  const denials = [
    [{ kind: 'deny', reason: 'not now' }, [3, 0]],
    [{ kind: 'deny', reason: 'full', errorCode: 4, message: 'full' }, [2, 4]],
  ] as const
  for (const [denial, codes] of denials) {
    const { bench, peer } = tunnel(denial)
    peer.icrq(81)
    const [heard] = peer.heard()
    assert.equal(heard?.header.sessionId, 81)
    assert.ok(heard?.message?.type === 'CDN')
    assert.deepEqual(cdnCodes(heard.message), codes)
    const [down] = bench.eventsOf('sessionDown')
    assert.deepEqual([down?.wasUp, down?.reason.cause, down?.leases], [false, 'not-admitted', []])
    assert.equal(bench.endpoint.sessions().length, 0)
    assert.equal(bench.endpoint.tunnels().length, 1)
  }
})

test('a repeated ICRQ asks once', () => {
  const { bench, peer } = tunnel()
  const icrq = peer.icrq(81)
  peer.raw(icrq)
  const asks = () => bench.asked.filter(({ ask }) => ask.kind === 'admitSession')
  assert.equal(asks().length, 1)
  bench.answer(asks()[0]?.askId ?? 0, { kind: 'accept' })
  peer.raw(icrq)
  assert.equal(asks().length, 1)
  assert.equal(bench.endpoint.sessions().length, 1)
})

test('a peer that hangs up while a hook decides: the ask is withdrawn, the late verdict does nothing', () => {
  const { bench, peer } = tunnel()
  peer.icrq(81)
  const askId = bench.asked.at(-1)?.askId ?? 0
  // It never learnt our id: session id 0, and its own id in the AVP (5.6).
  peer.send({ type: 'CDN', avps: { resultCode: { result: 1 }, assignedSessionId: 81 } })
  assert.deepEqual(bench.withdrawn, [askId])
  bench.answer(askId, { kind: 'accept' })
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('sessionDown').length, 1)
  assert.equal(bench.endpoint.sessions().length, 0)
})

test('a CDN without Assigned Session ID is matched by its header', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const one = peer.call(1)
  const two = peer.call(2)
  peer.send({ type: 'CDN', avps: { resultCode: { result: 3, error: 0 } } }, { sessionId: one })
  assert.deepEqual(
    bench.endpoint.sessions().map(({ session }) => session.localSessionId),
    [two],
  )
  const [down] = bench.eventsOf('sessionDown')
  assert.deepEqual([down?.reason.cause, down?.reason.resultCode], ['peer-hangup', 3])
})

test('the disconnect cause of the peer (RFC 3145) is told', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const call = peer.call(1)
  const pppDisconnectCause = { code: 8, protocol: 0xc021, direction: 2, message: 'dead' }
  peer.send(
    { type: 'CDN', avps: { resultCode: { result: 1 }, assignedSessionId: 1, pppDisconnectCause } },
    { sessionId: call },
  )
  assert.equal(bench.eventsOf('sessionDown')[0]?.reason.pppCause, 8)
})

test('a call that is not connected in time gets CDN 10', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.icrq(81)
  peer.expect('ICRP')
  peer.zlb()
  bench.advance(DEFAULT_L2TP.setupTimeoutMs)
  const cdn = peer.heard().find(({ message }) => message?.type === 'CDN')?.message
  assert.ok(cdn?.type === 'CDN')
  assert.equal(cdn.avps.resultCode.result, 10)
  assert.equal(bench.endpoint.sessions().length, 0)
})

test('a call too many is refused with "insufficient resources", and no session exists for it', () => {
  const bench = new Bench({ l2tp: { maxSessionsPerTunnel: 2 } })
  const peer = bench.peer().establish()
  peer.call(1)
  peer.call(2)
  peer.icrq(3)
  const [heard] = peer.heard()
  assert.equal(heard?.header.sessionId, 3)
  assert.ok(heard?.message?.type === 'CDN')
  assert.deepEqual(cdnCodes(heard.message), [4, 4])
  assert.equal(bench.eventsOf('sessionDown').length, 0)
  assert.equal(bench.endpoint.sessions().length, 2)
})

test('session id 0 is nobody: CDN 2 with error 5', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.icrq(0)
  assert.deepEqual(cdnCodes(peer.expect('CDN')), [2, 5])
  assert.equal(bench.endpoint.sessions().length, 0)
})

test('an outgoing call is refused with CDN 5, and the tunnel goes on', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.send({
    type: 'OCRQ',
    avps: {
      assignedSessionId: 44,
      callSerialNumber: 1,
      minimumBps: 1,
      maximumBps: 2,
      bearerType: { analog: true, digital: false },
      framingType: { async: false, sync: true },
      calledNumber: '5551',
    },
  })
  const [heard] = peer.heard()
  assert.equal(heard?.header.sessionId, 44)
  assert.ok(heard?.message?.type === 'CDN')
  assert.equal(heard.message.avps.resultCode.result, 5)
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('WEN and SLI are acknowledged and change nothing', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const call = peer.call()
  const callErrors = {
    crcErrors: 1,
    framingErrors: 2,
    hardwareOverruns: 3,
    bufferOverruns: 4,
    timeoutErrors: 5,
    alignmentErrors: 6,
  }
  peer.send({ type: 'WEN', avps: { callErrors } }, { sessionId: call })
  peer.send({ type: 'SLI', avps: { accm: { send: 0, receive: 0 } } }, { sessionId: call })
  assert.deepEqual(peer.types(), ['ZLB', 'ZLB'])
  assert.equal(bench.endpoint.sessions()[0]?.phase, 'established')
})

test('an ICRP for a call that was never placed is answered with a CDN; an ICCN for no call is dropped', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.send({ type: 'ICRP', avps: { assignedSessionId: 9 } }, { sessionId: 1234 })
  const [heard] = peer.heard()
  assert.equal(heard?.header.sessionId, 9)
  assert.ok(heard?.message?.type === 'CDN')
  assert.deepEqual(cdnCodes(heard.message), [2, 5])
  peer.iccn(1234)
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.deepEqual(bench.drops(), ['unknown-session'])
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('a message out of its turn ends its call, and no other', () => {
  for (const type of ['ICCN', 'ICRP', 'OCRP', 'OCCN'] as const) {
    const { bench, peer } = tunnel({ kind: 'accept' })
    const [victim, other] = [peer.call(1), peer.call(2)]
    const connect = { txConnectSpeed: 1, framingType: { async: false, sync: true } }
    if (type === 'ICCN' || type === 'OCCN') peer.send({ type, avps: connect }, { sessionId: victim })
    else peer.send({ type, avps: { assignedSessionId: 1 } }, { sessionId: victim })
    assert.deepEqual(cdnCodes(peer.expect('CDN')), [2, 3], type)
    assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, 'protocol-error')
    assert.deepEqual(
      bench.endpoint.sessions().map(({ session }) => session.localSessionId),
      [other],
    )
  }
})

test('an ICRQ that cannot be read is refused with a CDN that says why, and the tunnel goes on', () => {
  const unreadable = [
    // An unknown mandatory AVP (4.1).
    ['8008 0000 0000 000a 8008 0000 000e 0007 800a 0000 000f 00000001 8006 0000 0fff', 8],
    // Call Serial Number of two octets.
    ['8008 0000 0000 000a 8008 0000 000e 0007 8008 0000 000f 0001', 2],
    // No Call Serial Number.
    ['8008 0000 0000 000a 8008 0000 000e 0007', 3],
  ] as const
  for (const [body, error] of unreadable) {
    const { bench, peer } = tunnel({ kind: 'accept' })
    peer.call(1)
    rawMessage(peer, 0, body)
    const [heard] = peer.heard()
    assert.equal(heard?.header.sessionId, 7)
    assert.ok(heard?.message?.type === 'CDN')
    assert.deepEqual(cdnCodes(heard.message), [2, error])
    assert.equal(bench.endpoint.sessions().length, 1)
  }
})

test('an ICCN that cannot be read ends its call alone', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const other = peer.call(1)
  peer.icrq(2)
  const { assignedSessionId } = peer.expect('ICRP').avps
  rawMessage(peer, assignedSessionId, '8008 0000 0000 000c')
  assert.deepEqual(cdnCodes(peer.expect('CDN')), [2, 3])
  assert.deepEqual(
    bench.endpoint.sessions().map(({ session }) => session.localSessionId),
    [other],
  )
})

test('a tunnel message with an unknown mandatory AVP, or of an unknown mandatory type, gets StopCCN 2 with error 8', () => {
  for (const body of ['8008 0000 0000 0006 8006 0000 0fff', '8008 0000 0000 00fe']) {
    const { bench, peer } = tunnel({ kind: 'accept' })
    rawMessage(peer, 0, body)
    const { resultCode } = peer.expect('StopCCN').avps
    assert.deepEqual([resultCode.result, resultCode.error], [2, 8])
    assert.equal(bench.endpoint.tunnels().length, 0)
  }
})

test('an unknown message type that is not mandatory is acknowledged and ignored', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  rawMessage(peer, 0, '0008 0000 0000 00fe')
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.deepEqual(bench.drops(), ['ignored-message'])
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('PPP that overtakes ICCN is dropped, counted, and the call comes up', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  peer.icrq(1)
  const { assignedSessionId } = peer.expect('ICRP').avps
  peer.frame(assignedSessionId, LCP_ECHO)
  assert.deepEqual(bench.drops(), ['early-ppp'])
  peer.iccn(assignedSessionId)
  assert.equal(bench.endpoint.sessions()[0]?.phase, 'established')
})

test('data for no session, or from elsewhere, is dropped', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const call = peer.call()
  peer.frame(call ^ 1, LCP_ECHO)
  const thief = bench.peer({ address: '203.0.113.66', port: 1701 })
  thief.theirId = peer.theirId
  thief.frame(call, LCP_ECHO)
  thief.theirId = 0
  thief.frame(call, LCP_ECHO)
  assert.deepEqual(bench.drops(), ['unknown-session', 'wrong-source', 'unknown-tunnel'])
})

test('many calls of many tunnels stand beside each other', () => {
  const bench = new Bench()
  const peers = [1, 2, 3, 4].map(id =>
    bench.peer({ address: '198.51.100.7', port: 1700 + id }, id).establish(),
  )
  for (const peer of peers) for (let call = 1; call <= 20; call++) peer.call(call)
  assert.equal(bench.endpoint.sessions().length, 80)
  const keys = new Set(bench.endpoint.sessions().map(({ session }) => session.key))
  assert.equal(keys.size, 80)
})

test('hanging up what does not exist is nothing', () => {
  const { bench, peer } = tunnel({ kind: 'accept' })
  const call = peer.call()
  const reason = { cause: 'admin-reset' } as const
  for (const key of [
    '',
    'nonsense',
    `2.2.2.2/${peer.theirId}/${call ^ 1}`,
    `2.2.2.2/${peer.theirId ^ 1}/${call}`,
  ])
    bench.act((endpoint, now) => endpoint.hangUp(now, key, reason))
  bench.act((endpoint, now) => endpoint.closeTunnel(now, 'nonsense', reason))
  assert.equal(bench.endpoint.sessions().length, 1)
})
