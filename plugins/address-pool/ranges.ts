import type { Ipv4Range } from 'burrow'

export const overlap = (a: Ipv4Range, b: Ipv4Range): boolean => a.first <= b.last && b.first <= a.last

export const isWithin = (ranges: readonly Ipv4Range[], address: number): boolean =>
  ranges.some(({ first, last }) => first <= address && address <= last)

/** What of `ranges` is in none of `holes`. */
export function without(ranges: readonly Ipv4Range[], holes: readonly Ipv4Range[]): readonly Ipv4Range[] {
  return holes.reduce<readonly Ipv4Range[]>(
    (left, hole) => left.flatMap(range => (overlap(range, hole) ? cut(range, hole) : [range])),
    ranges,
  )
}

function cut({ first, last }: Ipv4Range, hole: Ipv4Range): readonly Ipv4Range[] {
  return [
    { first, last: hole.first - 1 },
    { first: hole.last + 1, last },
  ].filter(part => part.first <= part.last)
}
