/**
 * What happens to each packet: decapsulation towards the TUN, encapsulation towards the peer. Works in place on a
 * buffer, an offset and a length; a verdict is a number and its details are fields of the object, so that nothing
 * is allocated per packet.
 */
import type { DropReason } from '../flow.ts'
import { DHCP_PORT } from '../wire/dhcp.ts'
import {
  checkIpv4,
  IP_PROTOCOL,
  IP_SOURCE_ROUTE,
  ipv4Destination,
  ipv4FragmentOffset,
  ipv4HeaderBytes,
  ipv4Protocol,
  ipv4Source,
} from '../wire/ip.ts'
import {
  checkIpv6,
  Ipv6Walk,
  ipv6DestinationAt,
  ipv6SourceAt,
  isLinkLocal,
  isMulticast6,
  isNobodys6,
  isUnspecified6,
} from '../wire/ipv6-packet.ts'
import { LONGEST_DATAGRAM_BYTES } from '../wire/l2tp-header.ts'
import { PPP } from '../wire/ppp-frame.ts'
import { NO_FLOW } from './counters.ts'
import { FLAG, type FlowTable } from './flow-table.ts'
import { clampMss, clampTcp } from './mss-clamp.ts'
import { sameWords, WORDS } from './outer-address.ts'
import { DIRECTION, Judge, type JudgeMemory } from './policy/judge.ts'
import { ACTION, NO_SLOT } from './policy/program.ts'
import type { PacketBatch } from './ports.ts'
import { PrefixTable } from './prefix-table.ts'
import { PrefixTable6 } from './prefix-table6.ts'

export const VERDICT = {
  /** The inner packet is at `at`, `length`. */
  toTun: 0,
  /** The datagram is at `at`, `length`; it begins in the headroom. */
  toPeer: 1,
  /** A control message of a tunnel. */
  upControl: 2,
  /** PPP of an open flow that is not forwarded. */
  upFlow: 3,
  /** Anything else that the control plane may understand. */
  upUnknown: 4,
  /** For `reason`. */
  drop: 5,
  /** Dropped for `reason`; whoever sent it is to be told. */
  reject: 6,
  /** A control message of no tunnel yet: whoever wants one, whatever address it says to have. */
  upOpening: 7,
} as const

/** RFC 2661 3.1. */
const BIT = { control: 0x8000, length: 0x4000, sequence: 0x0800, offset: 0x0200 } as const
const VERSION_MASK = 0x000f
const VERSION = 2
const SHORTEST_HEADER_BYTES = 6
/** Behind flags and length. */
const TUNNEL_ID_AT = 4
const ALL_STATIONS = 0xff03
/** Begins FF 03, and no protocol. */
const ADDRESS = 0xff
/** From here on PPP protocols are negotiations (RFC 1661 2); below they are the network layer's data. */
const FIRST_CONTROL_PROTOCOL = 0x8000
const NO_PROTOCOL = 0
/** Of `slot`. */
export const NOT_JUDGED = -1
/** TCP and IP headers without options. */
const TCP_IPV4_HEADERS_BYTES = 40
const TCP_IPV6_HEADERS_BYTES = 60

/** Destinations that are never beyond this host: "this network", loopback, link-local, multicast, reserved and broadcast. */
const NEVER_FORWARDED = [
  [0x00000000, 8],
  [0x7f000000, 8],
  [0xa9fe0000, 16],
  [0xe0000000, 4],
  [0xf0000000, 4],
] as const

/** An address that means something elsewhere than on the link: neither unspecified, link-local nor multicast. */
const isBeyondLink = (view: DataView, at: number): boolean =>
  !isLinkLocal(view, at) && !isMulticast6(view, at) && !isUnspecified6(view, at)

/** DHCPINFORM: the control plane answers it. */
function isForDhcp(view: DataView, at: number, total: number): boolean {
  const portAt = ipv4HeaderBytes(view, at) + 2
  return (
    ipv4Protocol(view, at) === IP_PROTOCOL.UDP &&
    ipv4FragmentOffset(view, at) === 0 &&
    portAt + 2 <= total &&
    view.getUint16(at + portAt) === DHCP_PORT.SERVER
  )
}

export class FastPath {
  /** Of the last verdict. */
  flow = NO_FLOW
  at = 0
  length = 0
  /** Of the IP packet; 0 where there is none that could be read. */
  innerBytes = 0
  reason: DropReason = 'malformed-ip'
  /** What the rule that decided counts under; NOT_JUDGED where none was asked. */
  slot = NOT_JUDGED
  /** What was decided is to be told. */
  logged = false
  #rejected = false
  readonly #judge: Judge
  readonly #table: FlowTable
  readonly #neverForwarded = new PrefixTable()
  #local = new PrefixTable()
  #local6 = new PrefixTable6()
  readonly #walk = new Ipv6Walk()

