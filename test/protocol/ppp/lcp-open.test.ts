/** LCP beyond the negotiation: echoes, rejected codes and protocols, termination, renegotiation. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { createLcp, LCP } from '../../../core/protocol/ppp/lcp.ts'
import type { LinkEnv, PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { hex, LNS_CONFIG } from './harness.ts'
import { Peer } from './peer.ts'

const {
  CONFIGURE_REQUEST,
  CONFIGURE_ACK,
  CONFIGURE_NAK,
  TERMINATE_REQUEST,
  TERMINATE_ACK,
  CODE_REJECT,
  PROTOCOL_REJECT,
  ECHO_REQUEST,
  ECHO_REPLY,
  DISCARD_REQUEST,
  IDENTIFICATION,
  TIME_REMAINING,
} = CP_CODE

const PAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'] }

/** A peer that has read our first request. */
function listening(config: PppConfig = LNS_CONFIG): Peer {
  const peer = new Peer({ config })
  assert.equal(peer.heardOne().code, CONFIGURE_REQUEST)
  return peer
}

test('echoes: answered in Opened only, with our magic and the peer’s data', () => {
  const peer = listening(PAP_ONLY)
  peer.send(PPP.LCP, ECHO_REQUEST, 5, '01020304 aabb')
  assert.deepEqual(peer.heard(), [])
  peer.openLcp()
  peer.heard()
  peer.send(PPP.LCP, ECHO_REQUEST, 5, '01020304 aabb')
  const magic = peer.us.link.lcp.ask.magic.toString(16).padStart(8, '0')
  assert.deepEqual(peer.heardOne(), {
    protocol: PPP.LCP,
    code: ECHO_REPLY,
    identifier: 5,
    data: `${magic}aabb`,
  })
})

test('an Echo-Reply is no larger than the peer’s MRU', () => {
  const peer = listening(PAP_ONLY).openLcp('0104 0100')
  peer.heard()
  peer.send(PPP.LCP, ECHO_REQUEST, 5, new Uint8Array(1400))
  assert.equal(peer.heardOne().data.length / 2 + 4, 256)
})

test('an echo without magic number, or with ours, is dropped', () => {
  const peer = listening(PAP_ONLY).openLcp()
  peer.heard()
  const ours = peer.us.link.lcp.ask.magic.toString(16).padStart(8, '0')
  peer.send(PPP.LCP, ECHO_REQUEST, 5, '0102')
  peer.send(PPP.LCP, ECHO_REQUEST, 6, ours)
  peer.send(PPP.LCP, ECHO_REPLY, 6, ours)
  peer.send(PPP.LCP, ECHO_REPLY, 6, '01')
  assert.deepEqual(peer.us.drops, ['ppp-malformed', 'ppp-looped', 'ppp-looped', 'ppp-malformed'])
  assert.deepEqual(peer.heard(), [])
})

test('a Code-Reject of another code leaves the keepalive running', () => {
  const peer = listening(PAP_ONLY).enterNetwork().openIpcp()
  peer.send(PPP.LCP, CODE_REJECT, 1, '0c 01 0008 00000000')
  peer.wire.run(3600_000)
  assert.equal(peer.us.closed?.cause, 'peer-silent')
})

test('a peer that rejects Echo-Request as a code is not called silent', () => {
  const peer = listening(PAP_ONLY).enterNetwork().openIpcp()
  peer.send(PPP.LCP, CODE_REJECT, 1, '09 01 0008 00000000')
  peer.wire.run(3600_000)
  assert.equal(peer.us.closed, undefined)
  assert.ok(!peer.us.said.some(line => line.startsWith('LCP Echo-Request')))
})

for (const [name, code] of [
  ['Discard-Request', DISCARD_REQUEST],
  ['Identification', IDENTIFICATION],
  ['Time-Remaining', TIME_REMAINING],
] as const) {
  test(`${name} is ignored`, () => {
    const peer = listening(PAP_ONLY).openLcp()
    peer.heard()
    peer.send(PPP.LCP, code, 9, '01020304 4d5352')
    assert.deepEqual([peer.heard(), peer.us.drops, peer.us.link.lcp.state], [[], [], 'opened'])
  })
}

test('an unknown code is rejected with the start of its packet, in 124 octets at most', () => {
  const peer = listening(PAP_ONLY).openLcp()
  peer.heard()
  peer.send(PPP.LCP, 77, 9, '0102')
  assert.deepEqual(peer.heardOne(), {
    protocol: PPP.LCP,
    code: CODE_REJECT,
    identifier: 2,
    data: '4d0900060102',
  })
  peer.send(PPP.LCP, 0, 9, new Uint8Array(1000))
  assert.equal(peer.heardOne().data.length / 2, 120)
})

