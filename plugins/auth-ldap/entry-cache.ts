/** What the directory said a moment ago. It holds what it is given, and it is given no password. */
import type { Clock, Milliseconds } from 'burrow'

export class EntryCache<T> {
  readonly #clock: Clock
  readonly #most: number
  readonly #forMs: Milliseconds
  readonly #kept = new Map<string, { readonly value: T; readonly until: Milliseconds }>()

  /** `most` 0: it keeps nothing. */
  constructor(clock: Clock, most: number, forMs: Milliseconds) {
    this.#clock = clock
    this.#most = most
    this.#forMs = forMs
  }

  get(key: string): T | undefined {
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.until > this.#clock.now()) return kept.value
    this.#kept.delete(key)
    return undefined
  }

  set(key: string, value: T): void {
    if (this.#most === 0) return
    this.#kept.delete(key)
    this.#kept.set(key, { value, until: this.#clock.now() + this.#forMs })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > this.#most && oldest !== undefined) this.#kept.delete(oldest)
  }
}
