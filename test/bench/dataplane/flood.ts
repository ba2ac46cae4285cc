/** UDP datagrams that are written once and sent again and again, many in a system call, so that who sends is not the limit. */
import { ERRNO, errno, errnoName, libc, NativeMemory } from '../../../core/dataplane/tun/libc.ts'

/** What goes to one place by one message of sendmmsg. */
export interface Burst {
  readonly address: string
  readonly port: number
  readonly datagram: Uint8Array
  /** So many of it, which the kernel keeps together as long as it can (UDP_SEGMENT) where they are more than one. */
  readonly copies: number
}

const MESSAGE_BYTES = 64
const IOV_BYTES = 16
const NAME_BYTES = 16
/** CMSG_SPACE and CMSG_LEN of two octets. */
const CONTROL = { bytes: 24, used: 18 } as const
const AF_INET = 2
const UDP_LEVEL = 17
const UDP_SEGMENT = 103
const MESSAGES_A_CALL = 64
const MSG_DONTWAIT = 0x40
const POLLOUT = 4

export class Flood {
  readonly #bursts: readonly Burst[]
  readonly #headers: NativeMemory
  readonly #poll = new NativeMemory(8)
  /** The kernel sees them by their addresses alone. */
  readonly #memories: NativeMemory[] = []

  constructor(bursts: readonly Burst[]) {
    this.#bursts = bursts
    this.#headers = new NativeMemory(bursts.length * MESSAGE_BYTES)
    for (const [i, burst] of bursts.entries()) this.#write(i, burst)
  }

  /** Sends for so long, without a pause; how many datagrams went out. Refused ones (ENOBUFS) are lost, as on any line. */
  run(fd: number, durationMs: number): number {
    const count = this.#bursts.length
    const end = performance.now() + durationMs
    let sent = 0
    for (let at = 0; performance.now() < end; ) {
      const address = this.#headers.address + at * MESSAGE_BYTES
      const done = libc.sendmmsg(fd, address, Math.min(MESSAGES_A_CALL, count - at), MSG_DONTWAIT)
      if (done < 0) {
        this.#afterFailure(fd)
        continue
      }
      for (let i = at; i < at + done; i++) sent += this.#bursts[i]?.copies ?? 0
      at = at + done === count ? 0 : at + done
    }
    return sent
  }

  #afterFailure(fd: number): void {
    const code = errno()
    if (code !== ERRNO.EAGAIN && code !== ERRNO.ENOBUFS && code !== ERRNO.ECONNREFUSED)
      throw new Error(`sendmmsg: ${errnoName(code)}`)
    this.#poll.view.setInt32(0, fd, true)
    this.#poll.view.setInt16(4, POLLOUT, true)
    libc.poll(this.#poll.address, 1, 1)
  }

  #write(i: number, { address, port, datagram, copies }: Burst): void {
    const name = copies * IOV_BYTES
    const control = name + NAME_BYTES
    const data = control + CONTROL.bytes
    const memory = new NativeMemory(data + datagram.length)
    this.#memories.push(memory)
    memory.bytes.set(datagram, data)
    for (let copy = 0; copy < copies; copy++) {
      memory.setPointer(copy * IOV_BYTES, memory.place, data)
      memory.view.setUint32(copy * IOV_BYTES + 8, datagram.length, true)
    }
    memory.view.setUint16(name, AF_INET, true)
    memory.view.setUint16(name + 2, port)
    memory.bytes.set(address.split('.').map(Number), name + 4)
    const header = i * MESSAGE_BYTES
    this.#headers.setPointer(header, memory.place, name)
    this.#headers.view.setUint32(header + 8, NAME_BYTES, true)
    this.#headers.setPointer(header + 16, memory.place, 0)
    this.#headers.view.setUint32(header + 24, copies, true)
    if (copies === 1) return
    memory.view.setUint32(control, CONTROL.used, true)
    memory.view.setUint32(control + 8, UDP_LEVEL, true)
    memory.view.setUint32(control + 12, UDP_SEGMENT, true)
    memory.view.setUint16(control + 16, datagram.length, true)
    this.#headers.setPointer(header + 32, memory.place, control)
    this.#headers.view.setUint32(header + 40, CONTROL.bytes, true)
  }
}
