/** Around every tap: its deadline, its name, its abort signal, its faults and its line in the trail. */
import type { Clock, Milliseconds } from '../ports.ts'
import { ABANDONMENT, type Abandonment } from './abandonment.ts'
import { Attempt, attempt, type Outcome, SuccessiveTimer } from './attempt.ts'
import { FIELDS, type HookName, type HookSpec } from './hooks.ts'
import { isContinuation } from './plain-data.ts'
import { readOnly } from './read-only.ts'

/** How a plugin's taps are told apart and treated. */
export interface TapOwner {
  readonly plugin: string
  /** Whether the next authenticator is asked when this one is unavailable. Default: reject. */
  readonly onUnavailable?: 'reject' | 'next'
}

export interface TapIdentity extends TapOwner {
  readonly hook: HookName
  readonly spec: HookSpec
  readonly name: string
}

/** One line of the answer to "why was this call refused?". */
export interface TrailEntry {
  /** Which hook was asked. */
  readonly hook: HookName
  /** Whose tap it is (`PluginContext.id`); `burrow` for our own throttle. */
  readonly plugin: string
  /** Its name within the plugin. */
  readonly tap: string
  /** The verdict's kind; `pass`: not mine, or unchanged; `changed`: a waterfall went on with another value. */
  readonly verdict: string
  /** The reason that the verdict gave. */
  readonly reason?: string
  /** How long it took, in milliseconds. */
  readonly ms: Milliseconds
}

/** A tap that did not do what its hook asks for; the plugin is to blame. */
export interface TapFault {
  /** Which hook it taps. */
  readonly hook: HookName
  /** Whose tap it is (`PluginContext.id`). */
  readonly plugin: string
  /** Its name within the plugin. */
  readonly tap: string
  /** `threw`: it threw or rejected; `late`: past its deadline; `nonsense`: no verdict of its hook. */
  readonly kind: 'threw' | 'late' | 'nonsense'
  /** What it threw. */
  readonly error?: unknown
}

export interface GuardWorld {
  readonly clock: Clock
  /** Told of each tap that misbehaves. */
  readonly report: (fault: TapFault) => void
}

/** One question put to a hook, from the asking to the answer or its withdrawal. */
export class Inquiry {
  /** One entry for each tap that was asked, in order. */
  readonly trail: TrailEntry[] = []
  /** The plugin whose tap gave the last verdict. */
  answeredBy: string | undefined
  /** Alone is asked: the plugin that began an exchange of several rounds. Of others not even the trail says a word. */
  only: string | undefined
  /** Nothing may come of it. */
  readonly dryRun: boolean
  readonly #onLate: ((plugin: string, value: unknown) => void) | undefined
  #withdrawn = false
  #deadline: SuccessiveTimer | undefined
  #running: Running | undefined

  /** `onLate` is given what a tap answers after its deadline or the withdrawal: it may hold a lease. */
  constructor(onLate?: (plugin: string, value: unknown) => void, { dryRun = false } = {}) {
    this.#onLate = onLate
    this.dryRun = dryRun
  }

  /** Whether `withdraw` was called. */
  get withdrawn(): boolean {
    return this.#withdrawn
  }

  /** The call died: the running tap's signal aborts, no other is asked, what still comes is late. */
  withdraw(): void {
    this.#withdrawn = true
    this.#running?.withdraw()
  }

  /** @internal For the guard: the tap that runs now, or ran last. The taps of a decision run one at a time. */
  running(running: Running | undefined): void {
    this.#running = running
  }

  /** @internal For the guard: what the tap that is asked now arms its deadline with. */
  deadlineOn(clock: Clock): SuccessiveTimer {
    if (this.#deadline === undefined) {
      this.#deadline = new SuccessiveTimer(clock)
      this.#deadline.startedAt = clock.now()
    }
    return this.#deadline
  }

  /** @internal For the hook: no other tap is asked. */
  close(): void {
    this.#deadline?.close()
    this.#deadline = undefined
  }

  /** @internal For the guard: what came after all. */
  late(plugin: string, value: unknown): void {
    this.#onLate?.(plugin, value)
  }
}

interface Running {
  withdraw(): void
}

type Run = (...args: unknown[]) => unknown

/** A tap as tapable calls it: the last argument is where its result goes. */
type Done = (error: null, result?: unknown) => void

