/** One thread's share of a data plane: its flows, rules, counters and forwarder, driven by commands. */
import { BurrowError } from '../errors.ts'
import type { Flow, FlowCounters, Prefix } from '../flow.ts'
import { Counters } from './counters.ts'
import type { EngineMemory } from './engine-memory.ts'
import { FlowTable } from './flow-table.ts'
import { Forwarder, type UpSink } from './forwarder.ts'
import { NO_RULES, type NumberedRules } from './policy/judge.ts'
import { RuleCounters } from './policy/rule-counters.ts'
import { type DatagramPort, HEADROOM_BYTES, PacketBatch, socketFor, type TunPort } from './ports.ts'
import { ipv4Prefixes, ipv6Prefixes } from './prefix.ts'
import { PrefixTable } from './prefix-table.ts'
import { PrefixTable6 } from './prefix-table6.ts'

export interface FlowKey {
  readonly id: number
  readonly generation: number
}

/** The calls of `DataPlane` as data. */
export type Command =
  | { readonly kind: 'upsert'; readonly flows: readonly Flow[] }
  /** What an engine had that is no more: all of it goes on as it was. */
  | { readonly kind: 'resume'; readonly flows: readonly Flow[] }
  | { readonly kind: 'remove'; readonly flows: readonly FlowKey[] }
  | {
      readonly kind: 'flowPolicy'
      readonly flowId: number
      readonly generation: number
      /** The number of a set. */
      readonly rules: number
    }
  | { readonly kind: 'zonePolicy'; readonly zone: string; readonly rules: number }
  /** Before the first command that names it. */
  | { readonly kind: 'ruleSet'; readonly rules: NumberedRules }
  /** After the last one. */
  | { readonly kind: 'dropRuleSet'; readonly rules: number }
  | { readonly kind: 'localPrefixes'; readonly prefixes: readonly Prefix[] }

export const DEFAULT_MAX_FLOWS = 65_536
export const DEFAULT_CONNECTIONS = 262_144
/** A longer control message is no peer's; longer inner packets need a larger MTU. */
const LEAST_SLOT_BYTES = 4096

export interface EngineParts {
  readonly maxFlows: number
  /** Of the TUN. */
  readonly mtuBytes: number
  /** For `maxFlows` and `connections`. */
  readonly memory: EngineMemory
  /** Conversations that are known at a time. */
  readonly connections: number
  readonly sockets: readonly DatagramPort[]
  readonly tun: TunPort | undefined
  readonly up: UpSink
  /** What the ports fill, for packets of so many octets with headroom; by default with a slot for each of 64. */
  readonly makeBatch?: (slotBytes: number) => PacketBatch
}

export class Engine {
  readonly counters: Counters
  readonly forwarder: Forwarder
  readonly #table: FlowTable
  readonly #sockets: readonly DatagramPort[]
  readonly #ruleSets = new Map<number, NumberedRules>()

  constructor(parts: EngineParts) {
    const { maxFlows, mtuBytes, memory, connections, sockets, tun, up } = parts
    const { makeBatch = bytes => new PacketBatch(bytes) } = parts
    this.counters = new Counters(memory.counters)
    this.#table = new FlowTable(maxFlows, memory.flows)
    this.#sockets = sockets
    // The headroom twice: ours for what goes out, and as much for the headers of what comes in.
    const slotBytes = Math.max(LEAST_SLOT_BYTES, mtuBytes + 2 * HEADROOM_BYTES)
    this.forwarder = new Forwarder({
      table: this.#table,
      counters: this.counters,
      ruleCounters: new RuleCounters(memory.ruleCounters),
      conversations: memory.conversations,
      connections,
      sockets,
      tun,
      up,
      fromNetwork: makeBatch(slotBytes),
      fromTun: makeBatch(slotBytes),
    })
  }

  /** The final counters of what a `remove` removed; nothing otherwise. Throws FLOW_REFUSED. */
  apply(command: Command): readonly FlowCounters[] {
    switch (command.kind) {
      case 'upsert':
        for (const flow of command.flows) this.#upsert(flow)
        return []
      case 'resume':
        for (const flow of command.flows) {
          this.counters.reopen(flow.id, flow.generation)
          this.#upsert(flow)
        }
        return []
      case 'remove':
        return command.flows.map(key => this.#remove(key))
      case 'flowPolicy':
        this.#table.setFlowPolicy(command.flowId, command.generation, this.#rules(command.rules))
        return []
      case 'zonePolicy':
        this.#table.setZonePolicy(command.zone, this.#rules(command.rules))
        return []
      case 'ruleSet':
        this.#ruleSets.set(command.rules.number, command.rules)
        this.forwarder.nameRules(command.rules.names)
        return []
      case 'dropRuleSet':
        this.#ruleSets.delete(command.rules)
        return []
      case 'localPrefixes':
        this.#setLocalPrefixes(command.prefixes)
        return []
    }
  }

  #upsert(flow: Flow): void {
    const { address, port } = flow.path.local
    const socket = socketFor(this.#sockets, flow.path.local)
    if (socket < 0) throw new BurrowError('FLOW_REFUSED', `nothing listens on ${address}:${port}`)
    const { id, generation } = flow
    // Whose row it is already, an engine before this one has begun: it goes on.
    if (!this.#table.upsert(flow, socket) || this.counters.has(id, generation)) return
    this.#table.begin(id)
    this.forwarder.fastPath.begin(id)
    // Last: what is begun by half is begun again.
    this.counters.begin(id, generation)
  }

  #rules(number: number): NumberedRules {
    return this.#ruleSets.get(number) ?? NO_RULES
  }

  #remove({ id, generation }: FlowKey): FlowCounters {
    this.#table.remove(id, generation)
    return this.counters.end(id, generation)
  }

  #setLocalPrefixes(prefixes: readonly Prefix[]): void {
    const table = new PrefixTable()
    for (const { address, length } of ipv4Prefixes(prefixes)) table.set(address, length, 1)
    const table6 = new PrefixTable6()
    for (const prefix of ipv6Prefixes(prefixes)) table6.set(prefix, 1)
    this.forwarder.fastPath.setLocalPrefixes(table, table6)
  }
}
