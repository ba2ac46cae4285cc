/** IPv6 addresses as text and octets. */
import { ipv6Form } from 'burrow'
import { joined, numberAt, numberOctets } from './packet.ts'

export const IPV6_BYTES = 16
const GROUPS = 8

/** 16 octets; undefined for what is no address, or has a zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const form = ipv6Form(text)
  if (form === undefined) return undefined
  const [left = '', right = ''] = form.split('::')
  const head = groupsOf(left)
  const tail = groupsOf(right)
  const middle: number[] = Array(GROUPS - head.length - tail.length).fill(0)
  return joined([...head, ...middle, ...tail].map(group => numberOctets(group, 2)))
}

/** As RFC 5952 wants it. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, at) => numberAt(bytes, 2 * at, 2).toString(16)).join(':')
  return ipv6Form(groups) ?? groups
}

/** An IPv6 address in the form that the kernel gives it, so that two can be compared; other text as it is. */
export const sameForm = (text: string): string => ipv6Form(text) ?? text

function groupsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}
