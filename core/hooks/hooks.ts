/** The hooks that plugins tap: one table, one frozen object of typed hooks for each plugin. */
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesWaterfallHook } from 'tapable'
import type { Grant, SessionPolicy } from '../protocol/outputs.ts'
import { type GuardWorld, guard, type Inquiry, type TapOwner } from './guard.ts'
import type {
  AdmitVerdict,
  AssignCall,
  AssignVerdict,
  AuthenticateCall,
  AuthenticateVerdict,
  AuthorizeVerdict,
  PolicyCall,
  PolicyVerdict,
  SessionCall,
  SessionDown,
  SessionUp,
  SessionUpdate,
  TunnelCall,
  TunnelDown,
  TunnelUp,
} from './views.ts'

export interface HookSpec {
  /**
   * `first-answer`: taps are asked one after the other, `undefined` passes on.
   * `waterfall`: each tap may change the value, or deny. `observer`: all are told at once, none can object.
   */
  readonly kind: 'first-answer' | 'waterfall' | 'observer'
  /** How long one tap may take. */
  readonly deadlineMs: number
  /** What stands for the answer of a tap that throws, is late, or answers nonsense. */
  readonly fault: 'deny' | 'unavailable' | 'refuse' | 'log'
  /** The verdicts that a tap may give, each with the texts that it must carry; a faulty plugin must not pass for consent. */
  readonly verdicts: Readonly<Record<string, readonly string[]>>
  /** Waterfalls: the texts that the value must carry. */
  readonly value?: readonly string[]
}

const ADMIT = {
  kind: 'first-answer',
  deadlineMs: 2_000,
  fault: 'deny',
  verdicts: { accept: [], deny: ['reason'] },
} as const
const OBSERVE = { kind: 'observer', deadlineMs: 5_000, fault: 'log', verdicts: {} } as const

/** Kind, deadline and fault policy of every hook. */
export const HOOKS = {
  admitTunnel: ADMIT,
  admitSession: ADMIT,
  authenticate: {
    kind: 'first-answer',
    deadlineMs: 10_000,
    fault: 'unavailable',
    verdicts: { accept: ['user'], reject: ['reason'], unavailable: ['reason'] },
  },
  authorize: {
    kind: 'waterfall',
    deadlineMs: 5_000,
    fault: 'deny',
    verdicts: { deny: ['reason'] },
    value: ['user'],
  },
  // An allocator may have to end the session that holds a static address, which takes up to 4 s.
  assignAddress: {
    kind: 'first-answer',
    deadlineMs: 6_000,
    fault: 'refuse',
    verdicts: { lease: ['value', 'id'], refuse: ['reason'] },
  },
  decidePolicy: {
    kind: 'waterfall',
    deadlineMs: 2_000,
    fault: 'deny',
    verdicts: { deny: ['reason'] },
    value: ['zone'],
  },
  tunnelUp: OBSERVE,
  tunnelDown: OBSERVE,
  sessionUp: OBSERVE,
  sessionUpdate: OBSERVE,
  sessionDown: OBSERVE,
} as const satisfies Readonly<Record<keyof Hooks, HookSpec>>

/** Taps are asked in the order of the config file until one answers; `undefined` is "not mine". `name` is shown in trails. */
export interface FirstAnswerHook<Call, Verdict> {
  tap(name: string, decide: (call: Call) => Verdict | undefined): void
  tapPromise(name: string, decide: (call: Call) => Promise<Verdict | undefined>): void
}

/** Each tap is given what the one before it made of the value; `undefined` leaves it as it is. */
export interface WaterfallHook<Value, Call, Verdict> {
  tap(name: string, decide: (value: Value, call: Call) => Verdict | undefined): void
  tapPromise(name: string, decide: (value: Value, call: Call) => Promise<Verdict | undefined>): void
}

export interface ObserverHook<Event> {
  tap(name: string, observe: (event: Event) => void): void
  tapPromise(name: string, observe: (event: Event) => Promise<void>): void
}

export interface Hooks {
  readonly admitTunnel: FirstAnswerHook<TunnelCall, AdmitVerdict>
  readonly admitSession: FirstAnswerHook<SessionCall, AdmitVerdict>
  readonly authenticate: FirstAnswerHook<AuthenticateCall, AuthenticateVerdict>
  readonly authorize: WaterfallHook<Grant, SessionCall, AuthorizeVerdict>
  readonly assignAddress: FirstAnswerHook<AssignCall, AssignVerdict>
  readonly decidePolicy: WaterfallHook<SessionPolicy, PolicyCall, PolicyVerdict>
  readonly tunnelUp: ObserverHook<TunnelUp>
  readonly tunnelDown: ObserverHook<TunnelDown>
  readonly sessionUp: ObserverHook<SessionUp>
  readonly sessionUpdate: ObserverHook<SessionUpdate>
  readonly sessionDown: ObserverHook<SessionDown>
}

