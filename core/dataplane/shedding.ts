/**
 * When more want a tunnel than could ever be let in, most of them are to be gone before they reach us: in the kernel, by chance, so that a
 * flood from forged addresses fills no socket in front of live sessions, and who is honest comes through by trying again.
 */

/** A second is long enough to tell a flood from a storm of logins after an outage. */
const PERIOD_MS = 1000
/** Whoever wants a tunnel, in a second: as many as `UpBudget` lets up, and more that it can refuse without harm. */
const BORNE_PER_S = 20_000
/** Of a flood so many are kept: twice what is let up, for chance is not even. */
const KEPT_PER_S = 10_000

export class Shedding {
  #since = Number.NEGATIVE_INFINITY
  #seen = 0
  #keep = 1

  /** One that wants a tunnel has come. */
  count(): void {
    this.#seen++
  }

  /** The share that is to be kept from now on, if that is another. */
  tick(nowMs: number): number | undefined {
    const passedMs = nowMs - this.#since
    if (passedMs < PERIOD_MS) return undefined
    // After a while without a turn what was seen is of longer ago; that only makes the rate smaller.
    const perS = (1000 * this.#seen) / this.#keep / passedMs
    this.#since = nowMs
    this.#seen = 0
    const keep = perS > BORNE_PER_S ? KEPT_PER_S / perS : 1
    if (keep === this.#keep) return undefined
    this.#keep = keep
    return keep
  }
}
