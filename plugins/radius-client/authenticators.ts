/**
 * What proves that a packet comes from somebody who knows the secret: Request and Response Authenticator (RFC 2865 3, 2866
 * 3, 5176 2.3) and Message-Authenticator (RFC 2869 5.14, 5176 3.4).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { CODES } from './codes.ts'
import { md5 } from './digest.ts'
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
  bytes.set(messageAuthenticator(bytes, SIGNATURE_AT, secret), SIGNATURE_AT)
  if (kind === 'digest') bytes.set(md5(bytes, secret), AUTHENTICATOR_AT)
}

/** Signs, in place, a packet that begins with `UNSIGNED` and holds the authenticator of the request. */
export function signReply(bytes: Uint8Array, secret: Uint8Array): void {
  bytes.set(messageAuthenticator(bytes, SIGNATURE_AT, secret), SIGNATURE_AT)
  bytes.set(md5(bytes, secret), AUTHENTICATOR_AT)
}

/** A random authenticator proves nothing by itself: only Message-Authenticator does. */
export function checkRequest(
  packet: RawPacket,
  kind: 'random' | 'digest',
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  const field = kind === 'random' ? packet.authenticator : ZEROES
  const bytes = withAuthenticator(packet.bytes, field)
  if (kind === 'digest' && !timingSafeEqual(md5(bytes, secret), packet.authenticator))
    return 'wrong-authenticator'
  return checkSignature(packet, bytes, secret, required)
}

export function checkReply(
  packet: RawPacket,
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  const bytes = withAuthenticator(packet.bytes, requestAuthenticator)
  if (!timingSafeEqual(md5(bytes, secret), packet.authenticator)) return 'wrong-authenticator'
  return checkSignature(packet, bytes, secret, required)
}

/** `bytes` is the packet with the authenticator that was signed. The attribute may stand anywhere, once. */
function checkSignature(
  packet: RawPacket,
  bytes: Uint8Array,
  secret: Uint8Array,
  required: boolean,
): ProofFault | undefined {
  const [signature, another] = packet.attributes.filter(({ type }) => type === MESSAGE_AUTHENTICATOR)
  if (signature === undefined)
    return required || mustBeSigned(packet) ? 'missing-message-authenticator' : undefined
  const { value } = signature
  if (another !== undefined || value.length !== AUTHENTICATOR_BYTES) return 'malformed'
  const at = value.byteOffset - packet.bytes.byteOffset
  return timingSafeEqual(messageAuthenticator(bytes, at, secret), value)
    ? undefined
    : 'wrong-message-authenticator'
}

/** RFC 3579 3.2: what carries EAP; RFC 5997 3: Status-Server. */
function mustBeSigned({ code, attributes }: RawPacket): boolean {
  return code === CODES['Status-Server'].number || attributes.some(({ type }) => type === EAP_MESSAGE)
}

function messageAuthenticator(bytes: Uint8Array, at: number, secret: Uint8Array): Uint8Array {
  const unsigned = Uint8Array.from(bytes)
  unsigned.set(ZEROES, at)
  return createHmac('md5', secret).update(unsigned).digest()
}

function withAuthenticator(bytes: Uint8Array, authenticator: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed.set(authenticator, AUTHENTICATOR_AT)
  return changed
}
