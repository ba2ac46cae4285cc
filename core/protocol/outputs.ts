/**
 * Everything that crosses the edge of the sans-IO core, as plain JSON-able data (byte strings apart).
 * The driver polls `Output`s and hands back `Answer`s.
 */

import type { AclRule, Flow, FlowCounters } from '../flow.ts'
import type { Milliseconds, Path } from '../ports.ts'
import type { ProtocolDrop } from './drops.ts'

/** `${local address}/${local tunnel id}`: ids are only unique below the address that was addressed. */
export type TunnelKey = string
/** `${TunnelKey}/${local session id}` */
export type SessionKey = string

export type Role = 'lns' | 'lac'

/** What is known of a tunnel, for hooks, logs and tables. Text from the peer is raw: escape at output. */
export interface TunnelInfo {
  readonly key: TunnelKey
  readonly role: Role
  readonly path: Path
  readonly localTunnelId: number
  readonly peerTunnelId: number
  readonly peerHostName: string
  readonly peerVendorName?: string
  readonly peerFirmwareRevision?: number
  /** Name of the configured tunnel secret in use, never the secret. */
  readonly secretName?: string
}

export interface SessionInfo {
  readonly key: SessionKey
  /** Unique for ever (64 random bits, hex): the Acct-Session-Id. */
  readonly id: string
  readonly tunnel: TunnelInfo
  readonly localSessionId: number
  readonly peerSessionId: number
  readonly callSerialNumber: number
  readonly callingNumber?: string
  readonly calledNumber?: string
  readonly subAddress?: string
  readonly txConnectSpeedBps?: number
  readonly user?: string
}

/** How a peer proved who it is. CHAP: `response` = MD5(identifier, secret, challenge) (RFC 1994 4.1). */
export type ProofData =
  | { readonly method: 'pap'; readonly password: string }
  | {
      readonly method: 'chap-md5'
      readonly identifier: number
      readonly challenge: Uint8Array
      readonly response: Uint8Array
    }
  | Mschapv2Proof

/** MS-CHAPv2 (RFC 2759): what the response was made of, beside the password. */
export interface Mschapv2Proof {
  readonly method: 'mschapv2'
  /** As the peer hashed it: without a domain in front. */
  readonly userName: string
  /** 16 octets. */
  readonly authenticatorChallenge: Uint8Array
  /** 16 octets. */
  readonly peerChallenge: Uint8Array
  /** 24 octets. */
  readonly ntResponse: Uint8Array
}

/** What a proof may be. */
export type AuthMethod = ProofData['method']

/** What a link negotiates by LCP. */
export type LinkAuthMethod = 'pap' | 'chap-md5'

/** An authentication of several rounds, between two of them. */
export interface AuthExchange {
  /** Who began it, and alone is asked on. */
  readonly plugin: string
  /** The name that it began with; another one ends it. */
  readonly user: string
  /** What the plugin wants to have back. JSON as text: opaque here, and nothing in it is taken for a tag of a snapshot. */
  readonly state: string
  /** How many of the peer's messages were replied to. */
  readonly round: number
}

/** What a user is granted. Every decision after authentication narrows or completes it. */
export interface Grant {
  readonly user: string
  /** Named address pool. */
  readonly pool?: string
  /** Static IPv4 address; an allocator must still lease it. */
  readonly address?: string
  readonly dns?: readonly string[]
  readonly nbns?: readonly string[]
  /** Security zone of the decapsulated traffic; the config's default when absent. */
  readonly zone?: string
  /** Prefixes routed to the session beside its address (Framed-Route). */
  readonly routes?: readonly string[]
  readonly mtuBytes?: number
  readonly sessionTimeoutS?: number
  readonly idleTimeoutS?: number
  readonly interimIntervalS?: number
}

/** An address held for a session. Data only: the owner plugin frees it and re-claims it after a restart. */
export interface Lease {
  readonly owner: string
  readonly kind: AddressKind
  /** IPv4 address in dotted form. */
  readonly value: string
  readonly id: string
}

export type AddressKind = 'ipv4'

/** The rules of one session's flow, in order, first match wins, none = deny. */
export interface SessionPolicy {
  readonly zone: string
  readonly rules: readonly AclRule[]
}

/** A decision that the core cannot take itself. Asked once per call and step. */
export type Ask =
  | { readonly kind: 'admitTunnel'; readonly tunnel: TunnelInfo }
  | { readonly kind: 'admitSession'; readonly session: SessionInfo }
  | {
      readonly kind: 'authenticate'
      readonly session: SessionInfo
      readonly user: string
      readonly proof: ProofData
      /** From the second round of an exchange on. */
      readonly continued?: AuthExchange
    }
  | { readonly kind: 'authorize'; readonly session: SessionInfo; readonly grant: Grant }
  | {
      readonly kind: 'assignAddress'
      readonly session: SessionInfo
      readonly grant: Grant
      readonly address: AddressKind
    }
  | {
      readonly kind: 'decidePolicy'
      readonly session: SessionInfo
      readonly grant: Grant
      readonly leases: readonly Lease[]
    }
  /** Our own secret, to prove ourselves to the peer; never kept in the core's state. */
  | {
      readonly kind: 'ownSecret'
      readonly session: SessionInfo
      readonly method: LinkAuthMethod
      readonly user: string
      readonly peerName?: string
    }

