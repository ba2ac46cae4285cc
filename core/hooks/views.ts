/** Read-only contexts that taps receive. */
import type { FlowCounters } from '../flow.ts'
import type {
  AddressKind,
  AuthMethod,
  EapProof,
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
  /**
   * An operator asks what would become of a login (`burrow try`); there is no peer, and the ids of the session begin with
   * `dry-run`. Decide as ever, but change and remember nothing: end no session, move no counter, send no message to anybody.
   * What is leased is released at once, whatever the verdict comes to.
   */
  readonly dryRun: boolean
}

export interface TunnelCall extends Call {
  /** The tunnel that wants in; nothing that its peer says of itself is proven yet, but for `secretName`. */
  readonly tunnel: TunnelInfo
}

export interface SessionCall extends Call {
  /** The call that is decided on. Text that the peer sent is raw: `escapeText` it before you show it. */
  readonly session: SessionInfo
}

/** The peer's proof of identity. It is not enumerable and prints as its method, so a log cannot hold it. */
export interface Proof {
  /** How the peer proves itself; the accessors of another method give undefined. */
  readonly method: AuthMethod
  /** True when `secret` (clear text) is the one that the peer knows. Constant time. Never with EAP. */
  verify(secret: string): boolean
  /** The password as typed; PAP only, for hashes and binds. */
  password(): string | undefined
  /** Identifier, challenge and response; CHAP only, for RADIUS. */
  chap():
    | {
        /** Of the CHAP packet, 0..255. */
        readonly identifier: number
        /** As it was sent to the peer. */
        readonly challenge: Uint8Array
        /** 16 octets: MD5 over identifier, secret and challenge (RFC 1994 4.1). */
        readonly response: Uint8Array
      }
    | undefined
  /**
   * True when `hash` is the NT hash (16 octets) of the peer's password, for directories that hold no other. Never with CHAP
   * or EAP.
   */
  verifyNtHash(hash: Uint8Array): boolean
  /** Identifier, challenges, response and the name that was hashed; MS-CHAPv2 only, for RADIUS. */
  mschapv2(): Omit<Mschapv2Proof, 'method'> | undefined
  /** The peer's packet; EAP only, for whoever speaks its method. */
  eap(): Omit<EapProof, 'method'> | undefined
}

export interface AuthenticateCall extends SessionCall {
  /** The name as the peer gave it, raw: neither its case nor its realm has been touched. */
  readonly user: string
  /** What to verify; it holds no password where the method does not send one. */
  readonly proof: Proof
  /** 0 first; later in an exchange that this plugin goes on with by `continue`. */
  readonly round: number
  /** What this plugin gave with its last `continue`. */
  readonly state?: Json
}

export interface GrantCall extends SessionCall {
  /** What the user is granted, after every tap of `authorize`. */
  readonly grant: Grant
}

export interface AssignCall extends GrantCall {
  /** The kind that is wanted. `ServerView` tells who holds a static address and can end that session. */
  readonly address: AddressKind
}

export interface PolicyCall extends GrantCall {
  /** The addresses that the session holds: what its rules are about. */
  readonly leases: readonly Lease[]
}

/** Whether a tunnel or a call may go on. `undefined` from a tap passes on to the next; nobody objects: accepted. */
export type AdmitVerdict =
  | {
      /** It may go on, and no later tap is asked. */
      readonly kind: 'accept'
    }
  | {
      /** The peer is told StopCCN or CDN (RFC 2661 4.4.2). */
      readonly kind: 'deny'
      /** For our log and trail. */
      readonly reason: string
      /** For the peer, if it may know. */
      readonly message?: string
    }

