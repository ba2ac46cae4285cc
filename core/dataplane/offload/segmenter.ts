/**
 * Cuts a super-packet into the packets that the kernel would make of it (net/ipv4/tcp_offload.c, udp_offload.c): each has headers of its
 * own, and its payload stays where it is.
 */
import { IP_PROTOCOL } from '../../wire/ip.ts'
import { HEADROOM_BYTES, type PacketBatch } from '../ports.ts'
import { foldSum } from './batch-memory.ts'
import { GSO } from './vnet-header.ts'

const TCP = { sequence: 4, dataOffset: 12, flags: 13, checksum: 16 } as const
const UDP = { length: 4, checksum: 6 } as const
const TCP_BYTES = 20
const UDP_BYTES = 8
const FLAG = { fin: 0x01, push: 0x08, cwr: 0x80 } as const
const ALIGNMENT = 8

export class Segmenter {
  /** A super-packet is not yet cut to its end. */
  isPending = false
  readonly #headersAt: number
  readonly #headersEnd: number
  #free: number

  // Of the super-packet.
  #at = 0
  #end = 0
  #gsoSize = 0
  #isIpv6 = false
  #isTcp = false
  #upperBytes = 0
  #headerBytes = 0
  /** Sums of what is the same in all of its packets. */
  #ipSum = 0
  #upperSum = 0
  #identification = 0
  #sequence = 0
  #flags = 0
  /** Where the payload of the next packet is. */
  #next = 0
  #isFirst = false

  /** Headers are written between these places of the batch. */
  constructor(headersAt: number, headersEnd: number) {
    this.#headersAt = headersAt
    this.#headersEnd = headersEnd
    this.#free = headersAt
  }

  /** What was cut before has gone. */
  rewind(): void {
    this.#free = this.#headersAt
  }

  /** The super-packet of `length` octets at `at`, as its vnet header describes it; false when it is none that can be cut. */
  begin(
    batch: PacketBatch,
    at: number,
    length: number,
    type: number,
    gsoSize: number,
    upperBytes: number,
  ): boolean {
    const { view } = batch
    const isTcp = type === GSO.tcp4 || type === GSO.tcp6
    if ((!isTcp && type !== GSO.udp) || gsoSize === 0 || length === 0) return false
    const isIpv6 = view.getUint8(at) >> 4 === 6
    if (upperBytes < (isIpv6 ? 40 : 20) || upperBytes + (isTcp ? TCP_BYTES : UDP_BYTES) > length) return false
    const upperAt = at + upperBytes
    const headerBytes = upperBytes + (isTcp ? (view.getUint8(upperAt + TCP.dataOffset) >> 4) * 4 : UDP_BYTES)
    if (headerBytes >= length || headerBytes + HEADROOM_BYTES > this.#headersEnd - this.#headersAt)
      return false
    this.#at = at
    this.#end = at + length
    this.#gsoSize = gsoSize
    this.#isIpv6 = isIpv6
    this.#isTcp = isTcp
    this.#upperBytes = upperBytes
    this.#headerBytes = headerBytes
    this.#next = at + headerBytes
    this.#isFirst = true
    this.isPending = true
    this.#prepareSums(batch)
    return true
  }

  /** Adds packets to the batch until there is no more of it, or no more room. */
  cut(batch: PacketBatch): void {
    const step = (HEADROOM_BYTES + this.#headerBytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1)
    while (this.isPending) {
      if (batch.count === batch.most || this.#free + step > this.#headersEnd) return
      this.#packet(batch, this.#free + HEADROOM_BYTES)
      this.#free += step
    }
  }

  #prepareSums({ view, memory }: PacketBatch): void {
    const at = this.#at
    const upperAt = at + this.#upperBytes
    if (!this.#isIpv6) {
      this.#identification = view.getUint16(at + 4)
      view.setUint16(at + 2, 0)
      view.setUint16(at + 4, 0)
      view.setUint16(at + 10, 0)
      this.#ipSum = memory.sum(at, this.#upperBytes)
    }
    const protocol = this.#isTcp ? IP_PROTOCOL.TCP : IP_PROTOCOL.UDP
    const pseudo = (this.#isIpv6 ? memory.sum(at + 8, 32) : memory.sum(at + 12, 8)) + protocol
    if (this.#isTcp) {
      this.#sequence = view.getInt32(upperAt + TCP.sequence)
      this.#flags = view.getUint8(upperAt + TCP.flags)
      view.setInt32(upperAt + TCP.sequence, 0)
      view.setUint8(upperAt + TCP.flags, 0)
      view.setUint16(upperAt + TCP.checksum, 0)
    } else {
      view.setUint16(upperAt + UDP.length, 0)
      view.setUint16(upperAt + UDP.checksum, 0)
    }
    this.#upperSum = pseudo + memory.sum(upperAt, this.#headerBytes - this.#upperBytes)
  }

  #packet(batch: PacketBatch, to: number): void {
    const { view, bytes, memory } = batch
    const headerBytes = this.#headerBytes
    const payloadAt = this.#next
    const payload = Math.min(this.#gsoSize, this.#end - payloadAt)
    const isLast = payloadAt + payload === this.#end
    const upper = headerBytes - this.#upperBytes + payload
    copyHeader(view, bytes, this.#at, to, headerBytes)
    if (this.#isIpv6) view.setUint16(to + 4, headerBytes + payload - 40)
    else {
      const length = headerBytes + payload
      view.setUint16(to + 2, length)
      view.setUint16(to + 4, this.#identification)
      view.setUint16(to + 10, ~foldSum(this.#ipSum + length + this.#identification) & 0xffff)
      this.#identification = (this.#identification + 1) & 0xffff
    }
    const upperAt = to + this.#upperBytes
    const sum = this.#upperSum + upper + memory.sum(payloadAt, payload)
    if (this.#isTcp) this.#finishTcp(view, upperAt, sum, isLast, payload)
    else {
      view.setUint16(upperAt + UDP.length, upper)
      // Zero would say that there is none (RFC 768).
      view.setUint16(upperAt + UDP.checksum, ~foldSum(sum + upper) & 0xffff || 0xffff)
    }
    const i = batch.count++
    batch.at[i] = to
    batch.length[i] = headerBytes + payload
    batch.restAt[i] = payloadAt
    batch.restLength[i] = payload
    this.#next += payload
    this.#isFirst = false
    this.isPending = !isLast
  }

  #finishTcp(view: DataView, tcpAt: number, sum: number, isLast: boolean, payload: number): void {
    const sequence = this.#sequence
    const flags = this.#flags & ~(isLast ? 0 : FLAG.fin | FLAG.push) & ~(this.#isFirst ? 0 : FLAG.cwr)
    view.setInt32(tcpAt + TCP.sequence, sequence)
    view.setUint8(tcpAt + TCP.flags, flags)
    const whole = sum + (sequence >>> 16) + (sequence & 0xffff) + flags
    view.setUint16(tcpAt + TCP.checksum, ~foldSum(whole) & 0xffff)
    this.#sequence = (sequence + payload) | 0
  }
}

/** Faster than `copyWithin` for so few; what extension headers make long goes that way. */
function copyHeader(view: DataView, bytes: Uint8Array, from: number, to: number, octets: number): void {
  if (octets > 128) {
    bytes.copyWithin(to, from, from + octets)
    return
  }
  // Headers are whole words.
  for (let word = 0; word < octets; word += 4) view.setInt32(to + word, view.getInt32(from + word))
}
