/** What one peer, or many, can make us keep is bounded, and ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import { Bench, stopCodes } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const HOST = '198.51.100.7'
const OTHER = { address: '203.0.113.9', port: 1701 }
const STOP = { type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } } as const

test('one source cannot have every tunnel: beyond its share it is refused with a reason, and others are let in', () => {
  const bench = new Bench({ l2tp: { maxTunnelsPerSource: 5 } })
  const peers = Array.from({ length: 5 }, (_, n) => bench.peer({ address: HOST, port: 2000 + n }).establish())
  const refused = bench.peer({ address: HOST, port: 3000 })
  refused.sccrq()
  assert.deepEqual(stopCodes(refused.expect('StopCCN')), [2, 4])
  refused.zlb()
  bench.peer(OTHER).establish()
  // A tunnel that is over counts while it lingers: opening and closing again and again gains nothing.
  peers[0]?.send(STOP)
  const early = bench.peer({ address: HOST, port: 3001 })
  early.sccrq()
  early.expect('StopCCN')
  early.zlb()
  bench.advance(CYCLE_MS)
  bench.peer({ address: HOST, port: 3002 }).establish()
})

test('calls are limited in all and of one source, over all of its tunnels, and an end makes room', () => {
  const bench = new Bench({ l2tp: { maxSessions: 6, maxSessionsPerSource: 4 } })
  const [one, two] = [2000, 2001].map(port => bench.peer({ address: HOST, port }).establish())
  const other = bench.peer(OTHER).establish()
  assert.ok(one !== undefined && two !== undefined)
  const calls = [one.call(1), one.call(2), two.call(1), two.call(2)]
  one.icrq(3)
  assert.deepEqual(one.expect('CDN').avps.resultCode, { result: 4, error: 4 })
  other.call(1)
  other.call(2)
  other.icrq(3)
  assert.deepEqual(other.expect('CDN').avps.resultCode, { result: 4, error: 4 })
  one.send({ type: 'CDN', avps: { resultCode: { result: 1 } } }, { sessionId: calls[0] ?? 0 })
  two.call(3)
  one.icrq(4)
  one.expect('CDN')
  // A tunnel that ends takes all of its calls with it.
  two.send(STOP)
  one.call(5)
})

/** A peer with `calls` that nobody admitted yet, and a window of one. */
function slowPeer(calls: number) {
  const bench = new Bench({ decide: ({ kind }) => (kind === 'admitTunnel' ? { kind: 'accept' } : undefined) })
  const peer = bench.peer().establish({ receiveWindowSize: 1 })
  for (let id = 1; id <= calls; id++) peer.icrq(id)
  peer.heard()
  return { bench, peer }
}

test('a peer that acknowledges the end of its calls as slowly as it may is forgotten all the same', () => {
  const { bench, peer } = slowPeer(200)
  bench.act((endpoint, now) => endpoint.shutdown(now))
  for (let passed = 0; passed < 5 * CYCLE_MS; passed += 30_000) {
    bench.advance(30_000)
    peer.zlb()
  }
  assert.ok(bench.endpoint.isIdle())
  assert.ok(peer.types().includes('CDN'))
})

test('a peer that says goodbye again and again keeps no tunnel for it', () => {
  const bench = new Bench()
  const peer = bench.peer().establish()
  for (let passed = 0; passed <= CYCLE_MS; passed += 10_000) {
    peer.send(STOP)
    bench.advance(10_000)
  }
  assert.ok(bench.endpoint.isIdle())
})

test('a peer that lets our answers pile up is given up when they are more than its calls explain', () => {
  const { bench, peer } = slowPeer(0)
  // Each is refused by a message that has to be delivered.
  const refused = { assignedSessionId: 0, callSerialNumber: 1 }
  let sent = 0
  for (; sent < 20_000 && bench.endpoint.tunnels().length > 0; sent++)
    peer.send({ type: 'ICRQ', avps: refused }, { nr: 1 })
  assert.ok(sent <= 3 * DEFAULT_L2TP.maxSessionsPerTunnel, `${sent}`)
  assert.ok(bench.endpoint.isIdle())
})

test('after the end an Nr from nowhere acknowledges nothing', () => {
  const { bench, peer } = slowPeer(0)
  for (let id = 0; id < 5; id++)
    peer.send({ type: 'ICRQ', avps: { assignedSessionId: 0, callSerialNumber: 1 } }, { nr: 1 })
  peer.send(STOP, { nr: 1 })
  bench.drops()
  peer.zlb({ nr: 0x7000 })
  assert.deepEqual(bench.drops(), ['bad-ack'])
})
