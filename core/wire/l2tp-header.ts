/** The L2TP header (RFC 2661 3.1), control and data. */
import { Reader, Writer } from './bytes.ts'

export interface ControlHeader {
  /** The receiver's ids; 0 before they are known. */
  readonly tunnelId: number
  readonly sessionId: number
  readonly ns: number
  readonly nr: number
}

export interface DataHeader {
  readonly tunnelId: number
  readonly sessionId: number
  /** Present where the S bit is set (RFC 2661 5.4). */
  readonly sequence?: { readonly ns: number; readonly nr: number }
  /** The L bit. */
  readonly length: boolean
  /** Octets of offset padding; undefined where the O bit is clear. */
  readonly offsetBytes?: number
  /** Preferential treatment. */
  readonly priority: boolean
}

export type HeaderFault = 'truncated' | 'bad-version' | 'l2tpv3' | 'bad-length' | 'bad-flags'

export type DecodedHeader =
  | { readonly kind: 'control'; readonly header: ControlHeader; readonly payload: Uint8Array }
  | { readonly kind: 'data'; readonly header: DataHeader; readonly payload: Uint8Array }
  | { readonly kind: 'fault'; readonly fault: HeaderFault }

export const CONTROL_HEADER_BYTES = 12
/** UDP over IPv4 carries no more. */
export const LONGEST_DATAGRAM_BYTES = 65_507

const T = 0x8000
const L = 0x4000
const S = 0x0800
const O = 0x0200
const P = 0x0100
const VERSION_MASK = 0x000f
/** The only flags that every known peer accepts of a control message. */
const CONTROL_FLAGS = T | L | S | 2

/** Splits a datagram into header and payload, both checked against its length. Never throws. */
export function decodeHeader(datagram: Uint8Array): DecodedHeader {
  if (datagram.length < 6) return fault('truncated')
  const flags = new Reader(datagram).u16()
  const version = flags & VERSION_MASK
  if (version !== 2) return fault(version === 3 ? 'l2tpv3' : 'bad-version')
  return (flags & T) !== 0 ? decodeControlHeader(datagram, flags) : decodeDataHeader(datagram, flags)
}

function decodeControlHeader(datagram: Uint8Array, flags: number): DecodedHeader {
  // Length and sequence are required (3.1). The offset and priority bits, which must be 0, are ignored.
  if ((flags & L) === 0 || (flags & S) === 0) return fault('bad-flags')
  if (datagram.length < CONTROL_HEADER_BYTES) return fault('truncated')
  const reader = new Reader(datagram)
  reader.u16()
  const length = reader.u16()
  if (length < CONTROL_HEADER_BYTES || length > datagram.length) return fault('bad-length')
  const header = { tunnelId: reader.u16(), sessionId: reader.u16(), ns: reader.u16(), nr: reader.u16() }
  return { kind: 'control', header, payload: datagram.subarray(CONTROL_HEADER_BYTES, length) }
}

function decodeDataHeader(datagram: Uint8Array, flags: number): DecodedHeader {
  const headerBytes =
    6 + ((flags & L) !== 0 ? 2 : 0) + ((flags & S) !== 0 ? 4 : 0) + ((flags & O) !== 0 ? 2 : 0)
  if (datagram.length < headerBytes) return fault('truncated')
  const reader = new Reader(datagram)
  reader.u16()
  const end = (flags & L) !== 0 ? reader.u16() : datagram.length
  if (end > datagram.length) return fault('bad-length')
  const ids = { tunnelId: reader.u16(), sessionId: reader.u16() }
  const sequence = (flags & S) !== 0 ? { ns: reader.u16(), nr: reader.u16() } : undefined
  const offsetBytes = (flags & O) !== 0 ? reader.u16() : undefined
  const start = headerBytes + (offsetBytes ?? 0)
  if (start > end) return fault('bad-length')
  const header = {
    ...ids,
    ...(sequence === undefined ? {} : { sequence }),
    length: (flags & L) !== 0,
    ...(offsetBytes === undefined ? {} : { offsetBytes }),
    priority: (flags & P) !== 0,
  }
  return { kind: 'data', header, payload: datagram.subarray(start, end) }
}

/** A whole control message: exactly flags C8 02 and the exact length. */
export function encodeControlDatagram(header: ControlHeader, avps: Uint8Array): Uint8Array {
  return new Writer(LONGEST_DATAGRAM_BYTES)
    .u16(CONTROL_FLAGS)
    .u16(CONTROL_HEADER_BYTES + avps.length)
    .u16(header.tunnelId)
    .u16(header.sessionId)
    .u16(header.ns)
    .u16(header.nr)
    .bytes(avps)
    .finish()
}

/** A whole data message. Offset padding is zero. */
export function encodeDataDatagram(header: DataHeader, payload: Uint8Array): Uint8Array {
  const { sequence, offsetBytes } = header
  const flags =
    2 |
    (header.length ? L : 0) |
    (sequence === undefined ? 0 : S) |
    (offsetBytes === undefined ? 0 : O) |
    (header.priority ? P : 0)
  const writer = new Writer(LONGEST_DATAGRAM_BYTES).u16(flags)
  const lengthAt = writer.length
  if (header.length) writer.u16(0)
  writer.u16(header.tunnelId).u16(header.sessionId)
  if (sequence !== undefined) writer.u16(sequence.ns).u16(sequence.nr)
  if (offsetBytes !== undefined) writer.u16(offsetBytes).bytes(new Uint8Array(offsetBytes))
  writer.bytes(payload)
  if (header.length) writer.setU16(lengthAt, writer.length)
  return writer.finish()
}

function fault(name: HeaderFault): DecodedHeader {
  return { kind: 'fault', fault: name }
}
