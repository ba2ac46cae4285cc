/** IPv6 on a link (RFC 5072), beside IPv4 and without it. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import {
  type Answerer,
  answerer,
  CLIENT_ADDRESS,
  CLIENT_CONFIG,
  GRANT,
  kinds,
  LEASE,
  LEASES,
  LNS_CONFIG,
  pair,
} from './harness.ts'
import { Peer } from './peer.ts'

const {
  CONFIGURE_REQUEST,
  CONFIGURE_ACK,
  CONFIGURE_NAK,
  CONFIGURE_REJECT,
  TERMINATE_REQUEST,
  TERMINATE_ACK,
  PROTOCOL_REJECT,
} = CP_CODE
const LNS: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'], ipv6: true }
const CLIENT: PppConfig = { ...CLIENT_CONFIG, ipv6: true }
const OWN = '0000000000000001'
const PEERS = '021122fffe334455'

/** A peer in the network phase that has read what we sent. */
function inNetwork({
  config = LNS,
  answer = answerer,
}: {
  config?: PppConfig
  answer?: Answerer
} = {}): Peer {
  const peer = new Peer({ config, answer }).enterNetwork()
  peer.heard()
  return peer
}

function openIpv6cp(peer: Peer): void {
  peer.acknowledge(PPP.IPV6CP)
  peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 1, `010a${PEERS}`)
}

// Behind functions, for what was read once may change.
const network = (peer: Peer) => peer.us.network
const closed = (peer: Peer) => peer.us.closed

const only = (peer: Peer, protocol: number) =>
  peer
    .heard()
    .filter(heard => heard.protocol === protocol)
    .map(({ packet: { code, data } }) => [code, Buffer.from(data).toString('hex')])

for (const restoring of [false, true])
  test(`both ends get IPv4 and IPv6${restoring ? ', restored at every step' : ''}`, () => {
    const { wire, lns, client } = pair({ config: LNS }, { config: CLIENT }, { restoring })
    wire.start()
    wire.run(2000)
    assert.deepEqual(kinds(lns), [
      'authenticate',
      'authorize',
      'assignAddress',
      'assignAddress',
      'assignAddress',
      'decidePolicy',
    ])
    assert.deepEqual(lns.network?.leases, Object.values(LEASES))
    const [ours, theirs] = [lns.network?.ipv6, client.network?.ipv6]
    assert.equal(ours?.localInterfaceId, OWN)
    assert.match(ours.peerInterfaceId, /^[\da-f]{16}$/)
    assert.notEqual(ours.peerInterfaceId, OWN)
    const { address, ...identifiers } = theirs ?? assert.fail('the client has no IPv6')
    assert.deepEqual(identifiers, {
      localInterfaceId: ours.peerInterfaceId,
      peerInterfaceId: ours.localInterfaceId,
      mtuBytes: lns.network?.mtuBytes,
    })
    assert.ok(address?.startsWith(LEASES['ipv6-prefix'].value.replace('::/64', ':')), address)
    assert.equal(lns.network?.peerAddress, CLIENT_ADDRESS)
    assert.equal(lns.downs, 0)
    wire.close(client)
    wire.run(10_000)
    assert.equal(lns.closed?.cause, 'peer-hangup')
    assert.ok(lns.idle && client.idle)
  })

for (const [asked, code, answer = asked] of [
  [`010a${PEERS}`, CONFIGURE_ACK],
  [`0204004f 010a${PEERS}`, CONFIGURE_REJECT, '0204004f'],
  ['0104 0000', CONFIGURE_REJECT],
  [`7f03ff 010a${PEERS}`, CONFIGURE_REJECT, '7f03ff'],
] as const)
  test(`a request for "${asked}" is answered by code ${code}`, () => {
    const peer = inNetwork()
    peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 0, asked)
    assert.deepEqual(only(peer, PPP.IPV6CP), [[code, answer.replaceAll(' ', '')]])
  })

