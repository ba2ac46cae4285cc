/** Sets of IPv6 addresses as lists of prefixes, for plugins. The prefixes of one list do not overlap. */
import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { formatIpv6, parseIpv6, parseIpv6Prefix } from '../wire/ipv6.ts'

const ADDRESS_BITS = 128

/** An IPv6 prefix as a number, without host bits. */
export interface Ipv6Block {
  /** Its lowest address, 0..2^128-1. */
  readonly first: bigint
  /** 0..128 bits. */
  readonly length: number
}

/** ::/0. */
export const EVERY_IPV6_ADDRESS: Ipv6Block = { first: 0n, length: 0 }

/** How many addresses it has. */
const sizeOf = ({ length }: Ipv6Block): bigint => 1n << BigInt(ADDRESS_BITS - length)

/** An IPv6 address as a number; undefined for anything else. */
export function ipv6Number(text: string): bigint | undefined {
  const bytes = parseIpv6(text)
  return bytes && numberOf(bytes)
}

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

/** The one form of RFC 5952. */
export function ipv6Text(address: bigint): string {
  return formatIpv6(Uint8Array.from(Buffer.from(address.toString(16).padStart(32, '0'), 'hex')))
}

/** An IPv6 prefix; undefined for an IPv4 one. Host bits are cleared. */
export function ipv6BlockOf({ address, length }: Prefix): Ipv6Block | undefined {
  const read = parseIpv6Prefix(`${address}/${length}`)
  return read && { first: numberOf(read.bytes), length: read.length }
}

/** As a prefix of a flow or rule. */
export const prefixOfBlock = ({ first, length }: Ipv6Block): Prefix => ({ address: ipv6Text(first), length })

/** As an operator writes it: `2001:db8::/32`. */
export const ipv6BlockText = ({ first, length }: Ipv6Block): string => `${ipv6Text(first)}/${length}`

/** Whether an address, as a number, is in one of them. */
export const isInIpv6Blocks = (blocks: readonly Ipv6Block[], address: bigint): boolean =>
  blocks.some(block => block.first <= address && address < block.first + sizeOf(block))

/** Of two prefixes one holds the other, or they have nothing in common. */
const holds = (outer: Ipv6Block, inner: Ipv6Block): boolean =>
  outer.length <= inner.length && isInIpv6Blocks([outer], inner.first)

/** Whether some address is in both. */
export const ipv6BlocksOverlap = (a: Ipv6Block, b: Ipv6Block): boolean => holds(a, b) || holds(b, a)

/** What is in both lists. */
export function ipv6BlocksInBoth(a: readonly Ipv6Block[], b: readonly Ipv6Block[]): readonly Ipv6Block[] {
  return a.flatMap(one => b.flatMap(other => (holds(one, other) ? [other] : holds(other, one) ? [one] : [])))
}

/** What of `blocks` is in none of `holes`. */
export function ipv6BlocksWithout(
  blocks: readonly Ipv6Block[],
  holes: readonly Ipv6Block[],
): readonly Ipv6Block[] {
  return holes.reduce<readonly Ipv6Block[]>((left, hole) => left.flatMap(block => cut(block, hole)), blocks)
}

/** Halved until the hole is a half of its own. */
function cut(block: Ipv6Block, hole: Ipv6Block): readonly Ipv6Block[] {
  if (holds(hole, block)) return []
  if (!holds(block, hole)) return [block]
  const length = block.length + 1
  const lower = { first: block.first, length }
  return [lower, { first: lower.first + sizeOf(lower), length }].flatMap(half => cut(half, hole))
}

/** An option that is an IPv6 prefix without host bits; its errors carry `code`. */
export function ipv6PrefixOption(code: ErrorCode): z.ZodType<Prefix, string> {
  return z.string().transform((text, context) => {
    const [address = '', length = ''] = text.split('/')
    const read = parseIpv6Prefix(text)
    if (read !== undefined && formatIpv6(read.bytes) === formatIpv6(parseIpv6(address) ?? read.bytes))
      return { address: formatIpv6(read.bytes), length: Number(length) }
    const message = 'expected an IPv6 prefix without host bits (2001:db8:1::/48)'
    context.issues.push({ code: 'custom', input: text, message, params: { code } })
    return z.NEVER
  })
}
