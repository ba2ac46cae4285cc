import { type Ipv4Range, ipv4RangeOption, ipv6PrefixOption, type Prefix, z } from 'burrow'

/** Where peers come from: every address that no other zone has. */
export const UNTRUST = 'untrust'
/** This host itself. */
export const LOCAL = 'local'

const CODE = { code: 'POLICY_INVALID' } as const
const Range = ipv4RangeOption(CODE.code)
const Prefix6 = ipv6PrefixOption(CODE.code)

/** One word of a list of addresses. */
export type Addresses =
  | { readonly kind: 'any' | 'own-address'; readonly text: string }
  /** Without a name: all pools. */
  | { readonly kind: 'pool'; readonly text: string; readonly pool: string | undefined }
  | { readonly kind: 'range'; readonly text: string; readonly range: Ipv4Range }
  | { readonly kind: 'prefix6'; readonly text: string; readonly prefix: Prefix }

const Addresses = z.string().transform((text, context): Addresses => {
  if (text === 'any' || text === 'own-address') return { kind: text, text }
  if (text === 'pool') return { kind: 'pool', text, pool: undefined }
  if (text.startsWith('pool:')) return { kind: 'pool', text, pool: text.slice('pool:'.length) }
  if (text.includes(':')) {
    const prefix = Prefix6.safeParse(text)
    if (prefix.success) return { kind: 'prefix6', text, prefix: prefix.data }
  }
  const range = Range.safeParse(text)
  if (range.success) return { kind: 'range', text, range: range.data }
  const message = `${range.error.issues[0]?.message}, an IPv6 prefix (2001:db8::/32), any, own-address, pool or pool:NAME`
  context.issues.push({ code: 'custom', input: text, message, params: CODE })
  return z.NEVER
})

const Ports = z
  .union([
    z.number().int().min(0).max(65_535),
    z.string().regex(/^\d{1,5}-\d{1,5}$/, 'expected a port or a range of ports (1000-2000)'),
  ])
  .transform((ports, context) => {
    const [from = 0, to = from] = String(ports).split('-').map(Number)
    if (from <= to && to <= 65_535) return { from, to }
    const message = 'expected a range of ports between 0 and 65535'
    context.issues.push({ code: 'custom', input: ports, message, params: CODE })
    return z.NEVER
  })

/** One, or a list. */
const some = <Item extends z.ZodType>(item: Item) =>
  z.union([item.transform(one => [one]), z.array(item).min(1)]) as z.ZodType<z.output<Item>[], unknown>

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17 } as const

const NOT_BETWEEN = 'expected another zone: nothing ever passes between sessions and this host itself'

const Rule = z
  .strictObject({
    name: z.string().min(1).exactOptional().describe('Shown where the rule is shown.'),
    from: z.string().min(1).describe('Zone of the source.'),
    to: z.string().min(1).describe('Zone of the destination.'),
    source: some(Addresses)
      .exactOptional()
      .describe('Within the zone: any, pool, pool:NAME, prefixes, ranges. Default: any.'),
    destination: some(Addresses)
      .exactOptional()
      .describe('The same; to `local` also own-address. Default: any.'),
    protocol: z
      .union([
        z.enum(['icmp', 'tcp', 'udp']).transform(name => PROTOCOLS[name]),
        z.number().int().min(0).max(255),
      ])
      .exactOptional()
      .describe('icmp, tcp, udp, or a number. Default: any.'),
    ports: some(Ports)
      .exactOptional()
      .describe('Destination ports of tcp or udp, single or from-to. Default: any.'),
    filter: z
      .string()
      .min(1)
      .exactOptional()
      .describe('Counts only for sessions that are granted this filter (Filter-Id).'),
    action: z.enum(['permit', 'deny']),
  })
  .superRefine(({ from, to, source, destination, protocol, ports, filter }, context) => {
    const wrong = (path: PropertyKey, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: CODE })
    const guardsL2tp = to === LOCAL
    if (from === LOCAL) wrong('from', NOT_BETWEEN)
    if (guardsL2tp && protocol !== undefined && protocol !== PROTOCOLS.udp) {
      wrong('protocol', 'expected udp: to `local` a rule speaks of L2TP')
    }
    if (guardsL2tp && filter !== undefined) {
      wrong('filter', 'expected no filter: who dials has none yet')
    }
    if (!guardsL2tp && ports !== undefined && protocol !== PROTOCOLS.tcp && protocol !== PROTOCOLS.udp) {
      wrong('ports', 'expected `protocol: tcp` or `protocol: udp` beside it')
    }
    const own = (list: readonly Addresses[] | undefined) => list?.some(({ kind }) => kind === 'own-address')
    if (own(source) || (own(destination) && !guardsL2tp)) {
      wrong(own(source) ? 'source' : 'destination', 'expected own-address only as destination in zone local')
    }
    if (guardsL2tp && destination?.some(({ kind }) => kind === 'pool')) {
      wrong('destination', 'expected own-address or addresses of this host')
    }
  })
export type Rule = z.output<typeof Rule>

const Zone = z
  .array(Addresses)
  .min(1)
  .refine(list => list.every(({ kind }) => kind === 'pool' || kind === 'range' || kind === 'prefix6'), {
    error: 'expected prefixes, ranges, pool or pool:NAME',
    params: CODE,
  })

const DMZ: readonly Addresses[] = [{ kind: 'pool', text: 'pool', pool: undefined }]

const Rules = z.array(Rule)

/** Table 1 of the reference. */
export const REFERENCE_RULES = Rules.parse([
  { name: 'l2tp', from: UNTRUST, to: LOCAL, destination: 'own-address', action: 'permit' },
  { name: 'users-to-intranet', from: 'dmz', to: 'trust', source: 'pool', action: 'permit' },
  { name: 'intranet-to-users', from: 'trust', to: 'dmz', destination: 'pool', action: 'permit' },
])

export const Options = z
  .strictObject({
    zones: z
      .record(z.string().min(1), Zone)
      .transform((zones): Readonly<Record<string, readonly Addresses[]>> => ({ dmz: DMZ, ...zones }))
      .prefault({ trust: ['192.168.1.0/24'] })
      .describe('The addresses of each zone; `dmz` has those of all pools where it is not given.'),
    rules: Rules.exactOptional().describe(
      'In order: the first that matches decides; none: denied. Default: the rules of the reference.',
    ),
  })
  .superRefine(({ zones, rules }, context) => {
    const wrong = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: CODE })
    for (const name of [UNTRUST, LOCAL]) {
      if (Object.hasOwn(zones, name)) wrong(['zones', name], 'expected another name: this zone is given')
    }
    if (rules === undefined && !Object.hasOwn(zones, 'trust')) {
      wrong(['zones'], 'expected the addresses of zone trust, which the default rules name')
    }
    const known = [UNTRUST, LOCAL, ...Object.keys(zones)]
    for (const [index, rule] of (rules ?? []).entries()) {
      const hasSessions = zones[rule.from]?.some(({ kind }) => kind === 'pool')
      if (rule.to === LOCAL && hasSessions) wrong(['rules', index, 'from'], NOT_BETWEEN)
      for (const end of ['from', 'to'] as const) {
        if (known.includes(rule[end])) continue
        wrong(['rules', index, end], `expected a zone that has addresses (${known.join(', ')})`)
      }
    }
  })
export type Options = z.output<typeof Options>
