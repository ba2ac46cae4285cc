/**
 * Holds wrong passwords back before they reach the directory, so that whoever guesses here cannot have an account locked for
 * everything else it is good for.
 */
import type { Clock, Milliseconds } from 'burrow'

export interface FailureLimit {
  /** So many wrong passwords of one user; 0: no limit. */
  readonly failures: number
  /** Since the last of them. */
  readonly windowMs: Milliseconds
}

interface Account {
  failures: number
  lastAt: Milliseconds
  running: number
  readonly waiting: (() => void)[]
}

/** Accounts that have failed lately; beyond, the oldest are forgotten. */
const MOST_ACCOUNTS = 16_384

export type Held = { readonly kind: 'held'; readonly forS: number }

export class BindFailures {
  readonly #clock: Clock
  readonly #accounts = new Map<string, Account>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * What `bind` gives, unless the account failed too often. As many run at once as may fail; the others wait for what comes of
   * them. `wrong` tells a failure; what is thrown is none.
   */
  async run<T>(
    key: string,
    limit: FailureLimit,
    bind: () => Promise<T>,
    wrong: (answer: T) => boolean,
  ): Promise<T | Held> {
    if (limit.failures === 0) return bind()
    const account = this.#accounts.get(key) ?? { failures: 0, lastAt: 0, running: 0, waiting: [] }
    this.#accounts.set(key, account)
    while (account.running > 0 && this.#failures(account, limit) + account.running >= limit.failures)
      await new Promise<void>(resolve => account.waiting.push(resolve))
    if (this.#failures(account, limit) >= limit.failures)
      return { kind: 'held', forS: Math.ceil((account.lastAt + limit.windowMs - this.#clock.now()) / 1000) }
    account.running++
    try {
      const answer = await bind()
      account.failures = wrong(answer) ? this.#failures(account, limit) + 1 : 0
      account.lastAt = this.#clock.now()
      return answer
    } finally {
      account.running--
      for (const wake of account.waiting.splice(0)) wake()
      this.#forget(key, account)
    }
  }

  #failures({ failures, lastAt }: Account, { windowMs }: FailureLimit): number {
    return this.#clock.now() - lastAt < windowMs ? failures : 0
  }

  #forget(key: string, account: Account): void {
    if (account.running > 0) return
    // At the end of the map are the youngest.
    this.#accounts.delete(key)
    if (account.failures > 0) this.#accounts.set(key, account)
    if (this.#accounts.size <= MOST_ACCOUNTS) return
    for (const [oldest, { running }] of this.#accounts) {
      if (running === 0) this.#accounts.delete(oldest)
      if (this.#accounts.size <= MOST_ACCOUNTS) return
    }
  }
}
