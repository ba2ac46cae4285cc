import type { Clock, Milliseconds, TimerHandle } from '../../ports.ts'

/** setTimeout fires at once beyond this; a longer delay is slept in parts. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The process's own clock. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  wallTimeMs: () => Date.now(),
  setTimer(delayMs, run) {
    if (delayMs > LONGEST_TIMER_MS) return sleepInParts(delayMs, run)
    const handle = setTimeout(run, Math.max(0, Math.ceil(delayMs)))
    return { cancel: () => clearTimeout(handle) }
  },
}

function sleepInParts(delayMs: Milliseconds, run: () => void): TimerHandle {
  const end = performance.now() + delayMs
  let handle: NodeJS.Timeout
  const sleep = () => {
    const leftMs = Math.ceil(end - performance.now())
    handle = leftMs > LONGEST_TIMER_MS ? setTimeout(sleep, LONGEST_TIMER_MS) : setTimeout(run, leftMs)
  }
  sleep()
  return { cancel: () => clearTimeout(handle) }
}
