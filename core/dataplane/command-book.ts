/** What an engine was told and has done: enough to tell another one the same. */
import type { Flow, Prefix } from '../flow.ts'
import type { Command, FlowKey } from './engine.ts'
import type { NumberedRules } from './policy/judge.ts'

/** So many flows make one command. */
const FLOWS_AT_ONCE = 256

interface Booked {
  readonly flow: Flow
  /** Of its own. */
  rules: number | undefined
}

export class CommandBook {
  readonly #flows = new Map<number, Booked>()
  readonly #zones = new Map<string, number>()
  readonly #ruleSets = new Map<number, NumberedRules>()
  #localPrefixes: readonly Prefix[] = []

  /** It was done, and nothing that was asked for later was before. */
  note(command: Command): void {
    switch (command.kind) {
      case 'upsert':
        for (const flow of command.flows) this.#upsert(flow)
        break
      case 'remove':
        for (const key of command.flows) if (this.has(key)) this.#flows.delete(key.id)
        break
      case 'flowPolicy': {
        const booked = this.#flows.get(command.flowId)
        if (booked?.flow.generation === command.generation) booked.rules = command.rules
        break
      }
      case 'zonePolicy':
        this.#zones.set(command.zone, command.rules)
        break
      case 'ruleSet':
        this.#ruleSets.set(command.rules.number, command.rules)
        break
      case 'dropRuleSet':
        this.#ruleSets.delete(command.rules)
        break
      case 'localPrefixes':
        this.#localPrefixes = command.prefixes
        break
      case 'resume':
    }
  }

  /** The flow is there, and its removal was not done. */
  has({ id, generation }: FlowKey): boolean {
    return this.#flows.get(id)?.flow.generation === generation
  }

  /** In an order in which nothing passes that its rules would not let. */
  replay(): readonly Command[] {
    const flows = [...this.#flows.values()]
    const batches = Array.from({ length: Math.ceil(flows.length / FLOWS_AT_ONCE) }, (_, i) =>
      flows.slice(i * FLOWS_AT_ONCE, (i + 1) * FLOWS_AT_ONCE),
    )
    return [
      { kind: 'localPrefixes', prefixes: this.#localPrefixes },
      ...[...this.#ruleSets.values()].map(rules => ({ kind: 'ruleSet', rules }) as const),
      ...[...this.#zones].map(([zone, rules]) => ({ kind: 'zonePolicy', zone, rules }) as const),
      ...batches.map(batch => ({ kind: 'resume', flows: batch.map(({ flow }) => flow) }) as const),
      ...flows.flatMap(({ flow: { id, generation }, rules }) =>
        rules === undefined ? [] : [{ kind: 'flowPolicy', flowId: id, generation, rules } as const],
      ),
    ]
  }

  #upsert(flow: Flow): void {
    const before = this.#flows.get(flow.id)
    if (before !== undefined && before.flow.generation > flow.generation) return
    const goesOn = before?.flow.generation === flow.generation
    this.#flows.set(flow.id, { flow, rules: goesOn ? before.rules : undefined })
  }
}
