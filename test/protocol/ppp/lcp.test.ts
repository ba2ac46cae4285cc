import assert from 'node:assert/strict'
import test from 'node:test'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { LNS_CONFIG } from './harness.ts'
import { Peer } from './peer.ts'

const { CONFIGURE_REQUEST, CONFIGURE_ACK, CONFIGURE_NAK, CONFIGURE_REJECT, TERMINATE_REQUEST } = CP_CODE

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

const EVERY: PppConfig = { ...LNS_CONFIG, demandAuth: ['eap', 'mschapv2', 'chap-md5', 'pap'] }
const AUTH_VALUE = {
  eap: '0304c227',
  mschapv2: '0305c22381',
  'chap-md5': '0305c22305',
  pap: '0304c023',
} as const

for (const [wish, what] of [
  ['0305 c223 80', 'MS-CHAPv1'],
  ['0305 c223 06', 'CHAP-SHA1'],
] as const)
  test(`a peer that wants ${what} is offered each method of the list in turn, and none beside`, () => {
    const peer = listening(EVERY)
    const offered = []
    while (peer.us.link.ending === undefined) {
      const request = peer.lastRequest(PPP.LCP)
      offered.push(
        EVERY.demandAuth.find(method =>
          Buffer.from(request.data).toString('hex').includes(AUTH_VALUE[method]),
        ),
      )
      peer.send(PPP.LCP, CONFIGURE_NAK, request.identifier, wish)
    }
    assert.deepEqual(offered, EVERY.demandAuth)
    assert.equal(
      peer.us.link.ending.text,
      `LCP: the peer refuses every authentication method that we offer and asks for ${what}`,
    )
  })

for (const method of EVERY.demandAuth)
  test(`a peer that wishes for ${method} gets it, where it is on the list`, () => {
    const peer = listening({
      ...EVERY,
      demandAuth: ['chap-md5', ...EVERY.demandAuth.filter(one => one !== 'chap-md5')],
    })
    if (method !== 'chap-md5') peer.send(PPP.LCP, CONFIGURE_NAK, 1, AUTH_VALUE[method])
    peer.openLcp()
    assert.equal(peer.us.link.proof?.method, method)
  })

for (const asked of ['0305 c223 80', '0305 c223 05', '0304 c023'])
  test(`a client of MS-CHAPv2 and EAP answers a server that asks for ${asked} with the better one`, () => {
    const peer = listening({ ...WITH_LOGIN, authAs: { user: 'us', methods: ['mschapv2', 'eap'] } })
    peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, asked)
    const { code, data } = peer.heardOne()
    assert.deepEqual([code, data], [CONFIGURE_NAK, AUTH_VALUE.mschapv2])
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
