/** Moves batches between sockets and TUN through the fast path: the same on every thread. */
import { formatIpv4, IPV4_HEADER_BYTES, ipv4Destination, ipv4Source } from '../wire/ip.ts'
import { formatIpv6 } from '../wire/ipv6.ts'
import { ipv6DestinationAt, ipv6SourceAt } from '../wire/ipv6-packet.ts'
import { COLUMN, type Counters, dropColumn, NO_FLOW } from './counters.ts'
import type { DataPlaneEvent } from './data-plane.ts'
import { FastPath, NOT_JUDGED, VERDICT } from './fast-path.ts'
import { FLAG, type FlowTable } from './flow-table.ts'
import { UNREACHABLE_BYTES, writeFragmentationNeeded } from './icmp.ts'
import { ICMP6_ERROR_BYTES, writePacketTooBig } from './icmp6.ts'
import { copyWords, foldNetwork, WORDS } from './outer-address.ts'
import type { JudgeMemory } from './policy/judge.ts'
import type { RuleCounters } from './policy/rule-counters.ts'
import { type DatagramPort, HEADROOM_BYTES, PacketBatch, type TunPort } from './ports.ts'
import { writeRejection } from './rejection.ts'
import { Shedding } from './shedding.ts'
import { UpBudget, type UpKind } from './up-budget.ts'

/** Takes what is handed up; false when it has no room. */
export type UpSink = (event: DataPlaneEvent, kind: UpKind) => boolean

export interface ForwarderParts {
  readonly table: FlowTable
  readonly counters: Counters
  readonly ruleCounters: RuleCounters
  /** Of what is known of conversations. */
  readonly conversations: JudgeMemory
  /** Conversations that are known at a time. */
  readonly connections: number
  readonly sockets: readonly DatagramPort[]
  readonly tun: TunPort | undefined
  readonly up: UpSink
  /** What sockets fill, and what the TUN does: a port may keep something in its own for the next turn. */
  readonly fromNetwork: PacketBatch
  readonly fromTun: PacketBatch
}

export class Forwarder {
  readonly fastPath: FastPath
  readonly #parts: ForwarderParts
  readonly #budget: UpBudget
  readonly #shedding = new Shedding()
  /** Of each packet of the batch that goes out. */
  readonly #flow: Int32Array
  readonly #innerBytes: Uint32Array
  /** An answer of our own. */
  readonly #answer = new PacketBatch(HEADROOM_BYTES + Math.max(UNREACHABLE_BYTES, ICMP6_ERROR_BYTES))
  readonly #answerView = new DataView(this.#answer.bytes.buffer, HEADROOM_BYTES)
  /** A packet of two pieces, where one answers it. */
  readonly #joined = new Uint8Array(LONGEST_PACKET_BYTES)
  readonly #joinedView = new DataView(this.#joined.buffer)
  #wholeAt = 0
  /** By what they count under. */
  readonly #ruleNames: string[] = []

  constructor(parts: ForwarderParts) {
    this.#parts = parts
    this.fastPath = new FastPath(parts.table, parts.connections, parts.conversations)
    this.#budget = new UpBudget(parts.table.maxFlows)
    const most = Math.max(parts.fromNetwork.most, parts.fromTun.most)
    this.#flow = new Int32Array(most)
    this.#innerBytes = new Uint32Array(most)
  }

