/** Who can write any source address into a datagram, and sees no answer, harms nobody who is in, or who wants to come in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import { Bench } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const STOP = { type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } } as const

test('a StopCCN without our tunnel id does not end a tunnel that is open: whoever sends it never learnt the id', () => {
  const bench = new Bench()
  // Windows: port 1701, tunnel id 1; a forger need not guess anything.
  const peer = bench.peer({ address: '198.51.100.7', port: 1701 }, 1).establish()
  const session = peer.call()
  for (let ns = 0; ns < 32; ns++) peer.send(STOP, { tunnelId: 0, ns, nr: peer.nr })
  assert.equal(bench.endpoint.tunnels().length, 1)
  assert.equal(bench.endpoint.sessions()[0]?.session.localSessionId, session)
  peer.send(STOP)
  assert.deepEqual(bench.endpoint.tunnels(), [])
})

test('a StopCCN without our tunnel id ends a tunnel that is half open, and is acknowledged as often as it is repeated', () => {
  const bench = new Bench({ decide: () => undefined })
  const peer = bench.peer()
  peer.sccrq()
  const stop = peer.send(STOP)
  assert.deepEqual(bench.endpoint.tunnels(), [])
  peer.heard()
  peer.raw(stop)
  assert.deepEqual(peer.types(), ['ZLB'])
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

/** SCCRQs from sources that never answer, a new one each time, `perSecond` of them. */
function flood(bench: Bench, seconds: number, perSecond: number, address: (n: number) => string): void {
  const count = seconds * perSecond
  for (let n = 0; n < count; n++) {
    bench.peer({ address: address(n), port: 1701 }, 1 + (n % 60_000)).sccrq()
    bench.advance(1000 / perSecond)
  }
}

const forged = (n: number) => `10.${(n >> 16) & 0xff}.${(n >> 8) & 0xff}.${n & 0xff}`
const LIMITS = { maxHalfOpen: 100, maxHalfOpenPerSource: 10 }

test('while forged SCCRQs hold every half-open place, whoever answers gets in; what gave way is told and gone', () => {
  const bench = new Bench({ l2tp: LIMITS })
  flood(bench, 10, 50, forged)
  assert.equal(bench.endpoint.tunnels().length, LIMITS.maxHalfOpen)
  const honest = bench.peer({ address: '198.51.100.7', port: 1701 }, 5)
  honest.sccrq()
  honest.expect('SCCRP')
  flood(bench, 1, 50, n => forged(n + 10_000))
  honest.send({ type: 'SCCCN', avps: {} })
  const [up] = bench.eventsOf('tunnelUp')
  assert.equal(up?.tunnel.path.remote.address, '198.51.100.7')
  const gone = bench.eventsOf('tunnelDown')
  assert.ok(gone.length > 400 && gone.every(({ reason }) => reason.cause === 'no-resources'))
  bench.advance(DEFAULT_L2TP.setupTimeoutMs + CYCLE_MS)
  honest.send(STOP)
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('while somebody forges the address of a network, its own users still get in', () => {
  const bench = new Bench({ l2tp: LIMITS })
  flood(bench, 20, 5, () => '198.51.100.7')
  const honest = bench.peer({ address: '198.51.100.7', port: 4000 }, 5)
  honest.sccrq()
  honest.expect('SCCRP')
  honest.send({ type: 'SCCCN', avps: {} })
  assert.equal(bench.eventsOf('tunnelUp').length, 1)
})

test('a half-open tunnel that had no time to answer does not give way: the newcomer asks again', () => {
  const bench = new Bench({ l2tp: LIMITS })
  const places = Array.from({ length: LIMITS.maxHalfOpen + 20 }, (_, n) =>
    bench.peer({ address: forged(n), port: 1701 }),
  )
  for (const peer of places) peer.sccrq()
  assert.deepEqual(bench.drops(), Array(20).fill('half-open-limit'))
  assert.equal(bench.eventsOf('tunnelDown').length, 0)
})

test('a hook that is asked about a half-open tunnel is told when that gives way', () => {
  const bench = new Bench({ l2tp: { maxHalfOpen: 1 }, decide: () => undefined })
  bench.peer({ address: forged(1), port: 1701 }).sccrq()
  bench.advance(1000)
  bench.peer({ address: forged(2), port: 1701 }).sccrq()
  assert.deepEqual(bench.withdrawn, [1])
  assert.equal(bench.endpoint.pendingAsks().length, 1)
})

test('half-open tunnels that already said goodbye give way too', () => {
  const bench = new Bench({ l2tp: LIMITS })
  for (let n = 0; n < 3 * LIMITS.maxHalfOpen; n++) {
    const peer = bench.peer({ address: forged(n), port: 1701 })
    peer.sccrq()
    peer.send(STOP, { tunnelId: 0 })
    bench.advance(20)
  }
  const { state } = bench.endpoint.snapshot() as { state: { tunnels: { $map: unknown[] } } }
  assert.equal(state.tunnels.$map.length, LIMITS.maxHalfOpen)
})
