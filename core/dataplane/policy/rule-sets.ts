/** Which rules each flow and zone has, on the owner's side: a list is compiled once, however many have it, and told to the engine once. */
import type { AclRule } from '../../flow.ts'
import type { NumberedRules } from './judge.ts'
import { compileRules, type SlotOf } from './program.ts'

interface Kept {
  readonly number: number
  users: number
}

export interface Assigned {
  readonly number: number
  /** The engine is to be told of it first. */
  readonly fresh?: NumberedRules
  /** Nobody has this one any more. */
  readonly unused?: number
}

export class RuleSets {
  readonly #slotOf: SlotOf
  readonly #kept = new Map<readonly AclRule[], Kept>()
  readonly #rulesOf = new Map<string, readonly AclRule[]>()
  #last = 0

  constructor(slotOf: SlotOf) {
    this.#slotOf = slotOf
  }

  /** `user`: a flow or a zone. Lists are told apart by identity: one that is here must not change. Throws FLOW_REFUSED. */
  assign(user: string, rules: readonly AclRule[]): Assigned {
    const known = this.#kept.get(rules)
    const number = known?.number ?? this.#last + 1
    const fresh = known === undefined ? { ...compileRules(rules, this.#slotOf), number } : undefined
    if (known === undefined) this.#kept.set(rules, { number, users: 1 })
    else known.users++
    this.#last = Math.max(this.#last, number)
    const unused = this.release(user)
    this.#rulesOf.set(user, rules)
    return { number, ...(fresh && { fresh }), ...(unused === undefined ? {} : { unused }) }
  }

  /** The number of the rules that nobody has any more, if so. */
  release(user: string): number | undefined {
    const rules = this.#rulesOf.get(user)
    const kept = rules && this.#kept.get(rules)
    this.#rulesOf.delete(user)
    if (rules === undefined || kept === undefined || --kept.users > 0) return undefined
    this.#kept.delete(rules)
    return kept.number
  }
}
