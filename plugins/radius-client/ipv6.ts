/** IPv6 addresses as text and octets. */
import { isIPv6 } from 'node:net'
import { joined, numberAt, numberOctets } from './packet.ts'

export const IPV6_BYTES = 16
const GROUPS = 8

/** 16 octets; undefined for what is no address, or has a zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [left = '', right] = plainGroups(text).split('::')
  const head = groupsOf(left)
  const tail = groupsOf(right ?? '')
  const middle: number[] = Array(GROUPS - head.length - tail.length).fill(0)
  return joined([...head, ...middle, ...tail].map(group => numberOctets(group, 2)))
}

/** As RFC 5952 wants it: the longest run of zero groups, the first of equals, is `::`. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, at) => numberAt(bytes, 2 * at, 2).toString(16)).join(':')
  const runs = [...groups.matchAll(/\b0(:0)+\b/g)]
  const [longest] = runs.sort((a, b) => b[0].length - a[0].length)
  if (longest === undefined) return groups
  const before = groups.slice(0, longest.index).replace(/:$/, '')
  const after = groups.slice(longest.index + longest[0].length).replace(/^:/, '')
  return `${before}::${after}`
}

/** An IPv6 address in the form that the kernel gives it, so that two can be compared; other text as it is. */
export function sameForm(text: string): string {
  const bytes = parseIpv6(text)
  return bytes === undefined ? text : formatIpv6(bytes)
}

/** With a dotted tail in hexadecimal. */
function plainGroups(text: string): string {
  const [dotted] = /\d+\.\d+\.\d+\.\d+$/.exec(text) ?? []
  if (dotted === undefined) return text
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  const groups = [a * 256 + b, c * 256 + d].map(group => group.toString(16))
  return text.slice(0, -dotted.length) + groups.join(':')
}

function groupsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}
