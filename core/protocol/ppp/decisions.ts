/** The chain of decisions that lets a peer in: authenticate, authorize, assignAddress, decidePolicy. */
import { parseIpv4 } from '../../wire/ip.ts'
import type {
  AskKind,
  Denial,
  EndReason,
  Grant,
  Lease,
  ProofData,
  SessionPolicy,
  Verdict,
} from '../outputs.ts'
import type { LinkEnv } from './link-env.ts'

export type DecisionStep = Extract<AskKind, 'authenticate' | 'authorize' | 'assignAddress' | 'decidePolicy'>

/** What was decided; it outlives a renegotiation, where only the proof is asked for anew. */
export interface DecisionState {
  pending?: { readonly step: DecisionStep; readonly askId: number } | undefined
  /** The name that the peer proved first; a renegotiation must prove the same. */
  user?: string | undefined
  grant?: Grant | undefined
  authorized: boolean
  leases: readonly Lease[]
  policy?: SessionPolicy | undefined
}

export type DecisionOutcome =
  | { readonly kind: 'granted' }
  /** `proven`: the peer is who it says, and is told so before it is turned away. */
  | {
      readonly kind: 'denied'
      readonly proven: boolean
      readonly message: string
      readonly reason: EndReason
    }

/** The same whatever the cause: the peer must not learn which of name and password was wrong. */
export const AUTH_FAILED_MESSAGE = 'Authentication failed'

const EMPTY_PROOF: Denial = { kind: 'deny', reason: 'empty name or password' }
const OTHER_USER: Denial = { kind: 'deny', reason: 'renegotiated as another user' }
const BAD_LEASE: Denial = { kind: 'deny', reason: 'the lease is no IPv4 address' }

const DENIED: Readonly<Record<DecisionStep, { readonly proven: boolean; readonly reason: EndReason }>> = {
  authenticate: { proven: false, reason: { cause: 'auth-failed', pppCause: 16 } },
  authorize: { proven: false, reason: { cause: 'not-authorized', pppCause: 16 } },
  assignAddress: { proven: true, reason: { cause: 'no-address' } },
  decidePolicy: { proven: true, reason: { cause: 'policy-denied' } },
}

/** Begins with the peer's proof. An empty name or password is nobody's, whatever a hook might say. */
export function decideProof(
  d: DecisionState,
  env: LinkEnv,
  user: string,
  proof: ProofData,
): DecisionOutcome | undefined {
  if (user === '' || (proof.method === 'pap' && proof.password === ''))
    return denied('authenticate', EMPTY_PROOF)
  d.pending = { step: 'authenticate', askId: env.ask({ kind: 'authenticate', user, proof }) }
  return undefined
}

/** Begins without a proof, where none is demanded: the peer is nobody; to a client, what it is itself counts. */
export function decideUnproven(d: DecisionState, env: LinkEnv): DecisionOutcome | undefined {
  d.grant ??= { user: env.config.role === 'lac' ? (env.config.authAs?.user ?? '') : '' }
  return askNext(d, env, d.grant)
}

/** The verdict on `d.pending`. */
export function decided(d: DecisionState, env: LinkEnv, verdict: Verdict): DecisionOutcome | undefined {
  const step = d.pending?.step ?? 'authenticate'
  d.pending = undefined
  if (verdict.kind === 'deny') return denied(step, verdict)
  if ('grant' in verdict && step === 'authenticate') {
    if (d.user !== undefined && d.user !== verdict.grant.user) return denied(step, OTHER_USER)
    d.user = verdict.grant.user
    if (!d.authorized) d.grant = verdict.grant
  } else if ('grant' in verdict) {
    d.grant = verdict.grant
    d.authorized = true
  } else if ('lease' in verdict) {
    d.leases = [verdict.lease]
    if (parseIpv4(verdict.lease.value) === undefined) return denied(step, BAD_LEASE)
  } else if ('policy' in verdict) {
    d.policy = verdict.policy
  }
  return askNext(d, env, d.grant ?? { user: '' })
}

/** The first decision that is missing. A client decides nothing of its peer but who it is. */
function askNext(d: DecisionState, env: LinkEnv, grant: Grant): DecisionOutcome | undefined {
  if (env.config.role === 'lac') return { kind: 'granted' }
  const { leases } = d
  if (!d.authorized) ask(d, env, { kind: 'authorize', grant })
  else if (leases.length === 0) ask(d, env, { kind: 'assignAddress', grant, address: 'ipv4' })
  else if (d.policy === undefined) ask(d, env, { kind: 'decidePolicy', grant, leases })
  else return { kind: 'granted' }
  return undefined
}

function ask(
  d: DecisionState,
  env: LinkEnv,
  question: Parameters<LinkEnv['ask']>[0] & { kind: DecisionStep },
): void {
  d.pending = { step: question.kind, askId: env.ask(question) }
}

function denied(step: DecisionStep, denial: Denial): DecisionOutcome {
  const { proven, reason } = DENIED[step]
  const { errorCode } = denial
  return {
    kind: 'denied',
    proven,
    message: denial.message ?? (proven ? '' : AUTH_FAILED_MESSAGE),
    reason: { ...reason, text: denial.reason, ...(errorCode !== undefined && { errorCode }) },
  }
}
