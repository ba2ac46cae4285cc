/** A set of IPv4 addresses: a bitmap in pages, of which only those in use exist. */

const PAGE_BITS = 16
const PAGE_WORDS = 2 ** PAGE_BITS / 32

export class AddressSet {
  readonly #pages = new Map<number, Uint32Array>()

  add(address: number): void {
    const page = this.#pages.get(address >>> PAGE_BITS) ?? new Uint32Array(PAGE_WORDS)
    this.#pages.set(address >>> PAGE_BITS, page)
    const word = wordOf(address)
    page[word] = (page[word] ?? 0) | bitOf(address)
  }

  delete(address: number): void {
    const page = this.#pages.get(address >>> PAGE_BITS)
    const word = wordOf(address)
    if (page !== undefined) page[word] = (page[word] ?? 0) & ~bitOf(address)
  }

  /** The lowest address of first..last that is not in the set; looks at 32 addresses at a time. */
  firstMissing(first: number, last: number): number | undefined {
    let at = first
    while (at <= last) {
      const page = this.#pages.get(at >>> PAGE_BITS)
      if (page === undefined) return at
      // Of this word, what is at `at` or above.
      const missing = ~(page[wordOf(at)] ?? 0) & (-1 << (at & 31))
      const base = at - (at & 31)
      if (missing !== 0) {
        const found = base + 31 - Math.clz32(missing & -missing)
        return found <= last ? found : undefined
      }
      at = base + 32
    }
    return undefined
  }
}

const wordOf = (address: number) => (address & (2 ** PAGE_BITS - 1)) >>> 5
const bitOf = (address: number) => 1 << (address & 31)
