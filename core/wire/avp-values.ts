/** Value codecs of AVPs: how the octets of one attribute become a typed value and back. */
import { BurrowError } from '../errors.ts'
import { LONGEST_VALUE_BYTES } from './avp.ts'
import { Reader, Writer } from './bytes.ts'
import { decodeText, encodeText } from './ppp-auth.ts'

export interface ValueCodec<T> {
  decode(reader: Reader): T
  encode(writer: Writer, value: T): void
}

/** No RFC 2661 string needs more; a longer one is hostile or broken. */
const LONGEST_STRING_BYTES = 255

export const u16: ValueCodec<number> = { decode: r => r.u16(), encode: (w, v) => w.u16(v) }
export const u32: ValueCodec<number> = { decode: r => r.u32(), encode: (w, v) => w.u32(v) }
export const u64: ValueCodec<bigint> = { decode: r => r.u64(), encode: (w, v) => w.u64(v) }
export const none: ValueCodec<true> = { decode: () => true, encode: () => undefined }

/** Text of a peer, raw: escape it at output. */
export const string: ValueCodec<string> = {
  decode(reader) {
    if (reader.remaining > LONGEST_STRING_BYTES) {
      throw new BurrowError('WIRE_MALFORMED', `string of ${reader.remaining} octets`)
    }
    return decodeText(reader.rest())
  },
  encode(writer, text) {
    const bytes = encodeText(text)
    if (bytes.length > LONGEST_STRING_BYTES) {
      throw new BurrowError('WIRE_OVERFLOW', `string of ${bytes.length} octets`)
    }
    writer.bytes(bytes)
  },
}

export const opaque: ValueCodec<Uint8Array> = {
  // A copy: values outlive the datagram.
  decode: reader => reader.rest().slice(),
  encode: (writer, bytes) => writer.bytes(bytes),
}

/** Exactly `count` octets. */
export function fixed(count: number): ValueCodec<Uint8Array> {
  return {
    decode: reader => reader.bytes(count).slice(),
    encode(writer, bytes) {
      if (bytes.length !== count)
        throw new BurrowError('WIRE_OVERFLOW', `${bytes.length} octets where ${count} belong`)
      writer.bytes(bytes)
    },
  }
}

/** 4.4.3 Protocol Version. */
export const protocolVersion: ValueCodec<{ readonly version: number; readonly revision: number }> = {
  decode: reader => ({ version: reader.u8(), revision: reader.u8() }),
  encode: (writer, { version, revision }) => writer.u8(version).u8(revision),
}

/** Framing and Bearer Capabilities and Types: the two low bits of 32. */
function twoBits<High extends string, Low extends string>(
  high: High,
  low: Low,
): ValueCodec<Readonly<Record<High | Low, boolean>>> {
  return {
    decode(reader) {
      const bits = reader.u32()
      return { [high]: (bits & 2) !== 0, [low]: (bits & 1) !== 0 } as Record<High | Low, boolean>
    },
    encode: (writer, value) => writer.u32((value[high] ? 2 : 0) | (value[low] ? 1 : 0)),
  }
}
export const framing = twoBits('async', 'sync')
export const bearer = twoBits('analog', 'digital')

export interface ResultCode {
  readonly result: number
  readonly error?: number
  readonly message?: string
}

/**
 * 4.4.2 Result Code: of 2 octets, of 4, or with a message. macOS sends host byte order, and 6 octets of an older
 * message behind it: no result is above 255, so a value of which only the high octet is set is such a one.
 */
export const resultCode: ValueCodec<ResultCode> = {
  decode(reader) {
    const result = reader.u16()
    const rest = reader.rest()
    if (result > 0 && (result & 0xff) === 0) return { result: result >> 8 }
    if (rest.length < 2) return { result }
    const error = new Reader(rest).u16()
    return rest.length === 2 ? { result, error } : { result, error, message: decodeText(rest.subarray(2)) }
  },
  encode(writer, { result, error, message }) {
    writer.u16(result)
    if (error !== undefined || message !== undefined) writer.u16(error ?? 0)
    if (message !== undefined) writer.bytes(cutText(message))
  },
}

