/** One line of the policy. */
import { splitUser, z } from 'burrow'
import { Addresses, CODE, some } from './addresses.ts'
import { Window } from './schedule.ts'
import { Service } from './services.ts'

const names = (what: string) => some(z.string().min(1)).exactOptional().describe(what)

export const Rule = z
  .strictObject({
    name: z.string().min(1).exactOptional().describe('Shown where the rule is shown.'),
    from: z.string().min(1).describe('Zone of the source.'),
    to: z.string().min(1).describe('Zone of the destination.'),
    source: some(Addresses)
      .exactOptional()
      .describe('Within the zone: any, pool, pool:NAME, set:NAME, prefixes, ranges. Default: any.'),
    destination: some(Addresses)
      .exactOptional()
      .describe('The same; to `local` also own-address. Default: any.'),
    service: some(Service)
      .exactOptional()
      .describe('Names (dns, http, ping), tcp/80, udp/1000-2000, icmp/echo-request, ip/47. Default: any.'),
    users: names('Counts only for sessions of these users.'),
    groups: names('Counts only for sessions of users that are in one of these groups.'),
    realms: names('Counts only for sessions of users of these realms, user@REALM or REALM\\user.'),
    filter: z
      .string()
      .min(1)
      .exactOptional()
      .describe('Counts only for sessions that are granted this filter (Filter-Id).'),
    time: some(Window).exactOptional().describe('Counts only then: "Mon-Fri 08:00-18:00".'),
    action: z.enum(['permit', 'deny', 'reject']).describe('`reject` tells whoever sent it.'),
    log: z
      .boolean()
      .default(false)
      .describe('A line for each conversation that it permits, at a bounded rate.'),
  })
  .superRefine(({ from, to, source, destination }, context) => {
    const own = (list: readonly Addresses[] | undefined) => list?.some(({ kind }) => kind === 'own-address')
    const wrong = (path: string) =>
      context.addIssue({
        code: 'custom',
        path: [path],
        message: 'expected own-address only at the end that is in zone local',
        params: CODE,
      })
    if (own(source) && from !== LOCAL) wrong('source')
    if (own(destination) && to !== LOCAL) wrong('destination')
  })
export type Rule = z.output<typeof Rule>

/** This host itself. */
export const LOCAL = 'local'

/** About sessions: nobody knows of a peer that dials who its users will be. */
export const ABOUT_SESSIONS = ['users', 'groups', 'realms', 'filter'] as const

/** Of whom a rule may speak. */
export interface Who {
  readonly user: string
  readonly groups?: readonly string[]
  readonly filter?: string
}

export function appliesTo({ users, groups, realms, filter }: Rule, who: Who): boolean {
  return (
    (users === undefined || users.includes(who.user)) &&
    (realms === undefined || realms.some(realm => sameName(realm, splitUser(who.user)?.realm ?? ''))) &&
    (groups === undefined || groups.some(group => who.groups?.some(own => sameName(own, group)))) &&
    (filter === undefined || filter === who.filter)
  )
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
