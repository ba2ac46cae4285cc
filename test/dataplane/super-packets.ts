/** What the kernel makes of a super-packet, said slowly; and the packets that tests make super-packets of. */
import fc from 'fast-check'
import { octets, octets6, sum16, u16 } from '../support/ip-packets.ts'

export interface SuperPacket {
  readonly bytes: Uint8Array
  /** 0 of a packet that is no super-packet. */
  readonly gsoSize: number
}

/** Linux: tcp_gso_segment, __udp_gso_segment, inet_gso_segment. */
export function segments({ bytes, gsoSize }: SuperPacket): readonly Uint8Array[] {
  if (gsoSize === 0) return [bytes]
  const isIpv6 = (bytes[0] ?? 0) >> 4 === 6
  const ipBytes = isIpv6 ? 40 : 20
  const isTcp = bytes[isIpv6 ? 6 : 9] === 6
  const headerBytes = ipBytes + (isTcp ? ((bytes[ipBytes + 12] ?? 0) >> 4) * 4 : 8)
  const payload = bytes.subarray(headerBytes)
  const count = Math.ceil(payload.length / gsoSize)
  const head = Buffer.from(bytes.subarray(0, headerBytes))
  return Array.from({ length: count }, (_, n) => {
    const part = payload.subarray(n * gsoSize, (n + 1) * gsoSize)
    const packet = Buffer.concat([head, part])
    const upper = packet.subarray(ipBytes)
    if (isIpv6) packet.writeUInt16BE(upper.length, 4)
    else {
      packet.writeUInt16BE(packet.length, 2)
      packet.writeUInt16BE((head.readUInt16BE(4) + n) & 0xffff, 4)
      packet.writeUInt16BE(0, 10)
      packet.writeUInt16BE(sum16(packet.subarray(0, 20)), 10)
    }
    if (isTcp) {
      upper.writeUInt32BE((upper.readUInt32BE(4) + n * gsoSize) >>> 0, 4)
      const flags = upper[13] ?? 0
      upper[13] = flags & ~(n < count - 1 ? 0x09 : 0) & ~(n > 0 ? 0x80 : 0)
    } else upper.writeUInt16BE(upper.length, 4)
    const checksumAt = isTcp ? 16 : 6
    upper.writeUInt16BE(0, checksumAt)
    const checksum = sum16([...pseudoHeader(packet, isIpv6, upper.length), ...upper])
    upper.writeUInt16BE(!isTcp && checksum === 0 ? 0xffff : checksum, checksumAt)
    return new Uint8Array(packet)
  })
}

function pseudoHeader(packet: Uint8Array, isIpv6: boolean, upperBytes: number): readonly number[] {
  return [
    ...packet.subarray(isIpv6 ? 8 : 12, isIpv6 ? 40 : 20),
    0,
    packet[isIpv6 ? 6 : 9] ?? 0,
    ...u16(upperBytes),
  ]
}

export interface PacketFields {
  readonly isIpv6: boolean
  readonly isTcp: boolean
  readonly host: number
  readonly port: number
  /** Of TCP; of IPv4. */
  readonly sequence: number
  readonly identification: number
  readonly flags: number
  readonly acknowledged: number
  readonly window: number
  readonly tcpOptions: readonly number[]
  readonly payload: Uint8Array
  readonly tos: number
  readonly ttl: number
  /** The fragment field of IPv4. */
  readonly fragment: number
  readonly ipOptions: readonly number[]
  /** Extension headers of IPv6, each of 8 octets. */
  readonly extensions: readonly number[]
  /** The packet's checksum: right, one off, absent, or written as 0xffff where it is zero. */
  readonly checksum: 'right' | 'wrong' | 'zero' | 'other zero'
}

export const PLAIN: PacketFields = {
  isIpv6: false,
  isTcp: true,
  host: 1,
  port: 80,
  sequence: 1000,
  identification: 7,
  flags: 0x10,
  acknowledged: 5,
  window: 500,
  tcpOptions: [],
  payload: new Uint8Array(100),
  tos: 0,
  ttl: 64,
  fragment: 0x4000,
  ipOptions: [],
  extensions: [],
  checksum: 'right',
}

