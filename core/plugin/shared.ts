/** Things that outlive a generation of the config: a file, a pool, a connection. */

interface Shared {
  readonly value: unknown
  readonly close: () => unknown
  readonly users: Set<object>
}

/** Kept by key as long as some generation uses it. */
export class SharedResources {
  readonly #byKey = new Map<string, Shared>()

  /** The value of `key`, made at its first use. */
  use<T>(user: object, key: string, make: () => T, close?: (value: T) => unknown): T {
    let shared = this.#byKey.get(key)
    if (shared === undefined) {
      const value = make()
      shared = { value, close: () => close?.(value), users: new Set() }
      this.#byKey.set(key, shared)
    }
    shared.users.add(user)
    return shared.value as T
  }

  /** Ends `user`'s use of everything; gives back what nobody uses now and is to be closed, the youngest first. */
  release(user: object): readonly {
    /** As it was made under. */
    readonly key: string
    /** To be called once. */
    readonly close: () => unknown
  }[] {
    const unused = [...this.#byKey].filter(([, { users }]) => users.delete(user) && users.size === 0)
    for (const [key] of unused) this.#byKey.delete(key)
    return unused.reverse().map(([key, { close }]) => ({ key, close }))
  }
}
