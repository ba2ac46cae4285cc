import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 5
const DEFAULT_DEADLINE_MS = 10_000

/**
 * Polls `probe` in real time until it gives something other than undefined and false; fails with `what`, and what
 * `state` tells, when the deadline passes.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = DEFAULT_DEADLINE_MS,
  state: () => string = () => '',
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const found = await probe()
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}${state()}`)
    await sleep(POLL_MS)
  }
}
