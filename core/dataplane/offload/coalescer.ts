/**
 * Makes super-packets of neighbours in a conversation, as the kernel's own GRO does (net/ipv4/tcp_offload.c): what the kernel cuts a super-packet
 * into is octet for octet what went in. Only "don't fragment" packets that all have the same identification get others, which is
 * without meaning there (RFC 6864 4). The checksum of each is verified, for the kernel trusts that of a super-packet.
 *
 * A run is the packets of one super-packet, or one packet that stays as it is. Runs are in the order of their first packets, so that no packet
 * overtakes another of its conversation.
 */
import { IP_PROTOCOL } from '../../wire/ip.ts'
import type { PacketBatch } from '../ports.ts'
import { foldSum } from './batch-memory.ts'
import { KIND, SegmentReader } from './segment-reader.ts'
import { GSO } from './vnet-header.ts'

const MOST_OF_RUN = 64
/** Of a super-packet; its length must fit the field of IPv4. */
const MOST_BYTES = 65_000
const BUCKETS = 256
const NONE = -1
const DONT_FRAGMENT = 0x4000

const TCP = { sequence: 4, acknowledged: 8, flags: 12, window: 14, checksum: 16, urgent: 18 } as const
const TCP_BYTES = 20
const FLAG = { fin: 0x01, syn: 0x02, reset: 0x04, push: 0x08, ack: 0x10, urgent: 0x20, cwr: 0x80 } as const
/** A segment with one of them is merged with nothing. */
const NEVER = FLAG.syn | FLAG.reset | FLAG.urgent | FLAG.cwr
/** Nothing follows one of them. */
const LAST = FLAG.fin | FLAG.push
const UDP = { length: 4, checksum: 6 } as const

export class Coalescer {
  /** Runs of the last `merge`. */
  count = 0
  /** Of each run: its packets, from the first one on by `next`. */
  readonly first: Uint32Array
  readonly members: Uint16Array
  /** 0 of a packet that stays as it is. */
  readonly gsoSize: Uint16Array
  readonly gsoType: Uint8Array
  /** Where the header of TCP or UDP begins, and where it ends; only of a super-packet. */
  readonly upperBytes: Uint16Array
  readonly headerBytes: Uint16Array
  /** Of each packet: the one that follows it in its run. */
  readonly next: Uint32Array
  readonly #withUdp: boolean
  readonly #reader = new SegmentReader()
  readonly #last: Uint32Array
  readonly #bytes: Uint32Array
  readonly #kind: Int8Array
  /** What the next segment's is to be. */
  readonly #sequence: Int32Array
  readonly #isVerified: Uint8Array
  /** How much greater the identification is from packet to packet; NONE where that is not known yet. */
  readonly #step: Int8Array
  /** The run that a conversation may go on with; by what its addresses and ports come to. */
  readonly #open = new Int32Array(BUCKETS)

  /** For batches of so many packets. `withUdp`: UDP too is merged. */
  constructor(most: number, withUdp: boolean) {
    this.#withUdp = withUdp
    this.first = new Uint32Array(most)
    this.members = new Uint16Array(most)
    this.gsoSize = new Uint16Array(most)
    this.gsoType = new Uint8Array(most)
    this.upperBytes = new Uint16Array(most)
    this.headerBytes = new Uint16Array(most)
    this.next = new Uint32Array(most)
    this.#last = new Uint32Array(most)
    this.#bytes = new Uint32Array(most)
    this.#kind = new Int8Array(most)
    this.#sequence = new Int32Array(most)
    this.#isVerified = new Uint8Array(most)
    this.#step = new Int8Array(most)
  }

  /** Packets `from` to before `to` of the batch, each in one piece. Headers of those that become super-packets are written over. */
  merge(batch: PacketBatch, from: number, to: number): void {
    this.#open.fill(NONE)
    this.count = 0
    for (let i = from; i < to; i++) this.#packet(batch, i)
    for (let run = 0; run < this.count; run++) if ((this.members[run] ?? 0) > 1) this.#finish(batch, run)
  }

  #packet(batch: PacketBatch, i: number): void {
    const { view } = batch
    const at = batch.at[i] ?? 0
    const reader = this.#reader
    reader.read(view, at, batch.length[i] ?? 0)
    if (reader.kind <= KIND.other) {
      if (reader.kind === KIND.barrier) this.#open.fill(NONE)
      this.#begin(batch, i)
      return
    }
    const bucket = bucketOf(view, at, reader)
    const run = this.#open[bucket] ?? NONE
    if (run !== NONE && this.#isNext(batch, i, run)) {
      if (!this.#append(batch, i, run)) this.#open[bucket] = NONE
      return
    }
    const begun = this.#begin(batch, i)
    this.#open[bucket] = this.#mayGoOn(view, at) ? begun : NONE
  }

