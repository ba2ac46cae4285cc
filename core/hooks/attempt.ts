import type { Clock, Milliseconds, TimerHandle } from '../ports.ts'

/** How one call into a plugin ended. */
export type Outcome<T = unknown> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'late' }
  | { readonly kind: 'withdrawn' }

/** One call into a plugin; whatever that does, `concluded` is called once, by the deadline. */
export abstract class Attempt<T = unknown> {
  /** Of the deadline, while a promise is waited for. */
  #timer: TimerHandle | undefined

  /** Calls into the plugin. */
  protected abstract call(): T | PromiseLike<T>
  /** Told how it ended. */
  protected abstract concluded(outcome: Outcome<T>): void
  /** Given what comes after a deadline or a withdrawal. */
  protected abstract late(value: T): void

  begin(clock: Pick<Clock, 'setTimer'>, deadlineMs: Milliseconds): void {
    let result: T | PromiseLike<T>
    let promise: Promise<T> | undefined
    try {
      result = this.call()
      // The same promise, or one that is safe from whatever another kind of thenable does.
      if (isThenable(result)) promise = Promise.resolve(result)
    } catch (error) {
      return this.concluded({ kind: 'threw', error })
    }
    if (promise === undefined) return this.concluded({ kind: 'answer', value: result as T })
    this.#timer = clock.setTimer(deadlineMs, () => this.#close({ kind: 'late' }))
    promise.then(
      value => (this.#timer === undefined ? this.late(value) : this.#close({ kind: 'answer', value })),
      error => this.#close({ kind: 'threw', error }),
    )
  }

  /** Waits no longer. */
  withdraw(): void {
    this.#close({ kind: 'withdrawn' })
  }

  #close(outcome: Outcome<T>): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    this.concluded(outcome)
  }
}

export interface AttemptOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly deadlineMs: Milliseconds
  /** Given the way to withdraw the call before it begins, then undefined. */
  readonly running?: (withdraw: (() => void) | undefined) => void
  /** Told at once of a deadline that passed or a withdrawal. */
  readonly abandoned?: (why: 'late' | 'withdrawn') => void
  /** Given what comes after that. */
  readonly late?: (value: unknown) => void
}

/** An attempt made of functions: calls `start`, and then `done` once. */
export function attempt<T>(
  start: () => T | PromiseLike<T>,
  options: AttemptOptions,
  done: (outcome: Outcome<T>) => void,
): void {
  const made = new FunctionAttempt(start, options, done)
  options.running?.(() => made.withdraw())
  made.begin(options.clock, options.deadlineMs)
}

class FunctionAttempt<T> extends Attempt<T> {
  protected readonly call: () => T | PromiseLike<T>
  readonly #options: AttemptOptions
  readonly #done: (outcome: Outcome<T>) => void

  constructor(call: () => T | PromiseLike<T>, options: AttemptOptions, done: (outcome: Outcome<T>) => void) {
    super()
    this.call = call
    this.#options = options
    this.#done = done
  }

  protected concluded(outcome: Outcome<T>): void {
    const { running, abandoned } = this.#options
    running?.(undefined)
    if (outcome.kind === 'late' || outcome.kind === 'withdrawn') abandoned?.(outcome.kind)
    this.#done(outcome)
  }

  protected late(value: T): void {
    this.#options.late?.(value)
  }
}

/**
 * Waits of one length that follow each other, on one timer of the clock: nearly all end in time, so the timer is left
 * armed from wait to wait, and when it fires too early for the last one it is armed again for the rest.
 */
export class SuccessiveTimer implements Pick<Clock, 'setTimer'> {
  readonly #clock: Clock
  /** When the present wait began. */
  startedAt: Milliseconds = 0
  #armed: TimerHandle | undefined
  #dueAt: Milliseconds = 0
  #run: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  setTimer(delayMs: Milliseconds, run: () => void): TimerHandle {
    this.#dueAt = this.startedAt + delayMs
    this.#run = run
    this.#armed ??= this.#clock.setTimer(delayMs, this.#fire)
    return this
  }

  /** Ends the wait. */
  cancel(): void {
    this.#run = undefined
  }

  /** No other wait follows. */
  close(): void {
    this.#armed?.cancel()
    this.#armed = undefined
  }

  readonly #fire = (): void => {
    this.#armed = undefined
    const run = this.#run
    if (run === undefined) return
    const leftMs = this.#dueAt - this.#clock.now()
    if (leftMs <= 0) run()
    else this.#armed = this.#clock.setTimer(leftMs, this.#fire)
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
