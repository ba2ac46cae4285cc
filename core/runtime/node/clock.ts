import type { Clock } from '../../ports.ts'

/** setTimeout fires at once beyond this; a longer delay is slept in parts. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The process's own clock. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  wallTimeMs: () => Date.now(),
  setTimer(delayMs, run) {
    const end = performance.now() + delayMs
    let handle: NodeJS.Timeout
    const sleep = () => {
      const left = end - performance.now()
      handle =
        left > LONGEST_TIMER_MS
          ? setTimeout(sleep, LONGEST_TIMER_MS)
          : setTimeout(run, Math.max(0, Math.ceil(left)))
    }
    sleep()
    return { cancel: () => clearTimeout(handle) }
  },
}
