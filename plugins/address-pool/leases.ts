/** Who holds which address. One for all generations of the config, so that a reload never gives an address twice. */
import { AddressSet } from './address-set.ts'

export interface Holder {
  readonly leaseId: string
  readonly user: string
  /** SessionInfo.id. */
  readonly session: string
}

export class Leases {
  readonly #taken = new AddressSet()
  readonly #holders = new Map<number, Holder>()
  /** The last address of each user; who dialled least recently comes first. */
  readonly #lastOf = new Map<string, number>()

  holderOf(address: number): Holder | undefined {
    return this.#holders.get(address)
  }

  firstFree(first: number, last: number): number | undefined {
    return this.#taken.firstMissing(first, last)
  }

  claim(address: number, holder: Holder): void {
    this.#taken.add(address)
    this.#holders.set(address, holder)
  }

  /** Does nothing when the address is no longer held under this lease. */
  release(address: number, leaseId: string): void {
    if (this.#holders.get(address)?.leaseId !== leaseId) return
    this.#holders.delete(address)
    this.#taken.delete(address)
  }

  lastOf(user: string): number | undefined {
    return this.#lastOf.get(user)
  }

  remember(user: string, address: number, mostUsers: number): void {
    this.#lastOf.delete(user)
    this.#lastOf.set(user, address)
    for (const oldest of this.#lastOf.keys()) {
      if (this.#lastOf.size <= mostUsers) break
      this.#lastOf.delete(oldest)
    }
  }
}
