/** The fast path said slowly: whole objects, whole decoders, no state but the lists that it is given. */
import type { AclRule, DropReason, Flow, Prefix } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { decodeHeader, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { decodePppFrame, encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { octets, octets6, sum16, tcpChecksumHolds, tcpSum, u16 } from '../support/ip-packets.ts'

/** Later flows win over earlier ones. */
export interface World {
  readonly flows: readonly { readonly flow: Flow; readonly rules: readonly AclRule[] }[]
  readonly localPrefixes: readonly Prefix[]
}

export type Outcome =
  | { readonly kind: 'tun'; readonly flow: number; readonly packet: Uint8Array }
  | { readonly kind: 'peer'; readonly flow: number; readonly head: Uint8Array; readonly packet: Uint8Array }
  | { readonly kind: 'control' | 'opening' | 'unknown' }
  | { readonly kind: 'flow'; readonly flow: number }
  | { readonly kind: 'drop'; readonly reason: DropReason; readonly flow?: number }

const FORBIDDEN: readonly Prefix[] = [
  { address: '0.0.0.0', length: 8 },
  { address: '127.0.0.0', length: 8 },
  { address: '169.254.0.0', length: 16 },
  { address: '224.0.0.0', length: 4 },
  { address: '240.0.0.0', length: 4 },
  { address: '::', length: 96 },
  { address: '::ffff:0:0', length: 96 },
]
const ON_LINK: readonly Prefix[] = [
  { address: '::', length: 128 },
  { address: 'fe80::', length: 10 },
  { address: 'ff00::', length: 8 },
]
const isOnLink = (address: string) => holds(ON_LINK, address)

export interface Packet {
  readonly bytes: Uint8Array
  readonly headerBytes: number
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly isFirst: boolean
  /** In octets. */
  readonly fragmentOffset?: number
}

export function fromNetwork({ flows, localPrefixes }: World, path: Path, datagram: Uint8Array): Outcome {
  const [high = 0, low = 0] = datagram
  if (datagram.length >= 6 && (low & 0x0f) === 2 && (high & 0x80) !== 0)
    return { kind: (high & 0x40) !== 0 && datagram[4] === 0 && datagram[5] === 0 ? 'opening' : 'control' }
  const decoded = decodeHeader(datagram)
  if (decoded.kind !== 'data') return { kind: 'unknown' }
  const { tunnelId, sessionId } = decoded.header
  const owner = flows.findLast(
    ({ flow }) =>
      flow.localTunnelId === tunnelId &&
      flow.localSessionId === sessionId &&
      flow.path.local.address === path.local.address,
  )
  const isItsAddress =
    owner?.flow.path.local.port === path.local.port && owner.flow.path.remote.address === path.remote.address
  const isOurs = isItsAddress && owner.flow.path.remote.port === path.remote.port
  // It may have been moved there by a NAT.
  if (isItsAddress && !isOurs) return { kind: 'unknown' }
  const frame = decodePppFrame(decoded.payload)
  if (owner === undefined || !isOurs) {
    const isNegotiation = frame === undefined || frame.protocol >= 0x8000
    return isNegotiation ? { kind: 'unknown' } : { kind: 'drop', reason: 'unknown-flow' }
  }
  const { flow, rules } = owner
  const hasIpv6 = flow.prefixes.some(({ address }) => address.includes(':'))
  const isIpv6 = frame?.protocol === PPP.IPV6 && hasIpv6
  if (frame === undefined || (frame.protocol !== PPP.IPV4 && !isIpv6)) return { kind: 'flow', flow: flow.id }
  const packet = isIpv6 ? parse6(frame.payload) : parse(frame.payload)
  const drop = (reason: DropReason): Outcome => ({ kind: 'drop', reason, flow: flow.id })
  if (typeof packet === 'string') return drop(packet)
  if (isIpv6 && (isOnLink(packet.source) || isOnLink(packet.destination)))
    return { kind: 'flow', flow: flow.id }
  if (!holds(flow.prefixes, packet.source)) return drop('spoofed-source')
  const isHost = holds(localPrefixes, packet.destination)
  const isNobodys = holds(FORBIDDEN, packet.destination)
  if ((isHost || isNobodys) && !isIpv6 && isForDhcp(packet)) return { kind: 'flow', flow: flow.id }
  if (isNobodys) return drop('local-destination')
  const verdict = judged(rules, 'from-session', packet, isHost)
  if (verdict !== 'permit') return drop(isHost && verdict === 'no rule' ? 'local-destination' : 'policy')
  return { kind: 'tun', flow: flow.id, packet: clamped(flow, packet) }
}

export function fromTun({ flows, localPrefixes }: World, bytes: Uint8Array): Outcome {
  const isIpv6 = bytes.length > 0 && (bytes[0] ?? 0) >> 4 === 6
  const packet = isIpv6 ? parse6(bytes) : parse(bytes)
  if (typeof packet === 'string') return { kind: 'drop', reason: packet }
  const claims = flows.flatMap(({ flow, rules }) =>
    flow.prefixes
      .map(prefix => ({ flow, rules, prefix }))
      .filter(claim => holds([claim.prefix], packet.destination)),
  )
  const longest = Math.max(...claims.map(({ prefix }) => prefix.length))
  const claim = claims.findLast(({ prefix }) => prefix.length === longest)
  if (
    claim === undefined ||
    isOnLink(packet.destination) ||
    (!isIpv6 && holds(FORBIDDEN, packet.destination))
  )
    return { kind: 'drop', reason: 'no-route' }
  const { flow, rules } = claim
  if (judged(rules, 'to-session', packet, holds(localPrefixes, packet.source)) !== 'permit')
    return { kind: 'drop', reason: 'policy', flow: flow.id }
  if (packet.bytes.length > flow.mtuBytes) return { kind: 'drop', reason: 'too-big', flow: flow.id }
  const header = {
    tunnelId: flow.peerTunnelId,
    sessionId: flow.peerSessionId,
    length: flow.header.length,
    priority: false,
    ...(flow.needs.sequence ? { sequence: { ns: 0, nr: 0 } } : {}),
  }
  const datagram = encodeDataDatagram(
    header,
    encodePppFrame(isIpv6 ? PPP.IPV6 : PPP.IPV4, packet.bytes, flow.header),
  )
  const head = datagram.subarray(0, datagram.length - packet.bytes.length)
  return { kind: 'peer', flow: flow.id, head, packet: clamped(flow, packet) }
}

export function parse(bytes: Uint8Array): Packet | 'malformed-ip' | 'source-route' {
  const [first = 0, , totalHigh = 0, totalLow = 0] = bytes
  const headerBytes = (first & 0x0f) * 4
  const total = totalHigh * 256 + totalLow
  if (
    bytes.length < 20 ||
    first >> 4 !== 4 ||
    headerBytes < 20 ||
    headerBytes > total ||
    total > bytes.length
  )
    return 'malformed-ip'
  if (sum16(bytes.subarray(0, headerBytes)) !== 0) return 'malformed-ip'
  const fault = optionFault([...bytes.subarray(20, headerBytes)])
  if (fault !== undefined) return fault
  return {
    bytes: bytes.slice(0, total),
    headerBytes,
    source: bytes.subarray(12, 16).join('.'),
    destination: bytes.subarray(16, 20).join('.'),
    protocol: bytes[9] ?? 0,
    isFirst: (((bytes[6] ?? 0) & 0x1f) | (bytes[7] ?? 0)) === 0,
    fragmentOffset: 8 * (((bytes[6] ?? 0) & 0x1f) * 256 + (bytes[7] ?? 0)),
  }
}

/** The upper layer counts as what lies behind the extension headers; `headerBytes` is where it begins. */
export function parse6(bytes: Uint8Array): Packet | 'malformed-ip' | 'source-route' {
  const total = 40 + (bytes[4] ?? 0) * 256 + (bytes[5] ?? 0)
  if (bytes.length < 40 || (bytes[0] ?? 0) >> 4 !== 6 || total > bytes.length) return 'malformed-ip'
  const whole = bytes.slice(0, total)
  const address = (from: number) =>
    Array.from({ length: 8 }, (_, group) =>
      Buffer.from(whole)
        .readUInt16BE(from + 2 * group)
        .toString(16),
    ).join(':')
  const behind = behindHeaders(whole, whole[6] ?? 0, 40, 8)
  if (typeof behind === 'string') return behind
  return { bytes: whole, source: address(8), destination: address(24), ...behind }
}

function behindHeaders(
  bytes: Uint8Array,
  protocol: number,
  at: number,
  more: number,
): Pick<Packet, 'protocol' | 'headerBytes' | 'isFirst'> | 'malformed-ip' | 'source-route' {
  if (more === 0) return 'malformed-ip'
  if (![0, 43, 44, 60].includes(protocol)) return { protocol, headerBytes: at, isFirst: true }
  const header = bytes.subarray(at)
  if (header.length < 8) return 'malformed-ip'
  const [next = 0, units = 0, high = 0, low = 0] = header
  if (protocol === 43 && high === 0) return 'source-route'
  const length = protocol === 44 ? 8 : 8 + 8 * units
  if (length > header.length) return 'malformed-ip'
  const isLater = protocol === 44 && high * 256 + low >= 8
  if (isLater) return { protocol: next, headerBytes: at + length, isFirst: false }
  return behindHeaders(bytes, next, at + length, more - 1)
}

function optionFault(options: readonly number[]): 'malformed-ip' | 'source-route' | undefined {
  const [kind, length = 0] = options
  if (kind === undefined || kind === 0) return undefined
  if (kind === 1) return optionFault(options.slice(1))
  if (kind === 131 || kind === 137) return 'source-route'
  if (length < 2 || length > options.length) return 'malformed-ip'
  return optionFault(options.slice(length))
}

function holds(prefixes: readonly Prefix[], address: string): boolean {
  const bits = (text: string) =>
    (text.includes(':') ? octets6(text) : octets(text))
      .map(octet => octet.toString(2).padStart(8, '0'))
      .join('')
  return prefixes.some(
    prefix =>
      prefix.address.includes(':') === address.includes(':') &&
      bits(address).startsWith(bits(prefix.address).slice(0, prefix.length)),
  )
}

function isForDhcp({ bytes, headerBytes, protocol, isFirst }: Packet): boolean {
  const [high, low] = bytes.subarray(headerBytes + 2)
  return protocol === 17 && isFirst && bytes.length >= headerBytes + 4 && high === 0 && low === 67
}

const WITH_PORTS = [6, 17, 33, 132, 136]

/** The first packet of a conversation, by the first rule that matches. */
export function judged(
  rules: readonly AclRule[],
  direction: AclRule['direction'],
  packet: Packet,
  isHost: boolean,
): AclRule['action'] | 'no rule' {
  if (packet.fragmentOffset === 8 && packet.protocol === 6) return 'no rule'
  const match = rules.find(rule => rule.direction === direction && matches(rule, packet, isHost))
  return match?.action ?? 'no rule'
}

function matches(rule: AclRule, packet: Packet, isHost: boolean): boolean {
  const { bytes, headerBytes, protocol, isFirst, source, destination } = packet
  const isIcmp = packet.source.includes(':') ? protocol === 58 : protocol === 1
  if ((rule.host === true) !== isHost) return false
  if (rule.source !== undefined && !holds(rule.source, source)) return false
  if (rule.destination !== undefined && !holds(rule.destination, destination)) return false
  if (rule.protocol !== undefined && (rule.protocol === 1 ? !isIcmp : rule.protocol !== protocol))
    return false
  const upper = isFirst ? [...bytes.subarray(headerBytes)] : []
  const types = source.includes(':') ? rule.icmpv6Types : rule.icmpTypes
  if (rule.icmpTypes !== undefined || rule.icmpv6Types !== undefined) {
    const [type] = upper.length >= 8 ? upper : []
    return isIcmp && (type === undefined ? rule.action !== 'permit' : types?.includes(type) === true)
  }
  if (rule.destinationPorts === undefined) return true
  if (!WITH_PORTS.includes(protocol)) return false
  const [, , high, low] = upper
  if (high === undefined || low === undefined) return rule.action !== 'permit'
  const port = high * 256 + low
  return rule.destinationPorts.some(({ from, to }) => port >= from && port <= to)
}

/** Where the MSS is lowered, the checksum becomes the right one, or 0 where it was wrong before. */
function clamped(flow: Flow, { bytes, headerBytes, protocol, isFirst }: Packet): Uint8Array {
  const segment = bytes.subarray(headerBytes)
  const [offset = 0, flags = 0] = segment.subarray(12)
  const dataAt = (offset >> 4) * 4
  if (!flow.needs.mss || protocol !== 6 || !isFirst || segment.length < 20) return bytes
  if ((flags & 2) === 0 || dataAt > segment.length) return bytes
  const at = mssAt([...segment.subarray(20, Math.max(20, dataAt))], 0)
  if (at === undefined) return bytes
  const limit = flow.mtuBytes - ((bytes[0] ?? 0) >> 4 === 6 ? 60 : 40)
  if ((segment[20 + at] ?? 0) * 256 + (segment[21 + at] ?? 0) <= limit) return bytes
  const lowered = bytes.slice()
  lowered.set(u16(limit), headerBytes + 20 + at)
  lowered.set([0, 0], headerBytes + 16)
  if (tcpChecksumHolds(bytes, headerBytes)) lowered.set(u16(tcpSum(lowered, headerBytes)), headerBytes + 16)
  return lowered
}

/** Where in the options the value of a well-formed MSS option is. */
function mssAt(options: readonly number[], at: number): number | undefined {
  const [kind, length = 0] = options.slice(at)
  if (kind === undefined || kind === 0) return undefined
  if (kind === 1) return mssAt(options, at + 1)
  if (length < 2 || at + length > options.length) return undefined
  if (kind === 2) return length === 4 ? at + 2 : undefined
  return mssAt(options, at + length)
}
