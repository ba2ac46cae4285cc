/** RADIUS attributes: each type, tag, way of hiding and frame, as octets beside what they say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RadiusAttribute, RadiusValue } from '../../core/index.ts'
import {
  attributesHex,
  bytes,
  codec,
  decodedHex,
  encodedHex,
  hex,
  IDENTIFIER,
  OPTIONAL,
  replyHex,
  requestOf,
  SECRET,
  told,
} from '../support/radius.ts'

interface Golden {
  readonly section: string
  readonly name: string
  readonly value: RadiusValue
  readonly tag?: number
  /** Of the attribute, behind type and length. */
  readonly type: number
  readonly octets: string
}

const utf8 = (text: string) => hex(Buffer.from(text))

/** Both ways. */
const GOLDEN: readonly Golden[] = [
  { section: 'RFC 2865 5.1', name: 'User-Name', value: 'jörg', type: 1, octets: '6ac3b67267' },
  { section: 'RFC 2865 5.8', name: 'Framed-IP-Address', value: '10.0.0.255', type: 8, octets: '0a0000ff' },
  {
    section: 'RFC 2865 5.8',
    name: 'Framed-IP-Address',
    value: '255.255.255.254',
    type: 8,
    octets: 'fffffffe',
  },
  { section: 'RFC 2865 5.25', name: 'Class', value: bytes('00ff'), type: 25, octets: '00ff' },
  { section: 'RFC 2865 5.27', name: 'Session-Timeout', value: 0xffff_ffff, type: 27, octets: 'ffffffff' },
  { section: 'RFC 2869 5.3', name: 'Event-Timestamp', value: 1_700_000_000, type: 55, octets: '6553f100' },
  {
    section: 'RFC 3162 2.1',
    name: 'NAS-IPv6-Address',
    value: '2001:db8::1',
    type: 95,
    octets: `20010db8${'0'.repeat(22)}01`,
  },
  { section: 'RFC 3162 2.1', name: 'NAS-IPv6-Address', value: '::', type: 95, octets: '0'.repeat(32) },
  {
    section: 'RFC 3162 2.1',
    name: 'NAS-IPv6-Address',
    value: '1:0:0:2::3',
    type: 95,
    octets: '00010000000000020000000000000003',
  },
  {
    section: 'RFC 3162 2.2',
    name: 'Framed-Interface-Id',
    value: '0000:0000:00ab:0001',
    type: 96,
    octets: '0000000000ab0001',
  },
  {
    section: 'RFC 3162 2.3',
    name: 'Framed-IPv6-Prefix',
    value: '2001:db8:0:1::/64',
    type: 97,
    octets: `004020010db800000001${'0'.repeat(16)}`,
  },
  {
    section: 'RFC 3162 2.3',
    name: 'Framed-IPv6-Prefix',
    value: '::/0',
    type: 97,
    octets: `0000${'0'.repeat(32)}`,
  },
  {
    section: 'RFC 3162 2.3',
    name: 'Framed-IPv6-Prefix',
    value: 'ff::1/128',
    type: 97,
    octets: `008000ff${'0'.repeat(26)}01`,
  },
  {
    section: 'RFC 4818 3',
    name: 'Delegated-IPv6-Prefix',
    value: '2001:db8::/33',
    type: 123,
    octets: `002120010db8${'0'.repeat(24)}`,
  },
  {
    section: 'RFC 5447 4.2.1',
    name: 'MIP6-Feature-Vector',
    value: 2n ** 64n - 1n,
    type: 124,
    octets: 'f'.repeat(16),
  },
  { section: 'RFC 5904 3.1', name: 'PKM-SS-Cert', value: bytes('01'), type: 137, octets: '01' },
  {
    section: 'RFC 6572 4.13',
    name: 'PMIP6-Home-IPv4-HoA',
    value: '10.1.0.0/16',
    type: 155,
    octets: '00100a010000',
  },
  {
    section: 'RFC 6911 3.1',
    name: 'Framed-IPv6-Address',
    value: 'fe80::1:0',
    type: 168,
    octets: `fe80${'0'.repeat(20)}00010000`,
  },
  { section: 'RFC 2868 3.1', name: 'Tunnel-Type', value: 3, tag: 1, type: 64, octets: '01000003' },
  { section: 'RFC 2868 3.1', name: 'Tunnel-Type', value: 3, tag: 31, type: 64, octets: '1f000003' },
  { section: 'RFC 2868 3.1', name: 'Tunnel-Type', value: 3, type: 64, octets: '00000003' },
  {
    section: 'RFC 2868 3.8',
    name: 'Tunnel-Preference',
    value: 0xff_ffff,
    tag: 2,
    type: 83,
    octets: '02ffffff',
  },
  {
    section: 'RFC 2868 3.3',
    name: 'Tunnel-Client-Endpoint',
    value: 'gw',
    tag: 1,
    type: 66,
    octets: '016777',
  },
  {
    section: 'RFC 2868 3.3',
    name: 'Tunnel-Client-Endpoint',
    value: '10.0.0.1',
    type: 66,
    octets: utf8('10.0.0.1'),
  },
  { section: 'RFC 2868 3.3', name: 'Tunnel-Client-Endpoint', value: '\u001fx', type: 66, octets: '001f78' },
  { section: 'RFC 2868 3.3', name: 'Tunnel-Client-Endpoint', value: ' x', type: 66, octets: '2078' },
  { section: 'RFC 2865 5.26', name: 'Cisco-AVPair', value: 'a=b', type: 26, octets: '00000009 01 05 613d62' },
  {
    section: 'RFC 2548 2.5.1',
    name: 'MS-Primary-DNS-Server',
    value: '9.9.9.9',
    type: 26,
    octets: '00000137 1c 06 09090909',
  },
  {
    section: 'MikroTik',
    name: 'Mikrotik-Rate-Limit',
    value: '1M/2M',
    type: 26,
    octets: `00003a8c 08 07 ${utf8('1M/2M')}`,
  },
  {
    section: 'WISPr',
    name: 'WISPr-Bandwidth-Max-Up',
    value: 64_000,
    type: 26,
    octets: '0000372a 07 06 0000fa00',
  },
  { section: 'RFC 2865 5', name: 'Attr-245', value: bytes('0102'), type: 245, octets: '0102' },
  {
    section: 'RFC 2865 5.26',
    name: 'Vendor-4294967295-Attr-255',
    value: bytes('01'),
    type: 26,
    octets: 'ffffffff ff 03 01',
  },
  {
    section: 'RFC 2865 5.26',
    name: 'Vendor-4242-Attr-7',
    value: bytes('0102'),
    type: 26,
    octets: '00001092 07 04 0102',
  },
]

