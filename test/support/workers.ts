/** Worker threads of this process, and entry modules that stand for them. */
import type { TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'

/** Those that are started from now on, in order; they may be terminated from outside, as nothing in the product would. */
export function watchWorkers(t: TestContext): readonly Worker[] {
  const workers: Worker[] = []
  const watch = (worker: Worker) => void workers.push(worker)
  process.on('worker', watch)
  t.after(() => process.off('worker', watch))
  return workers
}

/** A worker in the place of the real one. */
export function workerThat(script: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`)
}

/** The real worker of the data plane, which does `sabotage` at its next turn after the file is there; the file is gone then. */
export function workerThatFails(file: string, sabotage: string): URL {
  const worker = new URL('../../core/dataplane/worker.js', import.meta.url)
  return workerThat(`
    import { existsSync, rmSync } from 'node:fs'
    const now = performance.now.bind(performance)
    performance.now = () => {
      if (existsSync(${JSON.stringify(file)})) {
        rmSync(${JSON.stringify(file)})
        ${sabotage}
      }
      return now()
    }
    await import(${JSON.stringify(worker.href)})`)
}
