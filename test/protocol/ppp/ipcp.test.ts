import assert from 'node:assert/strict'
import test from 'node:test'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { type Answerer, answerer, CLIENT_CONFIG, GRANT, LNS_CONFIG, pair } from './harness.ts'
import { Peer } from './peer.ts'

const { CONFIGURE_REQUEST, CONFIGURE_ACK, CONFIGURE_NAK, CONFIGURE_REJECT, TERMINATE_REQUEST } = CP_CODE
const PAP_ONLY: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'] }
const packed = (text: string) => text.replaceAll(' ', '')

const granting =
  (extra: { dns?: string[]; nbns?: string[] }): Answerer =>
  ask =>
    ask.kind === 'authenticate' ? { kind: 'accept', grant: { ...GRANT, ...extra } } : answerer(ask)

/** A peer in the network phase that has read what we sent. */
function inNetwork(extra: { dns?: string[]; nbns?: string[] } = {}, config = PAP_ONLY): Peer {
  const peer = new Peer({ config, answer: granting(extra) }).enterNetwork()
  peer.heard()
  return peer
}

for (const [asked, code, answer = asked] of [
  ['0306 ac100133', CONFIGURE_ACK],
  ['0306 00000000', CONFIGURE_NAK, '0306 ac100133'],
  ['0306 0a000001', CONFIGURE_NAK, '0306 ac100133'],
  ['', CONFIGURE_NAK, '0306 ac100133'],
  ['0306 ac100133 8106 00000000 8306 00000000', CONFIGURE_NAK, '8106 c0a80135 8306 c0a80136'],
  ['8106 08080808', CONFIGURE_NAK, '8106 c0a80135 0306 ac100133'],
  ['0306 ac100133 8106 c0a80135', CONFIGURE_ACK],
  ['0306 00000000 8206 00000000 8406 00000000', CONFIGURE_REJECT, '8206 00000000 8406 00000000'],
  ['0206 002d0f01 0306 00000000', CONFIGURE_REJECT, '0206 002d0f01'],
  ['010a 00000000 00000000', CONFIGURE_REJECT],
  ['0406 0a000001', CONFIGURE_REJECT],
  ['0304 ac10', CONFIGURE_REJECT],
] as const) {
  const verdict = {
    [CONFIGURE_ACK]: 'acknowledged',
    [CONFIGURE_NAK]: 'Nakked',
    [CONFIGURE_REJECT]: 'rejected',
  }[code]
  test(`an LNS that leased 172.16.1.51: a request for "${asked}" is ${verdict}`, () => {
    const peer = inNetwork()
    peer.send(PPP.IPCP, CONFIGURE_REQUEST, 0, asked)
    assert.deepEqual(peer.heardOne(), { protocol: PPP.IPCP, code, identifier: 0, data: packed(answer) })
  })
}

test('a second DNS server that is not set is rejected, NBNS servers that are set are given', () => {
  const peer = inNetwork({ dns: ['10.0.0.53'], nbns: ['10.0.0.42'] })
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '8306 00000000 8406 00000000')
  assert.equal(peer.heardOne().data, packed('8306 00000000 8406 00000000'))
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 2, '0306 ac100133 8106 00000000 8206 00000000')
  assert.equal(peer.heardOne().data, packed('8106 0a000035 8206 0a00002a'))
})

test('where the grant has no DNS servers, those of the config are given', () => {
  const { dns, ...grant } = GRANT
  const peer = new Peer({
    config: { ...PAP_ONLY, dns: ['9.9.9.9'] },
    answer: ask => (ask.kind === 'authenticate' ? { kind: 'accept', grant } : answerer(ask)),
  }).enterNetwork()
  peer.heard()
  assert.ok(dns)
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '0306 ac100133 8106 00000000')
  assert.equal(peer.heardOne().data, packed('8106 09090909'))
})

test('a name server that is no IPv4 address is not to be had', () => {
  const peer = inNetwork({ dns: ['2001:db8::1', 'nonsense'] })
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '8106 00000000')
  assert.equal(peer.heardOne().code, CONFIGURE_REJECT)
})

test('our request names the LNS address; where none is set, no address', () => {
  assert.equal(Buffer.from(inNetwork().lastRequest(PPP.IPCP).data).toString('hex'), packed('0306 ac100101'))
  const nameless = inNetwork({}, { ...PAP_ONLY, localAddress: '0.0.0.0' })
  assert.deepEqual(nameless.requestedTypes(PPP.IPCP), [])
})

test('a peer that wants us to have another address: we insist, then leave the option out', () => {
  const peer = inNetwork()
  peer.send(PPP.IPCP, CONFIGURE_NAK, peer.lastRequest(PPP.IPCP).identifier, '0306 0a000001')
  assert.deepEqual(peer.us.link.ipcp.ask, { 3: '172.16.1.1' })
  peer.send(PPP.IPCP, CONFIGURE_REJECT, peer.lastRequest(PPP.IPCP).identifier, '0306 ac100101')
  assert.deepEqual(peer.requestedTypes(PPP.IPCP), [])
})