/** A message may quote what it complains of: it is cut, between characters, rather than refused. */
function cutText(text: string): Uint8Array {
  const bytes = new Uint8Array(LONGEST_STRING_BYTES)
  return bytes.subarray(0, new TextEncoder().encodeInto(text, bytes).written)
}

/** 4.4.3 Q.931 Cause Code. */
export const q931Cause: ValueCodec<{
  readonly cause: number
  readonly message: number
  readonly advisory: string
}> = {
  decode: reader => ({ cause: reader.u16(), message: reader.u8(), advisory: string.decode(reader) }),
  encode: (writer, value) => string.encode(writer.u16(value.cause).u8(value.message), value.advisory),
}

/** 4.4.5 Proxy Authen ID: a reserved octet, then the id. */
export const proxyAuthId: ValueCodec<number> = {
  decode(reader) {
    reader.u8()
    return reader.u8()
  },
  encode: (writer, id) => writer.u8(0).u8(id),
}

export interface CallErrors {
  readonly crcErrors: number
  readonly framingErrors: number
  readonly hardwareOverruns: number
  readonly bufferOverruns: number
  readonly timeoutErrors: number
  readonly alignmentErrors: number
}

/** 4.4.6 Call Errors: two reserved octets, then six counters. */
export const callErrors: ValueCodec<CallErrors> = {
  decode(reader) {
    reader.u16()
    return {
      crcErrors: reader.u32(),
      framingErrors: reader.u32(),
      hardwareOverruns: reader.u32(),
      bufferOverruns: reader.u32(),
      timeoutErrors: reader.u32(),
      alignmentErrors: reader.u32(),
    }
  },
  encode(writer, value) {
    writer.u16(0).u32(value.crcErrors).u32(value.framingErrors).u32(value.hardwareOverruns)
    writer.u32(value.bufferOverruns).u32(value.timeoutErrors).u32(value.alignmentErrors)
  },
}

/** 4.4.6 ACCM: two reserved octets, then what to escape when sending and receiving. */
export const accm: ValueCodec<{ readonly send: number; readonly receive: number }> = {
  decode(reader) {
    reader.u16()
    return { send: reader.u32(), receive: reader.u32() }
  },
  encode: (writer, value) => writer.u16(0).u32(value.send).u32(value.receive),
}

/** RFC 3145 section 2: PPP Disconnect Cause Code. */
export interface PppDisconnectCause {
  readonly code: number
  /** The PPP protocol that the cause is about; 0: none. */
  readonly protocol: number
  /** 0: global or unknown, 1: at the peer, 2: at the local end. */
  readonly direction: number
  readonly message: string
}

export const pppDisconnectCause: ValueCodec<PppDisconnectCause> = {
  decode: reader => ({
    code: reader.u16(),
    protocol: reader.u16(),
    direction: reader.u8(),
    message: string.decode(reader),
  }),
  encode: (writer, value) =>
    string.encode(writer.u16(value.code).u16(value.protocol).u8(value.direction), value.message),
}

/** Throws WIRE_TRUNCATED or WIRE_MALFORMED where the value has another length than its type. */
export function decodeValue<T>(codec: ValueCodec<T>, value: Uint8Array): T {
  const reader = new Reader(value)
  const decoded = codec.decode(reader)
  if (reader.remaining > 0) throw new BurrowError('WIRE_MALFORMED', `${reader.remaining} octets too many`)
  return decoded
}

export function encodeValue<T>(codec: ValueCodec<T>, value: T): Uint8Array {
  const writer = new Writer(LONGEST_VALUE_BYTES)
  codec.encode(writer, value)
  return writer.finish()
}
