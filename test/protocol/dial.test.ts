/** The dialling side (RFC 2661 5.1, 7.4.1) against a scripted LNS: every way in which a call may fail to come up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { md5 } from '../../core/crypto.ts'
import { DEFAULT_L2TP, type DialRequest, retransmissionCycleMs } from '../../core/protocol/config.ts'
import type { ControlMessage, MessageOf } from '../../core/wire/control-message.ts'
import { CLIENT_ADDRESS, CLIENT_CONFIG, dialRequest, LNS_ADDRESS, Pair } from '../support/pair.ts'
import { Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const SECRET = 'tunnel-secret'
const octets = (text: string) => new TextEncoder().encode(text)
const respond = (type: number, challenge: Uint8Array) => md5(Uint8Array.of(type), octets(SECRET), challenge)

type SccrpAvps = MessageOf<'SCCRP'>['avps']

interface Dialled {
  readonly bench: Bench
  /** The LNS. */
  readonly lns: ScriptedPeer
  readonly keys: { readonly tunnel: string; readonly session: string }
}

function dialled(request: Partial<DialRequest> = {}): Dialled {
  const secrets = [{ name: 'corporate', secret: SECRET }]
  const bench = new Bench({ config: { ...CLIENT_CONFIG, secrets } })
  const lns = bench.peer(LNS_ADDRESS, 500, CLIENT_ADDRESS)
  const keys = bench.act((endpoint, now) => endpoint.dial(now, dialRequest(request)))
  return { bench, lns, keys }
}

function sccrp(lns: ScriptedPeer, avps: Partial<SccrpAvps> = {}): void {
  lns.send({
    type: 'SCCRP',
    avps: {
      protocolVersion: { version: 1, revision: 0 },
      framingCapabilities: { async: true, sync: true },
      hostName: 'lns',
      assignedTunnelId: lns.tunnelId,
      receiveWindowSize: 8,
      ...avps,
    },
  })
}

/** Answers the SCCRQ; the client's session id. */
function opened({ lns }: Dialled): number {
  lns.expect('SCCRQ')
  sccrp(lns)
  const messages = lns.heard().flatMap(({ message }) => message ?? [])
  const icrq = messages.find((message: ControlMessage) => message.type === 'ICRQ')
  assert.ok(icrq?.type === 'ICRQ')
  return icrq.avps.assignedSessionId
}

function stopCodes(lns: ScriptedPeer): [number, number] {
  const { resultCode } = lns.expect('StopCCN').avps
  return [resultCode.result, resultCode.error ?? 0]
}

test('SCCRQ, then SCCCN with ICRQ behind it, then ICCN and PPP', () => {
  const call = dialled()
  const { bench, lns, keys } = call
  const session = opened(call)
  assert.equal(bench.eventsOf('tunnelUp')[0]?.tunnel.key, keys.tunnel)
  assert.equal(keys.session, `${keys.tunnel}/${session}`)
  assert.deepEqual(lns.frames(), [])
  lns.send({ type: 'ICRP', avps: { assignedSessionId: 900 } }, { sessionId: session })
  const [iccn] = lns.heard()
  assert.equal(iccn?.message?.type, 'ICCN')
  assert.equal(iccn.header.sessionId, 900)
  assert.equal(lns.frames()[0]?.sessionId, 900)
})

test('an LNS that is not there: SCCRQ seven times, then the call and the tunnel end', () => {
  const { bench, lns } = dialled()
  bench.advance(CYCLE_MS)
  assert.deepEqual(lns.types(), Array(7).fill('SCCRQ'))
  assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, 'retransmit-exhausted')
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.cause, 'retransmit-exhausted')
  assert.ok(bench.endpoint.isIdle())
})

