/** RADIUS packets as messages, and back: signed and hidden on the way out, checked and revealed on the way in. */
import type { RadiusCode, RadiusDecoded, RadiusMessage, Random } from 'burrow'
import { AttributeCodec } from './attributes.ts'
import {
  checkReply,
  checkRequest,
  type ProofFault,
  signReply,
  signRequest,
  UNSIGNED,
} from './authenticators.ts'
import { CODES, codeNamed } from './codes.ts'
import type { Dictionary } from './dictionary.ts'
import type { Hiding } from './hiding.ts'
import {
  AUTHENTICATOR_AT,
  AUTHENTICATOR_BYTES,
  decodePacket,
  encodePacket,
  numberAt,
  type RawPacket,
} from './packet.ts'

/** Why a packet counts for nothing. */
export const DROP_REASONS = [
  'malformed',
  'wrong-code',
  'wrong-identifier',
  'wrong-authenticator',
  'wrong-message-authenticator',
  'missing-message-authenticator',
] as const

export type RadiusDropReason = (typeof DROP_REASONS)[number]

export interface RequestFrame {
  readonly identifier: number
  /** 16 octets. */
  readonly authenticator: Uint8Array
}

/** What a reply is held against. */
export interface ExpectedReply extends RequestFrame {
  /** Of the request. */
  readonly code: RadiusCode
  readonly secret: string
  readonly requireMessageAuthenticator: boolean
}

const ZEROES = new Uint8Array(AUTHENTICATOR_BYTES)

export class RadiusCodec {
  readonly #attributes: AttributeCodec
  /** Few, and a config's own: the same array each time, for what `hmacMd5` keeps of it. */
  readonly #keys = new Map<string, Uint8Array>()

  constructor(dictionary: Dictionary) {
    this.#attributes = new AttributeCodec(dictionary)
  }

  /** Throws RADIUS_ATTRIBUTE for what cannot be sent. `authenticator` is what `decodeReply` asks for. */
  encodeRequest(
    { code, identifier, attributes }: RadiusMessage & { readonly identifier: number },
    { secret, random }: { readonly secret: string; readonly random: Random },
  ): { readonly bytes: Uint8Array; readonly authenticator: Uint8Array } {
    const kind = kindOf(code)
    const authenticator = kind === 'random' ? random.bytes(AUTHENTICATOR_BYTES) : ZEROES
    const key = this.#keyOf(secret)
    const raw = this.#attributes.encode(attributes, hidingWith(key, authenticator, random.uint16()))
    const bytes = encodePacket(CODES[code].number, identifier, authenticator, [UNSIGNED, ...raw])
    signRequest(bytes, kind, key)
    return { bytes, authenticator: bytes.slice(AUTHENTICATOR_AT, AUTHENTICATOR_AT + AUTHENTICATOR_BYTES) }
  }

  /** Never throws. */
  decodeReply(bytes: Uint8Array, expected: ExpectedReply): RadiusDecoded {
    const packet = decodePacket(bytes)
    if (packet === undefined) return drop('malformed')
    if (packet.identifier !== expected.identifier) return drop('wrong-identifier')
    const code = codeNamed(packet.code)
    if (code === undefined || !CODES[expected.code].replies?.includes(code)) return drop('wrong-code')
    const { authenticator, requireMessageAuthenticator } = expected
    const key = this.#keyOf(expected.secret)
    const fault = checkReply(packet, authenticator, key, requireMessageAuthenticator)
    return fault ? drop(fault) : this.#message(code, packet, hidingWith(key, authenticator, 0))
  }

  /**
   * Never throws. Where Message-Authenticator is not required, a request whose authenticator is random can come from
   * anybody.
   */
  decodeRequest(
    bytes: Uint8Array,
    secret: string,
    { requireMessageAuthenticator = false }: { readonly requireMessageAuthenticator?: boolean } = {},
  ): RadiusDecoded {
    const packet = decodePacket(bytes)
    if (packet === undefined) return drop('malformed')
    const code = codeNamed(packet.code)
    const kind = code && CODES[code].authenticator
    if (code === undefined || kind === undefined) return drop('wrong-code')
    const key = this.#keyOf(secret)
    const fault = checkRequest(packet, kind, key, requireMessageAuthenticator)
    const vector = kind === 'random' ? packet.authenticator : ZEROES
    return fault ? drop(fault) : this.#message(code, packet, hidingWith(key, vector, 0))
  }

  /** Throws RADIUS_ATTRIBUTE for what cannot be sent. */
  encodeReply(
    { code, attributes }: RadiusMessage,
    { identifier, authenticator }: RequestFrame,
    secret: string,
  ): Uint8Array {
    const key = this.#keyOf(secret)
    // Salts need be unique within the packet alone: the request's authenticator is that for each packet.
    const raw = this.#attributes.encode(
      attributes,
      hidingWith(key, authenticator, numberAt(authenticator, 0, 2)),
    )
    const bytes = encodePacket(CODES[code].number, identifier, authenticator, [UNSIGNED, ...raw])
    signReply(bytes, key)
    return bytes
  }

  #keyOf(secret: string): Uint8Array {
    const known = this.#keys.get(secret)
    if (known !== undefined) return known
    const key = new TextEncoder().encode(secret)
    this.#keys.set(secret, key)
    return key
  }

  #message(code: RadiusCode, packet: RawPacket, hiding: Hiding): RadiusDecoded {
    const { identifier, authenticator } = packet
    const attributes = this.#attributes.decode(packet.attributes, hiding)
    return { kind: 'message', message: { code, attributes }, identifier, authenticator }
  }
}

function kindOf(code: RadiusCode): 'random' | 'digest' {
  const { authenticator } = CODES[code]
  if (authenticator === undefined) throw new TypeError(`${code} is no request`)
  return authenticator
}

function hidingWith(secret: Uint8Array, authenticator: Uint8Array, firstSalt: number): Hiding {
  let salt = firstSalt
  return { secret, authenticator, nextSalt: () => salt++ & 0xffff }
}

function drop(reason: RadiusDropReason | ProofFault): RadiusDecoded {
  return { kind: 'drop', reason }
}
