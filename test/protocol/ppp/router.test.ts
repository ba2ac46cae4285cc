/** The LNS as the IPv6 router and the DHCP server of a session. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { Grant } from '../../../core/protocol/outputs.ts'
import type { PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE } from '../../../core/wire/ppp-options.ts'
import { ipv4, ipv6, octets, octets6, sum16, u16, udp } from '../../support/ip-packets.ts'
import { type Answerer, answerer, CLIENT_ADDRESS, except, GRANT, LNS_ADDRESS, LNS_CONFIG } from './harness.ts'
import { Peer } from './peer.ts'

const PEERS = '021122fffe334455'
const PEER = 'fe80::211:22ff:fe33:4455'
const ROUTER = 'fe80::1'
const DNS6 = '2001:db8::53'
const CONFIG: PppConfig = { ...LNS_CONFIG, demandAuth: ['pap'], ipv6: true, dns6: [DNS6] }
const UNCOMPRESSED = { acfc: false, pfc: false }

function opened({
  config = CONFIG,
  answer = answerer,
}: {
  config?: PppConfig
  answer?: Answerer
} = {}): Peer {
  const peer = new Peer({ config, answer }).enterNetwork().openIpcp()
  peer.acknowledge(PPP.IPV6CP)
  peer.send(PPP.IPV6CP, CP_CODE.CONFIGURE_REQUEST, 1, `010a${PEERS}`)
  return peer
}

const send = (peer: Peer, packet: Uint8Array, protocol: number = PPP.IPV6) =>
  peer.sendRaw(encodePppFrame(protocol, packet, UNCOMPRESSED))

/** Packets of IP that we sent since the last call. */
function reader(peer: Peer) {
  let read = 0
  return (protocol: number = PPP.IPV6): Uint8Array[] => {
    const frames = peer.us.sent.slice(read).map(decodePppFrame)
    read = peer.us.sent.length
    return frames.flatMap(frame => (frame?.protocol === protocol ? [frame.payload] : []))
  }
}

const hex = (bytes: Uint8Array | readonly number[] | undefined) => Buffer.from(bytes ?? []).toString('hex')
const hexOf = (address: string) => hex(octets6(address))

/** A packet whose checksum is right. */
function withSum(packet: Uint8Array, sumAt: number): Uint8Array {
  const [protocol = 0] = packet.subarray(6)
  const payload = packet.subarray(40)
  const summed = packet.slice()
  summed.set([0, 0], 40 + sumAt)
  const sum = sum16([...packet.subarray(8, 40), 0, protocol, ...u16(payload.length), ...summed.subarray(40)])
  summed.set(u16(sum), 40 + sumAt)
  return summed
}

function icmp(message: string, { source = PEER, destination = 'ff02::2', hopLimit = 255 } = {}): Uint8Array {
  const payload = Uint8Array.from(Buffer.from(message.replaceAll(' ', ''), 'hex'))
  return withSum(ipv6({ source, destination, protocol: 58, payload, hopLimit }), 2)
}

const RS = '85000000 00000000'
/** Other configuration, half an hour, MTU 1400, the prefix for addresses of hosts, a DNS server. */
const RA = [
  '8600....4040070800000000000000000501000000000578',
  '030440c000015180000038400000000020010db80001003300000000000000001903000000000708',
  hexOf(DNS6),
].join('')

function assertSummed(packet: Uint8Array | undefined): void {
  assert.ok(packet !== undefined)
  const [protocol = 0] = packet.subarray(6)
  assert.equal(
    sum16([...packet.subarray(8, 40), 0, protocol, ...u16(packet.length - 40), ...packet.subarray(40)]),
    0,
  )
}

