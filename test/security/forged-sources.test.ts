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
