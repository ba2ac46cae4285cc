import type { TrailEntry } from '../hooks/guard.ts'

interface TrailLimits {
  /** Tunnels and calls, refused ones included; beyond it the one decided on least recently is forgotten. */
  readonly mostSubjects: number
  /** Entries of one subject; beyond it the oldest goes. */
  readonly mostEntries: number
}

const LIMITS: TrailLimits = { mostSubjects: 8192, mostEntries: 32 }

/** Every decision about a tunnel (by its key) or a call (by its id): why it was let in, or was not. */
export class Trails {
  readonly #bySubject = new Map<string, readonly TrailEntry[]>()
  /** Stays before the first that is left, however many went: a new one would pass by them all. */
  readonly #leastRecent = this.#bySubject.keys()
  readonly #limits: TrailLimits

  constructor(limits: TrailLimits = LIMITS) {
    this.#limits = limits
  }

  add(subject: string, entries: readonly TrailEntry[]): void {
    if (entries.length === 0) return
    const all = [...this.of(subject), ...entries].slice(-this.#limits.mostEntries)
    this.#bySubject.delete(subject)
    this.#bySubject.set(subject, all)
    if (this.#bySubject.size > this.#limits.mostSubjects)
      this.#bySubject.delete(this.#leastRecent.next().value ?? '')
  }

  of(subject: string): readonly TrailEntry[] {
    return this.#bySubject.get(subject) ?? []
  }
}
