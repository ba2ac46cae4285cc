/**
 * Slows down who guesses passwords, by user and by source address, and locks nobody out: every attempt is verified in
 * the end, unless its source has more waiting than the queue holds. Who takes long to be verified holds up nobody.
 */
import type { Clock, Milliseconds, TimerHandle } from '../ports.ts'
import { FailureLedger, type LedgerOptions } from './failure-ledger.ts'

export interface ThrottleOptions {
  /** A user's delay stays short: whoever knows the password waits no longer, however many others guess. */
  readonly user: LedgerOptions
  readonly source: LedgerOptions
  /** Verifications of one source at a time, while it has not failed often; then one after the other. */
  readonly atOnce: number
  /** Who verifies for longer gives up its place: a server that waits for a person must not hold all calls of a concentrator. */
  readonly placeMs: Milliseconds
  /** Attempts of one source that may wait for their turn. */
  readonly mostWaiting: number
}

export const DEFAULT_THROTTLE: ThrottleOptions = {
  user: { free: 2, firstDelayMs: 250, longestDelayMs: 3000, forgetMs: 60_000, mostKeys: 16_384 },
  // An access concentrator dials for many users from one address.
  source: { free: 5, firstDelayMs: 250, longestDelayMs: 2000, forgetMs: 15_000, mostKeys: 16_384 },
  atOnce: 16,
  placeMs: 1000,
  // As many calls as a tunnel has by default; each waits no longer than its authentication may take.
  mostWaiting: 1024,
}

/** Leave to verify once. `done` must be called: with what was found, or undefined when nothing was. */
export interface Turn {
  done(correct: boolean | undefined): void
}

interface Gate {
  running: number
  readonly waiting: Attempt[]
}

interface Attempt {
  readonly source: string
  readonly user: string
  readonly start: () => void
}

export class Throttle {
  readonly #clock: Clock
  readonly #options: ThrottleOptions
  readonly #users: FailureLedger
  readonly #sources: FailureLedger
  /** Sources that have attempts under way. */
  readonly #gates = new Map<string, Gate>()

  constructor(clock: Clock, options: ThrottleOptions = DEFAULT_THROTTLE) {
    this.#clock = clock
    this.#options = options
    this.#users = new FailureLedger(clock, options.user)
    this.#sources = new FailureLedger(clock, options.source)
  }

  /**
   * Resolves when the attempt may be verified, to 'full' when too many of its source wait, to 'withdrawn' after
   * `running`'s callback was called: it is given the way to withdraw while the attempt waits, then undefined.
   */
  enter(
    source: string,
    userName: string,
    running: (withdraw: (() => void) | undefined) => void,
  ): Promise<Turn | 'full' | 'withdrawn'> {
    // Directories tend to ignore case; a guesser must not gain by varying it.
    const user = userName.toLowerCase()
    const gate = this.#gates.get(source) ?? { running: 0, waiting: [] }
    if (gate.waiting.length >= this.#options.mostWaiting) return Promise.resolve('full')
    this.#gates.set(source, gate)
    return new Promise(resolve => {
      let timer: TimerHandle | undefined
      let started = false
      const attempt: Attempt = {
        source,
        user,
        start: () => {
          started = true
          gate.running++
          const delayMs = Math.max(this.#users.delayMs(user), this.#sources.delayMs(source))
          const go = () => {
            running(undefined)
            const leave = this.#placeIn(gate, source)
            resolve({
              done: correct => {
                this.#learn(attempt, correct)
                leave()
              },
            })
          }
          if (delayMs === 0) go()
          else timer = this.#clock.setTimer(delayMs, go)
        },
      }
      running(() => {
        timer?.cancel()
        running(undefined)
        if (started) gate.running--
        else gate.waiting.splice(gate.waiting.indexOf(attempt), 1)
        this.#next(source, gate)
        resolve('withdrawn')
      })
      gate.waiting.push(attempt)
      this.#next(source, gate)
    })
  }

  /** A place that is taken until the time of places is over, or what this gives is called. */
  #placeIn(gate: Gate, source: string): () => void {
    let taken = true
    const leave = () => {
      timer.cancel()
      if (!taken) return
      taken = false
      gate.running--
      this.#next(source, gate)
    }
    const timer = this.#clock.setTimer(this.#options.placeMs, leave)
    return leave
  }

  #learn({ source, user }: Attempt, correct: boolean | undefined): void {
    if (correct === true) {
      this.#users.forgive(user)
      // One account that a guesser owns must not pay for all of its guesses.
      this.#sources.forgive(source, 1)
    } else if (correct === false) {
      this.#users.fail(user)
      this.#sources.fail(source)
    }
  }

  #next(source: string, gate: Gate): void {
    const limit = this.#sources.isFree(source) ? this.#options.atOnce : 1
    while (gate.running < limit) {
      const attempt = gate.waiting.shift()
      if (attempt === undefined) break
      attempt.start()
    }
    if (gate.running === 0) this.#gates.delete(source)
  }
}
