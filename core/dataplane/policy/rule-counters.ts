/** How much each rule decided on, by its name: the owner gives names their slots, the data plane counts in them. */
import { WideCounters } from '../wide-counters.ts'
import { NO_SLOT } from './program.ts'

/** Packets, and the octets of their IP packets. */
export interface RuleCount {
  /** Of the rule; empty for what no rule matched. */
  readonly name: string
  readonly packets: bigint
  readonly octets: bigint
}

/** Names beyond it share the last slot. */
const SLOTS = 4096
const COLUMN = { packets: 0, octets: 1 } as const
const COLUMNS = 2
const OTHERS = '(other rules)'

export class RuleCounters {
  /** Of the memory that it counts in. */
  static readonly bytes = WideCounters.bytesFor(SLOTS * COLUMNS)
  readonly #counters: WideCounters
  readonly #slots = new Map<string, number>([['', NO_SLOT]])

  constructor(memory: SharedArrayBuffer) {
    this.#counters = new WideCounters(memory)
  }

  /** Of the owner: where rules of this name are counted. */
  slotOf(name: string): number {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    if (this.#slots.size === SLOTS - 1) this.#slots.set(OTHERS, SLOTS - 1)
    if (this.#slots.size >= SLOTS) return SLOTS - 1
    const slot = this.#slots.size
    this.#slots.set(name, slot)
    return slot
  }

  nameOf(slot: number): string {
    for (const [name, its] of this.#slots) if (its === slot) return name
    return OTHERS
  }

  add(slot: number, octets: number): void {
    this.#counters.add(slot * COLUMNS + COLUMN.packets, 1)
    this.#counters.add(slot * COLUMNS + COLUMN.octets, octets)
  }

  read(): readonly RuleCount[] {
    return [...this.#slots].map(([name, slot]) => ({
      name,
      packets: this.#counters.get(slot * COLUMNS + COLUMN.packets),
      octets: this.#counters.get(slot * COLUMNS + COLUMN.octets),
    }))
  }
}
