/** What `burrow policy` shows of the running server: the tables of its policy plugins, and how much each rule decided on. */
import { z } from 'zod'
import { BurrowError } from '../errors.ts'
import type { PolicyFinding, PolicyRow, PolicyTable, RuleHits } from '../plugin/policy-table.ts'
import { checkedArguments } from './control-arguments.ts'

/** A table, and the plugin whose it is. */
export interface OwnedTable {
  /** `PluginContext.id`. */
  readonly plugin: string
  readonly table: PolicyTable
}

export interface PolicyReport {
  readonly tables: readonly {
    readonly plugin: string
    readonly rules: readonly CountedRow[]
  }[]
  /** What no rule matched, so that it was denied. */
  readonly unmatched: Hits
}

export interface CountedRow extends PolicyRow {
  /** Packets and octets that it decided on, answers of what it permitted among them. Absent: no packet ever meets it. */
  readonly hits?: Hits
}

interface Hits {
  readonly packets: bigint
  readonly octets: bigint
}

export interface PolicyAnswers {
  readonly verdicts: readonly (PolicyFinding & { readonly plugin: string })[]
}

const text = z.string().min(1).max(256)
const Question = z.strictObject({
  from: text.exactOptional(),
  to: text.exactOptional(),
  source: text,
  destination: text,
  service: text,
  user: text.exactOptional(),
  groups: z.array(text).max(1000).exactOptional(),
  filter: text.exactOptional(),
})

export class PolicyView {
  readonly #owned: readonly OwnedTable[]
  readonly #hits: () => Promise<readonly RuleHits[]>

  constructor(owned: readonly OwnedTable[], hits: () => Promise<readonly RuleHits[]>) {
    this.#owned = owned
    this.#hits = hits
  }

  async report(): Promise<PolicyReport> {
    const byName = new Map<string, Hits>()
    for (const { name, packets, octets } of await this.#hits()) {
      const before = byName.get(name) ?? { packets: 0n, octets: 0n }
      byName.set(name, { packets: before.packets + packets, octets: before.octets + octets })
    }
    const hitsOf = (name: string) => byName.get(name) ?? { packets: 0n, octets: 0n }
    const counted = (row: PolicyRow): CountedRow =>
      row.decided === undefined ? { ...row, hits: hitsOf(row.name) } : row
    return {
      tables: this.#owned.map(({ plugin, table }) => ({ plugin, rules: table.rows().map(counted) })),
      unmatched: hitsOf(''),
    }
  }

  /** `args`: a PolicyQuestion. USAGE where no plugin decides by a table. */
  ask(args: unknown): PolicyAnswers {
    const question = checkedArguments(Question, args)
    if (this.#owned.length === 0)
      throw new BurrowError('USAGE', 'no plugin of this config decides on policy by a table of rules')
    return { verdicts: this.#owned.map(({ plugin, table }) => ({ plugin, ...table.ask(question) })) }
  }
}
