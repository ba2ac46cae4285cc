import { type Ipv4Range, isInRanges, rangesWithout } from 'burrow'
import type { PoolOptions } from './config.ts'
import type { Leases } from './leases.ts'

export class Pool {
  readonly name: string
  readonly ranges: readonly Ipv4Range[]
  /** How many addresses it can give out by itself. */
  readonly size: number
  readonly #dynamic: readonly Ipv4Range[]
  /** Where the search goes on: an address that was just freed comes last, so its user may find it again. */
  #next = 0

  /** `reserved` is not given out either. */
  constructor(name: string, { ranges, exclude }: PoolOptions, reserved: readonly Ipv4Range[]) {
    this.name = name
    this.ranges = ranges
    this.#dynamic = [...rangesWithout(ranges, [...exclude, ...reserved])].sort((a, b) => a.first - b.first)
    this.size = this.#dynamic.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  }

  has(address: number): boolean {
    return isInRanges(this.ranges, address)
  }

  gives(address: number): boolean {
    return isInRanges(this.#dynamic, address)
  }

  /** A free address that is `usable`; undefined when there is none. `passBy` is to be called with what is leased. */
  find(leases: Leases, usable: (address: number) => boolean): number | undefined {
    const ahead = this.#dynamic
      .filter(({ last }) => last >= this.#next)
      .map(({ first, last }) => ({ first: Math.max(first, this.#next), last }))
    for (const { first, last } of [...ahead, ...this.#dynamic]) {
      let address = leases.firstFree(first, last)
      while (address !== undefined && !usable(address)) address = leases.firstFree(address + 1, last)
      if (address !== undefined) return address
    }
    return undefined
  }

  passBy(address: number): void {
    this.#next = address + 1
  }
}

/** The network and broadcast address of each range that was written as a prefix of more than two addresses. */
export function edgesOf(pools: Readonly<Record<string, PoolOptions>>): readonly Ipv4Range[] {
  return Object.values(pools)
    .flatMap(({ ranges }) => ranges)
    .filter(({ prefixLength = 32 }) => prefixLength < 31)
    .flatMap(({ first, last }) => [
      { first, last: first },
      { first: last, last },
    ])
}