for (const [what, asked] of [
  ['no identifier', ''],
  ['zero', `010a${'0'.repeat(16)}`],
  ['our own', `010a${OWN}`],
] as const)
  test(`a peer that asks for ${what} is told another, and one that insists does without IPv6`, () => {
    const peer = inNetwork()
    peer.openIpcp()
    peer.heard()
    peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 1, asked)
    const { code, data: better } = peer.heardOne()
    assert.equal(code, CONFIGURE_NAK)
    assert.match(better, /^010a[\da-f]{15}[13579bdf]$/)
    assert.notEqual(better, `010a${OWN}`)
    for (let identifier = 2; identifier < 20; identifier++)
      peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, identifier, asked)
    peer.wire.run(60_000)
    assert.notEqual(peer.us.link.ipv6cp.state, 'opened')
    assert.equal(closed(peer), undefined)
    assert.equal(network(peer)?.peerAddress, CLIENT_ADDRESS)
    assert.equal(network(peer)?.ipv6, undefined)
  })

test('a client takes another identifier when it is told to', () => {
  const { wire, client } = pair({ config: LNS }, { config: CLIENT })
  let nakked = false
  wire.tamper = (frame, from) => {
    // Its first request comes out as one for the identifier of the LNS.
    if (from !== client || nakked || frame[2] !== 0x80 || frame[3] !== 0x57) return frame
    nakked = true
    const changed = frame.slice()
    changed.set(Buffer.from(OWN, 'hex'), changed.length - 8)
    return changed
  }
  wire.start()
  wire.run(20_000)
  assert.ok(nakked)
  assert.notEqual(client.network?.ipv6, undefined)
})

test('IPv6 that comes up late, or goes, changes the session and ends nothing', () => {
  const peer = inNetwork()
  peer.openIpcp()
  assert.equal(peer.us.ups.length, 1)
  assert.equal(network(peer)?.ipv6, undefined)
  openIpv6cp(peer)
  assert.deepEqual(network(peer)?.ipv6, { localInterfaceId: OWN, peerInterfaceId: PEERS })
  peer.send(PPP.IPV6CP, TERMINATE_REQUEST, 9)
  assert.equal(network(peer)?.ipv6, undefined)
  assert.equal(network(peer)?.peerAddress, CLIENT_ADDRESS)
  assert.equal(peer.us.downs, 0)
  assert.equal(closed(peer), undefined)
})

test('IPv6 is negotiated anew while IPv4 goes on', () => {
  const peer = inNetwork()
  peer.openIpcp()
  openIpv6cp(peer)
  peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 5, '010a0aaaaaaaaaaaaaaa')
  assert.equal(network(peer)?.ipv6, undefined)
  peer.acknowledge(PPP.IPV6CP)
  assert.equal(network(peer)?.ipv6?.peerInterfaceId, '0aaaaaaaaaaaaaaa')
  assert.equal(peer.us.downs, 0)
})

test('a peer without IPv4 has a session of IPv6 alone, told when IPv4 is out of the question', () => {
  const peer = inNetwork()
  openIpv6cp(peer)
  assert.equal(network(peer), undefined, 'IPv4 may still come')
  peer.send(PPP.LCP, PROTOCOL_REJECT, 1, '8021 0101000a 0306ac100101')
  assert.equal(network(peer)?.peerAddress, '0.0.0.0')
  assert.deepEqual(network(peer)?.ipv6, { localInterfaceId: OWN, peerInterfaceId: PEERS })
  assert.equal(closed(peer), undefined)
  peer.send(PPP.IPV6CP, TERMINATE_REQUEST, 9)
  peer.wire.run(20_000)
  assert.match(closed(peer)?.text ?? '', /does not speak IPCP/)
  assert.ok(peer.us.idle)
})

test('IPv4 that is terminated leaves IPv6, and may come back', () => {
  const peer = inNetwork()
  peer.openIpcp()
  openIpv6cp(peer)
  peer.send(PPP.IPCP, TERMINATE_REQUEST, 7)
  peer.wire.run(10_000)
  assert.equal(closed(peer), undefined)
  assert.equal(network(peer)?.peerAddress, '0.0.0.0')
  peer.send(PPP.IPCP, CONFIGURE_REQUEST, 8, '0306ac100133')
  peer.acknowledge(PPP.IPCP)
  assert.equal(network(peer)?.peerAddress, CLIENT_ADDRESS)
  assert.equal(peer.us.downs, 0)
})

