/** The data types of attributes (RFC 8044), by the name that dictionaries give them. Both ways are total. */
import { decodeText, formatIpv4, parseIpv4, type RadiusValue } from 'burrow'
import { formatIpv6, IPV6_BYTES, parseIpv6 } from './ipv6.ts'
import { joined, numberAt, numberOctets } from './packet.ts'

interface ValueType {
  /** What `encode` takes, for a message. */
  readonly expects: string
  /** undefined: these octets are no value of the type. */
  readonly decode: (bytes: Uint8Array) => RadiusValue | undefined
  /** undefined: the type has no such value. */
  readonly encode: (value: RadiusValue) => Uint8Array | undefined
}

const IPV4_BYTES = 4

export const VALUE_TYPES = {
  string: {
    expects: 'text, or octets',
    decode: decodeText,
    encode: value =>
      typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : undefined,
  },
  octets: {
    expects: 'octets',
    decode: bytes => Uint8Array.from(bytes),
    encode: value => (value instanceof Uint8Array ? value : undefined),
  },
  ipaddr: {
    expects: 'an IPv4 address',
    decode: bytes => (bytes.length === IPV4_BYTES ? formatIpv4(numberAt(bytes, 0, IPV4_BYTES)) : undefined),
    encode: value => (typeof value === 'string' ? ipv4Octets(value) : undefined),
  },
  ipv6addr: {
    expects: 'an IPv6 address',
    decode: bytes => (bytes.length === IPV6_BYTES ? formatIpv6(bytes) : undefined),
    encode: value => (typeof value === 'string' ? parseIpv6(value) : undefined),
  },
  // RFC 8044 3.11: the prefix is whole.
  ipv4prefix: {
    expects: 'an IPv4 prefix without host bits, address/length',
    decode: bytes =>
      bytes.length === 2 + IPV4_BYTES ? decodePrefix(bytes, IPV4_BYTES, formatIpv4Octets) : undefined,
    encode: value => encodePrefix(value, ipv4Octets),
  },
  // RFC 3162 2.3: octets at the end may be left out.
  ipv6prefix: {
    expects: 'an IPv6 prefix without host bits, address/length',
    decode: bytes => decodePrefix(bytes, IPV6_BYTES, formatIpv6),
    encode: value => encodePrefix(value, parseIpv6),
  },
  ifid: {
    expects: 'an interface id as 1:2:3:4',
    decode: bytes => hexGroups(bytes, 8, 2),
    encode: value => groupOctets(value, /^[\da-f]{1,4}(:[\da-f]{1,4}){3}$/i, 2),
  },
  ether: {
    expects: 'a MAC address as 00:11:22:33:44:55',
    decode: bytes => hexGroups(bytes, 6, 1),
    encode: value => groupOctets(value, /^[\da-f]{2}(:[\da-f]{2}){5}$/i, 1),
  },
  byte: unsigned(1),
  short: unsigned(2),
  integer: unsigned(4),
  signed: {
    expects: 'a signed number of 32 bits',
    decode: bytes => (bytes.length === 4 ? numberAt(bytes, 0, 4) | 0 : undefined),
    encode: value =>
      typeof value === 'number' && (value | 0) === value ? numberOctets(value >>> 0, 4) : undefined,
  },
  integer64: {
    expects: 'an unsigned number of 64 bits',
    decode: bytes =>
      bytes.length === 8
        ? BigInt(numberAt(bytes, 0, 4)) * 2n ** 32n + BigInt(numberAt(bytes, 4, 4))
        : undefined,
    encode: encodeInteger64,
  },
  // Seconds since 1970.
  date: unsigned(4),
  tlv: { expects: 'its members by their own names', decode: () => undefined, encode: () => undefined },
} as const satisfies Record<string, ValueType>

export type ValueTypeName = keyof typeof VALUE_TYPES

/** Types whose values can have names. */
export const NUMBER_TYPES: ReadonlySet<ValueTypeName> = new Set<ValueTypeName>([
  'byte',
  'short',
  'integer',
  'signed',
  'integer64',
])

function unsigned(octets: number): ValueType {
  return {
    expects: `an unsigned number of ${8 * octets} bits`,
    decode: bytes => (bytes.length === octets ? numberAt(bytes, 0, octets) : undefined),
    encode: value =>
      typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 256 ** octets
        ? numberOctets(value, octets)
        : undefined,
  }
}

function encodeInteger64(value: RadiusValue): Uint8Array | undefined {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined
  const whole = BigInt(value as bigint | number)
  if (whole < 0n || whole >= 2n ** 64n) return undefined
  return joined([numberOctets(Number(whole >> 32n), 4), numberOctets(Number(whole & 0xffff_ffffn), 4)])
}

function ipv4Octets(text: string): Uint8Array | undefined {
  const address = parseIpv4(text)
  return address === undefined ? undefined : numberOctets(address >>> 0, IPV4_BYTES)
}

function formatIpv4Octets(bytes: Uint8Array): string {
  return formatIpv4(numberAt(bytes, 0, IPV4_BYTES))
}

function decodePrefix(
  bytes: Uint8Array,
  addressBytes: number,
  format: (address: Uint8Array) => string,
): string | undefined {
  const length = bytes[1]
  if (length === undefined || length > 8 * addressBytes || bytes.length > 2 + addressBytes) return undefined
  const address = new Uint8Array(addressBytes)
  address.set(bytes.subarray(2))
  return hasHostBits(address, length) ? undefined : `${format(address)}/${length}`
}

function encodePrefix(
  value: RadiusValue,
  parse: (text: string) => Uint8Array | undefined,
): Uint8Array | undefined {
  const [, text = '', digits = ''] = typeof value === 'string' ? (/^(.+)\/(\d{1,3})$/.exec(value) ?? []) : []
  const address = parse(text)
  const length = Number(digits)
  if (address === undefined || length > 8 * address.length || hasHostBits(address, length)) return undefined
  return joined([Uint8Array.of(0, length), address])
}

function hasHostBits(address: Uint8Array, length: number): boolean {
  return address.some((byte, at) => {
    const kept = Math.min(8, Math.max(0, length - 8 * at))
    return (byte & (0xff >> kept)) !== 0
  })
}

function hexGroups(bytes: Uint8Array, count: number, octets: 1 | 2): string | undefined {
  if (bytes.length !== count) return undefined
  const groups = Array.from({ length: count / octets }, (_, at) => numberAt(bytes, at * octets, octets))
  return groups.map(group => group.toString(16).padStart(2 * octets, '0')).join(':')
}

function groupOctets(value: RadiusValue, form: RegExp, octets: 1 | 2): Uint8Array | undefined {
  if (typeof value !== 'string' || !form.test(value)) return undefined
  return joined(value.split(':').map(group => numberOctets(Number.parseInt(group, 16), octets)))
}
