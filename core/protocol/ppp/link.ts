/** One PPP link (RFC 1661 3): its phases, driven by frames, timers and verdicts. State is plain data. */
import type { EndReason, Grant, Lease, Verdict } from '../outputs.ts'
import type { LinkEnv, LinkTimer, PppConfig } from './link-env.ts'

export interface LinkState {
  phase: 'dead' | 'establish' | 'authenticate' | 'network' | 'terminate'
  /** What the decisions gave so far; the session gives the leases back whenever and however it ends. */
  grant?: Grant
  leases: readonly Lease[]
}

/** A link in phase dead. */
export function createLink(_config: PppConfig): LinkState {
  return { phase: 'dead', leases: [] }
}

/** The call is up: begins LCP. */
export function startLink(_link: LinkState, _env: LinkEnv): void {}

/** A PPP frame from the peer, with or without FF 03. Never throws; what is ignored is told by `env.drop`. */
export function linkFrame(_link: LinkState, _env: LinkEnv, _bytes: Uint8Array): void {}

/** A deadline that the link set has passed. */
export function linkTimer(_link: LinkState, _env: LinkEnv, _name: LinkTimer): void {}

/** A verdict on an ask of this link; one that is no longer wanted is ignored. */
export function linkAnswer(_link: LinkState, _env: LinkEnv, _askId: number, _verdict: Verdict): void {}

/** Ends the link cleanly: Terminate-Request, then `env.closed(reason)`, at the latest when retries are exhausted. */
export function closeLink(_link: LinkState, _env: LinkEnv, _reason: EndReason): void {}

/**
 * The session beneath is gone: withdraws asks and timers, sends nothing, calls nothing else. Returns the
 * reason that the link was already ending for, which is truer than the session's own.
 */
export function linkLost(_link: LinkState, _env: LinkEnv): EndReason | undefined {
  return undefined
}
