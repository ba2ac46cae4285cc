/** Maps what the core asks to the hooks, and what they answer to verdicts; fails closed wherever they do not. */
import type { TrailEntry } from '../hooks/guard.ts'
import { Inquiry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { PluginHost } from '../plugin/host.ts'
import type { Clock, Logger } from '../ports.ts'
import type { Ask, AskKind, Denial, Lease, Verdict, Verdicts } from '../protocol/outputs.ts'
import type { Decisions, Observed } from './driver.ts'
import { entriesWithoutPassword, withoutPassword } from './mask-password.ts'
import { createProof } from './proof.ts'
import { Throttle } from './throttle.ts'
import { Trails } from './trails.ts'

type AskOf<K extends AskKind> = Extract<Ask, { kind: K }>
type Decide<K extends AskKind> = (ask: AskOf<K>, inquiry: Inquiry) => Promise<Verdicts[K]>

export interface AsksParts {
  readonly host: Pick<PluginHost, 'hooks' | 'releaseLease'>
  readonly clock: Clock
  readonly log: Logger
  /** Zone of a policy whose grant names none. */
  readonly defaultZone: string
  /** What we prove ourselves with to a peer that asks; absent: nothing. */
  readonly ownSecret?: (ask: AskOf<'ownSecret'>) => Promise<string | undefined>
  readonly throttle?: Pick<Throttle, 'enter'>
  /** Where decisions are kept; absent: in some of its own. */
  readonly trails?: Trails
}

export class Asks implements Decisions {
  readonly trails: Trails
  readonly #parts: AsksParts
  readonly #throttle: Pick<Throttle, 'enter'>
  readonly #open = new Map<number, { readonly ask: Ask; readonly inquiry: Inquiry }>()
  readonly #deciders: { readonly [K in AskKind]: Decide<K> } = {
    admitTunnel: async ({ tunnel }, inquiry) =>
      (await this.#hooks.ask('admitTunnel', inquiry, { tunnel })) ?? { kind: 'accept' },
    admitSession: async ({ session }, inquiry) =>
      (await this.#hooks.ask('admitSession', inquiry, { session })) ?? { kind: 'accept' },
    authenticate: (ask, inquiry) => this.#authenticate(ask, inquiry),
    authorize: async ({ session, grant }, inquiry) => {
      const verdict = await this.#hooks.refine('authorize', inquiry, grant, { session })
      return 'kind' in verdict ? verdict : accept({ grant: verdict })
    },
    assignAddress: (ask, inquiry) => this.#assignAddress(ask, inquiry),
    decidePolicy: async ({ session, grant, leases }, inquiry) => {
      const nothing = { zone: grant.zone ?? this.#parts.defaultZone, rules: [] }
      const verdict = await this.#hooks.refine('decidePolicy', inquiry, nothing, { session, grant, leases })
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
    const inquiry = new Inquiry((plugin, value) => this.#releaseLate(ask, plugin, value))
    this.#open.set(askId, { ask, inquiry })
    this.trails.asked(ask)
    void this.#decide(ask, inquiry).then(verdict => {
      this.#open.delete(askId)
      if (!inquiry.withdrawn) this.#keep(ask, inquiry, verdict)
      if (!inquiry.withdrawn) answer(verdict)
      else if ('lease' in verdict) void this.#release(verdict.lease)
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
    await this.#hooks.tell(kind, readOnly(told) as never)
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#parts.host.releaseLease(lease)
  }

  get #hooks(): PluginHost['hooks'] {
    return this.#parts.host.hooks
  }

  #keep(ask: Ask, { trail }: Inquiry, verdict?: Verdict): void {
    const entries = ask.kind === 'authenticate' ? entriesWithoutPassword(trail, ask.proof) : trail
    this.trails.decided(ask, entries, verdict)
  }

  async #decide(ask: Ask, inquiry: Inquiry): Promise<Verdict> {
    try {
      const { proof, ...plain } = { proof: undefined, ...ask }
      const frozen = { ...readOnly(plain), ...(proof === undefined ? {} : { proof }) } as Ask
      return await (this.#deciders[ask.kind] as Decide<AskKind>)(frozen, inquiry)
    } catch (error) {
      this.#parts.log.error({ ask: ask.kind, error }, 'internal error; the decision is a denial')
      return deny('internal error')
    }
  }

  async #authenticate({ session, user, proof }: AskOf<'authenticate'>, inquiry: Inquiry) {
    const enteredAt = this.#parts.clock.now()
    const source = session.tunnel.path.remote.address
    const turn = await this.#throttle.enter(source, user, withdraw => inquiry.running(withdraw))
    const waitedMs = this.#parts.clock.now() - enteredAt
    if (turn === 'withdrawn') return deny('the call ended')
    if (turn === 'full') {
      inquiry.trail.push(throttled('deny', waitedMs))
      return deny('too many logins of this source wait for their turn')
    }
    if (waitedMs > 0) inquiry.trail.push(throttled('delay', waitedMs))
    const verdict = await this.#hooks.ask('authenticate', inquiry, {
      session,
      user,
      proof: createProof(proof),
    })
    turn.done(inquiry.withdrawn || verdict?.kind === 'unavailable' ? undefined : verdict?.kind === 'accept')
    if (verdict === undefined) return deny('no plugin knows this user')
    if (verdict.kind === 'accept') return accept({ grant: { ...verdict.grant, user: verdict.user } })
    const { reason, message } = { message: undefined, ...verdict }
    return { ...deny(withoutPassword(reason, proof)), ...(message === undefined ? {} : { message }) }
  }

  async #assignAddress({ session, grant, address }: AskOf<'assignAddress'>, inquiry: Inquiry) {
    const verdict = await this.#hooks.ask('assignAddress', inquiry, { session, grant, address })
    const owner = inquiry.answeredBy
    if (verdict === undefined || owner === undefined) return deny('no plugin gives out addresses')
    if (verdict.kind === 'refuse') return deny(verdict.reason)
    return accept({ lease: { owner, kind: address, value: verdict.value, id: verdict.id } })
  }

  #releaseLate(ask: Ask, owner: string, value: unknown): void {
    if (ask.kind !== 'assignAddress' || !isLease(value)) return
    void this.#release({ owner, kind: ask.address, value: value.value, id: value.id })
  }

  async #release(lease: Lease): Promise<void> {
    try {
      await this.releaseLease(lease)
    } catch (error) {
      this.#parts.log.error({ lease, error }, 'a lease that came too late could not be released')
    }
  }
}

const accept = <T extends object>(what: T) => ({ kind: 'accept', ...what }) as const
const deny = (reason: string): Denial => ({ kind: 'deny', reason })

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