test('the router advertises the prefix when IPv6 opens, soon again, then every ten minutes until it ends', () => {
  const peer = opened()
  const packets = reader(peer)
  const [first, ...others] = packets()
  assert.equal(others.length, 0)
  assertSummed(first)
  assert.equal(hex(first?.subarray(6, 8)), '3aff')
  assert.equal(hex(first?.subarray(8, 40)), hexOf(ROUTER) + hexOf('ff02::1'))
  assert.match(hex(first?.subarray(40)), new RegExp(`^${RA}$`))
  peer.wire.run(10_000)
  assert.equal(packets().length, 2)
  peer.send(PPP.IPV6CP, CP_CODE.TERMINATE_REQUEST, 9)
  peer.wire.run(10_000)
  assert.equal(peer.us.timers.has('router-advertisement'), false)
  assert.deepEqual(packets(), [])
})

test('a solicitation is answered to whoever asks, or to all where it has no address yet', () => {
  const peer = opened()
  const packets = reader(peer)
  packets()
  for (const [source, to] of [
    [PEER, PEER],
    ['::', 'ff02::1'],
  ] as const) {
    send(peer, icmp(RS, { source }))
    const [answer, ...others] = packets()
    assert.equal(others.length, 0)
    assert.equal(hex(answer?.subarray(24, 40)), hexOf(to))
    assert.match(hex(answer?.subarray(40)), new RegExp(`^${RA}$`))
  }
})

test('what a router must not believe gets no answer', () => {
  const peer = opened()
  const packets = reader(peer)
  packets()
  send(peer, icmp(RS, { hopLimit: 64 }))
  const wrongSum = icmp(RS)
  wrongSum[42] = (wrongSum[42] ?? 0) ^ 1
  send(peer, wrongSum)
  send(peer, icmp('87000000 00000000'))
  send(peer, icmp(`87000000 00000000 ${hexOf('fe80::2')}`))
  send(peer, icmp('80000000 00010001', { destination: 'fe80::2' }))
  send(peer, icmp('86000000 00000000 00000000 00000000'))
  send(peer, new Uint8Array(40))
  assert.deepEqual(packets(), [])
  assert.deepEqual(peer.us.drops, ['ppp-malformed', 'ppp-malformed', 'ppp-malformed'])
})

test('a neighbour solicitation and a ping are answered from the address of the router', () => {
  const peer = opened()
  const packets = reader(peer)
  packets()
  send(peer, icmp(`87000000 00000000 ${hexOf(ROUTER)}`, { destination: 'ff02::1:ff00:1' }))
  const [advertisement] = packets()
  assertSummed(advertisement)
  assert.match(hex(advertisement?.subarray(40)), new RegExp(`^8800....c0000000${hexOf(ROUTER)}$`))
  send(peer, icmp('80000000 00070001 61626364', { destination: ROUTER, hopLimit: 64 }))
  const [pong] = packets()
  assertSummed(pong)
  assert.match(hex(pong?.subarray(40)), /^8100....0007000161626364$/)
  assert.equal(hex(pong?.subarray(8, 40)), hexOf(ROUTER) + hexOf(PEER))
})

test('a peer without a prefix of its own link is told of none', () => {
  const answer: Answerer = ask =>
    ask.kind === 'assignAddress' && ask.address === 'ipv6-prefix' ? { kind: 'accept' } : answerer(ask)
  const [first] = reader(opened({ answer }))()
  assert.equal(hex(first?.subarray(56, 64)), '0501000000000578')
  assert.equal(hex(first?.subarray(64, 66)), '1903')
})

const CLIENT_ID = '0001000a 00030001 021122334455'
const ASKS_PREFIX = '0019000c 00000007 00000000 00000000'
const ASKS_ADDRESS = '0003000c 00000009 00000000 00000000'
const PREFIX = `0019 0029 00000007 00001c20 00002d00 001a 0019 00003840 00015180 38 ${hexOf('2001:db8:a::')}`
const NO_PREFIX = (identity: string) => `0019 0012 ${identity} 00000000 00000000 000d 0002 0006`
const NO_ADDRESS = '0003 0012 00000009 00000000 00000000 000d 0002 0002'
const DNS = `0017 0010 ${hexOf(DNS6)}`

