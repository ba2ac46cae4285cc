/** Tunnels of an LNS, met by scripted peers (RFC 2661 5.1, 5.5, 5.7, 5.8). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { md5 } from '../../core/crypto.ts'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import type { MessageOf } from '../../core/wire/control-message.ts'
import { dialRequest, LNS_ADDRESS, LNS_CONFIG } from '../support/pair.ts'
import { ScriptedRandom, SeededRandom } from '../support/random.ts'
import { Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const SECRET = 'tunnel-secret'
const SECRETS = [{ name: 'corporate', secret: SECRET }]
const octets = (text: string) => new TextEncoder().encode(text)

/** RFC 2661 5.1.1. */
const respond = (type: number, secret: string, challenge: Uint8Array) =>
  md5(Uint8Array.of(type), octets(secret), challenge)

function stopCodes({ avps: { resultCode } }: MessageOf<'StopCCN'>): [result: number, error: number] {
  return [resultCode.result, resultCode.error ?? 0]
}

/** The peer acknowledges a StopCCN: nothing may be left. */
function assertGoneAfterAck(bench: Bench, peer: ScriptedPeer): void {
  peer.zlb()
  assert.ok(bench.endpoint.isIdle())
}

test('SCCRQ, SCCRP, SCCCN: a tunnel, with an immediate acknowledgement', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq({ hostName: 'mobile', vendorName: 'Acme', firmwareRevision: 7 })
  const reply = peer.expect('SCCRP').avps
  assert.equal(reply.hostName, 'lns')
  assert.equal(reply.receiveWindowSize, 16)
  assert.deepEqual(reply.protocolVersion, { version: 1, revision: 0 })
  assert.notEqual(reply.assignedTunnelId, 0)
  assert.deepEqual(bench.eventsOf('tunnelUp'), [], 'the peer has not proved its address yet')
  peer.send({ type: 'SCCCN', avps: {} })
  assert.deepEqual(peer.heard(), [{ header: { tunnelId: 1, sessionId: 0, ns: 1, nr: 2 } }])
  const [up] = bench.eventsOf('tunnelUp')
  assert.deepEqual(up?.tunnel, {
    key: `2.2.2.2/${peer.theirId}`,
    role: 'lns',
    path: peer.path,
    localTunnelId: peer.theirId,
    peerTunnelId: 1,
    peerHostName: 'mobile',
    peerVendorName: 'Acme',
    peerFirmwareRevision: 7,
  })
})

test('a repeated SCCRQ neither asks nor allocates again, while a hook decides and after', () => {
  const bench = new Bench({ decide: () => undefined })
  const peer = bench.peer()
  const sccrq = peer.sccrq()
  peer.raw(sccrq)
  peer.raw(sccrq)
  assert.equal(bench.asked.length, 1)
  assert.equal(bench.endpoint.tunnels().length, 1)
  bench.answer(bench.asked[0]?.askId ?? 0, { kind: 'accept' })
  peer.raw(sccrq)
  assert.equal(bench.asked.length, 1)
  assert.deepEqual(peer.types(), ['SCCRP', 'ZLB'])
})

test('an SCCRQ that waits for a hook is acknowledged in time, once', () => {
  const bench = new Bench({ decide: () => undefined })
  const peer = bench.peer()
  peer.sccrq()
  assert.deepEqual(peer.types(), [])
  bench.advance(1000)
  assert.deepEqual(peer.types(), ['ZLB'])
})

test('a refused tunnel gets StopCCN 4, or the error that the hook named, and leaves nothing', () => {
  const denials = [
    [{ kind: 'deny', reason: 'unknown host' }, [4, 0]],
    [{ kind: 'deny', reason: 'full', message: 'try later', errorCode: 4 }, [2, 4]],
    [{ kind: 'deny', reason: 'long', message: 'x'.repeat(5000) }, [4, 0]],
  ] as const
  for (const [denial, codes] of denials) {
    const bench = new Bench({ decide: () => denial })
    const peer = bench.peer()
    peer.sccrq()
    const stop = peer.expect('StopCCN')
    assert.deepEqual(stopCodes(stop), codes)
    assert.equal(stop.avps.assignedTunnelId !== 0, true)
    const [down] = bench.eventsOf('tunnelDown')
    assert.deepEqual([down?.wasUp, down?.reason.cause], [false, 'not-admitted'])
    assertGoneAfterAck(bench, peer)
  }
})

