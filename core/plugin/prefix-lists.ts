/** Sets of addresses of both families as lists of prefixes, for plugins. The prefixes of one list do not overlap. */
import type { Prefix } from '../flow.ts'
import { prefixesOf, rangeOf } from './addresses.ts'
import { ipv6BlockOf, ipv6BlocksInBoth, ipv6BlocksWithout, prefixOfBlock } from './ipv6-blocks.ts'
import { rangesInBoth, rangesWithout } from './ranges.ts'

const some = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value])
const ranges = (list: readonly Prefix[]) => list.flatMap(prefix => some(rangeOf(prefix)))
const blocks = (list: readonly Prefix[]) => list.flatMap(prefix => some(ipv6BlockOf(prefix)))

/** What is in both lists. */
export const prefixesInBoth = (a: readonly Prefix[], b: readonly Prefix[]): readonly Prefix[] => [
  ...rangesInBoth(ranges(a), ranges(b)).flatMap(prefixesOf),
  ...ipv6BlocksInBoth(blocks(a), blocks(b)).map(prefixOfBlock),
]

/** What of `list` is in none of `holes`, which may overlap. */
export const prefixesWithout = (list: readonly Prefix[], holes: readonly Prefix[]): readonly Prefix[] => [
  ...rangesWithout(ranges(list), ranges(holes)).flatMap(prefixesOf),
  ...ipv6BlocksWithout(blocks(list), blocks(holes)).map(prefixOfBlock),
]
