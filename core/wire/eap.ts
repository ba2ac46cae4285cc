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

/** IANA "Method Types", those that clients have. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [EAP_TYPE.IDENTITY, 'Identity'],
  [EAP_TYPE.NOTIFICATION, 'Notification'],
  [EAP_TYPE.NAK, 'Nak'],
  [EAP_TYPE.MD5_CHALLENGE, 'MD5-Challenge'],
  [5, 'OTP'],
  [6, 'GTC'],
  [13, 'TLS'],
  [21, 'TTLS'],
  [25, 'PEAP'],
  [26, 'MSCHAPv2'],
  [43, 'FAST'],
  [52, 'PWD'],
  [55, 'TEAP'],
  [254, 'Expanded'],
])

/** For logs and ladders. */
export function eapTypeName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`
}
