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

  /** What `job` gives; 'full' when too many wait, 'aborted' when `signal` aborts before its turn. */
  async run<T>(signal: AbortSignal, job: () => Promise<T>): Promise<T | 'full' | 'aborted'> {
    if (signal.aborted) return 'aborted'
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#mostWaiting) return 'full'
      if (!(await this.#turn(signal))) return 'aborted'
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
  #turn(signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const start = () => {
        signal.removeEventListener('abort', leave)
        resolve(true)
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        resolve(false)
      }
      this.#waiting.push(start)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
