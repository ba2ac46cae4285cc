/** A TUN whose packets have a vnet header (Documentation/networking/tuntap.rst): what can be is read and written as super-packets. */
import { Coalescer } from '../offload/coalescer.ts'
import { HEADERS_AT, HEADERS_END, MOST_PACKETS, SUPER_SLOT_BYTES } from '../offload/layout.ts'
import { Segmenter } from '../offload/segmenter.ts'
import { GSO, GSO_ECN, NEEDS_CHECKSUM, VNET, VNET_HEADER_BYTES } from '../offload/vnet-header.ts'
import { HEADROOM_BYTES, type PacketBatch, type TunPort } from '../ports.ts'
import {
  batchAddress,
  batchPlace,
  ERRNO,
  libc,
  NativeMemory,
  type Place,
  type PortCalls,
  portCalls,
} from './libc.ts'
import { IOV } from './message-vector.ts'
import { readError } from './tun-device.ts'

/** Read in one turn at most: what a core's cache holds, and no other port waits long. */
const MOST_READ_PACKETS = 256
const MOST_READ_BYTES = 512 << 10
/** Packets begin at whole words: the vnet header is before, and room for our own headers before that. */
const FIRST_AT = 2 * HEADROOM_BYTES
const ALIGNMENT = 32
/** The vnet header, and the packets of a run. */
const MOST_IOVS = 1 + 64
const IOVS_AT = 16
const TCP_CHECKSUM_AT = 16
const UDP_CHECKSUM_AT = 6

/** Of batches as `superBatch` makes them. */
export class OffloadTun implements TunPort {
  readonly fd: number
  readonly #calls: PortCalls
  readonly #coalescer: Coalescer
  readonly #segmenter = new Segmenter(HEADERS_AT, HEADERS_END)
  /** A vnet header, and behind it the vector for writev. */
  readonly #memory = new NativeMemory(IOVS_AT + MOST_IOVS * IOV.bytes)
  readonly #iovsAddress = this.#memory.address + IOVS_AT

  /** Takes over an open device; `withUdp`: it takes super-packets of UDP. */
  constructor(fd: number, withUdp: boolean, calls = portCalls) {
    this.fd = fd
    this.#calls = calls
    this.#coalescer = new Coalescer(MOST_PACKETS, withUdp)
    this.#setIov(0, this.#memory.place, 0, VNET_HEADER_BYTES)
  }

  /** Throws when the device is gone. */
  receive(batch: PacketBatch): boolean {
    const base = batchAddress(batch)
    const segmenter = this.#segmenter
    batch.count = 0
    segmenter.rewind()
    segmenter.cut(batch)
    let at = FIRST_AT
    for (let read = 0; read < MOST_READ_PACKETS && at < MOST_READ_BYTES; read++) {
      if (segmenter.isPending || batch.count === batch.most) return true
      const bytes = this.#calls.read(this.fd, base + at - VNET_HEADER_BYTES, SUPER_SLOT_BYTES - FIRST_AT)
      if (bytes < 0) {
        const code = this.#calls.errno()
        if (code === ERRNO.EAGAIN) return false
        // A packet that has no vnet header: it is lost, others are not.
        if (code === ERRNO.EINVAL) continue
        throw readError(code)
      }
      this.#take(batch, at, bytes - VNET_HEADER_BYTES)
      at = (at + bytes + HEADROOM_BYTES + VNET_HEADER_BYTES + ALIGNMENT - 1) & -ALIGNMENT
    }
    return true
  }

  send(batch: PacketBatch, from: number, to: number): void {
    const runs = this.#coalescer
    runs.merge(batch, from, to)
    for (let run = 0; run < runs.count; run++) if (!this.#write(batch, run)) this.#lose(batch, run)
  }

  close(): void {
    libc.close(this.fd)
  }

  #take(batch: PacketBatch, at: number, length: number): void {
    const { view } = batch
    const header = at - VNET_HEADER_BYTES
    const type = view.getUint8(header + VNET.gsoType) & ~GSO_ECN
    const checksumStart = view.getUint16(header + VNET.checksumStart, true)
    if (type !== GSO.none) {
      const gsoSize = view.getUint16(header + VNET.gsoSize, true)
      if (this.#segmenter.begin(batch, at, length, type, gsoSize, checksumStart)) {
        this.#segmenter.cut(batch)
        return
      }
    } else if ((view.getUint8(header + VNET.flags) & NEEDS_CHECKSUM) !== 0)
      completeChecksum(batch, at, length, checksumStart, view.getUint16(header + VNET.checksumOffset, true))
    const i = batch.count++
    batch.at[i] = at
    batch.length[i] = length
    batch.restLength[i] = 0
  }

  #write(batch: PacketBatch, run: number): boolean {
    const runs = this.#coalescer
    const place = batchPlace(batch)
    const members = runs.members[run] ?? 0
    const head = runs.first[run] ?? 0
    const isSuper = members > 1
    const headerBytes = isSuper ? (runs.headerBytes[run] ?? 0) : 0
    this.#describe(run, isSuper)
    let bytes = VNET_HEADER_BYTES + (batch.length[head] ?? 0)
    this.#setIov(1, place, batch.at[head] ?? 0, batch.length[head] ?? 0)
    let packet = head
    for (let member = 1; member < members; member++) {
      packet = runs.next[packet] ?? 0
      const payload = (batch.length[packet] ?? 0) - headerBytes
      this.#setIov(member + 1, place, (batch.at[packet] ?? 0) + headerBytes, payload)
      bytes += payload
    }
    return this.#calls.writev(this.fd, this.#iovsAddress, members + 1) === bytes
  }

  /** All of the run's packets are lost. */
  #lose(batch: PacketBatch, run: number): void {
    const { first, next, members } = this.#coalescer
    let packet = first[run] ?? 0
    for (let member = 0; member < (members[run] ?? 0); member++) {
      batch.length[packet] = 0
      packet = next[packet] ?? 0
    }
  }

  #describe(run: number, isSuper: boolean): void {
    const { view } = this.#memory
    const { gsoType, gsoSize, headerBytes, upperBytes } = this.#coalescer
    const type = gsoType[run] ?? GSO.none
    view.setUint8(VNET.flags, isSuper ? NEEDS_CHECKSUM : 0)
    view.setUint8(VNET.gsoType, type)
    view.setUint16(VNET.headerBytes, isSuper ? (headerBytes[run] ?? 0) : 0, true)
    view.setUint16(VNET.gsoSize, gsoSize[run] ?? 0, true)
    view.setUint16(VNET.checksumStart, isSuper ? (upperBytes[run] ?? 0) : 0, true)
    view.setUint16(
      VNET.checksumOffset,
      !isSuper ? 0 : type === GSO.udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT,
      true,
    )
  }

  #setIov(i: number, place: Place, offset: number, length: number): void {
    const at = IOVS_AT + i * IOV.bytes
    this.#memory.setPointer(at + IOV.base, place, offset)
    this.#memory.view.setUint32(at + IOV.length, length, true)
  }
}

/** Of a packet from a kernel that left it to the device: what is there is the sum of the pseudo-header. */
function completeChecksum(
  { view, memory }: PacketBatch,
  at: number,
  length: number,
  start: number,
  offset: number,
): void {
  if (start + offset + 2 > length) return
  const sum = ~memory.sum(at + start, length - start) & 0xffff
  // One of UDP that is zero would say that there is none (RFC 768).
  view.setUint16(at + start + offset, offset === UDP_CHECKSUM_AT && sum === 0 ? 0xffff : sum)
}
