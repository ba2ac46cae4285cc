/** What a user gets: as plugins grant it, and the addresses that are held for it. */

/** What a user is granted. Every decision after authentication narrows or completes it. */
export interface Grant {
  /** The name for accounting and limits. */
  readonly user: string
  /** Named address pool. */
  readonly pool?: string
  /** Static IPv4 address; an allocator must still lease it. */
  readonly address?: string
  /** IPv4 addresses of DNS servers, at most two go to the peer (RFC 1877). */
  readonly dns?: readonly string[]
  /** IPv4 addresses of NetBIOS name servers, at most two go to the peer (RFC 1877). */
  readonly nbns?: readonly string[]
  /** Security zone of the decapsulated traffic; the config's default when absent. */
  readonly zone?: string
  /** Prefixes routed to the session beside its address (Framed-Route). */
  readonly routes?: readonly string[]
  /** Largest inner packet towards the peer. */
  readonly mtuBytes?: number
  /** The session ends so many seconds after it came up (RFC 2865 5.27). */
  readonly sessionTimeoutS?: number
  /** It ends after so many seconds without traffic (RFC 2865 5.28). */
  readonly idleTimeoutS?: number
  /** An Interim record each so many seconds; the config's default when absent. */
  readonly interimIntervalS?: number
  /** Opaque values for every accounting record (Class, RFC 2865 5.25): octets in hex, in order. */
  readonly classes?: readonly string[]
  /** Who is charged, for every accounting record (Chargeable-User-Identity, RFC 4372): octets in hex. */
  readonly chargeableIdentity?: string
  /** Groups that the user is in, by name: for policies that speak of them. */
  readonly groups?: readonly string[]
  /** Name of a filter of the policy (Filter-Id, RFC 2865 5.11). */
  readonly filter?: string
  /** Sessions that the user may have at a time, this one included (Port-Limit, RFC 2865 5.42). */
  readonly maxSessions?: number
  /** What the peer may send, in bits per second of inner packets. */
  readonly upRateBps?: number
  /** What is sent to the peer, in bits per second of inner packets. */
  readonly downRateBps?: number
  /** Static prefix for the link (Framed-IPv6-Prefix, RFC 3162 2.3). */
  readonly ipv6Prefix?: string
  /** Static prefix to delegate (Delegated-IPv6-Prefix, RFC 4818). */
  readonly delegatedPrefix?: string
  /** Named pool of prefixes (Framed-IPv6-Pool, RFC 3162 2.6). */
  readonly ipv6Pool?: string
  /** IPv6 addresses of DNS servers (RFC 6911 3.2). */
  readonly dns6?: readonly string[]
  /** IPv4 prefixes that the client is told to route to us, at most 64 (DHCPINFORM, RFC 3442); those of the config when absent. */
  readonly clientRoutes?: readonly string[]
  /** Domain that the client is told by the same; that of the config when absent. */
  readonly domain?: string
}

/** An address held for a session. Data only: the owner plugin frees it and re-claims it after a restart. */
export interface Lease {
  /** `PluginContext.id` of the plugin that gave it. */
  readonly owner: string
  /** What `value` is. */
  readonly kind: AddressKind
  /** IPv4 address in dotted form, or `prefix/length`. */
  readonly value: string
  /** Of this lease, as its plugin named it. */
  readonly id: string
}

/**
 * The kinds of addresses that a session can be assigned: an IPv4 address; the IPv6 prefix of the link itself, from which the peer makes
 * its addresses (RFC 4862); a prefix that the peer divides among links of its own (RFC 8415 6.3).
 */
export type AddressKind = 'ipv4' | 'ipv6-prefix' | 'delegated-prefix'
