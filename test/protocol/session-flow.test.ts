/** A session and its flow: what the data plane is told, in which order, and what it tells in the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ask, Output, Verdict } from '../../core/protocol/outputs.ts'
import { encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { dialRequest, LNS_CONFIG, Pair } from '../support/pair.ts'

/** A call that is up, and what the LNS says of flows and events. `own`: verdicts of the LNS that are not the usual ones. */
function call(own: (ask: Ask) => Verdict | undefined = () => undefined): {
  pair: Pair
  told: string[]
  outputs: Output[]
} {
  const told: string[] = []
  const outputs: Output[] = []
  const pair: Pair = new Pair({
    seed: 31,
    onOutput(side, output) {
      if (side !== pair.lns) return
      outputs.push(output)
      if (output.kind === 'flow') told.push(`flow ${output.op}`)
      if (output.kind === 'event' && output.event.kind !== 'drop') told.push(output.event.kind)
    },
    decide(ask, side) {
      return { verdict: (side === pair.lns ? own(ask) : undefined) ?? pair.accept(ask), afterMs: 0 }
    },
  })
  pair.dial()
  pair.run(1000)
  return { pair, told, outputs }
}

/** The client begins LCP anew: RFC 1661 4.3, a Configure-Request in state Opened. */
function renegotiate(pair: Pair): void {
  const { tunnel, localSessionId } = pair.lns.endpoint.sessions()[0]?.session ?? assert.fail('no session')
  const header = {
    tunnelId: tunnel.localTunnelId,
    sessionId: localSessionId,
    length: true,
    priority: false,
  }
  const request = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 1, 99, 0, 4)
  pair.inject(pair.lns, tunnel.path, encodeDataDatagram(header, request))
}

test('a flow is what the session agreed on', () => {
  const grant = { user: 'hb@hb', routes: ['10.1.0.0/16', '10.2.3.4/32'], mtuBytes: 1300 }
  const { pair, outputs } = call(({ kind }) => (kind === 'authorize' ? { kind: 'accept', grant } : undefined))
  const [upsert] = outputs.filter(output => output.kind === 'flow')
  assert.ok(upsert?.op === 'upsert')
  const { session } = pair.lns.endpoint.sessions()[0] ?? assert.fail('no session')
  assert.deepEqual(upsert.flow, {
    id: 0,
    generation: 1,
    path: session.tunnel.path,
    localTunnelId: session.tunnel.localTunnelId,
    localSessionId: session.localSessionId,
    peerTunnelId: session.tunnel.peerTunnelId,
    peerSessionId: session.peerSessionId,
    prefixes: [
      { address: '172.16.1.51', length: 32 },
      { address: '10.1.0.0', length: 16 },
      { address: '10.2.3.4', length: 32 },
    ],
    mtuBytes: 1300,
    zone: 'dmz',
    header: { length: true, acfc: true, pfc: true },
    needs: { sequence: false, shaping: false, mss: true, nat: false },
  })
  assert.deepEqual([...pair.client.flows.values()][0]?.prefixes, [{ address: '0.0.0.0', length: 0 }])
})

test('a renegotiation takes the flow down and up again, with another generation; the session stays up and keeps its lease', () => {
  const { pair, told } = call()
  const before = pair.lns.endpoint.sessions()[0]
  told.length = 0
  renegotiate(pair)
  pair.run(20_000)
  assert.deepEqual(told, ['flow remove', 'flow upsert'])
  const after = pair.lns.endpoint.sessions()[0]
  assert.equal(after?.session.id, before?.session.id)
  assert.deepEqual(after?.network, before?.network)
  assert.equal([...pair.lns.flows.values()][0]?.generation, 2)
  assert.equal(pair.lns.leases.size, 1)
})

test('the counters of every flow of a session are in its sessionDown', () => {
  const { pair } = call()
  renegotiate(pair)
  pair.run(20_000)
  pair.act(pair.client, (endpoint, now) => endpoint.shutdown(now))
  pair.run(21_000)
  const [down] = pair.lns.eventsOf('sessionDown')
  // Each flow of the pair's data plane counts 1, 2, 3 and 4.
  assert.deepEqual(down?.counters, { packetsIn: 2n, octetsIn: 4n, packetsOut: 6n, octetsOut: 8n, drops: {} })
  assert.equal(pair.lns.eventsOf('sessionUp').length, 1)
})

