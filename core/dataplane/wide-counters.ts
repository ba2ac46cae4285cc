/** 64-bit counters in memory that one thread writes and others read. */
export class WideCounters {
  readonly #whole: BigUint64Array
  /** The same memory as 32-bit halves; x86-64 and arm64 keep the low one first. */
  readonly #halves: Uint32Array

  constructor(memory: SharedArrayBuffer) {
    this.#whole = new BigUint64Array(memory)
    this.#halves = new Uint32Array(memory)
  }

  static bytesFor(counters: number): number {
    return counters * BigUint64Array.BYTES_PER_ELEMENT
  }

  /**
   * Only the low half is stored, unless it overflows: then the whole in one store. So a reader on another thread, who
   * loads 64 bits at once, never sees halves of two values, and nothing is allocated per packet.
   */
  add(at: number, amount: number): void {
    const low = (this.#halves[2 * at] ?? 0) + amount
    if (low <= 0xffff_ffff) this.#halves[2 * at] = low
    else Atomics.add(this.#whole, at, BigInt(amount))
  }

  get(at: number): bigint {
    return Atomics.load(this.#whole, at)
  }

  set(at: number, value: bigint): void {
    Atomics.store(this.#whole, at, value)
  }
}
