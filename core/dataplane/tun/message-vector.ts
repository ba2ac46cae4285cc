/**
 * The arguments of recvmmsg and sendmmsg: 64 messages, each with the peer's address, ours as a control message, and how long the datagrams of
 * a super-datagram are as another.
 */
import { WORDS } from '../outer-address.ts'
import { BATCH_PACKETS, type PacketBatch } from '../ports.ts'
import { NativeMemory, type Place } from './libc.ts'

/** struct mmsghdr. */
const MESSAGE = {
  bytes: 64,
  name: 0,
  nameLength: 8,
  iov: 16,
  iovCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
} as const
/** struct iovec. */
export const IOV = { bytes: 16, base: 0, length: 8 } as const
/** struct cmsghdr. */
const CONTROL = { length: 0, level: 8, type: 12, data: 16 } as const

/** What the kernel has of a family: struct sockaddr_in or sockaddr_in6, and struct in_pktinfo or in6_pktinfo behind a cmsghdr. */
export interface SocketFamily {
  readonly family: number
  readonly sockaddr: { readonly bytes: number; readonly port: number; readonly address: number }
  /** Protocol and option by which a datagram tells where it came to, and is told where to leave from. */
  readonly pktinfo: { readonly level: number; readonly receive: number; readonly type: number }
  readonly control: {
    /** CMSG_SPACE and CMSG_LEN. */
    readonly bytes: number
    readonly used: number
    /** Of our address. */
    readonly received: number
    readonly sent: number
  }
}

export const IPV4: SocketFamily = {
  family: 2,
  sockaddr: { bytes: 16, port: 2, address: 4 },
  pktinfo: { level: 0, receive: 8, type: 8 },
  // ipi_addr is where it came to, ipi_spec_dst where it is to leave from; of a local address the kernel gives both.
  control: { bytes: 32, used: 28, received: CONTROL.data + 4, sent: CONTROL.data + 4 },
}
export const IPV6: SocketFamily = {
  family: 10,
  sockaddr: { bytes: 28, port: 2, address: 8 },
  pktinfo: { level: 41, receive: 49, type: 50 },
  control: { bytes: 40, used: 36, received: CONTROL.data, sent: CONTROL.data },
}

/** linux/udp.h: CMSG_SPACE and CMSG_LEN are of a 16-bit number where we send, of an int where we receive. */
const SEGMENT = { level: 17, type: 103, bytes: 24, used: 18 } as const
const GRO = { level: 17, type: 104 } as const

const MSG_TRUNC = 0x20
const NAMES_AT = BATCH_PACKETS * MESSAGE.bytes
/** A whole number of words, for the control messages behind. */
const NAME_BYTES = 32
const CONTROLS_AT = NAMES_AT + BATCH_PACKETS * NAME_BYTES
const CONTROL_BYTES = 40 + SEGMENT.bytes
const IOVS_AT = CONTROLS_AT + BATCH_PACKETS * CONTROL_BYTES

export class MessageVector {
  readonly #family: SocketFamily
  readonly #isIpv6: boolean
  readonly #memory: NativeMemory
  readonly #view: DataView

  /** `iovs`: pieces of all messages together. */
  constructor(family: SocketFamily, iovs = BATCH_PACKETS) {
    this.#family = family
    this.#isIpv6 = family === IPV6
    this.#memory = new NativeMemory(IOVS_AT + iovs * IOV.bytes)
    this.#view = this.#memory.view
    const { place } = this.#memory
    for (let i = 0; i < BATCH_PACKETS; i++) {
      const message = i * MESSAGE.bytes
      this.#memory.setPointer(message + MESSAGE.name, place, nameAt(i))
      this.#memory.setPointer(message + MESSAGE.iov, place, iovAt(i))
      this.#view.setUint32(message + MESSAGE.iovCount, 1, true)
      this.#memory.setPointer(message + MESSAGE.control, place, controlAt(i))
    }
  }

  /** Of message `i`. */
  address(i: number): number {
    return this.#memory.address + i * MESSAGE.bytes
  }

  /** Piece `i` of the vector; of message `i`, unless it was given others. */
  setBuffer(i: number, place: Place, offset: number, length: number): void {
    this.#memory.setPointer(iovAt(i) + IOV.base, place, offset)
    this.#view.setUint32(iovAt(i) + IOV.length, length, true)
  }

