/** Input that broke other daemons: nothing throws, nothing grows, no other session notices. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, retransmissionCycleMs } from '../../core/protocol/config.ts'
import type { Event } from '../../core/protocol/outputs.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { encodeMessage } from '../../core/wire/control-message.ts'
import { encodeControlDatagram } from '../../core/wire/l2tp-header.ts'
import { Pair } from '../support/pair.ts'
import { Bench, type ScriptedPeer } from '../support/scripted-peer.ts'

const CYCLE_MS = retransmissionCycleMs(DEFAULT_L2TP)
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const octets = (text: string) => new TextEncoder().encode(text)

const SCCRQ = {
  type: 'SCCRQ',
  avps: {
    protocolVersion: { version: 1, revision: 0 },
    hostName: 'peer',
    framingCapabilities: { async: true, sync: true },
    assignedTunnelId: 5,
  },
} as const
const SCCRQ_BODY = encodeMessage(SCCRQ)
const FIRST = { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }

test('accel-ppp 2020: a header or AVP length below its minimum or beyond the datagram is dropped, and nothing allocated', () => {
  const bench = new Bench()
  const peer = bench.peer()
  const good = encodeControlDatagram(FIRST, SCCRQ_BODY)
  const changed = (at: number, value: number) => {
    const copy = good.slice()
    copy[at] = value >> 8
    copy[at + 1] = value & 0xff
    return copy
  }
  const cases: [string, Uint8Array][] = [
    ['truncated', new Uint8Array()],
    ['truncated', bytes('c8')],
    ['truncated', bytes('c802 000c 0000')],
    ['bad-length', changed(2, 11)],
    ['bad-length', changed(2, good.length + 1)],
    ['bad-length', changed(2, 0xffff)],
    ['bad-flags', changed(0, 0x8002)],
    ['bad-flags', changed(0, 0xc002)],
    ['bad-flags', changed(0, 0x8802)],
    ['bad-version', changed(0, 0xc801)],
    ['l2tpv3', changed(0, 0xc803)],
    // The first AVP: length 5, 0, and beyond the message.
    ['bad-avp', changed(12, 0x8005)],
    ['bad-avp', changed(12, 0x8000)],
    ['bad-avp', changed(12, 0x83ff)],
    // The second one.
    ['bad-avp', changed(20, 0x8003)],
    ['bad-avp', changed(20, 0x83ff)],
  ]
  for (const [reason, datagram] of cases) {
    peer.raw(datagram)
    assert.deepEqual(bench.drops(), [reason], Buffer.from(datagram).toString('hex'))
  }
  assert.ok(bench.endpoint.isIdle())
  assert.equal(peer.octets, 0)
})

test('xl2tpd #23, #195: junk to port 1701 allocates nothing and is not answered', () => {
  const bench = new Bench({ config: { secrets: [{ name: 's', secret: 'x' }] } })
  const peer = bench.peer()
  const random = new SeededRandom(1)
  for (let round = 0; round < 20_000; round++) peer.raw(random.bytes(random.uint16() % 120))
  for (const message of ['SCCCN', 'HELLO'] as const)
    peer.raw(encodeControlDatagram(FIRST, encodeMessage({ type: message, avps: {} })))
  assert.ok(bench.endpoint.isIdle())
  assert.equal(peer.octets, 0)
})

test('accel-ppp 2025: numbers of a thousand octets are refused before they are kept', () => {
  for (const type of ['0015', '0016', '0017']) {
    const bench = new Bench()
    const peer = bench.peer().establish()
    const number = `83f7 0000 ${type} ${'41'.repeat(1009)}`
    const body = bytes(`8008 0000 0000 000a 8008 0000 000e 0007 800a 0000 000f 00000001 ${number}`)
    peer.raw(encodeControlDatagram({ tunnelId: peer.theirId, sessionId: 0, ns: peer.ns, nr: peer.nr }, body))
    peer.expect('CDN')
    assert.equal(bench.endpoint.sessions().length, 0)
  }
})

test('accel-ppp 2026: a hidden AVP that claims more than it holds', () => {
  const bench = new Bench({ config: { secrets: [{ name: 's', secret: 'x' }] } })
  const peer = bench.peer()
  // Without the key the recovered length is random: most of these claim too much.
  for (let round = 0; round < 200; round++) {
    const hidden = new SeededRandom(round).bytes(18)
    const body = Buffer.concat([
      SCCRQ_BODY,
      bytes('8014 0000 0024 000102030405060708090a0b0c0d'),
      bytes('c018 0000 000b'),
      hidden,
    ])
    peer.raw(encodeControlDatagram(FIRST, new Uint8Array(body)))
  }
  const drops = bench.drops()
  assert.ok(drops.filter(reason => reason === 'bad-avp').length > 150, drops.join())
})

test('accel-ppp 2025: a session that ends while its decision is under way: withdrawn once, the late verdict dropped', () => {
  const bench = new Bench({ decide: ({ kind }) => (kind === 'admitTunnel' ? { kind: 'accept' } : undefined) })
  const peer = bench.peer().establish()
  for (let id = 1; id <= 20; id++) peer.icrq(id)
  peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
  const asked = bench.asked.filter(({ ask }) => ask.kind === 'admitSession').map(({ askId }) => askId)
  assert.equal(asked.length, 20)
  assert.deepEqual(bench.withdrawn, asked)
  for (const askId of asked) bench.answer(askId, { kind: 'accept' })
  assert.equal(bench.endpoint.sessions().length, 0)
  assert.equal(bench.endpoint.pendingAsks().length, 0)
  bench.advance(CYCLE_MS)
  assert.ok(bench.endpoint.isIdle())
})

test('accel-ppp #154-#158: messages in every order of three end cleanly', () => {
  const framing = { async: false, sync: true }
  const deeds: ((peer: ScriptedPeer) => void)[] = [
    peer => peer.sccrq({}, { tunnelId: peer.theirId }),
    peer => peer.send({ type: 'SCCCN', avps: {} }),
    peer => peer.send({ type: 'SCCRP', avps: SCCRQ.avps }),
    peer => peer.icrq(1),
    peer => peer.send({ type: 'ICRP', avps: { assignedSessionId: 1 } }),
    peer => peer.send({ type: 'ICCN', avps: { txConnectSpeed: 1, framingType: framing } }, callOf(peer)),
    peer => peer.send({ type: 'OCRP', avps: { assignedSessionId: 1 } }, callOf(peer)),
    peer =>
      peer.send({ type: 'CDN', avps: { resultCode: { result: 1 }, assignedSessionId: 1 } }, callOf(peer)),
    peer => peer.send({ type: 'HELLO', avps: {} }),
    peer => peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } }),
    peer => peer.bench.act((endpoint, now) => endpoint.shutdown(now)),
  ]
  const preludes: ((peer: ScriptedPeer) => void)[] = [
    peer => peer.sccrq(),
    peer => peer.establish(),
    peer => peer.establish().icrq(1),
    peer => peer.establish().call(1),
  ]
  for (const prelude of preludes) {
    for (const first of deeds) {
      for (const second of deeds) {
        for (const third of deeds) {
          const bench = new Bench()
          const peer = bench.peer()
          prelude(peer)
          for (const deed of [first, second, third]) deed(peer)
          bench.act((endpoint, now) => endpoint.shutdown(now))
          bench.advance(4 * CYCLE_MS)
          assert.ok(bench.endpoint.isIdle(), [prelude, first, second, third].join('\n'))
          assertEachEndsOnce(bench.events)
        }
      }
    }
  }
})

function callOf({ bench }: ScriptedPeer): { sessionId: number } {
  return { sessionId: bench.endpoint.sessions()[0]?.session.localSessionId ?? 1 }
}

function assertEachEndsOnce(events: readonly Event[]): void {
  const ended = events.flatMap(event => (event.kind === 'sessionDown' ? [event.session.id] : []))
  assert.equal(new Set(ended).size, ended.length)
  const tunnels = events.flatMap(event => (event.kind === 'tunnelDown' ? [event.tunnel.key] : []))
  assert.equal(new Set(tunnels).size, tunnels.length)
}

test('SoftEther: an end that is asked for twice, from every side at once, releases once', () => {
  const pair = new Pair({ seed: 4 })
  pair.dial()
  pair.run(1000)
  const key = pair.lns.endpoint.sessions()[0]?.session.key ?? ''
  const tunnel = pair.lns.endpoint.tunnels()[0]?.key ?? ''
  const reason = { cause: 'admin-reset' } as const
  for (let round = 0; round < 3; round++) {
    pair.act(pair.lns, (endpoint, now) => endpoint.hangUp(now, key, reason))
    pair.act(pair.client, (endpoint, now) => endpoint.shutdown(now))
    pair.act(pair.lns, (endpoint, now) => endpoint.closeTunnel(now, tunnel, reason))
    pair.act(pair.lns, (endpoint, now) => endpoint.shutdown(now))
  }
  pair.run(200_000)
  assert.equal(pair.lns.eventsOf('sessionDown').length, 1)
  assert.equal(pair.lns.eventsOf('tunnelDown').length, 1)
  assert.ok(pair.lns.endpoint.isIdle() && pair.client.endpoint.isIdle())
})

test('l2tpd CVE-2004-0649: what hooks and peers say at length never overflows a message of ours', () => {
  const denial = { kind: 'deny', reason: 'r'.repeat(10_000), message: '\u{1f600}'.repeat(10_000) } as const
  const bench = new Bench({
    decide: ({ kind }) => (kind === 'admitSession' ? denial : { kind: 'accept' }),
  })
  const peer = bench.peer()
  peer.establish({ hostName: 'h'.repeat(255), vendorName: 'v'.repeat(255) })
  peer.icrq(1)
  peer.expect('CDN')
  const refusing = new Bench({ decide: () => denial })
  refusing.peer().sccrq()
  assert.equal(refusing.eventsOf('tunnelDown').length, 1)
})

test('ids are drawn at random, never in sequence', () => {
  const bench = new Bench()
  const ids = Array.from(
    { length: 40 },
    (_, index) => bench.peer({ address: '198.51.100.7', port: 2000 + index }).establish().theirId,
  )
  const steps = ids.slice(1).map((id, index) => id - (ids[index] ?? 0))
  assert.ok(new Set(steps).size > 30)
  const calls = bench.peer({ address: '198.51.100.8', port: 1701 }).establish()
  const sessions = Array.from({ length: 40 }, (_, index) => calls.call(index + 1))
  assert.ok(new Set(sessions.slice(1).map((id, index) => id - (sessions[index] ?? 0))).size > 30)
})

test('a flood of calls by one peer is bounded, and so is what it keeps', () => {
  const bench = new Bench({ decide: ({ kind }) => (kind === 'admitTunnel' ? { kind: 'accept' } : undefined) })
  const peer = bench.peer().establish()
  const { maxSessionsPerTunnel } = DEFAULT_L2TP
  for (let id = 1; id <= maxSessionsPerTunnel + 500; id++) {
    peer.icrq(id)
    if (id % 4 === 0) peer.zlb()
  }
  assert.equal(bench.endpoint.sessions().length, maxSessionsPerTunnel)
  assert.ok(octets(JSON.stringify(bench.endpoint.snapshot())).length < 4_000_000)
})
