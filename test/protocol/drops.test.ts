/** Each reason for which the tunnel side ignores input does happen; what PPP ignores is tested with PPP. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DROP_REASONS, type ProtocolDrop } from '../../core/protocol/drops.ts'
import { encodeMessage } from '../../core/wire/control-message.ts'
import { encodeControlDatagram } from '../../core/wire/l2tp-header.ts'
import { dialRequest } from '../support/pair.ts'
import { Bench, type BenchOptions, type ScriptedPeer } from '../support/scripted-peer.ts'

const HELLO = { type: 'HELLO', avps: {} } as const
const ECHO = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0)
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

interface Case {
  readonly bench?: BenchOptions
  /** What the peer does; the last thing is ignored. */
  readonly deed: (peer: ScriptedPeer) => void
}

const CASES: Readonly<Record<Exclude<ProtocolDrop, `ppp-${string}`>, Case>> = {
  truncated: { deed: peer => peer.raw(hex('c802')) },
  'bad-version': { deed: peer => peer.raw(hex('c801000c0000000000000000')) },
  l2tpv3: { deed: peer => peer.raw(hex('c803000c0000000000000000')) },
  'bad-length': { deed: peer => peer.raw(hex('c80200ff0000000000000000')) },
  'bad-flags': { deed: peer => peer.raw(hex('8002000c0000000000000000')) },
  'bad-avp': { deed: peer => peer.raw(hex('c8020012000000000000000080050000 0000'.replace(' ', ''))) },
  'unknown-tunnel': { deed: peer => peer.send(HELLO, { tunnelId: 7 }) },
  'unknown-session': { deed: peer => peer.establish().frame(9, ECHO) },
  'wrong-source': {
    deed(peer) {
      const thief = peer.bench.peer({ address: '203.0.113.1', port: 1701 })
      thief.theirId = peer.establish().theirId
      thief.zlb()
    },
  },
  'not-sccrq': { deed: peer => peer.raw(encodeControlDatagram(nobody(), encodeMessage(HELLO))) },
  'half-open-limit': { bench: { l2tp: { maxHalfOpen: 0 } }, deed: peer => peer.sccrq() },
  'tie-won': {
    deed(peer) {
      const request = dialRequest({ path: peer.path, singleTunnel: true })
      peer.bench.act((endpoint, now) => endpoint.dial(now, request))
      peer.sccrq({}, { tunnelId: 0 })
    },
  },
  amplification: { bench: { l2tp: { amplificationLimit: 0 } }, deed: peer => peer.sccrq() },
  duplicate: {
    deed(peer) {
      peer.establish()
      peer.raw(peer.send(HELLO))
    },
  },
  'out-of-window': { deed: peer => peer.establish().send(HELLO, { ns: 100 }) },
  'bad-ack': { deed: peer => peer.establish().zlb({ nr: 100 }) },
  'ignored-message': {
    deed(peer) {
      peer.establish()
      const header = { tunnelId: peer.theirId, sessionId: 0, ns: peer.ns, nr: peer.nr }
      peer.raw(encodeControlDatagram(header, hex('00080000000000fe')))
    },
  },
  'early-ppp': {
    deed(peer) {
      peer.establish().icrq(1)
      peer.frame(peer.expect('ICRP').avps.assignedSessionId, ECHO)
    },
  },
  closed: {
    deed(peer) {
      peer.establish()
      peer.send({ type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } })
      peer.send(HELLO)
    },
  },
}

function nobody() {
  return { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 }
}

for (const [reason, { bench: options, deed }] of Object.entries(CASES)) {
  test(`${reason}: ${DROP_REASONS[reason as ProtocolDrop]}`, () => {
    const bench = new Bench(options)
    const peer = bench.peer()
    deed(peer)
    const drops = bench.eventsOf('drop')
    assert.deepEqual(
      drops.map(event => event.reason),
      [reason],
    )
    assert.equal(drops[0]?.path.local.address, peer.path.local.address)
  })
}

test('every reason that is not of PPP has its case', () => {
  const reasons = Object.keys(DROP_REASONS).filter(reason => !reason.startsWith('ppp-'))
  assert.deepEqual(reasons.sort(), Object.keys(CASES).sort())
})
