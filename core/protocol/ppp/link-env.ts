/**
 * The edge between a PPP link and the session that carries it: what the link is configured with, and the
 * effects that it may have. The link itself is plain state plus functions over (state, env, input).
 */
import type { Milliseconds, Random } from '../../ports.ts'
import type { Ask, AuthMethod, EndReason, Grant, Lease, SessionIpv6, SessionPolicy } from '../outputs.ts'

/** Options of one side of a link. Defaults in `DEFAULT_PPP` (ppp/config.ts). */
export interface PppConfig {
  /** `lns`: asks for authentication and gives out addresses; `lac`: the dialling client. */
  readonly role: 'lns' | 'lac'
  /** The MRU that we ask for (RFC 1661 6.1), and the ceiling of what we agree to send. */
  readonly mruBytes: number
  /** Methods that we demand of the peer, first choice first; a Nak walks the list. Empty: no demand. */
  readonly demandAuth: readonly AuthMethod[]
  /** How we answer when the peer demands authentication; absent: we refuse to. */
  readonly authAs?: { readonly user: string; readonly methods: readonly AuthMethod[] }
  /** Our CHAP name when we challenge. */
  readonly authName: string
  readonly requestAcfc: boolean
  readonly requestPfc: boolean
  /** LCP keepalive; `intervalMs` 0: none. */
  readonly echo: { readonly intervalMs: Milliseconds; readonly failures: number }
  readonly restartTimerMs: Milliseconds
  readonly maxConfigure: number
  readonly maxTerminate: number
  readonly maxFailure: number
  /** Times that our own login is sent before the peer is given up. */
  readonly maxLogins: number
  /** From LCP Opened to the verdict. */
  readonly authTimeoutMs: Milliseconds
  /** From ICCN to the network phase, whatever the peer does. */
  readonly setupTimeoutMs: Milliseconds
  /** LNS: our address inside the session. Client: '0.0.0.0' to accept the peer's word. */
  readonly localAddress: string
  /** LNS: what to give where the grant has none. */
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  /** Client: ask for DNS servers. */
  readonly requestDns: boolean
  /** LNS: a prefix is asked for at each login, and IPv6 offered to whom it is given (RFC 5072). Client: IPv6 is asked for. */
  readonly ipv6: boolean
  /** LNS: what counts of what a LAC negotiated in our stead: nothing, LCP, or the client's proof as well. */
  readonly proxy: 'renegotiate' | 'challenge' | 'accept'
  /** LNS: IPv6 DNS servers, where the grant has none. */
  readonly dns6: readonly string[]
  /** LNS: IPv4 prefixes that clients are told to route to us (DHCPINFORM). */
  readonly clientRoutes: readonly string[]
  /** LNS: the domain that clients are told. */
  readonly domain?: string
}

export interface LinkUp {
  /** '0.0.0.0' where the peer does without IPv4, as the next. */
  readonly localAddress: string
  readonly peerAddress: string
  /** Absent: IPv6 is not open. */
  readonly ipv6?: SessionIpv6
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  /** Largest inner packet that both directions may carry. */
  readonly mtuBytes: number
  /** May we leave out FF 03 / compress the protocol field towards the peer. */
  readonly sendAcfc: boolean
  readonly sendPfc: boolean
  readonly grant: Grant
  readonly leases: readonly Lease[]
  readonly policy: SessionPolicy
}

type WithoutSession<A> = A extends unknown ? Omit<A, 'session'> : never
/** An ask without its session, which the session adds. */
export type LinkAsk = WithoutSession<Exclude<Ask, { kind: 'admitTunnel' | 'admitSession' }>>

/**
 * Named deadlines of a link. `auth-retransmit`: our challenge, unanswered; `login-retransmit`: our own proof,
 * unanswered (both may run where each side proves itself).
 */
export type LinkTimer =
  | 'lcp-restart'
  | 'ipcp-restart'
  | 'ipv6cp-restart'
  | 'auth'
  | 'auth-retransmit'
  | 'login-retransmit'
  | 'echo'
  | 'router-advertisement'
  | 'router-solicitation'
  | 'router-lifetime'
  | 'setup'

/** Why a link ignored input; part of the closed set of protocol/drops.ts. */
export type LinkDrop =
  /** A frame, packet or option list whose lengths or values are impossible. */
  | 'ppp-malformed'
  /** A control packet larger than any MRU that we agreed to. */
  | 'ppp-oversized'
  /** A protocol whose phase has not come, or has passed. */
  | 'ppp-phase'
  /** An authentication protocol, or a role in it, that LCP did not agree. */
  | 'ppp-auth-not-negotiated'
  /** An identifier that answers nothing outstanding. */
  | 'ppp-stale'
  /** Our own magic number came back. */
  | 'ppp-looped'

/** Handed to every link function; lives for one call only. */
export interface LinkEnv {
  readonly now: Milliseconds
  readonly random: Random
  readonly config: PppConfig
  /** Sends one PPP packet; the session adds address, control and L2TP headers. LCP is never compressed. */
  send(protocol: number, payload: Uint8Array): void
  setTimer(name: LinkTimer, delayMs: Milliseconds): void
  clearTimer(name: LinkTimer): void
  /** Emits an ask and returns its id, which the link keeps until answered. */
  ask(ask: LinkAsk): number
  withdraw(askId: number): void
  /** The network phase opened (again, after a renegotiation). */
  up(network: LinkUp): void
  /** The network phase closed but the link goes on (renegotiation). */
  down(): void
  /** The link is over; called once. The session then ends the call. */
  closed(reason: EndReason): void
  /** Input that was ignored. */
  drop(reason: LinkDrop): void
}

/** Drops input, and is the `undefined` that a function which ignores its input returns. */
export function dropped(env: LinkEnv, reason: LinkDrop): undefined {
  env.drop(reason)
}
