/** Packets of the PPP control protocols (RFC 1661 5) and the options that they carry (RFC 1661 6, 1332 3, 1877). */
import { BurrowError } from '../errors.ts'
import { formatIpv4, parseIpv4 } from './ip.ts'
import { PPP, pppProtocolName } from './ppp-frame.ts'

/** Codes of LCP; the network control protocols know the first seven (RFC 1661 5, RFC 1570 2). */
export const CP_CODE = {
  CONFIGURE_REQUEST: 1,
  CONFIGURE_ACK: 2,
  CONFIGURE_NAK: 3,
  CONFIGURE_REJECT: 4,
  TERMINATE_REQUEST: 5,
  TERMINATE_ACK: 6,
  CODE_REJECT: 7,
  PROTOCOL_REJECT: 8,
  ECHO_REQUEST: 9,
  ECHO_REPLY: 10,
  DISCARD_REQUEST: 11,
  IDENTIFICATION: 12,
  TIME_REMAINING: 13,
} as const

export const CP_CODE_NAMES: ReadonlyMap<number, string> = new Map([
  [CP_CODE.CONFIGURE_REQUEST, 'Configure-Request'],
  [CP_CODE.CONFIGURE_ACK, 'Configure-Ack'],
  [CP_CODE.CONFIGURE_NAK, 'Configure-Nak'],
  [CP_CODE.CONFIGURE_REJECT, 'Configure-Reject'],
  [CP_CODE.TERMINATE_REQUEST, 'Terminate-Request'],
  [CP_CODE.TERMINATE_ACK, 'Terminate-Ack'],
  [CP_CODE.CODE_REJECT, 'Code-Reject'],
  [CP_CODE.PROTOCOL_REJECT, 'Protocol-Reject'],
  [CP_CODE.ECHO_REQUEST, 'Echo-Request'],
  [CP_CODE.ECHO_REPLY, 'Echo-Reply'],
  [CP_CODE.DISCARD_REQUEST, 'Discard-Request'],
  [CP_CODE.IDENTIFICATION, 'Identification'],
  [CP_CODE.TIME_REMAINING, 'Time-Remaining'],
])

/** Code, identifier and the octets that the length field covers: the shape of LCP, IPCP, PAP and CHAP alike. */
export interface CpPacket {
  readonly code: number
  readonly identifier: number
  readonly data: Uint8Array
}

const HEADER_BYTES = 4

/** Undefined unless 4 <= Length <= what is there; octets beyond Length are padding (RFC 1661 5). Data is a view. */
export function decodeCpPacket(bytes: Uint8Array): CpPacket | undefined {
  const [code, identifier, high, low] = bytes
  if (code === undefined || identifier === undefined || high === undefined || low === undefined)
    return undefined
  const length = (high << 8) | low
  if (length < HEADER_BYTES || length > bytes.length) return undefined
  return { code, identifier, data: bytes.subarray(HEADER_BYTES, length) }
}

export function encodeCpPacket({ code, identifier, data }: CpPacket): Uint8Array {
  const length = HEADER_BYTES + data.length
  if (length > 0xffff) throw new BurrowError('WIRE_OVERFLOW', `a packet of ${length} octets`)
  const bytes = new Uint8Array(length)
  bytes.set([code, identifier, length >> 8, length & 0xff])
  bytes.set(data, HEADER_BYTES)
  return bytes
}

/** One option; its length field (value + 2) is implied. */
export interface CpOption {
  readonly type: number
  readonly value: Uint8Array
}

/** Undefined when an option's length is below 2 or beyond what remains. Values are views. */
export function decodeOptions(data: Uint8Array): readonly CpOption[] | undefined {
  const options: CpOption[] = []
  for (let at = 0; at < data.length; ) {
    const type = data[at]
    const length = data[at + 1]
    if (type === undefined || length === undefined || length < 2 || at + length > data.length)
      return undefined
    options.push({ type, value: data.subarray(at + 2, at + length) })
    at += length
  }
  return options
}

export function encodeOptions(options: readonly CpOption[]): Uint8Array {
  const bytes: number[] = []
  for (const { type, value } of options) {
    const length = value.length + 2
    if (length > 0xff) throw new BurrowError('WIRE_OVERFLOW', `option ${type} of ${length} octets`)
    bytes.push(type, length, ...value)
  }
  return Uint8Array.from(bytes)
}

export const LCP_OPTION = {
  MRU: 1,
  ACCM: 2,
  AUTH_PROTOCOL: 3,
  QUALITY_PROTOCOL: 4,
  MAGIC_NUMBER: 5,
  PFC: 7,
  ACFC: 8,
  CALLBACK: 13,
  MRRU: 17,
  SHORT_SEQUENCE: 18,
  ENDPOINT: 19,
} as const

export const IPCP_OPTION = {
  IP_ADDRESSES: 1,
  IP_COMPRESSION: 2,
  IP_ADDRESS: 3,
  PRIMARY_DNS: 129,
  PRIMARY_NBNS: 130,
  SECONDARY_DNS: 131,
  SECONDARY_NBNS: 132,
} as const

