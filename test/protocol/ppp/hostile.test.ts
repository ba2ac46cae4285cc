/** Malformed and hostile input: the faults that broke other daemons, and random input in every phase. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { toJson } from '../../../core/protocol/snapshot.ts'
import { encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE, encodeCpPacket, encodeOptions } from '../../../core/wire/ppp-options.ts'
import { LNS_CONFIG, pair } from './harness.ts'
import { Peer } from './peer.ts'

const { CONFIGURE_REQUEST, CONFIGURE_NAK, CONFIGURE_REJECT } = CP_CODE
const PAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'] }

function listening(config = LNS_CONFIG): Peer {
  const peer = new Peer({ config })
  peer.heard()
  return peer
}

test('an option of length 0 or 1, or beyond the packet, is dropped with its packet (l2tpns 2.1.16)', () => {
  const lcp = listening()
  for (const options of ['0300', '0301', '0104 05', '0702 08', '0500 0500 0500'])
    for (const code of [CONFIGURE_REQUEST, CONFIGURE_NAK, CONFIGURE_REJECT])
      lcp.send(PPP.LCP, code, lcp.lastRequest(PPP.LCP).identifier, options)
  assert.deepEqual([lcp.heard(), new Set(lcp.us.drops)], [[], new Set(['ppp-malformed'])])
  const ipcp = new Peer({ config: PAP_ONLY }).enterNetwork()
  ipcp.heard()
  ipcp.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '0300')
  assert.deepEqual([ipcp.heard(), ipcp.us.drops], [[], ['ppp-malformed']])
})

test('a packet whose Length is below 4 or beyond the frame is dropped', () => {
  const peer = listening()
  for (const frame of [
    'ff03 c021 0101 0003',
    'ff03 c021 0101 0000',
    'ff03 c021 0101 0008 0702',
    'ff03 c021 01',
  ])
    peer.sendRaw(frame)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], Array(4).fill('ppp-malformed')])
})

test('a frame without a protocol is dropped', () => {
  const peer = listening()
  for (const frame of ['', 'ff', 'ff03', 'ff03 c0', 'ff03 c020 0101 0004']) peer.sendRaw(frame)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], Array(5).fill('ppp-malformed')])
})

test('a control packet larger than any MRU is dropped', () => {
  const peer = listening()
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, new Uint8Array(1497))
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, new Uint8Array(65_000))
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-oversized', 'ppp-oversized']])
})

test('hundreds of bad options are answered by one small Nak, hundreds of unknown ones by their own Reject', () => {
  const peer = listening()
  const bad = Array.from({ length: 370 }, () => ({ type: 1, value: Uint8Array.of(0, 1) }))
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1, encodeOptions(bad))
  assert.deepEqual(peer.heardOne().data, '01040080')
  const unknown = Array.from({ length: 740 }, () => ({ type: 200, value: new Uint8Array() }))
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 2, encodeOptions(unknown))
  assert.equal(peer.heardOne().data.length, 2 * 1480)
})

test('pppd: nothing that we append makes a Nak larger than its request and one option of each type', () => {
  const peer = new Peer({ config: PAP_ONLY }).enterNetwork()
  peer.heard()
  const dns = Array.from({ length: 240 }, (_, at) => ({ type: 129 + 2 * (at % 2), value: new Uint8Array(4) }))
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, encodeOptions(dns))
  assert.equal(peer.heardOne().data, '8106c0a801358306c0a801360306ac100133')
})

test('a storm of unknown protocols gets rejects no larger than what came, and the link stays', () => {
  const peer = new Peer({ config: PAP_ONLY }).enterNetwork().openIpcp()
  peer.heard()
  for (let at = 0; at < 500; at++) peer.send(PPP.CCP, 1, at & 0xff, new Uint8Array(1000))
  const rejects = peer.heard()
  assert.equal(rejects.length, 500)
  assert.ok(rejects.every(({ packet }) => packet.data.length <= 122))
  assert.equal(peer.us.downs, 0)
})

/** Frames that look like PPP, so that random input gets beyond the first check. */
const octet = fc.integer({ min: 0, max: 255 })
const smallId = fc.integer({ min: 0, max: 6 })
const options = fc
  .array(
    fc.record({
      type: fc.oneof(fc.constantFrom(1, 2, 3, 5, 7, 8, 13, 129, 131), octet),
      value: fc.oneof(
        fc.uint8Array({ maxLength: 6 }),
        fc.constantFrom(
          ...['c023', 'c22305', 'c22381', '05dc', '00000000', 'ac100133'].map(
            h => new Uint8Array(Buffer.from(h, 'hex')),
          ),
        ),
      ),
    }),
    { maxLength: 5 },
  )
  .map(encodeOptions)
const protocol = fc.constantFrom<number>(
  PPP.LCP,
  PPP.LCP,
  PPP.IPCP,
  PPP.PAP,
  PPP.CHAP,
  PPP.EAP,
  PPP.CCP,
  PPP.IPV4,
)
const frame = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(
      protocol,
      fc.integer({ min: 0, max: 14 }),
      smallId,
      fc.oneof(options, fc.uint8Array({ maxLength: 40 })),
    )
    .map(([number, code, identifier, data]) =>
      encodePppFrame(number, encodeCpPacket({ code, identifier, data }), { acfc: false, pfc: false }),
    ),
)

