/** What real clients do (their quirks as far as PPP goes), each with a scripted peer that behaves so. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { DEFAULT_PPP } from '../../../core/protocol/ppp/config.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { LNS_CONFIG } from './harness.ts'
import { Peer } from './peer.ts'

const { CONFIGURE_REQUEST, CONFIGURE_ACK, CONFIGURE_NAK, CONFIGURE_REJECT, PROTOCOL_REJECT } = CP_CODE
const PAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'] }
const packed = (text: string) => text.replaceAll(' ', '')

/** Sends a request and returns what we say to it, as code and options. */
function ask(peer: Peer, protocol: number, identifier: number, options: string): [number, string] {
  peer.heard()
  peer.send(protocol, CONFIGURE_REQUEST, identifier, options)
  const { code, data } = peer.heardOne()
  return [code, data]
}

test('Windows: a whole call with PAP, from LCP id 0 with Callback to NBNS rejected', () => {
  const peer = new Peer({ config: PAP_ONLY })
  const wish = '0104 0578 0506 6a2b7c1d 0702 0802'
  assert.deepEqual(ask(peer, PPP.LCP, 0, `${wish} 0d03 06`), [CONFIGURE_REJECT, '0d0306'])
  assert.deepEqual(ask(peer, PPP.LCP, 1, wish), [CONFIGURE_ACK, packed(wish)])
  peer.acknowledge(PPP.LCP)
  peer.send(PPP.LCP, CP_CODE.IDENTIFICATION, 2, '6a2b7c1d 4d535241 5356352e 3230')
  peer.send(PPP.LCP, CP_CODE.IDENTIFICATION, 3, '6a2b7c1d 4d535241 532d302d 4445534b')
  peer.logIn()
  peer.heard()
  for (const [protocol, name] of [
    [PPP.IPV6CP, '8057'],
    [PPP.CCP, '80fd'],
  ] as const) {
    peer.send(protocol, CONFIGURE_REQUEST, 4, '1206 01000060')
    const { code, data } = peer.heardOne()
    assert.deepEqual([code, data.slice(0, 4)], [PROTOCOL_REJECT, name])
  }
  assert.deepEqual(
    ask(peer, PPP.IPCP, 6, '0306 00000000 8106 00000000 8206 00000000 8306 00000000 8406 00000000'),
    [CONFIGURE_REJECT, packed('8206 00000000 8406 00000000')],
  )
  assert.deepEqual(ask(peer, PPP.IPCP, 7, '0306 00000000 8106 00000000 8306 00000000'), [
    CONFIGURE_NAK,
    packed('0306 ac100133 8106 c0a80135 8306 c0a80136'),
  ])
  const given = '0306 ac100133 8106 c0a80135 8306 c0a80136'
  assert.deepEqual(ask(peer, PPP.IPCP, 8, given), [CONFIGURE_ACK, packed(given)])
  peer.acknowledge(PPP.IPCP)
  assert.deepEqual([peer.us.network?.peerAddress, peer.us.drops], ['172.16.1.51', []])
})

test('Windows and others: FF 03 kept or left out, whole or short protocol field, whatever was agreed', () => {
  for (const options of ['', '0702 0802']) {
    const peer = new Peer({ config: PAP_ONLY }).openLcp(options)
    peer.logIn()
    peer.heard()
    for (const frame of ['ff03 c021 0901 0008 01020304', 'c021 0901 0008 01020304']) {
      peer.sendRaw(frame)
      assert.equal(peer.heardOne().code, CP_CODE.ECHO_REPLY, frame)
    }
    for (const frame of ['ff03 003d 0101 0004', 'ff03 3d 0101 0004', '003d 0101 0004', '3d 0101 0004']) {
      peer.sendRaw(frame)
      assert.equal(peer.heardOne().data, '003d01010004', frame)
    }
  }
})

test('padding after a packet is ignored', () => {
  const peer = new Peer({ config: PAP_ONLY })
  peer.heard()
  peer.sendRaw('ff03 c021 01 01 0004 0000 0000 0000')
  assert.deepEqual(peer.heardOne(), { protocol: PPP.LCP, code: CONFIGURE_ACK, identifier: 1, data: '' })
})

