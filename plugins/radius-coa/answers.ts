/** What was answered already, so that a request that comes again is not carried out again (RFC 5080 2.2.2). */
import type { Clock, Milliseconds } from 'burrow'

interface Answer {
  readonly port: number
  readonly untilMs: Milliseconds
  /** Absent while the request is being carried out. */
  bytes?: Uint8Array
}

/** Far more than a server sends while they are kept; those that are proven alone take a place. */
const MOST = 65_536

export class Answers {
  readonly #clock: Clock
  readonly #most: number
  /** By source and authenticator, which is a digest of the request and its id. */
  readonly #answers = new Map<string, Answer>()

  constructor(clock: Clock, most = MOST) {
    this.#clock = clock
    this.#most = most
  }

  /**
   * `new`: it is to be carried out, and kept for so long. Bytes: the answer that was given. `pending`: it is being carried out.
   * `replayed`: somebody else has recorded it, for it comes from another port. `full`: there is no place to keep it.
   */
  begin(
    key: string,
    port: number,
    keepMs: Milliseconds,
  ): 'new' | 'pending' | 'replayed' | 'full' | Uint8Array {
    const now = this.#clock.now()
    const known = this.#answers.get(key)
    if (known !== undefined && known.untilMs > now) {
      if (known.port !== port) return 'replayed'
      return known.bytes ?? 'pending'
    }
    if (known === undefined && this.#answers.size >= this.#most) this.#forgetOld(now)
    if (this.#answers.size >= this.#most) return 'full'
    this.#answers.set(key, { port, untilMs: now + keepMs })
    return 'new'
  }

  end(key: string, bytes: Uint8Array): void {
    const answer = this.#answers.get(key)
    if (answer !== undefined) answer.bytes = bytes
  }

  #forgetOld(now: Milliseconds): void {
    for (const [key, { untilMs }] of this.#answers) if (untilMs <= now) this.#answers.delete(key)
  }
}
