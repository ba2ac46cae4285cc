import {
  checksum,
  IP_PROTOCOL,
  IPV4_HEADER_BYTES,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4Protocol,
} from '../wire/ip.ts'

const ICMP_HEADER_BYTES = 8
const DESTINATION_UNREACHABLE = 3
/** Codes. */
const FRAGMENTATION_NEEDED = 4
const PROHIBITED = 13
/** RFC 792: the header and 64 bits. */
const QUOTED_PAYLOAD_BYTES = 8
const DEFAULT_TTL = 64
const ECHO_REPLY = 0
const ECHO = 8

export const UNREACHABLE_BYTES = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + 60 + QUOTED_PAYLOAD_BYTES

/** Writes to the start of `out` the answer to a packet larger than `mtuBytes` (RFC 1191 4), as `writeUnreachable` does. */
export const writeFragmentationNeeded = (
  out: DataView,
  packet: DataView,
  at: number,
  total: number,
  mtuBytes: number,
): number => writeUnreachable(out, packet, at, total, FRAGMENTATION_NEEDED, mtuBytes)

/** The same to a packet that a rule rejects (RFC 1812 5.2.7.1). */
export const writeProhibited = (out: DataView, packet: DataView, at: number, total: number): number =>
  writeUnreachable(out, packet, at, total, PROHIBITED, 0)

/**
 * Returns the length of the answer; 0 where RFC 1122 3.2.2 forbids one. It comes from the packet's own destination: the kernel takes no packet
 * from outside that carries an address of the host.
 */
function writeUnreachable(
  out: DataView,
  packet: DataView,
  at: number,
  total: number,
  code: number,
  mtuBytes: number,
): number {
  const headerBytes = ipv4HeaderBytes(packet, at)
  if (ipv4FragmentOffset(packet, at) !== 0 || isIcmpError(packet, at, total)) return 0
  const quoted = Math.min(total, headerBytes + QUOTED_PAYLOAD_BYTES)
  const length = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + quoted
  out.setUint16(0, 0x4500)
  out.setUint16(2, length)
  out.setUint32(4, 0)
  out.setUint8(8, DEFAULT_TTL)
  out.setUint8(9, IP_PROTOCOL.ICMP)
  out.setUint16(10, 0)
  out.setUint32(12, packet.getUint32(at + 16))
  out.setUint32(16, packet.getUint32(at + 12))
  out.setUint16(10, checksum(out, 0, IPV4_HEADER_BYTES))
  const icmpAt = IPV4_HEADER_BYTES
  out.setUint8(icmpAt, DESTINATION_UNREACHABLE)
  out.setUint8(icmpAt + 1, code)
  out.setUint16(icmpAt + 2, 0)
  out.setUint16(icmpAt + 4, 0)
  out.setUint16(icmpAt + 6, mtuBytes)
  for (let i = 0; i < quoted; i++) out.setUint8(icmpAt + ICMP_HEADER_BYTES + i, packet.getUint8(at + i))
  out.setUint16(icmpAt + 2, checksum(out, icmpAt, length - icmpAt))
  return length
}

function isIcmpError(packet: DataView, at: number, total: number): boolean {
  if (ipv4Protocol(packet, at) !== IP_PROTOCOL.ICMP) return false
  const icmpAt = ipv4HeaderBytes(packet, at)
  if (total <= icmpAt) return true
  const type = packet.getUint8(at + icmpAt)
  return type !== ECHO && type !== ECHO_REPLY
}
