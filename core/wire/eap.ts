/** Packets of EAP (RFC 3748 4), framed as those of PPP's own protocols. What a method says in its data is its own affair. */
import { decodeCpPacket, encodeCpPacket } from './ppp-options.ts'

/** `type` and `data`: of the method. */
export type EapPacket =
  | {
      readonly kind: 'request' | 'response'
      readonly identifier: number
      readonly type: number
      readonly data: Uint8Array
    }
  | { readonly kind: 'success' | 'failure'; readonly identifier: number }

const KINDS = ['request', 'response', 'success', 'failure'] as const

/** Types that are no method, and the one that every peer must have (RFC 3748 5). */
export const EAP_TYPE = { IDENTITY: 1, NOTIFICATION: 2, NAK: 3, MD5_CHALLENGE: 4 } as const

/** Undefined when the length is impossible for the code, or the code is unknown. `data` is a view. */
export function decodeEap(bytes: Uint8Array): EapPacket | undefined {
  const packet = decodeCpPacket(bytes)
  const kind = KINDS[(packet?.code ?? 0) - 1]
  if (packet === undefined || kind === undefined) return undefined
  const { identifier, data } = packet
  const [type] = data
  if (kind === 'success' || kind === 'failure') return type === undefined ? { kind, identifier } : undefined
  return type === undefined ? undefined : { kind, identifier, type, data: data.subarray(1) }
}

export function encodeEap(packet: EapPacket): Uint8Array {
  return encodeCpPacket({
    code: KINDS.indexOf(packet.kind) + 1,
    identifier: packet.identifier,
    data: 'type' in packet ? Uint8Array.of(packet.type, ...packet.data) : new Uint8Array(),
  })
}
