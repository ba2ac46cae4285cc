/** The chain of decisions that lets a peer in: authenticate, authorize, assignAddress, decidePolicy. */
import { parseIpv4 } from '../../wire/ip.ts'
import { parseIpv6Prefix } from '../../wire/ipv6.ts'
import type {
  AddressKind,
  AskKind,
  AuthExchange,
  AuthMethod,
  Denial,
  EndReason,
  Grant,
  LastWord,
  Lease,
  ProofData,
  SessionPolicy,
  Verdict,
} from '../outputs.ts'
import type { LcpState } from './lcp.ts'
import type { LinkEnv } from './link-env.ts'

export type DecisionStep = Extract<AskKind, 'authenticate' | 'authorize' | 'assignAddress' | 'decidePolicy'>

interface PendingDecision {
  readonly step: DecisionStep
  readonly askId: number
  /** `authenticate`: who wants in, and how. */
  readonly user?: string
  readonly method?: AuthMethod
  /** `assignAddress`: of which kind. */
  readonly address?: AddressKind
}

/** What was decided; it outlives a renegotiation, where only the proof is asked for anew. */
export interface DecisionState {
  pending?: PendingDecision | undefined
  /** The peer was replied to, and has to go on. */
  continued?: AuthExchange | undefined
  /** For the peer, once it is let in. */
  word?: LastWord | undefined
  /** `demand`: LCP was negotiated anew for methods that the user can be verified by. */
  readonly lcp: Pick<LcpState, 'demand'>
  /** The name that the peer proved first; a renegotiation must prove the same. */
  user?: string | undefined
  grant?: Grant | undefined
  authorized: boolean
  leases: readonly Lease[]
  /** Kinds that were decided on, with a lease or without. */
  assigned: readonly AddressKind[]
  policy?: SessionPolicy | undefined
}

export type DecisionOutcome =
  | { readonly kind: 'granted'; readonly word: LastWord }
  /** The peer is sent `reply`; its next message goes on. */
  | { readonly kind: 'continued'; readonly reply: string | Uint8Array }
  /** LCP is to demand one of these. */
  | { readonly kind: 'reopened'; readonly methods: readonly AuthMethod[] }
  /** `proven`: the peer is who it says, and is told so before it is turned away. */
  | {
      readonly kind: 'denied'
      readonly proven: boolean
      readonly word: LastWord
      readonly reason: EndReason
    }

/** The same whatever the cause: the peer must not learn which of name and password was wrong. */
export const AUTH_FAILED_MESSAGE = 'Authentication failed'

/** How often one authentication may be asked about: a password, a code and three new ones are five. */
export const MOST_ROUNDS = 16
/** The same of EAP, where a method may carry a TLS handshake with long chains of certificates in pieces. */
export const MOST_EAP_ROUNDS = 64

const tooManyRounds = (most: number): Denial => ({ kind: 'deny', reason: `no verdict after ${most} rounds` })
const OTHER_NAME: Denial = { kind: 'deny', reason: 'another name than the exchange began with' }
const EMPTY_PROOF: Denial = { kind: 'deny', reason: 'empty name or password' }
const OTHER_USER: Denial = { kind: 'deny', reason: 'renegotiated as another user' }
const badLease = (kind: AddressKind): Denial => ({
  kind: 'deny',
  reason: kind === 'ipv4' ? 'the lease is no IPv4 address' : `the ${kind} that was leased is no IPv6 prefix`,
})

/** What a session may be given, in this order; IPv6 where the config has it. */
export const addressKinds = (ipv6: boolean): readonly AddressKind[] =>
  ipv6 ? ['ipv4', 'ipv6-prefix', 'delegated-prefix'] : ['ipv4']

const DENIED: Readonly<Record<DecisionStep, { readonly proven: boolean; readonly reason: EndReason }>> = {
  authenticate: { proven: false, reason: { cause: 'auth-failed', pppCause: 16 } },
  authorize: { proven: false, reason: { cause: 'not-authorized', pppCause: 16 } },
  assignAddress: { proven: true, reason: { cause: 'no-address' } },
  decidePolicy: { proven: true, reason: { cause: 'policy-denied' } },
}

