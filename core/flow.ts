/**
 * What the data plane is told of a session, and the rules that guard it: plain data that fits a worker's
 * shared memory, a kernel program or a test double alike.
 */
import type { Path } from './ports.ts'

/** An IPv4 or IPv6 prefix; host bits are zero. */
export interface Prefix {
  /** Textual, without zone id. */
  readonly address: string
  /** 0..32, or 0..128 of IPv6. */
  readonly length: number
}

/** One forwarded session. `id` is dense (a counter index) and reused with another `generation`. */
export interface Flow {
  readonly id: number
  readonly generation: number
  /** Outer addresses and ports as the peer sees them. */
  readonly path: Path
  readonly localTunnelId: number
  readonly localSessionId: number
  readonly peerTunnelId: number
  readonly peerSessionId: number
  /** Inner prefixes behind this session: routed to it, and the only sources that it may send from. */
  readonly prefixes: readonly Prefix[]
  /** Largest inner packet towards the peer, and the base of the MSS clamp. */
  readonly mtuBytes: number
  readonly zone: string
  readonly header: {
    /** Send the L bit (RFC 2661 3.1). */
    readonly length: boolean
    /** Leave out FF 03 when sending (ACFC, RFC 1661 6.6). */
    readonly acfc: boolean
    /** Compress the protocol field when sending (PFC, RFC 1661 6.5). */
    readonly pfc: boolean
  }
  readonly needs: {
    /** Data sequence numbers (RFC 2661 5.4). */
    readonly sequence: boolean
    /** It has a rate in one direction at least. */
    readonly shaping: boolean
    /** Clamp the MSS of TCP SYNs to mtuBytes - 40 (IPv4) or - 60 (IPv6). */
    readonly mss: boolean
    readonly nat: boolean
  }
  /** What the peer may send, in bits per second of inner packets; absent: as much as it can. More is dropped. */
  readonly upRateBps?: number
  /** The same of what is sent to the peer. */
  readonly downRateBps?: number
}

/**
 * One line of a packet filter; an absent field matches everything. First match wins; no match = deny. What is permitted is answered: a
 * permission holds for both directions of the conversation that its first packet began, and for errors (ICMP) about it.
 */
export interface AclRule {
  /** What becomes of a packet that matches. `reject`: whoever sent it is told (a TCP reset, or ICMP). */
  readonly action: 'permit' | 'deny' | 'reject'
  /** `from-session`: decapsulated traffic; `to-session`: traffic about to be encapsulated. */
  readonly direction: 'from-session' | 'to-session'
  /** One of these holds the source address. */
  readonly source?: readonly Prefix[]
  /** One of these holds the destination address. */
  readonly destination?: readonly Prefix[]
  /** IP protocol number. That of ICMP (1) stands for ICMPv6 as well. */
  readonly protocol?: number
  /**
   * One of these ranges holds the port. ICMP and other protocols without ports do not match. Where the port cannot be read (a later fragment
   * of what was not permitted), the packet matches what denies and rejects, and does not match what permits.
   */
  readonly destinationPorts?: readonly {
    /** The lowest port. */
    readonly from: number
    /** The highest port. */
    readonly to: number
  }[]
  /** Types of ICMP (RFC 792); of that protocol alone. */
  readonly icmpTypes?: readonly number[]
  /** Types of ICMPv6 (RFC 4443), likewise. A rule that has one of the two lists matches the other family only by the other list. */
  readonly icmpv6Types?: readonly number[]
  /** The end that is not the session is this host itself. A rule without it never speaks of this host. */
  readonly host?: boolean
  /** Tell of each conversation that it decides on, at a bounded rate. */
  readonly log?: boolean
  /** Shown where the rule is shown; rules of one name are counted together. */
  readonly name: string
}

/** Monotonic 64-bit counters of one session; inner IP octets. "In" is from the peer (RFC 2866 Acct-Input). */
export interface FlowCounters {
  /** From the peer, after every check. */
  readonly packetsIn: bigint
  /** From the peer, of inner packets. */
  readonly octetsIn: bigint
  /** To the peer. */
  readonly packetsOut: bigint
  /** To the peer, of inner packets. */
  readonly octetsOut: bigint
  /** Dropped by reason; reasons that never happened may be absent. */
  readonly drops: Readonly<Partial<Record<DropReason, bigint>>>
}

export const NO_COUNTERS: FlowCounters = {
  packetsIn: 0n,
  octetsIn: 0n,
  packetsOut: 0n,
  octetsOut: 0n,
  drops: {},
}

/** Why the data plane did not forward a packet. */
export type DropReason =
  | 'malformed-ip'
  | 'source-route'
  | 'spoofed-source'
  | 'local-destination'
  | 'policy'
  | 'too-big'
  | 'no-route'
  /** IP of a session that is not open, or from another address than its peer's. */
  | 'unknown-flow'
  | 'send-failed'
  /** Beyond the rate of the flow. */
  | 'over-rate'
