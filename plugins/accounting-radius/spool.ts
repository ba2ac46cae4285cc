/** Records on disk until a server has them: none is lost by a crash, and they take no more room than they may. */
import { BoundedLog, type Clock, type Logger, type TimerHandle } from 'burrow'
import { Book, type Entry, isLive } from './book.ts'
import { frameOf } from './frame.ts'
import { type AccountingRecord, markBytes, recordBytes, recordOf, restated } from './record.ts'
import { type Files, Segments } from './segments.ts'
import { SpoolIndex } from './spool-index.ts'

export interface SpoolLimits {
  readonly sync: 'never' | 'each'
  readonly maxSpoolBytes: number
  readonly waitingRecords: number
}

interface SpoolParts {
  readonly folder: string
  readonly clock: Clock
  readonly log: Logger
  readonly limits: SpoolLimits
  readonly files?: Files
}

interface Waiting {
  readonly kind: 'record' | 'mark'
  readonly frame: Buffer
  readonly entry: Entry
  /** It is written, or kept in memory because that is impossible now. */
  readonly settled: () => void
}

const BATCH_FRAMES = 256
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
/** Files are removed as a whole: so many fill the spool. */
const SEGMENTS = 64
/** While files are few, it does not pay to write anything anew. */
const FEW_SEGMENTS = 4
/** Of `maxSpoolBytes`; the rest is room to write anew what is still needed of the oldest files. */
const RECORDS_SHARE = 0.75
/** Of what there may be, more than needed is given up at a time: to find the least important takes a look at all. */
const SHED_SHARE = 1 / 64
const ALARM_SHARE = 0.5
const ALARM_MS = 60_000

export class Spool {
  readonly book = new Book()
  /** May change while it is open. */
  limits: SpoolLimits
  readonly #parts: SpoolParts
  readonly #segments: Segments
  readonly #alarms: BoundedLog
  #queue: Waiting[] = []
  #seq = 0
  #lost = 0
  #writing: Promise<void> | undefined
  #retry: { readonly timer: TimerHandle; readonly delayMs: number } | undefined

  constructor(parts: SpoolParts) {
    this.#parts = parts
    this.limits = parts.limits
    this.#segments = new Segments(parts.folder, parts.files)
    this.#alarms = new BoundedLog(parts.log, parts.clock, { windowMs: ALARM_MS, linesPerWindow: 1 })
  }

  /** Records that no server will ever get, since it was opened. */
  get lost(): number {
    return this.#lost
  }

  /** On the disk. */
  get octets(): number {
    return this.#segments.octets
  }

