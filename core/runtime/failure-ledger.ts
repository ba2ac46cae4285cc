import type { Clock, Milliseconds } from '../ports.ts'

export interface LedgerOptions {
  /** Failures that cost nothing: people mistype. */
  readonly free: number
  /** The delay after the first failure beyond; it doubles with each. */
  readonly firstDelayMs: Milliseconds
  readonly longestDelayMs: Milliseconds
  /** Each passing of this time forgets one failure. */
  readonly forgetMs: Milliseconds
  /** Beyond it the key that failed least recently is forgotten. */
  readonly mostKeys: number
}

interface Failures {
  readonly count: number
  readonly at: Milliseconds
}

/** Counts failures by key and tells how long the next attempt has to wait. */
export class FailureLedger {
  /** The least recent first. */
  readonly #byKey = new Map<string, Failures>()
  /** Stays before the first that is left, however many went: a new one would pass by them all. */
  readonly #leastRecent = this.#byKey.keys()
  readonly #clock: Clock
  readonly #options: LedgerOptions
  /** Failures beyond this change no delay and would only take longer to forget. */
  readonly #mostCounted: number

  constructor(clock: Clock, options: LedgerOptions) {
    this.#clock = clock
    this.#options = options
    const { free, firstDelayMs, longestDelayMs } = options
    this.#mostCounted = free + 1 + Math.ceil(Math.log2(longestDelayMs / firstDelayMs))
  }

  fail(key: string): void {
    const count = Math.min(this.#count(key) + 1, this.#mostCounted)
    this.#byKey.delete(key)
    this.#byKey.set(key, { count, at: this.#clock.now() })
    if (this.#byKey.size > this.#options.mostKeys) this.#byKey.delete(this.#leastRecent.next().value ?? '')
  }

  /** Takes back `failures`, all when absent. */
  forgive(key: string, failures = Number.POSITIVE_INFINITY): void {
    const count = this.#count(key) - failures
    const { at } = this.#byKey.get(key) ?? { at: 0 }
    if (count > 0) this.#byKey.set(key, { count, at })
    else this.#byKey.delete(key)
  }

  isFree(key: string): boolean {
    return this.#count(key) <= this.#options.free
  }

  /** How long from now the next attempt has to wait. */
  delayMs(key: string): Milliseconds {
    const { free, firstDelayMs, longestDelayMs } = this.#options
    const beyond = this.#count(key) - free
    if (beyond <= 0) return 0
    const { at } = this.#byKey.get(key) ?? { at: 0 }
    const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (beyond - 1))
    return Math.max(0, at + delayMs - this.#clock.now())
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#byKey.size
  }

  #count(key: string): number {
    const failures = this.#byKey.get(key)
    if (failures === undefined) return 0
    const forgotten = Math.floor((this.#clock.now() - failures.at) / this.#options.forgetMs)
    return Math.max(0, failures.count - forgotten)
  }
}
