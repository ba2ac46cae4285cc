/** IP packets for tests, written plainly and independently of the code under test. */

export interface Ipv4Fields {
  readonly source: string
  readonly destination: string
  readonly protocol?: number
  readonly payload?: Uint8Array
  /** Whole words. */
  readonly options?: Uint8Array
  /** Flags and fragment offset, as the 16 bits of the header. */
  readonly fragment?: number
}

export function octets(address: string): number[] {
  return address.split('.').map(Number)
}

/** `::` at most once, and no dotted tail. */
export function octets6(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap(u16)
}

const octetsOf = (address: string) => (address.includes(':') ? octets6(address) : octets(address))

export function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff]
}

/** The Internet checksum, one octet at a time. */
export function sum16(bytes: Iterable<number>): number {
  let sum = 0
  let high = true
  for (const byte of bytes) {
    sum += high ? byte * 256 : byte
    high = !high
  }
  while (sum >= 65_536) sum = (sum % 65_536) + Math.floor(sum / 65_536)
  return 65_535 - sum
}

export function ipv4({
  source,
  destination,
  protocol = 17,
  payload = udp({ source, destination }),
  options = new Uint8Array(0),
  fragment = 0x4000,
}: Ipv4Fields): Uint8Array {
  const headerBytes = 20 + options.length
  const header = [
    0x40 | (headerBytes / 4),
    0,
    ...u16(headerBytes + payload.length),
    ...u16(0x1234),
    ...u16(fragment),
    64,
    protocol,
    0,
    0,
    ...octets(source),
    ...octets(destination),
    ...options,
  ]
  header.splice(10, 2, ...u16(sum16(header)))
  return Uint8Array.from([...header, ...payload])
}

export interface Ipv6Fields {
  readonly source: string
  readonly destination: string
  readonly protocol?: number
  readonly payload?: Uint8Array
  /** Extension headers, each without its first octet, which says what follows. */
  readonly headers?: readonly { readonly type: number; readonly rest: readonly number[] }[]
  readonly hopLimit?: number
}

export function ipv6({
  source,
  destination,
  protocol = 17,
  payload = udp({ source, destination }),
  headers = [],
  hopLimit = 64,
}: Ipv6Fields): Uint8Array {
  const types = [...headers.map(({ type }) => type), protocol]
  const chain = headers.flatMap(({ rest }, index) => [types[index + 1] ?? 0, ...rest])
  return Uint8Array.from([
    ...[0x60, 0, 0, 0],
    ...u16(chain.length + payload.length),
    types[0] ?? 0,
    hopLimit,
    ...octets6(source),
    ...octets6(destination),
    ...chain,
    ...payload,
  ])
}

interface Ends {
  readonly source: string
  readonly destination: string
}

function pseudoHeader({ source, destination }: Ends, protocol: number, length: number): number[] {
  return [...octetsOf(source), ...octetsOf(destination), 0, protocol, ...u16(length)]
}

export function udp({
  sourcePort = 4000,
  destinationPort = 53,
  data = new Uint8Array(0),
  ...ends
}: Ends & {
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly data?: Uint8Array
}): Uint8Array {
  const length = 8 + data.length
  const segment = [...u16(sourcePort), ...u16(destinationPort), ...u16(length), 0, 0, ...data]
  segment.splice(6, 2, ...u16(sum16([...pseudoHeader(ends, 17, length), ...segment]) || 0xffff))
  return Uint8Array.from(segment)
}

/** A segment with a right checksum; `options` are whole words. */
export function tcp({
  sourcePort = 4000,
  destinationPort = 80,
  flags = 0x02,
  options = [],
  data = new Uint8Array(0),
  ...ends
}: Ends & {
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly flags?: number
  readonly options?: readonly number[]
  readonly data?: Uint8Array
}): Uint8Array {
  const headerBytes = 20 + options.length
  const segment = [
    ...u16(sourcePort),
    ...u16(destinationPort),
    ...[1, 2, 3, 4, 0, 0, 0, 0],
    (headerBytes / 4) << 4,
    flags,
    ...u16(65_000),
    0,
    0,
    0,
    0,
    ...options,
    ...data,
  ]
  segment.splice(16, 2, ...u16(sum16([...pseudoHeader(ends, 6, segment.length), ...segment])))
  return Uint8Array.from(segment)
}

/** Over pseudo-header and segment: 0 where a right checksum is in it. */
export function tcpSum(packet: Uint8Array, tcpAt = 40): number {
  if ((packet[0] ?? 0) >> 4 === 6) {
    const segment = packet.subarray(tcpAt)
    return sum16([...packet.subarray(8, 40), 0, 6, ...u16(segment.length), ...segment])
  }
  const segment = packet.subarray(((packet[0] ?? 0) & 0x0f) * 4)
  return sum16([...packet.subarray(12, 20), 0, 6, ...u16(segment.length), ...segment])
}

/** `tcpAt`: of IPv6, behind its extension headers. */
export function tcpChecksumHolds(packet: Uint8Array, tcpAt?: number): boolean {
  return tcpSum(packet, tcpAt) === 0
}
