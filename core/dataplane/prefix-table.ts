import { ipv4Mask } from '../wire/ip.ts'
import { PairTable } from './pair-table.ts'

/** Longest-prefix match over IPv4: one hash lookup for each prefix length in use, longest first. */
export class PrefixTable {
  readonly #table = new PairTable()
  readonly #perLength = new Uint32Array(33)
  /** Lengths in use, descending. */
  #lengths = new Uint8Array(0)

  /** The value of the longest prefix that holds `address`; -1 for none. */
  lookup(address: number): number {
    const lengths = this.#lengths
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i] ?? 0
      const value = this.#table.get(address & ipv4Mask(length), length)
      if (value >= 0) return value
    }
    return -1
  }

  set(prefix: number, length: number, value: number): void {
    if (this.#table.get(prefix, length) < 0) this.#count(length, 1)
    this.#table.set(prefix, length, value)
  }

  delete(prefix: number, length: number): void {
    if (this.#table.get(prefix, length) < 0) return
    this.#table.delete(prefix, length)
    this.#count(length, -1)
  }

  #count(length: number, change: number): void {
    this.#perLength[length] = (this.#perLength[length] ?? 0) + change
    const used = [...this.#perLength.keys()].filter(bits => (this.#perLength[bits] ?? 0) > 0)
    this.#lengths = Uint8Array.from(used.reverse())
  }
}
