/** Addresses, nets and routes as RADIUS writes them. */
import { formatIpv4, ipv6Form, type Prefix, parseIpv4 } from 'burrow'

/** An address that a host can have; undefined for 0.0.0.0/8, loopback, multicast and what lies above. */
export function hostAddress(text: string): string | undefined {
  const address = parseIpv4(text)
  if (address === undefined) return undefined
  const first = address >>> 24
  return first === 0 || first === 127 || first >= 224 ? undefined : text
}

/** The length of a network mask; undefined where its bits are not in one piece. */
export function maskLength(text: string): number | undefined {
  const mask = parseIpv4(text)
  if (mask === undefined) return undefined
  const length = Math.clz32(~mask)
  return (~mask & (~mask + 1)) === 0 ? length : undefined
}

/** The net of that length around an address. */
export function netAround(text: string, length: number): Prefix | undefined {
  const address = parseIpv4(text)
  if (address === undefined || length < 1 || length > 32) return undefined
  return { address: formatIpv4(address & (-1 << (32 - length))), length }
}

/**
 * `PREFIX/LENGTH [GATEWAY [METRIC...]]` (RFC 2865 5.22). Without a length it is that of the address's class. All of a session's
 * traffic goes to its peer, so the gateway is only looked at, and metrics count for nothing.
 */
export function framedRoute(text: string): Prefix | string {
  const [destination = '', gateway, ...metrics] = text.trim().split(/\s+/)
  const [address = '', given, ...more] = destination.split('/')
  const length =
    given === undefined ? classLength(address) : /^\d{1,2}$/.test(given) ? Number(given) : undefined
  if (length === undefined || more.length > 0) return 'it is not PREFIX/LENGTH GATEWAY METRIC'
  if (gateway !== undefined && parseIpv4(gateway) === undefined) return 'its gateway is no IPv4 address'
  if (!metrics.every(metric => /^-?\d+$/.test(metric))) return 'its metric is no number'
  return route(address, length)
}

/** `ADDRESS MASK [GATEWAY [METRIC...]]`, as in a Cisco-AVPair. */
export function ciscoRoute(text: string): Prefix | string {
  const [address = '', mask = ''] = text.trim().split(/\s+/)
  const length = maskLength(mask)
  return length === undefined ? 'it is not ADDRESS MASK GATEWAY' : route(address, length)
}

function route(address: string, length: number): Prefix | string {
  const net = netAround(address, length)
  if (net === undefined)
    return length === 0 ? 'it is the route to everywhere' : 'its prefix is no IPv4 prefix'
  if (net.address !== address) return 'it has host bits'
  return hostAddress(address) === undefined ? 'its prefix is not of hosts' : net
}

/** RFC 791: what stood for the length of a prefix before there were any. */
function classLength(address: string): number | undefined {
  const [first] = address.split('.').map(Number)
  if (first === undefined || parseIpv4(address) === undefined || first >= 224) return undefined
  return first < 128 ? 8 : first < 192 ? 16 : 24
}

/** Whether one net lies in the other. */
export function overlap(a: Prefix, b: Prefix): boolean {
  const shared = Math.min(a.length, b.length)
  return netAround(a.address, shared)?.address === netAround(b.address, shared)?.address
}

/** An IPv6 prefix in its own form, without host bits. */
export function ipv6Prefix(text: string): string | undefined {
  const [written = '', length = ''] = text.split('/')
  const address = ipv6Form(written)
  if (address === undefined || !/^\d{1,3}$/.test(length)) return undefined
  const bits = Number(length)
  if (bits < 1 || bits > 128 || (groupsOf(address) & ((1n << BigInt(128 - bits)) - 1n)) !== 0n)
    return undefined
  return `${address}/${bits}`
}

/** An address in its one form, so that two can be compared; other text as it is. */
export const sameForm = (address: string): string => ipv6Form(address) ?? address

/** As a number; the address is in its one form. */
function groupsOf(address: string): bigint {
  const [head = '', tail] = address.split('::')
  const groups = (part: string) => part.split(':').filter(group => group !== '')
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}
