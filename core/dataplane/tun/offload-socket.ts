/** A UDP socket that takes and gives super-datagrams (udp(7), UDP_GRO and UDP_SEGMENT): many datagrams of one length, one way through the kernel. */
import type { SocketAddress } from '../../ports.ts'
import { SUPER_SLOT_BYTES, SUPER_SLOTS, superSlotAt } from '../offload/layout.ts'
import { copyWords, sameWords, WORDS } from '../outer-address.ts'
import { BATCH_PACKETS, HEADROOM_BYTES, type PacketBatch } from '../ports.ts'
import { batchPlace, ERRNO, libc, NativeMemory, portCalls } from './libc.ts'
import { IPV4, IPV6, MessageVector } from './message-vector.ts'
import { UdpSocket } from './udp-socket.ts'

const MSG_DONTWAIT = 0x40
const SOL_UDP = 17
const UDP_SEGMENT = 103
const UDP_GRO = 104
/** The kernel's limits of a super-datagram that is sent: UDP_MAX_SEGMENTS, and the longest datagram. */
const MOST_SEGMENTS = 64
const MOST_SUPER_BYTES = 65_000
/** Of the messages of a call: two of a packet whose headers and payload lie apart. Behind them are two more, for a packet that is sent alone. */
const MOST_PIECES = 16 * 2 * MOST_SEGMENTS
/** Datagrams of a call when they are super-datagrams: about what a core's cache holds. */
const FEW_SLOTS = 16
const MANY_BYTES = 16 << 10
/** What the kernel answers when it cannot cut what it is given: too long for the way, or for its IPsec. */
const CANNOT_CUT = new Set([ERRNO.EINVAL, ERRNO.EMSGSIZE, ERRNO.EIO])
/** Peers to whom it could not are spared it for so many turns. */
const SPARED_PEERS = 256
const SPARED_TURNS = 4096

/** Of batches as `superBatch` makes them. */
export class OffloadSocket extends UdpSocket {
  readonly #received: MessageVector
  readonly #sent: MessageVector
  /** First packet of each message that goes out, and the one behind its last. */
  readonly #first = new Uint32Array(BATCH_PACKETS + 1)
  #messages = 0
  #pieces = 0
  #slots = SUPER_SLOTS
  /** By peer: cannot be given super-datagrams. */
  readonly #spared = new Uint8Array(SPARED_PEERS)
  #turns = 0

  constructor(fd: number, bound: SocketAddress, calls = portCalls) {
    super(fd, bound, calls)
    const family = this.isIpv6 ? IPV6 : IPV4
    this.#received = new MessageVector(family)
    this.#sent = new MessageVector(family, MOST_PIECES + 2)
  }

  /** False where the kernel has no such. */
  static enable(fd: number): boolean {
    const option = new NativeMemory(4)
    // Of no length: only whether it is known. Each message tells its own.
    if (libc.setsockopt(fd, SOL_UDP, UDP_SEGMENT, option.address, 4) !== 0) return false
    option.view.setInt32(0, 1, true)
    return libc.setsockopt(fd, SOL_UDP, UDP_GRO, option.address, 4) === 0
  }

  static disable(fd: number): void {
    libc.setsockopt(fd, SOL_UDP, UDP_GRO, new NativeMemory(4).address, 4)
  }

  override receive(batch: PacketBatch): boolean {
    const vector = this.#received
    const place = batchPlace(batch)
    const slots = this.#slots
    for (let i = 0; i < slots; i++) {
      vector.prepareReceive(i)
      vector.setBuffer(i, place, superSlotAt(i), SUPER_SLOT_BYTES - HEADROOM_BYTES)
    }
    const received = this.calls.recvmmsg(this.fd, vector.address(0), slots, MSG_DONTWAIT, 0)
    batch.count = 0
    batch.oversized = 0
    batch.isIpv6 = this.isIpv6
    let bytes = 0
    for (let i = 0; i < received; i++) bytes += this.#takeAll(batch, i)
    this.#slots = bytes > MANY_BYTES * received ? FEW_SLOTS : SUPER_SLOTS
    return received === slots
  }

