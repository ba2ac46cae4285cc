/** How many providers a capability has: `one` exactly, or `many`, whose values come as a list in the order of the config. */
export type CapabilityArity = 'one' | 'many'

/** A typed name under which one plugin offers a service to later ones. */
export interface Capability<T, Arity extends CapabilityArity = CapabilityArity> {
  /** Unique among all plugins; shown by `burrow check` and in boot errors. */
  readonly name: string
  /** `one`: exactly one provider; `many`: a list of all of them, which may be empty. */
  readonly arity: Arity
  /** Phantom: carries the type only. */
  readonly type?: T
}

/** The values of a list of capabilities, in its order: `T` of each `one`, a list of `T` of each `many`. */
export type CapabilityValues<C extends readonly Capability<unknown>[]> = {
  [I in keyof C]: C[I] extends Capability<infer T, infer Arity>
    ? Arity extends 'many'
      ? readonly T[]
      : T
    : never
}

/**
 * Makes the token that provider and requirer share: `const USERS = capability<Users>('users')`, or
 * `capability<Users>('users', 'many')` where several plugins may provide it.
 */
export function capability<T>(name: string): Capability<T, 'one'>
export function capability<T>(name: string, arity: 'many'): Capability<T, 'many'>
export function capability<T>(name: string, arity: CapabilityArity = 'one'): Capability<T> {
  return { name, arity }
}
