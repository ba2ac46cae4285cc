/** Named deadlines in one binary heap. Equal deadlines expire in the order in which they were set. */
import type { Milliseconds } from '../ports.ts'

interface Entry {
  readonly name: string
  readonly at: Milliseconds
  readonly order: number
}

export type TimersState = readonly (readonly [name: string, at: Milliseconds])[]

export class Timers {
  #heap: Entry[] = []
  /** The live entry of each name; a heap entry that is not here was replaced or cleared. */
  readonly #live = new Map<string, Entry>()
  #order = 0

  get size(): number {
    return this.#live.size
  }

  /** Sets or moves `name`. */
  set(name: string, at: Milliseconds): void {
    const entry = { name, at, order: this.#order++ }
    this.#live.set(name, entry)
    this.#push(entry)
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#live.size) this.#rebuild()
  }

  clear(name: string): void {
    this.#live.delete(name)
  }

  has(name: string): boolean {
    return this.#live.has(name)
  }

  next(): Milliseconds | undefined {
    this.#dropStale()
    return this.#heap[0]?.at
  }

  /** Removes and returns the first name that is due, or undefined. */
  takeDue(now: Milliseconds): string | undefined {
    this.#dropStale()
    const first = this.#heap[0]
    if (first === undefined || first.at > now) return undefined
    this.#pop()
    this.#live.delete(first.name)
    return first.name
  }

  snapshot(): TimersState {
    return [...this.#live.values()].sort(compare).map(({ name, at }) => [name, at] as const)
  }

  restore(state: TimersState): void {
    for (const [name, at] of state) this.set(name, at)
  }

  #dropStale(): void {
    for (
      let first = this.#heap[0];
      first !== undefined && this.#live.get(first.name) !== first;
      first = this.#heap[0]
    ) {
      this.#pop()
    }
  }

  #rebuild(): void {
    // A sorted array is a heap.
    this.#heap = [...this.#live.values()].sort(compare)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || compare(above, entry) <= 0) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [a, b] = [heap[left], heap[left + 1]]
      if (a === undefined) break
      const child = b !== undefined && compare(b, a) < 0 ? left + 1 : left
      const below = heap[child]
      if (below === undefined || compare(last, below) <= 0) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

function compare(a: Entry, b: Entry): number {
  return a.at - b.at || a.order - b.order
}
