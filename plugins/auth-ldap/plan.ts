/** What the options come to, with the defaults of the kind of directory, worked out once. */
import { type AuthMethod, BurrowError } from 'burrow'
import type { Options } from './config.ts'
import { DIRECTORIES, type DirectoryDefaults, isMethod, METHODS, type Method } from './directories.ts'
import { type FilterTemplate, parseFilter } from './filter-template.ts'
import type { GroupRules } from './groups.ts'

export interface Plan {
  readonly options: Options
  /** Tells directories apart. */
  readonly key: string
  readonly defaults: DirectoryDefaults
  readonly filter: FilterTemplate
  readonly userAttribute: string
  /** That speak against an account. */
  readonly state: readonly string[]
  readonly groups: GroupRules
  /** Whether anything depends on groups. */
  readonly wantsGroups: boolean
  /** To be read of every user; none that holds a password. */
  readonly attributes: string[]
  /** What to read besides, to verify by a method. */
  readonly secrets: Readonly<Record<Method, readonly string[]>>
  /** Both. */
  readonly toVerify: Readonly<Record<Method, string[]>>
  readonly acceptedName: 'account' | 'account@realm' | 'given'
}

export function planOf(options: Options): Plan {
  const defaults = DIRECTORIES[options.directory]
  const { base, groups, groupGrants, attributes, realms, clearTextAttribute, ntHashAttribute } = options
  const userAttribute = options.userAttribute ?? defaults.userAttribute
  const state = defaults.state.filter(attribute => !options.ignoreState.includes(attribute))
  const from = groups.from ?? defaults.groupsFrom
  const wantsGroups =
    groups.required !== undefined || groups.refused.length > 0 || groupGrants.length > 0 || groups.granted
  const clearText = some(clearTextAttribute)
  const read = [
    ...new Set([
      userAttribute,
      ...state,
      ...(wantsGroups && from === 'memberOf' ? ['memberOf'] : []),
      ...Object.values(attributes),
    ]),
  ]
  const secrets = { pap: [], 'chap-md5': clearText, mschapv2: [...some(ntHashAttribute), ...clearText] }
  return {
    options,
    key: options.urls?.[0]?.name ?? options.srv?.domain ?? '',
    defaults,
    filter: parseFilter(options.filter ?? defaults.filter),
    userAttribute,
    state,
    groups: {
      base: groups.base ?? base,
      from,
      filter: parseFilter(groups.filter),
      nested: groups.nested ?? (groups.from === undefined ? defaults.nested : 'no'),
      depth: groups.depth,
    },
    wantsGroups,
    attributes: read,
    secrets,
    toVerify: {
      pap: read,
      'chap-md5': [...read, ...secrets['chap-md5']],
      mschapv2: [...read, ...secrets.mschapv2],
    },
    acceptedName: options.acceptedName ?? (realms.length > 0 ? 'account@realm' : 'account'),
  }
}

/** The methods of logins that it answers; throws LDAP_METHODS where it is to answer one that it cannot verify. */
export function methodsOf(
  { options, defaults, secrets }: Plan,
  offered: readonly AuthMethod[],
): readonly Method[] {
  const { methods, clearTextAttribute, ntHashAttribute } = options
  for (const [option, attribute] of Object.entries({ clearTextAttribute, ntHashAttribute }))
    if (attribute !== undefined && defaults.unreadable.includes(attribute.toLowerCase()))
      throw new BurrowError(
        'LDAP_METHODS',
        `${option}: ${defaults.title} lets nobody read ${attribute}; ${defaults.advice}`,
      )
  const able = METHODS.filter(method => method === 'pap' || secrets[method].length > 0)
  const wanted = methods ?? offered.filter(isMethod)
  const unable = wanted.filter(method => !able.includes(method))
  if (unable.length > 0) {
    const who = methods === undefined ? '`ppp.auth` offers' : '`methods` lists'
    const own =
      methods === undefined
        ? '; or say which its users may use (`methods`), the others being for other users'
        : ''
    throw new BurrowError(
      'LDAP_METHODS',
      `as it is set up, this directory (${defaults.title}) can verify ${able.join(', ')}, and ${who} ${unable.join(', ')} as well: ${defaults.advice}${own}`,
    )
  }
  return methods ?? able
}

const some = (attribute: string | undefined): readonly string[] =>
  attribute === undefined ? [] : [attribute]
