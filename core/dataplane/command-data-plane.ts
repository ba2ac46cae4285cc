import { BurrowError } from '../errors.ts'
import type { AclRule, Flow, FlowCounters, Prefix } from '../flow.ts'
import type { Path, SocketAddress } from '../ports.ts'
import { Counters } from './counters.ts'
import type {
  DataPlaneCaps,
  DataPlaneEvent,
  DataPlaneOptions,
  DataPlaneTotals,
  ListeningDataPlane,
} from './data-plane.ts'
import { type Command, DEFAULT_CONNECTIONS, DEFAULT_MAX_FLOWS, type FlowKey } from './engine.ts'
import { createEngineMemory, type EngineMemory } from './engine-memory.ts'
import { type RuleCount, RuleCounters } from './policy/rule-counters.ts'
import { RuleSets } from './policy/rule-sets.ts'
import { type DatagramPort, socketFor } from './ports.ts'

/** What every data plane with an engine has in common, on whichever thread the engine runs. */
export abstract class CommandDataPlane<Socket extends DatagramPort = DatagramPort>
  implements ListeningDataPlane
{
  abstract readonly caps: DataPlaneCaps
  protected readonly options: DataPlaneOptions
  readonly maxFlows: number
  protected readonly memory: EngineMemory
  protected readonly counters: Counters
  readonly connections: number
  protected readonly ruleCounters: RuleCounters
  /** Filled by `start`. */
  protected readonly sockets: Socket[] = []
  protected listener: (event: DataPlaneEvent) => void = () => {}
  readonly #ruleSets = new RuleSets(name => this.ruleCounters.slotOf(name))
  #unsent = 0n

  constructor(options: DataPlaneOptions) {
    this.options = options
    this.maxFlows = options.maxFlows ?? DEFAULT_MAX_FLOWS
    this.connections = options.maxConnections ?? DEFAULT_CONNECTIONS
    this.memory = createEngineMemory(this)
    this.counters = new Counters(this.memory.counters)
    this.ruleCounters = new RuleCounters(this.memory.ruleCounters)
  }

  abstract start(): Promise<void>
  abstract stop(): Promise<void>
  protected abstract run(command: Command): Promise<readonly FlowCounters[]>

  get bound(): readonly SocketAddress[] {
    return this.sockets.map(({ bound }) => bound)
  }

  onEvent(listener: (event: DataPlaneEvent) => void): void {
    this.listener = listener
  }

  async upsert(flows: readonly Flow[]): Promise<void> {
    // Each by itself: what is refused of one is no matter of the others.
    await Promise.all(flows.map(flow => this.run({ kind: 'upsert', flows: [flow] })))
  }

  async remove(flows: readonly FlowKey[]): Promise<readonly FlowCounters[]> {
    const counters = await this.run({ kind: 'remove', flows })
    for (const { id } of flows) {
      const unused = this.#ruleSets.release(flowUser(id))
      if (unused !== undefined) await this.run({ kind: 'dropRuleSet', rules: unused })
    }
    return counters
  }

  async setFlowPolicy(flowId: number, generation: number, rules: readonly AclRule[]): Promise<void> {
    await this.#assign(flowUser(flowId), rules, number => ({
      kind: 'flowPolicy',
      flowId,
      generation,
      rules: number,
    }))
  }

  async setPolicy(zone: string, rules: readonly AclRule[]): Promise<void> {
    await this.#assign(`zone ${zone}`, rules, number => ({ kind: 'zonePolicy', zone, rules: number }))
  }

  async setLocalPrefixes(prefixes: readonly Prefix[]): Promise<void> {
    await this.run({ kind: 'localPrefixes', prefixes })
  }

  readCounters(firstId: number, count: number): readonly FlowCounters[] {
    return Array.from({ length: Math.max(0, Math.min(count, this.maxFlows - firstId)) }, (_, i) =>
      this.counters.read(firstId + i),
    )
  }

  readRuleCounters(): readonly RuleCount[] {
    return this.ruleCounters.read()
  }

  totals(): DataPlaneTotals {
    return { ...this.counters.totals(), unsent: this.#unsent, restarts: 0 }
  }

  send(path: Path, bytes: Uint8Array): void {
    if (this.sockets[socketFor(this.sockets, path.local)]?.sendOne(path, bytes) !== true) this.#unsent++
  }

  /** The engine takes commands in order, so nothing waits for what comes before it. */
  async #assign(
    user: string,
    rules: readonly AclRule[],
    command: (number: number) => Command,
  ): Promise<void> {
    const { number, fresh, unused } = this.#ruleSets.assign(user, rules)
    await Promise.all([
      fresh && this.run({ kind: 'ruleSet', rules: fresh }),
      this.run(command(number)),
      unused !== undefined && this.run({ kind: 'dropRuleSet', rules: unused }),
    ])
  }

  /** When the engine is gone nobody else writes the counters: what a flow counted can still be handed over. */
  protected runWithoutEngine(command: Command, why: string): readonly FlowCounters[] {
    if (command.kind === 'remove')
      return command.flows.map(({ id, generation }) => this.counters.end(id, generation))
    if (command.kind === 'dropRuleSet') return []
    throw new BurrowError('DATA_PLANE_DOWN', `the data plane cannot do ${command.kind}: ${why}`)
  }
}

const flowUser = (id: number): string => `flow ${id}`
