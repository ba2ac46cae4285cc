/** RADIUS packets by hand: what a test puts on the wire, and what the RFCs say of it, apart from the codec's own words. */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import type { RadiusAttribute, RadiusCode, RadiusDecoded } from '../../core/index.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'

export const DICTIONARY = readDictionaries()
export const codec = new RadiusCodec(DICTIONARY)
export const SECRET = 'testing123'
export const IDENTIFIER = 42
const HEADER_BYTES = 20

export const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
export const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

export function md5(...parts: readonly (string | Uint8Array)[]): string {
  const digest = createHash('md5')
  for (const part of parts) digest.update(part)
  return digest.digest('hex')
}

export function hmacMd5(key: string, octets: Uint8Array): string {
  return createHmac('md5', key).update(octets).digest('hex')
}

/** A copy with other octets at `at`. */
export function patched(octets: Uint8Array, at: number, patch: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(octets)
  copy.set(patch, at)
  return copy
}

/** `[type, value]` for each attribute, as the length octets have it. */
export function attributesOf(packet: Uint8Array): readonly [type: number, valueHex: string][] {
  const found: [number, string][] = []
  for (let at = HEADER_BYTES; at < packet.length; at += packet[at + 1] ?? 0) {
    const end = at + (packet[at + 1] ?? 0)
    assert.ok(end >= at + 2 && end <= packet.length)
    found.push([packet[at] ?? 0, hex(packet.subarray(at + 2, end))])
  }
  return found
}

export function attributesHex(...attributes: readonly [type: number, valueHex: string][]): string {
  return attributes
    .map(([type, value]) => hex(Uint8Array.of(type, 2 + bytes(value).length)) + hex(bytes(value)))
    .join('')
}

/** A request of the codec, for replies to it. */
export function requestOf(code: RadiusCode = 'Access-Request', attributes: readonly RadiusAttribute[] = []) {
  return codec.encodeRequest(
    { code, identifier: IDENTIFIER, attributes },
    { secret: SECRET, random: new SeededRandom(1) },
  )
}

/** An answer with these attributes as they stand, its authenticator right and nothing else (RFC 2865 3). */
export function replyHex(
  code: number,
  authenticator: Uint8Array,
  attributes: string,
  length?: number,
): Uint8Array {
  const body = bytes(attributes)
  const whole = length ?? HEADER_BYTES + body.length
  const head = Uint8Array.of(code, IDENTIFIER, whole >> 8, whole & 0xff)
  const proof = md5(head, authenticator, body, SECRET)
  return bytes(hex(head) + proof + attributes)
}

export const OPTIONAL = { secret: SECRET, requireMessageAuthenticator: false } as const
export const REQUIRED = { secret: SECRET, requireMessageAuthenticator: true } as const

/** The attributes of a packet that counts. */
export function told(decoded: RadiusDecoded): readonly RadiusAttribute[] {
  assert.equal(decoded.kind, 'message', decoded.kind === 'drop' ? decoded.reason : '')
  return decoded.kind === 'message' ? decoded.message.attributes : []
}

/** Why it does not count; undefined if it does. */
export function dropped(decoded: RadiusDecoded): string | undefined {
  return decoded.kind === 'drop' ? decoded.reason : undefined
}

/** What attributes, as they stand in an Access-Accept, decode to. */
export function decodedHex(attributes: string): readonly RadiusAttribute[] {
  const { authenticator } = requestOf()
  const reply = replyHex(2, authenticator, attributes)
  return told(
    codec.decodeReply(reply, { ...OPTIONAL, code: 'Access-Request', identifier: IDENTIFIER, authenticator }),
  )
}

/** The attributes of a request but for its Message-Authenticator. */
export function encodedHex(
  ...attributes: readonly RadiusAttribute[]
): readonly [type: number, valueHex: string][] {
  return attributesOf(requestOf('Access-Request', attributes).bytes).slice(1)
}
