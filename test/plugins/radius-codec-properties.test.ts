/** RADIUS packets by chance: what is sent is what is read, for each attribute there is, and no octets make the decoder throw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RadiusAttribute, RadiusCode, RadiusDecoded, RadiusValue } from '../../core/index.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { DROP_REASONS, RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { CODES } from '../../plugins/radius-client/codes.ts'
import type { AttributeDefinition } from '../../plugins/radius-client/dictionary.ts'
import { DictionaryReader } from '../../plugins/radius-client/dictionary-reader.ts'
import { formatIpv6 } from '../../plugins/radius-client/ipv6.ts'
import type { ValueTypeName } from '../../plugins/radius-client/values.ts'
import {
  attributesHex,
  codec,
  DICTIONARY,
  hex,
  IDENTIFIER,
  OPTIONAL,
  patched,
  REQUIRED,
  replyHex,
  requestOf,
  SECRET,
} from '../support/radius.ts'

const MESSAGE_AUTHENTICATOR = 80
const VENDOR_SPECIFIC = 26

/** Types that no attribute of our dictionaries has, and members of TLVs. */
const MORE = new DictionaryReader()
  .addText(
    `VENDOR More 4000 format=2,1
    BEGIN-VENDOR More
    ATTRIBUTE More-Byte 1 byte
    ATTRIBUTE More-Short 2 short
    ATTRIBUTE More-Signed 3 signed
    ATTRIBUTE More-Integer64 4 integer64
    ATTRIBUTE More-Ether 5 ether
    ATTRIBUTE More-Ipv4-Prefix 6 ipv4prefix
    ATTRIBUTE More-Group 7 tlv
    ATTRIBUTE More-Member 7.1 ifid
    ATTRIBUTE More-Address 8 ipaddr encrypt=2
    ATTRIBUTE More-Date 9 date
    ATTRIBUTE More-Ascend 10 string encrypt=3
    END-VENDOR More`,
    'more',
  )
  .finish()

const octets = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map(found => Uint8Array.from(found))
/** Without zeroes at the end, which hiding cannot tell from padding; of one kind of octet each. */
const text = (longest: number) =>
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: longest })
    .map(value => `${value.replaceAll('\0', '')}x`)
    .filter(value => Buffer.byteLength(value) <= longest)

function cleared(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, at) => byte & ~(0xff >> Math.min(8, Math.max(0, length - 8 * at))))
}

const groups = (count: number, digits: number) =>
  fc
    .array(fc.nat(16 ** digits - 1), { minLength: count, maxLength: count })
    .map(found => found.map(group => group.toString(16).padStart(digits, '0')).join(':'))