test('an LNS that refuses the tunnel is acknowledged under the id that it names, and its codes are told', () => {
  const { bench, lns } = dialled()
  lns.expect('SCCRQ')
  lns.send({
    type: 'StopCCN',
    avps: { assignedTunnelId: 500, resultCode: { result: 4, error: 0, message: 'go away' } },
  })
  const [ack] = lns.heard()
  assert.deepEqual(ack, { header: { tunnelId: 500, sessionId: 0, ns: 1, nr: 1 } })
  for (const kind of ['sessionDown', 'tunnelDown'] as const) {
    const { reason } = bench.eventsOf(kind)[0] ?? assert.fail(kind)
    assert.equal(reason.resultCode, 4)
    assert.match(reason.text ?? '', /go away/)
  }
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('an LNS that refuses the call ends the tunnel, too, which has no other purpose', () => {
  const call = dialled()
  const session = opened(call)
  const { bench, lns } = call
  lns.send(
    { type: 'CDN', avps: { resultCode: { result: 2, error: 4, message: 'full' }, assignedSessionId: 900 } },
    { sessionId: session },
  )
  const [down] = bench.eventsOf('sessionDown')
  assert.deepEqual(
    [down?.reason.cause, down?.reason.resultCode, down?.reason.errorCode],
    ['peer-hangup', 2, 4],
  )
  lns.zlb()
  lns.expect('StopCCN')
  lns.zlb()
  assert.ok(bench.endpoint.isIdle())
})

test('with a secret both sides prove themselves', () => {
  const { bench, lns } = dialled({ secretName: 'corporate' })
  const { challenge } = lns.expect('SCCRQ').avps
  const theirs = octets('the challenge of the LNS')
  sccrp(lns, {
    challenge: theirs,
    challengeResponse: respond(2, challenge ?? assert.fail('no challenge')),
  })
  const scccn = lns.heard().find(({ message }) => message?.type === 'SCCCN')?.message
  assert.ok(scccn?.type === 'SCCCN')
  assert.deepEqual(scccn.avps.challengeResponse, respond(3, theirs))
  assert.equal(bench.eventsOf('tunnelUp')[0]?.tunnel.secretName, 'corporate')
})

test('an LNS that cannot prove the secret, or asks for one that is not agreed, gets StopCCN 4', () => {
  const cases = [
    ['auth-failed', { secretName: 'corporate' }, {}],
    ['auth-failed', { secretName: 'corporate' }, { challengeResponse: new Uint8Array(16) }],
    ['not-admitted', {}, { challenge: octets('c') }],
  ] as const
  for (const [cause, request, avps] of cases) {
    const { bench, lns } = dialled(request)
    lns.expect('SCCRQ')
    sccrp(lns, avps)
    assert.deepEqual(stopCodes(lns), [4, 0])
    assert.equal(bench.eventsOf('tunnelUp').length, 0)
    assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, cause)
    lns.zlb()
    assert.ok(bench.endpoint.isIdle())
  }
})

test('an LNS of another version gets StopCCN 5; one whose SCCRP cannot be read StopCCN 2', () => {
  const other = dialled()
  other.lns.expect('SCCRQ')
  sccrp(other.lns, { protocolVersion: { version: 3, revision: 0 } })
  assert.deepEqual(stopCodes(other.lns), [5, 0x0100])

  const unreadable = dialled()
  unreadable.lns.expect('SCCRQ')
  const { theirId } = unreadable.lns
  // SCCRP with nothing but its type.
  const bytes = Buffer.from('c8020014000000000000000180080000000000 02'.replaceAll(' ', ''), 'hex')
  bytes.writeUInt16BE(theirId, 4)
  unreadable.lns.raw(new Uint8Array(bytes))
  const [heard] = unreadable.lns.heard()
  assert.ok(heard?.message?.type === 'StopCCN')
  assert.equal(heard.header.tunnelId, 0, 'its id is not known')
  assert.equal(heard.message.avps.assignedTunnelId, theirId)
  assert.deepEqual([heard.message.avps.resultCode.result, heard.message.avps.resultCode.error], [2, 3])
})

test('session id 0 in ICRP is nobody: CDN 2 with error 5', () => {
  const call = dialled()
  const session = opened(call)
  const { bench, lns } = call
  lns.send({ type: 'ICRP', avps: { assignedSessionId: 0 } }, { sessionId: session })
  const cdn = lns.heard().find(({ message }) => message?.type === 'CDN')?.message
  assert.ok(cdn?.type === 'CDN')
  assert.deepEqual([cdn.avps.resultCode.result, cdn.avps.resultCode.error], [2, 5])
  assert.equal(cdn.avps.assignedSessionId, session)
  assert.equal(bench.endpoint.sessions().length, 0)
})

test('a client takes no calls, neither incoming nor outgoing', () => {
  const call = dialled()
  opened(call)
  const { bench, lns } = call
  lns.icrq(7)
  assert.equal(lns.expect('CDN').avps.resultCode.result, 3)
  const framing = { async: false, sync: true }
  lns.send({
    type: 'OCRQ',
    avps: {
      assignedSessionId: 8,
      callSerialNumber: 1,
      minimumBps: 1,
      maximumBps: 1,
      bearerType: { analog: true, digital: false },
      framingType: framing,
      calledNumber: '',
    },
  })
  assert.equal(lns.expect('CDN').avps.resultCode.result, 5)
  assert.equal(bench.endpoint.sessions().length, 1)
})

test('hanging up at any moment of a dial leaves nothing at either end', () => {
  for (let at = 0; at <= 200; at += 2) {
    const pair = new Pair({
      seed: at,
      lns: { secrets: [{ name: 's', secret: 'x' }] },
      client: { secrets: [{ name: 's', secret: 'x' }] },
    })
    const { session } = pair.dial({ secretName: 's' })
    pair.at(at, () =>
      pair.act(pair.client, (endpoint, now) => endpoint.hangUp(now, session, { cause: 'local-hangup' })),
    )
    pair.run(200_000)
    assert.ok(pair.client.endpoint.isIdle() && pair.lns.endpoint.isIdle(), `hung up after ${at} ms`)
    assert.equal(pair.client.eventsOf('sessionDown').length, 1)
    assert.equal(pair.lns.leases.size, 0)
  }
})

test('a dial that finds no free id throws, and leaves nothing', () => {
  const bench = new Bench({
    random: { uint16: () => 0, uint32: () => 0, bytes: count => new Uint8Array(count) },
  })
  assert.throws(() => bench.act((endpoint, now) => endpoint.dial(now, dialRequest())), RangeError)
  const full = new Bench({ l2tp: { maxSessionsPerTunnel: 0 } })
  assert.throws(() => full.act((endpoint, now) => endpoint.dial(now, dialRequest())), RangeError)
  assert.ok(bench.endpoint.isIdle() && full.endpoint.isIdle())
})

test('an LNS of receive window 1 gets one message at a time', () => {
  const call = dialled()
  const { lns } = call
  lns.expect('SCCRQ')
  sccrp(lns, { receiveWindowSize: 1 })
  assert.deepEqual(lns.types(), ['SCCCN'])
  lns.zlb()
  assert.deepEqual(lns.types(), ['ICRQ'])
})
