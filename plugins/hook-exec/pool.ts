/** Processes that stay, replaced when they end; calls go to the one with most room, and wait in a bounded queue. */
import { BurrowError, type JsonCall, type TimerHandle } from 'burrow'
import { busy, failed, type Runner, type RunnerParts } from './runner.ts'
import { type PooledCall, Worker } from './worker.ts'

const FIRST_RESTART_MS = 100
const LONGEST_RESTART_MS = 30_000

export class Pool implements Runner {
  readonly #parts: RunnerParts
  readonly #workers = new Set<Worker>()
  readonly #waiting: PooledCall[] = []
  readonly #restarts = new Set<TimerHandle>()
  /** Ends in a row of processes that answered nothing. */
  #failures = 0
  #stopped = false

  constructor(parts: RunnerParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    while (this.#workers.size < this.#parts.processes) {
      const worker = this.#startWorker()
      // Without a pid the system could not run the file.
      if (worker.pid === undefined)
        throw new BurrowError('HOOK_EXEC', `the program cannot be run: ${(await worker.ended).how}`)
    }
  }

  ask(call: JsonCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = call
      const pooled: PooledCall = { ...call, resolve, reject }
      if (this.#stopped) return reject(failed('the program is stopped'))
      if (this.#waiting.length >= this.#parts.waitingCalls && this.#free() === undefined)
        return reject(busy(this.#parts.waitingCalls))
      signal.addEventListener('abort', () => this.#leave(pooled), { once: true })
      this.#waiting.push(pooled)
      this.#dispatch()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const restart of this.#restarts) restart.cancel()
    for (const call of this.#waiting.splice(0)) call.reject(failed('the program is stopped'))
    for (const worker of this.#workers) worker.end()
    await Promise.all([...this.#workers].map(({ ended }) => ended))
  }

  #leave(call: PooledCall): void {
    const at = this.#waiting.indexOf(call)
    if (at >= 0) this.#waiting.splice(at, 1)
    call.reject(call.signal.reason)
  }

  #dispatch(): void {
    for (let worker = this.#free(); worker !== undefined; worker = this.#free()) {
      const call = this.#waiting.shift()
      if (call === undefined) return
      worker.take(call)
    }
  }

  #free(): Worker | undefined {
    let free: Worker | undefined
    for (const worker of this.#workers) if (worker.room > (free?.room ?? 0)) free = worker
    return free
  }

  #startWorker(): Worker {
    const worker = new Worker(this.#parts, () => this.#dispatch())
    this.#workers.add(worker)
    void worker.ended.then(({ how }) => {
      this.#workers.delete(worker)
      if (!this.#stopped) this.#restart(worker, how)
    })
    return worker
  }

  #restart({ pid, hasAnswered }: Worker, how: string): void {
    const { clock, random, ended } = this.#parts
    this.#failures = hasAnswered ? 0 : this.#failures + 1
    const longestMs = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.max(0, this.#failures - 1))
    // Jitter: processes that died together do not come back together.
    const restartMs = Math.round(longestMs * (0.5 + random.uint16() / 0x20000))
    ended(pid, how, restartMs)
    const timer = clock.setTimer(restartMs, () => {
      this.#restarts.delete(timer)
      this.#startWorker()
      this.#dispatch()
    })
    this.#restarts.add(timer)
  }
}
