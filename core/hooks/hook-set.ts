/** The hooks of one generation of the config: made with tapable, tapped by plugins, called by the runtime. */
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesWaterfallHook } from 'tapable'
import { type GuardWorld, guard, type Inquiry, type TapOwner } from './guard.ts'
import {
  type FirstAnswerHook,
  HOOKS,
  type HookName,
  type HookSpec,
  type Hooks,
  type ObserverHook,
  type WaterfallHook,
} from './hooks.ts'
import type { Call } from './views.ts'

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
  readonly taps: readonly FullTap[]
  intercept(interceptor: { register(tap: FullTap): FullTap }): void
  tap(options: { name: string } & TapFields, run: (...args: unknown[]) => unknown): void
  // biome-ignore lint/suspicious/noExplicitAny: tapable compiles one function for every list of arguments.
  promise(...args: unknown[]): Promise<any>
  callAsync(...args: unknown[]): void
}
type FullTap = TapFields & { name: string; type: 'sync' | 'async' | 'promise'; fn: unknown }
type Told = (event: unknown, done: () => void) => void

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
    return HookSet.ownedBy([this], owner)
  }

  /** The same over several sets: a plugin outside of every deployment serves the calls of each. */
  static ownedBy(sets: readonly HookSet[], owner: TapOwner): Hooks {
    return Object.freeze(
      eachHook(hook => {
        const tap = (name: string, run: (...args: unknown[]) => unknown) => {
          for (const set of sets) set.#hooks[hook].tap({ name, owner }, run)
        }
        return Object.freeze({ tap, tapPromise: tap })
      }),
    ) as unknown as Hooks
  }

  /** Asks until a tap answers; undefined when none did. Never rejects. */
  ask<K extends NamesOf<'first-answer'>>(
    hook: K,
    inquiry: Inquiry,
    call: Omit<FirstAnswer<K>['call'], keyof Call>,
  ): Promise<FirstAnswer<K>['verdict'] | undefined> {
    return this.#decide(hook, inquiry, call)
  }

  /** Leads `value` through every tap, to a last value or a denial. Never rejects. */
  refine<K extends NamesOf<'waterfall'>>(
    hook: K,
    inquiry: Inquiry,
    value: Waterfall<K>['value'],
    call: Omit<Waterfall<K>['call'], keyof Call>,
  ): Promise<Waterfall<K>['verdict']> {
    return this.#decide(hook, inquiry, value, call)
  }

  // biome-ignore lint/suspicious/noExplicitAny: the two callers know the verdicts of their hook.
  #decide(hook: HookName, inquiry: Inquiry, ...question: readonly unknown[]): Promise<any> {
    return new Promise(resolve => {
      this.#hooks[hook].callAsync(...question, inquiry, (_error: null, verdict: unknown) => {
        inquiry.close()
        resolve(verdict)
      })
    })
  }

  /** Tells every tap; resolves when each has returned, failed or is late. Never rejects. */
  tell<K extends NamesOf<'observer'>>(hook: K, event: Observed<K>): Promise<void> {
    return this.#hooks[hook].promise(event)
  }

  /** Tells the taps of some plugins only. Never rejects. */
  async tellSome<K extends NamesOf<'observer'>>(
    hook: K,
    event: Observed<K>,
    plugins: ReadonlySet<string>,
  ): Promise<void> {
    const taps = this.#hooks[hook].taps.filter(({ owner }) => plugins.has(owner.plugin))
    // Guarded, as tapable calls it.
    await Promise.all(taps.map(({ fn }) => new Promise<void>(done => (fn as Told)(event, done))))
  }

  /** The plugins that tap a hook. */
  plugins(hook: HookName): ReadonlySet<string> {
    return new Set(this.#hooks[hook].taps.map(({ owner }) => owner.plugin))
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
