/** Sets of IPv4 addresses as lists of ranges, for plugins. The ranges of one list do not overlap. */
import { formatIpv4 } from '../wire/ip.ts'
import type { Ipv4Range } from './addresses.ts'

/** 0.0.0.0 to 255.255.255.255. */
export const EVERY_ADDRESS: Ipv4Range = { first: 0, last: 0xffff_ffff }

/** Whether some address is in both lists. */
export const rangesOverlap = (a: Ipv4Range, b: Ipv4Range): boolean => a.first <= b.last && b.first <= a.last

/** Whether an address, as a number, is in one of the ranges. */
export const isInRanges = (ranges: readonly Ipv4Range[], address: number): boolean =>
  ranges.some(({ first, last }) => first <= address && address <= last)

/** What is in both. */
export function rangesInBoth(a: readonly Ipv4Range[], b: readonly Ipv4Range[]): readonly Ipv4Range[] {
  return a.flatMap(one =>
    b
      .filter(other => rangesOverlap(one, other))
      .map(other => ({ first: Math.max(one.first, other.first), last: Math.min(one.last, other.last) })),
  )
}

/** What of `ranges` is in none of `holes`. */
export function rangesWithout(
  ranges: readonly Ipv4Range[],
  holes: readonly Ipv4Range[],
): readonly Ipv4Range[] {
  return holes.reduce<readonly Ipv4Range[]>(
    (left, hole) => left.flatMap(range => (rangesOverlap(range, hole) ? cut(range, hole) : [range])),
    ranges,
  )
}

/** As an operator writes it. */
export const rangeText = ({ first, last }: Ipv4Range): string =>
  first === last ? formatIpv4(first) : `${formatIpv4(first)}-${formatIpv4(last)}`

function cut({ first, last }: Ipv4Range, hole: Ipv4Range): readonly Ipv4Range[] {
  return [
    { first, last: hole.first - 1 },
    { first: hole.last + 1, last },
  ].filter(part => part.first <= part.last)
}