test('a tunnel that dies while a hook decides withdraws the ask, and the late verdict does nothing', () => {
  const bench = new Bench({ decide: () => undefined })
  const peer = bench.peer()
  peer.sccrq()
  const [asked] = bench.asked
  peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } }, { tunnelId: 0 })
  assert.deepEqual(bench.withdrawn, [asked?.askId])
  bench.answer(asked?.askId ?? 0, { kind: 'accept' })
  assert.deepEqual(peer.types(), ['ZLB'])
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('a hook that never decides holds the tunnel no longer than the setup deadline', () => {
  const bench = new Bench({ decide: () => undefined })
  const peer = bench.peer()
  peer.sccrq()
  bench.advance(DEFAULT_L2TP.setupTimeoutMs)
  assert.equal(bench.withdrawn.length, 1)
  assert.ok(peer.types().includes('StopCCN'))
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('another protocol version gets StopCCN 5 with the version that we speak', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq({ protocolVersion: { version: 2, revision: 0 } })
  assert.deepEqual(stopCodes(peer.expect('StopCCN')), [5, 0x0100])
  assertGoneAfterAck(bench, peer)
})

test('a later revision of version 1 is spoken to (4.4.3)', () => {
  const peer = new Bench().peer()
  peer.sccrq({ protocolVersion: { version: 1, revision: 9 } })
  peer.expect('SCCRP')
})

test('a tunnel secret: the peer proves itself, and so do we', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  const challenge = octets('sixteen-octets-x')
  peer.sccrq({ challenge })
  const reply = peer.expect('SCCRP').avps
  assert.deepEqual(reply.challengeResponse, respond(2, SECRET, challenge))
  const challengeResponse = respond(3, SECRET, reply.challenge ?? assert.fail('no challenge'))
  peer.send({ type: 'SCCCN', avps: { challengeResponse } })
  const [up] = bench.eventsOf('tunnelUp')
  assert.equal(up?.tunnel.secretName, 'corporate')
})

test('a wrong or missing proof gets StopCCN 4', () => {
  for (const secret of ['wrong', undefined]) {
    const bench = new Bench({ config: { secrets: SECRETS } })
    const peer = bench.peer()
    peer.sccrq()
    const { challenge } = peer.expect('SCCRP').avps
    const proof =
      secret === undefined ? {} : { challengeResponse: respond(3, secret, challenge ?? new Uint8Array()) }
    peer.send({ type: 'SCCCN', avps: proof })
    assert.deepEqual(stopCodes(peer.expect('StopCCN')), [4, 0])
    assert.deepEqual(bench.eventsOf('tunnelUp'), [])
    assertGoneAfterAck(bench, peer)
  }
})

test('a challenge where no secret is configured gets StopCCN 4', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq({ challenge: octets('anything') })
  assert.deepEqual(stopCodes(peer.expect('StopCCN')), [4, 0])
  assertGoneAfterAck(bench, peer)
})

test('secrets are chosen by host name: each peer its own, others the general one', () => {
  const secrets = [
    { name: 'branch', secret: 'b', peerHostName: 'branch' },
    { name: 'rest', secret: 'r' },
  ]
  for (const [hostName, name] of [
    ['branch', 'branch'],
    ['elsewhere', 'rest'],
  ] as const) {
    const bench = new Bench({ config: { secrets } })
    bench.peer().sccrq({ hostName })
    assert.equal(bench.endpoint.tunnels()[0]?.secretName, name)
  }
})

