/** The arguments of recvmmsg and sendmmsg: 64 messages, each with one buffer, an IPv4 address and an IP_PKTINFO. */
import { BATCH_PACKETS } from '../ports.ts'
import { NativeMemory } from './libc.ts'

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
const IOV = { bytes: 16, base: 0, length: 8 } as const
/** struct sockaddr_in. */
export const SOCKADDR = { bytes: 16, family: 0, port: 2, address: 4 } as const
/** struct cmsghdr, and the struct in_pktinfo behind it. */
const CONTROL = { bytes: 32, length: 0, level: 8, type: 12, specificDestination: 20, used: 28 } as const

export const AF_INET = 2
export const IPPROTO_IP = 0
export const IP_PKTINFO = 8
const MSG_TRUNC = 0x20

const IOVS_AT = BATCH_PACKETS * MESSAGE.bytes
const NAMES_AT = IOVS_AT + BATCH_PACKETS * IOV.bytes
const CONTROLS_AT = NAMES_AT + BATCH_PACKETS * SOCKADDR.bytes

export class MessageVector {
  readonly #memory = new NativeMemory(CONTROLS_AT + BATCH_PACKETS * CONTROL.bytes)
  readonly #view = this.#memory.view

  constructor() {
    const { address } = this.#memory
    for (let i = 0; i < BATCH_PACKETS; i++) {
      const message = i * MESSAGE.bytes
      this.#memory.setPointer(message + MESSAGE.name, address + nameAt(i))
      this.#memory.setPointer(message + MESSAGE.iov, address + iovAt(i))
      this.#view.setUint32(message + MESSAGE.iovCount, 1, true)
      this.#memory.setPointer(message + MESSAGE.control, address + controlAt(i))
    }
  }

  /** Of message `i`. */
  address(i: number): number {
    return this.#memory.address + i * MESSAGE.bytes
  }

  setBuffer(i: number, address: number, length: number): void {
    this.#memory.setPointer(iovAt(i) + IOV.base, address)
    this.#view.setUint32(iovAt(i) + IOV.length, length, true)
  }

  /** The kernel overwrites both with what it wrote. */
  prepareReceive(i: number): void {
    this.#view.setUint32(i * MESSAGE.bytes + MESSAGE.nameLength, SOCKADDR.bytes, true)
    this.#view.setUint32(i * MESSAGE.bytes + MESSAGE.controlLength, CONTROL.bytes, true)
  }

  /** Goes to `remoteAddress`, from `localAddress` (0: the kernel chooses). */
  prepareSend(i: number, localAddress: number, remoteAddress: number, remotePort: number): void {
    this.prepareReceive(i)
    const view = this.#view
    const name = nameAt(i)
    view.setUint16(name + SOCKADDR.family, AF_INET, true)
    view.setUint16(name + SOCKADDR.port, remotePort)
    view.setInt32(name + SOCKADDR.address, remoteAddress)
    const control = controlAt(i)
    view.setUint32(control + CONTROL.length, CONTROL.used, true)
    view.setUint32(control + CONTROL.level, IPPROTO_IP, true)
    view.setUint32(control + CONTROL.type, IP_PKTINFO, true)
    view.setInt32(control + CONTROL.specificDestination, localAddress)
  }

  length(i: number): number {
    return this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.length, true)
  }

  isTruncated(i: number): boolean {
    return (this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.flags, true) & MSG_TRUNC) !== 0
  }

  remoteAddress(i: number): number {
    return this.#view.getInt32(nameAt(i) + SOCKADDR.address)
  }

  remotePort(i: number): number {
    return this.#view.getUint16(nameAt(i) + SOCKADDR.port)
  }

  /** The address that the datagram came to; IP_PKTINFO is the one control message that the socket asks for. */
  localAddress(i: number): number {
    return this.#view.getInt32(controlAt(i) + CONTROL.specificDestination)
  }
}

function iovAt(i: number): number {
  return IOVS_AT + i * IOV.bytes
}

function nameAt(i: number): number {
  return NAMES_AT + i * SOCKADDR.bytes
}

function controlAt(i: number): number {
  return CONTROLS_AT + i * CONTROL.bytes
}