/** RFC 5072 4. */
export const IPV6CP_OPTION = { INTERFACE_IDENTIFIER: 1, COMPRESSION: 2 } as const

/** How the value of an option reads. `flag`: none; `auth`: protocol number, then perhaps an algorithm. */
export type OptionFormat = 'uint16' | 'uint32' | 'address' | 'auth' | 'flag' | 'identifier' | 'bytes'

export interface OptionSpec {
  readonly name: string
  readonly format: OptionFormat
}

const spec = (name: string, format: OptionFormat): OptionSpec => ({ name, format })

/** The options of each control protocol, by type. */
export const CP_OPTIONS: Readonly<Record<number, ReadonlyMap<number, OptionSpec>>> = {
  [PPP.LCP]: new Map([
    [LCP_OPTION.MRU, spec('MRU', 'uint16')],
    [LCP_OPTION.ACCM, spec('ACCM', 'uint32')],
    [LCP_OPTION.AUTH_PROTOCOL, spec('Authentication-Protocol', 'auth')],
    [LCP_OPTION.QUALITY_PROTOCOL, spec('Quality-Protocol', 'auth')],
    [LCP_OPTION.MAGIC_NUMBER, spec('Magic-Number', 'uint32')],
    [LCP_OPTION.PFC, spec('PFC', 'flag')],
    [LCP_OPTION.ACFC, spec('ACFC', 'flag')],
    [LCP_OPTION.CALLBACK, spec('Callback', 'bytes')],
    [LCP_OPTION.MRRU, spec('MRRU', 'uint16')],
    [LCP_OPTION.SHORT_SEQUENCE, spec('Short-Sequence-Number', 'flag')],
    [LCP_OPTION.ENDPOINT, spec('Endpoint-Discriminator', 'bytes')],
  ]),
  [PPP.IPCP]: new Map([
    [IPCP_OPTION.IP_ADDRESSES, spec('IP-Addresses', 'bytes')],
    [IPCP_OPTION.IP_COMPRESSION, spec('IP-Compression-Protocol', 'auth')],
    [IPCP_OPTION.IP_ADDRESS, spec('IP-Address', 'address')],
    [IPCP_OPTION.PRIMARY_DNS, spec('Primary-DNS', 'address')],
    [IPCP_OPTION.PRIMARY_NBNS, spec('Primary-NBNS', 'address')],
    [IPCP_OPTION.SECONDARY_DNS, spec('Secondary-DNS', 'address')],
    [IPCP_OPTION.SECONDARY_NBNS, spec('Secondary-NBNS', 'address')],
  ]),
  [PPP.IPV6CP]: new Map([
    [IPV6CP_OPTION.INTERFACE_IDENTIFIER, spec('Interface-Identifier', 'identifier')],
    [IPV6CP_OPTION.COMPRESSION, spec('IPv6-Compression-Protocol', 'auth')],
  ]),
}

const VALUE_BYTES: Readonly<Record<OptionFormat, number | undefined>> = {
  uint16: 2,
  uint32: 4,
  address: 4,
  flag: 0,
  identifier: 8,
  auth: undefined,
  bytes: undefined,
}

/** The option's format, or undefined when the table does not know it or its value has another length. */
export function optionFormat(protocol: number, option: CpOption): OptionFormat | undefined {
  const format = CP_OPTIONS[protocol]?.get(option.type)?.format
  if (format === undefined) return undefined
  const bytes = VALUE_BYTES[format]
  return bytes === undefined || bytes === option.value.length ? format : undefined
}

/** The value as an unsigned number, network order; at most 4 octets are meaningful. */
export function uintValue(value: Uint8Array): number {
  let number = 0
  for (const octet of value.subarray(0, 4)) number = number * 256 + octet
  return number
}

export function uintOption(type: number, value: number, octets: 2 | 4): CpOption {
  const bytes = new Uint8Array(octets)
  for (let at = octets - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256))
    bytes[at] = rest & 0xff
  return { type, value: bytes }
}

/** Four octets as a dotted IPv4 address. */
export function addressValue(value: Uint8Array): string {
  return formatIpv4(uintValue(value))
}

/** `address` is dotted IPv4. */
export function addressOption(type: number, address: string): CpOption {
  const number = parseIpv4(address)
  if (number === undefined) throw new BurrowError('WIRE_OVERFLOW', `${address} is no IPv4 address`)
  return uintOption(type, number, 4)
}

const CHAP_ALGORITHMS: ReadonlyMap<number, string> = new Map([
  [5, 'CHAP-MD5'],
  [6, 'CHAP-SHA1'],
  [0x80, 'MS-CHAPv1'],
  [0x81, 'MS-CHAPv2'],
])

/** The value of an Authentication-Protocol option, for people. */
export function authProtocolName(value: Uint8Array): string {
  const protocol = uintValue(value.subarray(0, 2))
  const algorithm = value[2]
  if (protocol !== PPP.CHAP || algorithm === undefined) return pppProtocolName(protocol)
  return CHAP_ALGORITHMS.get(algorithm) ?? `CHAP algorithm ${algorithm}`
}
