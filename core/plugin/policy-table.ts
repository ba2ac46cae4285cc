/** What a plugin that decides on policy by a table of rules shows of it: for `burrow policy`. */

/** One rule, in words. */
export interface PolicyRow {
  /** Under which the data plane counts; unique in its table. */
  readonly name: string
  /** Zone of the source. */
  readonly from: string
  /** Zone of the destination. */
  readonly to: string
  /** Addresses, as the config has them. */
  readonly source: string
  /** The same of the other end. */
  readonly destination: string
  /** Protocols and ports, as the config has them. */
  readonly service: string
  /** For whom, and when, it counts; empty: always. */
  readonly condition: string
  /** `permit`, `deny` or `reject`. */
  readonly action: string
  /** Whether it counts at this time of the week. */
  readonly active: boolean
  /** What the plugin itself decided by it (tunnels that dialled), where no packet of a session ever meets it. */
  readonly decided?: number
}

/** A packet that somebody asks about, and whose session it is of. */
export interface PolicyQuestion {
  /** Zones; without them those of the addresses. */
  readonly from?: string
  /** The same of the other end. */
  readonly to?: string
  /** An address of IPv4 or IPv6. */
  readonly source: string
  /** The same of the other end. */
  readonly destination: string
  /** As a rule of the table would write it: `tcp/80`. */
  readonly service: string
  /** Of the session, as its grant has it. */
  readonly user?: string
  /** Likewise. */
  readonly groups?: readonly string[]
  /** Likewise. */
  readonly filter?: string
}

/** What the table says. */
export interface PolicyFinding {
  /** What becomes of the packet. */
  readonly action: 'permit' | 'deny' | 'reject'
  /** The rule that matches; absent: none. */
  readonly rule?: string
  /** One sentence. */
  readonly reason: string
  /** Rules between the same zones that came before, and why they do not match. */
  readonly passed: readonly {
    /** The rule. */
    readonly rule: string
    /** What of it does not match. */
    readonly because: string
  }[]
}

/** The table of a plugin. */
export interface PolicyTable {
  /** In order: the first that matches decides. */
  rows(): readonly PolicyRow[]
  /** Throws a coded error where the question makes no sense. */
  ask(question: PolicyQuestion): PolicyFinding
}

/** How much a rule decided on. */
export interface RuleHits {
  /** Of the rule; empty for what no rule matched. */
  readonly name: string
  /** Packets. */
  readonly packets: bigint
  /** Of their IP packets. */
  readonly octets: bigint
}