  constructor(table: FlowTable, connections: number, conversations?: JudgeMemory) {
    this.#table = table
    this.#judge = new Judge({ maxFlows: table.maxFlows, connections }, conversations)
    for (const [address, length] of NEVER_FORWARDED) this.#neverForwarded.set(address | 0, length, 1)
  }

  setLocalPrefixes(local: PrefixTable, local6: PrefixTable6): void {
    this.#local = local
    this.#local6 = local6
    this.#judge.doubt()
  }

  /** The flow belongs to another session from now on. */
  begin(flow: number): void {
    this.#judge.begin(flow)
  }

  /** Time passes only here. */
  tick(nowMs: number): void {
    this.#table.up.tick(nowMs)
    this.#table.down.tick(nowMs)
    this.#judge.tick(nowMs)
  }

  /** Datagram `i` of a batch that came from the network to `localPort`. */
  fromNetwork(batch: PacketBatch, i: number, localPort: number): number {
    const { view } = batch
    const at = batch.at[i] ?? 0
    const length = batch.length[i] ?? 0
    this.#begin(at, length)
    if (length < SHORTEST_HEADER_BYTES) return VERDICT.upUnknown
    const bits = view.getUint16(at)
    if ((bits & VERSION_MASK) !== VERSION) return VERDICT.upUnknown
    if ((bits & BIT.control) !== 0)
      return (bits & BIT.length) !== 0 && view.getUint16(at + TUNNEL_ID_AT) === 0
        ? VERDICT.upOpening
        : VERDICT.upControl

    let next = at + 2
    let end = at + length
    if ((bits & BIT.length) !== 0) {
      const told = view.getUint16(next)
      if (told > length) return VERDICT.upUnknown
      end = at + told
      next += 2
    }
    if (next + 4 > end) return VERDICT.upUnknown
    const ids = view.getInt32(next)
    next += (bits & BIT.sequence) !== 0 ? 8 : 4
    if ((bits & BIT.offset) !== 0) {
      if (next + 2 > end) return VERDICT.upUnknown
      next += 2 + view.getUint16(next)
    }
    if (next > end) return VERDICT.upUnknown

    const flow = this.#table.find(batch.localAddress[i] ?? 0, ids)
    const samePeer = flow >= 0 && this.#isPeer(flow, localPort, batch, i)
    const known = samePeer && this.#table.remotePort[flow] === batch.remotePort[i]
    // A NAT may have given its peer another port: for the control plane to find out.
    if (samePeer && !known) return VERDICT.upUnknown
    return this.#frame(view, next, end, known ? flow : NO_FLOW)
  }

