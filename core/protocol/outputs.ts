/**
 * Everything that crosses the edge of the sans-IO core, as plain JSON-able data (byte strings apart).
 * The driver polls `Output`s and hands back `Answer`s.
 */

import type { AclRule, Flow, FlowCounters } from '../flow.ts'
import type { Milliseconds, Path } from '../ports.ts'
import type { ProtocolDrop } from './drops.ts'
import type { AddressKind, Grant, Lease } from './grant.ts'

export type { AddressKind, Grant, Lease }

/** `${local address}/${local tunnel id}`: ids are only unique below the address that was addressed. */
export type TunnelKey = string
/** `${TunnelKey}/${local session id}` */
export type SessionKey = string

/** Which end of the tunnel we are: the server (LNS) or the concentrator that dials (LAC). */
export type Role = 'lns' | 'lac'

/**
 * What carries a tunnel under its UDP, as a plugin vouches for it: an IPsec SA. Kept with the tunnel, and shown. Text from the
 * peer is raw: escape at output.
 */
export interface TunnelProtection {
  /** What was agreed on by: `IKEv1`, `IKEv2`. */
  readonly protocol: string
  /** What protects it: `ESP transport AES_CBC-256/HMAC_SHA2_256_128`. */
  readonly cipher: string
  /** Who the peer has proved to be, to the protocol. */
  readonly identity: string
}

/** What is known of a tunnel, for hooks, logs and tables. Text from the peer is raw: escape at output. */
export interface TunnelInfo {
  /** Unique among the live tunnels of this process. */
  readonly key: TunnelKey
  /** Which end we are. */
  readonly role: Role
  /** The addresses and ports of its control messages. */
  readonly path: Path
  /** The Tunnel ID that we assigned, 1..65535 (RFC 2661 3.1). */
  readonly localTunnelId: number
  /** The Tunnel ID that the peer assigned. */
  readonly peerTunnelId: number
  /** Host Name AVP (RFC 2661 4.4.3), as the peer claims. */
  readonly peerHostName: string
  /** Vendor Name AVP. */
  readonly peerVendorName?: string
  /** Firmware Revision AVP, 16 bits. */
  readonly peerFirmwareRevision?: number
  /** Name of the configured tunnel secret in use, never the secret. */
  readonly secretName?: string
  /** What carries it, where a plugin vouches for that (`ServerView.protectTunnel`). */
  readonly protection?: TunnelProtection
}

/** What is known of a call, for hooks, logs and tables. Text from the peer is raw: escape at output. */
export interface SessionInfo {
  /** Unique among the live sessions of this process; what `endSession` takes. */
  readonly key: SessionKey
  /** Unique for ever (64 random bits, hex): the Acct-Session-Id. */
  readonly id: string
  /** The tunnel that carries it. */
  readonly tunnel: TunnelInfo
  /** The Session ID that we assigned, 1..65535 (RFC 2661 3.1). */
  readonly localSessionId: number
  /** The Session ID that the peer assigned. */
  readonly peerSessionId: number
  /** Call Serial Number AVP, 32 bits: to find the call in the logs of both ends. */
  readonly callSerialNumber: number
  /** Calling Number AVP: who dialled (RFC 2661 4.4.4). */
  readonly callingNumber?: string
  /** Called Number AVP: who was dialled. */
  readonly calledNumber?: string
  /** Sub-Address AVP. */
  readonly subAddress?: string
  /** (Tx) Connect Speed AVP, in bits per second. */
  readonly txConnectSpeedBps?: number
  /** What the LAC negotiated in our stead and `ppp.proxy` believes it of; absent: nothing. */
  readonly proxied?: ProxiedPart
  /** The name that authentication accepted; absent before. */
  readonly user?: string
}

/** LCP alone, or LCP and the proof of the user's password (RFC 2661 4.4.5). */
export type ProxiedPart = 'lcp' | 'login'

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
  | EapProof