for (const { section, name, value, tag, type, octets } of GOLDEN)
  test(`${section}: ${name} ${String(value)}${tag === undefined ? '' : `, tag ${tag}`}`, () => {
    const attribute = { name, value, ...(tag !== undefined && { tag }) }
    assert.deepEqual(encodedHex(attribute), [[type, hex(bytes(octets))]])
    assert.deepEqual(decodedHex(attributesHex([type, octets])), [attribute])
  })

test('a value that has a name is sent by it, and read as a number', () => {
  assert.deepEqual(encodedHex({ name: 'NAS-Port-Type', value: 'Virtual' }), [[61, '00000005']])
  assert.deepEqual(encodedHex({ name: 'Tunnel-Type', value: 'L2TP', tag: 1 }), [[64, '01000003']])
  assert.deepEqual(encodedHex({ name: 'Tunnel-Medium-Type', value: 'IPv4' }), [[65, '00000001']])
  assert.deepEqual(decodedHex(attributesHex([61, '00000005'])), [{ name: 'NAS-Port-Type', value: 5 }])
})

/** Octets that are no value of the type: type and octets, and what they are kept as. */
const NO_VALUES: readonly [section: string, type: number, octets: string, name?: string][] = [
  ['RFC 2865 5: an address of 3 octets', 8, '0a0000'],
  ['RFC 2865 5: an address of 5 octets', 8, '0a00000101'],
  ['RFC 2865 5: an address of none', 8, ''],
  ['RFC 2865 5: a number of 3 octets', 27, '000001'],
  ['RFC 2865 5: a number of 5 octets', 27, '0000000001'],
  ['RFC 2869 5.3: a date of 8 octets', 55, '0000000000000001'],
  ['RFC 3162 2.1: an address of 15 octets', 95, '00'.repeat(15)],
  ['RFC 3162 2.1: an address of 17 octets', 95, '00'.repeat(17)],
  ['RFC 3162 2.2: an interface id of 7 octets', 96, '00'.repeat(7)],
  ['RFC 3162 2.3: a prefix without its length', 97, '00'],
  ['RFC 3162 2.3: a prefix of 129 bits', 97, `0081${'00'.repeat(16)}`],
  ['RFC 3162 2.3: a prefix of 17 octets', 97, `0040${'00'.repeat(17)}`],
  ['RFC 3162 2.3: bits beyond the prefix', 97, `0040${'00'.repeat(8)}01`],
  ['RFC 3162 2.3: one bit beyond the prefix', 97, '002120010db840'],
  ['RFC 6572 4.13: a prefix of 33 bits', 155, '00210a010000'],
  ['RFC 6572 4.13: a prefix of 3 octets', 155, '00100a0100'],
  ['RFC 6572 4.13: bits beyond the prefix', 155, '000f0a010000'],
  ['RFC 5447 4.2.1: 7 octets', 124, '00'.repeat(7)],
  ['RFC 2868 3.1: a number with a tag above 31', 64, '20000003'],
  ['RFC 2868 3.1: a number with a tag, of 3 octets', 64, '010003'],
  ['RFC 2868 3.1: a number with a tag, of 5 octets', 64, '0100000003'],
  ['RFC 2868 3.1: a number with a tag, of none', 64, ''],
  ['RFC 2865 5.26: a vendor without attributes', 26, '00000137'],
  ['RFC 2865 5.26: no whole vendor id', 26, '000001'],
  ['RFC 2865 5.26: an attribute that overruns', 26, '00000137 1c 07 09090909'],
  ['RFC 2865 5.26: an attribute of length 1', 26, '00000137 1c 01'],
  ['RFC 2865 5.26: an octet too many', 26, '00000137 1c 06 09090909 1c'],
  ['RFC 2865 5.26: the vendor 0', 26, '00000000 01 05 626f62'],
  ['RFC 2548 2.5.1: an address of 5 octets', 26, '00000137 1c 07 0909090909', 'Vendor-311-Attr-28'],
]

