/** The frame of a packet (RFC 2865 3, 5) and of what stands in it. Reading is total: no bytes make it throw. */
import { BurrowError } from 'burrow'

export const HEADER_BYTES = 20
export const AUTHENTICATOR_AT = 4
export const AUTHENTICATOR_BYTES = 16
export const LONGEST_PACKET_BYTES = 4096
/** Of an attribute: its length octet counts type and length. */
export const LONGEST_VALUE_BYTES = 253
export const VENDOR_SPECIFIC = 26
export const EAP_MESSAGE = 79
export const MESSAGE_AUTHENTICATOR = 80

export interface RawAttribute {
  readonly type: number
  readonly value: Uint8Array
}

/** How many octets type and length take; without a length, one attribute takes all that there is. */
export interface TlvFormat {
  readonly typeOctets: 1 | 2 | 4
  readonly lengthOctets: 0 | 1 | 2
}

export const PLAIN_TLV: TlvFormat = { typeOctets: 1, lengthOctets: 1 }

export interface RawPacket {
  readonly code: number
  readonly identifier: number
  readonly authenticator: Uint8Array
  /** Views into `bytes`. */
  readonly attributes: readonly RawAttribute[]
  /** A copy without the padding, and no Buffer, whose `slice` would be a view. */
  readonly bytes: Uint8Array
}

/** undefined where length and octets do not fit together: the packet is to be dropped whole (RFC 2865 3, 5). */
export function decodePacket(datagram: Uint8Array): RawPacket | undefined {
  if (datagram.length < HEADER_BYTES) return undefined
  const length = numberAt(datagram, 2, 2)
  if (length < HEADER_BYTES || length > LONGEST_PACKET_BYTES || length > datagram.length) return undefined
  const bytes = new Uint8Array(datagram.subarray(0, length))
  const attributes = splitTlvs(bytes.subarray(HEADER_BYTES), PLAIN_TLV)
  if (attributes === undefined) return undefined
  return {
    code: numberAt(bytes, 0, 1),
    identifier: numberAt(bytes, 1, 1),
    authenticator: bytes.slice(AUTHENTICATOR_AT, AUTHENTICATOR_AT + AUTHENTICATOR_BYTES),
    attributes,
    bytes,
  }
}

/** Throws RADIUS_ATTRIBUTE where the attributes are too many for one packet. */
export function encodePacket(
  code: number,
  identifier: number,
  authenticator: Uint8Array,
  attributes: readonly RawAttribute[],
): Uint8Array {
  const length = attributes.reduce((sum, { value }) => sum + 2 + value.length, HEADER_BYTES)
  if (length > LONGEST_PACKET_BYTES) {
    const text = `a packet of ${length} octets; RADIUS carries ${LONGEST_PACKET_BYTES} (RFC 2865 3)`
    throw new BurrowError('RADIUS_ATTRIBUTE', text)
  }
  const packet = new Uint8Array(length)
  packet[0] = code
  packet[1] = identifier
  packet[2] = length >> 8
  packet[3] = length
  packet.set(authenticator, AUTHENTICATOR_AT)
  let at = HEADER_BYTES
  for (const { type, value } of attributes) {
    packet[at] = type
    packet[at + 1] = 2 + value.length
    packet.set(value, at + 2)
    at += 2 + value.length
  }
  return packet
}

/** Splits to the last octet; undefined where a length is too short or overruns. Values are views. */
export function splitTlvs(bytes: Uint8Array, format: TlvFormat): readonly RawAttribute[] | undefined {
  const { typeOctets, lengthOctets } = format
  const headerBytes = typeOctets + lengthOctets
  const found: RawAttribute[] = []
  let at = 0
  while (at < bytes.length) {
    const left = bytes.length - at
    if (left < headerBytes) return undefined
    const length = lengthOctets === 0 ? left : numberAt(bytes, at + typeOctets, lengthOctets)
    if (length < headerBytes || length > left) return undefined
    found.push({
      type: numberAt(bytes, at, typeOctets),
      value: bytes.subarray(at + headerBytes, at + length),
    })
    at += length
  }
  return found
}

/** The caller has seen that the value fits. */
export function packTlv({ type, value }: RawAttribute, { typeOctets, lengthOctets }: TlvFormat): Uint8Array {
  const length = typeOctets + lengthOctets + value.length
  return joined([numberOctets(type, typeOctets), numberOctets(length, lengthOctets), value])
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** An unsigned number of up to 4 octets; octets that are not there count as 0. */
export function numberAt(bytes: Uint8Array, at: number, octets: number): number {
  let value = 0
  for (let index = at; index < at + octets; index++) value = value * 256 + (bytes[index] ?? 0)
  return value
}

export function numberOctets(value: number, octets: number): Uint8Array {
  const bytes = new Uint8Array(octets)
  for (let at = octets - 1, left = value; at >= 0; at--, left = Math.floor(left / 256)) bytes[at] = left % 256
  return bytes
}
