import { type Ipv4Range, ipv4RangeOption, rangesOverlap, rangeText, z } from 'burrow'

const Range = ipv4RangeOption('POOL_INVALID')

const Pool = z.strictObject({
  ranges: z.array(Range).min(1).describe('first-last, address/length, or single addresses.'),
  exclude: z
    .array(Range)
    .default([])
    .describe('Never given out by itself, only to a user whose grant names the address.'),
})
export type PoolOptions = z.output<typeof Pool>

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
      .record(
        z.string().regex(/^[\w.-]{1,64}$/, 'expected a name of letters, digits, ".", "-" and "_"'),
        Pool,
      )
      .refine(pools => Object.keys(pools).length > 0, 'expected at least one pool')
      .describe('By name.'),
    defaultPool: z
      .string()
      .exactOptional()
      .describe('For users whose grant names no pool. Default: the first one.'),
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
  .superRefine(({ pools, defaultPool }, context) => {
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
    if (addresses > MOST_ADDRESSES) wrong(['pools'], `expected at most ${MOST_ADDRESSES} addresses in all`)
  })
export type Options = z.output<typeof Options>