/** From 10.0.0.x or 2001:db8:a::x to 192.168.1.1 or 2001:db8:b::1. */
export function packetOf(fields: PacketFields): Uint8Array {
  const { isIpv6, isTcp, host, port, payload, tcpOptions, flags, checksum } = fields
  const ends = isIpv6
    ? [...octets6(`2001:db8:a::${host}`), ...octets6('2001:db8:b::1')]
    : [...octets(`10.0.0.${host}`), ...octets('192.168.1.1')]
  const tcp = Buffer.alloc(20 + tcpOptions.length)
  tcp.writeUInt16BE(4000, 0)
  tcp.writeUInt16BE(port, 2)
  tcp.writeUInt32BE(fields.sequence >>> 0, 4)
  tcp.writeUInt32BE(fields.acknowledged, 8)
  tcp.writeUInt8((tcp.length / 4) << 4, 12)
  tcp.writeUInt8(flags, 13)
  tcp.writeUInt16BE(fields.window, 14)
  tcp.set(tcpOptions, 20)
  const udp = [...u16(4000), ...u16(port), ...u16(8 + payload.length), 0, 0]
  const upper = Buffer.concat([isTcp ? tcp : Uint8Array.from(udp), payload])
  const protocol = isTcp ? 6 : 17
  const sum = sum16([...ends, 0, protocol, ...u16(upper.length), ...upper])
  const written = {
    right: !isTcp && sum === 0 ? 0xffff : sum,
    wrong: sum ^ 0x0100,
    zero: 0,
    'other zero': sum === 0 ? 0xffff : sum,
  }[checksum]
  upper.writeUInt16BE(written, isTcp ? 16 : 6)
  if (isIpv6) {
    const between = fields.extensions.flatMap((_, n) => [
      fields.extensions[n + 1] ?? protocol,
      ...[0, 1, 4, 0, 0, 0, 0],
    ])
    const next = fields.extensions[0] ?? protocol
    const length = u16(between.length + upper.length)
    return Uint8Array.from([
      0x60 | (fields.tos >> 4),
      0,
      0,
      9,
      ...length,
      next,
      fields.ttl,
      ...ends,
      ...between,
      ...upper,
    ])
  }
  const header = Buffer.alloc(20 + fields.ipOptions.length)
  header.writeUInt8(0x40 | (header.length / 4), 0)
  header.writeUInt8(fields.tos, 1)
  header.writeUInt16BE(header.length + upper.length, 2)
  header.writeUInt16BE(fields.identification & 0xffff, 4)
  header.writeUInt16BE(fields.fragment, 6)
  header.writeUInt8(fields.ttl, 8)
  header.writeUInt8(protocol, 9)
  header.set(ends, 12)
  header.set(fields.ipOptions, 20)
  header.writeUInt16BE(sum16(header), 10)
  return Uint8Array.from([...header, ...upper])
}

/** What happens to a conversation, packet by packet: most often it goes on as TCP and IP do. */
interface Step {
  readonly conversation: number
  readonly octets: number
  readonly change: Partial<PacketFields>
  readonly skip: 0 | 1
  readonly fixedId: boolean
}

const change: fc.Arbitrary<Partial<PacketFields>> = fc.oneof(
  { weight: 20, arbitrary: fc.constant({}) },
  fc
    .constantFrom(...[0x18, 0x11, 0x19, 0x02, 0x12, 0x14, 0x04, 0x30, 0x50, 0x90, 0x00, 0x08])
    .map(flags => ({ flags })),
  fc.constantFrom<Partial<PacketFields>>(
    { acknowledged: 6 },
    { window: 501 },
    { tos: 0x10 },
    { ttl: 63 },
    { fragment: 0 },
    { fragment: 0x2000 },
    { fragment: 0x4001 },
    { fragment: 0x8000 },
    { ipOptions: [1, 1, 1, 1] },
    { extensions: [60] },
    { extensions: [0, 60] },
    { tcpOptions: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2] },
    { tcpOptions: [1, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 2] },
    { checksum: 'wrong' },
    { checksum: 'zero' },
    { checksum: 'other zero' },
  ),
)
const step: fc.Arbitrary<Step> = fc.record({
  conversation: fc.nat(5),
  octets: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(100, 101) }, fc.integer({ min: 0, max: 1360 })),
  change,
  skip: fc.oneof({ weight: 12, arbitrary: fc.constant(0 as const) }, fc.constant(1 as const)),
  fixedId: fc.boolean(),
})

/** Conversations of TCP and UDP over both versions of IP that go side by side, in bursts of one length, and all that may befall them. */
export const streams: fc.Arbitrary<readonly Uint8Array[]> = fc
  .array(fc.tuple(step, fc.integer({ min: 1, max: 6 })), { maxLength: 20 })
  .chain(bursts => fc.tuple(fc.constant(bursts), fc.infiniteStream(fc.nat(255))))
  .map(([bursts, noise]) => {
    const sequences = new Map<number, { sequence: number; identification: number }>()
    return bursts.flatMap(([{ conversation, octets: length, change: changed, skip, fixedId }, times]) =>
      Array.from({ length: times }, () => {
        const state = sequences.get(conversation) ?? { sequence: 0xffff_ff00, identification: 0xfffd }
        const payload = Uint8Array.from({ length }, () => noise.next().value ?? 0)
        const packet = packetOf({
          ...PLAIN,
          isIpv6: conversation % 2 === 1,
          isTcp: conversation < 4,
          host: 1 + conversation,
          ...state,
          ...changed,
          payload,
        })
        sequences.set(conversation, {
          sequence: (state.sequence + length + skip) >>> 0,
          identification: (state.identification + (fixedId ? 0 : 1)) & 0xffff,
        })
        return packet
      }),
    )
  })

/** By what order is kept: the packets of each pair of addresses, in theirs. Where an identification is without meaning it counts for nothing. */
export function byConversation(packets: readonly Uint8Array[]): ReadonlyMap<string, readonly string[]> {
  const conversations = new Map<string, string[]>()
  for (const packet of packets) {
    const bytes = Buffer.from(packet)
    const isIpv6 = (bytes[0] ?? 0) >> 4 === 6
    const key = bytes.subarray(isIpv6 ? 8 : 12, isIpv6 ? 40 : 20).toString('hex')
    if (!isIpv6 && bytes.readUInt16BE(6) === 0x4000) {
      bytes.writeUInt16BE(0, 4)
      bytes.writeUInt16BE(0, 10)
    }
    conversations.set(key, [...(conversations.get(key) ?? []), bytes.toString('hex')])
  }
  return conversations
}