  #begin(batch: PacketBatch, i: number): number {
    const run = this.count++
    const { kind, payloadBytes, upperBytes, headerBytes } = this.#reader
    this.first[run] = i
    this.#last[run] = i
    this.members[run] = 1
    this.gsoSize[run] = 0
    this.gsoType[run] = GSO.none
    this.#kind[run] = kind
    if (kind <= KIND.other) return run
    const at = batch.at[i] ?? 0
    this.#bytes[run] = batch.length[i] ?? 0
    this.upperBytes[run] = upperBytes
    this.headerBytes[run] = headerBytes
    this.#isVerified[run] = 0
    this.#step[run] = NONE
    if (kind === KIND.tcp4 || kind === KIND.tcp6)
      this.#sequence[run] = (batch.view.getInt32(at + upperBytes + TCP.sequence) + payloadBytes) | 0
    return run
  }

  /** Whether anything may be added to the packet that was read last. */
  #mayGoOn(view: DataView, at: number): boolean {
    const { isTcp, upperBytes, payloadBytes } = this.#reader
    if (payloadBytes === 0) return false
    if (!isTcp) return this.#withUdp && view.getUint16(at + upperBytes + UDP.checksum) !== 0
    const flags = view.getUint8(at + upperBytes + TCP.flags + 1)
    return (flags & (NEVER | LAST)) === 0 && (flags & FLAG.ack) !== 0
  }

  /** Whether packet `i`, which was read last, goes on with a run. */
  #isNext(batch: PacketBatch, i: number, run: number): boolean {
    const { view } = batch
    const reader = this.#reader
    const head = this.first[run] ?? 0
    const [at, headAt] = [batch.at[i] ?? 0, batch.at[head] ?? 0]
    const { payloadBytes, headerBytes, upperBytes } = reader
    if (
      this.#kind[run] !== reader.kind ||
      this.headerBytes[run] !== headerBytes ||
      payloadBytes === 0 ||
      payloadBytes > (batch.length[head] ?? 0) - headerBytes ||
      (this.#bytes[run] ?? 0) + payloadBytes > MOST_BYTES
    )
      return false
    const sameIp = reader.isIpv6 ? sameIpv6(view, at, headAt) : this.#sameIpv4(view, at, headAt, run)
    if (!sameIp || view.getInt32(at + upperBytes) !== view.getInt32(headAt + upperBytes)) return false
    const sameUpper = reader.isTcp
      ? view.getInt32(at + upperBytes + TCP.sequence) === this.#sequence[run] &&
        sameTcp(view, at + upperBytes, headAt + upperBytes, headerBytes - upperBytes)
      : view.getUint16(at + upperBytes + UDP.checksum) !== 0
    return sameUpper && this.#isRight(batch, head, run) && holds(batch, i, reader)
  }

  /** The first packet of a run was not looked at before there was another. */
  #isRight(batch: PacketBatch, head: number, run: number): boolean {
    if (this.#isVerified[run] === 0) this.#isVerified[run] = holds(batch, head, this.#reader) ? 1 : 2
    return this.#isVerified[run] === 1
  }

  #sameIpv4(view: DataView, at: number, headAt: number, run: number): boolean {
    const fragment = view.getUint16(at + 6)
    if (
      view.getUint8(at + 1) !== view.getUint8(headAt + 1) ||
      fragment !== view.getUint16(headAt + 6) ||
      view.getUint16(at + 8) !== view.getUint16(headAt + 8) ||
      view.getInt32(at + 12) !== view.getInt32(headAt + 12) ||
      view.getInt32(at + 16) !== view.getInt32(headAt + 16)
    )
      return false
    const members = this.members[run] ?? 0
    const passed = (view.getUint16(at + 4) - view.getUint16(headAt + 4)) & 0xffff
    const step = this.#step[run] ?? NONE
    if (passed === members && step !== 0) return true
    return passed === 0 && fragment === DONT_FRAGMENT && (members === 1 || step === 0)
  }

  /** False when nothing may follow. */
  #append(batch: PacketBatch, i: number, run: number): boolean {
    const { view } = batch
    const head = this.first[run] ?? 0
    const [at, headAt] = [batch.at[i] ?? 0, batch.at[head] ?? 0]
    const { payloadBytes, headerBytes, upperBytes, isTcp } = this.#reader
    const members = (this.members[run] ?? 0) + 1
    if (members === 2) {
      this.gsoSize[run] = (batch.length[head] ?? 0) - headerBytes
      this.#step[run] = view.getUint16(at + 4) === view.getUint16(headAt + 4) ? 0 : 1
    }
    this.next[this.#last[run] ?? 0] = i
    this.#last[run] = i
    this.members[run] = members
    this.#bytes[run] = (this.#bytes[run] ?? 0) + payloadBytes
    this.#sequence[run] = ((this.#sequence[run] ?? 0) + payloadBytes) | 0
    const isLast = isTcp && (view.getUint8(at + upperBytes + TCP.flags + 1) & LAST) !== 0
    return !isLast && members < MOST_OF_RUN && payloadBytes === this.gsoSize[run]
  }

  /** Writes the header of a super-packet over that of its first packet. */
  #finish(batch: PacketBatch, run: number): void {
    const { view } = batch
    const at = batch.at[this.first[run] ?? 0] ?? 0
    const lastAt = batch.at[this.#last[run] ?? 0] ?? 0
    const [upperBytes, kind, bytes] = [this.upperBytes[run] ?? 0, this.#kind[run] ?? 0, this.#bytes[run] ?? 0]
    const isTcp = kind === KIND.tcp4 || kind === KIND.tcp6
    const isIpv6 = kind === KIND.tcp6 || kind === KIND.udp6
    this.gsoType[run] = !isTcp ? GSO.udp : isIpv6 ? GSO.tcp6 : GSO.tcp4
    if (isIpv6) view.setUint16(at + 4, bytes - upperBytes)
    else {
      view.setUint16(at + 2, bytes)
      view.setUint16(at + 10, 0)
      view.setUint16(at + 10, ~batch.memory.sum(at, upperBytes) & 0xffff)
    }
    const upperAt = at + upperBytes
    const pseudo = pseudoSum(batch, at, isIpv6, isTcp, bytes - upperBytes)
    if (isTcp) {
      const flags = view.getUint8(lastAt + upperBytes + TCP.flags + 1)
      view.setUint8(upperAt + TCP.flags + 1, view.getUint8(upperAt + TCP.flags + 1) | (flags & LAST))
      view.setUint16(upperAt + TCP.checksum, pseudo)
    } else {
      view.setUint16(upperAt + UDP.length, bytes - upperBytes)
      view.setUint16(upperAt + UDP.checksum, pseudo)
    }
  }
}

