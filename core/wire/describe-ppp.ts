/** What a PPP frame says, in a few words and as data. Passwords, challenges and responses are never shown. */
import { decodeEap, EAP_TYPE, eapTypeName } from './eap.ts'
import { escapeText } from './escape.ts'
import { decodeChap, decodePap, decodeText } from './ppp-auth.ts'
import { decodePppFrame, PPP, pppProtocolName } from './ppp-frame.ts'
import {
  addressValue,
  authProtocolName,
  CP_CODE,
  CP_CODE_NAMES,
  CP_OPTIONS,
  type CpOption,
  type CpPacket,
  decodeCpPacket,
  decodeOptions,
  type OptionFormat,
  optionFormat,
  uintValue,
} from './ppp-options.ts'

export interface OptionFields {
  readonly name: string
  readonly value: string | number | true
}

/** Text of the peer in it is escaped already. */
export interface PppFields {
  readonly protocol: string
  /** Octets after the protocol field. */
  readonly octets: number
  readonly code?: string
  readonly id?: number
  readonly options?: readonly OptionFields[]
  /** Options beyond the first few, which are not shown. */
  readonly omitted?: number
  /** PAP: who asks to be let in. */
  readonly user?: string
  /** EAP: what is spoken of. */
  readonly method?: string
  /** CHAP: who challenges or responds; EAP: what the peer calls itself. */
  readonly name?: string
  readonly message?: string
  readonly rejected?: string
  /** The packet does not follow its own lengths, or its code is unknown. */
  readonly malformed?: true
}

const LONGEST_HEX_BYTES = 16
/** LCP has fewer; a frame has room for thousands. */
const MOST_OPTIONS = 24
const PAP_CODES = { request: 'Authenticate-Request', ack: 'Authenticate-Ack', nak: 'Authenticate-Nak' }
const CHAP_CODES = {
  challenge: 'Challenge',
  response: 'Response',
  success: 'Success',
  failure: 'Failure',
}

const EAP_CODES = { request: 'Request', response: 'Response', success: 'Success', failure: 'Failure' }

type Details = Omit<PppFields, 'protocol' | 'octets'>
const MALFORMED: Details = { malformed: true }

/** Never throws. */
export function describePpp(bytes: Uint8Array): PppFields {
  const frame = decodePppFrame(bytes)
  if (frame === undefined) return { protocol: 'PPP', octets: bytes.length, ...MALFORMED }
  const { protocol, payload } = frame
  return { protocol: pppProtocolName(protocol), octets: payload.length, ...details(protocol, payload) }
}

function details(protocol: number, payload: Uint8Array): Details {
  if (protocol === PPP.PAP) return describePap(payload)
  if (protocol === PPP.CHAP) return describeChap(payload)
  if (protocol === PPP.EAP) return describeEap(payload)
  return protocol === PPP.LCP || isNetworkControl(protocol) ? describeControl(protocol, payload) : {}
}

/** RFC 1661 2: 8*** to b*** negotiate a network protocol, with the codes and options of LCP. */
function isNetworkControl(protocol: number): boolean {
  return protocol >= 0x8000 && protocol < 0xc000
}

function describePap(payload: Uint8Array): Details {
  const packet = decodePap(payload)
  if (packet === undefined) return MALFORMED
  const head = { code: PAP_CODES[packet.kind], id: packet.identifier }
  return packet.kind === 'request' ? { ...head, user: shown(packet.user) } : said(head, packet.message)
}

function describeChap(payload: Uint8Array): Details {
  const packet = decodeChap(payload)
  if (packet === undefined) return MALFORMED
  const head = { code: CHAP_CODES[packet.kind], id: packet.identifier }
  return 'name' in packet ? { ...head, name: shown(packet.name) } : said(head, packet.message)
}

function describeEap(payload: Uint8Array): Details {
  const packet = decodeEap(payload)
  if (packet === undefined) return MALFORMED
  const head = { code: EAP_CODES[packet.kind], id: packet.identifier }
  if (!('type' in packet)) return head
  const method = eapTypeName(packet.type)
  const names = packet.kind === 'response' && packet.type === EAP_TYPE.IDENTITY
  if (names) return { ...head, method, name: shown(packet.data) }
  return packet.type === EAP_TYPE.NOTIFICATION ? said({ ...head, method }, packet.data) : { ...head, method }
}

function describeControl(protocol: number, payload: Uint8Array): Details {
  const packet = decodeCpPacket(payload)
  const code = CP_CODE_NAMES.get(packet?.code ?? 0)
  if (packet === undefined || code === undefined) return MALFORMED
  const describe = BY_CODE.get(packet.code)
  return { code, id: packet.identifier, ...describe?.(protocol, packet) }
}

const BY_CODE: ReadonlyMap<number, (protocol: number, packet: CpPacket) => Details> = new Map([
  [CP_CODE.CONFIGURE_REQUEST, describeOptions],
  [CP_CODE.CONFIGURE_ACK, describeOptions],
  [CP_CODE.CONFIGURE_NAK, describeOptions],
  [CP_CODE.CONFIGURE_REJECT, describeOptions],
  [CP_CODE.TERMINATE_REQUEST, (_, { data }: CpPacket) => said({}, data)],
  [CP_CODE.PROTOCOL_REJECT, (_, { data }: CpPacket) => describeRejected(data)],
  // After the magic number (RFC 1570 2.1).
  [CP_CODE.IDENTIFICATION, (_, { data }: CpPacket) => said({}, data.subarray(4))],
])

function describeRejected(data: Uint8Array): Details {
  return data.length < 2 ? MALFORMED : { rejected: pppProtocolName(uintValue(data.subarray(0, 2))) }
}

function describeOptions(protocol: number, { data }: CpPacket): Details {
  const options = decodeOptions(data)
  if (options === undefined) return MALFORMED
  const shownOptions = options.slice(0, MOST_OPTIONS).map(option => describeOption(protocol, option))
  const omitted = options.length - shownOptions.length
  return { options: shownOptions, ...(omitted === 0 ? {} : { omitted }) }
}

const SHOW_OPTION: Readonly<Record<OptionFormat, (value: Uint8Array) => OptionFields['value']>> = {
  uint16: uintValue,
  uint32: value => `0x${hex(value)}`,
  address: addressValue,
  auth: authProtocolName,
  flag: () => true,
  identifier: hex,
  bytes: hex,
}

function describeOption(protocol: number, option: CpOption): OptionFields {
  const name = CP_OPTIONS[protocol]?.get(option.type)?.name ?? `option ${option.type}`
  return { name, value: SHOW_OPTION[optionFormat(protocol, option) ?? 'bytes'](option.value) }
}

function said(head: Details, message: Uint8Array): Details {
  return message.length === 0 ? head : { ...head, message: shown(message) }
}

function shown(text: Uint8Array): string {
  return escapeText(decodeText(text))
}

function hex(bytes: Uint8Array): string {
  const digits = Array.from(bytes.subarray(0, LONGEST_HEX_BYTES), octet =>
    octet.toString(16).padStart(2, '0'),
  )
  return digits.join('') + (bytes.length > LONGEST_HEX_BYTES ? '...' : '')
}