for (const [what, type, octets, name = `Attr-${type}`] of NO_VALUES)
  test(`${what}: kept as octets by number, and nothing by name`, () => {
    const kept = name.startsWith('Vendor') ? bytes(octets).subarray(6) : bytes(octets)
    assert.deepEqual(decodedHex(attributesHex([type, octets])), [{ name, value: Uint8Array.from(kept) }])
  })

test('RFC 3162 2.3: zeroes at the end of a prefix may be left out', () => {
  assert.deepEqual(decodedHex(attributesHex([97, '0000'], [97, '004020010db8'])), [
    { name: 'Framed-IPv6-Prefix', value: '::/0' },
    { name: 'Framed-IPv6-Prefix', value: '2001:db8::/64' },
  ])
})

test('RFC 2868 3.3: text whose first octet is above 31 has no tag, 0 is no tag', () => {
  assert.deepEqual(decodedHex(attributesHex([66, '2061'], [66, '1f61'], [66, '0061'], [66, ''])), [
    { name: 'Tunnel-Client-Endpoint', value: ' a' },
    { name: 'Tunnel-Client-Endpoint', value: 'a', tag: 31 },
    { name: 'Tunnel-Client-Endpoint', value: 'a' },
    { name: 'Tunnel-Client-Endpoint', value: '' },
  ])
})

test('RFC 2865 5: text that is no UTF-8 is read as Latin-1', () => {
  assert.deepEqual(decodedHex(attributesHex([11, '6af67267'])), [{ name: 'Filter-Id', value: 'jörg' }])
})

test('RFC 2865 5: text and octets of length 0 are not sent', () => {
  assert.deepEqual(
    encodedHex({ name: 'Calling-Station-Id', value: '' }, { name: 'Class', value: bytes('') }),
    [],
  )
})

test('RFC 2865 5: Class, State and Proxy-State keep their order among the others', () => {
  const attributes = ['01', '02', '03', '04'].flatMap(value => [
    { name: 'Class', value: bytes(value) },
    { name: 'Proxy-State', value: bytes(value) },
    { name: 'Reply-Message', value },
  ])
  const { authenticator } = requestOf()
  const frame = { identifier: IDENTIFIER, authenticator }
  const reply = codec.encodeReply({ code: 'Access-Accept', attributes }, frame, SECRET)
  assert.deepEqual(
    told(codec.decodeReply(reply, { ...OPTIONAL, ...frame, code: 'Access-Request' })),
    attributes,
  )
})