export type AskKind = Ask['kind']

export interface Denial {
  readonly kind: 'deny'
  /** For our log and trail. */
  readonly reason: string
  /** For the peer, if it may know. */
  readonly message?: string
  /** RFC 2661 4.4.2 general error code to send; the core has a default for each ask. */
  readonly errorCode?: number
}

/** The peer is sent `reply`, and its next message is asked about with `state`. */
export interface Continuation extends Pick<AuthExchange, 'plugin' | 'state'> {
  readonly kind: 'continue'
  readonly reply: string
}

export interface Verdicts {
  admitTunnel: { readonly kind: 'accept' } | Denial
  admitSession: { readonly kind: 'accept' } | Denial
  authenticate: { readonly kind: 'accept'; readonly grant: Grant } | Continuation | Denial
  authorize: { readonly kind: 'accept'; readonly grant: Grant } | Denial
  assignAddress: { readonly kind: 'accept'; readonly lease: Lease } | Denial
  decidePolicy: { readonly kind: 'accept'; readonly policy: SessionPolicy } | Denial
  ownSecret: { readonly kind: 'accept'; readonly secret: string } | Denial
}

export type Verdict<K extends AskKind = AskKind> = Verdicts[K]

/** The world's reply: to an ask, or the acknowledgement that a flow is gone with its last counters. */
export type Answer =
  | { readonly kind: 'verdict'; readonly askId: number; readonly verdict: Verdict }
  | {
      readonly kind: 'flowRemoved'
      readonly flowId: number
      readonly generation: number
      readonly counters: FlowCounters
    }

/** Why something ended, in one table for L2TP, PPP and operators (core/wire/result-codes.ts has the wire codes). */
export type EndCause =
  | 'peer-hangup'
  | 'local-hangup'
  | 'shutdown'
  | 'peer-silent'
  | 'retransmit-exhausted'
  | 'protocol-error'
  | 'not-admitted'
  | 'auth-failed'
  | 'not-authorized'
  | 'no-address'
  | 'policy-denied'
  | 'replaced'
  | 'ppp-failed'
  | 'tunnel-closed'
  | 'tie-lost'
  | 'no-resources'
  | 'session-timeout'
  | 'idle-timeout'
  | 'admin-reset'

export interface EndReason {
  readonly cause: EndCause
  /** Result and error code as sent or received (RFC 2661 4.4.2), where there was one. */
  readonly resultCode?: number
  readonly errorCode?: number
  /** RFC 3145 disconnect cause, as sent or received, where there was one. */
  readonly pppCause?: number
  /** Text for the operator; text from the peer is raw. */
  readonly text?: string
}

/** The network side of an established session. */
export interface SessionNetwork {
  readonly localAddress: string
  readonly peerAddress: string
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  readonly mtuBytes: number
}

/** What observers are told. */
export type Event =
  | { readonly kind: 'tunnelUp'; readonly tunnel: TunnelInfo }
  | {
      readonly kind: 'tunnelDown'
      readonly tunnel: TunnelInfo
      readonly wasUp: boolean
      readonly reason: EndReason
    }
  | {
      readonly kind: 'sessionUp'
      readonly session: SessionInfo
      readonly grant: Grant
      readonly leases: readonly Lease[]
      readonly network: SessionNetwork
      readonly flowId: number
    }
  /** A live session was granted something else (`Endpoint.regrant`); its flow has been told. */
  | {
      readonly kind: 'sessionChanged'
      readonly session: SessionInfo
      readonly grant: Grant
      readonly leases: readonly Lease[]
    }
  /** Exactly once for each session that existed, after its flow is gone; `wasUp`: sessionUp was told before. */
  | {
      readonly kind: 'sessionDown'
      readonly session: SessionInfo
      readonly wasUp: boolean
      readonly grant?: Grant
      /** The driver releases these. */
      readonly leases: readonly Lease[]
      readonly reason: EndReason
      readonly counters: FlowCounters
      readonly durationMs: Milliseconds
    }
  /** Input that was ignored. `reason` is one of a closed set (core/protocol/drops.ts); counted, logged at a bounded rate. */
  | { readonly kind: 'drop'; readonly path: Path; readonly reason: ProtocolDrop }

export type Output =
  | { readonly kind: 'transmit'; readonly path: Path; readonly bytes: Uint8Array }
  | { readonly kind: 'ask'; readonly askId: number; readonly ask: Ask }
  /** The session died: the verdict is no longer wanted; what it carries must be released. */
  | { readonly kind: 'withdraw'; readonly askId: number }
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'flow'; readonly op: 'upsert'; readonly flow: Flow; readonly policy: SessionPolicy }
  /** Answered by `flowRemoved`; until then the session's ids, leases and counter slot stay taken. */
  | { readonly kind: 'flow'; readonly op: 'remove'; readonly flowId: number; readonly generation: number }