type Deed =
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  | { readonly kind: 'ack'; readonly protocol: number }
  | { readonly kind: 'pass'; readonly ms: number }
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: frame.map(bytes => ({ kind: 'frame', bytes }) as const) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(PPP.LCP, PPP.IPCP).map(number => ({ kind: 'ack', protocol: number }) as const),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 5000 }).map(ms => ({ kind: 'pass', ms }) as const) },
)

const DIALLING: PppConfig = {
  ...LNS_CONFIG,
  role: 'lac',
  demandAuth: [],
  authAs: { user: 'hb@hb', methods: ['chap-md5', 'pap', 'mschapv2', 'eap'] },
}

/** How far the link has come before the peer turns hostile. */
const STARTS: Readonly<Record<string, () => Peer>> = {
  'LCP in negotiation': () => new Peer(),
  'LCP in negotiation, with a login of our own': () => new Peer({ config: DIALLING }),
  'PAP awaited': () => new Peer({ config: PAP_ONLY }).openLcp(),
  'CHAP awaited': () => new Peer().openLcp(),
  'MS-CHAPv2 awaited': () => new Peer({ config: { ...LNS_CONFIG, demandAuth: ['mschapv2'] } }).openLcp(),
  'EAP awaited': () => new Peer({ config: { ...LNS_CONFIG, demandAuth: ['eap'] } }).openLcp(),
  'hooks asked': () => {
    const peer = new Peer({ config: PAP_ONLY, answer: () => undefined }).openLcp()
    peer.sendPap('hb@hb', 'admin@123')
    return peer
  },
  'we log in by CHAP': () => new Peer({ config: DIALLING }).openLcp('0305 c223 05'),
  'we log in by MS-CHAPv2': () => new Peer({ config: DIALLING }).openLcp('0305 c223 81'),
  'we log in by EAP': () => new Peer({ config: DIALLING }).openLcp('0304 c227'),
  'we log in by PAP': () => new Peer({ config: DIALLING }).openLcp('0304 c023'),
  'IPCP in negotiation': () => new Peer({ config: PAP_ONLY }).enterNetwork(),
  'IPCP in negotiation, dialling': () => new Peer({ config: DIALLING }).openLcp(),
  up: () => new Peer({ config: PAP_ONLY }).enterNetwork().openIpcp(),
  ending: () => {
    const peer = new Peer({ config: PAP_ONLY }).enterNetwork()
    peer.wire.close(peer.us)
    return peer
  },
}

const deeds = fc.array(deed, { maxLength: 30, size: 'max' })

for (const [phase, start] of Object.entries(STARTS)) {
  test(`random deeds of a peer never throw, amplify or grow the state, and the link still ends: ${phase}`, () => {
    fc.assert(
      fc.property(deeds, list => {
        const peer = start()
        for (const act of list) {
          act.kind === 'frame' ? sendCounted(peer, act.bytes) : doDeed(peer, act)
          assert.ok(JSON.stringify(toJson(peer.us.link)).length < 6000)
        }
        peer.wire.close(peer.us)
        peer.wire.run(60_000)
        assert.ok(peer.us.closed && peer.us.idle)
      }),
      { numRuns: 300 },
    )
  })
}

/** One frame is answered by our own request and one answer at most, and by few octets more than it had. */
function sendCounted(peer: Peer, bytes: Uint8Array): void {
  const before = peer.us.sent.length
  peer.sendRaw(bytes)
  const answers = peer.us.sent.slice(before)
  const octets = answers.reduce((sum, answer) => sum + answer.length, 0)
  assert.ok(answers.length <= 3, `${answers.length} frames for one`)
  assert.ok(octets <= bytes.length + 150, `${octets} octets for ${bytes.length}`)
}

function doDeed(peer: Peer, act: Exclude<Deed, { kind: 'frame' }>): void {
  const name = act.kind === 'ack' && act.protocol === PPP.LCP ? 'LCP' : 'IPCP'
  if (act.kind === 'pass') peer.wire.run(act.ms)
  else if (peer.us.said.some(line => line.startsWith(`${name} Configure-Request`)))
    peer.acknowledge(act.protocol)
}

test('frames that are changed on the way never throw, and both ends still come to an end', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(40), octet), { maxLength: 10 }), changes => {
      const { wire, lns, client } = pair()
      let count = 0
      wire.tamper = bytes => {
        const change = changes.find(([at]) => at === count)
        count++
        if (change === undefined) return bytes
        const changed = bytes.slice()
        changed[change[1] % changed.length] = change[2]
        return changed
      }
      wire.start()
      wire.run(200_000)
      wire.close(lns)
      wire.close(client)
      wire.run(60_000)
      assert.ok(lns.closed && client.closed && lns.idle && client.idle)
    }),
    { numRuns: 300 },
  )
})
