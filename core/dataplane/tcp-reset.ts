/** What tells the sender of a TCP segment that nobody takes it (RFC 9293 3.10.7.1). */
import { checksum, IP_PROTOCOL, IPV4_HEADER_BYTES, ipv4FragmentOffset, ipv4HeaderBytes } from '../wire/ip.ts'
import {
  IPV6_HEADER_BYTES,
  type Ipv6Walk,
  ipv6Checksum,
  ipv6DestinationAt,
  ipv6SourceAt,
} from '../wire/ipv6-packet.ts'

const TCP_HEADER_BYTES = 20
const FLAG = { fin: 0x01, syn: 0x02, reset: 0x04, ack: 0x10 } as const
const DEFAULT_TTL = 64
const ADDRESSES_AT = 12
const ADDRESSES_BYTES = 8
const PSEUDO_HEADER_BYTES = ADDRESSES_BYTES + 4

/** Writes the reset to the start of `out`, from the packet's own destination, and returns its length; 0 where there is to be none. */
export function writeReset(out: DataView, packet: DataView, at: number, total: number): number {
  const headerBytes = ipv4HeaderBytes(packet, at)
  if (ipv4FragmentOffset(packet, at) !== 0) return 0
  const tcpAt = IPV4_HEADER_BYTES
  if (!writeSegment(out, tcpAt, packet, at + headerBytes, at + total)) return 0
  const length = tcpAt + TCP_HEADER_BYTES
  // The pseudo-header stands where the header will, right before the segment.
  const pseudoAt = tcpAt - PSEUDO_HEADER_BYTES
  out.setUint32(pseudoAt, packet.getUint32(at + 16))
  out.setUint32(pseudoAt + 4, packet.getUint32(at + 12))
  out.setUint16(pseudoAt + 8, IP_PROTOCOL.TCP)
  out.setUint16(pseudoAt + 10, TCP_HEADER_BYTES)
  out.setUint16(tcpAt + 16, checksum(out, pseudoAt, PSEUDO_HEADER_BYTES + TCP_HEADER_BYTES))
  out.setUint16(0, 0x4500)
  out.setUint16(2, length)
  out.setUint32(4, 0)
  out.setUint8(8, DEFAULT_TTL)
  out.setUint8(9, IP_PROTOCOL.TCP)
  out.setUint16(10, 0)
  out.setUint32(ADDRESSES_AT, packet.getUint32(at + 16))
  out.setUint32(ADDRESSES_AT + 4, packet.getUint32(at + 12))
  out.setUint16(10, checksum(out, 0, IPV4_HEADER_BYTES))
  return length
}

/** The same over IPv6, of a packet that was walked. */
export function writeReset6(
  out: DataView,
  packet: DataView,
  at: number,
  total: number,
  walk: Ipv6Walk,
): number {
  if (walk.isLaterFragment) return 0
  const tcpAt = IPV6_HEADER_BYTES
  if (!writeSegment(out, tcpAt, packet, walk.at, at + total)) return 0
  out.setUint32(0, 0x6000_0000)
  out.setUint16(4, TCP_HEADER_BYTES)
  out.setUint8(6, IP_PROTOCOL.TCP)
  out.setUint8(7, DEFAULT_TTL)
  for (let octet = 0; octet < 16; octet++) {
    out.setUint8(ipv6SourceAt(0) + octet, packet.getUint8(ipv6DestinationAt(at) + octet))
    out.setUint8(ipv6DestinationAt(0) + octet, packet.getUint8(ipv6SourceAt(at) + octet))
  }
  out.setUint16(tcpAt + 16, ipv6Checksum(out, 0, IP_PROTOCOL.TCP, tcpAt, TCP_HEADER_BYTES))
  return tcpAt + TCP_HEADER_BYTES
}

/** With no checksum yet; false for what is no segment, and for a reset. */
function writeSegment(out: DataView, to: number, packet: DataView, tcpAt: number, end: number): boolean {
  if (end - tcpAt < TCP_HEADER_BYTES) return false
  const flags = packet.getUint8(tcpAt + 13)
  const dataBytes = end - tcpAt - (packet.getUint8(tcpAt + 12) >> 4) * 4
  if ((flags & FLAG.reset) !== 0 || dataBytes < 0) return false
  const isAcknowledging = (flags & FLAG.ack) !== 0
  const length = dataBytes + ((flags & FLAG.syn) === 0 ? 0 : 1) + ((flags & FLAG.fin) === 0 ? 0 : 1)
  out.setUint16(to, packet.getUint16(tcpAt + 2))
  out.setUint16(to + 2, packet.getUint16(tcpAt))
  out.setUint32(to + 4, isAcknowledging ? packet.getUint32(tcpAt + 8) : 0)
  out.setUint32(to + 8, isAcknowledging ? 0 : (packet.getUint32(tcpAt + 4) + length) >>> 0)
  out.setUint16(to + 12, 0x5000 | FLAG.reset | (isAcknowledging ? 0 : FLAG.ack))
  out.setUint16(to + 14, 0)
  out.setUint32(to + 16, 0)
  return true
}
