/** IPv4 and IPv6 have sets of addresses of different make, and zones do the same with both. */
import {
  EVERY_ADDRESS,
  EVERY_IPV6_ADDRESS,
  type Ipv4Range,
  type Ipv6Block,
  ipv6BlockOf,
  ipv6BlocksInBoth,
  ipv6BlocksOverlap,
  ipv6BlocksWithout,
  ipv6BlockText,
  ipv6Number,
  isInIpv6Blocks,
  isInRanges,
  type Prefix,
  parseIpv4,
  prefixesOf,
  prefixOfBlock,
  rangeOf,
  rangesInBoth,
  rangesOverlap,
  rangesWithout,
  rangeText,
} from 'burrow'
import type { Addresses } from './addresses.ts'
import { UNTRUST } from './config.ts'

/** What can be done with sets of one family; `S` is a piece of one. */
interface Family<S> {
  readonly every: S
  /** Nothing, of the other family. */
  readonly ofPrefix: (prefix: Prefix) => readonly S[]
  readonly ofOption: (addresses: Addresses) => readonly S[]
  readonly inBoth: (a: readonly S[], b: readonly S[]) => readonly S[]
  readonly without: (sets: readonly S[], holes: readonly S[]) => readonly S[]
  readonly overlap: (a: S, b: S) => boolean
  readonly has: (sets: readonly S[], address: string) => boolean
  readonly text: (set: S) => string
  readonly prefixes: (set: S) => readonly Prefix[]
}

const some = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value])

export const IPV4: Family<Ipv4Range> = {
  every: EVERY_ADDRESS,
  ofPrefix: prefix => some(rangeOf(prefix)),
  ofOption: addresses => (addresses.kind === 'range' ? [addresses.range] : []),
  inBoth: rangesInBoth,
  without: rangesWithout,
  overlap: rangesOverlap,
  has: (sets, text) => some(parseIpv4(text)).some(address => isInRanges(sets, address)),
  text: rangeText,
  prefixes: prefixesOf,
}

export const IPV6: Family<Ipv6Block> = {
  every: EVERY_IPV6_ADDRESS,
  ofPrefix: prefix => some(ipv6BlockOf(prefix)),
  ofOption: addresses => (addresses.kind === 'prefix6' ? some(ipv6BlockOf(addresses.prefix)) : []),
  inBoth: ipv6BlocksInBoth,
  without: ipv6BlocksWithout,
  overlap: ipv6BlocksOverlap,
  has: (sets, text) => some(ipv6Number(text)).some(address => isInIpv6Blocks(sets, address)),
  text: ipv6BlockText,
  prefixes: block => [prefixOfBlock(block)],
}

/** The zones as far as one family goes. */
export class FamilyZones<S> {
  readonly #family: Family<S>
  readonly #pools: ReadonlyMap<string, readonly S[]>
  readonly #named: Readonly<Record<string, readonly Addresses[]>>
  readonly #zones = new Map<string, readonly S[]>()
  /** Zones that have addresses in common, as texts. */
  readonly overlaps: readonly string[]

  constructor(
    family: Family<S>,
    zones: Readonly<Record<string, readonly Addresses[]>>,
    pools: ReadonlyMap<string, readonly Prefix[]>,
    named: Readonly<Record<string, readonly Addresses[]>>,
    routed: ReadonlyMap<string, readonly Prefix[]>,
  ) {
    this.#family = family
    this.#named = named
    this.#pools = new Map([...pools].map(([name, prefixes]) => [name, prefixes.flatMap(family.ofPrefix)]))
    const overlaps: string[] = []
    for (const [name, list] of Object.entries(zones)) {
      const sets = list.flatMap(one => this.#setsOf(one))
      overlaps.push(...this.#overlapsWith(name, sets))
      this.#zones.set(name, sets)
    }
    // What a zone lists, or a pool has, is of no other, wherever it is routed.
    const taken = [...this.#zones.values(), ...this.#pools.values()].flat()
    for (const [name, prefixes] of routed)
      this.#zones.set(name, family.without(prefixes.flatMap(family.ofPrefix), taken))
    this.#zones.set(UNTRUST, family.without([family.every], [...this.#zones.values()].flat()))
    this.overlaps = overlaps
  }

  has(zone: string, address: string): boolean {
    return this.#family.has(this.#zones.get(zone) ?? [], address)
  }

  /** All of the prefix. */
  holds(zone: string, prefix: Prefix): boolean {
    const wanted = this.#family.ofPrefix(prefix)
    return wanted.length > 0 && this.#family.without(wanted, this.#zones.get(zone) ?? []).length === 0
  }

  within(zone: string, list: readonly Addresses[] | undefined): readonly Prefix[] {
    const all = this.#zones.get(zone) ?? []
    const named = list?.flatMap(one => this.#family.inBoth(this.#setsOf(one), all)) ?? all
    return named.flatMap(this.#family.prefixes)
  }

  /** What the list names, whatever the zone. */
  listed(list: readonly Addresses[]): readonly Prefix[] {
    return list.flatMap(one => this.#setsOf(one)).flatMap(this.#family.prefixes)
  }

  /** Whether it names an address, whatever the zone. */
  names(addresses: Addresses, address: string): boolean {
    return this.#family.has(this.#setsOf(addresses), address)
  }

  #setsOf(addresses: Addresses): readonly S[] {
    switch (addresses.kind) {
      case 'range':
      case 'prefix6':
        return this.#family.ofOption(addresses)
      case 'pool':
        return addresses.pool === undefined
          ? [...this.#pools.values()].flat()
          : (this.#pools.get(addresses.pool) ?? [])
      case 'set':
        return (this.#named[addresses.set] ?? []).flatMap(one => this.#setsOf(one))
      case 'any':
        return [this.#family.every]
      case 'own-address':
        return []
    }
  }

  #overlapsWith(name: string, sets: readonly S[]): readonly string[] {
    const { overlap, text } = this.#family
    return [...this.#zones].flatMap(([other, taken]) => {
      const both = sets.find(set => taken.some(one => overlap(one, set)))
      return both === undefined
        ? []
        : [`zones ${other} and ${name} both have addresses of ${text(both)}; expected each in one zone`]
    })
  }
}
