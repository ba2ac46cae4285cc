import { z } from 'burrow'
import { STATE_ATTRIBUTES } from './account-state.ts'
import { DIRECTORIES, METHODS } from './directories.ts'
import { parseFilter } from './filter-template.ts'
import { AttributeOptions, GrantOptions } from './grant.ts'
import { PLACEHOLDER } from './names.ts'
import type { Server } from './servers.ts'

const CODE = { code: 'LDAP_CONFIG' } as const
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/

const text = z.string().min(1)
const flag = (value: boolean) => z.boolean().default(value)
const count = (value: number, least: number, most: number) =>
  z.number().int().min(least).max(most).default(value)

type Issues = z.core.ParsePayload['issues']
const wrong = (issues: Issues, input: unknown, message: string) => {
  issues.push({ code: 'custom', input, message, params: CODE })
  return z.NEVER
}

/** ldap://host:port, ldaps://host:port or ldapi://%2Fpath. */
const Url = text.transform((name, { issues }): Server => {
  const [, scheme, rest = ''] = /^(ldaps?|ldapi):\/\/([^/?#]*)\/?$/i.exec(name) ?? []
  if (scheme === undefined)
    return wrong(issues, name, 'expected ldaps://host, ldap://host or ldapi://%2Fpath, and no more')
  const secure = scheme.toLowerCase() === 'ldaps'
  if (scheme.toLowerCase() === 'ldapi') {
    const socketPath = decodeURIComponent(rest)
    if (!socketPath.startsWith('/'))
      return wrong(issues, name, 'expected the path of a socket, as ldapi://%2Frun%2Fslapd%2Fldapi')
    return { name, host: 'localhost', port: 0, secure: false, socketPath }
  }
  const [, ipv6, host = ipv6 ?? '', port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(rest) ?? []
  if (host === '' || Number(port ?? 1) > 65_535)
    return wrong(issues, name, 'expected a host and perhaps a port')
  return { name, host, port: Number(port ?? (secure ? 636 : 389)), secure }
})

/** Stays text, for the plan that `burrow check` prints. */
const Filter = text.transform((filter, { issues }) => {
  try {
    parseFilter(filter)
    return filter
  } catch (error) {
    return wrong(issues, filter, `expected an LDAP filter (RFC 4515): ${(error as Error).message}`)
  }
})

/** A realm or a NetBIOS domain. */
const realm = text
  .regex(/^[^@\\\s]+$/, 'expected a realm without @ and \\')
  .transform(name => name.toLowerCase())
const group = text.describe('A DN, or the name of a group below `groups.base`.')

const Service = z
  .union([
    z.strictObject({ dn: text, password: text }),
    z.strictObject({ external: z.literal(true) }),
    z.strictObject({ anonymous: z.literal(true) }),
  ])
  .describe(
    'Who searches: a DN (or UPN) and its password, our certificate or process (SASL EXTERNAL), or nobody.',
  )

const Srv = z.strictObject({
  domain: text.transform(domain => domain.toLowerCase()).describe('The DNS domain.'),
  service: text.exactOptional().describe('What stands before it. Default: of the kind of directory.'),
  ldaps: flag(true).describe('TLS from the first octet, port 636 where 389 is announced.'),
  dnsServers: z
    .array(text)
    .default([])
    .describe("Name servers, as address or address:port. Default: the system's."),
  refreshS: count(300, 1, 86_400).describe('How often they are asked.'),
})

const Groups = z.strictObject({
  base: text
    .exactOptional()
    .describe('Where groups are searched, and names of groups count. Default: `base`.'),
  from: z.enum(['memberOf', 'search']).exactOptional().describe("The user's entry, or a search by `filter`."),
  filter: Filter.prefault('(member={dn})').describe('Finds the groups of an entry: {dn}, {account}, {user}.'),
  nested: z.enum(['no', 'walk', 'in-chain']).exactOptional().describe('Whether groups in groups count.'),
  depth: count(8, 1, 64).describe('walk: levels above the groups of the user; more refuse the login.'),
  required: z.array(group).min(1).exactOptional().describe('The user must be in one of them.'),
  refused: z.array(group).default([]).describe('The user must be in none of them.'),
  granted: flag(false).describe('The grant names the groups, for policies that speak of them.'),
})

export const Options = z
  .strictObject({
    directory: z.enum(['openldap', 'active-directory', 'freeipa']).default('openldap').describe('Its kind.'),
    urls: z.array(Url).min(1).exactOptional().describe('Servers, first choice first.'),
    srv: Srv.exactOptional().describe('Or servers that the DNS names.'),
    startTls: flag(false).describe('ldap: TLS before anything else is said.'),
    allowClearText: flag(false).describe('ldap without TLS to other hosts, although passwords go over it.'),
    caFile: text.exactOptional().describe("Certificates to trust instead of the system's, PEM."),
    certFile: text.exactOptional().describe('Our certificate, PEM; with keyFile.'),
    keyFile: text.exactOptional().describe('Its key, PEM, without a passphrase.'),
    serverName: text
      .exactOptional()
      .describe('The name in their certificates. Default: the host of the url.'),
    service: Service.exactOptional(),
    base: text.describe('DN below which users are searched.'),
    scope: z.enum(['one', 'sub']).default('sub').describe('How deep.'),
    filter: Filter.exactOptional().describe('Finds a user: {account}, {user}, {realm}.'),
    bindAs: text
      .exactOptional()
      .describe('Without a search: what users bind as, a DN, a UPN or DOMAIN\\{account}.'),
    userAttribute: text.exactOptional().describe('Holds the name of the account.'),
    realms: z
      .array(realm)
      .default([])
      .describe('Realms and domains of its users; none: every name, as it is.'),
    withoutRealm: z.enum(['accept', 'next']).default('accept').describe('With realms: users who give none.'),
    nameCase: z.enum(['fold', 'exact']).default('fold').describe('Whether the case of names counts.'),
    acceptedName: z
      .enum(['account', 'account@realm', 'given'])
      .exactOptional()
      .describe('What the user is called from then on. Default: account, with realms account@realm.'),
    unknownUser: z
      .enum(['next', 'reject'])
      .default('next')
      .describe('Who is not found: the next plugin is asked, or not.'),
    serves: z
      .enum(['logins', 'plugins'])
      .default('logins')
      .describe('Answer logins; or only plugins that require `users` and ask for something more.'),
    methods: z
      .array(z.enum(METHODS))
      .min(1)
      .exactOptional()
      .describe('Those that its users may use. Default: all of `ppp.auth`, which it must be able to verify.'),
    clearTextAttribute: text
      .exactOptional()
      .describe('Holds passwords in clear text: for CHAP and MS-CHAPv2.'),
    ntHashAttribute: text
      .exactOptional()
      .describe('Holds NT hashes, hexadecimal or as octets: for MS-CHAPv2.'),
    groups: Groups.prefault({}),
    ignoreState: z
      .array(z.enum(STATE_ATTRIBUTES as [string, ...string[]]))
      .default([])
      .describe('Attributes that do not speak against an account.'),
    attributes: AttributeOptions.default({}).describe('Which attribute of the entry grants what.'),
    groupGrants: z
      .array(z.strictObject({ group, grant: GrantOptions }))
      .default([])
      .describe('What groups grant; of two, the first that says something of a field decides it.'),
    grant: GrantOptions.default({}).describe('What every user is granted of which nothing else is said.'),
    connectTimeoutMs: count(2000, 1, 60_000).describe('For a connection with its TLS.'),
    timeoutMs: count(3000, 1, 60_000).describe('For the answer to a search or a bind.'),
    deadTimeMs: count(30_000, 0, 3_600_000).describe('A server that failed is asked last for so long.'),
    bindConnections: count(8, 1, 256).describe('At most so many, for passwords.'),
    bindsWaiting: count(1024, 0, 100_000).describe(
      'Logins that may wait for one; beyond, it is unavailable.',
    ),
    bindFailures: count(4, 0, 1000).describe('Wrong passwords of one user that reach the directory; 0: all.'),
    bindFailuresWindowS: count(1800, 1, 86_400).describe('Since the last of them.'),
    cacheEntries: count(0, 0, 1_000_000).describe(
      'Entries that are kept for a while; never with a password.',
    ),
    cacheForS: count(60, 1, 86_400).describe('How long.'),
  })
  .superRefine((options, context) => {
    const fault = (path: PropertyKey, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: CODE })
    const {
      urls = [],
      srv,
      startTls,
      allowClearText,
      certFile,
      keyFile,
      service,
      bindAs,
      groups,
      directory,
    } = options
    if (urls.length > 0 === (srv !== undefined)) fault('urls', 'expected exactly one of urls and srv')
    for (const [index, { secure, host, socketPath }] of urls.entries()) {
      if (secure && startTls) fault('startTls', 'expected urls of ldap: ldaps is TLS already')
      if (!secure && socketPath === undefined && !startTls && !allowClearText && !LOOPBACK.test(host))
        context.addIssue({
          code: 'custom',
          path: ['urls', index],
          message: 'expected ldaps, or startTls: passwords go over it (or `allowClearText: true`)',
          params: CODE,
        })
    }
    if (srv?.ldaps === false && !startTls && !allowClearText)
      fault('srv', 'expected ldaps or startTls: passwords go over it (or `allowClearText: true`)')
    if (srv?.ldaps === true && startTls) fault('startTls', 'expected `ldaps: false` in srv beside it')
    if ((certFile === undefined) !== (keyFile === undefined))
      fault(certFile === undefined ? 'keyFile' : 'certFile', 'expected certFile and keyFile together')
    if (service === undefined && bindAs === undefined)
      fault('service', 'expected service, for a search, or bindAs, for users who bind without one')
    if (bindAs !== undefined && bindAs.match(PLACEHOLDER) === null)
      fault('bindAs', 'expected {account} or {user} in it')
    if (bindAs !== undefined && service === undefined)
      for (const option of ['clearTextAttribute', 'ntHashAttribute'] as const)
        if (options[option] !== undefined) fault(option, 'expected service beside it: somebody must read it')
    const nested = groups.nested ?? DIRECTORIES[directory].nested
    if (nested === 'in-chain' && directory !== 'active-directory')
      fault(
        'groups',
        'expected nested: walk; other directories than Active Directory find nothing by in-chain',
      )
    if (nested === 'walk' && !groups.filter.includes('{dn}'))
      fault('groups', 'expected {dn} in the filter: groups are in groups by their DN')
  })
export type Options = z.output<typeof Options>
