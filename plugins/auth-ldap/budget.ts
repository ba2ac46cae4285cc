/** The time that one login may take, whatever it asks and of how many servers. */
import type { Clock, Milliseconds } from 'burrow'
import { Unavailable } from './failures.ts'

export class Budget {
  readonly #clock: Clock
  readonly #endsAt: Milliseconds

  constructor(clock: Clock, totalMs: Milliseconds) {
    this.#clock = clock
    this.#endsAt = clock.now() + totalMs
  }

  get isSpent(): boolean {
    return this.#clock.now() >= this.#endsAt
  }

  /** For one call: at most `longestMs`, and no more than is left. */
  call(longestMs: Milliseconds): Milliseconds {
    return Math.max(0, Math.min(longestMs, this.#endsAt - this.#clock.now()))
  }

  /** `work` as long as there is time; it may go on for others when this login gives up. */
  within<T>(what: string, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.#endsAt - this.#clock.now(), () =>
        reject(new Unavailable(`${what} took too long`)),
      )
      work.then(
        value => {
          timer.cancel()
          resolve(value)
        },
        error => {
          timer.cancel()
          reject(error)
        },
      )
    })
  }
}
