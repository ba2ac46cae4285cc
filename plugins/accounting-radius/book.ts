/** Which records wait, in which order they may go, and how far each session has come: an index, without the records. */
import type { RecordEvent } from './record.ts'
import type { Place } from './segments.ts'

/** A record of the spool. */
export interface Entry {
  /** They go in this order. */
  readonly seq: number
  readonly event: RecordEvent
  readonly session: string | undefined
  /** With its frame. */
  readonly octets: number
  /** Absent while it is in memory alone. */
  place: Place | undefined
  /** It may be sent: it is on the disk, or the disk takes none and it is in memory alone. */
  kept: boolean
  /** As long as it has no place. */
  payload: Buffer | undefined
  /** A server is to have it. */
  pending: boolean
  /** On the disk, the last one of a session that is not over: after a crash a Stop is made of it. */
  latest: boolean
  /** That one, until this one is on the disk. */
  replaces: Entry | undefined
  /** It is on its way. */
  sending: boolean
  /** Times that no server took it, in this outage. */
  tries: number
  /** Times that no server took it while one took others, since the last outage. */
  refusals: number
}

/** What is given up first when there is no room: a later record tells what an Interim did, only a Stop ends the bill. */
const LEAST_FIRST: readonly RecordEvent[] = ['interim', 'start', 'on', 'off', 'stop']

const NEW = {
  place: undefined,
  kept: false,
  pending: true,
  latest: false,
  replaces: undefined,
  sending: false,
  tries: 0,
  refusals: 0,
} as const

const BARRIERS: ReadonlySet<RecordEvent> = new Set(['on', 'off'])

/** While no server takes anything, a record is tried so often in a row. */
const TRIES_A_TURN = 5

const turnsOf = ({ tries }: Entry): number => Math.floor(tries / TRIES_A_TURN)

export const isLive = ({ pending, latest }: Entry): boolean => pending || latest

export class Book {
  /** In the order of `seq`. */
  readonly #pending = new Map<number, Entry>()
  /** By session, the last one that there is. */
  readonly #last = new Map<string, Entry>()
  /** Whose `latest` is set. */
  readonly #latest = new Set<Entry>()
  /** Sessions of which a record is on its way. */
  readonly #busy = new Set<string>()
  #liveOctets = 0

  /** How many are to be delivered. */
  get waiting(): number {
    return this.#pending.size
  }

  /** What is needed of the spool. */
  get liveOctets(): number {
    return this.#liveOctets
  }

  /** The last record of each session that is not over, the oldest first. */
  openSessions(): readonly Entry[] {
    return [...this.#last.values()].sort((a, b) => a.seq - b.seq)
  }

  /** Its session is not over, and nothing later is known of it. */
  isLast(entry: Entry): boolean {
    return entry.session !== undefined && this.#last.get(entry.session) === entry
  }

  /** What a Stop would be made of after a crash; more than that only where a Stop was lost. */
  remembered(): readonly Entry[] {
    return [...this.#latest]
  }

  /** Everything that is needed. */
  live(): readonly Entry[] {
    return [...this.#pending.values(), ...[...this.#latest].filter(({ pending }) => !pending)]
  }

  /** In the order of `seq`. `spent`: on the disk there is a later one of its session, or that is over. */
  add(made: Pick<Entry, 'seq' | 'event' | 'session' | 'octets' | 'payload'>, spent = false): Entry {
    const { session, event, seq } = made
    const entry: Entry = { ...made, ...NEW }
    this.#pending.set(seq, entry)
    this.#liveOctets += entry.octets
    if (session === undefined || spent) return entry
    entry.replaces = this.#replacedFrom(this.#last.get(session))
    if (event === 'stop') {
      this.#last.delete(session)
    } else {
      this.#last.set(session, entry)
      this.#latest.add(entry)
      entry.latest = true
    }
    return entry
  }

  /** It is on the disk: what it replaces there is not needed any more. */
  placed(entry: Entry, place: Place): void {
    entry.place = place
    entry.payload = undefined
    for (const replaced of this.replacedBy(entry)) this.forget(replaced)
    entry.replaces = undefined
  }

  /** What it still replaces, the newest first. */
  replacedBy({ replaces }: Entry): readonly Entry[] {
    const found: Entry[] = []
    for (let one = replaces; one !== undefined; one = one.replaces) found.push(one)
    return found
  }

  /** Nobody is to be told any more. */
  settle(entry: Entry): void {
    this.back(entry)
    this.#change(entry, () => {
      entry.pending = false
      this.#pending.delete(entry.seq)
    })
  }

  /** No Stop will be made of it. */
  forget(entry: Entry): void {
    const { session } = entry
    if (session !== undefined && this.#last.get(session) === entry) this.#last.delete(session)
    this.#change(entry, () => {
      entry.latest = false
      this.#latest.delete(entry)
    })
  }