/** Wraps the function of a tap: it never throws, and its result comes once, by the deadline. */
export function guard(tap: TapIdentity, run: Run, world: GuardWorld): Run {
  return tap.spec.kind === 'observer' ? guardObserver(tap, run, world) : guardDecision(tap, run, world)
}

/** An observer is called with the event alone; whatever it does, it hurts nobody. */
function guardObserver(tap: TapIdentity, run: Run, world: GuardWorld): Run {
  const options = { clock: world.clock, deadlineMs: tap.spec.deadlineMs }
  return (event, done) =>
    attempt(
      () => run(event),
      options,
      outcome => {
        if (outcome.kind === 'threw' || outcome.kind === 'late') report(tap, outcome, world)
        ;(done as Done)(null)
      },
    )
}

interface Guarded {
  readonly tap: TapIdentity
  readonly run: Run
  readonly world: GuardWorld
}

/** A decision is called with its subject (a waterfall with the value before it) and the inquiry, which taps do not see. */
function guardDecision(tap: TapIdentity, run: Run, world: GuardWorld): Run {
  const guarded = { tap, run, world }
  const decide = (before: unknown, subject: object, inquiry: Inquiry, done: Done) => {
    // An earlier tap of this waterfall has denied: nothing is left to decide.
    if (kindOf(before) === 'deny') return done(null)
    if (inquiry.only !== undefined && inquiry.only !== tap.plugin) return done(null)
    new AskedTap(guarded, before, subject, inquiry, done).ask()
  }
  return tap.spec.kind === 'waterfall'
    ? (before, subject, inquiry, done) => decide(before, subject as object, inquiry as Inquiry, done as Done)
    : (subject, inquiry, done) => decide(undefined, subject as object, inquiry as Inquiry, done as Done)
}

/** What the hook goes on with: the tap's own verdict, or the one that its hook sets for a fault. `undefined`: as before. */
function verdictOf(tap: TapIdentity, outcome: Outcome, before: unknown, world: GuardWorld): unknown {
  const { spec } = tap
  switch (outcome.kind) {
    case 'answer': {
      if (outcome.value === undefined || outcome.value === before) return undefined
      const verdict = plainCopy(outcome.value)
      if (isAnswer(spec, verdict)) return verdict
      report(tap, { kind: 'nonsense' }, world)
      return faultOf(tap, 'answered nonsense')
    }
    case 'threw':
      report(tap, outcome, world)
      return faultOf(tap, 'failed')
    case 'late':
      report(tap, outcome, world)
      return faultOf(tap, `did not answer within ${spec.deadlineMs} ms`)
    case 'withdrawn':
      return { kind: spec.fault, reason: 'the call ended' }
  }
}

const faultOf = ({ spec, plugin }: TapIdentity, what: string) => ({
  kind: spec.fault,
  reason: `plugin ${plugin} ${what}`,
})

/** An answer as plain data that the plugin can change no more; undefined for what cannot be read as such. */
function plainCopy(value: unknown): unknown {
  try {
    // Looked at before it is copied: the copy of a Map is as plain as it is empty.
    if (kindOf(value) === 'continue' && !isContinuation(value as object)) return undefined
    return readOnly(value)
  } catch {
    return undefined
  }
}

function report(
  { hook, plugin, name }: TapIdentity,
  fault: Pick<TapFault, 'kind' | 'error'>,
  world: GuardWorld,
) {
  world.report({ hook, plugin, tap: name, ...fault })
}

function isAnswer({ verdicts, value: carries }: HookSpec, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const kind = kindOf(value)
  const texts = kind === undefined ? carries : Object.hasOwn(verdicts, kind) ? verdicts[kind] : undefined
  const says = value as Record<string, unknown>
  const complete = texts?.every(key => typeof says[key] === 'string') ?? false
  return complete && isWellFormed(says) && isGrant(says.grant)
}

const isGrant = (grant: unknown): boolean =>
  grant === undefined ||
  (typeof grant === 'object' && grant !== null && isWellFormed(grant as Readonly<Record<string, unknown>>))

/** Field by field of the answer, which has few, not of the table. */
const FIELD_CHECKS = new Map(Object.entries(FIELDS))