test('our own open challenge is never answered, for it would prove a stranger to us', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const victim = bench.peer({ address: '198.51.100.9', port: 1701 })
  // We dial; whoever sits there has no secret, and hopes that our LNS side computes the answer.
  bench.act((endpoint, now) =>
    endpoint.dial(now, dialRequest({ path: victim.path, secretName: 'corporate' })),
  )
  const { challenge } = victim.expect('SCCRQ').avps
  const reflecting = bench.peer({ address: '198.51.100.9', port: 4000 }, 77)
  reflecting.sccrq({ challenge: challenge ?? assert.fail('no challenge') })
  assert.deepEqual(stopCodes(reflecting.expect('StopCCN')), [4, 0])
})

test('AVPs hidden with the tunnel secret are read, from the first message on', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  const hide = {
    secret: octets(SECRET),
    randomVector: octets('random-vector'),
    names: ['assignedTunnelId', 'assignedSessionId', 'callingNumber', 'challengeResponse'],
  } as const
  peer.send(
    {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        hostName: 'peer',
        framingCapabilities: { async: true, sync: true },
        assignedTunnelId: 513,
      },
    },
    {},
    hide,
  )
  const { challenge } = peer.expect('SCCRP').avps
  const challengeResponse = respond(3, SECRET, challenge ?? assert.fail('no challenge'))
  peer.send({ type: 'SCCCN', avps: { challengeResponse } }, {}, hide)
  assert.equal(bench.eventsOf('tunnelUp')[0]?.tunnel.peerTunnelId, 513)
  const avps = { assignedSessionId: 9, callSerialNumber: 3, callingNumber: '5551234' }
  peer.send({ type: 'ICRQ', avps }, {}, hide)
  assert.equal(bench.endpoint.sessions()[0]?.session.callingNumber, '5551234')
  assert.equal(bench.endpoint.sessions()[0]?.session.peerSessionId, 9)
})

test('a hidden AVP under another secret ends before anything is allocated', () => {
  const bench = new Bench({ config: { secrets: SECRETS } })
  const peer = bench.peer()
  peer.send(
    {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        hostName: 'peer',
        framingCapabilities: { async: true, sync: true },
        assignedTunnelId: 5,
      },
    },
    {},
    { secret: octets('another'), randomVector: octets('rv'), names: ['assignedTunnelId'] },
  )
  assert.deepEqual(bench.drops(), ['bad-avp'])
  assert.ok(bench.endpoint.isIdle())
})

test('HELLO after an idle minute, and none while the peer is heard', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  bench.advance(59_000)
  peer.send({ type: 'HELLO', avps: {} })
  assert.deepEqual(peer.types(), ['ZLB'])
  bench.advance(59_000)
  assert.deepEqual(peer.types(), [])
  bench.advance(1000)
  peer.expect('HELLO')
  peer.zlb()
  bench.advance(59_999)
  assert.deepEqual(peer.types(), [])
  bench.advance(1)
  peer.expect('HELLO')
})

test('data of the peer counts as a sign of life', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const session = peer.call()
  for (let minute = 0; minute < 5; minute++) {
    bench.advance(50_000)
    peer.frame(session, Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0))
  }
  assert.ok(!peer.types().includes('HELLO'))
})

test('a peer that answers no HELLO is forgotten', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  bench.advance(60_000 + CYCLE_MS)
  assert.equal(peer.heard().filter(({ message }) => message?.type === 'HELLO').length, 7)
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.cause, 'retransmit-exhausted')
  assert.ok(bench.endpoint.isIdle())
})

test('a StopCCN is acknowledged as often as it is repeated, for one full retransmission cycle', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const stop = peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('tunnelDown')[0]?.reason.cause, 'peer-hangup')
  bench.advance(CYCLE_MS - 1)
  peer.raw(stop)
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('tunnelDown').length, 1)
  bench.advance(1)
  assert.ok(bench.endpoint.isIdle())
  peer.raw(stop)
  assert.deepEqual(peer.types(), [])
})

