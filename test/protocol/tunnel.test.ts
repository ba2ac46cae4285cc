/** The life of a tunnel of an LNS, met by scripted peers (RFC 2661 5.1, 5.5, 5.7). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import { assertGoneAfterAck, Bench, stopCodes } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)

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

test('a peer dials again at once after its StopCCN, with the same tunnel id', () => {
  const bench = new Bench()
  const first = bench.peer().establish()
  first.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
  const second = bench.peer().establish()
  assert.equal(bench.eventsOf('tunnelUp').length, 2)
  assert.notEqual(second.theirId, first.theirId)
})