/** Whether the checksum of a packet of TCP or UDP is right, and the one that would be computed. */
function holds(batch: PacketBatch, i: number, { isTcp, isIpv6, upperBytes }: SegmentReader): boolean {
  const at = batch.at[i] ?? 0
  const bytes = (batch.length[i] ?? 0) - upperBytes
  const upperAt = at + upperBytes
  // Zero can be written in two ways: this one is not what the kernel would write.
  if (isTcp && batch.view.getUint16(upperAt + TCP.checksum) === 0xffff) return false
  return foldSum(pseudoSum(batch, at, isIpv6, isTcp, bytes) + batch.memory.sum(upperAt, bytes)) === 0xffff
}

/** Of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1). */
function pseudoSum(
  batch: PacketBatch,
  at: number,
  isIpv6: boolean,
  isTcp: boolean,
  upperBytes: number,
): number {
  const addresses = isIpv6 ? batch.memory.sum(at + 8, 32) : batch.memory.sum(at + 12, 8)
  return foldSum(addresses + upperBytes + (isTcp ? IP_PROTOCOL.TCP : IP_PROTOCOL.UDP))
}

/** All but length and, of course, what is behind. */
function sameIpv6(view: DataView, at: number, headAt: number): boolean {
  if (view.getInt32(at) !== view.getInt32(headAt)) return false
  if (view.getUint16(at + 6) !== view.getUint16(headAt + 6)) return false
  for (let word = 8; word < 40; word += 4)
    if (view.getInt32(at + word) !== view.getInt32(headAt + word)) return false
  return true
}

/** All but ports and sequence number, which were compared, FIN and PSH. */
function sameTcp(view: DataView, at: number, headAt: number, tcpBytes: number): boolean {
  const flags = view.getUint16(at + TCP.flags) ^ view.getUint16(headAt + TCP.flags)
  if ((flags & ~LAST) !== 0) return false
  if (
    view.getInt32(at + TCP.acknowledged) !== view.getInt32(headAt + TCP.acknowledged) ||
    view.getUint16(at + TCP.window) !== view.getUint16(headAt + TCP.window) ||
    view.getUint16(at + TCP.urgent) !== view.getUint16(headAt + TCP.urgent)
  )
    return false
  for (let word = TCP_BYTES; word < tcpBytes; word += 4)
    if (view.getInt32(at + word) !== view.getInt32(headAt + word)) return false
  return true
}

function bucketOf(view: DataView, at: number, { isIpv6, upperBytes }: SegmentReader): number {
  // Of IPv6 the halves of the addresses that differ within a network.
  const source = isIpv6 ? view.getInt32(at + 20) ^ view.getInt32(at + 12) : view.getInt32(at + 12)
  const destination = isIpv6 ? view.getInt32(at + 36) ^ view.getInt32(at + 28) : view.getInt32(at + 16)
  let hash = Math.imul(source ^ Math.imul(destination, 0x85ebca6b), 0x9e3779b1)
  hash = Math.imul(hash ^ view.getInt32(at + upperBytes) ^ (hash >>> 15), 0xc2b2ae35)
  return hash >>> 24
}