  /** Reads what is there; rejects when that is impossible. */
  async open(): Promise<void> {
    const { folder, log } = this.#parts
    const index = new SpoolIndex()
    const damage = await this.#segments.load(({ payload, octets }, place) =>
      index.read(payload, octets, place),
    )
    this.#seq = index.fill(this.book)
    for (const { torn, ...fields } of damage)
      if (torn) log.warn({ folder, ...fields }, 'a record that a crash had cut was taken out of the spool')
      else log.error({ folder, ...fields }, 'a file of the spool is damaged; what stood there is lost')
  }

  /**
   * Takes a record. Resolves when it is written, or kept in memory because that is impossible now; never rejects.
   * `thinOut`: nobody takes records now, and an Interim that this one makes needless is given up.
   */
  put(record: AccountingRecord, thinOut: boolean): Promise<void> {
    const { session, event } = record
    const needless = thinOut && session !== undefined ? this.book.needlessAfter(session) : undefined
    if (needless !== undefined) this.settle(needless)
    const seq = ++this.#seq
    const payload = recordBytes(seq, record)
    const frame = frameOf(payload)
    const entry = this.book.add({ seq, event, session, octets: frame.length, payload })
    this.#makeRoom()
    return this.#enqueue('record', entry, frame)
  }

  /** What is told of an entry; undefined when the disk has lost it. Rejects when the disk fails. */
  async read(entry: Entry): Promise<AccountingRecord | undefined> {
    const bytes = await this.#bytesOf(entry)
    return bytes && recordOf(bytes)
  }

  /** A server has it, or needs it no more. */
  settle(entry: Entry): void {
    this.book.settle(entry)
    this.#mark('done', entry)
    // It will never be written: what it replaces on the disk must not be taken for a session that is not over.
    if (entry.event === 'stop' && entry.place === undefined)
      for (const replaced of this.book.replacedBy(entry)) this.#forget(replaced)
  }

  /** No server will get it. */
  lose(entry: Entry, why: string): void {
    const { session, event } = entry
    this.#lost++
    this.book.settle(entry)
    this.#mark('done', entry)
    this.#alarms.error(`accounting records are lost: ${why}`, { session, event, lost: this.#lost })
  }

  /** Tries to write all that waits, now. */
  async drain(): Promise<void> {
    if (this.#queue.length > 0 || this.#writing !== undefined) await this.#write()
  }

  /** Writes what waits, now, and closes the files; what cannot be written is told as lost. */
  async close(): Promise<void> {
    await this.drain()
    this.#retry?.timer.cancel()
    for (const { kind, entry } of this.#queue)
      if (kind === 'record' && entry.pending) this.lose(entry, 'they could not be written before the end')
    this.#alarms.close()
    await this.#segments.close()
  }

  get #segmentOctets(): number {
    return Math.ceil(this.limits.maxSpoolBytes / SEGMENTS)
  }

  async #bytesOf({ payload, place, octets }: Entry): Promise<Buffer | undefined> {
    return payload ?? (place && (await this.#segments.read(place, octets)))
  }

  #mark(kind: 'done' | 'forgotten', entry: Entry): void {
    const isNowhere = entry.place === undefined && this.#writing === undefined
    if (isNowhere && !isLive(entry)) return
    void this.#enqueue('mark', entry, frameOf(markBytes(kind, entry.seq)))
  }

  #forget(entry: Entry): void {
    this.book.forget(entry)
    this.#mark('forgotten', entry)
  }

  #enqueue(kind: Waiting['kind'], entry: Entry, frame: Buffer): Promise<void> {
    return new Promise(resolve => {
      const settled = () => {
        if (kind === 'record') entry.kept = true
        resolve()
      }
      this.#queue.push({ kind, entry, frame, settled })
      if (this.#retry === undefined) {
        void this.#write()
      } else {
        settled()
        this.#boundMemory()
      }
    })
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeAll()
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#writeBatch()
        await this.#clean()
      }
      this.#recovered()
    } catch (error) {
      this.#failed(error)
    } finally {
      // At once: a record that comes a moment later must not count on a write that is over.
      this.#writing = undefined
    }
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#queue.splice(0, this.#batchLength())
    const needed = batch.filter(isNeeded)
    try {
      await this.#append(needed)
      if (this.limits.sync === 'each' && needed.some(({ kind }) => kind === 'record'))
        await this.#segments.sync()
    } catch (error) {
      this.#queue.unshift(...batch)
      throw error
    }
    for (const { settled } of batch) settled()
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return
    const places = await this.#segments.append(
      batch.map(({ frame }) => frame),
      this.#segmentOctets,
    )
    for (const [index, { kind, entry }] of batch.entries()) {
      const place = places[index]
      if (kind === 'record' && place !== undefined) this.book.placed(entry, place)
    }
  }

  /** As much as goes into one file. */
  #batchLength(): number {
    let octets = 0
    const end = this.#queue.findIndex(({ frame }, index) => {
      octets += frame.length
      return index > 0 && (index === BATCH_FRAMES || octets > this.#segmentOctets)
    })
    return end === -1 ? this.#queue.length : end
  }

  /** Writes anew what is still needed of the oldest files, and removes them, while that gains room or room is short. */
  async #clean(): Promise<void> {
    for (let left = this.#segments.count; left > 1; left--) {
      const { octets, oldest } = this.#segments
      const few = octets <= FEW_SEGMENTS * this.#segmentOctets
      const gains = !few && octets > 2 * this.book.liveOctets
      const short = octets + this.#segmentOctets > this.limits.maxSpoolBytes
      if (oldest === undefined || !(gains || short)) return
      await this.#moveFrom(oldest)
      // Whatever `sync` says: what is removed is gone at once, also for a power cut.
      await this.#segments.sync()
      await this.#segments.remove(oldest)
    }
  }

  async #moveFrom(segment: number): Promise<void> {
    const needed = this.book.live().filter(({ place }) => place?.segment === segment)
    for (let from = 0; from < needed.length; from += BATCH_FRAMES) {
      const batch: Waiting[] = []
      for (const entry of needed.slice(from, from + BATCH_FRAMES)) {
        const bytes = await this.#bytesOf(entry)
        if (bytes === undefined) continue
        const { pending, latest } = entry
        const frame = frameOf(restated(bytes, { done: pending ? 0 : 1, spent: latest ? 0 : 1 }))
        batch.push({ kind: 'record', entry, frame, settled: () => {} })
      }
      await this.#append(batch)
    }
  }

  /** The disk may be full of what nobody takes. */
  #makeRoom(): void {
    const most = this.limits.maxSpoolBytes * RECORDS_SHARE
    const is = this.book.liveOctets
    if (is > most * ALARM_SHARE)
      this.#alarms.error('the spool of accounting records fills up', {
        folder: this.#parts.folder,
        waiting: this.book.waiting,
        bytes: is,
        maxBytes: most,
      })
    if (is <= most) return
    const enough = is - most + most * SHED_SHARE
    const gain = ({ latest, octets }: Entry) => (latest ? 0 : octets)
    for (const entry of this.book.leastImportant(enough, gain)) this.lose(entry, 'the spool is full')
    for (const entry of this.book.remembered()) {
      if (this.book.liveOctets <= most) return
      this.#giveUp(entry, 'the spool is full')
    }
  }

  /** The disk takes nothing: what waits for it in memory is bounded. */
  #boundMemory(): void {
    const most = this.limits.waitingRecords
    if (this.#queue.length <= most) return
    const enough = this.#queue.length - most + most * SHED_SHARE
    const gain = (entry: Entry) => (entry.place === undefined && !this.book.isLast(entry) ? 1 : 0)
    for (const entry of this.book.leastImportant(enough, gain)) {
      this.book.forget(entry)
      this.lose(entry, 'the disk takes none')
    }
    this.#queue = this.#queue.filter(isNeeded)
    for (const { kind, entry } of this.#queue.slice(0, Math.max(0, this.#queue.length - most)))
      if (kind === 'record') this.#giveUp(entry, 'the disk takes none')
    this.#queue = this.#queue.filter(isNeeded).slice(-most)
  }

  /** Nothing will be told of it, not even by a Stop after a crash. */
  #giveUp(entry: Entry, why: string): void {
    this.#forget(entry)
    if (entry.pending && !entry.sending) this.lose(entry, why)
  }

  #failed(error: unknown): void {
    const { clock, log, folder } = this.#parts
    const delayMs = Math.min(LONGEST_RETRY_MS, (this.#retry?.delayMs ?? FIRST_RETRY_MS / 2) * 2)
    this.#retry?.timer.cancel()
    this.#retry = { delayMs, timer: clock.setTimer(delayMs, () => void this.#write()) }
    for (const { settled } of this.#queue) settled()
    this.#queue = this.#queue.filter(isNeeded)
    const fields = { folder, waiting: this.#queue.length, lost: this.#lost, retryMs: delayMs, error }
    log.error(fields, 'accounting records cannot be written; they wait in memory')
    this.#boundMemory()
  }

  #recovered(): void {
    if (this.#retry === undefined) return
    this.#retry.timer.cancel()
    this.#retry = undefined
    const { log, folder } = this.#parts
    log.warn({ folder, lost: this.#lost }, 'accounting records are written again')
  }
}

/** A mark on what will never be written is as needless as that. */
function isNeeded({ kind, entry }: Waiting): boolean {
  return isLive(entry) || (kind === 'mark' && entry.place !== undefined)
}