/** Begins, or goes on, with the peer's proof. An empty name or password is nobody's, whatever a hook might say. */
export function decideProof(
  d: DecisionState,
  env: LinkEnv,
  user: string,
  proof: ProofData,
): DecisionOutcome | undefined {
  if (user === '' || (proof.method === 'pap' && proof.password === ''))
    return denied('authenticate', EMPTY_PROOF)
  const { continued } = d
  if (continued !== undefined && continued.user !== user) return denied('authenticate', OTHER_NAME)
  ask(d, env, { kind: 'authenticate', user, proof, ...(continued !== undefined && { continued }) })
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
  const { user = '', method, address = 'ipv4' } = d.pending ?? {}
  const round = 1 + (d.continued?.round ?? 0)
  d.pending = undefined
  d.continued = undefined
  if (verdict.kind === 'deny') return denied(step, verdict, d.word)
  if (verdict.kind === 'renegotiate') {
    const methods = verdict.methods.filter(other => other !== method && env.config.demandAuth.includes(other))
    if (d.lcp.demand !== undefined || methods.length === 0) return denied(step, { ...verdict, kind: 'deny' })
    return { kind: 'reopened', methods }
  }
  if (verdict.kind === 'continue') {
    const most = method === 'eap' ? MOST_EAP_ROUNDS : MOST_ROUNDS
    if (round >= most) return denied(step, tooManyRounds(most))
    const { plugin, state, reply } = verdict
    d.continued = { plugin, state, user, round }
    return { kind: 'continued', reply }
  }
  if ('grant' in verdict && step === 'authenticate') {
    if (d.user !== undefined && d.user !== verdict.grant.user) return denied(step, OTHER_USER)
    const { grant, message, mschapv2, eap } = {
      message: undefined,
      mschapv2: undefined,
      eap: undefined,
      ...verdict,
    }
    d.user = grant.user
    d.word = { message, mschapv2, eap }
    if (!d.authorized) d.grant = grant
  } else if ('grant' in verdict) {
    d.grant = verdict.grant
    d.authorized = true
  } else if (step === 'assignAddress') {
    d.assigned = [...d.assigned, address]
    const lease = 'lease' in verdict ? verdict.lease : undefined
    if (lease !== undefined) d.leases = [...d.leases, lease]
    if (lease === undefined ? address === 'ipv4' : !isOfKind(lease, address))
      return denied(step, badLease(address), d.word)
  } else if ('policy' in verdict) {
    d.policy = verdict.policy
  }
  return askNext(d, env, d.grant ?? { user: '' })
}

/** The first decision that is missing. A client decides nothing of its peer but who it is. */
function askNext(d: DecisionState, env: LinkEnv, grant: Grant): DecisionOutcome | undefined {
  const { leases, word = {} } = d
  if (env.config.role === 'lac') return { kind: 'granted', word }
  const missing = addressKinds(env.config.ipv6).find(kind => !d.assigned.includes(kind))
  if (!d.authorized) ask(d, env, { kind: 'authorize', grant })
  else if (missing !== undefined) ask(d, env, { kind: 'assignAddress', grant, address: missing })
  else if (d.policy === undefined) ask(d, env, { kind: 'decidePolicy', grant, leases })
  else return { kind: 'granted', word }
  return undefined
}

function ask(
  d: DecisionState,
  env: LinkEnv,
  question: Parameters<LinkEnv['ask']>[0] & { kind: DecisionStep },
): void {
  const asker =
    question.kind === 'authenticate'
      ? { user: question.user, method: question.proof.method }
      : question.kind === 'assignAddress'
        ? { address: question.address }
        : {}
  d.pending = { step: question.kind, askId: env.ask(question), ...asker }
}

function isOfKind({ value }: Lease, kind: AddressKind): boolean {
  return kind === 'ipv4' ? parseIpv4(value) !== undefined : parseIpv6Prefix(value) !== undefined
}

/** `welcome`: what a peer that proved itself would have been told. */
function denied(step: DecisionStep, denial: Denial & LastWord, welcome: LastWord = {}): DecisionOutcome {
  const { proven, reason } = DENIED[step]
  const { errorCode, message, mschapv2, eap } = denial
  return {
    kind: 'denied',
    proven,
    word: proven
      ? { ...welcome, message: message ?? welcome.message }
      : { message: message ?? AUTH_FAILED_MESSAGE, mschapv2, eap },
    reason: { ...reason, text: denial.reason, ...(errorCode !== undefined && { errorCode }) },
  }
}