test('a session that never forwarded has counters of zero', () => {
  const { pair } = call(({ kind }) =>
    kind === 'assignAddress' ? { kind: 'deny', reason: 'the pool is empty' } : undefined,
  )
  pair.run(10_000)
  const [down] = pair.lns.eventsOf('sessionDown')
  assert.deepEqual([down?.wasUp, down?.reason.cause], [false, 'no-address'])
  assert.deepEqual(down?.counters, { packetsIn: 0n, octetsIn: 0n, packetsOut: 0n, octetsOut: 0n, drops: {} })
  // The client is told that there was no room, not that its password was wrong.
  assert.deepEqual(
    pair.client.eventsOf('sessionDown').map(({ reason }) => [reason.resultCode, reason.errorCode]),
    [[4, 4]],
  )
})

test('a session ends in order: the flow goes, its last counters come, then sessionDown, then the ids are free', () => {
  const { pair, told } = call()
  const key = pair.lns.endpoint.sessions()[0]?.session.key ?? ''
  told.length = 0
  pair.act(pair.lns, (endpoint, now) => endpoint.hangUp(now, key, { cause: 'admin-reset' }))
  // The data plane of the pair takes 5 ms; until then the session keeps its ids.
  assert.deepEqual(told, ['flow remove'])
  pair.run(1004)
  assert.equal(pair.lns.endpoint.sessions()[0]?.session.key, key)
  pair.run(2000)
  assert.deepEqual(told, ['flow remove', 'sessionDown', 'tunnelDown'])
  assert.equal(pair.lns.endpoint.sessions().length, 0)
  const [down] = pair.lns.eventsOf('sessionDown')
  assert.deepEqual([down?.wasUp, down?.reason.cause, down?.grant?.user], [true, 'admin-reset', 'hb@hb'])
  assert.equal(down?.counters.packetsIn, 1n)
  assert.deepEqual(
    down?.leases.map(({ value }) => value),
    ['172.16.1.51'],
  )
})

test('counters that come twice, or for a former flow, change nothing', () => {
  const pair = new Pair({ seed: 6 })
  pair.dial()
  pair.run(1000)
  const counters = { packetsIn: 9n, octetsIn: 9n, packetsOut: 9n, octetsOut: 9n, drops: {} }
  for (const generation of [0, 1, 2]) {
    pair.act(pair.lns, (endpoint, now) =>
      endpoint.handleAnswer(now, { kind: 'flowRemoved', flowId: 0, generation, counters }),
    )
  }
  assert.equal(pair.lns.endpoint.sessions()[0]?.flowId, 0, 'nobody asked for its removal')
})

test('one of two calls of a user ends, the other does not notice', () => {
  const pair = new Pair({ seed: 8 })
  const first = pair.dial()
  pair.dial()
  pair.run(1000)
  assert.equal(pair.lns.endpoint.sessions().length, 2)
  pair.act(pair.client, (endpoint, now) => endpoint.hangUp(now, first.session, { cause: 'local-hangup' }))
  pair.run(100_000)
  assert.equal(pair.lns.endpoint.sessions().length, 1)
  assert.equal(pair.lns.eventsOf('sessionDown').length, 1)
  assert.deepEqual([...pair.lns.flows.keys()], [1])
  // The smallest free flow id is taken again, with another generation.
  pair.dial()
  pair.run(101_000)
  assert.equal(pair.lns.flows.get(0)?.generation, 2)
})

test('the flow of a client leads everywhere, though the LNS keeps its own address to itself', () => {
  const pair = new Pair({ seed: 5, lns: { ppp: { ...LNS_CONFIG.ppp, localAddress: '0.0.0.0' } } })
  pair.dial()
  pair.run(5000)
  const [flow] = [...pair.client.flows.values()]
  assert.deepEqual(flow?.prefixes, [{ address: '0.0.0.0', length: 0 }])
})

test('the flow of a session has the prefixes of what is open: both families, or one', () => {
  const pair = new Pair({ seed: 5, lns: { ppp: { ...LNS_CONFIG.ppp, ipv6: true } } })
  pair.dial({ ppp: { ...dialRequest().ppp, ipv6: true } })
  pair.run(5000)
  const prefixes = (side: typeof pair.lns) =>
    [...side.flows.values()][0]?.prefixes.map(({ address, length }) => `${address}/${length}`)
  assert.deepEqual(prefixes(pair.lns), ['172.16.1.51/32', '2001:db8:34::/64', '2001:db8:35::/64'])
  assert.deepEqual(prefixes(pair.client), ['0.0.0.0/0', '::/0'])
  assert.equal(pair.lns.eventsOf('sessionUp').length, 1)
})
