import type { SocketAddress } from '../ports.ts'
import { parseIpv4 } from './ip.ts'
import { formatIpv6, parseIpv6 } from './ipv6.ts'

/** `192.0.2.1:1701`, `[2001:db8::1]:1701`. */
export const socketText = ({ address, port }: SocketAddress): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/**
 * An address, or one with a port behind it, in its one form; of IPv6 the port needs brackets. Undefined for anything else, and for addresses of a
 * link alone: without the link they say nothing.
 */
export function parseSocketText(text: string, defaultPort: number): SocketAddress | undefined {
  const [, ipv4, bracketed, digits, bare] =
    /^(?:(?:([\d.]+)|\[([\da-f:.]+)\])(?::(\d{1,5}))?|([\da-f:.]+))$/i.exec(text) ?? []
  const port = digits === undefined ? defaultPort : Number(digits)
  if (port > 65_535) return undefined
  if (ipv4 !== undefined) return parseIpv4(ipv4) === undefined ? undefined : { address: ipv4, port }
  const bytes = parseIpv6(bracketed ?? bare ?? '')
  if (bytes === undefined || isOfLink(bytes)) return undefined
  return { address: formatIpv6(bytes), port }
}

/** fe80::/10. */
const isOfLink = ([first = 0, second = 0]: Uint8Array): boolean => first === 0xfe && (second & 0xc0) === 0x80
