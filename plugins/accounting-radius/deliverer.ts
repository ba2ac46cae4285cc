/** Brings records to the servers: in order, several sessions at a time, again and again while nobody takes them. */
import {
  BoundedLog,
  type Clock,
  type Logger,
  type Milliseconds,
  type RadiusClient,
  type Random,
  type TimerHandle,
} from 'burrow'
import { delayTime } from './attributes.ts'
import type { Entry } from './book.ts'
import type { AccountingRecord } from './record.ts'
import type { Spool } from './spool.ts'

/** Whom to ask, and how. */
export interface Route {
  readonly radius: Pick<RadiusClient, 'ask'>
  readonly pool: string | undefined
  readonly inFlight: number
}

interface DelivererParts {
  readonly spool: Spool
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** No server takes records; one is tried now and then. */
interface Outage {
  readonly since: Milliseconds
  delayMs: Milliseconds
  /** Until the next try. */
  timer: TimerHandle | undefined
}

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
/** Of a delay, more by chance: several LNSes do not come back at once. */
const RETRY_JITTER = 0.2
/** A record that no server takes, so often while servers take others, is given up. */
const MOST_REFUSALS = 10
const ALARM_MS = 60_000

export class Deliverer {
  readonly #parts: DelivererParts
  readonly #alarms: BoundedLog
  #route: Route | undefined
  #sending = 0
  #taken = 0
  #outage: Outage | undefined
  /** Records that no server took while others were taken wait for their next try. */
  readonly #resting = new Map<Entry, TimerHandle>()
  readonly #asking = new Set<AbortController>()
  /** `finish` waits for it. */
  #end: (() => void) | undefined

  constructor(parts: DelivererParts) {
    this.#parts = parts
    this.#alarms = new BoundedLog(parts.log, parts.clock, { windowMs: ALARM_MS, linesPerWindow: 1 })
  }

  /** No server takes records now. */
  get isOut(): boolean {
    return this.#outage !== undefined
  }

  /** From now on this way. */
  use(route: Route): void {
    this.#route = route
    this.wake()
  }

  /** There is something to deliver. */
  wake(): void {
    const { book } = this.#parts.spool
    while (this.#sending < this.#room()) {
      const entry = book.take(this.isOut)
      if (entry === undefined) break
      this.#sending++
      void this.#deliver(entry)
    }
    this.#endIfIdle()
  }

  /** Delivers what it can within `withinMs`, but waits for no server that takes nothing; then sends nothing any more. */
  async finish(withinMs: Milliseconds): Promise<void> {
    const timer = this.#parts.clock.setTimer(withinMs, () => this.#end?.())
    const ended = new Promise<void>(resolve => {
      this.#end = resolve
    })
    for (const [entry, rest] of this.#resting) {
      rest.cancel()
      this.#parts.spool.book.back(entry)
    }
    this.#resting.clear()
    this.#outage?.timer?.cancel()
    if (this.#outage !== undefined) this.#outage.timer = undefined
    this.wake()
    await ended
    timer.cancel()
    this.#end = undefined
    this.#route = undefined
    for (const asking of this.#asking) asking.abort()
    this.#outage?.timer?.cancel()
    this.#alarms.close()
  }

  /** How many may be on their way now. */
  #room(): number {
    if (this.#route === undefined) return 0
    if (this.#outage === undefined) return this.#route.inFlight
    return this.#outage.timer === undefined ? 1 : 0
  }

  async #deliver(entry: Entry): Promise<void> {
    const { spool } = this.#parts
    const takenBefore = this.#taken
    const record = await spool.read(entry).catch(() => undefined)
    const reason = record === undefined ? undefined : await this.#ask(record)
    this.#sending--
    // It ended meanwhile: whatever came of it, the next start asks again.
    if (this.#route === undefined) spool.book.back(entry)
    else if (record === undefined) spool.lose(entry, 'the disk lost them')
    else if (reason === undefined) this.#delivered(entry)
    else if (this.#taken > takenBefore) this.#refused(entry, reason)
    else this.#failed(entry, reason)
    this.wake()
  }

  /** Undefined when a server has it; else why not. */
  async #ask(record: AccountingRecord): Promise<string | undefined> {
    if (this.#route === undefined) return 'nobody is to be asked any more'
    const { radius, pool } = this.#route
    const asking = new AbortController()
    this.#asking.add(asking)
    const outcome = await radius.ask({
      code: 'Accounting-Request',
      attributes: [...record.attributes, delayTime(record, this.#parts.clock.wallTimeMs())],
      signal: asking.signal,
      ...(pool === undefined ? {} : { pool }),
    })
    this.#asking.delete(asking)
    if (outcome.kind !== 'reply') return outcome.reason
    return outcome.code === 'Accounting-Response' ? undefined : `the server answered ${outcome.code}`
  }

  #delivered(entry: Entry): void {
    const { spool, clock, log } = this.#parts
    spool.settle(entry)
    this.#taken++
    if (this.#outage === undefined) return
    this.#outage.timer?.cancel()
    const { since } = this.#outage
    this.#outage = undefined
    spool.book.forgive()
    log.warn(
      { outageMs: clock.now() - since, waiting: spool.book.waiting },
      'servers take accounting records again',
    )
  }

  /** Others were taken meanwhile: it is this record, and only its session waits. */
  #refused(entry: Entry, reason: string): void {
    const { spool } = this.#parts
    entry.refusals++
    if (entry.refusals >= MOST_REFUSALS) {
      spool.lose(entry, 'servers take others, and not these')
      return
    }
    const { session, event } = entry
    this.#alarms.warn('an accounting record is not taken, others are', { session, event, reason })
    const rest = () => {
      this.#resting.delete(entry)
      spool.book.back(entry)
      this.wake()
    }
    this.#resting.set(
      entry,
      this.#after(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** entry.refusals), rest),
    )
  }

  #failed(entry: Entry, reason: string): void {
    const { spool, clock } = this.#parts
    const { event, session } = entry
    spool.book.back(entry)
    entry.tries++
    this.#alarms.error('no server takes accounting records; they wait on the disk', {
      reason,
      waiting: spool.book.waiting,
      first: event,
      session,
    })
    const outage = this.#outage
    if (outage === undefined) this.#outage = this.#wait(clock.now(), FIRST_RETRY_MS)
    else if (outage.timer === undefined && this.#sending === 0)
      this.#outage = this.#wait(outage.since, Math.min(LONGEST_RETRY_MS, outage.delayMs * 2))
  }

  #wait(since: Milliseconds, delayMs: Milliseconds): Outage {
    const outage: Outage = { since, delayMs, timer: undefined }
    outage.timer = this.#after(delayMs, () => {
      outage.timer = undefined
      this.wake()
    })
    return outage
  }

  #after(delayMs: Milliseconds, run: () => void): TimerHandle {
    const { clock, random } = this.#parts
    return clock.setTimer(delayMs * (1 + RETRY_JITTER * (random.uint16() / 0x10000)), run)
  }

  /** Nothing is on its way, and nothing can be. */
  #endIfIdle(): void {
    if (this.#sending > 0) return
    if (this.#room() === 0 || this.#parts.spool.book.waiting === 0) this.#end?.()
  }
}
