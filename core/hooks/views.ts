/** Read-only contexts that taps receive. */
import type { FlowCounters } from '../flow.ts'
import type {
  AddressKind,
  AuthMethod,
  EndReason,
  Grant,
  Lease,
  Mschapv2Proof,
  SessionInfo,
  SessionNetwork,
  SessionPolicy,
  TunnelInfo,
} from '../protocol/outputs.ts'
import type { Json } from '../protocol/snapshot.ts'

export type { Json }

/** What every decision tap gets beside its subject. */
export interface Call {
  /** Aborts when the session died or the deadline passed: the verdict is no longer wanted. */
  readonly signal: AbortSignal
}

export interface TunnelCall extends Call {
  readonly tunnel: TunnelInfo
}

export interface SessionCall extends Call {
  readonly session: SessionInfo
}

/** The peer's proof of identity. It is not enumerable and prints as its method, so a log cannot hold it. */
export interface Proof {
  readonly method: AuthMethod
  /** True when `secret` (clear text) is the one that the peer knows. Constant time. */
  verify(secret: string): boolean
  /** The password as typed; PAP only, for hashes and binds. */
  password(): string | undefined
  /** Identifier, challenge and response; CHAP only, for RADIUS. */
  chap():
    | { readonly identifier: number; readonly challenge: Uint8Array; readonly response: Uint8Array }
    | undefined
  /** True when `hash` is the NT hash (16 octets) of the peer's password, for directories that hold no other. Never with CHAP. */
  verifyNtHash(hash: Uint8Array): boolean
  /** Challenges, response and the name that was hashed; MS-CHAPv2 only, for RADIUS. */
  mschapv2(): Omit<Mschapv2Proof, 'method'> | undefined
}

export interface AuthenticateCall extends SessionCall {
  readonly user: string
  readonly proof: Proof
  /** 0 first; later in an exchange that this plugin goes on with by `continue`. */
  readonly round: number
  /** What this plugin gave with its last `continue`. */
  readonly state?: Json
}

export interface GrantCall extends SessionCall {
  readonly grant: Grant
}

export interface AssignCall extends GrantCall {
  /** The kind that is wanted. `ServerView` tells who holds a static address and can end that session. */
  readonly address: AddressKind
}

export interface PolicyCall extends GrantCall {
  readonly leases: readonly Lease[]
}

export type AdmitVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'deny'; readonly reason: string; readonly message?: string }

/** `undefined` from a tap means "not mine": the next tap is asked. */
export type AuthenticateVerdict =
  | { readonly kind: 'accept'; readonly user: string; readonly grant?: Partial<Omit<Grant, 'user'>> }
  | { readonly kind: 'reject'; readonly reason: string; readonly message?: string }
  /** The verifier could not be asked; whether the next tap may be is the plugin's `onUnavailable` option. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /**
   * The peer has to say more (a code, a new password): it is sent `reply`, and this plugin alone is asked about its next
   * message, with `state`: plain data of at most 4 KiB as JSON, which may wait in a snapshot, so keep no secret in it.
   * PAP shows the reply as the message of a Nak; CHAP has no room for it, and sends another challenge. Rounds are bounded
   * (16), and `ppp.authTimeoutMs` is for all of them. Answer a wrong password with `reject`: only that slows a guesser.
   */
  | { readonly kind: 'continue'; readonly reply: string; readonly state: Json }

/** A tap of a waterfall hook returns the value to go on with, or a denial. */
export type AuthorizeVerdict =
  | Grant
  | { readonly kind: 'deny'; readonly reason: string; readonly message?: string }
export type PolicyVerdict = SessionPolicy | { readonly kind: 'deny'; readonly reason: string }

export type AssignVerdict =
  | { readonly kind: 'lease'; readonly value: string; readonly id: string }
  | { readonly kind: 'refuse'; readonly reason: string }

/**
 * May this user stay? Asked of a live session when the operator reloads with `--enforce`. There is no proof any more:
 * what counts is whether the user is still known, and with which grant.
 */
export interface RevalidateCall extends SessionCall {
  readonly user: string
  /** As it was granted at login. */
  readonly grant: Grant
}

/** `undefined` from a tap means "not mine, or no longer known": the next tap is asked. */
export type RevalidateVerdict =
  /** `grant`: as a login would give it now. */
  | { readonly kind: 'accept'; readonly grant?: Partial<Omit<Grant, 'user'>> }
  | { readonly kind: 'deny'; readonly reason: string }
  /** Whoever knows could not be asked. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface TunnelUp {
  readonly tunnel: TunnelInfo
}
export interface TunnelDown {
  readonly tunnel: TunnelInfo
  readonly reason: EndReason
}
export interface SessionUp {
  readonly session: SessionInfo
  readonly grant: Grant
  readonly leases: readonly Lease[]
  readonly network: SessionNetwork
}
export interface SessionUpdate extends SessionUp {
  readonly counters: FlowCounters
  readonly durationMs: number
}
export interface SessionDown extends SessionUpdate {
  readonly reason: EndReason
}