test('a StopCCN ends each call without a CDN, and tunnelDown is told after the last sessionDown', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call(1)
  peer.call(2)
  peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 6 } } })
  assert.deepEqual(peer.types(), ['ZLB'])
  const kinds = bench.events.map(({ kind }) => kind).filter(kind => kind.endsWith('Down'))
  assert.deepEqual(kinds, ['sessionDown', 'sessionDown', 'tunnelDown'])
  assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, 'tunnel-closed')
})

test('both ends close at once: each acknowledges the other', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  bench.act((endpoint, now) => endpoint.shutdown(now))
  peer.expect('StopCCN')
  // Crossed on the way: it acknowledges nothing yet.
  peer.send(
    { type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } },
    { nr: peer.nr - 1 },
  )
  assert.deepEqual(peer.types(), ['ZLB'])
  assert.equal(bench.eventsOf('tunnelDown').length, 1)
  bench.advance(CYCLE_MS)
  assert.deepEqual(peer.types(), [])
  assert.ok(bench.endpoint.isIdle())
})

test('shutdown tells each call and each tunnel, refuses new ones, and ends', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call(1)
  peer.call(2)
  bench.act((endpoint, now) => endpoint.shutdown(now))
  const said: string[] = []
  for (let round = 0; round < 5; round++) {
    said.push(...peer.types())
    peer.zlb()
  }
  assert.deepEqual(said, ['CDN', 'CDN', 'StopCCN'])
  const late = bench.peer({ address: '198.51.100.8', port: 1701 })
  late.sccrq()
  assert.deepEqual(stopCodes(late.expect('StopCCN')), [2, 7])
  late.zlb()
  assert.ok(bench.endpoint.isIdle())
  assert.deepEqual(
    bench.eventsOf('sessionDown').map(({ reason }) => reason.cause),
    ['shutdown', 'shutdown'],
  )
})

test('shutdown towards a dead peer ends within one retransmission cycle for each message', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  peer.call(1)
  bench.act((endpoint, now) => endpoint.shutdown(now))
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('of two SCCRQs that cross, the lower tie breaker wins', () => {
  const outcomes = [
    [0n, 'theirs'],
    [2n ** 64n - 1n, 'ours'],
  ] as const
  for (const [tieBreaker, winner] of outcomes) {
    const bench = new Bench()
    const peer = bench.peer()
    bench.act((endpoint, now) => endpoint.dial(now, dialRequest({ path: peer.path, singleTunnel: true })))
    assert.ok(peer.expect('SCCRQ').avps.tieBreaker !== undefined)
    peer.sccrq({ tieBreaker }, { tunnelId: 0 })
    if (winner === 'theirs') {
      peer.expect('SCCRP')
      assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, 'tie-lost')
    } else {
      assert.deepEqual(peer.types(), [])
      assert.deepEqual(bench.drops(), ['tie-won'])
    }
    assert.equal(bench.endpoint.tunnels().length, 1)
  }
})

test('equal tie breakers: both sides discard both', () => {
  const random = new ScriptedRandom([], new SeededRandom(3))
  const bench = new Bench({ random })
  const peer = bench.peer()
  bench.act((endpoint, now) => endpoint.dial(now, dialRequest({ path: peer.path, singleTunnel: true })))
  const { tieBreaker } = peer.expect('SCCRQ').avps
  peer.sccrq({ tieBreaker: tieBreaker ?? assert.fail('no tie breaker') }, { tunnelId: 0 })
  assert.ok(bench.endpoint.isIdle())
})

test('without tie breakers two tunnels are opened', () => {
  const bench = new Bench()
  const peer = bench.peer()
  bench.act((endpoint, now) => endpoint.dial(now, dialRequest({ path: peer.path })))
  peer.heard()
  peer.sccrq({}, { tunnelId: 0 })
  peer.expect('SCCRP')
  assert.equal(bench.endpoint.tunnels().length, 2)
})