  /** A packet from the TUN; `HEADROOM_BYTES` before `at` are free. */
  fromTun(view: DataView, at: number, length: number): number {
    this.#begin(at, length)
    if (length > 0 && view.getUint8(at) >> 4 === 6) return this.#fromTun6(view, at, length)
    const total = checkIpv4(view, at, length)
    if (total < 0) return this.#ipFault(total)
    this.innerBytes = total
    const table = this.#table
    const destination = ipv4Destination(view, at)
    const flow = this.#neverForwarded.lookup(destination) < 0 ? table.prefixes.route4(destination) : NO_FLOW
    if (flow < 0) return this.#drop('no-route')
    this.flow = flow
    const isHost = this.#local.lookup(ipv4Source(view, at)) >= 0
    if (!this.#permits4(DIRECTION.toSession, view, at, total, isHost)) return this.#refused('policy')
    if (!this.#fits(flow, total)) return this.#drop('too-big')
    if (!this.#mayGoDown(flow, total)) return this.#drop('over-rate')
    this.#clamp(flow, view, at, total)
    return this.#toPeer(flow, PPP.IPV4, view, at, total)
  }

  #fromTun6(view: DataView, at: number, length: number): number {
    const total = checkIpv6(view, at, length)
    const fault = total < 0 ? total : this.#walk.walk(view, at, total)
    if (fault < 0) return this.#ipFault(fault)
    this.innerBytes = total
    const to = ipv6DestinationAt(at)
    const table = this.#table
    // The kernel speaks of itself (MLD, router solicitations) on every device: none of it is for a session.
    const flow = isBeyondLink(view, to) ? table.prefixes.route6(view, to) : NO_FLOW
    if (flow < 0) return this.#drop('no-route')
    this.flow = flow
    const isHost = this.#local6.lookup(view, ipv6SourceAt(at)) >= 0
    if (!this.#permits6(DIRECTION.toSession, view, at, total, isHost)) return this.#refused('policy')
    if (!this.#fits(flow, total)) return this.#drop('too-big')
    if (!this.#mayGoDown(flow, total)) return this.#drop('over-rate')
    this.#clamp6(flow, view, at, total)
    return this.#toPeer(flow, PPP.IPV6, view, at, total)
  }

  #fits(flow: number, total: number): boolean {
    return total <= this.#mtu(flow) && this.#headerBytes(flow) + total <= LONGEST_DATAGRAM_BYTES
  }

  #mayGoDown(flow: number, total: number): boolean {
    return (this.#flags(flow) & FLAG.downRate) === 0 || this.#table.down.take(flow, total)
  }

  #mayGoUp(flow: number, total: number): boolean {
    return (this.#flags(flow) & FLAG.upRate) === 0 || this.#table.up.take(flow, total)
  }

  #toPeer(flow: number, protocol: number, view: DataView, at: number, total: number): number {
    const headerBytes = this.#headerBytes(flow)
    this.at = at - headerBytes
    this.length = headerBytes + total
    this.#writeHeader(flow, protocol, view)
    return VERDICT.toPeer
  }

  /** Makes a datagram for the peer of a flow of a packet that is ours: nobody judges it. As of VERDICT.toPeer. */
  encapsulate(flow: number, view: DataView, at: number, total: number): void {
    const protocol = view.getUint8(at) >> 4 === 6 ? PPP.IPV6 : PPP.IPV4
    this.flow = flow
    this.innerBytes = total
    this.#toPeer(flow, protocol, view, at, total)
  }

  #begin(at: number, length: number): void {
    this.flow = NO_FLOW
    this.at = at
    this.length = length
    this.innerBytes = 0
    this.slot = NOT_JUDGED
    this.logged = false
  }

  #isPeer(flow: number, localPort: number, batch: PacketBatch, i: number): boolean {
    const table = this.#table
    if (table.remoteAddress[flow] !== batch.remoteAddress[i] || table.localPort[flow] !== localPort)
      return false
    const isIpv6 = (this.#flags(flow) & FLAG.outer6) !== 0
    return isIpv6 === batch.isIpv6 && (!isIpv6 || this.#isPeer6(flow, batch, i))
  }

  #isPeer6(flow: number, { localWords, remoteWords }: PacketBatch, i: number): boolean {
    const table = this.#table
    return (
      sameWords(table.remoteWords, WORDS * flow, remoteWords, WORDS * i) &&
      sameWords(table.localWords, WORDS * flow, localWords, WORDS * i)
    )
  }

  /** A PPP frame, with or without FF 03 and protocol compression, whatever was agreed; as `decodePppFrame` reads it. */
  #frame(view: DataView, from: number, end: number, flow: number): number {
    this.flow = flow
    let at = from
    if (at + 2 <= end && view.getUint16(at) === ALL_STATIONS) at += 2
    let protocol = NO_PROTOCOL
    if (at < end && (view.getUint8(at) & 1) === 1 && view.getUint8(at) !== ADDRESS) {
      protocol = view.getUint8(at)
      at += 1
    } else if (at + 2 <= end && (view.getUint8(at + 1) & 1) === 1) {
      protocol = view.getUint16(at)
      at += 2
    }
    if (flow === NO_FLOW) {
      const isData = protocol !== NO_PROTOCOL && protocol < FIRST_CONTROL_PROTOCOL
      return isData ? this.#drop('unknown-flow') : VERDICT.upUnknown
    }
    if (protocol === PPP.IPV4) return this.#inner(view, at, end - at, flow)
    const isIpv6 = protocol === PPP.IPV6 && this.#table.prefixes.hasIpv6(flow)
    return isIpv6 ? this.#inner6(view, at, end - at, flow) : VERDICT.upFlow
  }

  #inner(view: DataView, at: number, length: number, flow: number): number {
    this.at = at
    const total = checkIpv4(view, at, length)
    if (total < 0) return this.#ipFault(total)
    this.length = total
    this.innerBytes = total
    const table = this.#table
    if (!table.prefixes.owns4(flow, ipv4Source(view, at))) return this.#drop('spoofed-source')
    const destination = ipv4Destination(view, at)
    const isHost = this.#local.lookup(destination) >= 0
    const isNobodys = this.#neverForwarded.lookup(destination) >= 0
    if ((isHost || isNobodys) && isForDhcp(view, at, total)) return VERDICT.upFlow
    if (isNobodys) return this.#drop('local-destination')
    if (!this.#permits4(DIRECTION.fromSession, view, at, total, isHost))
      return this.#refused(isHost ? 'local-destination' : 'policy')
    if (!this.#mayGoUp(flow, total)) return this.#drop('over-rate')
    this.#clamp(flow, view, at, total)
    return VERDICT.toTun
  }

  #inner6(view: DataView, at: number, length: number, flow: number): number {
    const total = checkIpv6(view, at, length)
    const fault = total < 0 ? total : this.#walk.walk(view, at, total)
    if (fault < 0) return this.#ipFault(fault)
    const [from, to] = [ipv6SourceAt(at), ipv6DestinationAt(at)]
    // Between the two ends of the link: the control plane is the router that it asks.
    if (!isBeyondLink(view, from) || !isBeyondLink(view, to)) return VERDICT.upFlow
    this.at = at
    this.length = total
    this.innerBytes = total
    const table = this.#table
    if (!table.prefixes.owns6(flow, view, from)) return this.#drop('spoofed-source')
    if (isNobodys6(view, to)) return this.#drop('local-destination')
    const isHost = this.#local6.lookup(view, to) >= 0
    if (!this.#permits6(DIRECTION.fromSession, view, at, total, isHost))
      return this.#refused(isHost ? 'local-destination' : 'policy')
    if (!this.#mayGoUp(flow, total)) return this.#drop('over-rate')
    this.#clamp6(flow, view, at, total)
    return VERDICT.toTun
  }

  #permits4(direction: number, view: DataView, at: number, total: number, isHost: boolean): boolean {
    const { flow } = this
    const rules = this.#table.rules(flow)
    return this.#judged(this.#judge.judge4(flow, rules, direction, view, at, total, isHost))
  }

  /** Of the packet that was walked last. */
  #permits6(direction: number, view: DataView, at: number, total: number, isHost: boolean): boolean {
    const { flow } = this
    const rules = this.#table.rules(flow)
    return this.#judged(this.#judge.judge6(flow, rules, direction, view, at, total, this.#walk, isHost))
  }

  #judged(action: number): boolean {
    this.slot = this.#judge.slot
    this.logged = action === ACTION.permit && this.#judge.logged
    this.#rejected = action === ACTION.reject
    return action === ACTION.permit
  }

