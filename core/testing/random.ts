import type { Random } from '../ports.ts'

/** Repeatable randomness (splitmix32): the same seed gives the same run. `new SeededRandom(1)`; never for secrets. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  uint16(): number {
    return this.uint32() >>> 16
  }

  /** As many as asked for, the same for the same seed. */
  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at++) bytes[at] = this.uint32() >>> 24
    return bytes
  }

  /** 0 <= x < 1. */
  fraction(): number {
    return this.uint32() / 2 ** 32
  }
}
