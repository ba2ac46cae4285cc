/** What an endpoint is configured with. Protocol constants stand beside our own choices, each with its reason. */
import type { Milliseconds, Path } from '../ports.ts'
import type { PppConfig } from './ppp/link-env.ts'

/** A shared secret of tunnel authentication (RFC 2661 5.1.1) and AVP hiding (4.3). */
export interface TunnelSecret {
  /** Shown in place of the secret. */
  readonly name: string
  readonly secret: string
  /** Only for peers of this Host Name; absent: for every peer that no earlier entry names. */
  readonly peerHostName?: string
}

export interface L2tpConfig {
  /** The window that we advertise (RFC 2661 4.4.3); also bounds the reordering buffer. */
  readonly receiveWindow: number
  readonly retransmitInitialMs: Milliseconds
  readonly retransmitCapMs: Milliseconds
  /** Transmissions of one message, the first one included, before the tunnel is given up. */
  readonly maxTransmissions: number
  /** How long an acknowledgement waits for the message that a pending decision will bring. */
  readonly ackDelayMs: Milliseconds
  /** HELLO after this much silence of the peer. */
  readonly helloIdleMs: Milliseconds
  /** From the first message to an established tunnel, and from ICRQ to ICCN. */
  readonly setupTimeoutMs: Milliseconds
  /** Tunnels, and those of them that have not proved their address, in all and of one source. */
  readonly maxTunnels: number
  readonly maxTunnelsPerSource: number
  readonly maxHalfOpen: number
  readonly maxHalfOpenPerSource: number
  readonly maxSessions: number
  readonly maxSessionsPerSource: number
  readonly maxSessionsPerTunnel: number
  /** Octets that we send to an address that has not proved itself, per octet received from it. */
  readonly amplificationLimit: number
  /** Send data messages with the L bit. */
  readonly dataLength: boolean
  /** Clamp the MSS of TCP connections to the session's MTU. */
  readonly clampMss: boolean
}

export interface EndpointConfig {
  /** Sent as Host Name. */
  readonly hostName: string
  readonly vendorName: string
  readonly secrets: readonly TunnelSecret[]
  readonly l2tp: L2tpConfig
  /** The PPP side of calls that come in. */
  readonly ppp: PppConfig
}

/** One call that we place: a tunnel of its own with one session. Plain data: it is part of the tunnel's state. */
export interface DialRequest {
  readonly path: Path
  /** Name of an entry of `secrets`; absent: no tunnel authentication. */
  readonly secretName?: string
  /** Ask for one tunnel only between us and the peer (Tie Breaker AVP). */
  readonly singleTunnel?: boolean
  readonly ppp: PppConfig
}

export const DEFAULT_L2TP: L2tpConfig = {
  receiveWindow: 16,
  // 5.8: one second at first, doubled, capped at no less than eight, five retries at least.
  retransmitInitialMs: 1000,
  retransmitCapMs: 8000,
  maxTransmissions: 7,
  ackDelayMs: 200,
  helloIdleMs: 60_000,
  setupTimeoutMs: 60_000,
  maxTunnels: 60_000,
  // An address may be that of a network: many phones have one between them, an access concentrator dials for thousands.
  maxTunnelsPerSource: 4096,
  maxHalfOpen: 4096,
  maxHalfOpenPerSource: 64,
  maxSessions: 65_536,
  maxSessionsPerSource: 32_768,
  maxSessionsPerTunnel: 1024,
  amplificationLimit: 3,
  dataLength: true,
  clampMss: true,
}

/** How long one message is repeated before it is given up: also how long a closed tunnel still answers (5.7). */
export function retransmissionCycleMs(config: L2tpConfig): Milliseconds {
  let total = 0
  for (let attempt = 0; attempt < config.maxTransmissions; attempt++)
    total += retransmitDelayMs(config, attempt)
  return total
}

export function retransmitDelayMs(config: L2tpConfig, attempt: number): Milliseconds {
  return Math.min(config.retransmitInitialMs * 2 ** attempt, config.retransmitCapMs)
}