test('tunnels are told apart by address, port and id of the peer', () => {
  const bench = new Bench()
  const places = [
    [{ address: '198.51.100.7', port: 1701 }, 1],
    [{ address: '198.51.100.7', port: 1702 }, 1],
    [{ address: '198.51.100.8', port: 1701 }, 1],
  ] as const
  for (const [remote, id] of places) bench.peer(remote, id).establish()
  assert.equal(bench.eventsOf('tunnelUp').length, 3)
  // Two tunnels from one address and port.
  const second = bench.peer({ address: '198.51.100.7', port: 1701 }, 2)
  second.establish()
  assert.equal(bench.endpoint.tunnels().length, 4)
})

test('ids are those that chance gives, unused and not zero', () => {
  const random = new ScriptedRandom([0, 1, 0, 77, 1, 2], new SeededRandom(1))
  const bench = new Bench({ random })
  const first = bench.peer({ address: '198.51.100.1', port: 1701 }).establish()
  assert.equal(first.theirId, 1)
  assert.equal(first.call(81), 77)
  const second = bench.peer({ address: '198.51.100.2', port: 1701 }).establish()
  assert.equal(second.theirId, 2)
})

test('a peer that lost its memory and uses its tunnel id again gets a new tunnel; the old one goes when that opens', () => {
  const bench = new Bench()
  const before = bench.peer().establish()
  const oldSession = before.call()
  const after = bench.peer()
  after.sccrq()
  assert.equal(bench.eventsOf('tunnelDown').length, 0, 'whoever sends an SCCRQ has proved nothing')
  after.expect('SCCRP')
  after.send({ type: 'SCCCN', avps: {} })
  assert.notEqual(after.theirId, before.theirId)
  assert.deepEqual(
    bench.eventsOf('tunnelDown').map(({ tunnel }) => tunnel.localTunnelId),
    [before.theirId],
  )
  assert.equal(bench.eventsOf('sessionDown')[0]?.session.localSessionId, oldSession)
  assert.equal(bench.endpoint.tunnels().length, 1)
  assert.equal(after.call(1) > 0, true)
})

test('an SCCRQ that the network delayed opens no second tunnel for long, and harms the first in nothing', () => {
  const bench = new Bench()
  const peer = bench.peer()
  const sccrq = peer.sccrq()
  peer.expect('SCCRP')
  peer.send({ type: 'SCCCN', avps: {} })
  const { theirId } = peer
  peer.raw(sccrq)
  assert.equal(bench.endpoint.tunnels().length, 2)
  bench.advance(CYCLE_MS)
  assert.deepEqual(
    bench.endpoint.tunnels().map(({ localTunnelId }) => localTunnelId),
    [theirId],
  )
  peer.theirId = theirId
  peer.heard()
  peer.call()
  assert.equal(bench.endpoint.sessions().length, 1)
})

test('a peer dials again at once after its StopCCN, with the same tunnel id', () => {
  const bench = new Bench()
  const first = bench.peer().establish()
  first.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
  const second = bench.peer().establish()
  assert.equal(bench.eventsOf('tunnelUp').length, 2)
  assert.notEqual(second.theirId, first.theirId)
})

test('half-open tunnels are limited per source and in all', () => {
  const bench = new Bench({ l2tp: { maxHalfOpen: 5, maxHalfOpenPerSource: 3 } })
  for (let id = 1; id <= 5; id++) bench.peer({ address: '198.51.100.7', port: 1701 }, id).sccrq()
  assert.equal(bench.endpoint.tunnels().length, 3)
  assert.deepEqual(bench.drops(), ['half-open-limit', 'half-open-limit'])
  for (let host = 1; host <= 5; host++) bench.peer({ address: `203.0.113.${host}`, port: 1701 }).sccrq()
  assert.equal(bench.endpoint.tunnels().length, 5)
  bench.advance(DEFAULT_L2TP.setupTimeoutMs + CYCLE_MS)
  assert.ok(bench.endpoint.isIdle(), 'none of them stays')
})