/** What DHCPv6 answers, from the type on; undefined: nothing. */
function dhcpv6(peer: Peer, packets: ReturnType<typeof reader>, message: string): string | undefined {
  const data = Uint8Array.from(Buffer.from(message.replaceAll(' ', ''), 'hex'))
  const ends = { source: PEER, destination: 'ff02::1:2' }
  send(
    peer,
    ipv6({ ...ends, protocol: 17, payload: udp({ ...ends, sourcePort: 546, destinationPort: 547, data }) }),
  )
  const [answer, ...others] = packets()
  assert.equal(others.length, 0)
  if (answer === undefined) return undefined
  assertSummed(answer)
  assert.equal(hex(answer.subarray(8, 44)), `${hexOf(ROUTER)}${hexOf(PEER)}02230222`)
  return hex(answer.subarray(48))
}

test('DHCPv6: the delegated prefix and DNS servers, however the client asks', () => {
  const peer = opened()
  const packets = reader(peer)
  packets()
  const ask = (message: string) => dhcpv6(peer, packets, message)
  const advertise = ask(`01 abcdef ${CLIENT_ID} ${ASKS_PREFIX}`) ?? ''
  const [, serverId = ''] = /^02abcdef.{28}(00020012.{36})/.exec(advertise) ?? []
  assert.match(serverId, /^000200120004/)
  const said = (type: string, ...options: string[]) =>
    [type, 'abcdef', CLIENT_ID, serverId, ...options].join('').replaceAll(' ', '')
  assert.equal(advertise, said('02', PREFIX, DNS))
  for (const [what, message, answer] of [
    ['Request', `03 abcdef ${CLIENT_ID} ${serverId} ${ASKS_PREFIX}`, said('07', PREFIX, DNS)],
    ['Renew', `05 abcdef ${CLIENT_ID} ${serverId} ${ASKS_PREFIX}`, said('07', PREFIX, DNS)],
    ['Rebind', `06 abcdef ${CLIENT_ID} ${ASKS_PREFIX}`, said('07', PREFIX, DNS)],
    ['Rapid Commit', `01 abcdef ${CLIENT_ID} 000e0000 ${ASKS_PREFIX}`, said('07', '000e0000', PREFIX, DNS)],
    ['Release', `08 abcdef ${CLIENT_ID} ${serverId} ${ASKS_PREFIX}`, said('07', '000d00020000', DNS)],
    ['Request after it', `03 abcdef ${CLIENT_ID} ${serverId} ${ASKS_PREFIX}`, said('07', PREFIX, DNS)],
    ['Information-request', `0b abcdef ${CLIENT_ID}`, said('07', DNS)],
    [
      'an address',
      `01 abcdef ${CLIENT_ID} ${ASKS_ADDRESS} ${ASKS_PREFIX}`,
      said('02', NO_ADDRESS, PREFIX, DNS),
    ],
    [
      'two prefixes',
      `01 abcdef ${CLIENT_ID} ${ASKS_PREFIX} ${ASKS_PREFIX.replace('07', '08')}`,
      said('02', PREFIX, NO_PREFIX('00000008'), DNS),
    ],
  ] as const)
    assert.equal(ask(message), answer, what)
  assert.equal(ask('0b abcdef'), `07abcdef${serverId}${DNS}`.replaceAll(' ', ''))
  for (const [what, message] of [
    ['no client id', `01 abcdef ${ASKS_PREFIX}`],
    ['a Solicit to one server', `01 abcdef ${CLIENT_ID} ${serverId}`],
    ['a Request to nobody', `03 abcdef ${CLIENT_ID} ${ASKS_PREFIX}`],
    ['a Request to another', `03 abcdef ${CLIENT_ID} ${serverId.slice(0, -2)}00 ${ASKS_PREFIX}`],
    ['a Confirm', `04 abcdef ${CLIENT_ID} ${ASKS_ADDRESS}`],
    ['an answer', `07 abcdef ${CLIENT_ID} ${serverId}`],
    ['options cut short', `01 abcdef ${CLIENT_ID} 0019000d 00`],
    ['a header cut short', '01 ab'],
  ] as const)
    assert.equal(ask(message), undefined, what)
})

