import {
  type Ipv4Range,
  ipv4RangeOption,
  ipv6BlockOf,
  ipv6BlocksOverlap,
  ipv6PrefixOption,
  type Prefix,
  rangesOverlap,
  rangeText,
  z,
} from 'burrow'

const Range = ipv4RangeOption('POOL_INVALID')
const NAME = /^[\w.-]{1,64}$/
const NAME_EXPECTED = 'expected a name of letters, digits, ".", "-" and "_"'

const Pool = z.strictObject({
  ranges: z.array(Range).min(1).describe('first-last, address/length, or single addresses.'),
  exclude: z
    .array(Range)
    .default([])
    .describe('Never given out by itself, only to a user whose grant names the address.'),
})
export type PoolOptions = z.output<typeof Pool>

const PrefixPool = z.strictObject({
  prefixes: z.array(ipv6PrefixOption('POOL_INVALID')).min(1).describe('IPv6 prefixes to divide.'),
  length: z.number().int().min(1).max(128).describe('Bits of each prefix that is given out.'),
})
export type PrefixPoolOptions = z.output<typeof PrefixPool>

const prefixPools = (length: z.ZodDefault<z.ZodNumber> | z.ZodNumber) =>
  z.record(z.string().regex(NAME, NAME_EXPECTED), PrefixPool.extend({ length })).default({})

const MOST_ADDRESSES = 2 ** 24
/** 0/8, 127/8, and all that is multicast or reserved: no host can have such an address. */
export const NOT_UNICAST: readonly Ipv4Range[] = [
  { first: 0, last: 0x00ff_ffff },
  { first: 0x7f00_0000, last: 0x7fff_ffff },
  { first: 0xe000_0000, last: 0xffff_ffff },
]

export const Options = z
  .strictObject({
    pools: z
      .record(z.string().regex(NAME, NAME_EXPECTED), Pool)
      .refine(pools => Object.keys(pools).length > 0, 'expected at least one pool')
      .describe('By name.'),
    defaultPool: z
      .string()
      .exactOptional()
      .describe('For users whose grant names no pool. Default: the first one.'),
    prefixPools: prefixPools(
      z
        .number()
        .int()
        .min(1)
        .max(128)
        .default(64)
        .describe('Bits of each prefix; hosts make addresses of 64 (RFC 4862).'),
    ).describe(
      'IPv6 prefixes for the links of sessions, by name; where there are none, sessions have no IPv6.',
    ),
    delegatedPools: prefixPools(
      z.number().int().min(1).max(128).default(56).describe('Bits of each prefix.'),
    ).describe('IPv6 prefixes for networks behind clients (DHCPv6 prefix delegation).'),
    unknownPool: z
      .enum(['refuse', 'next'])
      .default('refuse')
      .describe('A grant that names a pool which is not here: refuse, or ask the next plugin.'),
    onStaticInUse: z
      .enum(['replace', 'refuse'])
      .default('replace')
      .describe(
        'A user dials again while his own session still has his address: end that session, or refuse.',
      ),
    stickyUsers: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(65_536)
      .describe('Users whose last address is remembered; 0: nobody.'),
  })
  .superRefine(({ pools, prefixPools, delegatedPools, defaultPool }, context) => {
    const wrong = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: { code: 'POOL_INVALID' } })
    if (defaultPool !== undefined && !Object.hasOwn(pools, defaultPool)) {
      wrong(['defaultPool'], `expected one of ${Object.keys(pools).join(', ')}`)
    }
    const seen: { readonly range: Ipv4Range; readonly where: string }[] = []
    let addresses = 0
    for (const [name, { ranges, exclude }] of Object.entries(pools)) {
      for (const [index, range] of ranges.entries()) {
        const path = ['pools', name, 'ranges', index]
        addresses += range.last - range.first + 1
        const other = seen.find(one => rangesOverlap(one.range, range))
        if (other !== undefined) wrong(path, `expected addresses of its own; ${other.where} has some of them`)
        if (NOT_UNICAST.some(bad => rangesOverlap(bad, range)))
          wrong(path, 'expected addresses that hosts can have')
        seen.push({ range, where: `${rangeText(range)} of pool "${name}"` })
      }
      for (const [index, hole] of exclude.entries()) {
        if (ranges.some(range => rangesOverlap(range, hole))) continue
        wrong(['pools', name, 'exclude', index], 'expected addresses of this pool')
      }
    }
    prefixProblems({ pools, prefixPools, delegatedPools }, wrong)
    if (addresses > MOST_ADDRESSES) wrong(['pools'], `expected at most ${MOST_ADDRESSES} addresses in all`)
  })
export type Options = z.output<typeof Options>

type Pools = Readonly<Record<string, unknown>>
type PrefixPools = Readonly<Record<string, PrefixPoolOptions>>

/** Every pool has a name and prefixes of its own, of which there are not too many. */
function prefixProblems(
  {
    pools,
    ...kinds
  }: { readonly pools: Pools; readonly prefixPools: PrefixPools; readonly delegatedPools: PrefixPools },
  wrong: (path: PropertyKey[], message: string) => void,
): void {
  const seen: { readonly prefix: Prefix; readonly where: string }[] = []
  const names = new Set(Object.keys(pools))
  for (const [kind, named] of Object.entries(kinds))
    for (const [name, { prefixes, length }] of Object.entries(named)) {
      if (names.has(name)) wrong([kind, name], 'expected a name that no other pool has')
      names.add(name)
      for (const [index, prefix] of prefixes.entries()) {
        const path = [kind, name, 'prefixes', index]
        const bits = length - prefix.length
        if (bits < 0) wrong(path, `expected a prefix that /${length} fits into`)
        if (bits > MOST_PREFIX_BITS)
          wrong(path, `expected at most ${2 ** MOST_PREFIX_BITS} prefixes of /${length}`)
        const other = seen.find(one => overlap(one.prefix, prefix))
        if (other !== undefined) wrong(path, `expected prefixes of its own; ${other.where} has some of them`)
        seen.push({ prefix, where: `${prefix.address}/${prefix.length} of pool "${name}"` })
      }
    }
}

/** A /48 of /64s: the search for a free one looks at each. */
const MOST_PREFIX_BITS = 16

function overlap(one: Prefix, other: Prefix): boolean {
  const [a, b] = [ipv6BlockOf(one), ipv6BlockOf(other)]
  return a !== undefined && b !== undefined && ipv6BlocksOverlap(a, b)
}