  /** Time passes only here; call it before each turn. */
  tick(nowMs: number): void {
    this.#budget.tick(nowMs)
    const keep = this.#shedding.tick(nowMs)
    if (keep !== undefined) for (const socket of this.#parts.sockets) socket.shedOpenings(keep)
    this.fastPath.tick(nowMs)
  }

  /** By the slots that they count under. */
  nameRules(names: ReadonlyMap<number, string>): void {
    for (const [slot, name] of names) this.#ruleNames[slot] = name
  }

  /** One batch from a socket; true when more may be waiting. */
  fromNetwork(socket: DatagramPort): boolean {
    const batch = this.#parts.fromNetwork
    const full = socket.receive(batch)
    if (batch.oversized > 0) this.#parts.counters.add(NO_FLOW, COLUMN.notHandedUp, batch.oversized)
    let kept = 0
    for (let i = 0; i < batch.count; i++) if (this.#datagram(batch, i, socket.bound.port, kept)) kept++
    this.#toTun(batch, kept)
    return full
  }

  /** One batch from the TUN; true when more may be waiting. */
  fromTun(tun: TunPort): boolean {
    const batch = this.#parts.fromTun
    const full = tun.receive(batch)
    let kept = 0
    for (let i = 0; i < batch.count; i++) if (this.#packet(batch, i, kept)) kept++
    this.#sendRuns(batch, kept)
    return full
  }

  /** Judges datagram `i`, and moves the description of what it holds to `kept` when that is for the TUN. */
  #datagram(batch: PacketBatch, i: number, localPort: number, kept: number): boolean {
    const { fastPath } = this
    const verdict = fastPath.fromNetwork(batch, i, localPort)
    this.#countRule(batch)
    switch (verdict) {
      case VERDICT.toTun:
        this.#keep(batch, kept)
        return true
      case VERDICT.upControl:
        this.#up('control', this.#budget.takeForSource('control', sourceOf(batch, i)), batch, i, localPort)
        break
      case VERDICT.upOpening:
        this.#shedding.count()
        this.#up('opening', this.#budget.takeForSource('opening', sourceOf(batch, i)), batch, i, localPort)
        break
      case VERDICT.upFlow:
        this.#up('flow', this.#budget.takeForFlow(fastPath.flow), batch, i, localPort)
        break
      case VERDICT.upUnknown:
        this.#up('unknown', this.#budget.takeForSource('unknown', sourceOf(batch, i)), batch, i, localPort)
        break
      case VERDICT.reject:
        this.#drop(batch)
        this.#answerRejected(batch, i, true)
        break
      default:
        this.#drop(batch)
    }
    return false
  }

  #keep(batch: PacketBatch, kept: number): void {
    const { flow, at, length, innerBytes } = this.fastPath
    this.#flow[kept] = flow
    this.#innerBytes[kept] = innerBytes
    batch.at[kept] = at
    batch.length[kept] = length
  }

  #toTun(batch: PacketBatch, count: number): void {
    const { counters, tun } = this.#parts
    if (tun === undefined) batch.length.fill(0, 0, count)
    else if (count > 0) tun.send(batch, 0, count)
    for (let i = 0; i < count; i++) {
      const flow = this.#flow[i] ?? 0
      if (batch.length[i] === 0) counters.add(flow, SEND_FAILED, 1)
      else {
        counters.add(flow, COLUMN.packetsIn, 1)
        counters.add(flow, COLUMN.octetsIn, this.#innerBytes[i] ?? 0)
      }
    }
  }

  /** Encapsulates packet `i` and moves its description to `kept`; false when it is dropped. */
  #packet(batch: PacketBatch, i: number, kept: number): boolean {
    const { fastPath } = this
    const { table } = this.#parts
    const verdict = fastPath.fromTun(batch.view, batch.at[i] ?? 0, batch.length[i] ?? 0)
    this.#countRule(batch)
    if (verdict !== VERDICT.toPeer) {
      this.#drop(batch)
      if (verdict === VERDICT.reject) this.#answerRejected(batch, i, false)
      else if (fastPath.reason === 'too-big') this.#answerTooBig(batch, i)
      return false
    }
    this.#keep(batch, kept)
    batch.restAt[kept] = batch.restAt[i] ?? 0
    batch.restLength[kept] = batch.restLength[i] ?? 0
    addressTo(batch, kept, table, fastPath.flow)
    return true
  }

  #countRule(batch: PacketBatch): void {
    const { slot, logged, innerBytes, flow } = this.fastPath
    if (slot === NOT_JUDGED) return
    this.#parts.ruleCounters.add(slot, innerBytes)
    if (logged && this.#budget.take('report')) this.#tellPermitted(batch, flow)
  }