/** With runs of zeroes, which text leaves out. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  .map(all => Uint8Array.from(all))
const ipv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }).map(all => Uint8Array.from(all))

const ARBITRARIES: Readonly<
  Record<ValueTypeName, (definition: AttributeDefinition) => fc.Arbitrary<RadiusValue>>
> = {
  string: definition => text(longestOf(definition)),
  octets: definition =>
    definition.exactOctets === undefined
      ? octets(1, longestOf(definition)).map(value =>
          definition.encrypt === 1 ? Uint8Array.from({ ...value, length: 16 }) : value,
        )
      : octets(definition.exactOctets, definition.exactOctets),
  ipaddr: () => ipv4.map(address => address.join('.')),
  ipv6addr: () => ipv6.map(formatIpv6),
  ipv4prefix: () =>
    fc.tuple(ipv4, fc.nat(32)).map(([address, length]) => `${cleared(address, length).join('.')}/${length}`),
  ipv6prefix: () =>
    fc
      .tuple(ipv6, fc.nat(128))
      .map(([address, length]) => `${formatIpv6(cleared(address, length))}/${length}`),
  ifid: () => groups(4, 4),
  ether: () => groups(6, 2),
  byte: () => fc.nat(255),
  short: () => fc.nat(65535),
  integer: ({ hasTag }) => fc.nat(hasTag ? 2 ** 24 - 1 : 2 ** 32 - 1),
  signed: () => fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  integer64: () => fc.bigInt(0n, 2n ** 64n - 1n),
  date: () => fc.nat(2 ** 32 - 1),
  tlv: () => fc.constant(0),
}

function longestOf({ encrypt, concat, vendorId }: AttributeDefinition): number {
  if (concat) return 2000
  if (encrypt !== 0) return encrypt === 1 ? 128 : encrypt === 2 ? 223 : 16
  return vendorId === 0 ? 252 : 240
}

function attributeOf(definition: AttributeDefinition): fc.Arbitrary<RadiusAttribute> {
  const { name, type, hasTag } = definition
  const tag = hasTag ? fc.option(fc.integer({ min: 1, max: 31 }), { nil: undefined }) : fc.constant(undefined)
  return fc
    .tuple(ARBITRARIES[type](definition), tag)
    .map(([value, found]) => ({ name, value, ...(found !== undefined && { tag: found }) }))
}

for (const [dictionary, reader] of [
  [DICTIONARY, codec],
  [MORE, new RadiusCodec(MORE)],
] as const)
  test(`what is sent is what is read, for each of ${[...dictionary.attributes].length} attributes`, () => {
    for (const definition of dictionary.attributes) {
      const [number = 0] = definition.path
      if (definition.type === 'tlv') continue
      if (definition.vendorId === 0 && [VENDOR_SPECIFIC, MESSAGE_AUTHENTICATOR].includes(number)) continue
      fc.assert(
        fc.property(attributeOf(definition), fc.nat(), (attribute, seed) => {
          const frame = { identifier: seed & 0xff, authenticator: new SeededRandom(seed).bytes(16) }
          const message = { code: 'Access-Accept', attributes: [attribute] } as const
          const reply = reader.encodeReply(message, frame, SECRET)
          const decoded = reader.decodeReply(reply, { ...REQUIRED, ...frame, code: 'Access-Request' })
          assert.ok(decoded.kind === 'message')
          assert.deepEqual(decoded.message, message)
        }),
        { numRuns: 20 },
      )
    }
  })

test('requests of many attributes are read as they were sent', () => {
  const several = [...DICTIONARY.attributes].filter(
    ({ vendorId, path: [number = 0], concat }) =>
      !concat && !(vendorId === 0 && [VENDOR_SPECIFIC, MESSAGE_AUTHENTICATOR].includes(number)),
  )
  const attributes = fc.array(fc.constantFrom(...several).chain(attributeOf), { maxLength: 12 })
  const code = fc.constantFrom(
    ...(Object.keys(CODES) as RadiusCode[]).filter(one => CODES[one].authenticator),
  )
  fc.assert(
    fc.property(attributes, code, fc.nat(255), fc.nat(), (found, kind, identifier, seed) => {
      const message = { code: kind, attributes: found }
      const random = new SeededRandom(seed)
      const { bytes: packet } = codec.encodeRequest({ ...message, identifier }, { secret: SECRET, random })
      const decoded = codec.decodeRequest(packet, SECRET, { requireMessageAuthenticator: true })
      assert.ok(decoded.kind === 'message')
      assert.deepEqual(decoded.message, message)
    }),
    { numRuns: 500 },
  )
})

/** It is a message, or one of the reasons; reading it twice says the same. */
function assertTotal(decode: () => RadiusDecoded): void {
  const decoded = decode()
  assert.ok(decoded.kind === 'message' || DROP_REASONS.some(reason => reason === decoded.reason))
  assert.deepEqual(decode(), decoded)
}

test('no octets make the decoder throw: 10,000 packets of chance', () => {
  const frame = { ...OPTIONAL, code: 'Access-Request', identifier: IDENTIFIER } as const
  fc.assert(
    fc.property(octets(0, 200), octets(16, 16), (packet, authenticator) => {
      assertTotal(() => codec.decodeRequest(packet, SECRET))
      assertTotal(() => codec.decodeReply(packet, { ...frame, authenticator }))
    }),
    { numRuns: 5000 },
  )
  const { bytes: packet } = requestOf('CoA-Request', [
    { name: 'EAP-Message', value: new Uint8Array(300) },
    { name: 'Tunnel-Password', value: 'x', tag: 1 },
    { name: 'Framed-IPv6-Prefix', value: '2001:db8::/32' },
    { name: 'Cisco-AVPair', value: 'a=b' },
  ])
  fc.assert(
    fc.property(fc.nat(packet.length - 1), fc.nat(255), fc.nat(packet.length), (at, byte, length) => {
      const changed = patched(packet, at, Uint8Array.of(byte))
      assertTotal(() => codec.decodeRequest(changed, SECRET))
      assertTotal(() => codec.decodeRequest(changed.subarray(0, length), SECRET))
    }),
    { numRuns: 5000 },
  )
})

test('no attributes make the decoder throw, however well the packet is signed: 10,000 of them', () => {
  const type = fc.oneof(fc.nat(255), fc.constantFrom(2, 26, 64, 66, 69, 79, 80, 95, 97, 124, 155))
  const vendor = fc.constantFrom('00000137', '00000009', '00003a8c', '00000fa0', '00000000')
  const value = fc.oneof(
    octets(0, 40).map(hex),
    fc.tuple(vendor, octets(0, 40)).map(([id, inner]) => id + hex(inner)),
    fc
      .tuple(vendor, fc.nat(40), octets(0, 60))
      .map(([id, number, inner]) => id + attributesHex([number, hex(inner)])),
  )
  const authenticator = new SeededRandom(3).bytes(16)
  const frame = { ...OPTIONAL, code: 'Access-Request', identifier: IDENTIFIER, authenticator } as const
  const readers = [codec, new RadiusCodec(MORE)]
  fc.assert(
    fc.property(fc.array(fc.tuple(type, value), { maxLength: 6 }), attributes => {
      const reply = replyHex(2, authenticator, attributesHex(...attributes))
      for (const reader of readers) assertTotal(() => reader.decodeReply(reply, frame))
    }),
    { numRuns: 10_000 },
  )
})
