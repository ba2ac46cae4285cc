/** Packets of PAP (RFC 1334 2) and CHAP (RFC 1994 4). Names and secrets are octets: the RFCs name no character set. */
import { BurrowError } from '../errors.ts'
import { decodeCpPacket, encodeCpPacket } from './ppp-options.ts'

export type PapPacket =
  | {
      readonly kind: 'request'
      readonly identifier: number
      readonly user: Uint8Array
      readonly password: Uint8Array
    }
  | { readonly kind: 'ack' | 'nak'; readonly identifier: number; readonly message: Uint8Array }

/** `value` is 16 octets for MD5; for MS-CHAPv2 its challenge is 16 and its response 49 (RFC 2759 3, 4). */
export type ChapPacket =
  | {
      readonly kind: 'challenge' | 'response'
      readonly identifier: number
      readonly value: Uint8Array
      readonly name: Uint8Array
    }
  | { readonly kind: 'success' | 'failure'; readonly identifier: number; readonly message: Uint8Array }

const PAP_KINDS = ['request', 'ack', 'nak'] as const
const CHAP_KINDS = ['challenge', 'response', 'success', 'failure'] as const

/** Algorithm octet of the LCP Authentication-Protocol option for CHAP (RFC 1994 3, RFC 2759 1). */
export const CHAP_MD5 = 5
export const CHAP_MSCHAPV2 = 0x81

/** Undefined when a length reaches beyond the packet or the code is unknown. Fields are views. */
export function decodePap(bytes: Uint8Array): PapPacket | undefined {
  const packet = decodeCpPacket(bytes)
  const kind = PAP_KINDS[(packet?.code ?? 0) - 1]
  if (packet === undefined || kind === undefined) return undefined
  const { identifier, data } = packet
  if (kind !== 'request') {
    // Some peers leave the Msg-Length octet out with the message.
    const message = data.length === 0 ? data : counted(data, 0)
    return message && { kind, identifier, message }
  }
  const user = counted(data, 0)
  const password = user && counted(data, 1 + user.length)
  return user && password && { kind, identifier, user, password }
}

export function encodePap(packet: PapPacket): Uint8Array {
  const fields = packet.kind === 'request' ? [packet.user, packet.password] : [packet.message]
  return encodeCpPacket({
    code: PAP_KINDS.indexOf(packet.kind) + 1,
    identifier: packet.identifier,
    data: join(fields.flatMap(field => [countOf(field), field])),
  })
}

/** Undefined when Value-Size reaches beyond the packet or is 0, or the code is unknown. Fields are views. */
export function decodeChap(bytes: Uint8Array): ChapPacket | undefined {
  const packet = decodeCpPacket(bytes)
  const kind = CHAP_KINDS[(packet?.code ?? 0) - 1]
  if (packet === undefined || kind === undefined) return undefined
  const { identifier, data } = packet
  if (kind === 'success' || kind === 'failure') return { kind, identifier, message: data }
  const value = counted(data, 0)
  if (value === undefined || value.length === 0) return undefined
  return { kind, identifier, value, name: data.subarray(1 + value.length) }
}

export function encodeChap(packet: ChapPacket): Uint8Array {
  return encodeCpPacket({
    code: CHAP_KINDS.indexOf(packet.kind) + 1,
    identifier: packet.identifier,
    data: 'message' in packet ? packet.message : join([countOf(packet.value), packet.value, packet.name]),
  })
}

/** Octets from a peer as text: UTF-8, or Latin-1 where they are none. Nothing is lost and nothing throws. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return String.fromCharCode(...bytes)
  }
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function counted(data: Uint8Array, at: number): Uint8Array | undefined {
  const length = data[at]
  if (length === undefined || at + 1 + length > data.length) return undefined
  return data.subarray(at + 1, at + 1 + length)
}

function countOf(field: Uint8Array): Uint8Array {
  if (field.length > 0xff) throw new BurrowError('WIRE_OVERFLOW', `a field of ${field.length} octets`)
  return Uint8Array.of(field.length)
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
