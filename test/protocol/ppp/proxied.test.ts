/** What a LAC negotiated with the client in our stead (RFC 2661 4.4.5), believed as far as the config has it. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { md5 } from '../../../core/crypto.ts'
import { startLink } from '../../../core/protocol/ppp/link.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import type { Proxied, ProxiedAuth } from '../../../core/protocol/ppp/proxied.ts'
import { encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE, encodeCpPacket } from '../../../core/wire/ppp-options.ts'
import { alone, hex, kinds, LNS_CONFIG, PASSWORD, type Station, USER, type Wire } from './harness.ts'

const CHALLENGE = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index)
const IDENTIFIER = 0x42
const MAGIC = '0506 0badcafe'
const CHAP_DEMAND = '0305 c22305'
const PAP_DEMAND = '0304 c023'

const chap = (password: string): ProxiedAuth => ({
  type: 2,
  name: USER,
  identifier: IDENTIFIER,
  challenge: CHALLENGE,
  response: md5(Uint8Array.of(IDENTIFIER), Buffer.from(password), CHALLENGE),
})
const pap = (password: string): ProxiedAuth => ({
  type: 3,
  name: USER,
  identifier: IDENTIFIER,
  response: Buffer.from(password),
})
const agreed = (
  sent = `0104 05dc ${CHAP_DEMAND} ${MAGIC}`,
  received = '0104 0578 0506 11223344 0702 0802',
) => ({
  lastSent: hex(sent),
  lastReceived: hex(received),
})

function begin(
  proxied: Proxied,
  config: Partial<PppConfig> = {},
  restoring = false,
): { readonly wire: Wire; readonly lns: Station } {
  const { wire, lns } = alone({ config: { ...LNS_CONFIG, proxy: 'accept', ...config } }, { restoring })
  wire.act(lns, env => startLink(lns.link, env, proxied))
  wire.run(100)
  return { wire, lns }
}

const lcpRequests = ({ said }: Station) => said.filter(text => text.startsWith('LCP Configure-Request'))

for (const [name, proxied, restoring] of [
  ['CHAP', { ...agreed(), auth: chap(PASSWORD) }, false],
  ['CHAP', { ...agreed(), auth: chap(PASSWORD) }, true],
  ['PAP', { ...agreed(`0104 05dc ${PAP_DEMAND} ${MAGIC}`), auth: pap(PASSWORD) }, true],
] as const)
  test(`accept: a client that the LAC had prove itself by ${name} is asked for nothing${restoring ? ', restored at every step' : ''}`, () => {
    const { wire, lns } = begin(proxied, {}, restoring)
    assert.deepEqual(kinds(lns), ['authenticate', 'authorize', 'assignAddress', 'decidePolicy'])
    assert.equal(lns.link.phase, 'network')
    assert.deepEqual(lcpRequests(lns), [])
    const [verdict] = lns.said
    // By the identifier of the LAC, whose challenge the client answered; PAP and CHAP have their own codes for it.
    assert.equal(verdict, name === 'CHAP' ? `CHAP 3 ${IDENTIFIER}` : `PAP 2 ${IDENTIFIER}`)
    const { peer, ask } = lns.link.lcp
    assert.deepEqual(peer, { mru: 1400, magic: 0x11223344, acfc: true, pfc: true })
    assert.equal(ask.magic, 0x0badcafe)
    wire.inject(lns, frame(PPP.IPCP, CP_CODE.CONFIGURE_REQUEST, 1, '0306 ac100133'))
    const ours = lns.sent.find(bytes => bytes[2] === 0x80 && bytes[3] === 0x21 && bytes[4] === 1)
    assert.ok(ours !== undefined)
    wire.inject(lns, Uint8Array.from(ours).with(4, CP_CODE.CONFIGURE_ACK))
    assert.equal(lns.network?.mtuBytes, 1400)
  })

const frame = (protocol: number, code: number, identifier: number, data: string) =>
  encodePppFrame(protocol, encodeCpPacket({ code, identifier, data: hex(data) }), { acfc: false, pfc: false })

test('accept: a wrong password is refused as any other, and told under the identifier of the LAC', () => {
  const { lns } = begin({ ...agreed(), auth: chap('wrong') })
  assert.equal(lns.said[0], `CHAP 4 ${IDENTIFIER}`)
  assert.equal(lns.link.ending?.cause, 'auth-failed')
})

for (const [what, proxied, config] of [
  ['challenge: the proof of the LAC', { ...agreed(), auth: chap(PASSWORD) }, { proxy: 'challenge' }],
  ['accept: no proof', agreed(), {}],
  ['accept: MS-CHAPv1', { ...agreed(), auth: { ...chap(PASSWORD), type: 5 } }, {}],
  ['accept: a PAP proof where CHAP was agreed', { ...agreed(), auth: pap(PASSWORD) }, {}],
  ['accept: CHAP without a challenge', { ...agreed(), auth: { ...pap(PASSWORD), type: 2 } }, {}],
] as const)
  test(`${what} does not count: LCP does, and the client is challenged anew`, () => {
    const { wire, lns } = begin(proxied, config)
    assert.deepEqual(lcpRequests(lns), [])
    assert.equal(lns.link.phase, 'authenticate')
    assert.match(lns.said[0] ?? '', /^CHAP 1 /)
    assert.deepEqual(lns.asked, [])
    const { identifier, challenge = assert.fail() } = lns.link.proof ?? assert.fail()
    const response = md5(Uint8Array.of(identifier), Buffer.from(PASSWORD), challenge)
    const value = Buffer.concat([Uint8Array.of(16), response, Buffer.from(USER)])
    wire.inject(lns, frame(PPP.CHAP, 2, identifier, value.toString('hex')))
    wire.run(100)
    assert.equal(lns.link.phase, 'network')
  })

for (const [what, proxied, config] of [
  ['renegotiate', { ...agreed(), auth: chap(PASSWORD) }, { proxy: 'renegotiate' }],
  ['nothing from the LAC', {}, {}],
  ['half of a negotiation', { lastSent: agreed().lastSent, auth: chap(PASSWORD) }, {}],
  [
    'a method that we do not ask for',
    { ...agreed(), auth: chap(PASSWORD) },
    { demandAuth: ['mschapv2', 'pap'] },
  ],
  ['no authentication', agreed(`0104 05dc ${MAGIC}`), {}],
  ['an option of ours that we do not know', agreed(`${CHAP_DEMAND} 1104 05dc`), {}],
  ['an option of the client that we reject', agreed(undefined, '0d03 06'), {}],
  ['an option of the client that we Nak', agreed(undefined, '0104 0001'), {}],
  ['options that cannot be read', agreed('0300'), {}],
  ['options of the client that cannot be read', agreed(undefined, '0105 05'), {}],
] as const)
  test(`${what}: LCP is negotiated anew`, () => {
    const { lns } = begin(proxied, config)
    assert.equal(lns.link.phase, 'establish')
    assert.deepEqual(lcpRequests(lns), ['LCP Configure-Request 1'])
    assert.deepEqual(lns.asked, [])
  })

test('where no authentication is demanded, LCP of a LAC without any counts', () => {
  const { lns } = begin(agreed(`0104 05dc ${MAGIC}`), { demandAuth: [] })
  assert.equal(lns.link.phase, 'network')
})

test('a client that begins LCP anew is negotiated with, and proves itself once more', () => {
  const { wire, lns } = begin({ ...agreed(), auth: chap(PASSWORD) })
  wire.inject(lns, frame(PPP.LCP, CP_CODE.CONFIGURE_REQUEST, 7, '0104 05dc'))
  assert.equal(lns.link.phase, 'establish')
  assert.deepEqual(lcpRequests(lns), ['LCP Configure-Request 1'])
})
