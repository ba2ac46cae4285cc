/** A typed name under which one plugin offers a service to later ones. */
export interface Capability<T> {
  /** Unique among all plugins; shown by `burrow check` and in boot errors. */
  readonly name: string
  /** `one`: exactly one provider; `many`: a list of all of them. */
  readonly arity: 'one' | 'many'
  /** Phantom: carries the type only. */
  readonly type?: T
}

/** The values of a list of capabilities, in its order. */
export type CapabilityValues<C extends readonly Capability<unknown>[]> = {
  [I in keyof C]: C[I] extends Capability<infer T> ? T : never
}

/** Makes the token that provider and requirer share: `const USERS = capability<Users>('users')`. */
export function capability<T>(name: string, arity: 'one' | 'many' = 'one'): Capability<T> {
  return { name, arity }
}
