/** A TUN by `node:fs`: a system call for each packet. Another thread waits for the first. */
import { readSync, writeSync } from 'node:fs'
import { BATCH_PACKETS, HEADROOM_BYTES, type PacketBatch, type Readable, type TunPort } from '../ports.ts'
import { libc, NativeMemory } from './libc.ts'
import { TunDevice } from './tun-device.ts'

const POLLIN = 1
const POLLFD_BYTES = 8
const EVENTS_AT = 4
const EFD_NONBLOCK = 0x800
const EFD_CLOEXEC = 0x80000
const LONGEST_WAIT_MS = 250

/** Waits as poll(2) does, and calls back; never on this thread. */
export type PollLater = (address: number, count: number, timeoutMs: number, done: () => void) => void

export class FsTun implements TunPort, Readable {
  readonly #device: TunDevice
  readonly #wakeFd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
  /** The device, and what ends the wait for it. */
  readonly #polled = new NativeMemory(2 * POLLFD_BYTES)
  readonly #pollLater: PollLater
  #listener = (): void => {}
  #isClosed = false

  private constructor(device: TunDevice, pollLater: PollLater) {
    this.#device = device
    this.#pollLater = pollLater
    for (const [i, fd] of [device.fd, this.#wakeFd].entries()) {
      this.#polled.view.setInt32(i * POLLFD_BYTES, fd, true)
      this.#polled.view.setInt16(i * POLLFD_BYTES + EVENTS_AT, POLLIN, true)
    }
    this.#wait()
  }

  /** Throws as `TunDevice.open` does. */
  static open(name: string, pollLater: PollLater): FsTun {
    return new FsTun(TunDevice.open(name), pollLater)
  }

  onReadable(listener: () => void): void {
    this.#listener = listener
  }

  receive(batch: PacketBatch): boolean {
    const room = batch.slotBytes - HEADROOM_BYTES
    batch.count = 0
    while (batch.count < BATCH_PACKETS) {
      const at = batch.count * batch.slotBytes + HEADROOM_BYTES
      const length = this.#try(() => readSync(this.#device.fd, batch.bytes, at, room, null))
      if (length === undefined) return false
      batch.at[batch.count] = at
      batch.length[batch.count] = length
      batch.count++
    }
    return true
  }

  send(batch: PacketBatch, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const [at, length] = [batch.at[i] ?? 0, batch.length[i] ?? 0]
      if (this.#try(() => writeSync(this.#device.fd, batch.bytes, at, length)) !== length) batch.length[i] = 0
    }
  }

  /** The descriptors are closed when nobody waits for them any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const one = new NativeMemory(8)
    one.view.setUint8(0, 1)
    libc.write(this.#wakeFd, one.address, 8)
  }

  #wait(): void {
    this.#pollLater(this.#polled.address, 2, LONGEST_WAIT_MS, () => {
      if (this.#isClosed) {
        this.#device.close()
        libc.close(this.#wakeFd)
        return
      }
      this.#listener()
      this.#wait()
    })
  }

  /** Undefined where there is nothing, or no room. */
  #try(act: () => number): number | undefined {
    if (this.#isClosed) return undefined
    try {
      return act()
    } catch {
      return undefined
    }
  }
}
