import assert from 'node:assert/strict'
import type { Clock, TimerHandle } from '../ports.ts'

interface VirtualTimer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Lets every promise and callback that is ready run: microtasks, immediates and finished I/O. */
export async function settle(turns = 3): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(resolve => setImmediate(resolve))
}

/** Time that passes only when a test says so. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  readonly #timers = new Set<VirtualTimer>()

  now(): number {
    return this.#now
  }

  wallTimeMs(): number {
    return Date.UTC(2026, 0, 1) + this.#now
  }

  setTimer(delayMs: number, run: () => void): TimerHandle {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** How many timers are armed. */
  get pending(): number {
    return this.#timers.size
  }

  /** Passes `ms`, firing each timer at its own instant, with everything settled before and after. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const next = this.#next()
      if (next === undefined || next.at > end) break
      this.#fire(next)
    }
    this.#now = end
    await settle()
  }

  /** Passes time until `done`, at most `limitMs`; fails with `what` otherwise. Returns the time that it took. */
  async until(what: string, done: () => boolean, limitMs = 60_000): Promise<number> {
    const start = this.#now
    for (;;) {
      await settle()
      if (done()) return this.#now - start
      const next = this.#next()
      assert.ok(next !== undefined && next.at <= start + limitMs, `not within ${limitMs} virtual ms: ${what}`)
      this.#fire(next)
    }
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
