/** An empty place. */
const FREE = -1
const FIRST_PLACES = 64

/** A hash table from two 32-bit numbers to a number >= 0, in typed arrays: a lookup allocates nothing. */
export class PairTable {
  #a = new Int32Array(FIRST_PLACES)
  #b = new Int32Array(FIRST_PLACES)
  #values = new Int32Array(FIRST_PLACES).fill(FREE)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** -1 when absent. */
  get(a: number, b: number): number {
    return this.#values[this.#find(a, b)] ?? FREE
  }

  set(a: number, b: number, value: number): void {
    if (2 * (this.#size + 1) > this.#values.length) this.#grow()
    const place = this.#find(a, b)
    if (this.#values[place] === FREE) this.#size++
    this.#put(place, a, b, value)
  }

  delete(a: number, b: number): void {
    const mask = this.#values.length - 1
    let hole = this.#find(a, b)
    if (this.#values[hole] === FREE) return
    this.#size--
    // What stands behind the hole moves forward where its own place allows: no tombstones, so no decay.
    for (let next = (hole + 1) & mask; this.#values[next] !== FREE; next = (next + 1) & mask) {
      const [nextA = 0, nextB = 0, value = FREE] = [this.#a[next], this.#b[next], this.#values[next]]
      const home = hash(nextA, nextB) & mask
      if (((next - home) & mask) < ((next - hole) & mask)) continue
      this.#put(hole, nextA, nextB, value)
      hole = next
    }
    this.#values[hole] = FREE
  }

  /** The key's place, or the free one where it would stand. At most half of the places are taken. */
  #find(a: number, b: number): number {
    const mask = this.#values.length - 1
    let place = hash(a, b) & mask
    while (this.#values[place] !== FREE && (this.#a[place] !== a || this.#b[place] !== b))
      place = (place + 1) & mask
    return place
  }

  #put(place: number, a: number, b: number, value: number): void {
    this.#a[place] = a
    this.#b[place] = b
    this.#values[place] = value
  }

  #grow(): void {
    const [oldA, oldB, oldValues] = [this.#a, this.#b, this.#values]
    const places = 2 * oldValues.length
    this.#a = new Int32Array(places)
    this.#b = new Int32Array(places)
    this.#values = new Int32Array(places).fill(FREE)
    for (const [from, value] of oldValues.entries()) {
      if (value === FREE) continue
      const [a = 0, b = 0] = [oldA[from], oldB[from]]
      this.#put(this.#find(a, b), a, b, value)
    }
  }
}

function hash(a: number, b: number): number {
  const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}
