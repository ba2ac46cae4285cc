/** RADIUS packets that no one here made: tcpdump's captures, and those that come with the `radius` package. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { RadiusAttribute } from '../../core/index.ts'
import { AttributeCodec } from '../../plugins/radius-client/attributes.ts'
import { decodePacket } from '../../plugins/radius-client/packet.ts'
import { ROOT } from '../support/imports.ts'
import { bytes, codec, DICTIONARY, dropped, hex, OPTIONAL, REQUIRED, told } from '../support/radius.ts'

const PCAP_HEADER_BYTES = 24
const UDP_HEADER_BYTES = 8
const EMPTY: Uint8Array = new Uint8Array(0)
const NAS = [
  { name: 'NAS-IP-Address', value: '127.0.0.1' },
  { name: 'NAS-Port', value: 1 },
] as const

test('RADIUS.pcap: a login with EAP-MD5', () => {
  const [request, challenge, answer, accept, ...more] = packetsOf('RADIUS')
  assert.equal(more.length, 0)
  const station = [
    { name: 'NAS-IP-Address', value: '10.0.0.1' },
    { name: 'NAS-Port', value: 50012 },
    { name: 'NAS-Port-Type', value: 15 },
    { name: 'User-Name', value: 'John.McGuirk' },
    { name: 'Called-Station-Id', value: '00-19-06-EA-B8-8C' },
    { name: 'Calling-Station-Id', value: '00-14-22-E9-54-5E' },
    { name: 'Service-Type', value: 2 },
    { name: 'Framed-MTU', value: 1500 },
  ]
  const state = { name: 'State', value: bytes('c6d195032fdc30240f7313b231ef1d77') }
  const framed = [
    { name: 'Framed-IP-Address', value: '255.255.255.254' },
    { name: 'Framed-MTU', value: 576 },
    { name: 'Service-Type', value: 2 },
  ]
  assert.deepEqual(shown(request), [
    1,
    5,
    [...station, { name: 'EAP-Message', value: bytes(`02000011 01${hex(Buffer.from('John.McGuirk'))}`) }],
  ])
  assert.deepEqual(shown(challenge), [
    11,
    5,
    [
      ...framed,
      { name: 'Reply-Message', value: 'Hello, %u' },
      { name: 'EAP-Message', value: bytes('010100160410266b0e9a58322f4d01ab25b35f879464') },
      state,
    ],
  ])
  assert.deepEqual(shown(answer), [
    1,
    6,
    [
      ...station,
      state,
      {
        name: 'EAP-Message',
        value: bytes(`020100220410c9f9769597e320843f5f2af7b8f1c9bd${hex(Buffer.from('John.McGuirk'))}`),
      },
    ],
  ])
  assert.deepEqual(shown(accept), [
    2,
    6,
    [
      ...framed,
      { name: 'Reply-Message', value: 'Hello, John.McGuirk' },
      { name: 'EAP-Message', value: bytes('03010004') },
      { name: 'User-Name', value: 'John.McGuirk' },
    ],
  ])
})

test('RADIUS-RFC3162.pcap: prefixes, right and wrong', () => {
  const [request, ...more] = packetsOf('RADIUS-RFC3162')
  assert.equal(more.length, 0)
  const [code, identifier, [name, password, ...prefixes]] = shown(request)
  assert.deepEqual([code, identifier, name], [1, 240, { name: 'User-Name', value: 'bob' }])
  assert.deepEqual(password, { name: 'User-Password', value: 'hello' })
  const wrong = (octets: string) => ({ name: 'Attr-97', value: bytes(octets) })
  assert.deepEqual(prefixes, [
    { name: 'NAS-IPv6-Address', value: '2001:db8:a0b:12f0::1' },
    { name: 'Framed-IPv6-Prefix', value: '2001:db8:a0b:12f0::/64' },
    { name: 'Framed-IPv6-Prefix', value: '2001:db8:a0b:12f0::/64' },
    { name: 'Framed-IPv6-Prefix', value: '::/0' },
    // No length.
    wrong('00'),
    // 17 octets.
    wrong('004020010db80a0b12f0000000000000000000'),
    // 129 bits.
    wrong('008120010db80a0b12f00000000000000001'),
  ])
})

test('RADIUS-RFC4675.pcap: VLANs, signed on either side', () => {
  const packets = packetsOf('RADIUS-RFC4675')
  const users = ['bob-tagged', 'bob-untagged', 'bob-invalid']
  const egress = [0x3100_007b, 0x3200_007b, 0x3300_007b]
  const names = ['1vlanname', '2vlanname', '3vlanname']
  for (const [at, user] of users.entries()) {
    const [request = EMPTY, reply = EMPTY] = packets.slice(2 * at)
    // Message-Authenticator is the last there.
    const decoded = codec.decodeRequest(request, REQUIRED.secret, REQUIRED)
    const [name, password, ...others] = told(decoded)
    assert.deepEqual(name, { name: 'User-Name', value: user })
    assert.deepEqual(password, { name: 'User-Password', value: 'hello' })
    assert.deepEqual(others, NAS)
    assert.ok(decoded.kind === 'message')
    const { identifier, authenticator } = decoded
    const frame = { code: 'Access-Request', identifier, authenticator } as const
    assert.deepEqual(told(codec.decodeReply(reply, { ...OPTIONAL, ...frame })), [
      { name: 'Egress-VLANID', value: egress[at] },
      { name: 'Ingress-Filters', value: at + 1 },
      { name: 'Egress-VLAN-Name', value: names[at] },
      ...(at === 0 ? [{ name: 'User-Priority-Table', value: bytes(hex(Buffer.from('abcdabcd'))) }] : []),
    ])
    assert.equal(
      dropped(codec.decodeReply(reply, { ...REQUIRED, ...frame })),
      'missing-message-authenticator',
    )
  }
})

test('RADIUS-RFC5176.pcap: a packet of each code', () => {
  const packets = packetsOf('RADIUS-RFC5176')
  assert.deepEqual(
    packets.map(packet => shown(packet).slice(0, 2)),
    [40, 41, 42, 43, 44, 45].map((code, at) => [code, at + 1]),
  )
  const [disconnect = EMPTY, , , coa = EMPTY] = packets
  assert.equal(dropped(codec.decodeRequest(coa, REQUIRED.secret)), 'wrong-authenticator')
  const decoded = codec.decodeRequest(disconnect, REQUIRED.secret, REQUIRED)
  assert.ok(decoded.kind === 'message')
  assert.deepEqual(decoded.message, { code: 'Disconnect-Request', attributes: [] })
})

test('RADIUS-RFC5176-2.pcap: causes of errors', () => {
  const [request] = packetsOf('RADIUS-RFC5176-2')
  const [code, identifier, [name, password, ...causes]] = shown(request)
  assert.deepEqual([code, identifier, name], [1, 200, { name: 'User-Name', value: 'bob' }])
  assert.deepEqual(password, { name: 'User-Password', value: 'hello' })
  assert.deepEqual(causes, [
    { name: 'Error-Cause', value: 201 },
    { name: 'Error-Cause', value: 209 },
  ])
})

test('RADIUS-port1700.pcap: a CoA-Request', () => {
  const [request = EMPTY] = packetsOf('RADIUS-port1700')
  const decoded = codec.decodeRequest(request, REQUIRED.secret)
  assert.ok(decoded.kind === 'message')
  assert.deepEqual(decoded.message, {
    code: 'CoA-Request',
    attributes: [{ name: 'User-Name', value: 'bob' }],
  })
  assert.equal(
    dropped(codec.decodeRequest(request, REQUIRED.secret, REQUIRED)),
    'missing-message-authenticator',
  )
})

test("the radius package's own captures: Aruba and Cisco", () => {
  const secret = 'nearbuy'
  const aruba = told(codec.decodeRequest(packaged('aruba_mac_auth'), secret))
  assert.deepEqual(find(aruba, 'User-Name'), ['7c:c5:37:ff:f8:af'])
  assert.deepEqual(find(aruba, 'User-Password'), ['7c:c5:37:ff:f8:af'])
  const accounting = codec.decodeRequest(packaged('cisco_accounting'), secret)
  assert.deepEqual(find(told(accounting), 'Acct-Status-Type'), [1])
  assert.deepEqual(find(told(accounting), 'Tunnel-Private-Group-Id'), ['5'])
  assert.deepEqual(find(told(accounting), 'Vendor-14179-Attr-1'), [bytes('00000002')])
  assert.ok(accounting.kind === 'message')
  const response = packaged('cisco_accounting_response')
  const frame = { ...OPTIONAL, ...accounting, secret, code: 'Accounting-Request' } as const
  assert.deepEqual(told(codec.decodeReply(response, frame)), [])
  assert.equal(dropped(codec.decodeRequest(packaged('invalid_register'), secret)), 'malformed')
  assert.equal(dropped(codec.decodeRequest(packaged('cisco_accounting'), 'another')), 'wrong-authenticator')
})

/** UDP payloads of IPv4 packets, over Ethernet or a Linux cooked capture. */
function packetsOf(name: string): readonly Uint8Array[] {
  const file = readFileSync(join(ROOT, 'test/packets/radius', `${name}.pcap`))
  const linkBytes = file.readUInt32LE(20) === 113 ? 16 : 14
  const packets: Uint8Array[] = []
  for (let at = PCAP_HEADER_BYTES; at < file.length; ) {
    const length = file.readUInt32LE(at + 8)
    const ip = file.subarray(at + 16 + linkBytes, at + 16 + length)
    packets.push(ip.subarray(4 * ((ip[0] ?? 0) & 0xf) + UDP_HEADER_BYTES, ip.readUInt16BE(2)))
    at += 16 + length
  }
  return packets
}

/** What a packet says, whoever signed it. */
function shown(datagram = EMPTY): [code: number, identifier: number, readonly RadiusAttribute[]] {
  const packet = decodePacket(datagram)
  assert.ok(packet)
  const secret = new TextEncoder().encode(REQUIRED.secret)
  const hiding = { secret, authenticator: packet.authenticator, nextSalt: () => 0 }
  return [packet.code, packet.identifier, new AttributeCodec(DICTIONARY).decode(packet.attributes, hiding)]
}

function packaged(name: string): Uint8Array {
  const folder = dirname(createRequire(import.meta.url).resolve('radius/package.json'))
  return Uint8Array.from(readFileSync(join(folder, 'test/captures', `${name}.packet`)))
}

function find(attributes: readonly RadiusAttribute[], name: string) {
  return attributes.filter(attribute => attribute.name === name).map(({ value }) => value)
}