/** Whether what it has of a grant, or of an answer, is of the right type: the types of a plugin bind nobody at run time. */
export function isWellFormed(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name in fields) {
    const value = fields[name]
    if (value !== undefined && FIELD_CHECKS.get(name)?.(value) === false) return false
  }
  return true
}

function kindOf(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null && 'kind' in value ? String(value.kind) : undefined
}

function reasonOf(verdict: unknown): string | undefined {
  const reason =
    typeof verdict === 'object' && verdict !== null && 'reason' in verdict ? verdict.reason : undefined
  return typeof reason === 'string' ? reason : undefined
}

/** A tap from the question to its verdict. A call asks dozens of them: one object each, and no closures that it can do without. */
class AskedTap extends Attempt implements Abandonment {
  readonly #guarded: Guarded
  /** Waterfalls: the value so far. */
  readonly #before: unknown
  readonly #subject: object
  readonly #done: Done
  readonly #deadline: SuccessiveTimer
  readonly #startedAt: Milliseconds
  readonly inquiry: Inquiry
  #abort: AbortController | undefined
  #listeners: Set<() => void> | undefined
  #abandoned: 'late' | 'withdrawn' | undefined

  constructor(guarded: Guarded, before: unknown, subject: object, inquiry: Inquiry, done: Done) {
    super()
    this.#guarded = guarded
    this.#before = before
    this.#subject = subject
    this.#done = done
    this.#deadline = inquiry.deadlineOn(guarded.world.clock)
    this.#startedAt = this.#deadline.startedAt
    this.inquiry = inquiry
  }

  ask(): void {
    if (this.inquiry.withdrawn) return this.concluded({ kind: 'withdrawn' })
    this.inquiry.running(this)
    this.begin(this.#deadline, this.#guarded.tap.spec.deadlineMs)
  }

  /** Most taps never look at it. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#abandoned !== undefined) this.#abort.abort(this.#abandoned)
    return this.#abort.signal
  }

  get abandoned(): boolean {
    return this.#abandoned !== undefined
  }

  onAbandoned(listener: () => void): () => void {
    this.#listeners ??= new Set()
    this.#listeners.add(listener)
    return () => this.#listeners?.delete(listener)
  }

  protected call(): unknown {
    const { run } = this.#guarded
    const call = new TapCall(this.#subject, this)
    return this.#before === undefined ? run(call) : run(this.#before, call)
  }

  protected concluded(outcome: Outcome): void {
    const { inquiry } = this
    const { tap, world } = this.#guarded
    if (outcome.kind === 'late' || outcome.kind === 'withdrawn') this.#abandon(outcome.kind)
    const verdict = verdictOf(tap, outcome, this.#before, world)
    const kind = verdict === undefined ? 'pass' : (kindOf(verdict) ?? 'changed')
    // The next tap is asked at once.
    this.#deadline.startedAt = world.clock.now()
    const ms = this.#deadline.startedAt - this.#startedAt
    const { hook, plugin, name } = tap
    const reason = reasonOf(verdict)
    inquiry.trail.push(
      reason === undefined
        ? { hook, plugin, tap: name, verdict: kind, ms }
        : { hook, plugin, tap: name, verdict: kind, ms, reason },
    )
    const mayPass = tap.onUnavailable === 'next' && inquiry.only === undefined
    const goesOn = kind === 'unavailable' && mayPass
    if (kind !== 'pass' && !goesOn) inquiry.answeredBy = tap.plugin
    this.#done(null, goesOn ? undefined : verdict)
  }

  protected late(value: unknown): void {
    this.inquiry.late(this.#guarded.tap.plugin, plainCopy(value))
  }

  #abandon(why: 'late' | 'withdrawn'): void {
    this.#abandoned = why
    this.#abort?.abort(why)
    for (const listener of this.#listeners ?? []) listener()
  }
}

/** The subject of a question with what is known of the asking. A getter in each object would cost a hidden class each. */
class TapCall {
  readonly #asked: AskedTap

  constructor(subject: object, asked: AskedTap) {
    Object.assign(this, subject)
    this.#asked = asked
  }

  get [ABANDONMENT](): Abandonment {
    return this.#asked
  }

  get dryRun(): boolean {
    return this.#asked.inquiry.dryRun
  }

  get signal(): AbortSignal {
    return this.#asked.signal
  }
}