  #tellPermitted(batch: PacketBatch, flow: number): void {
    const { slot, at } = this.fastPath
    const rule = this.#ruleNames[slot] ?? ''
    this.#parts.up({ kind: 'permitted', rule, flowId: flow, ...endsOf(batch.view, at) }, 'report')
  }

  /** Neighbours that leave through one socket go out together. */
  #sendRuns(batch: PacketBatch, count: number): void {
    const { sockets, table } = this.#parts
    let from = 0
    while (from < count) {
      const socket = table.socket[this.#flow[from] ?? 0] ?? 0
      let to = from + 1
      while (to < count && table.socket[this.#flow[to] ?? 0] === socket) to++
      sockets[socket]?.send(batch, from, to)
      from = to
    }
    for (let i = 0; i < count; i++) this.#countOut(batch, i)
  }

  #countOut(batch: PacketBatch, i: number): void {
    const { counters } = this.#parts
    const flow = this.#flow[i] ?? 0
    if (batch.length[i] === 0) counters.add(flow, SEND_FAILED, 1)
    else {
      counters.add(flow, COLUMN.packetsOut, 1)
      counters.add(flow, COLUMN.octetsOut, this.#innerBytes[i] ?? 0)
    }
  }

  #up(kind: UpKind, allowed: boolean, batch: PacketBatch, i: number, localPort: number): void {
    const handedUp = allowed && this.#parts.up(datagramEvent(batch, i, localPort), kind)
    this.#parts.counters.add(NO_FLOW, handedUp ? COLUMN.handedUp : COLUMN.notHandedUp, 1)
  }

  #drop(batch: PacketBatch): void {
    const { flow, reason } = this.fastPath
    this.#parts.counters.add(flow, dropColumn(reason), 1)
    // That a rate is held is no news: it must not take the place of what is.
    if (reason !== 'over-rate' && this.#budget.take('report'))
      this.#parts.up(dropEvent(this.fastPath, batch.view, this.#ruleNames[this.fastPath.slot]), 'report')
  }

  #answerTooBig(batch: PacketBatch, i: number): void {
    const { tun, table } = this.#parts
    const { flow, innerBytes } = this.fastPath
    if (tun === undefined || !this.#budget.take('icmp')) return
    const answer = this.#answer
    const mtuBytes = table.mtuBytes[flow] ?? 0
    const packet = this.#whole(batch, i)
    const write = ipVersion(packet, this.#wholeAt) === 6 ? writePacketTooBig : writeFragmentationNeeded
    answer.at[0] = HEADROOM_BYTES
    answer.length[0] = write(this.#answerView, packet, this.#wholeAt, innerBytes, mtuBytes)
    if (answer.length[0] > 0) tun.send(answer, 0, 1)
  }

  /** Tells whoever sent it that a rule rejects it: the peer of a session, or somebody behind the TUN. */
  #answerRejected(batch: PacketBatch, i: number, isFromPeer: boolean): void {
    if (!this.#budget.take('icmp')) return
    const { tun, table, sockets } = this.#parts
    const { flow, innerBytes } = this.fastPath
    const answer = this.#answer
    const packet = this.#whole(batch, i)
    const written = writeRejection(this.#answerView, packet, this.#wholeAt, innerBytes)
    answer.at[0] = HEADROOM_BYTES
    answer.length[0] = written
    if (written === 0) return
    if (!isFromPeer) {
      tun?.send(answer, 0, 1)
      return
    }
    this.fastPath.encapsulate(flow, answer.view, HEADROOM_BYTES, written)
    answer.at[0] = this.fastPath.at
    answer.length[0] = this.fastPath.length
    addressTo(answer, 0, table, flow)
    sockets[table.socket[flow] ?? 0]?.send(answer, 0, 1)
  }

  /** What holds the packet that was judged last, packet `i` of the batch, in one piece, at `#wholeAt`. */
  #whole(batch: PacketBatch, i: number): DataView {
    const { at, innerBytes } = this.fastPath
    const rest = batch.restLength[i] ?? 0
    this.#wholeAt = rest === 0 ? at : 0
    if (rest === 0) return batch.view
    this.#joined.set(batch.bytes.subarray(at, at + innerBytes - rest))
    const restAt = batch.restAt[i] ?? 0
    this.#joined.set(batch.bytes.subarray(restAt, restAt + rest), innerBytes - rest)
    return this.#joinedView
  }
}

/** As the length fields of IP say. */
const LONGEST_PACKET_BYTES = 65_575
const SEND_FAILED = dropColumn('send-failed')

/** Packet `i` goes to the peer of a flow. */
function addressTo(batch: PacketBatch, i: number, table: FlowTable, flow: number): void {
  batch.localAddress[i] = table.localAddress[flow] ?? 0
  batch.remoteAddress[i] = table.remoteAddress[flow] ?? 0
  batch.remotePort[i] = table.remotePort[flow] ?? 0
  if (((table.flags[flow] ?? 0) & FLAG.outer6) === 0) return
  copyWords(table.localWords, WORDS * flow, batch.localWords, WORDS * i)
  copyWords(table.remoteWords, WORDS * flow, batch.remoteWords, WORDS * i)
}

/** Whose budget a datagram is charged to. */
const sourceOf = (batch: PacketBatch, i: number): number =>
  batch.isIpv6 ? foldNetwork(batch.remoteWords, WORDS * i) : (batch.remoteAddress[i] ?? 0)

function datagramEvent(batch: PacketBatch, i: number, localPort: number): DataPlaneEvent {
  const at = batch.at[i] ?? 0
  return {
    kind: 'datagram',
    path: {
      local: { address: batch.localText(i), port: localPort },
      remote: { address: batch.remoteText(i), port: batch.remotePort[i] ?? 0 },
    },
    bytes: batch.bytes.slice(at, at + (batch.length[i] ?? 0)),
  }
}

/** What cannot be read of the packet is left out. */
function dropEvent(
  { reason, flow, at, innerBytes }: FastPath,
  view: DataView,
  rule: string | undefined,
): DataPlaneEvent {
  return {
    kind: 'drop',
    reason,
    ...(flow === NO_FLOW ? {} : { flowId: flow }),
    ...(innerBytes < IPV4_HEADER_BYTES ? {} : endsOf(view, at)),
    ...(rule === undefined || reason !== 'policy' ? {} : { rule }),
  }
}

function endsOf(view: DataView, at: number): { readonly source: string; readonly destination: string } {
  if (ipVersion(view, at) === 4)
    return { source: formatIpv4(ipv4Source(view, at)), destination: formatIpv4(ipv4Destination(view, at)) }
  const address = (from: number) => formatIpv6(new Uint8Array(view.buffer, view.byteOffset + from, 16))
  return { source: address(ipv6SourceAt(at)), destination: address(ipv6DestinationAt(at)) }
}

const ipVersion = (view: DataView, at: number): number => view.getUint8(at) >> 4
