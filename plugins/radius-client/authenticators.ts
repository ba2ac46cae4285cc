/**
 * What proves that a packet comes from somebody who knows the secret: Request and Response Authenticator (RFC 2865 3, 2866
 * 3, 5176 2.3) and Message-Authenticator (RFC 2869 5.14, 5176 3.4).
 */
import { timingSafeEqual } from 'node:crypto'
import { CODES } from './codes.ts'
import { hmacMd5, md5 } from './digest.ts'
import {
  AUTHENTICATOR_AT,
  AUTHENTICATOR_BYTES,
  EAP_MESSAGE,
  HEADER_BYTES,
  MESSAGE_AUTHENTICATOR,
  type RawAttribute,
  type RawPacket,
} from './packet.ts'

const ZEROES = new Uint8Array(AUTHENTICATOR_BYTES)
/** First of all (draft-ietf-radext-deprecating-radius): a forger of MD5 collisions then has no room before it. */
export const UNSIGNED: RawAttribute = { type: MESSAGE_AUTHENTICATOR, value: ZEROES }
const SIGNATURE_AT = HEADER_BYTES + 2

export type ProofFault =
  | 'malformed'
  | 'wrong-authenticator'
  | 'wrong-message-authenticator'
  | 'missing-message-authenticator'

/** Signs, in place, a packet that begins with `UNSIGNED`; a random authenticator stands in it already. */
export function signRequest(bytes: Uint8Array, kind: 'random' | 'digest', secret: Uint8Array): void {
  bytes.set(hmacMd5(secret, bytes), SIGNATURE_AT)
  if (kind === 'digest') bytes.set(md5(bytes, secret), AUTHENTICATOR_AT)
}

/** Signs, in place, a packet that begins with `UNSIGNED` and holds the authenticator of the request. */
export function signReply(bytes: Uint8Array, secret: Uint8Array): void {
  bytes.set(hmacMd5(secret, bytes), SIGNATURE_AT)
  bytes.set(md5(bytes, secret), AUTHENTICATOR_AT)
}

/** A random authenticator proves nothing by itself: only Message-Authenticator does. */
export function checkRequest(
  packet: RawPacket,
  kind: 'random' | 'digest',
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  const signed = kind === 'random' ? packet.authenticator : ZEROES
  if (kind === 'digest' && !isProven(packet, signed, secret)) return 'wrong-authenticator'
  return checkSignature(packet, signed, secret, required)
}

export function checkReply(
  packet: RawPacket,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  if (!isProven(packet, requestAuthenticator, secret)) return 'wrong-authenticator'
  return checkSignature(packet, requestAuthenticator, secret, required)
}

/** `signed` stood in the place of the authenticator when the digest was made. */
function isProven({ bytes, authenticator }: RawPacket, signed: Uint8Array, secret: Uint8Array): boolean {
  const digest = md5(bytes.subarray(0, AUTHENTICATOR_AT), signed, bytes.subarray(HEADER_BYTES), secret)
  return timingSafeEqual(digest, authenticator)
}

/** The attribute may stand anywhere, once. */
function checkSignature(
  packet: RawPacket,
  signed: Uint8Array,
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  const [signature, another] = packet.attributes.filter(({ type }) => type === MESSAGE_AUTHENTICATOR)
  if (signature === undefined)
    return required || mustBeSigned(packet) ? 'missing-message-authenticator' : undefined
  const { value } = signature
  if (another !== undefined || value.length !== AUTHENTICATOR_BYTES) return 'malformed'
  const { bytes } = packet
  const at = value.byteOffset - bytes.byteOffset
  const digest = hmacMd5(
    secret,
    bytes.subarray(0, AUTHENTICATOR_AT),
    signed,
    bytes.subarray(HEADER_BYTES, at),
    ZEROES,
    bytes.subarray(at + AUTHENTICATOR_BYTES),
  )
  return timingSafeEqual(digest, value) ? undefined : 'wrong-message-authenticator'
}

/** RFC 3579 3.2: what carries EAP; RFC 5997 3: Status-Server. */
function mustBeSigned({ code, attributes }: RawPacket): boolean {
  return code === CODES['Status-Server'].number || attributes.some(({ type }) => type === EAP_MESSAGE)
}
