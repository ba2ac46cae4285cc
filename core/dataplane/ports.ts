/**
 * What the forwarder needs of sockets and of the TUN, in batches, so that one system call moves many packets and
 * tests hand in memory. Nothing here is allocated per packet.
 */
import type { Path, SocketAddress } from '../ports.ts'
import { formatIpv4 } from '../wire/ip.ts'
import { foldWords, WORDS, wordsText } from './outer-address.ts'

/** Free octets in front of each packet of a batch: the longest L2TP and PPP headers that we send. */
export const HEADROOM_BYTES = 16
export const BATCH_PACKETS = 64

/** Up to 64 packets in one buffer, each in a slot of its own. Addresses are as in outer-address.ts. */
export class PacketBatch {
  count = 0
  /** Packets of the last `receive` that did not fit a slot, and are lost. */
  oversized = 0
  /** Whether the addresses of the last `receive` are of IPv6, and have words. */
  isIpv6 = false
  readonly slotBytes: number
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Where packet i starts in `bytes`. */
  readonly at = new Uint32Array(BATCH_PACKETS)
  readonly length = new Uint32Array(BATCH_PACKETS)
  readonly localAddress = new Int32Array(BATCH_PACKETS)
  readonly localWords = new Int32Array(WORDS * BATCH_PACKETS)
  readonly localPort = new Uint16Array(BATCH_PACKETS)
  readonly remoteAddress = new Int32Array(BATCH_PACKETS)
  readonly remoteWords = new Int32Array(WORDS * BATCH_PACKETS)
  readonly remotePort = new Uint16Array(BATCH_PACKETS)

  constructor(slotBytes: number) {
    this.slotBytes = slotBytes
    this.bytes = new Uint8Array(BATCH_PACKETS * slotBytes)
    this.view = new DataView(this.bytes.buffer)
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
  /**
   * Fills the batch with what has come, at most 64, each behind HEADROOM_BYTES; never waits. True when more may be
   * waiting.
   */
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

/** Whole IP packets, without a link header. */
export interface TunPort {
  /** As of `DatagramPort`, without addresses. */
  receive(batch: PacketBatch): boolean
  /** Packet `index` of the batch; false when the kernel did not take it. */
  send(batch: PacketBatch, index: number): boolean
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
