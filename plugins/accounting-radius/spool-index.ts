/** What stands in the files of a spool, without what is told. */
import type { Book, Entry } from './book.ts'
import { headOf } from './record.ts'
import type { Place } from './segments.ts'

type Indexed = Pick<Entry, 'seq' | 'event' | 'session' | 'octets'> & {
  readonly spent: boolean
  readonly place: Place
}

/** Of a record that was written anew, the last counts. */
export class SpoolIndex {
  readonly #records = new Map<number, Indexed>()
  readonly #done = new Set<number>()
  readonly #forgotten = new Set<number>()

  read(payload: Buffer, octets: number, place: Place): void {
    const head = headOf(payload)
    if (head === undefined) return
    const { seq } = head
    if (head.kind === 'record') {
      const { event, session, done, spent } = head
      this.#records.set(seq, { seq, event, session, octets, spent: spent === 1, place })
      if (done === 1) this.#done.add(seq)
    } else {
      const marked = head.kind === 'done' ? this.#done : this.#forgotten
      marked.add(seq)
    }
  }

  /** Returns the last number that was given. */
  fill(book: Book): number {
    let last = 0
    for (const { spent, place, ...made } of [...this.#records.values()].sort((a, b) => a.seq - b.seq)) {
      const entry = book.add({ ...made, payload: undefined }, spent)
      book.placed(entry, place)
      entry.kept = true
      last = made.seq
    }
    return Math.max(last, ...this.#marks(book))
  }

  /** After all was added: what is forgotten may be replaced by nothing. */
  *#marks(book: Book): Generator<number> {
    const entries = new Map(book.live().map(entry => [entry.seq, entry]))
    for (const seq of this.#forgotten) {
      const entry = entries.get(seq)
      if (entry !== undefined) book.forget(entry)
      yield seq
    }
    for (const seq of this.#done) {
      const entry = entries.get(seq)
      if (entry !== undefined) book.settle(entry)
      yield seq
    }
  }
}