test('DHCPv6: without a prefix to delegate the client is told so; the DNS servers of the grant go first', () => {
  const answer: Answerer = ask => {
    if (ask.kind === 'assignAddress' && ask.address === 'delegated-prefix') return { kind: 'accept' }
    return ask.kind === 'authenticate'
      ? { kind: 'accept', grant: { ...GRANT, dns6: ['2001:db8::5353'] } }
      : answerer(ask)
  }
  const peer = opened({ answer })
  const packets = reader(peer)
  packets()
  const said = dhcpv6(peer, packets, `01 abcdef ${CLIENT_ID} ${ASKS_PREFIX}`) ?? ''
  assert.ok(
    said.endsWith(`${NO_PREFIX('00000007')} 0017 0010 ${hexOf('2001:db8::5353')}`.replaceAll(' ', '')),
    said,
  )
})

const INFORM_CONFIG: PppConfig = {
  ...LNS_CONFIG,
  demandAuth: ['pap'],
  clientRoutes: ['192.168.1.0/24', '10.0.0.0/8', '172.16.99.7/32'],
  domain: 'corp.example',
}

/** A DHCPINFORM as Windows sends it, with `options` after its type. */
function inform(options: string, { address = CLIENT_ADDRESS, type = '08' } = {}): Uint8Array {
  const fixed = [
    '01010600 deadbeef 0000 8000',
    hex(octets(address)),
    '00'.repeat(12),
    '021122334455',
    '00'.repeat(10 + 64 + 128),
    '63825363 3501',
    type,
    options,
    'ff',
  ].join('')
  const data = Uint8Array.from(Buffer.from(fixed.replaceAll(' ', ''), 'hex'))
  const ends = { source: CLIENT_ADDRESS, destination: '255.255.255.255' }
  return ipv4({ ...ends, protocol: 17, payload: udp({ ...ends, sourcePort: 68, destinationPort: 67, data }) })
}

function informed(
  options: string,
  more: Parameters<typeof inform>[1] = {},
  config = INFORM_CONFIG,
  grant: Grant = GRANT,
) {
  const authorized = except('authorize', { kind: 'accept', grant })
  const peer = new Peer({ config, answer: authorized }).enterNetwork().openIpcp()
  const packets = reader(peer)
  packets(PPP.IPV4)
  send(peer, inform(options, more), PPP.IPV4)
  const [answer, ...others] = packets(PPP.IPV4)
  assert.equal(others.length, 0)
  return answer
}

const LNS_HEX = hex(octets(LNS_ADDRESS))
const ROUTES = ['18 c0a801', '08 0a', '20 ac106307'].map(route => route + LNS_HEX).join('')
const ROUTES_HEX = ROUTES.replaceAll(' ', '')
const ROUTES_LENGTH = (ROUTES_HEX.length / 2).toString(16).padStart(2, '0')

