import {
  ICMPV6,
  IPV6_HEADER_BYTES,
  IPV6_LEAST_MTU_BYTES,
  Ipv6Walk,
  ipv6Checksum,
  ipv6DestinationAt,
  ipv6SourceAt,
} from '../wire/ipv6-packet.ts'

const ICMP_HEADER_BYTES = 8
/** Type, then code. */
const PROHIBITED = 0x0101
const PACKET_TOO_BIG = 0x0200
/** From here on types are no errors (RFC 4443 2.1). */
const FIRST_INFORMATIONAL = 128
const DEFAULT_HOP_LIMIT = 64

/** As much of the packet as fits the smallest MTU (RFC 4443 3.2). */
export const ICMP6_ERROR_BYTES = IPV6_LEAST_MTU_BYTES

const walk = new Ipv6Walk()

/** Writes to the start of `out` the answer to a packet larger than `mtuBytes` (RFC 4443 3.2), as `writeError` does. */
export const writePacketTooBig = (
  out: DataView,
  packet: DataView,
  at: number,
  total: number,
  mtuBytes: number,
): number => writeError(out, packet, at, total, PACKET_TOO_BIG, mtuBytes)

/** The same to a packet that a rule rejects (3.1). */
export const writeProhibited6 = (out: DataView, packet: DataView, at: number, total: number): number =>
  writeError(out, packet, at, total, PROHIBITED, 0)

/**
 * Returns the length of the answer; 0 where an error would answer an error (2.4). It comes from the packet's own destination, for the reason
 * that icmp.ts has.
 */
function writeError(
  out: DataView,
  packet: DataView,
  at: number,
  total: number,
  typeAndCode: number,
  detail: number,
): number {
  if (walk.walk(packet, at, total) !== 0 || walk.isLaterFragment) return 0
  const isIcmp = walk.protocol === ICMPV6
  if (isIcmp && (walk.at >= at + total || packet.getUint8(walk.at) < FIRST_INFORMATIONAL)) return 0
  const quoted = Math.min(total, ICMP6_ERROR_BYTES - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES)
  const icmpBytes = ICMP_HEADER_BYTES + quoted
  out.setUint32(0, 0x6000_0000)
  out.setUint16(4, icmpBytes)
  out.setUint8(6, ICMPV6)
  out.setUint8(7, DEFAULT_HOP_LIMIT)
  for (let octet = 0; octet < 16; octet++) {
    out.setUint8(ipv6SourceAt(0) + octet, packet.getUint8(ipv6DestinationAt(at) + octet))
    out.setUint8(ipv6DestinationAt(0) + octet, packet.getUint8(ipv6SourceAt(at) + octet))
  }
  const icmpAt = IPV6_HEADER_BYTES
  out.setUint16(icmpAt, typeAndCode)
  out.setUint16(icmpAt + 2, 0)
  out.setUint32(icmpAt + 4, detail)
  for (let octet = 0; octet < quoted; octet++)
    out.setUint8(icmpAt + ICMP_HEADER_BYTES + octet, packet.getUint8(at + octet))
  out.setUint16(icmpAt + 2, ipv6Checksum(out, 0, ICMPV6, icmpAt, icmpBytes))
  return IPV6_HEADER_BYTES + icmpBytes
}