test('a Code-Reject of a code that LCP cannot do without ends the link', () => {
  const peer = listening()
  peer.send(PPP.LCP, CODE_REJECT, 1, '01 01 0004')
  assert.equal(peer.us.closed?.cause, 'ppp-failed')
  const opened = listening(PAP_ONLY).openLcp()
  opened.send(PPP.LCP, CODE_REJECT, 1, '01 01 0004')
  assert.equal(opened.us.link.phase, 'terminate')
})

test('Protocol-Reject: of LCP ends the link, of IPCP too, of CCP does not', () => {
  for (const [protocol, phase] of [
    ['c021', 'terminate'],
    ['8021', 'terminate'],
    ['80fd', 'network'],
  ] as const) {
    const peer = listening(PAP_ONLY).enterNetwork()
    peer.send(PPP.LCP, PROTOCOL_REJECT, 1, `${protocol} 0101 0004`)
    assert.equal(peer.us.link.phase, phase, protocol)
  }
})

test('Protocol-Reject of the authentication protocol that the peer agreed to ends the link', () => {
  const peer = listening().openLcp()
  peer.send(PPP.LCP, PROTOCOL_REJECT, 1, 'c223 0101 0004')
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
})

test('Protocol-Reject before LCP is open, or cut short, is dropped', () => {
  const peer = listening(PAP_ONLY)
  peer.send(PPP.LCP, PROTOCOL_REJECT, 1, 'c021 0101 0004')
  peer.openLcp()
  peer.send(PPP.LCP, PROTOCOL_REJECT, 1, 'c0')
  assert.deepEqual(peer.us.drops, ['ppp-phase', 'ppp-malformed'])
})

test('Terminate-Request in the middle of a negotiation is acknowledged, and the negotiation goes on', () => {
  const peer = listening(PAP_ONLY)
  peer.send(PPP.LCP, TERMINATE_REQUEST, 9, hex('4279 65'))
  assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code: TERMINATE_ACK, identifier: 9, data: '' })
  peer.openLcp()
})

test('a repeated Terminate-Request is acknowledged again while the link lingers, and not after', () => {
  const peer = listening(PAP_ONLY).openLcp()
  peer.heard()
  for (const identifier of [9, 10]) {
    peer.send(PPP.LCP, TERMINATE_REQUEST, identifier)
    assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code: TERMINATE_ACK, identifier, data: '' })
  }
  peer.wire.run(3000)
  assert.equal(peer.us.closed?.cause, 'peer-hangup')
  peer.send(PPP.LCP, TERMINATE_REQUEST, 11)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-phase']])
})

test('the same request again, in Opened, is acknowledged again: the Ack was lost, nothing is renegotiated', () => {
  const peer = listening(PAP_ONLY).enterNetwork().openIpcp()
  peer.heard()
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, '')
  assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code: CONFIGURE_ACK, identifier: 1, data: '' })
  assert.equal(peer.us.downs, 0)
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 2, '')
  assert.deepEqual([peer.us.downs, peer.us.link.phase], [1, 'establish'])
})

test('patience is renewed by each negotiation', () => {
  const peer = listening(PAP_ONLY).openLcp()
  for (let round = 2; round < 20; round++) {
    peer.send(PPP.LCP, CONFIGURE_REQUEST, round, '')
    peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, '0104 0514')
    peer.acknowledge(PPP.LCP)
    assert.equal(peer.us.link.lcp.state, 'opened')
  }
})

test('a magic number is never 0, whatever chance says', () => {
  const lcp = createLcp()
  const random = { uint32: () => 0, uint16: () => 0, bytes: (count: number) => new Uint8Array(count) }
  LCP.reset(lcp, { random, config: LNS_CONFIG } as unknown as LinkEnv)
  assert.notEqual(lcp.ask.magic, 0)
})

test('a renegotiation begins from the config again: every method, a new magic number', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_NAK, 1, '0304 c023')
  peer.openLcp()
  const { magic } = peer.us.link.lcp.ask
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 2, '')
  assert.deepEqual(peer.us.link.lcp.ask.auth, ['chap-md5', 'pap'])
  assert.notEqual(peer.us.link.lcp.ask.magic, magic)
})