/** `undefined` from a tap means "not mine": the next tap is asked. */
export type AuthenticateVerdict =
  | {
      /** The proof is right. */
      readonly kind: 'accept'
      /** The name from here on: for accounting, limits and grants. */
      readonly user: string
      /** For our trail: who vouches for it, and by what. */
      readonly reason?: string
      /** What is known of the user's rights already; `authorize` may change it. */
      readonly grant?: Partial<Omit<Grant, 'user'>>
      /** For the peer, in the PAP Ack or CHAP Success; EAP has no room for it. */
      readonly message?: string
      /**
       * `S=` and 40 hexadecimal digits (RFC 2759 5), perhaps with ` M=...`: shows an MS-CHAPv2 peer that its verifier knows the
       * password too. Needed where another than `proof.verify` or `verifyNtHash` found the proof right.
       */
      readonly mschapv2Success?: string
      /** EAP: the Success packet, where the verifier gave one. */
      readonly eap?: Uint8Array
    }
  | {
      /** The user is ours, and the proof is wrong or the account may not log in. Slows down who guesses. */
      readonly kind: 'reject'
      /** For our log and trail; never what was typed. */
      readonly reason: string
      /** For the peer, in the PAP Nak or CHAP Failure. Say no more than a guesser may know. */
      readonly message?: string
      /**
       * `E=691 R=0 ...` (RFC 2759 6), for an MS-CHAPv2 peer: its code (648: the password has expired) and its `M=` are told
       * on. No retry and no change of password is offered, whatever it says. Default: 691, with `message`.
       */
      readonly mschapv2Error?: string
      /** EAP: the Failure packet, where the verifier gave one. */
      readonly eap?: Uint8Array
    }
  | {
      /** The verifier could not be asked; whether the next tap may be is the plugin's `onUnavailable` option. */
      readonly kind: 'unavailable'
      /** For our log and trail: what failed. */
      readonly reason: string
    }
  | {
      /**
       * The user is ours, and cannot be verified by the method that was used: LCP is negotiated anew, once a call, for one of `methods`
       * that `ppp.auth` has as well; else it is a `reject`. Answer so by the realm, never by the user: it tells a guesser who there is.
       */
      readonly kind: 'renegotiate'
      /** First choice first. */
      readonly methods: readonly AuthMethod[]
      /** For our log and trail. */
      readonly reason: string
    }
  | {
      /**
       * The peer has to say more (a code, a new password): this plugin alone is asked about its next message. Rounds are
       * bounded (16, with EAP 64), and `ppp.authTimeoutMs` is for all of them. Answer a wrong password with `reject`: only
       * that slows a guesser.
       */
      readonly kind: 'continue'
      /**
       * For the peer. PAP shows it as the message of a Nak; CHAP has no room for it, and sends another challenge. With EAP
       * there is `eap` in its place.
       */
      readonly reply?: string
      /** EAP: the next Request, whole and at most `mtuBytes` of the proof long. It is repeated until the peer answers it. */
      readonly eap?: Uint8Array
      /** Comes back with the next round: at most 4 KiB as JSON. It may wait in a snapshot, so keep no secret in it. */
      readonly state: Json
    }

/** A tap of a waterfall hook returns the value to go on with, or a denial. */
export type AuthorizeVerdict =
  | Grant
  | {
      /** The call ends, as after a wrong password. */
      readonly kind: 'deny'
      /** For our log and trail. */
      readonly reason: string
      /** For the peer, if it may know. */
      readonly message?: string
    }
/** The policy to go on with, usually the one before with more rules, or a denial. */
export type PolicyVerdict =
  | SessionPolicy
  | {
      /** The call ends; its leases are released. */
      readonly kind: 'deny'
      /** For our log and trail. */
      readonly reason: string
    }

/** `undefined` from a tap means "not mine": the next allocator is asked; nobody has one: the call is refused. */
export type AssignVerdict =
  | {
      /** An address, from now on taken until `releaseLease` of this plugin gives it back. */
      readonly kind: 'lease'
      /** IPv4 address in dotted form. */
      readonly value: string
      /** Of this lease, unique for ever within the plugin: the same address has another id the next time. */
      readonly id: string
      /** For the trail: what else it takes. */
      readonly reason?: string
    }
  | {
      /** It would be ours to give, and there is none: CDN 4. */
      readonly kind: 'refuse'
      /** For our log and trail. */
      readonly reason: string
    }

/**
 * May this user stay? Asked of a live session when the operator reloads with `--enforce`. There is no proof any more:
 * what counts is whether the user is still known, and with which grant.
 */
export interface RevalidateCall extends SessionCall {
  /** The name that the login was accepted with. */
  readonly user: string
  /** As it was granted at login. */
  readonly grant: Grant
}

/** `undefined` from a tap means "not mine, or no longer known": the next tap is asked. */
export type RevalidateVerdict =
  | {
      /** The user may stay. */
      readonly kind: 'accept'
      /** As a login would give it now. */
      readonly grant?: Partial<Omit<Grant, 'user'>>
    }
  | {
      /** The session is ended. */
      readonly kind: 'deny'
      /** For our log and trail. */
      readonly reason: string
    }
  | {
      /** Whoever knows could not be asked: the session stays. */
      readonly kind: 'unavailable'
      /** For our log and trail. */
      readonly reason: string
    }

/** A control connection is established (RFC 2661 5.1). */
export interface TunnelUp {
  /** The tunnel, authenticated if it has a secret. */
  readonly tunnel: TunnelInfo
}
/** A tunnel is gone; every session of it has been told before. */
export interface TunnelDown {
  /** As `tunnelUp` told of it. */
  readonly tunnel: TunnelInfo
  /** Who ended it, and why. */
  readonly reason: EndReason
}
/** A session forwards: the Start of accounting (RFC 2866). */
export interface SessionUp {
  /** The session, with its user. */
  readonly session: SessionInfo
  /** What its user is granted. */
  readonly grant: Grant
  /** The addresses that it holds. */
  readonly leases: readonly Lease[]
  /** What IPCP agreed on (RFC 1332). */
  readonly network: SessionNetwork
}
/** A session still forwards: an Interim record, each `interimIntervalS`. */
export interface SessionUpdate extends SessionUp {
  /** Since the session came up. */
  readonly counters: FlowCounters
  /** Since the session came up, in milliseconds. */
  readonly durationMs: number
}
/** A session is gone: the Stop record, exactly one for each `sessionUp`, with the final counters. */
export interface SessionDown extends SessionUpdate {
  /** Who ended it, and why. */
  readonly reason: EndReason
}
