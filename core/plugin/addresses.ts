/** Addresses, ranges and prefixes as an operator writes them, for the options of plugins. */
import { IPv4, IPv4CidrRange, RangedSet } from 'ip-num'
import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { formatIpv4, parseIpv4 as parseSigned } from '../wire/ip.ts'

/** Addresses as numbers, both ends included. */
export interface Ipv4Range {
  /** The lowest address, 0..2^32-1. */
  readonly first: number
  /** The highest address, not below `first`. */
  readonly last: number
  /** Where it was written as a prefix. */
  readonly prefixLength?: number
}

/** `a.b.c.d` as a number from 0 on; undefined when it is anything else. */
export function parseIpv4(text: string): number | undefined {
  const signed = parseSigned(text)
  return signed === undefined ? undefined : signed >>> 0
}

/** An IPv6 address in its one form (RFC 5952), so that two can be compared; undefined for what is none, or has a zone. */
export function ipv6Form(text: string): string | undefined {
  const host = `http://[${text}]`
  return /^[\da-f:.]+$/i.test(text) && URL.canParse(host) ? new URL(host).hostname.slice(1, -1) : undefined
}

/** The fewest prefixes that cover a range exactly, in order. */
export function prefixesOf({ first, last }: Ipv4Range): readonly Prefix[] {
  const prefixes: Prefix[] = []
  for (let at = first; at <= last; ) {
    // As large as the alignment of its first address and the end of the range allow.
    const aligned = at === 0 ? 32 : highestBit((at & -at) >>> 0)
    const bits = Math.min(aligned, highestBit(last - at + 1))
    prefixes.push({ address: formatIpv4(at), length: 32 - bits })
    at += 2 ** bits
  }
  return prefixes
}

const highestBit = (count: number): number => (count >= 2 ** 32 ? 32 : 31 - Math.clz32(count))

/** The addresses of an IPv4 prefix; undefined for any other. */
export function rangeOf({ address, length }: Prefix): Ipv4Range | undefined {
  const first = parseIpv4(address)
  return first === undefined
    ? undefined
    : { first, last: first + 2 ** (32 - length) - 1, prefixLength: length }
}

const PREFIX = 'an IPv4 prefix without host bits (192.0.2.0/24)'
const RANGE = 'a range of IPv4 addresses (192.0.2.10-192.0.2.20)'

/** An option that is one address or a prefix; its errors carry `code`. */
export function ipv4PrefixOption(code: ErrorCode): z.ZodType<Prefix, string> {
  return option(code, `expected an IPv4 address or ${PREFIX}`, parsePrefix)
}

/** An option that is one address, a prefix, or `first-last`; its errors carry `code`. */
export function ipv4RangeOption(code: ErrorCode): z.ZodType<Ipv4Range, string> {
  return option(code, `expected an IPv4 address, ${PREFIX} or ${RANGE}`, text => {
    if (text.includes('-')) return parseRange(text)
    const prefix = parsePrefix(text)
    return prefix && rangeOf(prefix)
  })
}

function option<T>(
  code: ErrorCode,
  expected: string,
  parse: (text: string) => T | undefined,
): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.issues.push({ code: 'custom', input: text, message: expected, params: { code } })
    return z.NEVER
  })
}

function parsePrefix(text: string): Prefix | undefined {
  try {
    const range = IPv4CidrRange.fromCidr(text.includes('/') ? text : `${text}/32`)
    const prefix = { address: range.getFirst().toString(), length: Number(range.getPrefix().getValue()) }
    // ip-num drops host bits and leading zeros; whoever wrote them meant something else.
    return text === prefix.address || text === `${prefix.address}/${prefix.length}` ? prefix : undefined
  } catch {
    return undefined
  }
}

function parseRange(text: string): Ipv4Range | undefined {
  try {
    const range = RangedSet.fromRangeString(text)
    const [first, last] = [range.getFirst(), range.getLast()]
    if (!(first instanceof IPv4) || !(last instanceof IPv4)) return undefined
    return { first: Number(first.getValue()), last: Number(last.getValue()) }
  } catch {
    return undefined
  }
}
