/** DHCP for IPv4 (RFC 2131, 2132), as far as DHCPINFORM and its answer go. */
import { Reader, Writer } from './bytes.ts'
import { parseIpv4 } from './ip.ts'

export const DHCP_PORT = { SERVER: 67, CLIENT: 68 } as const
export const DHCP_TYPE = { ACK: 5, INFORM: 8 } as const
export const DHCP_OPTION = {
  SUBNET_MASK: 1,
  DNS_SERVERS: 6,
  DOMAIN: 15,
  NBNS_SERVERS: 44,
  MESSAGE_TYPE: 53,
  SERVER: 54,
  WANTED: 55,
  /** RFC 3442, and what Windows had before. */
  ROUTES: 121,
  ROUTES_OF_MICROSOFT: 249,
} as const

const REQUEST = 1
const REPLY = 2
const PAD = 0
const END = 255
const COOKIE = 0x6382_5363
/** Up to the magic cookie: fixed fields, server name and boot file. */
const FIXED_BYTES = 236
const HARDWARE_BYTES = 16
/** What every host takes (RFC 2131 2) and more than a session's routes need. */
const LONGEST_BYTES = 1200
const LONGEST_OPTION_BYTES = 255

export interface DhcpRequest {
  readonly transactionId: number
  readonly flags: number
  readonly hardwareType: number
  readonly hardwareLength: number
  /** 16 octets. A view. */
  readonly hardwareAddress: Uint8Array
  /** ciaddr, dotted where it is written; a signed number here. */
  readonly clientAddress: number
  readonly messageType: number
  /** Codes of options; undefined: the client does not say. */
  readonly wanted: ReadonlySet<number> | undefined
}

/** Undefined for what is no request of a client, or is cut short. */
export function decodeDhcpRequest(bytes: Uint8Array): DhcpRequest | undefined {
  if (bytes.length < FIXED_BYTES + 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint8(0) !== REQUEST || view.getUint32(FIXED_BYTES) !== COOKIE) return undefined
  const options = readOptions(bytes.subarray(FIXED_BYTES + 4))
  const [messageType] = options?.get(DHCP_OPTION.MESSAGE_TYPE) ?? []
  if (options === undefined || messageType === undefined) return undefined
  const wanted = options.get(DHCP_OPTION.WANTED)
  return {
    transactionId: view.getUint32(4),
    flags: view.getUint16(10),
    hardwareType: view.getUint8(1),
    hardwareLength: view.getUint8(2),
    hardwareAddress: bytes.subarray(28, 28 + HARDWARE_BYTES),
    clientAddress: view.getInt32(12),
    messageType,
    wanted: wanted && new Set(wanted),
  }
}

function readOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const reader = new Reader(bytes)
  const options = new Map<number, Uint8Array>()
  while (reader.remaining > 0) {
    const code = reader.u8()
    if (code === PAD) continue
    if (code === END) return options
    if (reader.remaining === 0) return undefined
    const length = reader.u8()
    if (length > reader.remaining) return undefined
    options.set(code, reader.bytes(length))
  }
  return options
}

/** A DHCPACK that assigns no address (RFC 2131 4.3.5). Options without octets are left out. */
export function encodeDhcpAck(
  request: DhcpRequest,
  options: readonly (readonly [code: number, value: Uint8Array])[],
): Uint8Array {
  const w = new Writer(LONGEST_BYTES)
  w.u8(REPLY)
  w.u8(request.hardwareType)
  w.u8(request.hardwareLength)
  w.u8(0)
  w.u32(request.transactionId)
  w.u16(0)
  w.u16(request.flags)
  w.u32(request.clientAddress >>> 0)
  w.bytes(new Uint8Array(12))
  w.bytes(request.hardwareAddress)
  w.bytes(new Uint8Array(FIXED_BYTES - 28 - HARDWARE_BYTES))
  w.u32(COOKIE)
  w.bytes(Uint8Array.of(DHCP_OPTION.MESSAGE_TYPE, 1, DHCP_TYPE.ACK))
  for (const [code, value] of options) writeParts(w, code, value)
  w.u8(END)
  return w.finish()
}

/** A long option goes in parts (RFC 3396). */
function writeParts(w: Writer, code: number, value: Uint8Array): void {
  for (let at = 0; at < value.length; at += LONGEST_OPTION_BYTES) {
    const part = value.subarray(at, at + LONGEST_OPTION_BYTES)
    w.u8(code)
    w.u8(part.length)
    w.bytes(part)
  }
}

/** Dotted addresses, one after the other. */
export function addressList(addresses: readonly string[]): Uint8Array {
  const w = new Writer(LONGEST_BYTES)
  for (const address of addresses) w.u32((parseIpv4(address) ?? 0) >>> 0)
  return w.finish()
}

/** RFC 3442: each prefix with as many octets as it needs, then the router. What is no prefix is left out. */
export function classlessRoutes(prefixes: readonly string[], router: string): Uint8Array {
  const bytes = prefixes.flatMap(prefix => {
    const [address = '', length = '32'] = prefix.split('/')
    if (parseIpv4(address) === undefined || !/^([12]?\d|3[0-2])$/.test(length)) return []
    const significant = address.split('.').slice(0, Math.ceil(Number(length) / 8))
    return [Number(length), ...significant.map(Number), ...router.split('.').map(Number)]
  })
  return Uint8Array.from(bytes)
}
