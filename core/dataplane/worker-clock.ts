/** The time of the thread that owns workers: they are real, and so is what they take. */
import type { Clock } from '../ports.ts'

export const workerClock: Pick<Clock, 'now' | 'setTimer'> = {
  now: () => performance.now(),
  setTimer(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}