test('a tunnel too many gets StopCCN with "insufficient resources"', () => {
  const bench = new Bench({ l2tp: { maxTunnels: 1 } })
  bench.peer({ address: '198.51.100.1', port: 1701 }).establish()
  const second = bench.peer({ address: '198.51.100.2', port: 1701 })
  second.sccrq()
  assert.deepEqual(stopCodes(second.expect('StopCCN')), [2, 4])
  second.zlb()
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('before the peer proves its address it gets at most three times what it sent', () => {
  const refusals = [
    () => ({ kind: 'deny', reason: 'no', message: 'x'.repeat(255) }) as const,
    () => ({ kind: 'accept' }) as const,
    () => undefined,
  ]
  for (const decide of refusals) {
    const bench = new Bench({ decide, config: { secrets: SECRETS, hostName: 'h'.repeat(200) } })
    const peer = bench.peer()
    const sccrq = peer.sccrq({ challenge: octets('c') })
    let received = sccrq.length
    for (let second = 0; second < 100; second++) {
      assert.ok(peer.octets <= 3 * received, `${peer.octets} octets for ${received}`)
      if (second % 9 === 0) {
        peer.raw(sccrq)
        received += sccrq.length
      }
      bench.advance(1000)
    }
    assert.ok(peer.octets > 0)
  }
})

test('a control message from another address or port than the tunnel changes nothing', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  const thief = bench.peer({ address: '203.0.113.66', port: 1701 })
  thief.theirId = peer.theirId
  thief.ns = peer.ns
  thief.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
  const neighbour = bench.peer({ address: '198.51.100.7', port: 9 })
  neighbour.theirId = peer.theirId
  neighbour.zlb()
  assert.deepEqual(bench.drops(), ['wrong-source', 'wrong-source'])
  assert.equal(bench.endpoint.tunnels().length, 1)
})

test('the same id below two local addresses is two tunnels', () => {
  const random = new ScriptedRandom([9, 9], new SeededRandom(1))
  const bench = new Bench({ random })
  const one = bench.peer({ address: '198.51.100.1', port: 1701 }).establish()
  const other = bench.peer({ address: '198.51.100.2', port: 1701 }, 1, { address: '2.2.2.3', port: 1701 })
  other.establish()
  assert.deepEqual([one.theirId, other.theirId], [9, 9])
  assert.deepEqual(
    bench.endpoint.tunnels().map(({ key }) => key),
    [`${LNS_ADDRESS.address}/9`, '2.2.2.3/9'],
  )
})

test('an unexpected message of setup ends the tunnel with StopCCN 7', () => {
  for (const type of ['SCCCN', 'SCCRP'] as const) {
    const bench = new Bench()
    const peer = bench.peer().establish()
    peer.call()
    if (type === 'SCCCN') peer.send({ type, avps: {} })
    else {
      peer.send({
        type,
        avps: {
          protocolVersion: { version: 1, revision: 0 },
          framingCapabilities: { async: true, sync: true },
          hostName: 'peer',
          assignedTunnelId: 1,
        },
      })
    }
    assert.deepEqual(stopCodes(peer.expect('StopCCN')), [7, 0])
    assert.equal(bench.eventsOf('sessionDown')[0]?.reason.cause, 'protocol-error')
    assertGoneAfterAck(bench, peer)
  }
})

test('a call before the tunnel is open ends it', () => {
  const bench = new Bench()
  const peer = bench.peer()
  peer.sccrq()
  peer.expect('SCCRP')
  peer.icrq(1)
  assert.deepEqual(stopCodes(peer.expect('StopCCN')), [7, 0])
})

test('an LNS with the hidden name of its secret keeps no secret in its snapshot', () => {
  const bench = new Bench({ config: { ...LNS_CONFIG, secrets: SECRETS } })
  bench.peer().sccrq({ challenge: octets('x') })
  const snapshot = JSON.stringify(bench.endpoint.snapshot())
  assert.ok(snapshot.includes('corporate'))
  assert.ok(!snapshot.includes(SECRET) && !snapshot.includes(Buffer.from(SECRET).toString('hex')))
})
