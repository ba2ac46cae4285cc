/** Whole packets that we send into a session ourselves: IPv4 and IPv6 headers, UDP, ICMPv6. */
import { BurrowError } from '../errors.ts'
import { checksum, IP_PROTOCOL, IPV4_HEADER_BYTES, parseIpv4 } from './ip.ts'
import { IPV6_ADDRESS_BYTES } from './ipv6.ts'
import { checkIpv6, ICMPV6, IPV6_HEADER_BYTES, Ipv6Walk, ipv6Checksum } from './ipv6-packet.ts'

const UDP_HEADER_BYTES = 8
const DEFAULT_TTL = 64
/** RFC 4861: what comes over a router cannot have it. */
export const NEVER_FORWARDED_HOPS = 255
/** Where the checksum stands in each header. */
const CHECKSUM_AT = { [IP_PROTOCOL.UDP]: 6, [ICMPV6]: 2 } as const

export interface UdpPorts {
  readonly sourcePort: number
  readonly destinationPort: number
}

/** A UDP datagram within IPv4; addresses are dotted. */
export function udpOverIpv4(
  {
    source,
    destination,
    sourcePort,
    destinationPort,
  }: UdpPorts & { readonly source: string; readonly destination: string },
  data: Uint8Array,
): Uint8Array {
  const udpBytes = UDP_HEADER_BYTES + data.length
  const packet = new Uint8Array(IPV4_HEADER_BYTES + udpBytes)
  const view = new DataView(packet.buffer)
  view.setUint16(0, 0x4500)
  view.setUint16(2, packet.length)
  view.setUint8(8, DEFAULT_TTL)
  view.setUint8(9, IP_PROTOCOL.UDP)
  view.setInt32(12, address4(source))
  view.setInt32(16, address4(destination))
  view.setUint16(10, checksum(view, 0, IPV4_HEADER_BYTES))
  view.setUint16(20, sourcePort)
  view.setUint16(22, destinationPort)
  // No checksum, which IPv4 allows (RFC 768): a PPP link has one below, or none cares.
  view.setUint16(24, udpBytes)
  packet.set(data, IPV4_HEADER_BYTES + UDP_HEADER_BYTES)
  return packet
}

function address4(text: string): number {
  const address = parseIpv4(text)
  if (address === undefined) throw new BurrowError('WIRE_OVERFLOW', `${text} is no IPv4 address`)
  return address
}

export interface Ends6 {
  /** 16 octets. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
}

/** An ICMPv6 message, whose checksum is filled in, with the hop limit of those that never leave the link. */
export function icmpv6(ends: Ends6, message: Uint8Array): Uint8Array {
  return ipv6(ends, ICMPV6, NEVER_FORWARDED_HOPS, message)
}

export function udpOverIpv6(
  { sourcePort, destinationPort, ...ends }: UdpPorts & Ends6,
  data: Uint8Array,
): Uint8Array {
  const segment = new Uint8Array(UDP_HEADER_BYTES + data.length)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint16(4, segment.length)
  segment.set(data, UDP_HEADER_BYTES)
  return ipv6(ends, IP_PROTOCOL.UDP, DEFAULT_TTL, segment)
}

function ipv6(
  { source, destination }: Ends6,
  protocol: keyof typeof CHECKSUM_AT,
  hopLimit: number,
  payload: Uint8Array,
): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER_BYTES + payload.length)
  const view = new DataView(packet.buffer)
  view.setUint32(0, 0x6000_0000)
  view.setUint16(4, payload.length)
  packet.set([protocol, hopLimit], 6)
  packet.set(source, 8)
  packet.set(destination, 24)
  packet.set(payload, IPV6_HEADER_BYTES)
  const at = IPV6_HEADER_BYTES + CHECKSUM_AT[protocol]
  view.setUint16(at, 0)
  const sum = ipv6Checksum(view, 0, protocol, IPV6_HEADER_BYTES, payload.length)
  // UDP has 0 for "none", which IPv6 does not allow (RFC 8200 8.1).
  view.setUint16(at, sum === 0 && protocol === IP_PROTOCOL.UDP ? 0xffff : sum)
  return packet
}

/** What a packet of the peer's carries behind its extension headers. Views. */
export interface Opened6 extends Ends6 {
  readonly protocol: number
  readonly hopLimit: number
  readonly payload: Uint8Array
}

/** Undefined for a fragment, for lengths that are impossible, and where the checksum of ICMPv6 or UDP is wrong. */
export function openIpv6(packet: Uint8Array): Opened6 | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const total = checkIpv6(view, 0, packet.length)
  const walk = new Ipv6Walk()
  if (total < 0 || walk.walk(view, 0, total) !== 0 || walk.isLaterFragment) return undefined
  const { protocol, at } = walk
  if (
    (protocol === ICMPV6 || protocol === IP_PROTOCOL.UDP) &&
    ipv6Checksum(view, 0, protocol, at, total - at) !== 0
  )
    return undefined
  return {
    source: packet.subarray(8, 8 + IPV6_ADDRESS_BYTES),
    destination: packet.subarray(24, 24 + IPV6_ADDRESS_BYTES),
    protocol,
    hopLimit: view.getUint8(7),
    payload: packet.subarray(at, total),
  }
}