test('a peer that rejects IPV6CP, or never answers it, has IPv4', () => {
  for (const rejects of [true, false]) {
    const peer = inNetwork()
    peer.openIpcp()
    if (rejects) peer.send(PPP.LCP, PROTOCOL_REJECT, 1, `8057 0101000e 010a${OWN}`)
    for (let second = 0; second < 60; second++) {
      peer.wire.run(1000)
      // It is alive.
      peer.send(PPP.LCP, CP_CODE.ECHO_REPLY, peer.us.link.lcp.identifier, '00000000')
    }
    assert.equal(closed(peer), undefined)
    assert.equal(network(peer)?.peerAddress, CLIENT_ADDRESS)
    assert.equal(peer.us.timers.has('ipv6cp-restart'), false)
  }
})

test('who is given no prefix is told so by Protocol-Reject, as without IPv6 in the config', () => {
  const without: Answerer = ask =>
    ask.kind === 'assignAddress' && ask.address !== 'ipv4' ? { kind: 'accept' } : answerer(ask)
  for (const peer of [inNetwork({ answer: without }), inNetwork({ config: { ...LNS, ipv6: false } })]) {
    peer.openIpcp()
    peer.heard()
    peer.send(PPP.IPV6CP, CONFIGURE_REQUEST, 1, `010a${PEERS}`)
    const { protocol, code, data } = peer.heardOne()
    assert.deepEqual([protocol, code, data.slice(0, 4)], [PPP.LCP, PROTOCOL_REJECT, '8057'])
    assert.deepEqual(network(peer)?.leases, [LEASE])
    assert.equal(closed(peer), undefined)
  }
})

test('a prefix that is none, or that is refused, turns the peer away as an address does', () => {
  for (const kind of ['ipv6-prefix', 'delegated-prefix'] as const)
    for (const [verdict, text] of [
      [{ kind: 'accept', lease: { ...LEASES[kind], value: '2001:db8::' } }, /is no IPv6 prefix/],
      [{ kind: 'deny', reason: 'the pool is empty' }, /the pool is empty/],
    ] as const) {
      const answer: Answerer = ask =>
        ask.kind === 'assignAddress' && ask.address === kind ? verdict : answerer(ask)
      const peer = new Peer({ config: LNS, answer }).openLcp()
      peer.sendPap('hb@hb', 'admin@123')
      peer.wire.run(20_000)
      assert.equal(closed(peer)?.cause, 'no-address')
      assert.match(closed(peer)?.text ?? '', text)
      assert.deepEqual(peer.us.link.leases.map(lease => lease.kind).slice(0, 1), ['ipv4'], 'to be given back')
    }
})

test('a grant with a route of IPv6 alone has IPv6', () => {
  const answer: Answerer = ask => {
    if (ask.kind === 'authenticate')
      return { kind: 'accept', grant: { ...GRANT, routes: ['2001:db8:9::/48'] } }
    return ask.kind === 'assignAddress' && ask.address !== 'ipv4' ? { kind: 'accept' } : answerer(ask)
  }
  const peer = inNetwork({ answer })
  peer.openIpcp()
  openIpv6cp(peer)
  assert.equal(network(peer)?.ipv6?.peerInterfaceId, PEERS)
})

test('IPV6CP knows TERMINATE_ACK and no packet of IPv6 before it is open', () => {
  const peer = inNetwork()
  peer.openIpcp()
  openIpv6cp(peer)
  peer.heard()
  peer.send(PPP.IPV6CP, TERMINATE_REQUEST, 3)
  assert.deepEqual(only(peer, PPP.IPV6CP)[0]?.[0], TERMINATE_ACK)
})

test('a packet of IPv6 after we gave up on the answers has it negotiated once more', () => {
  const peer = inNetwork()
  peer.openIpcp()
  for (let second = 0; second < 40; second++) {
    peer.wire.run(1000)
    peer.send(PPP.LCP, CP_CODE.ECHO_REPLY, peer.us.link.lcp.identifier, '00000000')
  }
  assert.equal(peer.us.link.ipv6cp.state, 'stopped')
  peer.heard()
  peer.sendRaw(`ff03 0057 ${'00'.repeat(40)}`)
  assert.deepEqual(
    only(peer, PPP.IPV6CP).map(([code]) => code),
    [CONFIGURE_REQUEST],
  )
  openIpv6cp(peer)
  assert.equal(network(peer)?.ipv6?.peerInterfaceId, PEERS)
})
