/** The groups of a user, those that its groups are in included where the config wants it. */
import { ExtensibleFilter, type Filter } from 'ldapts'
import type { Found, SearchRequest } from './connection.ts'
import type { Entry } from './entry.ts'
import { anyOf, type FilterTemplate } from './filter-template.ts'
import { comparableDn, firstValue, isBelow, type Name } from './names.ts'

export interface Group {
  readonly dn: string
  /** What its first RDN says. */
  readonly name: string
}

export interface GroupRules {
  readonly base: string
  /** `memberOf`: as the user's entry says; `search`: those that `filter` finds. */
  readonly from: 'memberOf' | 'search'
  readonly filter: FilterTemplate
  /** `in-chain`: Active Directory walks by itself; `walk`: we do, level by level. */
  readonly nested: 'no' | 'walk' | 'in-chain'
  /** Levels of groups above those that the user is in. */
  readonly depth: number
}

export type Search = (request: SearchRequest) => Promise<Found>

/** LDAP_MATCHING_RULE_IN_CHAIN, [MS-ADTS] 3.1.1.3.4.4.3. */
const IN_CHAIN = '1.2.840.113556.1.4.1941'
/** Of one user, and of one search: beyond, what is refused might be among those that are missing. */
const MOST_GROUPS = 1000
/** DNs in one filter. */
const AT_ONCE = 50
/** RFC 4511 4.5.1.8. */
const NO_ATTRIBUTES = ['1.1']

export class TooManyGroups extends Error {}

export async function groupsOf(
  entry: Entry,
  name: Name,
  rules: GroupRules,
  search: Search,
): Promise<readonly Group[]> {
  const find = (filter: Filter) => searchGroups(search, rules.base, filter)
  if (rules.nested === 'in-chain')
    return find(new ExtensibleFilter({ matchType: 'member', rule: IN_CHAIN, value: entry.dn }))
  const direct =
    rules.from === 'memberOf'
      ? entry.texts('memberOf').map(groupAt)
      : await find(rules.filter({ ...name, dn: entry.dn }))
  return rules.nested === 'no' ? direct : walk(direct, rules, find)
}

async function walk(
  direct: readonly Group[],
  { filter, depth }: GroupRules,
  find: (filter: Filter) => Promise<readonly Group[]>,
): Promise<readonly Group[]> {
  const all = new Map(direct.map(group => [comparableDn(group.dn), group]))
  let level = direct
  for (let levels = 0; level.length > 0; levels++) {
    const parents: Group[] = []
    for (let at = 0; at < level.length; at += AT_ONCE) {
      const some = level.slice(at, at + AT_ONCE)
      parents.push(...(await find(anyOf(some.map(({ dn }) => filter({ dn }))))))
    }
    level = parents.filter(({ dn }) => !all.has(comparableDn(dn)))
    // A group of them could be one that is refused.
    if (level.length > 0 && levels === depth)
      throw new TooManyGroups(`its groups are nested deeper than ${depth}`)
    for (const group of level) all.set(comparableDn(group.dn), group)
    if (all.size > MOST_GROUPS) throw new TooManyGroups(`it is in more than ${MOST_GROUPS} groups`)
  }
  return [...all.values()]
}

async function searchGroups(search: Search, base: string, filter: Filter): Promise<readonly Group[]> {
  const sizeLimit = MOST_GROUPS + 1
  const { entries } = await search({ base, scope: 'sub', filter, attributes: NO_ATTRIBUTES, sizeLimit })
  if (entries.length === sizeLimit) throw new TooManyGroups(`it is in more than ${MOST_GROUPS} groups`)
  return entries.map(({ dn }) => groupAt(dn))
}

const groupAt = (dn: string): Group => ({ dn, name: firstValue(dn) })

/** Whether a group of the config is one of them: by DN, or by name where it stands below the base, for names elsewhere may be anybody's. */
export function isIn(groups: readonly Group[], wanted: string, base: string): boolean {
  if (wanted.includes('=')) {
    const dn = comparableDn(wanted)
    return groups.some(group => comparableDn(group.dn) === dn)
  }
  const lower = wanted.toLowerCase()
  return groups.some(({ dn, name }) => name.toLowerCase() === lower && isBelow(dn, base))
}

/** As `isIn` would have them named. */
export const namesOf = (groups: readonly Group[], base: string): readonly string[] =>
  groups.map(({ dn, name }) => (isBelow(dn, base) ? name : dn))
