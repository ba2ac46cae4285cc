/** PPP framing as L2TP carries it (RFC 1661 2, 6.5, 6.6; RFC 2661 1.1): no flags, no escapes, no FCS. */
import { BurrowError } from '../errors.ts'

/** Protocol numbers (RFC 1661 2, IANA "Point-to-Point Protocol Field Assignments"). */
export const PPP = {
  IPV4: 0x0021,
  VJ_COMPRESSED: 0x002d,
  VJ_UNCOMPRESSED: 0x002f,
  BRIDGING: 0x0031,
  MULTILINK: 0x003d,
  IPV6: 0x0057,
  COMPRESSED: 0x00fd,
  IPCP: 0x8021,
  BCP: 0x8031,
  IPV6CP: 0x8057,
  MPLSCP: 0x8281,
  CCP: 0x80fd,
  LCP: 0xc021,
  PAP: 0xc023,
  LQR: 0xc025,
  CBCP: 0xc029,
  BACP: 0xc02b,
  CHAP: 0xc223,
  EAP: 0xc227,
} as const

export interface PppFrame {
  readonly protocol: number
  readonly payload: Uint8Array
}

/** What may be left out when sending; both false is always understood. */
export interface PppCompression {
  /** Leave out FF 03 (RFC 1661 6.6). */
  readonly acfc: boolean
  /** One octet for a protocol below 256 (RFC 1661 6.5). */
  readonly pfc: boolean
}

const ADDRESS = 0xff
const CONTROL = 0x03

/**
 * Takes a frame with or without FF 03 and protocol compression, whatever was agreed: real peers mix the forms.
 * Undefined when the protocol field is cut short or is none. The payload is a view into `bytes`.
 */
export function decodePppFrame(bytes: Uint8Array): PppFrame | undefined {
  let at = bytes[0] === ADDRESS && bytes[1] === CONTROL ? 2 : 0
  const first = bytes[at++]
  if (first === undefined || first === ADDRESS) return undefined
  if ((first & 1) === 1) return { protocol: first, payload: bytes.subarray(at) }
  const second = bytes[at++]
  if (second === undefined || (second & 1) === 0) return undefined
  return { protocol: (first << 8) | second, payload: bytes.subarray(at) }
}

/** LCP always goes out in full, whatever `compression` says (RFC 1661 6.5, 6.6). */
export function encodePppFrame(
  protocol: number,
  payload: Uint8Array,
  compression: PppCompression,
): Uint8Array {
  if (protocol < 1 || protocol > 0xffff || (protocol & 0x101) !== 1)
    throw new BurrowError('WIRE_OVERFLOW', `${protocol} is no PPP protocol number`)
  const head: number[] = []
  if (protocol === PPP.LCP || !compression.acfc) head.push(ADDRESS, CONTROL)
  if (protocol > 0xff || !compression.pfc) head.push(protocol >> 8)
  head.push(protocol & 0xff)
  const frame = new Uint8Array(head.length + payload.length)
  frame.set(head)
  frame.set(payload, head.length)
  return frame
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(PPP).map(([name, protocol]) => [protocol, name.replaceAll('_', ' ')]),
)

/** For logs and ladders: `LCP`, or `0x1234` for a protocol that is not in the table. */
export function pppProtocolName(protocol: number): string {
  return NAMES.get(protocol) ?? `0x${protocol.toString(16).padStart(4, '0')}`
}
