/**
 * Rate limits, one for each flow in columns: a bucket fills with octets at the rate and is emptied by packets. It holds what
 * comes in 100 ms, and never less than two of the largest packets, so that the slowest rate lets them through. What finds
 * too little in it is dropped, not queued. Nothing is allocated per packet.
 */
const BURST_MS = 100
const BURST_PACKETS = 2
/** What peers send is as long as their MRU lets it be; by default that is 1500 (RFC 1661 6.1). */
const LEAST_PACKET_BYTES = 1500
const BITS_PER_MS = 8000

export class TokenBuckets {
  readonly #octetsPerMs: Float64Array
  /** In octets, what it holds at most. */
  readonly #most: Float64Array
  readonly #octets: Float64Array
  readonly #filledAtMs: Float64Array
  /** One number, where it is never boxed. */
  readonly #nowMs = new Float64Array(1)

  constructor(maxFlows: number) {
    this.#octetsPerMs = new Float64Array(maxFlows)
    this.#most = new Float64Array(maxFlows)
    this.#octets = new Float64Array(maxFlows)
    this.#filledAtMs = new Float64Array(maxFlows)
  }

  /** The rate of a flow in bits per second, for packets of at most `mtuBytes`. `fresh`: it begins with a full bucket. */
  set(flow: number, rateBps: number, mtuBytes: number, fresh: boolean): void {
    const octetsPerMs = rateBps / BITS_PER_MS
    const most = Math.max(octetsPerMs * BURST_MS, BURST_PACKETS * Math.max(mtuBytes, LEAST_PACKET_BYTES))
    this.#octetsPerMs[flow] = octetsPerMs
    this.#most[flow] = most
    this.#octets[flow] = fresh ? most : Math.min(this.#octets[flow] ?? 0, most)
  }

  /** Time passes only here. */
  tick(nowMs: number): void {
    this.#nowMs[0] = nowMs
  }

  /** Whether a packet of so many octets may pass. */
  take(flow: number, octets: number): boolean {
    const nowMs = this.#nowMs[0] ?? 0
    const filled =
      (this.#octets[flow] ?? 0) + (nowMs - (this.#filledAtMs[flow] ?? 0)) * (this.#octetsPerMs[flow] ?? 0)
    const there = Math.min(filled, this.#most[flow] ?? 0)
    const passes = there >= octets
    this.#octets[flow] = passes ? there - octets : there
    this.#filledAtMs[flow] = nowMs
    return passes
  }
}
