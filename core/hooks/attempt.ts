import type { Clock, Milliseconds, TimerHandle } from '../ports.ts'

/** How one call into a plugin ended. */
export type Outcome<T = unknown> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'late' }
  | { readonly kind: 'withdrawn' }

export interface AttemptOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly deadlineMs: Milliseconds
  /** Given the way to withdraw the call while it runs, then undefined. */
  readonly running?: (withdraw: (() => void) | undefined) => void
  /** Told at once of a deadline that passed or a withdrawal. */
  readonly abandoned?: (why: 'late' | 'withdrawn') => void
  /** Given what comes after that. */
  readonly late?: (value: unknown) => void
}

/** Calls into a plugin; whatever that does, `done` is called once, by the deadline. */
export function attempt<T>(
  start: () => T | PromiseLike<T>,
  { clock, deadlineMs, running, abandoned, late }: AttemptOptions,
  done: (outcome: Outcome<T>) => void,
): void {
  let result: T | PromiseLike<T>
  let promise: Promise<T> | undefined
  try {
    result = start()
    // The same promise, or one that is safe from whatever another kind of thenable does.
    if (isThenable(result)) promise = Promise.resolve(result)
  } catch (error) {
    return done({ kind: 'threw', error })
  }
  if (promise === undefined) return done({ kind: 'answer', value: result as T })
  let open = true
  const close = (outcome: Outcome<T>) => {
    if (!open) return
    open = false
    timer.cancel()
    running?.(undefined)
    if (outcome.kind === 'late' || outcome.kind === 'withdrawn') abandoned?.(outcome.kind)
    done(outcome)
  }
  const timer = clock.setTimer(deadlineMs, () => close({ kind: 'late' }))
  running?.(() => close({ kind: 'withdrawn' }))
  promise.then(
    value => (open ? close({ kind: 'answer', value }) : late?.(value)),
    error => close({ kind: 'threw', error }),
  )
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
