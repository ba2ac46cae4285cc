/**
 * What the forwarder needs of sockets and of the TUN, in batches, so that one system call moves many packets and
 * tests hand in memory. Nothing here is allocated per packet.
 */
import type { Path, SocketAddress } from '../ports.ts'

/** Free octets in front of each packet of a batch: the longest L2TP and PPP headers that we send. */
export const HEADROOM_BYTES = 16
export const BATCH_PACKETS = 64

/** Up to 64 packets in one buffer, each in a slot of its own. Addresses are IPv4 in host order. */
export class PacketBatch {
  count = 0
  readonly slotBytes: number
  readonly bytes: Uint8Array
  /** Where packet i starts in `bytes`. */
  readonly at = new Uint32Array(BATCH_PACKETS)
  readonly length = new Uint32Array(BATCH_PACKETS)
  readonly localAddress = new Uint32Array(BATCH_PACKETS)
  readonly localPort = new Uint16Array(BATCH_PACKETS)
  readonly remoteAddress = new Uint32Array(BATCH_PACKETS)
  readonly remotePort = new Uint16Array(BATCH_PACKETS)

  constructor(slotBytes: number) {
    this.slotBytes = slotBytes
    this.bytes = new Uint8Array(BATCH_PACKETS * slotBytes)
  }
}

/** UDP sockets that know which local address each datagram came to and leaves from. */
export interface DatagramPort {
  readonly bound: readonly SocketAddress[]
  /** Fills the batch with what has come, at most 64; never waits. What did not fit its slot is left out. */
  receive(batch: PacketBatch): void
  /** Returns how many of the batch went out; never waits. */
  send(batch: PacketBatch): number
  /** One datagram of the control plane; false when it could not be sent. */
  sendOne(path: Path, bytes: Uint8Array): boolean
  close(): void
}

/** Whole IP packets, without a link header. */
export interface TunPort {
  /** As of `DatagramPort`; addresses are not set. Packets start behind HEADROOM_BYTES. */
  receive(batch: PacketBatch): void
  /** One packet out of `bytes`; false when the kernel did not take it. */
  send(bytes: Uint8Array, at: number, length: number): boolean
  close(): void
}
