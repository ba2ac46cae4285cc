import type { Random } from '../../core/ports.ts'

/** Gives the ids of a script first, then goes on as `rest`: for exchanges whose every octet is known. */
export class ScriptedRandom implements Random {
  readonly #ids: number[]
  readonly #rest: Random

  constructor(ids: readonly number[], rest: Random) {
    this.#ids = [...ids]
    this.#rest = rest
  }

  uint16(): number {
    return this.#ids.shift() ?? this.#rest.uint16()
  }

  uint32(): number {
    return this.#rest.uint32()
  }

  bytes(count: number): Uint8Array {
    return this.#rest.bytes(count)
  }
}
