/** Which addresses each zone has. */
import {
  BurrowError,
  EVERY_ADDRESS,
  type Ipv4Range,
  isInRanges,
  type Prefix,
  parseIpv4,
  rangeOf,
  rangesInBoth,
  rangesOverlap,
  rangesWithout,
  rangeText,
} from 'burrow'
import { type Addresses, UNTRUST } from './config.ts'

type Pools = ReadonlyMap<string, readonly Prefix[]>
type Ranges = readonly Ipv4Range[]

export class Zones {
  readonly problems: readonly BurrowError[]
  readonly #pools: ReadonlyMap<string, Ranges>
  readonly #ranges = new Map<string, Ranges>()

  /** `zones` without untrust, which has what is left, and local, which has no addresses here. */
  constructor(zones: Readonly<Record<string, readonly Addresses[]>>, pools: Pools) {
    this.#pools = new Map(
      [...pools].map(([name, prefixes]) => [name, prefixes.flatMap(one => rangeOf(one) ?? [])]),
    )
    const problems: BurrowError[] = []
    for (const [name, list] of Object.entries(zones)) {
      const ranges = list.flatMap(one => this.#rangesOf(one))
      const unknown = this.unknownPools(list)
      const texts = unknown.length === 0 && ranges.length === 0 ? [NO_POOL] : unknown
      problems.push(...texts.map(text => invalid(`zone ${name}: ${text}`)))
      problems.push(...this.#overlaps(name, ranges))
      this.#ranges.set(name, ranges)
    }
    this.#ranges.set(UNTRUST, rangesWithout([EVERY_ADDRESS], [...this.#ranges.values()].flat()))
    this.problems = problems
  }

  get names(): readonly string[] {
    return [...this.#ranges.keys()]
  }

  has(zone: string, text: string): boolean {
    const address = parseIpv4(text)
    return address !== undefined && isInRanges(this.#ranges.get(zone) ?? [], address)
  }

  /** What of `zone` the list names; without a list, all of it. */
  within(zone: string, list: readonly Addresses[] | undefined): Ranges {
    const all = this.#ranges.get(zone) ?? []
    return list === undefined ? all : list.flatMap(one => rangesInBoth(this.#rangesOf(one), all))
  }

  /** The zone of any address; every IPv6 address is in untrust. */
  zoneOf(text: string): string {
    return this.names.find(zone => this.has(zone, text)) ?? UNTRUST
  }

  /** Whether the list holds an address that this host was addressed from or at; own-address names any of the latter. */
  lists(list: readonly Addresses[] | undefined, text: string): boolean {
    if (list === undefined) return true
    const address = parseIpv4(text)
    return list.some(one => {
      if (one.kind === 'any' || one.kind === 'own-address') return true
      return address !== undefined && isInRanges(this.#rangesOf(one), address)
    })
  }

  unknownPools(list: readonly Addresses[] = []): readonly string[] {
    return list.flatMap(one =>
      one.kind === 'pool' && one.pool !== undefined && !this.#pools.has(one.pool)
        ? [`there is no pool "${one.pool}" (there are: ${[...this.#pools.keys()].join(', ') || 'none'})`]
        : [],
    )
  }

  #rangesOf(addresses: Addresses): Ranges {
    switch (addresses.kind) {
      case 'range':
        return [addresses.range]
      case 'pool':
        return addresses.pool === undefined
          ? [...this.#pools.values()].flat()
          : (this.#pools.get(addresses.pool) ?? [])
      case 'any':
        return [EVERY_ADDRESS]
      case 'own-address':
        return []
    }
  }

  #overlaps(name: string, ranges: Ranges): readonly BurrowError[] {
    return [...this.#ranges].flatMap(([other, taken]) => {
      const both = ranges.find(range => taken.some(one => rangesOverlap(one, range)))
      if (both === undefined) return []
      return [
        invalid(
          `zones ${other} and ${name} both have addresses of ${rangeText(both)}; expected each in one zone`,
        ),
      ]
    })
  }
}

const NO_POOL = 'expected addresses; no plugin declares a pool'

export const invalid = (text: string) => new BurrowError('POLICY_INVALID', text)
