/** Many tunnels: how they are told apart, which of two that cross stands, and what nobody gets more of. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { dialRequest, LNS_ADDRESS } from '../support/pair.ts'
import { Bench, stopCodes } from '../support/scripted-peer.ts'
import { ScriptedRandom } from '../support/scripted-random.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const SECRETS = [{ name: 'corporate', secret: 'tunnel-secret' }]
const octets = (text: string) => new TextEncoder().encode(text)

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

test('of IPv6 a whole /64 is one source: whoever has one address of it has them all', () => {
  const bench = new Bench({ l2tp: { maxHalfOpen: 9, maxHalfOpenPerSource: 3 } })
  for (let host = 1; host <= 5; host++) bench.peer({ address: `2001:db8:1:1::${host}`, port: 1701 }).sccrq()
  assert.equal(bench.endpoint.tunnels().length, 3)
  assert.deepEqual(bench.drops(), ['half-open-limit', 'half-open-limit'])
  bench.peer({ address: '2001:db8:1:2::1', port: 1701 }).sccrq()
  assert.equal(bench.endpoint.tunnels().length, 4)
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
