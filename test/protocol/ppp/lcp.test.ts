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
  CONFIGURE_REJECT,
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
const WITH_LOGIN: PppConfig = { ...LNS_CONFIG, authAs: { user: 'lns', methods: ['chap-md5'] } }
const packed = (text: string) => text.replaceAll(' ', '')

/** A peer that has read our first request. */
function listening(config: PppConfig = LNS_CONFIG): Peer {
  const peer = new Peer({ config })
  assert.equal(peer.heardOne().code, CONFIGURE_REQUEST)
  return peer
}

test('our first request has identifier 1 and asks for MRU, authentication, magic, PFC and ACFC', () => {
  const peer = listening()
  assert.equal(peer.lastRequest(PPP.LCP).identifier, 1)
  assert.deepEqual(peer.requestedTypes(PPP.LCP), [1, 3, 5, 7, 8])
})

test('what the config does not want is not asked for', () => {
  const peer = listening({ ...LNS_CONFIG, demandAuth: [], requestAcfc: false, requestPfc: false })
  assert.deepEqual(peer.requestedTypes(PPP.LCP), [1, 5])
})

for (const [options, code, answer = options] of [
  ['', CONFIGURE_ACK],
  ['0104 0578 0206 000a0000 0506 01020304 0702 0802', CONFIGURE_ACK],
  ['0104 05dc', CONFIGURE_ACK],
  ['0104 ffff', CONFIGURE_ACK],
  ['0104 0064', CONFIGURE_NAK, '0104 0080'],
  ['0d03 06', CONFIGURE_REJECT],
  ['1104 05dc 1202 1305 0701 02', CONFIGURE_REJECT],
  ['0408 c025 00000064', CONFIGURE_REJECT],
  ['0104 0578 f004 0000', CONFIGURE_REJECT, 'f004 0000'],
  ['0103 05', CONFIGURE_REJECT],
  ['0104 0064 0d03 06', CONFIGURE_REJECT, '0d03 06'],
  ['0304 c023', CONFIGURE_REJECT],
  ['0305 c223 05', CONFIGURE_REJECT],
] as const) {
  const verdict = {
    [CONFIGURE_ACK]: 'acknowledged',
    [CONFIGURE_NAK]: 'Nakked',
    [CONFIGURE_REJECT]: 'rejected',
  }[code]
  test(`a request for "${options}" is ${verdict}, with its identifier`, () => {
    const peer = listening()
    for (const identifier of [0, 255]) {
      peer.send(PPP.LCP, CONFIGURE_REQUEST, identifier, options)
      assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code, identifier, data: packed(answer) })
    }
  })
}

for (const [asked, code, answer = asked] of [
  ['0305 c223 05', CONFIGURE_ACK],
  ['0304 c023', CONFIGURE_NAK, '0305 c223 05'],
  ['0305 c223 81', CONFIGURE_NAK, '0305 c223 05'],
  ['0304 c227', CONFIGURE_NAK, '0305 c223 05'],
] as const) {
  test(`with a login of our own, a demand for ${asked} is answered with code ${code}`, () => {
    const peer = listening(WITH_LOGIN)
    peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, asked)
    assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code, identifier: 1, data: packed(answer) })
  })
}

test('a peer that goes on asking for what we Nak is rejected after Max-Failure Naks, then given up', () => {
  const peer = listening()
  const codes = Array.from({ length: 2 * LNS_CONFIG.maxFailure }, (_, identifier) => {
    peer.send(PPP.LCP, CONFIGURE_REQUEST, identifier, '0104 0001')
    return peer.heardOne().code
  })
  const { maxFailure } = LNS_CONFIG
  assert.deepEqual(codes, [
    ...Array(maxFailure).fill(CONFIGURE_NAK),
    ...Array(maxFailure).fill(CONFIGURE_REJECT),
  ])
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 99, '0104 0001')
  assert.equal(peer.heardOne().code, TERMINATE_REQUEST)
  assert.equal(peer.us.link.ending?.cause, 'ppp-failed')
})

test('a reject loop is capped (l2tpns 2.1.16)', () => {
  const peer = listening()
  for (let identifier = 0; identifier < 100; identifier++)
    peer.send(PPP.LCP, CONFIGURE_REQUEST, identifier, '0d03 06')
  assert.equal(peer.us.link.ending?.cause, 'ppp-failed')
  const rejects = peer.us.said.filter(line => line.startsWith('LCP Configure-Reject'))
  assert.equal(rejects.length, 2 * LNS_CONFIG.maxFailure)
})

test('an acknowledgement in between renews the patience', () => {
  const peer = listening()
  for (let round = 0; round < 50; round++) {
    peer.send(PPP.LCP, CONFIGURE_REQUEST, round, '0d03 06')
    peer.send(PPP.LCP, CONFIGURE_REQUEST, round, '')
  }
  assert.equal(peer.us.link.ending, undefined)
})

test('a peer that Naks our request for ever is given up', () => {
  const peer = listening()
  for (let round = 0; round < 100 && peer.us.link.ending === undefined; round++)
    peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, '0104 0200')
  assert.equal(peer.us.link.ending?.cause, 'ppp-failed')
  assert.equal(
    peer.us.said.filter(line => line.startsWith('LCP Configure-Request')).length,
    2 * LNS_CONFIG.maxFailure + 1,
  )
})

