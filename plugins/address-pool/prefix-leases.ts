/** Who holds which IPv6 prefix. One for all generations of the config, as `Leases` is. */
import { type Ipv6Block, ipv6BlocksOverlap, ipv6BlockText } from 'burrow'
import type { Holder } from './leases.ts'

interface Held extends Holder {
  readonly block: Ipv6Block
}

export class PrefixLeases {
  readonly #held = new Map<string, Held>()
  /** Of a length that pools do not give: they may lie across several of theirs. */
  readonly #odd = new Map<string, Held>()
  /** The last prefix of each user; who dialled least recently comes first. */
  readonly #lastOf = new Map<string, string>()

  /** Whoever holds any address of it. */
  holderOf(block: Ipv6Block): Holder | undefined {
    return this.#held.get(ipv6BlockText(block)) ?? this.#overlapping(block, this.#held)
  }

  /** As `holderOf`, where everything but what is odd has the length of `block`. */
  isTaken(block: Ipv6Block): boolean {
    return this.#held.has(ipv6BlockText(block)) || this.#overlapping(block, this.#odd) !== undefined
  }

  /** `pooled`: its length is that of its pool. */
  claim(block: Ipv6Block, holder: Holder, pooled: boolean): void {
    const held = { ...holder, block }
    this.#held.set(ipv6BlockText(block), held)
    if (!pooled) this.#odd.set(ipv6BlockText(block), held)
  }

  /** Does nothing when the prefix is no longer held under this lease. */
  release(value: string, leaseId: string): void {
    if (this.#held.get(value)?.leaseId !== leaseId) return
    this.#held.delete(value)
    this.#odd.delete(value)
  }

  lastOf(user: string): string | undefined {
    return this.#lastOf.get(user)
  }

  remember(user: string, value: string, mostUsers: number): void {
    this.#lastOf.delete(user)
    this.#lastOf.set(user, value)
    for (const oldest of this.#lastOf.keys()) {
      if (this.#lastOf.size <= mostUsers) break
      this.#lastOf.delete(oldest)
    }
  }

  #overlapping(block: Ipv6Block, among: ReadonlyMap<string, Held>): Held | undefined {
    for (const held of among.values()) if (ipv6BlocksOverlap(held.block, block)) return held
    return undefined
  }
}