test('RFC 2865 5.26: several attributes of a vendor in one', () => {
  assert.deepEqual(decodedHex(attributesHex([26, '00000137 1c 06 01010101 63 03 ff 1d 06 02020202'])), [
    { name: 'MS-Primary-DNS-Server', value: '1.1.1.1' },
    { name: 'Vendor-311-Attr-99', value: bytes('ff') },
    { name: 'MS-Secondary-DNS-Server', value: '2.2.2.2' },
  ])
})

const REFUSED: readonly RadiusAttribute[] = [
  { name: 'No-Such-Attribute', value: 1 },
  { name: 'Attr-256', value: bytes('01') },
  { name: 'Attr-9.300', value: bytes('01') },
  { name: 'Vendor-9-Attr-256', value: bytes('01') },
  { name: 'Vendor-4294967296-Attr-1', value: bytes('01') },
  { name: 'Message-Authenticator', value: new Uint8Array(16) },
  { name: 'Attr-80', value: new Uint8Array(16) },
  { name: 'Framed-IP-Address', value: '10.0.0' },
  { name: 'Framed-IP-Address', value: '10.0.0.256' },
  { name: 'Framed-IP-Address', value: 1 },
  { name: 'NAS-IPv6-Address', value: 'fe80::1%eth0' },
  { name: 'NAS-IPv6-Address', value: '10.0.0.1' },
  { name: 'Framed-IPv6-Prefix', value: '2001:db8::1/64' },
  { name: 'Framed-IPv6-Prefix', value: '2001:db8::/129' },
  { name: 'Framed-IPv6-Prefix', value: '2001:db8::' },
  { name: 'PMIP6-Home-IPv4-HoA', value: '10.0.0.0/33' },
  { name: 'Framed-Interface-Id', value: '1:2:3' },
  { name: 'Framed-Interface-Id', value: '12345:2:3:4' },
  { name: 'NAS-Port', value: -1 },
  { name: 'NAS-Port', value: 2 ** 32 },
  { name: 'NAS-Port', value: 1.5 },
  { name: 'NAS-Port', value: '5' },
  { name: 'NAS-Port-Type', value: 'Telepathy' },
  { name: 'NAS-Port', value: 1, tag: 1 },
  { name: 'Tunnel-Type', value: 3, tag: 32 },
  { name: 'Tunnel-Type', value: 3, tag: 0 },
  { name: 'Tunnel-Type', value: 2 ** 24, tag: 1 },
  { name: 'MIP6-Feature-Vector', value: 2n ** 64n },
  { name: 'MIP6-Feature-Vector', value: -1n },
  { name: 'State', value: 'text' },
  { name: 'State', value: new Uint8Array(254) },
  { name: 'Tunnel-Client-Endpoint', value: 'x'.repeat(253), tag: 1 },
  { name: 'Cisco-AVPair', value: 'x'.repeat(248) },
  { name: 'MS-CHAP2-Response', value: new Uint8Array(49) },
]

test('what cannot be sent is refused with its name', () => {
  for (const attribute of REFUSED)
    assert.throws(
      () => encodedHex(attribute),
      (error: Error & { code: string }) =>
        error.code === 'RADIUS_ATTRIBUTE' && error.message.startsWith(`${attribute.name}: `),
      `${attribute.name} ${String(attribute.value)}`,
    )
})

test('the longest values go through', () => {
  const attributes = [
    { name: 'State', value: new Uint8Array(253) },
    { name: 'Tunnel-Client-Endpoint', value: 'x'.repeat(252), tag: 1 },
    { name: 'Cisco-AVPair', value: 'x'.repeat(247) },
    { name: 'User-Name', value: 'x'.repeat(253) },
  ]
  const { authenticator } = requestOf()
  const frame = { identifier: IDENTIFIER, authenticator }
  const reply = codec.encodeReply({ code: 'Access-Accept', attributes }, frame, SECRET)
  assert.deepEqual(
    told(codec.decodeReply(reply, { ...OPTIONAL, ...frame, code: 'Access-Request' })),
    attributes,
  )
})

test('a dotted address inside an IPv6 address', () => {
  assert.deepEqual(encodedHex({ name: 'NAS-IPv6-Address', value: '::ffff:192.0.2.1' }), [
    [95, `${'0'.repeat(20)}ffffc0000201`],
  ])
})

test('an answer that is not signed at all is still held to its digest', () => {
  const { authenticator } = requestOf()
  const frame = { ...OPTIONAL, identifier: IDENTIFIER, authenticator, code: 'Access-Request' } as const
  assert.equal(codec.decodeReply(replyHex(2, new Uint8Array(16), ''), frame).kind, 'drop')
})
