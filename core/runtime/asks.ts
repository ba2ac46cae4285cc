/** Maps what the core asks to the hooks, and what they answer to verdicts; fails closed wherever they do not. */
import type { TrailEntry } from '../hooks/guard.ts'
import { Inquiry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { Clock, Logger } from '../ports.ts'
import type {
  Ask,
  AskKind,
  Denial,
  Lease,
  SessionInfo,
  TunnelInfo,
  Verdict,
  Verdicts,
} from '../protocol/outputs.ts'
import { sourceOf } from '../protocol/sources.ts'
import { authenticated, beginRound, provedRight } from './authentication.ts'
import type { Decisions, Observed } from './decisions.ts'
import { type Binding, deploymentFor, type Generations, verifiableBy } from './generations.ts'
import { entriesWithoutPassword, withoutPassword } from './mask-password.ts'
import { createProof } from './proof.ts'
import type { SessionLimit } from './session-limit.ts'
import { askPolicy } from './session-policy.ts'
import { Throttle } from './throttle.ts'
import { Trails } from './trails.ts'

type AskOf<K extends AskKind> = Extract<Ask, { kind: K }>
type Decide<K extends AskKind> = (ask: AskOf<K>, inquiry: Inquiry, binding: Binding) => Promise<Verdicts[K]>

export interface AsksParts {
  readonly generations: Generations
  readonly clock: Clock
  readonly log: Logger
  /** What we prove ourselves with to a peer that asks; absent: nothing. */
  readonly ownSecret?: (ask: AskOf<'ownSecret'>) => Promise<string | undefined>
  readonly throttle?: Throttle
  /** Absent: users may have as many sessions as they like. */
  readonly limit?: SessionLimit
  /** Nothing may come of what is asked. */
  readonly dryRun?: boolean
  /** Where decisions are kept; absent: in some of its own. */
  readonly trails?: Trails
}

export class Asks implements Decisions {
  readonly trails: Trails
  readonly #parts: AsksParts
  readonly #throttle: Throttle
  readonly #open = new Map<number, { readonly ask: Ask; readonly inquiry: Inquiry }>()
  readonly #deciders: { readonly [K in AskKind]: Decide<K> } = {
    admitTunnel: async ({ tunnel }, inquiry, binding) => {
      binding.deployment = deploymentFor(binding.generation, tunnel)
      return (await hooksOf(binding).ask('admitTunnel', inquiry, { tunnel })) ?? { kind: 'accept' }
    },
    admitSession: async ({ session }, inquiry, binding) => {
      binding.deployment = deploymentFor(binding.generation, session.tunnel)
      const verdict = await hooksOf(binding).ask('admitSession', inquiry, { session })
      if (verdict?.kind === 'deny') return verdict
      const methods = verifiableBy(binding.generation, session.tunnel)
      return { kind: 'accept', ...(methods === undefined ? {} : { auth: [...methods] }) }
    },
    authenticate: (ask, inquiry, binding) => this.#authenticate(ask, inquiry, binding),
    authorize: (ask, inquiry, binding) => this.#authorize(ask, inquiry, binding),
    assignAddress: (ask, inquiry, binding) => this.#assignAddress(ask, inquiry, binding),
    decidePolicy: async ({ session, grant, leases }, inquiry, binding) => {
      const verdict = await askPolicy(binding, inquiry, { session, grant, leases })
      return 'kind' in verdict ? verdict : accept({ policy: verdict })
    },
    ownSecret: async ask => {
      const secret = await this.#parts.ownSecret?.(ask)
      return secret === undefined ? deny('we have no secret for this peer') : accept({ secret })
    },
  }

  constructor(parts: AsksParts) {
    this.#parts = parts
    this.#throttle = parts.throttle ?? new Throttle(parts.clock)
    this.trails = parts.trails ?? new Trails(parts.clock)
  }

  /** Calls `answer` once, never before it has returned, and not at all after a withdrawal. */
  ask(askId: number, ask: Ask, answer: (verdict: Verdict) => void): void {
    const binding = this.#bindingOf(ask)
    const { dryRun = false } = this.#parts
    const onLate = (plugin: string, value: unknown) => this.#releaseLate(ask, binding, plugin, value)
    const inquiry = new Inquiry(onLate, { dryRun })
    this.#open.set(askId, { ask, inquiry })
    this.trails.asked(ask)
    const settle = (verdict: Verdict) => {
      this.#open.delete(askId)
      this.trails.serve('session' in ask ? ask.session.id : ask.tunnel.key, binding)
      if (!inquiry.withdrawn) this.#keep(ask, inquiry, verdict)
      if (!inquiry.withdrawn) answer(verdict)
      else if ('lease' in verdict && verdict.lease !== undefined) void this.#release(verdict.lease, binding)
    }
    void this.#decide(ask, inquiry, binding).then(settle, error => {
      this.#parts.log.error({ ask: ask.kind, error }, 'internal error; the decision is a denial')
      settle(deny('internal error'))
    })
  }

  withdraw(askId: number): void {
    const open = this.#open.get(askId)
    open?.inquiry.withdraw()
    // At once: the end of the call is told next, with its trail.
    if (open !== undefined) this.#keep(open.ask, open.inquiry)
  }

  async tell(event: Observed): Promise<void> {
    const { kind, ...told } = event
    await hooksOf(this.#bindingOf(event)).tell(kind, readOnly(told) as never)
  }

  releaseLease(lease: Lease, session: SessionInfo): Promise<void> {
    return this.#parts.generations.ofSession(session).generation.host.releaseLease(lease)
  }

  over(subject: TunnelInfo | SessionInfo): void {
    this.#parts.generations.over(subject)
  }

  #keep(ask: Ask, { trail }: Inquiry, verdict?: Verdict): void {
    const entries = ask.kind === 'authenticate' ? entriesWithoutPassword(trail, ask.proof) : trail
    this.trails.decided(ask, entries, verdict)
  }

  #bindingOf(about: Ask | Observed): Binding {
    const { generations } = this.#parts
    return 'session' in about ? generations.ofSession(about.session) : generations.ofTunnel(about.tunnel)
  }

  /** Rejects whatever is thrown. */
  #decide(ask: Ask, inquiry: Inquiry, binding: Binding): Promise<Verdict> {
    const decide = this.#deciders[ask.kind] as Decide<AskKind>
    try {
      return decide(readOnly(ask), inquiry, binding)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #authenticate(
    { session, user, proof, continued }: AskOf<'authenticate'>,
    inquiry: Inquiry,
    binding: Binding,
  ): Promise<Verdicts['authenticate']> {
    const deployment = deploymentFor(binding.generation, session.tunnel, user)
    // Names are compared after a renegotiation; those of another deployment are other people's.
    if (binding.login !== undefined && deployment !== binding.deployment)
      return deny('renegotiated as a user of another deployment')
    binding.deployment = deployment
    const round = beginRound(inquiry, continued)
    const enteredAt = this.#parts.clock.now()
    const source = sourceOf(session.tunnel.path.remote.address)
    const turn = await this.#throttle.enter(source, user, withdraw =>
      inquiry.running(withdraw && { withdraw }),
    )
    const waitedMs = this.#parts.clock.now() - enteredAt
    if (turn === 'withdrawn') return deny('the call ended')
    if (turn === 'full') {
      inquiry.trail.push(throttled('deny', waitedMs))
      return deny('too many logins of this source wait for their turn')
    }
    if (waitedMs >= LEAST_DELAY_MS) inquiry.trail.push(throttled('delay', waitedMs))
    const shown = createProof(proof)
    const call = { session, user, proof: shown, ...round }
    const verdict = await hooksOf(binding).ask('authenticate', inquiry, call)
    turn.done(provedRight(inquiry, verdict))
    const told = authenticated(inquiry, verdict, shown)
    if (told.kind === 'accept')
      binding.login ??= { user, plugin: inquiry.answeredBy ?? '', grant: told.grant }
    return told.kind === 'deny' ? { ...told, reason: withoutPassword(told.reason, proof) } : told
  }

  async #authorize(
    { session, grant }: AskOf<'authorize'>,
    inquiry: Inquiry,
    binding: Binding,
  ): Promise<Verdicts['authorize']> {
    const verdict = await hooksOf(binding).refine('authorize', inquiry, grant, { session })
    if ('kind' in verdict) return verdict
    const { limit, dryRun = false } = this.#parts
    // Whoever has left is not to be noted again.
    if (inquiry.withdrawn) return deny('the call ended')
    const refusal = limit?.[dryRun ? 'refusal' : 'enter'](session, verdict, binding.deployment)
    if (refusal === undefined) return accept({ grant: verdict })
    inquiry.trail.push(refusal)
    return deny(refusal.reason ?? '')
  }

  async #assignAddress(
    { session, grant, address }: AskOf<'assignAddress'>,
    inquiry: Inquiry,
    binding: Binding,
  ) {
    const verdict = await hooksOf(binding).ask('assignAddress', inquiry, { session, grant, address })
    const owner = inquiry.answeredBy
    if (verdict === undefined || owner === undefined)
      return address === 'ipv4' ? deny('no plugin gives out addresses') : accept({})
    if (verdict.kind === 'refuse') return deny(verdict.reason)
    return accept({ lease: { owner, kind: address, value: verdict.value, id: verdict.id } })
  }

  #releaseLate(ask: Ask, binding: Binding, owner: string, value: unknown): void {
    if (ask.kind !== 'assignAddress' || !isLease(value)) return
    void this.#release({ owner, kind: ask.address, value: value.value, id: value.id }, binding)
  }

  async #release(lease: Lease, { generation }: Binding): Promise<void> {
    try {
      await generation.host.releaseLease(lease)
    } catch (error) {
      this.#parts.log.error({ lease, error }, 'a lease that came too late could not be released')
    }
  }
}

const hooksOf = ({ generation, deployment }: Binding) => generation.host.hooksOf(deployment)
const accept = <T extends object>(what: T) => ({ kind: 'accept', ...what }) as const
const deny = (reason: string): Denial => ({ kind: 'deny', reason })

/** Less is what a promise takes. */
const LEAST_DELAY_MS = 50

const throttled = (verdict: string, ms: number): TrailEntry => ({
  hook: 'authenticate',
  plugin: 'burrow',
  tap: 'throttle',
  verdict,
  ms,
})

function isLease(value: unknown): value is { readonly value: string; readonly id: string } {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'lease')
    return false
  return 'value' in value && typeof value.value === 'string' && 'id' in value && typeof value.id === 'string'
}
