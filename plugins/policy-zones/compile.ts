/** From rules between zones to the packet filter of a session. */
import type { AclRule, BurrowError, Prefix } from 'burrow'
import type { Addresses } from './addresses.ts'
import type { NamedRule, Options } from './config.ts'
import { LOCAL } from './rule.ts'
import type { Application, Service } from './services.ts'
import { invalid, type Zones } from './zones.ts'

export interface Meaning {
  readonly zones: Zones
  readonly services: Options['services']
}

/** What a session in `zone` may send, and what may be sent to it. */
export function compileRules(
  rules: readonly NamedRule[],
  meaning: Meaning,
  zone: string,
): readonly AclRule[] {
  return rules.flatMap(rule => [
    ...(rule.from === zone ? aclRules(rule, meaning, 'from-session') : []),
    ...(rule.to === zone ? aclRules(rule, meaning, 'to-session') : []),
  ])
}

function aclRules(rule: NamedRule, meaning: Meaning, direction: AclRule['direction']): readonly AclRule[] {
  const { from, to, source, destination, action, log, name } = rule
  const { zones } = meaning
  const prefixes = (zone: string, list: readonly Addresses[] | undefined) =>
    zone === LOCAL ? ofThisHost(zones, list) : zones.within(zone, list)
  const [sources, destinations] = [prefixes(from, source), prefixes(to, destination)]
  return applicationsOf(rule.service, meaning).map(application => ({
    action,
    direction,
    ...(sources && { source: sources }),
    ...(destinations && { destination: destinations }),
    ...application,
    ...(from === LOCAL || to === LOCAL ? { host: true } : {}),
    ...(log ? { log } : {}),
    name,
  }))
}

/** Undefined: each of its addresses, which change. */
function ofThisHost(zones: Zones, list: readonly Addresses[] | undefined): readonly Prefix[] | undefined {
  const isAny = list?.some(({ kind }) => kind === 'any' || kind === 'own-address') ?? true
  return isAny ? undefined : zones.listed(list ?? [])
}

/** One line of a filter for each protocol: ports of one protocol go together. Without services, one line for all. */
export function applicationsOf(
  service: readonly Service[] | undefined,
  { services }: Pick<Meaning, 'services'>,
): readonly Application[] {
  if (service === undefined) return [{}]
  const all = service.flatMap(one => one.applications ?? namedBy(one.text, services))
  const ported = new Map<number | undefined, Application>()
  for (const one of all) {
    const { protocol, destinationPorts } = one
    if (destinationPorts === undefined) continue
    const before = ported.get(protocol)?.destinationPorts ?? []
    ported.set(protocol, { ...one, destinationPorts: [...before, ...destinationPorts] })
  }
  return [...ported.values(), ...all.filter(({ destinationPorts }) => destinationPorts === undefined)]
}

const namedBy = (name: string, services: Options['services']): readonly Application[] =>
  (services[name] ?? []).flatMap(({ applications }) => applications ?? [])

/** What is wrong with the addresses of the rules, which only the pools of the other plugins tell. */
export function addressProblems(rules: readonly NamedRule[], zones: Zones): readonly BurrowError[] {
  return rules.flatMap(rule =>
    (['source', 'destination'] as const).flatMap(end => {
      const zone = end === 'source' ? rule.from : rule.to
      const list = rule[end] ?? []
      const unknown = zones.unknownPools(list)
      // What is routed over interfaces may be something else in a moment.
      const outside =
        zone === LOCAL || zones.isRouted(zone)
          ? []
          : list.filter(one => zones.within(zone, [one]).length === 0)
      const texts =
        unknown.length > 0
          ? unknown
          : outside.map(({ text }) => `expected addresses of zone ${zone}, ${text} has none`)
      return texts.map(text => invalid(`rule "${rule.name}", ${end}: ${text}`))
    }),
  )
}