/** MS-CHAPv2 (RFC 2759): what the response was made of, beside the password. */
export interface Mschapv2Proof {
  /** Tells it from the other proofs. */
  readonly method: 'mschapv2'
  /** Of the CHAP packet, 0..255. */
  readonly identifier: number
  /** As the peer hashed it: without a domain in front. */
  readonly userName: string
  /** 16 octets. */
  readonly authenticatorChallenge: Uint8Array
  /** 16 octets. */
  readonly peerChallenge: Uint8Array
  /** 24 octets. */
  readonly ntResponse: Uint8Array
}

/** EAP (RFC 3748): one packet of the peer. What it proves, only the other end of its method can tell. */
export interface EapProof {
  /** Tells it from the other proofs. */
  readonly method: 'eap'
  /** What the peer called itself at first (5.1); the same in every round. */
  readonly identity: string
  /** The whole Response: code, identifier, length, type, data (4.1). That of the first round is the identity. */
  readonly packet: Uint8Array
  /** The largest Request that the link carries: the Framed-MTU of RFC 3579 2.4. */
  readonly mtuBytes: number
}

/** What a proof may be, and what a link negotiates by LCP. */
export type AuthMethod = ProofData['method']

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

/** The rules of one session's flow, in order, first match wins, none = deny. */
export interface SessionPolicy {
  /** Security zone of the decapsulated traffic. */
  readonly zone: string
  /** First match wins; no match denies. */
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
      readonly method: AuthMethod
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
  /** Text; of EAP the next Request, whole. */
  readonly reply: string | Uint8Array
}

/** The user cannot be verified by the method used: LCP asks for the others, once a call (RFC 1661 3.4: authentication may begin anew). */
export interface OtherMethods {
  readonly kind: 'renegotiate'
  /** First choice first. Of them those count that LCP may demand. */
  readonly methods: readonly AuthMethod[]
  /** For our log and trail. */
  readonly reason: string
}

/** What the peer is told at the end of an authentication beside yes or no; each method takes what it can carry. */
export interface LastWord {
  /** PAP and CHAP: their text; MS-CHAPv2: `M=`. */
  readonly message?: string | undefined
  /** MS-CHAPv2: `S=...` with yes, `E=...` with no (RFC 2759 5, 6). */
  readonly mschapv2?: string | undefined
  /** EAP: Success or Failure, whole. */
  readonly eap?: Uint8Array | undefined
}

