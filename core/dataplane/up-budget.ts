/**
 * How much may be handed up. The control plane lives on another thread, and everybody can send it something: so each
 * kind has its share of each window, no flow and no source can take all of a share, and control messages have one of their own.
 */
const WINDOW_MS = 100

/** Per window. The control plane handles some 20,000 messages a second; more would only wait. */
const SHARE = {
  control: 4096,
  /** Of those who want a tunnel. Sources are easily forged: what is refused comes again, after a second, two, four. */
  opening: 512,
  /** PPP negotiations of open flows. */
  flow: 2048,
  /** PPP negotiations of calls that are being set up, and junk. */
  unknown: 2048,
  /** Events that tell of a drop: for a log. */
  report: 16,
  /** ICMP errors into the TUN. */
  icmp: 64,
} as const

const MOST_PER_FLOW = 32
const MOST_PER_SOURCE = { control: 1024, opening: 128, unknown: 1024 } as const
const SOURCE_BUCKETS = 256

export type UpKind = 'control' | 'opening' | 'flow' | 'unknown' | 'report'

export class UpBudget {
  #window = 0
  #left: Record<keyof typeof SHARE, number> = { ...SHARE }
  readonly #flowWindow: Uint32Array
  readonly #flowCount: Uint8Array
  readonly #sourceCount = {
    control: new Uint16Array(SOURCE_BUCKETS),
    opening: new Uint16Array(SOURCE_BUCKETS),
    unknown: new Uint16Array(SOURCE_BUCKETS),
  }

  constructor(maxFlows: number) {
    this.#flowWindow = new Uint32Array(maxFlows)
    this.#flowCount = new Uint8Array(maxFlows)
  }

  tick(nowMs: number): void {
    const window = Math.floor(nowMs / WINDOW_MS)
    if (window === this.#window) return
    this.#window = window
    Object.assign(this.#left, SHARE)
    this.#sourceCount.control.fill(0)
    this.#sourceCount.opening.fill(0)
    this.#sourceCount.unknown.fill(0)
  }

  take(kind: keyof typeof SHARE): boolean {
    if (this.#left[kind] === 0) return false
    this.#left[kind]--
    return true
  }

  takeForFlow(flow: number): boolean {
    // A window's number modulo 2^32 is what is kept of it.
    if (this.#flowWindow[flow] !== this.#window >>> 0) {
      this.#flowWindow[flow] = this.#window
      this.#flowCount[flow] = 0
    }
    const count = this.#flowCount[flow] ?? 0
    if (count === MOST_PER_FLOW || !this.take('flow')) return false
    this.#flowCount[flow] = count + 1
    return true
  }

  takeForSource(kind: keyof typeof MOST_PER_SOURCE, address: number): boolean {
    const counts = this.#sourceCount[kind]
    const bucket = Math.imul(address, 0x9e3779b1) >>> 24
    const count = counts[bucket] ?? 0
    if (count === MOST_PER_SOURCE[kind] || !this.take(kind)) return false
    counts[bucket] = count + 1
    return true
  }
}
