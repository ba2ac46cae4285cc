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

/** One line of a packet filter; an absent field matches everything. First match wins; no match = deny. */
export interface AclRule {
  /** What becomes of a packet that matches. */
  readonly action: 'permit' | 'deny'
  /** `from-session`: decapsulated traffic; `to-session`: traffic about to be encapsulated. */
  readonly direction: 'from-session' | 'to-session'
  /** One of these holds the source address. */
  readonly source?: readonly Prefix[]
  /** One of these holds the destination address. */
  readonly destination?: readonly Prefix[]
  /** IP protocol number. That of ICMP (1) stands for ICMPv6 as well. */
  readonly protocol?: number
  /** One of these ranges holds the port; a packet without ports (ICMP, a later fragment) does not match. */
  readonly destinationPorts?: readonly {
    /** The lowest port. */
    readonly from: number
    /** The highest port. */
    readonly to: number
  }[]
  /** Shown where the rule is shown. */
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