  override send(batch: PacketBatch, from: number, to: number): void {
    if (++this.#turns % SPARED_TURNS === 0) this.#spared.fill(0)
    this.#messages = 0
    this.#pieces = 0
    let next = from
    while (next < to) {
      const end = this.#endOfRun(batch, next, to)
      this.#addMessage(batch, next, end)
      next = end
      if (this.#messages === BATCH_PACKETS || this.#pieces + 2 * MOST_SEGMENTS > MOST_PIECES)
        this.#flush(batch)
    }
    this.#flush(batch)
  }

  /** Message `i` as the datagrams that it holds; returns its octets. */
  #takeAll(batch: PacketBatch, i: number): number {
    const vector = this.#received
    const length = vector.length(i)
    const at = superSlotAt(i)
    const step = vector.segmentBytes(i) || length
    const room = batch.slotBytes - HEADROOM_BYTES
    const first = batch.count
    // One without octets is a datagram as well.
    for (let done = 0; done < length || done === 0; done += step || 1) {
      const octets = Math.min(step, length - done)
      if (octets > room || batch.count === batch.most) {
        batch.oversized++
        continue
      }
      const index = batch.count++
      batch.at[index] = at + done
      batch.length[index] = octets
      batch.localPort[index] = this.bound.port
      if (index === first) vector.readEnds(i, batch, index)
      else copyEnds(batch, first, index)
    }
    return length
  }

  /** Where those end that go as one with packet `first`: to the same peer, as long as it, or a shorter one as the last. */
  #endOfRun(batch: PacketBatch, first: number, to: number): number {
    const { length } = batch
    const octets = length[first] ?? 0
    if (octets === 0 || this.#spared[sparedIndex(batch, first)] === 1) return first + 1
    const most = Math.min(to, first + MOST_SEGMENTS)
    let end = first + 1
    let sum = octets
    while (end < most && this.#isSamePeer(batch, first, end)) {
      const more = length[end] ?? 0
      sum += more
      if (more > octets || more === 0 || sum > MOST_SUPER_BYTES) break
      end++
      if (more < octets) break
    }
    return end
  }

  #isSamePeer(batch: PacketBatch, a: number, b: number): boolean {
    const { remotePort, remoteAddress, localAddress, remoteWords, localWords } = batch
    return (
      remoteAddress[a] === remoteAddress[b] &&
      remotePort[a] === remotePort[b] &&
      localAddress[a] === localAddress[b] &&
      (!this.isIpv6 ||
        (sameWords(remoteWords, WORDS * a, remoteWords, WORDS * b) &&
          sameWords(localWords, WORDS * a, localWords, WORDS * b)))
    )
  }

  #addMessage(batch: PacketBatch, first: number, end: number): void {
    const vector = this.#sent
    const message = this.#messages++
    const firstPiece = this.#pieces
    for (let packet = first; packet < end; packet++) this.#addPieces(batch, packet)
    vector.setPieces(message, firstPiece, this.#pieces - firstPiece)
    vector.prepareSend(message, batch, first)
    if (end - first > 1) vector.prepareSegments(message, batch.length[first] ?? 0)
    this.#first[message] = first
    this.#first[message + 1] = end
  }

  #addPieces(batch: PacketBatch, packet: number): void {
    const place = batchPlace(batch)
    const rest = batch.restLength[packet] ?? 0
    this.#sent.setBuffer(this.#pieces++, place, batch.at[packet] ?? 0, (batch.length[packet] ?? 0) - rest)
    if (rest > 0) this.#sent.setBuffer(this.#pieces++, place, batch.restAt[packet] ?? 0, rest)
  }

  #flush(batch: PacketBatch): void {
    const messages = this.#messages
    let done = 0
    while (done < messages) {
      const sent = this.calls.sendmmsg(this.fd, this.#sent.address(done), messages - done, MSG_DONTWAIT)
      const code = sent > 0 ? 0 : this.calls.errno()
      if (sent > 0) done += sent
      else if (code !== ERRNO.EAGAIN) this.#refused(batch, done++, code)
      // What finds no room in time takes the rest of the batch with it: nobody else is to wait for a slow link.
      else if (!this.roomInTime()) while (done < messages) this.#refused(batch, done++, code)
    }
    this.#messages = 0
    this.#pieces = 0
  }

  /** Whatever else is wrong is wrong with the first message of the call. */
  #refused(batch: PacketBatch, message: number, code: number): void {
    const first = this.#first[message] ?? 0
    const end = this.#first[message + 1] ?? 0
    if (end - first === 1 || !CANNOT_CUT.has(code)) {
      batch.length.fill(0, first, end)
      return
    }
    this.#spared[sparedIndex(batch, first)] = 1
    for (let packet = first; packet < end; packet++) this.#sendAlone(batch, packet, message)
  }

  /** In the place of a message that was refused, whose pieces it has. */
  #sendAlone(batch: PacketBatch, packet: number, message: number): void {
    const vector = this.#sent
    this.#pieces = MOST_PIECES
    this.#addPieces(batch, packet)
    vector.setPieces(message, MOST_PIECES, this.#pieces - MOST_PIECES)
    vector.prepareSend(message, batch, packet)
    const send = () => this.calls.sendmmsg(this.fd, vector.address(message), 1, MSG_DONTWAIT) === 1
    if (!send() && !(this.calls.errno() === ERRNO.EAGAIN && this.roomInTime() && send()))
      batch.length[packet] = 0
  }
}

function copyEnds(batch: PacketBatch, from: number, to: number): void {
  batch.remotePort[to] = batch.remotePort[from] ?? 0
  batch.remoteAddress[to] = batch.remoteAddress[from] ?? 0
  batch.localAddress[to] = batch.localAddress[from] ?? 0
  if (!batch.isIpv6) return
  copyWords(batch.remoteWords, WORDS * from, batch.remoteWords, WORDS * to)
  copyWords(batch.localWords, WORDS * from, batch.localWords, WORDS * to)
}

const sparedIndex = (batch: PacketBatch, packet: number): number =>
  Math.imul(batch.remoteAddress[packet] ?? 0, 0x9e3779b1) >>> 24
