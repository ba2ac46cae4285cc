/** Which addresses each zone has. */
import { BurrowError, type InterfaceWays, type Prefix, prefixesWithout } from 'burrow'
import type { Addresses } from './addresses.ts'
import { UNTRUST, type Zone } from './config.ts'
import { FamilyZones, IPV4, IPV6 } from './families.ts'

type Pools = ReadonlyMap<string, readonly Prefix[]>
/** By zone, of those that have what is routed over their interfaces. */
export type Routed = ReadonlyMap<string, readonly Prefix[]>
type Lists = Readonly<Record<string, readonly Addresses[]>>

export class Zones {
  readonly problems: readonly BurrowError[]
  readonly names: readonly string[]
  readonly #pools: Pools
  readonly #sets: Lists
  readonly #options: Readonly<Record<string, Zone>>
  readonly #families: readonly Pick<FamilyZones<unknown>, 'has' | 'holds' | 'within' | 'listed' | 'names'>[]

  /** Zone untrust has what is left, and local has no addresses here. */
  constructor(options: Readonly<Record<string, Zone>>, pools: Pools, sets: Lists, routed: Routed) {
    this.#pools = pools
    this.#sets = sets
    this.#options = options
    const given = Object.entries(options).filter(([name]) => name !== UNTRUST)
    const listed: Lists = Object.fromEntries(
      given.flatMap(([name, { addresses }]) => (addresses === undefined ? [] : [[name, addresses]])),
    )
    const [ipv4, ipv6] = [
      new FamilyZones(IPV4, listed, pools, sets, routed),
      new FamilyZones(IPV6, listed, pools, sets, routed),
    ]
    this.#families = [ipv4, ipv6]
    this.names = [...given.map(([name]) => name), UNTRUST]
    const empty = Object.entries(listed).flatMap(([name, list]) => {
      const unknown = this.unknownPools(list)
      const texts = unknown.length === 0 && this.within(name, undefined).length === 0 ? [NO_POOL] : unknown
      return texts.map(text => `zone ${name}: ${text}`)
    })
    this.problems = [...empty, ...ipv4.overlaps, ...ipv6.overlaps].map(invalid)
  }

  /** Whether its addresses are what is routed over its interfaces. */
  isRouted(zone: string): boolean {
    return (
      zone !== UNTRUST && Object.hasOwn(this.#options, zone) && this.#options[zone]?.addresses === undefined
    )
  }

  /** What may lie behind which interface; undefined: no zone has any. Addresses of pools lie behind none. */
  ways(): InterfaceWays | undefined {
    const pools = [...this.#pools.values()].flat()
    const interfacesOf = (zone: string) => this.#options[zone]?.interfaces ?? []
    const inside = (zone: string) => prefixesWithout(this.within(zone, undefined), pools)
    const named = this.names.flatMap(zone => {
      const prefixes = inside(zone)
      return interfacesOf(zone).map(device => [device, prefixes] as const)
    })
    if (named.length === 0) return undefined
    const others = this.names.filter(zone => interfacesOf(zone).length === 0).flatMap(inside)
    return { named: Object.fromEntries(named), others }
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
