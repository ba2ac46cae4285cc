/**
 * What the forwarder needs of sockets and of the TUN, in batches, so that one system call moves many packets and
 * tests hand in memory. Nothing here is allocated per packet.
 */
import type { Path, SocketAddress } from '../ports.ts'
import { formatIpv4 } from '../wire/ip.ts'
import { type BatchMemory, plainMemory } from './offload/batch-memory.ts'
import { foldWords, WORDS, wordsText } from './outer-address.ts'

/** Free octets in front of each packet of a batch: the longest L2TP and PPP headers that we send. */
export const HEADROOM_BYTES = 16
export const BATCH_PACKETS = 64

/**
 * Packets in one buffer. Where each one is there is the port's choice: in a slot of its own, or beside others of one large read.
 * Addresses are as in outer-address.ts.
 */
export class PacketBatch {
  count = 0
  /** Packets of the last `receive` that were longer than a slot, and are lost. */
  oversized = 0
  /** Whether the addresses of the last `receive` are of IPv6, and have words. */
  isIpv6 = false
  /** Room for one packet with its headroom. */
  readonly slotBytes: number
  readonly memory: BatchMemory
  readonly bytes: Uint8Array
  readonly view: DataView
  /** How many it has room for. */
  readonly most: number
  /** Where packet i starts in `bytes`. */
  readonly at: Uint32Array
  readonly length: Uint32Array
  /** So many of its last octets lie apart, at `restAt`; 0 of a packet that is in one piece. */
  readonly restLength: Uint32Array
  readonly restAt: Uint32Array
  readonly localAddress: Int32Array
  readonly localWords: Int32Array
  readonly localPort: Uint16Array
  readonly remoteAddress: Int32Array
  readonly remoteWords: Int32Array
  readonly remotePort: Uint16Array

  /** `memory` has room for 64 slots at least. */
  constructor(slotBytes: number, most = BATCH_PACKETS, memory = plainMemory(BATCH_PACKETS * slotBytes)) {
    this.slotBytes = slotBytes
    this.most = most
    this.memory = memory
    this.bytes = memory.bytes
    this.view = new DataView(memory.bytes.buffer)
    this.at = new Uint32Array(most)
    this.length = new Uint32Array(most)
    this.restLength = new Uint32Array(most)
    this.restAt = new Uint32Array(most)
    this.localAddress = new Int32Array(most)
    this.localWords = new Int32Array(WORDS * most)
    this.localPort = new Uint16Array(most)
    this.remoteAddress = new Int32Array(most)
    this.remoteWords = new Int32Array(WORDS * most)
    this.remotePort = new Uint16Array(most)
  }

  /** Of packet i, as text. */
  localText(i: number): string {
    return this.isIpv6 ? wordsText(this.localWords, WORDS * i) : formatIpv4(this.localAddress[i] ?? 0)
  }

  /** The same of the other end. */
  remoteText(i: number): string {
    return this.isIpv6 ? wordsText(this.remoteWords, WORDS * i) : formatIpv4(this.remoteAddress[i] ?? 0)
  }

  /** The ends of packet i are of IPv6, and their words are written. */
  foldWords(i: number): void {
    this.localAddress[i] = foldWords(this.localWords, WORDS * i)
    this.remoteAddress[i] = foldWords(this.remoteWords, WORDS * i)
  }
}

/** A UDP socket that knows which local address each datagram came to and leaves from. */
export interface DatagramPort {
  readonly bound: SocketAddress
  /** Fills the batch with what has come; never waits. True when more may be waiting. */
  receive(batch: PacketBatch): boolean
  /**
   * Sends packets `from` to before `to` of the batch, and sets `length` to 0 of those that did not go. Waits a moment at
   * most for room.
   */
  send(batch: PacketBatch, from: number, to: number): void
  /** Of datagrams that want a tunnel, keeps only this share, by chance, before they are received; 1: all. */
  shedOpenings(keep: number): void
  /** One datagram of the control plane; false when it could not be sent. */
  sendOne(path: Path, bytes: Uint8Array): boolean
  close(): void
}

/** IP packets as they are on the wire, without a link header. */
export interface TunPort {
  /** As of `DatagramPort`, without addresses. HEADROOM_BYTES in front of each packet are free. */
  receive(batch: PacketBatch): boolean
  /**
   * Packets `from` to before `to` of the batch, each in one piece; sets `length` to 0 of those that the kernel did not take. Headers
   * may be written over.
   */
  send(batch: PacketBatch, from: number, to: number): void
  close(): void
}

/** A port that calls back when something has come. */
export interface Readable {
  onReadable(listener: () => void): void
}

/** The socket from which `local` is reached: its own, or a wildcard on its port; -1 for none. */
export function socketFor(sockets: readonly DatagramPort[], local: SocketAddress): number {
  const bound = sockets.map(socket => socket.bound)
  const own = bound.findIndex(({ address, port }) => port === local.port && address === local.address)
  const wildcard = wildcardOf(local.address)
  return own >= 0 ? own : bound.findIndex(({ address, port }) => port === local.port && address === wildcard)
}

/** Every address of the family that this one is of. */
export const wildcardOf = (address: string): string => (address.includes(':') ? '::' : '0.0.0.0')