test('DHCPINFORM: routes as 121 and 249, DNS and domain, as far as the client wants them', () => {
  const all = informed('3707 01 0f 06 2c 79 f9 2b')
  assert.equal(hex(all?.subarray(12, 20)), LNS_HEX + hex(octets(CLIENT_ADDRESS)))
  assert.equal(sum16(all?.subarray(0, 20) ?? []), 0)
  assert.equal(hex(all?.subarray(20, 24)), '00430044')
  const dhcp = hex(all?.subarray(28))
  assert.equal(dhcp.slice(0, 48), `02010600deadbeef00008000${hex(octets(CLIENT_ADDRESS))}${'00'.repeat(8)}`)
  const options = [
    '63825363 350105',
    `3604${LNS_HEX}`,
    '0104ffffffff',
    `0608${hex(octets('192.168.1.53'))}${hex(octets('192.168.1.54'))}`,
    `0f0c${hex(Buffer.from('corp.example'))}`,
    `79${ROUTES_LENGTH}${ROUTES_HEX}`,
    `f9${ROUTES_LENGTH}${ROUTES_HEX}`,
    'ff',
  ]
  assert.equal(dhcp.slice(2 * 236), options.join('').replaceAll(' ', ''))
  const some = hex(informed('3701 f9')?.subarray(28 + 236))
  assert.equal(some, `63825363350105${`3604${LNS_HEX}`}f9${ROUTES_LENGTH}${ROUTES_HEX}ff`)
})

test('DHCPINFORM: routes and domain of the grant come before those of the config; what is no prefix is left out', () => {
  const many = Array.from({ length: 70 }, (_, nth) => `10.${nth}.0.0/16`)
  const grant = { ...GRANT, clientRoutes: ['10.8.0.0/16', 'nonsense', '10.0.0.0/33'], domain: 'lab.example' }
  const options = (own: typeof grant) =>
    hex(informed('3702 79 0f', {}, INFORM_CONFIG, own)?.subarray(28 + 236 + 4 + 3 + 6))
  assert.equal(options(grant), `0f0b${hex(Buffer.from('lab.example'))}7907100a08${LNS_HEX}ff`)
  const long = options({ ...grant, clientRoutes: many })
  assert.ok(long.includes(`100a3f${LNS_HEX}`) && !long.includes(`100a40${LNS_HEX}`), 'the first 64')
})

test('DHCPINFORM: others’ addresses, other messages, and a server without routes are not answered', () => {
  assert.equal(informed('3701 79', { address: '10.9.9.9' }), undefined)
  assert.equal(informed('3701 79', { type: '01' }), undefined)
  assert.equal(informed('37'), undefined)
  const { domain: _, ...without } = INFORM_CONFIG
  assert.equal(informed('3701 79', {}, { ...without, clientRoutes: [] }), undefined)
})

test('whatever a peer sends to the router of its link, nothing is thrown', () => {
  const peer = opened({ config: { ...CONFIG, clientRoutes: ['10.0.0.0/8'] } })
  const solicit = Buffer.from(`01abcdef${CLIENT_ID}${ASKS_PREFIX}`.replaceAll(' ', ''), 'hex')
  const ends = { source: PEER, destination: 'ff02::1:2' }
  const overUdp = (data: Uint8Array) =>
    ipv6({ ...ends, protocol: 17, payload: udp({ ...ends, sourcePort: 546, destinationPort: 547, data }) })
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 80 }).map(overUdp),
    fc
      .tuple(fc.nat(solicit.length - 1), fc.nat(255))
      .map(([at, octet]) => overUdp(Uint8Array.from(solicit).with(at, octet))),
    fc.uint8Array({ maxLength: 60 }).map(bytes => icmp(hex(bytes.length < 4 ? new Uint8Array(4) : bytes))),
    fc.uint8Array({ maxLength: 100 }),
  )
  fc.assert(
    fc.property(message, fc.constantFrom(PPP.IPV6, PPP.IPV4), (packet, protocol) =>
      send(peer, packet, protocol),
    ),
    { numRuns: 3000 },
  )
  const data = fc.tuple(fc.nat(), fc.nat(255))
  fc.assert(
    fc.property(data, ([at, octet]) => {
      const packet = inform('3707010f062c79f92b')
      // Behind the header, whose checksum would be wrong.
      send(peer, packet.with(20 + (at % (packet.length - 20)), octet), PPP.IPV4)
    }),
    { numRuns: 3000 },
  )
  assert.equal(peer.us.closed, undefined)
})
