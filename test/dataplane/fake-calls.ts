/** System calls of ports that reach no kernel: what they would have moved is at hand, and they fail when they are told to. */
import koffi from 'koffi'
import { ERRNO, type PortCalls } from '../../core/dataplane/tun/libc.ts'

const program = koffi.load(null)
const read: (to: Uint8Array, from: number, bytes: number) => number = program.func(
  'uintptr_t memcpy(void *to, uintptr_t from, size_t bytes)',
)
const write: (to: number, from: Uint8Array, bytes: number) => number = program.func(
  'uintptr_t memcpy(uintptr_t to, void *from, size_t bytes)',
)

const MESSAGE_BYTES = 64
const IOV_BYTES = 16

export interface SentMessage {
  /** sockaddr and control messages. */
  readonly name: Buffer
  readonly control: Buffer
  readonly bytes: Buffer
}

/** The length of its datagrams, where a message is several (UDP_SEGMENT). */
export function segmentBytes({ control }: SentMessage): number | undefined {
  for (let at = 0; at + 16 <= control.length; at += (Number(control.readBigUInt64LE(at)) + 7) & ~7)
    if (control.readInt32LE(at + 8) === 17 && control.readInt32LE(at + 12) === 103)
      return control.readUInt16LE(at + 16)
  return undefined
}

export class FakeCalls implements PortCalls {
  /** What there is to read, each with its vnet header. */
  readonly toRead: Uint8Array[] = []
  readonly written: Buffer[] = []
  readonly sent: SentMessage[] = []
  /** What the next calls of each kind answer: an errno, or 0 for success. Then all succeed. */
  readonly writeFaults: number[] = []
  readonly sendFaults: number[] = []
  /** Whether there is room after a wait. */
  readonly polls: number[] = []
  #errno = 0

  errno(): number {
    return this.#errno
  }

  read(_fd: number, address: number, bytes: number): number {
    const next = this.toRead.shift()
    if (next === undefined) return this.#fail(ERRNO.EAGAIN)
    if (next.length === 0) return this.#fail(ERRNO.EINVAL)
    const octets = Math.min(bytes, next.length)
    write(address, next, octets)
    return octets
  }

  writev(_fd: number, address: number, count: number): number {
    const fault = this.writeFaults.shift() ?? 0
    if (fault !== 0) return this.#fail(fault)
    const bytes = gather(address, count)
    this.written.push(bytes)
    return bytes.length
  }

  recvmmsg(): number {
    return this.#fail(ERRNO.EAGAIN)
  }

  /** As the kernel: the fault of the first message is the call's, that of another ends it. */
  sendmmsg(_fd: number, address: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const fault = this.sendFaults.shift() ?? 0
      if (fault !== 0 && i === 0) return this.#fail(fault)
      if (fault !== 0) {
        this.sendFaults.unshift(fault)
        return i
      }
      const header = memory(address + i * MESSAGE_BYTES, MESSAGE_BYTES)
      this.sent.push({
        name: memory(Number(header.readBigUInt64LE(0)), header.readUInt32LE(8)),
        control: memory(Number(header.readBigUInt64LE(32)), header.readUInt32LE(40)),
        bytes: gather(Number(header.readBigUInt64LE(16)), header.readUInt32LE(24)),
      })
    }
    return count
  }

  poll(): number {
    return this.polls.shift() ?? 1
  }

  #fail(errno: number): number {
    this.#errno = errno
    return -1
  }
}

function memory(address: number, bytes: number): Buffer {
  const copy = Buffer.alloc(bytes)
  if (bytes > 0) read(copy, address, bytes)
  return copy
}

function gather(address: number, count: number): Buffer {
  const iovs = memory(address, count * IOV_BYTES)
  return Buffer.concat(
    Array.from({ length: count }, (_, i) =>
      memory(Number(iovs.readBigUInt64LE(i * IOV_BYTES)), Number(iovs.readBigUInt64LE(i * IOV_BYTES + 8))),
    ),
  )
}
