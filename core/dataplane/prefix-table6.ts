import { PairTable } from './pair-table.ts'

/** An IPv6 prefix as four 32-bit words, host bits cleared, with its mask. */
export interface Ipv6Prefix {
  readonly words: readonly [number, number, number, number]
  readonly masks: readonly [number, number, number, number]
  readonly length: number
}

/** The prefixes of one length. */
interface Length {
  readonly length: number
  readonly masks: Ipv6Prefix['masks']
  /** By the upper 64 bits: a value, or, for what is longer, the index of the table of the lower ones. */
  readonly upper: PairTable
  readonly lower: PairTable[]
  size: number
}

const HALF_BITS = 64

/** Longest-prefix match over IPv6: a hash lookup or two for each prefix length in use, longest first. */
export class PrefixTable6 {
  /** In use, descending. */
  #lengths: Length[] = []

  /** The value of the longest prefix that holds the address at `at`; -1 for none. */
  lookup(view: DataView, at: number): number {
    for (let i = 0; i < this.#lengths.length; i++) {
      const one = this.#lengths[i]
      if (one === undefined) break
      const { masks, upper, length } = one
      const value = upper.get(view.getInt32(at) & masks[0], view.getInt32(at + 4) & masks[1])
      if (value < 0) continue
      if (length <= HALF_BITS) return value
      const lower = one.lower[value]?.get(view.getInt32(at + 8) & masks[2], view.getInt32(at + 12) & masks[3])
      if (lower !== undefined && lower >= 0) return lower
    }
    return -1
  }

  set(prefix: Ipv6Prefix, value: number): void {
    const { words, length } = prefix
    const one = this.#of(prefix)
    if (length <= HALF_BITS) {
      if (one.upper.get(words[0], words[1]) < 0) one.size++
      one.upper.set(words[0], words[1], value)
      return
    }
    let index = one.upper.get(words[0], words[1])
    if (index < 0) {
      index = one.lower.length
      one.upper.set(words[0], words[1], index)
      one.lower.push(new PairTable())
    }
    const lower = one.lower[index]
    if (lower === undefined) return
    if (lower.get(words[2], words[3]) < 0) one.size++
    lower.set(words[2], words[3], value)
  }

  delete({ words, length }: Ipv6Prefix): void {
    const one = this.#lengths.find(each => each.length === length)
    if (one === undefined) return
    const index = one.upper.get(words[0], words[1])
    if (index < 0) return
    if (length <= HALF_BITS) one.upper.delete(words[0], words[1])
    else {
      const lower = one.lower[index]
      if (lower === undefined || lower.get(words[2], words[3]) < 0) return
      lower.delete(words[2], words[3])
    }
    one.size--
    // An empty half of a longer prefix stays for whoever has it next, until the last of its length goes.
    if (one.size === 0) this.#lengths = this.#lengths.filter(each => each !== one)
  }

  #of({ length, masks }: Ipv6Prefix): Length {
    const known = this.#lengths.find(each => each.length === length)
    if (known !== undefined) return known
    const made: Length = { length, masks, upper: new PairTable(), lower: [], size: 0 }
    this.#lengths = [...this.#lengths, made].sort((a, b) => b.length - a.length)
    return made
  }
}
