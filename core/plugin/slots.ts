import { isAbandoned, onAbandoned } from '../hooks/abandonment.ts'
import type { Call } from '../hooks/views.ts'

/** Runs expensive jobs a few at a time, in order; waiting is bounded, and who no longer needs a job leaves the queue. */
export class Slots {
  readonly #atOnce: number
  readonly #mostWaiting: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(atOnce: number, mostWaiting: number) {
    this.#atOnce = atOnce
    this.#mostWaiting = mostWaiting
  }

  /** What `job` gives; 'full' when too many wait, 'aborted' when the signal of `call` aborts before its turn. */
  async run<T>(call: Pick<Call, 'signal'>, job: () => Promise<T>): Promise<T | 'full' | 'aborted'> {
    if (isAbandoned(call)) return 'aborted'
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#mostWaiting) return 'full'
      if (!(await this.#turn(call))) return 'aborted'
    } else this.#running++
    try {
      return await job()
    } finally {
      // The slot goes to whoever waits longest, without ever being free in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** Resolves to whether a slot was handed over. */
  #turn(call: Pick<Call, 'signal'>): Promise<boolean> {
    return new Promise(resolve => {
      const forget = onAbandoned(call, () => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        resolve(false)
      })
      const start = () => {
        forget()
        resolve(true)
      }
      this.#waiting.push(start)
    })
  }
}
