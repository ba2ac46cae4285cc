/** Leaves a service alone that fails, and tries it again with one call at a time. */
import type { Clock, Milliseconds } from 'burrow'

/** What a call came to. `neither`: it says nothing of the service, because the caller went away. */
export type Health = 'well' | 'ill' | 'neither'

interface BreakerParts {
  readonly clock: Clock
  /** So many in a row open it; 0: it never opens. */
  readonly failures: number
  readonly openMs: Milliseconds
  readonly onChange: (state: 'open' | 'closed') => void
}

type State =
  | { readonly kind: 'closed'; readonly failures: number }
  | { readonly kind: 'open'; readonly until: Milliseconds }
  | { readonly kind: 'half-open'; readonly probing: boolean }

const CLOSED: State = { kind: 'closed', failures: 0 }

export class Breaker {
  readonly #parts: BreakerParts
  #state: State = CLOSED

  constructor(parts: BreakerParts) {
    this.#parts = parts
  }

  /** Whether a call would be refused now. */
  get isOpen(): boolean {
    const { clock } = this.#parts
    if (this.#state.kind === 'open' && clock.now() >= this.#state.until)
      this.#state = { kind: 'half-open', probing: false }
    return this.#state.kind === 'open' || (this.#state.kind === 'half-open' && this.#state.probing)
  }

  /** Lets a call through, which must tell how it went by what this returns, once; undefined: refused. */
  enter(): ((health: Health) => void) | undefined {
    if (this.isOpen) return undefined
    if (this.#state.kind === 'half-open') {
      this.#state = { kind: 'half-open', probing: true }
      return health => this.#probed(health)
    }
    return health => this.#served(health)
  }

  #probed(health: Health): void {
    if (health === 'ill') return this.#open(false)
    if (health === 'neither') {
      this.#state = { kind: 'half-open', probing: false }
      return
    }
    this.#state = CLOSED
    this.#parts.onChange('closed')
  }

  #served(health: Health): void {
    // Calls that were let through before it opened are old news.
    if (this.#state.kind !== 'closed' || health === 'neither') return
    const failures = health === 'well' ? 0 : this.#state.failures + 1
    this.#state = { kind: 'closed', failures }
    if (failures > 0 && failures === this.#parts.failures) this.#open(true)
  }

  #open(isNews: boolean): void {
    this.#state = { kind: 'open', until: this.#parts.clock.now() + this.#parts.openMs }
    if (isNews) this.#parts.onChange('open')
  }
}