  /** Without a rule of its own the packet was refused for `reason`, which says more than that there is none. */
  #refused(reason: DropReason): number {
    this.reason = this.slot === NO_SLOT ? reason : 'policy'
    return this.#rejected ? VERDICT.reject : VERDICT.drop
  }

  #clamp6(flow: number, view: DataView, at: number, total: number): void {
    const walk = this.#walk
    if ((this.#flags(flow) & FLAG.mss) !== 0 && walk.protocol === IP_PROTOCOL.TCP && !walk.isLaterFragment)
      clampTcp(view, walk.at, at + total, this.#mtu(flow) - TCP_IPV6_HEADERS_BYTES)
  }

  #clamp(flow: number, view: DataView, at: number, total: number): void {
    if ((this.#flags(flow) & FLAG.mss) !== 0)
      clampMss(view, at, total, this.#mtu(flow) - TCP_IPV4_HEADERS_BYTES)
  }

  #headerBytes(flow: number): number {
    const flags = this.#flags(flow)
    return (
      SHORTEST_HEADER_BYTES +
      ((flags & FLAG.length) !== 0 ? 2 : 0) +
      ((flags & FLAG.sequence) !== 0 ? 4 : 0) +
      ((flags & FLAG.acfc) !== 0 ? 0 : 2) +
      ((flags & FLAG.pfc) !== 0 ? 1 : 2)
    )
  }

  /** Into the `at` and `length` that the verdict names. */
  #writeHeader(flow: number, protocol: number, view: DataView): void {
    const table = this.#table
    const flags = this.#flags(flow)
    const withLength = (flags & FLAG.length) !== 0
    const withSequence = (flags & FLAG.sequence) !== 0
    let at = this.at
    view.setUint16(at, VERSION | (withLength ? BIT.length : 0) | (withSequence ? BIT.sequence : 0))
    at += 2
    if (withLength) {
      view.setUint16(at, this.length)
      at += 2
    }
    view.setInt32(at, table.peerIds[flow] ?? 0)
    at += 4
    if (withSequence) {
      // Nr is reserved in data messages (RFC 2661 3.1).
      const ns = table.nextNs[flow] ?? 0
      view.setUint16(at, ns)
      view.setUint16(at + 2, 0)
      table.nextNs[flow] = ns + 1
      at += 4
    }
    if ((flags & FLAG.acfc) === 0) {
      view.setUint16(at, ALL_STATIONS)
      at += 2
    }
    if ((flags & FLAG.pfc) !== 0) view.setUint8(at, protocol)
    else view.setUint16(at, protocol)
  }

  #flags(flow: number): number {
    return this.#table.flags[flow] ?? 0
  }

  #mtu(flow: number): number {
    return this.#table.mtuBytes[flow] ?? 0
  }

  #ipFault(fault: number): number {
    return this.#drop(fault === IP_SOURCE_ROUTE ? 'source-route' : 'malformed-ip')
  }

  #drop(reason: DropReason): number {
    this.reason = reason
    return VERDICT.drop
  }
}
