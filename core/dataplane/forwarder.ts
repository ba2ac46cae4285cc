/** Moves batches between sockets and TUN through the fast path: the same on every thread. */
import { formatIpv4, IPV4_HEADER_BYTES, ipv4Destination, ipv4Source } from '../wire/ip.ts'
import { formatIpv6 } from '../wire/ipv6.ts'
import { ipv6DestinationAt, ipv6SourceAt } from '../wire/ipv6-packet.ts'
import { COLUMN, type Counters, dropColumn, NO_FLOW } from './counters.ts'
import type { DataPlaneEvent } from './data-plane.ts'
import { FastPath, VERDICT } from './fast-path.ts'
import type { FlowTable } from './flow-table.ts'
import { FRAGMENTATION_NEEDED_BYTES, writeFragmentationNeeded } from './icmp.ts'
import { PACKET_TOO_BIG_BYTES, writePacketTooBig } from './icmp6.ts'
import { BATCH_PACKETS, type DatagramPort, PacketBatch, type TunPort } from './ports.ts'
import { UpBudget, type UpKind } from './up-budget.ts'

/** Takes what is handed up; false when it has no room. */
export type UpSink = (event: DataPlaneEvent, kind: UpKind) => boolean

export interface ForwarderParts {
  readonly table: FlowTable
  readonly counters: Counters
  readonly sockets: readonly DatagramPort[]
  readonly tun: TunPort | undefined
  readonly up: UpSink
  /** For the largest datagram or packet that is taken, headroom included. */
  readonly slotBytes: number
}

export class Forwarder {
  readonly fastPath: FastPath
  readonly #parts: ForwarderParts
  readonly #budget: UpBudget
  readonly #batch: PacketBatch
  /** Of each packet of the outgoing batch. */
  readonly #flow = new Int32Array(BATCH_PACKETS)
  readonly #innerBytes = new Uint32Array(BATCH_PACKETS)
  readonly #icmp = new PacketBatch(Math.max(FRAGMENTATION_NEEDED_BYTES, PACKET_TOO_BIG_BYTES))

  constructor(parts: ForwarderParts) {
    this.#parts = parts
    this.fastPath = new FastPath(parts.table)
    this.#budget = new UpBudget(parts.table.maxFlows)
    this.#batch = new PacketBatch(parts.slotBytes)
  }

  /** Time passes only here; call it before each turn. */
  tick(nowMs: number): void {
    this.#budget.tick(nowMs)
    this.fastPath.tick(nowMs)
  }

  /** One batch from a socket; true when more may be waiting. */
  fromNetwork(socket: DatagramPort): boolean {
    const batch = this.#batch
    const full = socket.receive(batch)
    if (batch.oversized > 0) this.#parts.counters.add(NO_FLOW, COLUMN.notHandedUp, batch.oversized)
    for (let i = 0; i < batch.count; i++) this.#datagram(batch, i, socket.bound.port)
    return full
  }

  /** One batch from the TUN; true when more may be waiting. */
  fromTun(tun: TunPort): boolean {
    const batch = this.#batch
    const full = tun.receive(batch)
    let kept = 0
    for (let i = 0; i < batch.count; i++) if (this.#packet(batch, i, kept)) kept++
    this.#sendRuns(batch, kept)
    return full
  }

  #datagram(batch: PacketBatch, i: number, localPort: number): void {
    const { fastPath } = this
    const localAddress = batch.localAddress[i] ?? 0
    const remoteAddress = batch.remoteAddress[i] ?? 0
    const remotePort = batch.remotePort[i] ?? 0
    const at = batch.at[i] ?? 0
    const length = batch.length[i] ?? 0
    const verdict = fastPath.fromNetwork(
      batch.view,
      at,
      length,
      localAddress,
      localPort,
      remoteAddress,
      remotePort,
    )
    switch (verdict) {
      case VERDICT.toTun:
        this.#toTun(batch, i)
        break
      case VERDICT.upControl:
        this.#up('control', this.#budget.takeForSource('control', remoteAddress), batch, i, localPort)
        break
      case VERDICT.upFlow:
        this.#up('flow', this.#budget.takeForFlow(fastPath.flow), batch, i, localPort)
        break
      case VERDICT.upUnknown:
        this.#up('unknown', this.#budget.takeForSource('unknown', remoteAddress), batch, i, localPort)
        break
      default:
        this.#drop(batch)
    }
  }