test('macOS and iOS: silent to non-LCP until LCP is open, so nothing but LCP is sent before', () => {
  const peer = new Peer()
  peer.wire.run(20_000)
  assert.ok(peer.us.said.length > 5)
  assert.ok(peer.us.said.every(line => line.startsWith('LCP')))
  assert.deepEqual(ask(peer, PPP.LCP, 1, ''), [CONFIGURE_ACK, ''])
  peer.acknowledge(PPP.LCP)
  assert.equal(peer.heardOne().protocol, PPP.CHAP)
})

test('macOS and iOS: EAP Nakked with MS-CHAPv2 goes on with MS-CHAPv2', () => {
  const peer = new Peer({ config: { ...LNS_CONFIG, demandAuth: ['eap', 'mschapv2'] } })
  peer.send(PPP.LCP, CONFIGURE_NAK, peer.lastRequest(PPP.LCP).identifier, '0305 c223 81')
  assert.match(Buffer.from(peer.lastRequest(PPP.LCP).data).toString('hex'), /0305c22381/)
  peer.openLcp()
  assert.equal(peer.us.link.proof?.method, 'mschapv2')
})

test('Android: an LCP request sent before its PPP runs is lost, so it comes again', () => {
  const peer = new Peer({ config: PAP_ONLY })
  peer.heard()
  peer.wire.run(3000)
  assert.equal(peer.heardOne().code, CONFIGURE_REQUEST)
  peer.enterNetwork().openIpcp()
  assert.ok(peer.us.network)
})

test('Android: no LCP echo reply for less than two minutes of doze does not end the call', () => {
  const peer = new Peer({ config: PAP_ONLY }).enterNetwork().openIpcp()
  peer.wire.run(115_000)
  peer.send(PPP.LCP, CP_CODE.ECHO_REPLY, 1, '01020304')
  peer.wire.run(60_000)
  assert.equal(peer.us.closed, undefined)
})

test('MikroTik: MRU 1450 kept, MRRU and BCP turned down, CCP racing IPCP does no harm', () => {
  const peer = new Peer({ config: { ...PAP_ONLY, mruBytes: 1500 } })
  assert.deepEqual(ask(peer, PPP.LCP, 1, '0104 05aa 0506 11223344 1104 0640'), [CONFIGURE_REJECT, '11040640'])
  peer.openLcp('0104 05aa 0506 11223344').logIn()
  peer.heard()
  peer.send(PPP.CCP, CONFIGURE_REQUEST, 1, '1206 01000060')
  assert.equal(peer.heardOne().code, PROTOCOL_REJECT)
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 2, '0306 00000000')
  assert.equal(peer.heardOne().code, CONFIGURE_NAK)
  peer.send(PPP.CCP, CP_CODE.TERMINATE_REQUEST, 2)
  assert.equal(peer.heardOne().code, PROTOCOL_REJECT)
  peer.send(PPP.BCP, CONFIGURE_REQUEST, 1, '')
  assert.equal(peer.heardOne().code, PROTOCOL_REJECT)
  peer.openIpcp()
  assert.equal(peer.us.network?.mtuBytes, 1450)
})

test('CCP and IPv6CP during authentication are dropped, not answered (RFC 1661 3.5)', () => {
  const peer = new Peer({ config: PAP_ONLY }).openLcp()
  peer.heard()
  peer.send(PPP.CCP, CONFIGURE_REQUEST, 1)
  peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 1)
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-phase', 'ppp-phase']])
})

test('an IPv4 packet that comes before its flow is dropped and never rejected', () => {
  const peer = new Peer({ config: PAP_ONLY }).enterNetwork()
  peer.heard()
  peer.sendRaw('21 4500 0014')
  peer.sendRaw('ff03 0021 4500 0014')
  assert.deepEqual([peer.heard(), peer.us.drops], [[], ['ppp-phase', 'ppp-phase']])
})

test('a carrier LAC: frames before the call is connected are dropped, and the link comes up after', () => {
  const peer = new Peer({ config: PAP_ONLY })
  peer.us.link.phase = 'dead'
  peer.send(PPP.LCP, CONFIGURE_REQUEST, 1)
  assert.deepEqual(peer.us.drops, ['ppp-phase'])
  peer.us.link.phase = 'establish'
  peer.enterNetwork().openIpcp()
})

test('the defaults are what deployments settled on: MRU 1400, echoes every 30 s, four in vain', () => {
  for (const { mruBytes, echo } of Object.values(DEFAULT_PPP))
    assert.deepEqual([mruBytes, echo], [1400, { intervalMs: 30_000, failures: 4 }])
  assert.deepEqual(DEFAULT_PPP.lns.demandAuth, ['chap-md5', 'pap'])
})
