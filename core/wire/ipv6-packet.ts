/**
 * IPv6 packets in a buffer (RFC 8200): checked and read in place, without allocating. What is found behind extension headers is
 * left in the fields of a walk.
 */
import { IP_MALFORMED, IP_SOURCE_ROUTE } from './ip.ts'

export const IPV6_HEADER_BYTES = 40
export const ICMPV6 = 58
/** RFC 8200 5: what every link must carry whole. */
export const IPV6_LEAST_MTU_BYTES = 1280

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION_OPTIONS = 60
const ROUTING_BY_SOURCE = 0
const FRAGMENT_OFFSET_MASK = 0xfff8
/** More than any sender has use for. */
const MOST_HEADERS = 8
const SOURCE_AT = 8
const DESTINATION_AT = 24

export const ipv6SourceAt = (at: number): number => at + SOURCE_AT
export const ipv6DestinationAt = (at: number): number => at + DESTINATION_AT

/** Version and lengths of the packet in `length` octets at `at`: its total length (octets behind it are padding), or IP_MALFORMED. */
export function checkIpv6(view: DataView, at: number, length: number): number {
  if (length < IPV6_HEADER_BYTES || view.getUint8(at) >> 4 !== 6) return IP_MALFORMED
  const total = IPV6_HEADER_BYTES + view.getUint16(at + 4)
  return total > length ? IP_MALFORMED : total
}

/** Behind the extension headers of a packet that `checkIpv6` has passed. */
export class Ipv6Walk {
  /** Of the last header that was reached. */
  protocol = 0
  /** Where that begins. */
  at = 0
  /** A fragment that is not the first: what is at `at` is no header. */
  isLaterFragment = false
  /** Where the last fragment header begins; 0 without one. */
  fragmentAt = 0

  /** 0, IP_MALFORMED, or IP_SOURCE_ROUTE (RFC 5095). */
  walk(view: DataView, from: number, total: number): number {
    const end = from + total
    this.protocol = view.getUint8(from + 6)
    this.at = from + IPV6_HEADER_BYTES
    this.isLaterFragment = false
    this.fragmentAt = 0
    for (let headers = 0; headers < MOST_HEADERS; headers++) {
      const { protocol, at } = this
      const isFragment = protocol === FRAGMENT
      if (!isFragment && protocol !== HOP_BY_HOP && protocol !== ROUTING && protocol !== DESTINATION_OPTIONS)
        return 0
      if (at + 8 > end) return IP_MALFORMED
      if (protocol === ROUTING && view.getUint8(at + 2) === ROUTING_BY_SOURCE) return IP_SOURCE_ROUTE
      const octets = isFragment ? 8 : 8 * (view.getUint8(at + 1) + 1)
      if (at + octets > end) return IP_MALFORMED
      if (isFragment) this.fragmentAt = at
      this.protocol = view.getUint8(at)
      this.at = at + octets
      if (isFragment && (view.getUint16(at + 2) & FRAGMENT_OFFSET_MASK) !== 0) {
        this.isLaterFragment = true
        return 0
      }
    }
    return IP_MALFORMED
  }
}

const FE80 = 0xfe80
const LINK_LOCAL_MASK = 0xffc0

/** fe80::/10, at this place. */
export const isLinkLocal = (view: DataView, at: number): boolean =>
  (view.getUint16(at) & LINK_LOCAL_MASK) === FE80

export const isMulticast6 = (view: DataView, at: number): boolean => view.getUint8(at) === 0xff

export const isUnspecified6 = (view: DataView, at: number): boolean =>
  (view.getInt32(at) | view.getInt32(at + 4) | view.getInt32(at + 8) | view.getInt32(at + 12)) === 0

/** ::/96 and ::ffff:0:0/96: unspecified, loopback, and IPv4 in disguise (RFC 4291 2.5); no host beyond this one has such an address. */
export const isNobodys6 = (view: DataView, at: number): boolean =>
  (view.getInt32(at) | view.getInt32(at + 4)) === 0 &&
  (view.getInt32(at + 8) === 0 || view.getInt32(at + 8) === 0xffff)

/** The Internet checksum of an upper-layer packet with its pseudo-header (RFC 8200 8.1), to be written where zeros are; 0 over a right one. */
export function ipv6Checksum(
  view: DataView,
  at: number,
  protocol: number,
  upperAt: number,
  upperBytes: number,
): number {
  let sum = upperBytes + protocol
  for (let word = SOURCE_AT; word < IPV6_HEADER_BYTES; word += 2) sum += view.getUint16(at + word)
  const even = upperAt + (upperBytes & ~1)
  for (let word = upperAt; word < even; word += 2) sum += view.getUint16(word)
  if ((upperBytes & 1) === 1) sum += view.getUint8(even) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}
