/** What a PPP link remembers, and the reasons for which it ends. */
import type { EndReason, ProxiedPart } from '../outputs.ts'
import type { LoginState, ProofState } from './auth.ts'
import type { CpEvent } from './cp-table.ts'
import type { DecisionState } from './decisions.ts'
import { createIpcp, type IpcpState } from './ipcp.ts'
import { createIpv6cp, type Ipv6cpState } from './ipv6cp.ts'
import { createLcp, type LcpState } from './lcp.ts'
import type { HostState } from './router-facts.ts'

/** RFC 1661 3.2. */
export type LinkPhase = 'dead' | 'establish' | 'authenticate' | 'network' | 'terminate'

/** `grant` and `leases` are what was decided so far: the session gives the leases back, however it ends. */
export interface LinkState extends DecisionState {
  phase: LinkPhase
  lcp: LcpState
  ipcp: IpcpState
  ipv6cp: Ipv6cpState
  /** What a LAC negotiated in our stead, and we believe it of. */
  proxied?: ProxiedPart | undefined
  /** The peer proves itself; absent: not demanded. */
  proof?: ProofState | undefined
  /** We prove ourselves; absent: the peer does not demand it. */
  login?: LoginState | undefined
  /** Every decision about the peer was taken in this round of authentication. */
  admitted: boolean
  /** `env.up` was told, `env.down` not yet. */
  networkUp: boolean
  /** IPv4 is not to be had, and why; what is left is IPv6. */
  ipv4Gone?: EndReason | undefined
  /** How many router advertisements were sent by themselves; absent: there is no IPv6 to advertise. */
  advertisements?: number | undefined
  /** As a client: what the router of the link said; absent: there is no IPv6. */
  host?: HostState | undefined
  /** Why the link is ending; the first reason stays. */
  ending?: EndReason | undefined
}

/** A link in phase dead. */
export function createLink(): LinkState {
  return {
    phase: 'dead',
    lcp: createLcp(),
    ipcp: createIpcp(),
    ipv6cp: createIpv6cp(),
    authorized: false,
    leases: [],
    assigned: [],
    admitted: false,
    networkUp: false,
  }
}

/** `pppCause` as RFC 3145 3 numbers it. */
export const ENDED = {
  authTimeout: { cause: 'auth-failed', pppCause: 13, text: 'authentication took too long' },
  challengeUnanswered: { cause: 'auth-failed', pppCause: 13, text: 'the peer does not answer our challenge' },
  loginUnanswered: { cause: 'auth-failed', pppCause: 13, text: 'the peer does not answer our login' },
  authRejected: {
    cause: 'auth-failed',
    pppCause: 15,
    text: 'the peer rejects the authentication protocol that it agreed to',
  },
  echoesUnanswered: { cause: 'peer-silent', pppCause: 8, text: 'LCP echoes went unanswered' },
  ipcpUnanswered: { cause: 'ppp-failed', pppCause: 17, text: 'IPCP: the peer does not answer' },
  ipcpRejected: { cause: 'ppp-failed', pppCause: 18, text: 'the peer does not speak IPCP' },
  ipcpTerminated: { cause: 'peer-hangup', text: 'IPCP: the peer closed the network phase' },
} as const satisfies Record<string, EndReason>

const SETUP_CAUSES: Readonly<Record<LinkPhase, number>> = {
  dead: 0,
  establish: 5,
  authenticate: 13,
  network: 17,
  terminate: 0,
}

export function setupTimedOut(phase: LinkPhase): EndReason {
  return {
    cause: 'ppp-failed',
    pppCause: SETUP_CAUSES[phase],
    text: `PPP did not come up in time, phase ${phase}`,
  }
}

/** Why LCP left for good, by the event that made it; a reason of our own stands already. */
export function endedBy(event: CpEvent): EndReason {
  if (event === 'RTR') return { cause: 'peer-hangup', pppCause: 3, text: 'LCP: the peer terminated the link' }
  if (event === 'TO-') return { cause: 'ppp-failed', pppCause: 5, text: 'LCP: the peer does not answer' }
  return {
    cause: 'ppp-failed',
    pppCause: 0,
    text: 'LCP: the peer rejected a code that LCP cannot do without',
  }
}