test('an answer with a foreign identifier, or of octets that we did not send, is ignored', () => {
  const peer = listening()
  const { identifier, data } = peer.lastRequest(PPP.LCP)
  peer.send(PPP.LCP, CONFIGURE_ACK, identifier + 1, data)
  peer.send(PPP.LCP, CONFIGURE_NAK, identifier + 1, '0104 0200')
  peer.send(PPP.LCP, CONFIGURE_ACK, identifier, data.slice(4))
  peer.send(PPP.LCP, CONFIGURE_REJECT, identifier, '0d03 06')
  peer.send(PPP.LCP, CONFIGURE_NAK, identifier, '')
  assert.deepEqual(peer.us.drops, [
    'ppp-stale',
    'ppp-stale',
    'ppp-malformed',
    'ppp-malformed',
    'ppp-malformed',
  ])
  assert.deepEqual([peer.us.link.lcp.state, peer.heard()], ['req-sent', []])
})

test('a doubled Ack or Nak counts once', () => {
  const peer = listening()
  const { identifier, data } = peer.lastRequest(PPP.LCP)
  peer.send(PPP.LCP, CONFIGURE_ACK, identifier, data)
  peer.send(PPP.LCP, CONFIGURE_ACK, identifier, data)
  assert.deepEqual([peer.us.link.lcp.state, peer.us.drops], ['ack-rcvd', ['ppp-stale']])
})

test('a repeated request has the same identifier and octets, so that a late Ack counts; a changed one has not', () => {
  const peer = listening()
  const first = peer.lastRequest(PPP.LCP)
  peer.wire.run(3000)
  assert.deepEqual(peer.lastRequest(PPP.LCP), first)
  peer.send(PPP.LCP, CONFIGURE_REJECT, first.identifier, '0702 0802')
  assert.deepEqual(peer.requestedTypes(PPP.LCP), [1, 3, 5])
  assert.notEqual(peer.lastRequest(PPP.LCP).identifier, first.identifier)
})

test('what the peer rejects is not asked for again', () => {
  const peer = listening({ ...LNS_CONFIG, demandAuth: [] })
  const { identifier, data } = peer.lastRequest(PPP.LCP)
  peer.send(PPP.LCP, CONFIGURE_REJECT, identifier, data)
  assert.deepEqual(peer.requestedTypes(PPP.LCP), [])
})

for (const [wished, taken] of [
  [1300, 1300],
  [9000, 1400],
  [64, 1400],
] as const) {
  test(`a Nak of our MRU with ${wished}: we go on with ${taken}`, () => {
    const peer = listening()
    const wish = Buffer.from([1, 4, wished >> 8, wished & 0xff])
    peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, new Uint8Array(wish))
    assert.equal(peer.us.link.lcp.ask.mru, taken)
  })
}

test('an MTU follows the MRU that the peer Nakked ours with, and the config where it rejected ours', () => {
  for (const [code, value, mtuBytes] of [
    [CONFIGURE_NAK, '0104 0514', 1300],
    [CONFIGURE_REJECT, '0104 0578', 1400],
  ] as const) {
    const peer = listening(PAP_ONLY)
    peer.send(PPP.LCP, code, 1, value)
    peer.enterNetwork().openIpcp()
    assert.equal(peer.us.network?.mtuBytes, mtuBytes)
  }
})

test('an option that the Nak adds is not taken up', () => {
  const peer = listening({ ...LNS_CONFIG, demandAuth: [] })
  peer.send(PPP.LCP, CONFIGURE_NAK, 1, '0304 c023 1104 0640')
  assert.deepEqual(peer.requestedTypes(PPP.LCP), [1, 5, 7, 8])
})

test('a Nak of CHAP with PAP goes to PAP; Opened, PAP is what counts', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_NAK, 1, '0304 c023')
  assert.deepEqual(peer.us.link.lcp.ask.auth, ['pap'])
  peer.openLcp()
  assert.equal(peer.us.link.proof?.method, 'pap')
})

test('Windows Naks with MS-CHAPv2: the list is walked, then the link fails and says what the peer wants', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, '0305 c223 81')
  assert.deepEqual(peer.us.link.lcp.ask.auth, ['pap'])
  peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, '0305 c223 81')
  assert.deepEqual(peer.us.link.ending, {
    cause: 'auth-failed',
    pppCause: 15,
    text: 'LCP: the peer refuses every authentication method that we offer and asks for MS-CHAPv2',
  })
})

test('a peer that rejects authentication is not let in', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_REJECT, 1, '0305 c223 05')
  assert.equal(peer.us.link.ending?.cause, 'auth-failed')
  assert.equal(peer.us.link.ending?.pppCause, 15)
})

test('a magic number of 0 is Nakked, and another number for ours', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, '0506 00000000')
  const { code, data } = peer.heardOne()
  assert.equal(code, CONFIGURE_NAK)
  assert.match(data, /^0506(?!00000000)/)
})

test('our own magic number, with options that we would reject, is Nakked with another', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, peer.lastRequest(PPP.LCP).data)
  const { code, data } = peer.heardOne()
  assert.deepEqual([code, data.slice(0, 4), data.length], [CONFIGURE_NAK, '0506', 12])
})

test('a line that is looped back is given up', () => {
  const { us, wire } = listening()
  for (let at = 0; at < us.sent.length && us.closed === undefined && at < 200; at++)
    wire.inject(us, us.sent[at] ?? assert.fail())
  assert.deepEqual(us.link.ending, {
    cause: 'ppp-failed',
    pppCause: 7,
    text: 'LCP: the link is looped back',
  })
  assert.ok(us.sent.length < 40, `${us.sent.length} frames`)
})

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
