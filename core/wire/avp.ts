/** Framing and hiding of attribute-value pairs (RFC 2661 4.1, 4.3). Values are opaque here. */
import { md5 } from '../crypto.ts'
import { BurrowError } from '../errors.ts'
import { Reader, Writer } from './bytes.ts'
import { LONGEST_DATAGRAM_BYTES } from './l2tp-header.ts'

export interface RawAvp {
  readonly mandatory: boolean
  /** As it came: true while `value` is still hidden. */
  readonly hidden: boolean
  /** A reserved bit was set: to be treated as an AVP that we do not know (4.1). Sent as 0. */
  readonly reserved: boolean
  /** 0: IETF. */
  readonly vendorId: number
  readonly type: number
  readonly value: Uint8Array
}

export interface AvpList {
  readonly avps: readonly RawAvp[]
  /** Why the body could not be read to its end. An AVP that overruns it is the last of `avps`, cut at the end. */
  readonly fault?: string
}

const M = 0x8000
const H = 0x4000
const RESERVED = 0x3c00
const LENGTH_MASK = 0x03ff
const AVP_HEADER_BYTES = 6
export const LONGEST_VALUE_BYTES = LENGTH_MASK - AVP_HEADER_BYTES
const DIGEST_BYTES = 16
const RANDOM_VECTOR_TYPE = 36

/** Splits the body of a control message. Never throws. Values are views. */
export function decodeAvpList(body: Uint8Array): AvpList {
  const reader = new Reader(body)
  const avps: RawAvp[] = []
  while (reader.remaining > 0) {
    if (reader.remaining < AVP_HEADER_BYTES) return { avps, fault: `${reader.remaining} octets are no AVP` }
    const head = reader.u16()
    const vendorId = reader.u16()
    const type = reader.u16()
    const length = head & LENGTH_MASK
    if (length < AVP_HEADER_BYTES) return { avps, fault: `AVP ${type} of length ${length}` }
    const valueBytes = length - AVP_HEADER_BYTES
    const overrun = valueBytes > reader.remaining
    avps.push({
      mandatory: (head & M) !== 0,
      hidden: (head & H) !== 0,
      reserved: (head & RESERVED) !== 0,
      vendorId,
      type,
      value: overrun ? reader.rest() : reader.bytes(valueBytes),
    })
    if (overrun) return { avps, fault: `AVP ${type} overruns the message` }
  }
  return { avps }
}

/** Throws WIRE_OVERFLOW where a value or the message is too long. */
export function encodeAvpList(avps: readonly RawAvp[]): Uint8Array {
  const writer = new Writer(LONGEST_DATAGRAM_BYTES)
  for (const avp of avps) {
    if (avp.value.length > LONGEST_VALUE_BYTES) {
      throw new BurrowError('WIRE_OVERFLOW', `AVP ${avp.type} of ${avp.value.length} octets`)
    }
    writer
      .u16((avp.mandatory ? M : 0) | (avp.hidden ? H : 0) | (AVP_HEADER_BYTES + avp.value.length))
      .u16(avp.vendorId)
      .u16(avp.type)
      .bytes(avp.value)
  }
  return writer.finish()
}

/**
 * Recovers hidden values with the Random Vector that last precedes each (4.3); padding is dropped. Throws
 * WIRE_MALFORMED or WIRE_TRUNCATED where the vector is missing or the recovered length does not fit: both mean a
 * wrong secret or a hostile peer.
 */
export function unhideAvpList(avps: readonly RawAvp[], secret: Uint8Array): RawAvp[] {
  let vector: Uint8Array | undefined
  return avps.map(avp => {
    if (isRandomVector(avp)) vector = avp.value
    if (!avp.hidden) return avp
    if (vector === undefined)
      throw new BurrowError('WIRE_MALFORMED', `hidden AVP ${avp.type} without a Random Vector`)
    const plain = new Reader(applyKeyStream(avp.value, avp.type, secret, vector, 'unhide'))
    // Throws where the recovered length is more than what was hidden.
    return { ...avp, hidden: false, value: plain.bytes(plain.u16()) }
  })
}

function isRandomVector({ vendorId, type, hidden, reserved }: RawAvp): boolean {
  return vendorId === 0 && type === RANDOM_VECTOR_TYPE && !hidden && !reserved
}

/** Hides one AVP under `vector`, which must precede it in the message as a Random Vector AVP. */
export function hideAvp(avp: RawAvp, secret: Uint8Array, vector: Uint8Array): RawAvp {
  const plain = new Writer(LONGEST_VALUE_BYTES).u16(avp.value.length).bytes(avp.value).finish()
  return { ...avp, hidden: true, value: applyKeyStream(plain, avp.type, secret, vector, 'hide') }
}

/** b1 = MD5(type, secret, vector); b(i) = MD5(secret, c(i-1)); c(i) = p(i) xor b(i). */
function applyKeyStream(
  input: Uint8Array,
  type: number,
  secret: Uint8Array,
  vector: Uint8Array,
  way: 'hide' | 'unhide',
): Uint8Array {
  const output = new Uint8Array(input.length)
  const cipher = way === 'hide' ? output : input
  let block = md5(Uint8Array.of(type >> 8, type & 0xff), secret, vector)
  for (let start = 0; start < input.length; start += DIGEST_BYTES) {
    if (start > 0) block = md5(secret, cipher.subarray(start - DIGEST_BYTES, start))
    const end = Math.min(start + DIGEST_BYTES, input.length)
    for (let at = start; at < end; at++) output[at] = (input[at] ?? 0) ^ (block[at - start] ?? 0)
  }
  return output
}
