import type { Lease, SessionInfo, SessionKey } from '../protocol/outputs.ts'

/** SessionInfo.id: a key may be taken by the next call while the last one's leases are still being released. */
type SessionId = string

interface Entry {
  session: SessionInfo
  readonly leases: Set<string>
  readonly wakeAtEnd: (() => void)[]
}

const leaseKey = (lease: { readonly owner: string; readonly value: string }) =>
  `${lease.owner} ${lease.value}`

/** Who is in, from the first decision about a call until its leases are released: what plugins may ask of the server. */
export class SessionBook {
  readonly #entries = new Map<SessionId, Entry>()
  readonly #byKey = new Map<SessionKey, SessionId>()
  readonly #byUser = new Map<string, Set<SessionId>>()
  readonly #byLease = new Map<string, SessionId>()

  /** Notes a session as it is known now; a later note replaces what was known. */
  note(session: SessionInfo): void {
    const entry = this.#entries.get(session.id) ?? { session, leases: new Set(), wakeAtEnd: [] }
    if (entry.session.user !== session.user) this.#forgetUser(entry.session)
    entry.session = session
    this.#entries.set(session.id, entry)
    this.#byKey.set(session.key, session.id)
    if (session.user === undefined) return
    const ids = this.#byUser.get(session.user) ?? new Set()
    this.#byUser.set(session.user, ids.add(session.id))
  }

  /** Notes that a session holds a lease. */
  hold(id: SessionId, lease: Lease): void {
    this.#entries.get(id)?.leases.add(leaseKey(lease))
    this.#byLease.set(leaseKey(lease), id)
  }

  /** Forgets a session and wakes who waits for its end. */
  remove({ id }: SessionInfo): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    const { session, leases, wakeAtEnd } = entry
    this.#entries.delete(id)
    if (this.#byKey.get(session.key) === id) this.#byKey.delete(session.key)
    this.#forgetUser(session)
    for (const lease of leases) if (this.#byLease.get(lease) === id) this.#byLease.delete(lease)
    for (const wake of wakeAtEnd) wake()
  }

  /** Resolves when the session is removed; at once when there is none. */
  ended(key: SessionKey): Promise<void> {
    return this.gone(this.#byKey.get(key) ?? '')
  }

  gone(id: SessionId): Promise<void> {
    const entry = this.#entries.get(id)
    return entry === undefined ? Promise.resolve() : new Promise(resolve => entry.wakeAtEnd.push(resolve))
  }

  /** Who has a key now. */
  at(key: SessionKey): SessionInfo | undefined {
    return this.#entries.get(this.#byKey.get(key) ?? '')?.session
  }

  /** In the order in which they were first noted under that name. */
  ofUser(user: string): readonly SessionInfo[] {
    return [...(this.#byUser.get(user) ?? [])].flatMap(id => this.#entries.get(id)?.session ?? [])
  }

  holding(lease: { readonly owner: string; readonly value: string }): SessionInfo | undefined {
    return this.#entries.get(this.#byLease.get(leaseKey(lease)) ?? '')?.session
  }

  /** Sessions whose end is not yet told to everybody. */
  get size(): number {
    return this.#entries.size
  }

  #forgetUser({ user, id }: SessionInfo): void {
    if (user === undefined) return
    const ids = this.#byUser.get(user)
    ids?.delete(id)
    if (ids?.size === 0) this.#byUser.delete(user)
  }
}
