/** From rules between zones to the packet filter of a session. */
import type { AclRule, BurrowError } from 'burrow'
import { nameOf } from './admission.ts'
import { type Addresses, LOCAL, type Rule } from './config.ts'
import { invalid, type Zones } from './zones.ts'

/** What a session in `zone` may send, and what may be sent to it, where it is granted `filter`. */
export function compileRules(
  rules: readonly Rule[],
  zones: Zones,
  zone: string,
  filter?: string,
): readonly AclRule[] {
  return rules
    .filter(rule => rule.to !== LOCAL && (rule.filter === undefined || rule.filter === filter))
    .flatMap(rule => [
      ...(rule.from === zone ? [aclRule(rule, zones, 'from-session')] : []),
      ...(rule.to === zone ? [aclRule(rule, zones, 'to-session')] : []),
    ])
}

function aclRule(rule: Rule, zones: Zones, direction: AclRule['direction']): AclRule {
  const { from, to, source, destination, action, protocol, ports } = rule
  return {
    action,
    direction,
    source: zones.within(from, source),
    destination: zones.within(to, destination),
    ...(protocol === undefined ? {} : { protocol }),
    ...(ports === undefined ? {} : { destinationPorts: ports }),
    name: nameOf(rule),
  }
}

/** What is wrong with the addresses of the rules, which only the pools of the other plugins tell. */
export function ruleProblems(rules: readonly Rule[], zones: Zones): readonly BurrowError[] {
  return rules.flatMap(rule => [
    ...endProblems(rule, zones, 'source', rule.from, rule.source),
    ...(rule.to === LOCAL ? [] : endProblems(rule, zones, 'destination', rule.to, rule.destination)),
  ])
}

function endProblems(
  rule: Rule,
  zones: Zones,
  end: 'source' | 'destination',
  zone: string,
  list: readonly Addresses[] = [],
): readonly BurrowError[] {
  const unknown = zones.unknownPools(list)
  const outside = list.filter(one => zones.within(zone, [one]).length === 0)
  const texts =
    unknown.length > 0
      ? unknown
      : outside.map(({ text }) => `expected addresses of zone ${zone}, ${text} has none`)
  return texts.map(text => invalid(`rule "${nameOf(rule)}", ${end}: ${text}`))
}
