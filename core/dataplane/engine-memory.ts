/**
 * What outlives an engine that fails, for the next one to go on with: what flows counted, how far their sequences are, and
 * what is known of conversations. One thread writes; another takes over when that has ended.
 */
import { Counters } from './counters.ts'
import { FlowTable } from './flow-table.ts'
import { Judge, type JudgeMemory } from './policy/judge.ts'
import { RuleCounters } from './policy/rule-counters.ts'

export interface EngineMemory {
  readonly counters: SharedArrayBuffer
  readonly ruleCounters: SharedArrayBuffer
  readonly flows: SharedArrayBuffer
  readonly conversations: JudgeMemory
}

export interface EngineSizes {
  readonly maxFlows: number
  /** Conversations that are known at a time. */
  readonly connections: number
}

export function createEngineMemory(sizes: EngineSizes): EngineMemory {
  return {
    counters: new SharedArrayBuffer(Counters.bytesFor(sizes.maxFlows)),
    ruleCounters: new SharedArrayBuffer(RuleCounters.bytes),
    flows: new SharedArrayBuffer(FlowTable.bytesFor(sizes.maxFlows)),
    conversations: Judge.createMemory(sizes),
  }
}