export type HookName = keyof Hooks
type NamesOf<Kind extends HookSpec['kind']> = {
  [K in HookName]: (typeof HOOKS)[K]['kind'] extends Kind ? K : never
}[HookName]
type FirstAnswer<K extends NamesOf<'first-answer'>> =
  Hooks[K] extends FirstAnswerHook<infer Call, infer Verdict> ? { call: Call; verdict: Verdict } : never
type Waterfall<K extends NamesOf<'waterfall'>> =
  Hooks[K] extends WaterfallHook<infer Value, infer Call, infer Verdict>
    ? { value: Value; call: Call; verdict: Verdict }
    : never
type Observed<K extends NamesOf<'observer'>> = Hooks[K] extends ObserverHook<infer Event> ? Event : never

export interface HookOrder {
  readonly hook: HookName
  readonly taps: readonly { readonly plugin: string; readonly tap: string }[]
}

interface TapFields {
  readonly owner: TapOwner
}

/** What the three kinds of tapable hooks have in common, and the fields that its types leave out. */
interface AnyHook {
  readonly taps: readonly ({ readonly name: string } & TapFields)[]
  intercept(interceptor: { register(tap: FullTap): FullTap }): void
  tap(options: { name: string } & TapFields, run: (...args: unknown[]) => unknown): void
  // biome-ignore lint/suspicious/noExplicitAny: tapable compiles one function for every list of arguments.
  promise(...args: unknown[]): Promise<any>
}
type FullTap = TapFields & { name: string; type: 'sync' | 'async' | 'promise'; fn: unknown }

const MAKERS: Readonly<Record<HookSpec['kind'], (name: string) => AnyHook>> = {
  'first-answer': name =>
    new AsyncSeriesBailHook<unknown[], unknown>(['call', 'inquiry'], name) as unknown as AnyHook,
  waterfall: name =>
    new AsyncSeriesWaterfallHook<unknown[]>(['value', 'call', 'inquiry'], name) as unknown as AnyHook,
  observer: name => new AsyncParallelHook<unknown[]>(['event'], name) as unknown as AnyHook,
}

/** The hooks of one generation of the config, and the only way to call them. */
export class HookSet {
  readonly #hooks: Readonly<Record<HookName, AnyHook>>

  constructor(world: GuardWorld) {
    this.#hooks = eachHook((hook, spec) => {
      const made: AnyHook = MAKERS[spec.kind](hook)
      made.intercept({
        register: tap => {
          const run = tap.fn as (...args: unknown[]) => unknown
          const identity = { hook, spec, name: tap.name, ...tap.owner }
          return { ...tap, type: 'async', fn: guard(identity, run, world) }
        },
      })
      return made
    })
  }

  /** The hooks as one plugin taps them: what it registers is attributed to it. */
  ownedBy(owner: TapOwner): Hooks {
    return Object.freeze(
      eachHook(hook => {
        const tap = (name: string, run: (...args: unknown[]) => unknown) =>
          this.#hooks[hook].tap({ name, owner }, run)
        return Object.freeze({ tap, tapPromise: tap })
      }),
    ) as unknown as Hooks
  }

  /** Asks until a tap answers; undefined when none did. Never rejects. */
  ask<K extends NamesOf<'first-answer'>>(
    hook: K,
    inquiry: Inquiry,
    call: Omit<FirstAnswer<K>['call'], 'signal'>,
  ): Promise<FirstAnswer<K>['verdict'] | undefined> {
    return this.#hooks[hook].promise(call, inquiry)
  }

  /** Leads `value` through every tap, to a last value or a denial. Never rejects. */
  refine<K extends NamesOf<'waterfall'>>(
    hook: K,
    inquiry: Inquiry,
    value: Waterfall<K>['value'],
    call: Omit<Waterfall<K>['call'], 'signal'>,
  ): Promise<Waterfall<K>['verdict']> {
    return this.#hooks[hook].promise(value, call, inquiry)
  }

  /** Tells every tap; resolves when each has returned, failed or is late. Never rejects. */
  tell<K extends NamesOf<'observer'>>(hook: K, event: Observed<K>): Promise<void> {
    return this.#hooks[hook].promise(event)
  }

  /** Who taps each hook, in the order in which they are asked. */
  order(): readonly HookOrder[] {
    return Object.values(
      eachHook(hook => ({
        hook,
        taps: this.#hooks[hook].taps.map(({ name, owner }) => ({ plugin: owner.plugin, tap: name })),
      })),
    )
  }
}

function eachHook<T>(make: (hook: HookName, spec: HookSpec) => T): Record<HookName, T> {
  const entries = Object.entries(HOOKS) as [HookName, HookSpec][]
  return Object.fromEntries(entries.map(([hook, spec]) => [hook, make(hook, spec)])) as Record<HookName, T>
}
