/** What each flow counts, in memory that one thread writes and others read. */
import { type DropReason, type FlowCounters, NO_COUNTERS } from '../flow.ts'
import type { DataPlaneTotals } from './data-plane.ts'
import { WideCounters } from './wide-counters.ts'

export const DROP_REASONS = [
  'malformed-ip',
  'source-route',
  'spoofed-source',
  'local-destination',
  'policy',
  'too-big',
  'no-route',
  'unknown-flow',
  'send-failed',
  'over-rate',
] as const satisfies readonly DropReason[]

/** One row for each flow, and a first one for what belongs to none. */
export const COLUMN = {
  packetsIn: 0,
  octetsIn: 1,
  packetsOut: 2,
  octetsOut: 3,
  handedUp: 4,
  notHandedUp: 5,
} as const
const FIRST_DROP = 6
/** Whose row it is, of `ownerOf`; 0 where nobody ever had it. */
const OWNER = FIRST_DROP + DROP_REASONS.length
const COLUMNS = OWNER + 1

/** Stands for "no flow" wherever a flow's id is wanted. */
export const NO_FLOW = -1

/** The column of a drop reason. */
export function dropColumn(reason: DropReason): number {
  return FIRST_DROP + DROP_REASONS.indexOf(reason)
}

export class Counters {
  readonly #counters: WideCounters

  constructor(memory: SharedArrayBuffer) {
    this.#counters = new WideCounters(memory)
  }

  static bytesFor(maxFlows: number): number {
    return WideCounters.bytesFor((maxFlows + 1) * COLUMNS)
  }

  add(flow: number, column: number, amount: number): void {
    this.#counters.add(place(flow, column), amount)
  }

  has(flow: number, generation: number): boolean {
    return this.#get(flow, OWNER) === ownerOf(generation)
  }

  /** Gives the row to a flow, from zero. */
  begin(flow: number, generation: number): void {
    for (let column = 0; column < OWNER; column++) this.#counters.set(place(flow, column), 0n)
    this.#counters.set(place(flow, OWNER), ownerOf(generation))
  }

  /** Takes the row back with its last values; zeros where that generation does not have it. */
  end(flow: number, generation: number): FlowCounters {
    if (!this.has(flow, generation)) return NO_COUNTERS
    const last = this.read(flow)
    this.#counters.set(place(flow, OWNER), ownerOf(generation) + ENDED)
    return last
  }

  /** Undoes an end of which nobody was told. */
  reopen(flow: number, generation: number): void {
    if (this.#get(flow, OWNER) === ownerOf(generation) + ENDED)
      this.#counters.set(place(flow, OWNER), ownerOf(generation))
  }

  /** Zeros where nobody has the row. */
  read(flow: number): FlowCounters {
    return (this.#get(flow, OWNER) & ENDED) === 0n ? this.#row(flow) : NO_COUNTERS
  }

  #row(flow: number): FlowCounters {
    return {
      packetsIn: this.#get(flow, COLUMN.packetsIn),
      octetsIn: this.#get(flow, COLUMN.octetsIn),
      packetsOut: this.#get(flow, COLUMN.packetsOut),
      octetsOut: this.#get(flow, COLUMN.octetsOut),
      drops: this.#drops(flow),
    }
  }

  totals(): Omit<DataPlaneTotals, 'unsent' | 'restarts'> {
    return {
      drops: this.#drops(NO_FLOW),
      handedUp: this.#get(NO_FLOW, COLUMN.handedUp),
      notHandedUp: this.#get(NO_FLOW, COLUMN.notHandedUp),
    }
  }

  #drops(flow: number): FlowCounters['drops'] {
    const counts = DROP_REASONS.map((reason, i) => [reason, this.#get(flow, FIRST_DROP + i)] as const)
    return Object.fromEntries(counts.filter(([, count]) => count > 0n))
  }

  #get(flow: number, column: number): bigint {
    return this.#counters.get(place(flow, column))
  }
}

/** Beside it, that the flow has ended: the last values stay where they are until another begins. */
const ENDED = 1n

const ownerOf = (generation: number): bigint => 2n * (BigInt(generation) + 1n)

function place(flow: number, column: number): number {
  return (flow + 1) * COLUMNS + column
}
