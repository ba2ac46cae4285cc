/** What EAP-MSCHAPv2 (type 26, draft-kamath-pppext-eap-mschapv2-02) says in its data: packets of MS-CHAPv2, one within the other. */
import { Reader, Writer } from './bytes.ts'

export const EAP_MSCHAPV2 = 26

const OPERATION = { challenge: 1, response: 2, success: 3, failure: 4 } as const
const CHALLENGE_BYTES = 16
const RESPONSE_BYTES = 49
const NT_RESPONSE_AT = 24
const NT_RESPONSE_BYTES = 24
const HEADER_BYTES = 4
const LONGEST_BYTES = 1024

export type EapMschapv2 =
  | {
      readonly kind: 'challenge'
      readonly identifier: number
      /** 16 octets. */
      readonly challenge: Uint8Array
      readonly name: Uint8Array
    }
  | {
      readonly kind: 'response'
      readonly identifier: number
      /** 16 octets. */
      readonly peerChallenge: Uint8Array
      /** 24 octets. */
      readonly ntResponse: Uint8Array
      readonly name: Uint8Array
    }
  /** `S=... M=...` and `E=... R=...`. */
  | { readonly kind: 'success'; readonly identifier: number; readonly message: Uint8Array }
  | { readonly kind: 'failure'; readonly identifier: number; readonly message: Uint8Array }
  /** The peer has taken note of either: one octet. */
  | { readonly kind: 'success-noted' }
  | { readonly kind: 'failure-noted' }

/** Undefined for what is cut short, or is none of these. */
export function decodeEapMschapv2(data: Uint8Array): EapMschapv2 | undefined {
  const [operation] = data
  if (data.length === 1 && operation === OPERATION.success) return { kind: 'success-noted' }
  if (data.length === 1 && operation === OPERATION.failure) return { kind: 'failure-noted' }
  if (data.length < HEADER_BYTES) return undefined
  const reader = new Reader(data.subarray(1))
  const identifier = reader.u8()
  // Of the length some peers make what they like; that of the packet is what counts.
  reader.u16()
  switch (operation) {
    case OPERATION.challenge: {
      if (reader.remaining < 1 + CHALLENGE_BYTES || reader.u8() !== CHALLENGE_BYTES) return undefined
      const challenge = reader.bytes(CHALLENGE_BYTES).slice()
      return { kind: 'challenge', identifier, challenge, name: reader.bytes(reader.remaining) }
    }
    case OPERATION.response: {
      if (reader.remaining < 1 + RESPONSE_BYTES || reader.u8() !== RESPONSE_BYTES) return undefined
      const value = reader.bytes(RESPONSE_BYTES).slice()
      const peerChallenge = value.subarray(0, CHALLENGE_BYTES)
      const ntResponse = value.subarray(NT_RESPONSE_AT, NT_RESPONSE_AT + NT_RESPONSE_BYTES)
      return { kind: 'response', identifier, peerChallenge, ntResponse, name: reader.bytes(reader.remaining) }
    }
    case OPERATION.success:
      return { kind: 'success', identifier, message: reader.bytes(reader.remaining) }
    case OPERATION.failure:
      return { kind: 'failure', identifier, message: reader.bytes(reader.remaining) }
    default:
      return undefined
  }
}

/** Names and messages longer than what is usual are an error of the caller. */
export function encodeEapMschapv2(packet: EapMschapv2): Uint8Array {
  if (packet.kind === 'success-noted') return Uint8Array.of(OPERATION.success)
  if (packet.kind === 'failure-noted') return Uint8Array.of(OPERATION.failure)
  const body = new Writer(LONGEST_BYTES)
  if (packet.kind === 'challenge') {
    body.u8(CHALLENGE_BYTES)
    body.bytes(packet.challenge)
    body.bytes(packet.name)
  } else if (packet.kind === 'response') {
    const value = new Uint8Array(RESPONSE_BYTES)
    value.set(packet.peerChallenge)
    value.set(packet.ntResponse, NT_RESPONSE_AT)
    body.u8(RESPONSE_BYTES)
    body.bytes(value)
    body.bytes(packet.name)
  } else body.bytes(packet.message)
  const content = body.finish()
  const w = new Writer(HEADER_BYTES + content.length)
  w.u8(OPERATION[packet.kind])
  w.u8(packet.identifier)
  w.u16(HEADER_BYTES + content.length)
  w.bytes(content)
  return w.finish()
}
