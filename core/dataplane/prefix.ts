import { BurrowError } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { ipv4Mask, parseIpv4 } from '../wire/ip.ts'

export interface Ipv4Prefix {
  readonly address: number
  readonly length: number
  readonly mask: number
}

/** IPv4 prefixes as numbers, host bits cleared. IPv6 ones are left out: no stage forwards IPv6 yet. */
export function ipv4Prefixes(prefixes: readonly Prefix[]): readonly Ipv4Prefix[] {
  return prefixes.filter(({ address }) => !address.includes(':')).map(toIpv4Prefix)
}

function toIpv4Prefix({ address, length }: Prefix): Ipv4Prefix {
  if (!Number.isInteger(length) || length < 0 || length > 32)
    throw new BurrowError('FLOW_REFUSED', `/${length} is no IPv4 prefix length`)
  const mask = ipv4Mask(length)
  return { address: ipv4Address(address) & mask, length, mask }
}

export function ipv4Address(text: string): number {
  const address = parseIpv4(text)
  if (address === undefined) throw new BurrowError('FLOW_REFUSED', `${text} is no IPv4 address`)
  return address
}