  /** Message `i` is `count` pieces, the first of which is piece `first` of the vector. */
  setPieces(i: number, first: number, count: number): void {
    this.#memory.setPointer(i * MESSAGE.bytes + MESSAGE.iov, this.#memory.place, iovAt(first))
    this.#view.setUint32(i * MESSAGE.bytes + MESSAGE.iovCount, count, true)
  }

  /** The kernel overwrites both with what it wrote. */
  prepareReceive(i: number): void {
    this.#setLengths(i, this.#family.control.bytes + SEGMENT.bytes)
  }

  #setLengths(i: number, controlBytes: number): void {
    this.#view.setUint32(i * MESSAGE.bytes + MESSAGE.nameLength, this.#family.sockaddr.bytes, true)
    this.#view.setUint32(i * MESSAGE.bytes + MESSAGE.controlLength, controlBytes, true)
  }

  /** After `prepareSend`: message `i` is datagrams of so many octets, of which the last may be shorter. */
  prepareSegments(i: number, octets: number): void {
    const { bytes } = this.#family.control
    const view = this.#view
    const at = controlAt(i) + bytes
    view.setUint32(at + CONTROL.length, SEGMENT.used, true)
    view.setUint32(at + CONTROL.level, SEGMENT.level, true)
    view.setUint32(at + CONTROL.type, SEGMENT.type, true)
    view.setUint16(at + CONTROL.data, octets, true)
    this.#setLengths(i, bytes + SEGMENT.bytes)
  }

  /** Goes where packet `packet` of the batch is to go, from where it is to leave (0: the kernel chooses). */
  prepareSend(i: number, batch: PacketBatch, packet: number): void {
    this.#setLengths(i, this.#family.control.bytes)
    const view = this.#view
    const { family, sockaddr, pktinfo, control } = this.#family
    const name = nameAt(i)
    view.setUint16(name, family, true)
    view.setUint16(name + sockaddr.port, batch.remotePort[packet] ?? 0)
    const at = controlAt(i)
    view.setUint32(at + CONTROL.length, control.used, true)
    view.setUint32(at + CONTROL.level, pktinfo.level, true)
    view.setUint32(at + CONTROL.type, pktinfo.type, true)
    if (this.#isIpv6) {
      for (let word = 0; word < WORDS; word++) {
        view.setInt32(name + sockaddr.address + 4 * word, batch.remoteWords[WORDS * packet + word] ?? 0)
        view.setInt32(at + control.sent + 4 * word, batch.localWords[WORDS * packet + word] ?? 0)
      }
      return
    }
    view.setInt32(name + sockaddr.address, batch.remoteAddress[packet] ?? 0)
    view.setInt32(at + control.sent, batch.localAddress[packet] ?? 0)
  }

  length(i: number): number {
    return this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.length, true)
  }

  isTruncated(i: number): boolean {
    return (this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.flags, true) & MSG_TRUNC) !== 0
  }

  /** How long the datagrams of message `i` are, of which the last may be shorter; 0 where it is one datagram. */
  segmentBytes(i: number): number {
    return this.#isSegments(i) ? this.#view.getInt32(controlAt(i) + CONTROL.data, true) : 0
  }

  /** Both ends of message `i`, to packet `packet`. */
  readEnds(i: number, batch: PacketBatch, packet: number): void {
    const view = this.#view
    const { sockaddr, control } = this.#family
    const name = nameAt(i) + sockaddr.address
    const own = controlAt(i) + control.received + (this.#isSegments(i) ? SEGMENT.bytes : 0)
    batch.remotePort[packet] = view.getUint16(nameAt(i) + sockaddr.port)
    if (this.#isIpv6) {
      for (let word = 0; word < WORDS; word++) {
        batch.remoteWords[WORDS * packet + word] = view.getInt32(name + 4 * word)
        batch.localWords[WORDS * packet + word] = view.getInt32(own + 4 * word)
      }
      batch.foldWords(packet)
      return
    }
    batch.remoteAddress[packet] = view.getInt32(name)
    batch.localAddress[packet] = view.getInt32(own)
  }

  /** The kernel tells of segments before it tells of addresses. */
  #isSegments(i: number): boolean {
    const at = controlAt(i)
    return (
      this.#view.getUint32(at + CONTROL.level, true) === GRO.level &&
      this.#view.getUint32(at + CONTROL.type, true) === GRO.type
    )
  }
}

function iovAt(i: number): number {
  return IOVS_AT + i * IOV.bytes
}

function nameAt(i: number): number {
  return NAMES_AT + i * NAME_BYTES
}

function controlAt(i: number): number {
  return CONTROLS_AT + i * CONTROL_BYTES
}