  /**
   * The next that may be sent: nothing overtakes a record of its own session, or one of the whole server. `probing`: after some
   * tries it is another's turn, so that one which no server takes does not hide that a server is there.
   */
  take(probing: boolean): Entry | undefined {
    let best: Entry | undefined
    for (const entry of this.#candidates()) {
      if (best === undefined || turnsOf(entry) < turnsOf(best)) best = entry
      if (!probing || turnsOf(best) === 0) break
    }
    if (best === undefined) return undefined
    best.sending = true
    if (best.session !== undefined) this.#busy.add(best.session)
    return best
  }

  /** It was not delivered; it keeps its place in the order. */
  back(entry: Entry): void {
    if (!entry.sending) return
    entry.sending = false
    if (entry.session !== undefined) this.#busy.delete(entry.session)
  }

  /** An outage is over. */
  forgive(): void {
    for (const entry of this.#pending.values()) {
      entry.tries = 0
      entry.refusals = 0
    }
  }

  /** The Interim that a newer record of its session makes needless: the last one, where it waits and is not on its way. */
  needlessAfter(session: string): Entry | undefined {
    const last = this.#last.get(session)
    return last?.event === 'interim' && last.pending && !last.sending ? last : undefined
  }

  /** The newest that waits, unless it is on its way. */
  newest(): Entry | undefined {
    return this.#idle().at(-1)
  }

  /** What to give up to gain so much, the least important of the oldest first; what gains nothing stays. */
  leastImportant(enough: number, gain: (entry: Entry) => number): readonly Entry[] {
    const idle = this.#idle()
    const found: Entry[] = []
    let gained = 0
    for (const event of LEAST_FIRST) {
      for (const entry of idle) {
        if (gained >= enough) return found
        if (entry.event !== event || gain(entry) === 0) continue
        found.push(entry)
        gained += gain(entry)
      }
    }
    return found
  }

  /** What is in memory alone and was delivered need not come to the disk any more. */
  #replacedFrom(last: Entry | undefined): Entry | undefined {
    let replaced = last
    while (replaced !== undefined && replaced.place === undefined && !replaced.pending) {
      this.forget(replaced)
      replaced = replaced.replaces
    }
    return replaced
  }

  #idle(): readonly Entry[] {
    return [...this.#pending.values()].filter(({ sending }) => !sending)
  }

  *#candidates(): Generator<Entry> {
    let first = true
    const passed = new Set<string>()
    for (const entry of this.#pending.values()) {
      const { session, event, sending, kept } = entry
      if (BARRIERS.has(event)) {
        if (first && !sending && kept) yield entry
        return
      }
      first = false
      if (session === undefined || this.#busy.has(session) || passed.has(session)) continue
      passed.add(session)
      if (kept) yield entry
    }
  }

  #change(entry: Entry, change: () => void): void {
    const was = isLive(entry)
    change()
    if (was && !isLive(entry)) this.#liveOctets -= entry.octets
  }
}
