/** Work that takes real time while virtual time stands still: files, hashes, connections, other programs. */
import { createHook } from 'node:async_hooks'
import type { Hooks } from '../hooks/hooks.ts'
import type { AnyPlugin, PluginInstance } from '../plugin/plugin.ts'
import { settle } from './virtual-clock.ts'

/** Jobs of the system that always end, and soon. */
const JOBS =
  /^(FSREQ|FILEHANDLECLOSE|SCRYPT|PBKDF2|HASH|SIGN|DERIVE|KEY|RANDOM|CIPHER|CHECKPRIME|GETADDRINFO|GETNAMEINFO|QUERY)/
/** What may wait for an answer from outside; not timers, and not a server that only listens. */
const OUTSIDE = /^(TCPSocket|TLS|PipeWrap|PipeConnect|UDP|Process|Worker|MessagePort)/
const POLL_TURNS = 1
/** A job of the system, on a busy machine. */
const LONGEST_JOB_MS = 10_000

/**
 * Holds virtual time still while a plugin waits for the real world, so that a deadline of ten seconds is not over while
 * the answer of a server on this machine is on its way. What it waits for without end is waited for `patienceMs`.
 */
export class OutsideWork {
  readonly #jobs = new Set<number>()
  readonly #before = outsideCount()
  readonly #calls = new Set<{ readonly since: number }>()
  readonly #patienceMs: number
  readonly #hook = createHook({
    init: (id, type) => {
      if (JOBS.test(type)) this.#jobs.add(id)
    },
    destroy: id => this.#jobs.delete(id),
  })

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
    this.#hook.enable()
  }

  close(): void {
    this.#hook.disable()
  }

  /** For a clock: resolves when all is settled that goes on outside, or was waited for long enough. */
  readonly settled = async (): Promise<void> => {
    const startedAt = performance.now()
    await settle()
    while (this.#goesOn(startedAt)) await settle(POLL_TURNS)
  }

  /** The plugin with an eye on each call into it. */
  readonly watched = (plugin: AnyPlugin): AnyPlugin => ({
    ...plugin,
    setup: (context, options, ...capabilities) => {
      const made = plugin.setup(
        { ...context, hooks: this.#watchedHooks(context.hooks) },
        options,
        ...capabilities,
      )
      return typeof made === 'object' && !(made instanceof Promise) ? this.#watchedInstance(made) : made
    },
  })

  #goesOn(startedAt: number): boolean {
    const now = performance.now()
    if (this.#jobs.size > 0 && now - startedAt < LONGEST_JOB_MS) return true
    if (outsideCount() <= this.#before) return false
    for (const { since } of this.#calls) if (now - since < this.#patienceMs) return true
    return false
  }

  #watchedHooks(hooks: Hooks): Hooks {
    const entries = Object.entries(hooks).map(([name, { tap }]) => {
      const watchedTap = (tapName: string, run: (...args: unknown[]) => unknown) =>
        tap(tapName, ((...args: unknown[]) => this.#watch(run(...args))) as never)
      return [name, { tap: watchedTap, tapPromise: watchedTap }]
    })
    return Object.freeze(Object.fromEntries(entries))
  }

  #watchedInstance(instance: PluginInstance): PluginInstance {
    // Not around the instance itself: a frozen one would have to give its own functions.
    return new Proxy<PluginInstance>(
      {},
      {
        get: (_empty, key) => {
          const value: unknown = Reflect.get(instance, key, instance)
          return typeof value === 'function'
            ? (...args: unknown[]) => this.#watch(value.apply(instance, args))
            : value
        },
      },
    )
  }

  #watch<T>(result: T): T {
    if (!(result instanceof Promise)) return result
    const call = { since: performance.now() }
    this.#calls.add(call)
    const end = () => this.#calls.delete(call)
    result.then(end, end)
    return result
  }
}

function outsideCount(): number {
  return process.getActiveResourcesInfo().filter(type => OUTSIDE.test(type)).length
}
