import { z } from 'burrow'
import { Addresses, CODE } from './addresses.ts'
import { ABOUT_SESSIONS, LOCAL, Rule } from './rule.ts'
import { isTimeZone } from './schedule.ts'
import { KNOWN_SERVICES, Service } from './services.ts'

/** Where peers come from: every address that no other zone has. */
export const UNTRUST = 'untrust'
const UDP = 17

const isPlain = ({ kind }: Addresses) => kind !== 'any' && kind !== 'own-address'

const ZoneAddresses = z
  .array(Addresses)
  .min(1)
  .refine(list => list.every(isPlain), {
    error: 'expected prefixes, ranges, pool, pool:NAME or set:NAME',
    params: CODE,
  })

const Interface = z.string().regex(/^[\w.-]{1,15}$/, 'expected the name of a network interface (eth1)')

/** What a zone is made of. */
export interface Zone {
  /** Undefined: what is routed over its interfaces; of untrust what no other zone has. */
  readonly addresses: readonly Addresses[] | undefined
  /** Empty: all that no zone names. */
  readonly interfaces: readonly string[]
}

const Zone = z.union([
  ZoneAddresses.transform((addresses): Zone => ({ addresses, interfaces: [] })),
  z
    .strictObject({
      addresses: ZoneAddresses.exactOptional().describe(
        'As in a list. Default: what the kernel routes over the interfaces.',
      ),
      interfaces: z
        .array(Interface)
        .min(1)
        .describe('What is in the zone comes in by these and leaves by these.'),
    })
    .transform(({ addresses, interfaces }): Zone => ({ addresses, interfaces })),
]) as z.ZodType<Zone, unknown>

const AddressSet = z
  .array(Addresses)
  .min(1)
  .refine(list => list.every(one => isPlain(one) && one.kind !== 'set'), {
    error: 'expected prefixes, ranges, pool or pool:NAME',
    params: CODE,
  })

const NamedService = z
  .array(Service)
  .min(1)
  .refine(list => list.every(({ applications }) => applications !== undefined), {
    error: `expected services as tcp/80 and udp/53-60, or one of ${KNOWN_SERVICES.join(', ')}`,
    params: CODE,
  })

const DMZ: Zone = { addresses: [{ kind: 'pool', text: 'pool', pool: undefined }], interfaces: [] }

const Rules = z.array(Rule).transform(withNames)

/** Each with a name that no other has: counters go by it. */
function withNames(rules: readonly Rule[]): readonly NamedRule[] {
  const taken = new Map<string, number>()
  return rules.map(rule => {
    const name = rule.name ?? `${rule.from} to ${rule.to}`
    const nth = (taken.get(name) ?? 0) + 1
    taken.set(name, nth)
    return { ...rule, name: nth === 1 ? name : `${name} (${nth})` }
  })
}

export type NamedRule = Rule & { readonly name: string }

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
      .transform((zones): Readonly<Record<string, Zone>> => ({ dmz: DMZ, ...zones }))
      .prefault({ trust: ['192.168.1.0/24'] })
      .describe(
        'The addresses and interfaces of each zone; `dmz` has the addresses of all pools where it is not given.',
      ),
    sets: z
      .record(z.string().min(1), AddressSet)
      .default({})
      .describe('Lists of addresses, for `set:NAME` in zones and rules.'),
    services: z
      .record(z.string().regex(/^[a-z][\w-]*$/i, 'expected a name'), NamedService)
      .default({})
      .describe('Services by name, for rules, beside those that have a name.'),
    timeZone: z
      .string()
      .refine(isTimeZone, { error: 'expected a time zone (Europe/Berlin)', params: CODE })
      .exactOptional()
      .describe('Where the clocks of `time` are. Default: this host.'),
    rules: Rules.exactOptional().describe(
      'In order: the first that matches decides; none: denied. Default: the rules of the reference.',
    ),
  })
  .superRefine((options, context) => {
    for (const { path, message } of problemsOf(options))
      context.addIssue({ code: 'custom', path: [...path], message, params: CODE })
  })
export type Options = z.output<typeof Options>

interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

type Unchecked = Pick<Options, 'zones' | 'sets' | 'services' | 'rules'>

