/** A dimension of a packet, cut into intervals in each of which the same rules match. */

/** Both ends included. */
export interface Range {
  readonly from: bigint
  readonly to: bigint
}

export interface Intervals {
  /** Where each interval begins, ascending from 0; an IPv6 address is four numbers, the highest first. */
  readonly starts: Uint32Array
  /** The set of rules of each interval, one after the other. */
  readonly sets: Int32Array
}

const WORD_BITS = 32
const WORD = 0xffff_ffffn

/** Of rules by their number: undefined matches everything, an empty list nothing. Values have `bits` bits. */
export function compileIntervals(rules: readonly (readonly Range[] | undefined)[], bits: number): Intervals {
  const end = 1n << BigInt(bits)
  const cuts = rules.flatMap(ranges => ranges?.flatMap(({ from, to }) => [from, to + 1n]) ?? [])
  const starts = [...new Set([0n, ...cuts])].filter(cut => cut < end).sort((a, b) => (a < b ? -1 : 1))
  const placeOf = new Map(starts.map((start, place) => [start, place]))
  const words = Math.max(1, Math.ceil(rules.length / WORD_BITS))
  const sets = new Int32Array(starts.length * words)
  for (const [rule, ranges] of rules.entries()) {
    const [word, bit] = [rule >> 5, 1 << (rule & 31)]
    for (const { from, to } of ranges ?? [{ from: 0n, to: end - 1n }]) {
      const last = placeOf.get(to + 1n) ?? starts.length
      for (let place = placeOf.get(from) ?? last; place < last; place++)
        sets[place * words + word] = (sets[place * words + word] ?? 0) | bit
    }
  }
  const numbers = bits > WORD_BITS ? starts.flatMap(quarters) : starts.map(Number)
  return { starts: Uint32Array.from(numbers), sets }
}

const quarters = (address: bigint): readonly number[] =>
  [96n, 64n, 32n, 0n].map(shift => Number((address >> shift) & WORD))

/** The number of the interval that holds `value`, which may be signed. */
export function intervalOf({ starts }: Intervals, value: number): number {
  const unsigned = value >>> 0
  let low = 0
  let high = starts.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= unsigned) low = middle
    else high = middle
  }
  return low
}

/** The same of the IPv6 address in `view` at `at`. */
export function intervalOf6({ starts }: Intervals, view: DataView, at: number): number {
  let low = 0
  let high = starts.length >> 2
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (isAtMost(starts, 4 * middle, view, at)) low = middle
    else high = middle
  }
  return low
}

function isAtMost(starts: Uint32Array, start: number, view: DataView, at: number): boolean {
  for (let word = 0; word < 4; word++) {
    const a = starts[start + word] ?? 0
    const b = view.getUint32(at + 4 * word)
    if (a !== b) return a < b
  }
  return true
}
