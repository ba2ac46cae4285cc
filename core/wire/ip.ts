/**
 * IPv4 packets in a buffer (RFC 791): checked and read in place, without allocating. An address is a signed 32-bit
 * number here, so that it stays a small integer.
 */

export const IPV4_HEADER_BYTES = 20
export const IP_PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, DCCP: 33, SCTP: 132, UDPLITE: 136 } as const

/** Faults that `checkIpv4` returns in place of a length. */
export const IP_MALFORMED = -1
export const IP_SOURCE_ROUTE = -2

const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_LSRR = 131
const OPTION_SSRR = 137
const FRAGMENT_OFFSET_MASK = 0x1fff

/**
 * Checks version, header length, total length, header checksum and options of the packet in `length` octets at `at`.
 * Returns its total length (octets behind it are padding), IP_MALFORMED or IP_SOURCE_ROUTE.
 */
export function checkIpv4(view: DataView, at: number, length: number): number {
  if (length < IPV4_HEADER_BYTES) return IP_MALFORMED
  if (view.getUint8(at) >> 4 !== 4) return IP_MALFORMED
  const headerBytes = ipv4HeaderBytes(view, at)
  const total = view.getUint16(at + 2)
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > total || total > length) return IP_MALFORMED
  if (checksum(view, at, headerBytes) !== 0) return IP_MALFORMED
  const fault =
    headerBytes === IPV4_HEADER_BYTES ? 0 : checkOptions(view, at + IPV4_HEADER_BYTES, at + headerBytes)
  return fault === 0 ? total : fault
}

/** 0, or the fault. */
function checkOptions(view: DataView, from: number, end: number): number {
  let at = from
  while (at < end) {
    const kind = view.getUint8(at)
    if (kind === OPTION_END) return 0
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    if (kind === OPTION_LSRR || kind === OPTION_SSRR) return IP_SOURCE_ROUTE
    const length = at + 1 < end ? view.getUint8(at + 1) : 0
    if (length < 2 || length > end - at) return IP_MALFORMED
    at += length
  }
  return 0
}

// Fields of a packet that `checkIpv4` has passed.

export function ipv4HeaderBytes(view: DataView, at: number): number {
  return (view.getUint8(at) & 0x0f) * 4
}

export function ipv4Protocol(view: DataView, at: number): number {
  return view.getUint8(at + 9)
}

export function ipv4Source(view: DataView, at: number): number {
  return view.getInt32(at + 12)
}

export function ipv4Destination(view: DataView, at: number): number {
  return view.getInt32(at + 16)
}

/** In units of 8 octets; 0 for a whole packet and for a first fragment. */
export function ipv4FragmentOffset(view: DataView, at: number): number {
  return view.getUint16(at + 6) & FRAGMENT_OFFSET_MASK
}

/** The Internet checksum (RFC 1071) as it goes on the wire; 0 over bytes that include a right one. */
export function checksum(view: DataView, at: number, length: number): number {
  let sum = 0
  const even = at + (length & ~1)
  for (let word = at; word < even; word += 2) sum += view.getUint16(word)
  if ((length & 1) === 1) sum += view.getUint8(even) << 8
  return ~fold(sum) & 0xffff
}

/** `before`, a checksum, after one 16-bit word below it changed (RFC 1624, equation 3). */
export function updateChecksum(before: number, oldWord: number, newWord: number): number {
  return ~fold((~before & 0xffff) + (~oldWord & 0xffff) + newWord) & 0xffff
}

function fold(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return folded
}

/** Dotted decimal without leading zeros; undefined for anything else. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let address = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    address = (address << 8) | Number(part)
  }
  return address
}

/** Takes signed and unsigned addresses. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`
}

/** The network mask of a prefix length. */
export function ipv4Mask(length: number): number {
  return length === 0 ? 0 : -1 << (32 - length)
}