export interface Verdicts {
  admitTunnel: { readonly kind: 'accept' } | Denial
  /** `auth`: methods that users of this peer can be verified by. LCP asks for those of the config that are among them; for all where none is. */
  admitSession: { readonly kind: 'accept'; readonly auth?: readonly AuthMethod[] } | Denial
  authenticate:
    | ({ readonly kind: 'accept'; readonly grant: Grant } & LastWord)
    | Continuation
    | OtherMethods
    | (Denial & LastWord)
  authorize: { readonly kind: 'accept'; readonly grant: Grant } | Denial
  /** Without a lease: the session does without this kind; of IPv4 addresses that is a denial. */
  assignAddress: { readonly kind: 'accept'; readonly lease?: Lease } | Denial
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
  | 'protection-lost'

/** Why a tunnel or a session ended, for people, records and tables. */
export interface EndReason {
  /** In one word. */
  readonly cause: EndCause
  /** Result and error code as sent or received (RFC 2661 4.4.2), where there was one. */
  readonly resultCode?: number
  /** General error code, with the result codes that carry one (RFC 2661 4.4.2). */
  readonly errorCode?: number
  /** RFC 3145 disconnect cause, as sent or received, where there was one. */
  readonly pppCause?: number
  /** Text for the operator; text from the peer is raw. */
  readonly text?: string
}

/** IPv6 inside a session (RFC 5072): link-local addresses are fe80:: and these. */
export interface SessionIpv6 {
  /** Ours: 64 bits as 16 hexadecimal digits. */
  readonly localInterfaceId: string
  /** The peer's. */
  readonly peerInterfaceId: string
  /** Of a client: its own address, of the prefix that the router of the link advertises (RFC 4862). */
  readonly address?: string
  /** Of a client: DNS servers that the router advertises (RFC 8106). */
  readonly dns?: readonly string[]
  /** Of a client: the largest packet of IPv6, where the router says so. */
  readonly mtuBytes?: number
}

/** The network side of an established session. */
export interface SessionNetwork {
  /** Our IPv4 address inside the session; '0.0.0.0' where its peer does without IPv4. */
  readonly localAddress: string
  /** The peer's IPv4 address inside the session; '0.0.0.0' where it does without IPv4. */
  readonly peerAddress: string
  /** What IPV6CP agreed on; absent while IPv6 is not open. The prefixes of the peer are leases. */
  readonly ipv6?: SessionIpv6
  /** DNS servers that were agreed on, at most two (RFC 1877). */
  readonly dns: readonly string[]
  /** NetBIOS name servers that were agreed on, at most two (RFC 1877). */
  readonly nbns: readonly string[]
  /** Largest inner packet in either direction. */
  readonly mtuBytes: number
}

/** What observers are told. */
export type Event =
  | {
      /** A tunnel is established. */
      readonly kind: 'tunnelUp'
      /** As it is now. */
      readonly tunnel: TunnelInfo
    }
  | {
      /** Its peer sends from another port: a NAT on the way moved it, and it acknowledged there. The flows have been told. */
      readonly kind: 'tunnelMoved'
      /** As it is now. */
      readonly tunnel: TunnelInfo
      /** Where it was. */
      readonly from: Path
    }
  | {
      /** A tunnel is gone, and its sessions before it. */
      readonly kind: 'tunnelDown'
      /** As it was at last. */
      readonly tunnel: TunnelInfo
      /** `tunnelUp` was told before. */
      readonly wasUp: boolean
      /** Who ended it, and why. */
      readonly reason: EndReason
    }
  | {
      /** What is open between the ends of a session that is up is something else now: IPv6 came, changed or went, or IPv4 did. */
      readonly kind: 'networkChanged'
      /** The session. */
      readonly session: SessionInfo
      /** As it is now. */
      readonly network: SessionNetwork
    }
  | {
      /** A session forwards. */
      readonly kind: 'sessionUp'
      /** The session, with its user. */
      readonly session: SessionInfo
      /** What its user is granted. */
      readonly grant: Grant
      /** The addresses that it holds. */
      readonly leases: readonly Lease[]
      /** What IPCP agreed on. */
      readonly network: SessionNetwork
      /** Index of its flow and counters in the data plane. */
      readonly flowId: number
    }
  | {
      /** A live session was granted something else (`Endpoint.regrant`); its flow has been told. */
      readonly kind: 'sessionChanged'
      /** The session. */
      readonly session: SessionInfo
      /** As it is from now on. */
      readonly grant: Grant
      /** The addresses that it holds. */
      readonly leases: readonly Lease[]
    }
  | {
      /** Exactly once for each session that existed, after its flow is gone. */
      readonly kind: 'sessionDown'
      /** As it was at last. */
      readonly session: SessionInfo
      /** `sessionUp` was told before. */
      readonly wasUp: boolean
      /** Absent where it never came so far. */
      readonly grant?: Grant
      /** The driver releases these. */
      readonly leases: readonly Lease[]
      /** Who ended it, and why. */
      readonly reason: EndReason
      /** The final ones. */
      readonly counters: FlowCounters
      /** Since it began. */
      readonly durationMs: Milliseconds
    }
  | {
      /** Input that was ignored; counted, logged at a bounded rate. */
      readonly kind: 'drop'
      /** Where it came from, and where to. */
      readonly path: Path
      /** One of a closed set (core/protocol/drops.ts). */
      readonly reason: ProtocolDrop
    }

export type Output =
  | { readonly kind: 'transmit'; readonly path: Path; readonly bytes: Uint8Array }
  | { readonly kind: 'ask'; readonly askId: number; readonly ask: Ask }
  /** The session died: the verdict is no longer wanted; what it carries must be released. */
  | { readonly kind: 'withdraw'; readonly askId: number }
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'flow'; readonly op: 'upsert'; readonly flow: Flow; readonly policy: SessionPolicy }
  /** Answered by `flowRemoved`; until then the session's ids, leases and counter slot stay taken. */
  | { readonly kind: 'flow'; readonly op: 'remove'; readonly flowId: number; readonly generation: number }
