/** Whether a server answers: so that one that is dead costs one timeout, and one that is only slow is not taken for dead. */
import type { Clock, Milliseconds, Random, TimerHandle } from 'burrow'

/** `zombie`: silent for the moment, and asked whether it lives; used where no other server is alive. `dead`: not used. */
export type HealthState = 'alive' | 'zombie' | 'dead'

export interface HealthSettings {
  /** Whether Status-Server is sent (RFC 5997). */
  readonly statusServer: boolean
  /** How long the answer to a probe may take. */
  readonly probeMs: Milliseconds
  /** So many without an answer: the server is dead. */
  readonly probes: number
  readonly longestProbeIntervalMs: Milliseconds
  /** Silent for so long to who waits, it is asked whether it lives. */
  readonly retransmitMs: Milliseconds
  /** Without Status-Server: silent for so long, the server is dead... */
  readonly timeoutMs: Milliseconds
  /** ... and tried again after this. */
  readonly deadMs: Milliseconds
}

/** `unreachable`: there was no way to send it. `pointless`: nothing that this server could answer. */
export type ProbeResult = 'answered' | 'silent' | 'unreachable' | 'pointless'

interface HealthParts {
  readonly settings: HealthSettings
  readonly clock: Clock
  readonly random: Random
  /** Sends one probe; `heard` is called for its answer, too. */
  readonly probe: () => Promise<ProbeResult>
  readonly onState: (state: HealthState, silentMs: Milliseconds) => void
}

export class Health {
  readonly #parts: HealthParts
  #state: HealthState = 'alive'
  #since: Milliseconds
  readonly #watchedSince: Milliseconds
  #heardAt: Milliseconds = Number.NEGATIVE_INFINITY
  #answersProbes = false
  #verifying = false
  #timer: TimerHandle | undefined
  #closed = false

  constructor(parts: HealthParts) {
    this.#parts = parts
    this.#since = parts.clock.now()
    this.#watchedSince = this.#since
  }

  get state(): HealthState {
    return this.#state
  }

  /** Since it was last heard, or since it was first watched. */
  get silentMs(): Milliseconds {
    return this.#parts.clock.now() - Math.max(this.#heardAt, this.#watchedSince)
  }

  /** Something came in that proves the secret. */
  heard(): void {
    const { silentMs } = this
    this.#heardAt = this.#parts.clock.now()
    if (this.#state !== 'alive') this.#become('alive', silentMs)
  }

  /** A request has had no answer since then. Who answers others meanwhile, or probes, is only slow. */
  unanswered(sentAt: Milliseconds): void {
    const { clock, settings } = this.#parts
    const silentMs = clock.now() - Math.max(sentAt, this.#heardAt)
    // As early as the first retransmission can be.
    if (silentMs < 0.9 * settings.retransmitMs) return
    if (this.#state === 'alive') this.doubt()
    else if (this.#state === 'zombie' && this.#isOverdue()) this.#become('dead')
  }

  /** The connection is gone. */
  doubt(): void {
    if (this.#state !== 'alive' || this.#closed) return
    this.#become('zombie')
    void this.verify()
  }

  /** Asks whether it lives, and settles it. */
  async verify(): Promise<void> {
    if (this.#verifying) return
    this.#verifying = true
    const before = this.#heardAt
    const open = () => !this.#closed && this.#state !== 'dead' && this.#heardAt === before
    let last: ProbeResult = 'pointless'
    for (let sent = 0; sent < this.#parts.settings.probes && open(); sent++) {
      last = await this.#probe()
      if (last === 'pointless') break
    }
    this.#verifying = false
    if (open() && (last === 'unreachable' || (last === 'silent' && this.#believesProbes())))
      this.#become('dead')
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** From a server that answers, but never a probe, silence says nothing: it knows no Status-Server. */
  #believesProbes(): boolean {
    return this.#answersProbes || this.#heardAt === Number.NEGATIVE_INFINITY
  }

  #isOverdue(): boolean {
    const { clock, settings } = this.#parts
    return !this.#verifying && clock.now() - this.#since >= settings.timeoutMs
  }

  async #probe(): Promise<ProbeResult> {
    const result = await this.#parts.probe()
    if (result === 'answered') this.#answersProbes = true
    return result
  }

  #become(state: HealthState, silentMs = this.silentMs): void {
    const { clock, onState, settings } = this.#parts
    this.#state = state
    this.#since = clock.now()
    this.#timer?.cancel()
    onState(state, silentMs)
    if (state === 'dead') this.#probeLater(settings.probeMs)
  }

  /** Twice as long each time, so that a short break ends soon and a long one costs little. */
  #probeLater(intervalMs: Milliseconds): void {
    if (this.#closed) return
    const { clock, random, settings } = this.#parts
    const jitteredMs = intervalMs * (0.9 + random.uint16() / 0x50000)
    this.#timer = clock.setTimer(jitteredMs, async () => {
      const result = await this.#probe()
      if (this.#state !== 'dead') return
      // What cannot be asked is tried with the next call.
      const hopeless = result === 'unreachable' || (result === 'silent' && this.#believesProbes())
      if (!hopeless && clock.now() - this.#since >= settings.deadMs) this.#become('alive')
      else this.#probeLater(Math.min(2 * intervalMs, settings.longestProbeIntervalMs))
    })
  }
}