test('a peer that insists on another address is ended, not let in to be dropped as a spoofer', () => {
  const peer = inNetwork()
  for (let identifier = 1; identifier < 50 && peer.us.link.ending === undefined; identifier++)
    peer.send(PPP.IPCP, CONFIGURE_REQUEST, identifier, '0306 0a000001')
  assert.deepEqual([peer.us.link.ending?.cause, peer.us.link.ending?.pppCause], ['ppp-failed', 19])
  const answers = peer.us.said.filter(line => /^IPCP Configure-(Nak|Reject)/.test(line))
  assert.equal(answers.length, LNS_CONFIG.maxFailure)
  assert.ok(answers.every(line => line.startsWith('IPCP Configure-Nak')))
})

test('a peer that never asks for an address is told it, Max-Failure times, then taken at its word', () => {
  const peer = inNetwork()
  peer.acknowledge(PPP.IPCP)
  for (let round = 0; round < LNS_CONFIG.maxFailure; round++) {
    peer.send(PPP.IPCP, CONFIGURE_REQUEST, round, '')
    assert.equal(peer.heardOne().code, CONFIGURE_NAK)
  }
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 99, '')
  assert.equal(peer.heardOne().code, CONFIGURE_ACK)
  assert.equal(peer.us.network?.peerAddress, '172.16.1.51')
})

test('IPCP before the network phase is dropped, and is answered when the peer repeats it', () => {
  const peer = new Peer({ config: PAP_ONLY }).openLcp()
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '0306 00000000')
  assert.deepEqual(peer.us.drops, ['ppp-phase'])
  peer.logIn()
  peer.heard()
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, '0306 00000000')
  assert.equal(peer.heardOne().code, CONFIGURE_NAK)
})

test('a peer that terminates IPCP ends the link', () => {
  const peer = inNetwork().openIpcp()
  peer.send(PPP.IPCP, TERMINATE_REQUEST, 9)
  assert.deepEqual([peer.us.downs, peer.us.link.ending?.cause], [1, 'peer-hangup'])
})

test('an unknown code of IPCP is rejected, an Echo-Request among them', () => {
  const peer = inNetwork().openIpcp()
  peer.heard()
  peer.send(PPP.IPCP, CP_CODE.ECHO_REQUEST, 9, '00000000')
  assert.equal(peer.heardOne().code, CP_CODE.CODE_REJECT)
  assert.equal(peer.us.downs, 0)
})

test('a client takes the address and the servers that it is given, and rejects what it cannot give', () => {
  const { wire, client } = pair({ answer: granting({ dns: ['10.0.0.53', '10.0.0.53'] }) })
  wire.start()
  wire.run(1000)
  assert.equal(client.network?.localAddress, '172.16.1.51')
  assert.deepEqual(client.network?.dns, ['10.0.0.53'])
})

test('a client without a wish for DNS asks for its address only', () => {
  const { wire, client } = pair({}, { config: { ...CLIENT_CONFIG, requestDns: false } })
  wire.start()
  wire.run(1000)
  assert.deepEqual(client.link.ipcp.ask, { 3: '172.16.1.51' })
  assert.deepEqual(client.network?.dns, [])
})

test('a client whose DNS option is rejected comes up without', () => {
  const { wire, client } = pair({ answer: granting({ dns: [] }) })
  wire.start()
  wire.run(1000)
  assert.deepEqual([client.network?.localAddress, client.network?.dns], ['172.16.1.51', []])
})

for (const address of ['00000000', '7f000001', 'e0000001', 'ffffffff']) {
  test(`a client that is given ${address} for its own address ends with the reason`, () => {
    const { us, peer } = dialling()
    peer.acknowledge(PPP.IPCP)
    if (us.link.ending === undefined) assert.fail('0.0.0.0 was accepted')
    const other = dialling()
    other.peer.send(PPP.IPCP, CONFIGURE_NAK, other.peer.lastRequest(PPP.IPCP).identifier, `0306 ${address}`)
    other.peer.acknowledge(PPP.IPCP)
    assert.equal(other.us.link.ending?.cause, 'no-address')
  })
}

test('a client whose request for an address is rejected ends with the reason', () => {
  const { us, peer } = dialling()
  peer.send(PPP.IPCP, CONFIGURE_REJECT, peer.lastRequest(PPP.IPCP).identifier, '0306 00000000')
  assert.equal(us.link.ending?.cause, 'no-address')
})

test('a client accepts the address of the LNS, or none, but not 0.0.0.0', () => {
  for (const [asked, code] of [
    ['0306 0a000001', CONFIGURE_ACK],
    ['', CONFIGURE_ACK],
    ['0306 00000000', CONFIGURE_REJECT],
    ['8106 00000000', CONFIGURE_REJECT],
  ] as const) {
    const { peer } = dialling()
    peer.send(PPP.IPCP, CONFIGURE_REQUEST, 1, asked)
    assert.equal(peer.heardOne().code, code, asked)
  }
})

/** A client in its network phase, without authentication, against a scripted LNS. */
function dialling() {
  const { authAs, ...config } = CLIENT_CONFIG
  assert.ok(authAs)
  const peer = new Peer({ config }).openLcp()
  assert.equal(peer.us.link.phase, 'network')
  peer.heard()
  return { peer, us: peer.us }
}
