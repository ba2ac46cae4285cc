import { BurrowError } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { ipv4Mask, parseIpv4 } from '../wire/ip.ts'
import { parseIpv6 } from '../wire/ipv6.ts'
import type { Ipv6Prefix } from './prefix-table6.ts'

export interface Ipv4Prefix {
  readonly address: number
  readonly length: number
  readonly mask: number
}

const isIpv6 = ({ address }: Prefix): boolean => address.includes(':')

/** Those of IPv4 as numbers, host bits cleared. */
export function ipv4Prefixes(prefixes: readonly Prefix[]): readonly Ipv4Prefix[] {
  return prefixes.filter(prefix => !isIpv6(prefix)).map(toIpv4Prefix)
}

/** Those of IPv6, likewise. */
export function ipv6Prefixes(prefixes: readonly Prefix[]): readonly Ipv6Prefix[] {
  return prefixes.filter(isIpv6).map(toIpv6Prefix)
}

function toIpv4Prefix({ address, length }: Prefix): Ipv4Prefix {
  if (!Number.isInteger(length) || length < 0 || length > 32)
    throw new BurrowError('FLOW_REFUSED', `/${length} is no IPv4 prefix length`)
  const mask = ipv4Mask(length)
  return { address: ipv4Address(address) & mask, length, mask }
}

function toIpv6Prefix({ address, length }: Prefix): Ipv6Prefix {
  const bytes = parseIpv6(address)
  if (bytes === undefined) throw new BurrowError('FLOW_REFUSED', `${address} is no IPv6 address`)
  if (!Number.isInteger(length) || length < 0 || length > 128)
    throw new BurrowError('FLOW_REFUSED', `/${length} is no IPv6 prefix length`)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const mask = (word: number) => ipv4Mask(Math.min(Math.max(length - 32 * word, 0), 32))
  const masks = [mask(0), mask(1), mask(2), mask(3)] as const
  const word = (index: 0 | 1 | 2 | 3) => view.getInt32(4 * index) & masks[index]
  return { words: [word(0), word(1), word(2), word(3)], masks, length }
}

export function ipv4Address(text: string): number {
  const address = parseIpv4(text)
  if (address === undefined) throw new BurrowError('FLOW_REFUSED', `${text} is no IPv4 address`)
  return address
}
