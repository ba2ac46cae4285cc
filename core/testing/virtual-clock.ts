import assert from 'node:assert/strict'
import type { Clock, Milliseconds, TimerHandle } from '../ports.ts'

interface VirtualTimer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** More than any deadline of ours. */
const LONGEST_WAIT_MS = 300_000

/** Lets every promise and callback that is ready run: microtasks, immediates and finished I/O. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(resolve => setImmediate(resolve))
}

/**
 * Time that passes only when a test says so: a deadline of ten seconds is over in no time, and a timer fires at its own
 * instant and at no other. It begins at 0 ms, on 1 January 2026.
 *
 *     const clock = new VirtualClock()
 *     clock.setTimer(5000, () => console.log(clock.now()))
 *     await clock.advance(4999) // nothing
 *     await clock.advance(1)    // 5000
 *
 * Several waits at once take turns, and see the same time.
 */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  readonly #timers = new Set<VirtualTimer>()
  readonly #settle: () => Promise<void>
  #turn: Promise<unknown> = Promise.resolve()

  /** `settled` resolves when all that happens at this instant has happened; only then time passes. */
  constructor(settled: () => Promise<void> = settle) {
    this.#settle = settled
  }

  /** Milliseconds that have passed. */
  now(): Milliseconds {
    return this.#now
  }

  /** 1 January 2026, and what has passed. */
  wallTimeMs(): number {
    return Date.UTC(2026, 0, 1) + this.#now
  }

  setTimer(delayMs: Milliseconds, run: () => void): TimerHandle {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** How many timers are armed: 0 where a plugin has cleaned up behind itself. */
  get pending(): number {
    return this.#timers.size
  }

  /** Passes `ms`, firing each timer at its own instant, with everything settled before and after. */
  async advance(ms: Milliseconds): Promise<void> {
    const end = this.#now + ms
    while (await this.#step(() => true, end));
    this.#now = Math.max(this.#now, end)
    await this.#settle()
  }

  /** Passes time until `done`, at most `limitMs`; fails with `what` otherwise. Returns the time that it took. */
  async until(what: string, done: () => boolean, limitMs: Milliseconds = 60_000): Promise<Milliseconds> {
    const start = this.#now
    let reached = false
    const notYet = () => {
      reached = done()
      return !reached
    }
    while (await this.#step(notYet, start + limitMs));
    assert.ok(reached, `not within ${limitMs} virtual ms: ${what}`)
    return this.#now - start
  }

  /** Passes time until `promise` settles, at most `limitMs`; settles as it does, or fails with `what`. */
  async settled<T>(what: string, promise: Promise<T>, limitMs = LONGEST_WAIT_MS): Promise<T> {
    let open = true
    const close = () => {
      open = false
    }
    promise.then(close, close)
    await this.until(what, () => !open, limitMs)
    return promise
  }

  /** Once all is settled, fires the next timer if `go` says so and it is due by `end`; false: it did not. */
  #step(go: () => boolean, end: Milliseconds): Promise<boolean> {
    const step = this.#turn.then(async () => {
      await this.#settle()
      const next = go() ? this.#next() : undefined
      if (next === undefined || next.at > end) return false
      this.#fire(next)
      return true
    })
    this.#turn = step.catch(() => {})
    return step
  }

  #next(): VirtualTimer | undefined {
    let first: VirtualTimer | undefined
    for (const timer of this.#timers) {
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer
    }
    return first
  }

  #fire(timer: VirtualTimer): void {
    this.#timers.delete(timer)
    this.#now = Math.max(this.#now, timer.at)
    timer.run()
  }
}
