/** Which addresses each zone has. */
import { BurrowError, type Prefix } from 'burrow'
import type { Addresses } from './addresses.ts'
import { UNTRUST } from './config.ts'
import { FamilyZones, IPV4, IPV6 } from './families.ts'

type Pools = ReadonlyMap<string, readonly Prefix[]>
type Lists = Readonly<Record<string, readonly Addresses[]>>

export class Zones {
  readonly problems: readonly BurrowError[]
  readonly names: readonly string[]
  readonly #pools: Pools
  readonly #sets: Lists
  readonly #families: readonly Pick<FamilyZones<unknown>, 'has' | 'holds' | 'within' | 'listed' | 'names'>[]

  /** `zones` without untrust, which has what is left, and local, which has no addresses here. */
  constructor(zones: Lists, pools: Pools, sets: Lists) {
    this.#pools = pools
    this.#sets = sets
    const [ipv4, ipv6] = [
      new FamilyZones(IPV4, zones, pools, sets),
      new FamilyZones(IPV6, zones, pools, sets),
    ]
    this.#families = [ipv4, ipv6]
    this.names = [...Object.keys(zones), UNTRUST]
    const empty = Object.entries(zones).flatMap(([name, list]) => {
      const unknown = this.unknownPools(list)
      const texts = unknown.length === 0 && this.within(name, undefined).length === 0 ? [NO_POOL] : unknown
      return texts.map(text => `zone ${name}: ${text}`)
    })
    this.problems = [...empty, ...ipv4.overlaps, ...ipv6.overlaps].map(invalid)
  }

  has(zone: string, address: string): boolean {
    return this.#families.some(family => family.has(zone, address))
  }

  /** Whether all of a lease, an address or `prefix/length`, is in the zone. */
  holds(zone: string, lease: string): boolean {
    const [address = '', length = '32'] = lease.split('/')
    return this.#families.some(family => family.holds(zone, { address, length: Number(length) }))
  }

  /** What of `zone` the list names; without a list, all of it. */
  within(zone: string, list: readonly Addresses[] | undefined): readonly Prefix[] {
    return this.#families.flatMap(family => family.within(zone, list))
  }

  /** What the list names, whatever the zone. */
  listed(list: readonly Addresses[]): readonly Prefix[] {
    return this.#families.flatMap(family => family.listed(list))
  }

  /** The zone of any address. */
  zoneOf(address: string): string {
    return this.names.find(zone => this.has(zone, address)) ?? UNTRUST
  }

  /** Whether the list holds an address that this host was addressed from or at; own-address names any of the latter. */
  lists(list: readonly Addresses[] | undefined, address: string): boolean {
    if (list === undefined) return true
    return list.some(
      one =>
        one.kind === 'any' ||
        one.kind === 'own-address' ||
        this.#families.some(family => family.names(one, address)),
    )
  }

  unknownPools(list: readonly Addresses[] = []): readonly string[] {
    const sets = list.flatMap(one => (one.kind === 'set' ? (this.#sets[one.set] ?? []) : [one]))
    return sets.flatMap(one =>
      one.kind === 'pool' && one.pool !== undefined && !this.#pools.has(one.pool)
        ? [`there is no pool "${one.pool}" (there are: ${[...this.#pools.keys()].join(', ') || 'none'})`]
        : [],
    )
  }
}

const NO_POOL = 'expected addresses; no plugin declares a pool'

export const invalid = (text: string) => new BurrowError('POLICY_INVALID', text)
