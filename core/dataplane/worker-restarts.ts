/** How a worker is looked after. */
export interface Supervision {
  /** It is looked at so often. */
  readonly lookEveryMs: number
  /** It counts as hung when so many looks in a row found that it had not moved; before it is up, six times as many. */
  readonly mostStillLooks: number
  /** It is started anew so often within the window; the next failure is the last. */
  readonly mostRestarts: number
  readonly windowMs: number
  /** Before the first restart in a window; twice as long before each that follows. */
  readonly firstDelayMs: number
}

export const SUPERVISION: Supervision = {
  lookEveryMs: 500,
  mostStillLooks: 10,
  mostRestarts: 5,
  windowMs: 60_000,
  firstDelayMs: 50,
}

/** Whether a worker that failed is to be started anew, and when. */
export class Restarts {
  /** In all. */
  count = 0
  readonly #supervision: Supervision
  #recentMs: readonly number[] = []

  constructor(supervision: Supervision) {
    this.#supervision = supervision
  }

  /** It failed. How long to wait before the next one begins; undefined when there is to be none. */
  afterFailure(nowMs: number): number | undefined {
    const { windowMs, mostRestarts, firstDelayMs } = this.#supervision
    this.#recentMs = this.#recentMs.filter(atMs => nowMs - atMs < windowMs)
    const before = this.#recentMs.length
    if (before >= mostRestarts) return undefined
    this.#recentMs = [...this.#recentMs, nowMs]
    this.count++
    return firstDelayMs * 2 ** before
  }
}
