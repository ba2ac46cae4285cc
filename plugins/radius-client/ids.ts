/** Kept for Status-Server (RFC 6613 2.6.5), so that a probe never waits for an answer to something else. */
export const PROBE_ID = 0
const IDS = 256

/** The identifiers of one socket or connection (RFC 2865 3). The one that is free for longest is taken first. */
export class IdSpace<Entry> {
  readonly #entries: (Entry | undefined)[] = new Array(IDS).fill(undefined)
  readonly #taken = new Uint8Array(IDS)
  /** A ring. */
  readonly #free = new Uint8Array(IDS)
  #first = 0
  #count = 0

  constructor() {
    for (let id = 0; id < IDS; id++) if (id !== PROBE_ID) this.#free[this.#count++] = id
  }

  /** Undefined: all are in use. */
  take(entry: Entry): number | undefined {
    if (this.#count === 0) return undefined
    const id = this.#free[this.#first] ?? 0
    this.#first = (this.#first + 1) % IDS
    this.#count--
    this.#entries[id] = entry
    this.#taken[id] = 1
    return id
  }

  release(id: number): void {
    this.#entries[id] = undefined
    this.#free[(this.#first + this.#count) % IDS] = id
    this.#count++
  }

  get(id: number): Entry | undefined {
    return this.#entries[id]
  }

  /** Whether something was ever asked with it: an answer may be late, and need not be a lie. */
  wasTaken(id: number): boolean {
    return this.#taken[id] === 1
  }

  get inUse(): number {
    return IDS - 1 - this.#count
  }

  get hasFree(): boolean {
    return this.#count > 0
  }
}