/** What only all of it tells. */
function* problemsOf(options: Unchecked): Generator<Problem> {
  const { zones, rules } = options
  for (const name of [UNTRUST, LOCAL])
    if (Object.hasOwn(zones, name) && (name === LOCAL || zones[name]?.addresses !== undefined))
      yield { path: ['zones', name], message: 'expected another name: this zone is given' }
  yield* interfaceProblems(options)
  if (rules === undefined && !Object.hasOwn(zones, 'trust'))
    yield { path: ['zones'], message: 'expected the addresses of zone trust, which the default rules name' }
  for (const [zone, { addresses = [], interfaces }] of Object.entries(zones))
    yield* missingSets(options, ['zones', zone, ...(interfaces.length > 0 ? ['addresses'] : [])], addresses)
  for (const [index, rule] of (rules ?? []).entries())
    for (const { path, message } of ruleProblems(options, rule))
      yield { path: ['rules', index, ...path], message }
}

function* interfaceProblems({ zones, sets }: Unchecked): Generator<Problem> {
  const taken = new Map<string, string>()
  for (const [zone, { addresses = [], interfaces }] of Object.entries(zones)) {
    for (const [index, name] of interfaces.entries()) {
      const other = taken.get(name)
      if (other !== undefined)
        yield {
          path: ['zones', zone, 'interfaces', index],
          message: `it is in zone ${other} already; expected each interface in one zone`,
        }
      taken.set(name, zone)
    }
    const all = addresses.flatMap(one => (one.kind === 'set' ? (sets[one.set] ?? []) : [one]))
    if (interfaces.length > 0 && all.some(({ kind }) => kind === 'pool'))
      yield {
        path: ['zones', zone, 'interfaces'],
        message: 'expected no interfaces in a zone with a pool: its addresses are those of sessions',
      }
  }
}

function* ruleProblems(options: Unchecked, rule: Rule): Generator<Problem> {
  const { zones, services } = options
  const known = [...new Set([UNTRUST, LOCAL, ...Object.keys(zones)])]
  for (const end of ['from', 'to'] as const)
    if (!known.includes(rule[end]))
      yield { path: [end], message: `expected a zone that has addresses (${known.join(', ')})` }
  for (const end of ['source', 'destination'] as const) yield* missingSets(options, [end], rule[end] ?? [])
  for (const { text, applications } of rule.service ?? [])
    if (applications === undefined && !Object.hasOwn(services, text)) {
      const all = [...Object.keys(services), ...KNOWN_SERVICES].join(', ')
      yield { path: ['service'], message: `there is no service "${text}" (there are: ${all})` }
    }
  if (rule.from === LOCAL && (rule.to === LOCAL || !hasSessions(zones, rule.to)))
    yield {
      path: ['to'],
      message: 'expected a zone with a pool: from this host, rules speak of sessions alone',
    }
  if (!guardsL2tp(rule, zones)) return
  for (const about of ABOUT_SESSIONS)
    if (rule[about] !== undefined)
      yield { path: [about], message: `expected no ${about}: who dials has none yet` }
  if (
    rule.service?.some(({ applications }) => applications?.some(({ protocol }) => protocol !== UDP) ?? true)
  )
    yield { path: ['service'], message: 'expected udp: from here to `local` a rule speaks of L2TP' }
  if (rule.destination?.some(({ kind }) => kind === 'pool'))
    yield { path: ['destination'], message: 'expected own-address or addresses of this host' }
}

function* missingSets(
  { sets }: Unchecked,
  path: readonly PropertyKey[],
  list: readonly Addresses[],
): Generator<Problem> {
  for (const one of list)
    if (one.kind === 'set' && !Object.hasOwn(sets, one.set))
      yield {
        path,
        message: `there is no set "${one.set}" (there are: ${Object.keys(sets).join(', ') || 'none'})`,
      }
}

export const hasSessions = (zones: Options['zones'], zone: string): boolean =>
  zones[zone]?.addresses?.some(({ kind }) => kind === 'pool') === true

/** A rule about who may dial; to `local` from where sessions are it speaks of what users may reach on this host. */
export const guardsL2tp = ({ from, to }: Rule, zones: Options['zones']): boolean =>
  to === LOCAL && !hasSessions(zones, from)
