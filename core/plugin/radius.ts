/** RADIUS as a capability: what `radius-client` offers to the plugins that authenticate, account and listen by it. */
import type { SessionInfo } from '../protocol/outputs.ts'
import { type Capability, capability } from './capability.ts'

/**
 * By the type of the attribute in the dictionary: text, addresses and prefixes (`2001:db8::/64`) are strings, octets bytes,
 * numbers and dates (seconds since 1970) numbers, 64-bit ones bigints. Where a value has a name, requests may give that.
 */
export type RadiusValue = string | number | bigint | Uint8Array

/** One attribute in the clear: passwords and keys are hidden on the way out and revealed on the way in. */
export interface RadiusAttribute {
  /** As the dictionary has it: `Framed-IP-Address`, `MS-CHAP2-Success`; unknown ones are `Attr-N` and `Vendor-V-Attr-N`, as octets. */
  readonly name: string
  /** Of an attribute that is split over several (EAP-Message), the whole. */
  readonly value: RadiusValue
  /** 1..31, of the attributes that have one (RFC 2868 3). */
  readonly tag?: number
}

/** The packet types of RFC 2865, 2866 and 5176. */
export type RadiusCode =
  | 'Access-Request'
  | 'Access-Accept'
  | 'Access-Reject'
  | 'Access-Challenge'
  | 'Accounting-Request'
  | 'Accounting-Response'
  | 'Status-Server'
  | 'Disconnect-Request'
  | 'Disconnect-ACK'
  | 'Disconnect-NAK'
  | 'CoA-Request'
  | 'CoA-ACK'
  | 'CoA-NAK'

/** A packet without what only the wire needs. */
export interface RadiusMessage {
  /** What it is. */
  readonly code: RadiusCode
  /** In the order of the packet; Message-Authenticator is the codec's own affair. */
  readonly attributes: readonly RadiusAttribute[]
}

/** What a server is asked. */
export interface RadiusRequest extends RadiusMessage {
  /** What a server can be asked. */
  readonly code: 'Access-Request' | 'Accounting-Request'
  /** Servers that may answer, by the name of their pool in the config; absent: the first pool. */
  readonly pool?: string
  /** The server that the exchange began with: alone knows its State. */
  readonly server?: string
  /** How long an answer may take; absent: as the server's retransmissions come to. For servers that wait for a person. */
  readonly timeoutMs?: number
  /** The answer is no longer wanted: nothing is sent any more, what still comes is dropped. */
  readonly signal?: AbortSignal
}

/** What a question came to. */
export type RadiusOutcome =
  | {
      /** A server answered, and could prove that it knows the secret. */
      readonly kind: 'reply'
      /** What it said. */
      readonly code: 'Access-Accept' | 'Access-Reject' | 'Access-Challenge' | 'Accounting-Response'
      /** In the order of the packet. */
      readonly attributes: readonly RadiusAttribute[]
      /** Name of the server, for `RadiusRequest.server`. */
      readonly server: string
    }
  | {
      /** No server answered, or none could be asked. */
      readonly kind: 'unavailable'
      /** For log and trail: which servers, and why. */
      readonly reason: string
    }

/** A packet that came in, or why it counts for nothing. */
export type RadiusDecoded =
  | {
      /** It is whole, and proves the secret. */
      readonly kind: 'message'
      /** What it says. */
      readonly message: RadiusMessage
      /** 0..255; an answer carries the same. */
      readonly identifier: number
      /** 16 octets; an answer is bound to them. */
      readonly authenticator: Uint8Array
    }
  | {
      /** It is forged or broken. */
      readonly kind: 'drop'
      /** One of a closed set, for a counter. */
      readonly reason: string
    }

/** What a plugin can do with RADIUS servers and packets. */
export interface RadiusClient {
  /** Asks one server of a pool after the other. Never rejects. */
  ask(request: RadiusRequest): Promise<RadiusOutcome>
  /** The names of the pools, in the order of the config. */
  readonly pools: readonly string[]
  /** What every packet about a session carries: who we are, how it came in, its Acct-Session-Id. */
  sessionAttributes(session: SessionInfo): readonly RadiusAttribute[]
  /** What says who we are, where no session is spoken of (NAS-Identifier, NAS-IP-Address). */
  readonly nasAttributes: readonly RadiusAttribute[]
  /**
   * Reads a request that somebody sent to us (RFC 5176 2.3). `secret` is what is shared with its sender. What has a
   * Message-Authenticator must have the right one; `requireMessageAuthenticator`: what has none is dropped.
   */
  decodeRequest(
    bytes: Uint8Array,
    secret: string,
    options: { readonly requireMessageAuthenticator: boolean },
  ): RadiusDecoded
  /** Writes the answer to a request that `decodeRequest` gave; Proxy-State is the caller's to copy. */
  encodeReply(
    reply: RadiusMessage,
    request: { readonly identifier: number; readonly authenticator: Uint8Array },
    secret: string,
  ): Uint8Array
  /** Whether the dictionaries know an attribute of that name. */
  knows(attribute: string): boolean
  /**
   * The name of the attribute that came as `Attr-N` or `Vendor-V-Attr-N` though the dictionaries have it: its octets are no
   * value of its type. Undefined for every other name.
   */
  meant(attribute: string): string | undefined
}

/** The servers of this deployment, and the dictionaries that go with them. */
export const RADIUS: Capability<RadiusClient, 'one'> = capability('radius')