  #toTun(batch: PacketBatch, i: number): void {
    const { flow, at, length } = this.fastPath
    const { counters, tun } = this.#parts
    batch.at[i] = at
    batch.length[i] = length
    if (tun?.send(batch, i) === true) {
      counters.add(flow, COLUMN.packetsIn, 1)
      counters.add(flow, COLUMN.octetsIn, length)
    } else counters.add(flow, SEND_FAILED, 1)
  }

  /** Encapsulates packet `i` and moves its description to `kept`; false when it is dropped. */
  #packet(batch: PacketBatch, i: number, kept: number): boolean {
    const { fastPath } = this
    const { table } = this.#parts
    if (fastPath.fromTun(batch.view, batch.at[i] ?? 0, batch.length[i] ?? 0) !== VERDICT.toPeer) {
      this.#drop(batch)
      if (fastPath.reason === 'too-big') this.#answerTooBig(batch)
      return false
    }
    const { flow } = fastPath
    this.#flow[kept] = flow
    this.#innerBytes[kept] = fastPath.innerBytes
    batch.at[kept] = fastPath.at
    batch.length[kept] = fastPath.length
    batch.localAddress[kept] = table.localAddress[flow] ?? 0
    batch.remoteAddress[kept] = table.remoteAddress[flow] ?? 0
    batch.remotePort[kept] = table.remotePort[flow] ?? 0
    return true
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
      this.#parts.up(dropEvent(this.fastPath, batch.view), 'report')
  }

  #answerTooBig(batch: PacketBatch): void {
    const { tun, table } = this.#parts
    const { flow, at, innerBytes } = this.fastPath
    if (tun === undefined || !this.#budget.take('icmp')) return
    const answer = this.#icmp
    const mtuBytes = table.mtuBytes[flow] ?? 0
    const write = ipVersion(batch.view, at) === 6 ? writePacketTooBig : writeFragmentationNeeded
    answer.at[0] = 0
    answer.length[0] = write(answer.view, batch.view, at, innerBytes, mtuBytes)
    if (answer.length[0] > 0) tun.send(answer, 0)
  }
}

const SEND_FAILED = dropColumn('send-failed')

function datagramEvent(batch: PacketBatch, i: number, localPort: number): DataPlaneEvent {
  const at = batch.at[i] ?? 0
  return {
    kind: 'datagram',
    path: {
      local: { address: formatIpv4(batch.localAddress[i] ?? 0), port: localPort },
      remote: { address: formatIpv4(batch.remoteAddress[i] ?? 0), port: batch.remotePort[i] ?? 0 },
    },
    bytes: batch.bytes.slice(at, at + (batch.length[i] ?? 0)),
  }
}

/** What cannot be read of the packet is left out. */
function dropEvent({ reason, flow, at, innerBytes }: FastPath, view: DataView): DataPlaneEvent {
  return {
    kind: 'drop',
    reason,
    ...(flow === NO_FLOW ? {} : { flowId: flow }),
    ...(innerBytes < IPV4_HEADER_BYTES ? {} : endsOf(view, at)),
  }
}

function endsOf(view: DataView, at: number): { readonly source: string; readonly destination: string } {
  if (ipVersion(view, at) === 4)
    return { source: formatIpv4(ipv4Source(view, at)), destination: formatIpv4(ipv4Destination(view, at)) }
  const address = (from: number) => formatIpv6(new Uint8Array(view.buffer, view.byteOffset + from, 16))
  return { source: address(ipv6SourceAt(at)), destination: address(ipv6DestinationAt(at)) }
}

const ipVersion = (view: DataView, at: number): number => view.getUint8(at) >> 4
