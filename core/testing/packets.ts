/** Small IPv4 packets, to see whether they get through. */
import { checksum, IP_PROTOCOL, IPV4_HEADER_BYTES } from '../wire/ip.ts'

/** What a packet is, beside its ends. */
export interface PacketKind {
  /** `icmp` is an echo request, `tcp` a SYN. Default: icmp. */
  readonly protocol?: 'icmp' | 'tcp' | 'udp'
  /** Destination port of TCP and UDP. Default: 80. */
  readonly port?: number
}

/** Where a packet comes from, and where it goes. */
export interface PacketEnds {
  /** IPv4 address, in dotted form. */
  readonly source: string
  /** IPv4 address, in dotted form. */
  readonly destination: string
}

const TTL = 64
const SOURCE_PORT = 40_000
const ECHO_REQUEST = 8
const SYN = 0x02
const TCP_HEADER_BYTES = 20

type Payload = (port: number) => Uint8Array

const PAYLOADS: Readonly<Record<NonNullable<PacketKind['protocol']>, Payload>> = {
  icmp: () => {
    const view = new DataView(new ArrayBuffer(8))
    view.setUint8(0, ECHO_REQUEST)
    view.setUint16(2, checksum(view, 0, view.byteLength))
    return new Uint8Array(view.buffer)
  },
  tcp: port => {
    const view = new DataView(new ArrayBuffer(TCP_HEADER_BYTES))
    view.setUint16(0, SOURCE_PORT)
    view.setUint16(2, port)
    view.setUint8(12, (TCP_HEADER_BYTES / 4) << 4)
    view.setUint8(13, SYN)
    return new Uint8Array(view.buffer)
  },
  udp: port => {
    const view = new DataView(new ArrayBuffer(8))
    view.setUint16(0, SOURCE_PORT)
    view.setUint16(2, port)
    view.setUint16(4, view.byteLength)
    return new Uint8Array(view.buffer)
  },
}
const NUMBERS = { icmp: IP_PROTOCOL.ICMP, tcp: IP_PROTOCOL.TCP, udp: IP_PROTOCOL.UDP } as const

let identification = 0

/**
 * An IPv4 packet without data; each has an identification of its own. Its header is whole, the checksum of a TCP segment
 * in it is not: nothing on the way looks at it.
 */
export function ipv4Packet({
  source,
  destination,
  protocol = 'icmp',
  port = 80,
}: PacketEnds & PacketKind): Uint8Array {
  const payload = PAYLOADS[protocol](port)
  const packet = new Uint8Array(IPV4_HEADER_BYTES + payload.length)
  const view = new DataView(packet.buffer)
  identification = (identification + 1) & 0xffff
  view.setUint16(0, 0x4500)
  view.setUint16(2, packet.length)
  view.setUint16(4, identification)
  view.setUint8(8, TTL)
  view.setUint8(9, NUMBERS[protocol])
  packet.set(source.split('.').map(Number), 12)
  packet.set(destination.split('.').map(Number), 16)
  view.setUint16(10, checksum(view, 0, IPV4_HEADER_BYTES))
  packet.set(payload, IPV4_HEADER_BYTES)
  return packet
}

/** Whether `seen` is the packet `sent`, after what may be done to it on the way (an MSS clamp). */
export function isSamePacket(sent: Uint8Array, seen: Uint8Array): boolean {
  return (
    sent.length === seen.length &&
    sent.subarray(0, IPV4_HEADER_BYTES).every((octet, at) => octet === seen[at])
  )
}
