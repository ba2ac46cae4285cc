/** Packets that wait as objects of their own, where no kernel holds them for us. */
import type { Path } from '../ports.ts'
import { copyWords, outerAddress, WORDS } from './outer-address.ts'
import { BATCH_PACKETS, HEADROOM_BYTES, type PacketBatch } from './ports.ts'

/** What a full socket buffer or device queue holds; more is lost. */
const MOST_QUEUED = 4096

export interface Datagram {
  readonly path: Path
  readonly bytes: Uint8Array
}

/** Writes where packet `index` came from and to. */
export function describeDatagram(batch: PacketBatch, index: number, { path, bytes }: Datagram): Uint8Array {
  const [local, remote] = [outerAddress(path.local.address), outerAddress(path.remote.address)]
  batch.isIpv6 = local.words !== undefined
  batch.localAddress[index] = local.number
  batch.localPort[index] = path.local.port
  batch.remoteAddress[index] = remote.number
  batch.remotePort[index] = path.remote.port
  if (local.words !== undefined) copyWords(local.words, 0, batch.localWords, WORDS * index)
  if (remote.words !== undefined) copyWords(remote.words, 0, batch.remoteWords, WORDS * index)
  return bytes
}

/** A copy of packet `index`, in one piece. */
export function packetBytes(batch: PacketBatch, index: number): Uint8Array {
  const [at = 0, restAt = 0, rest = 0] = [batch.at[index], batch.restAt[index], batch.restLength[index]]
  const length = (batch.length[index] ?? 0) - rest
  if (rest === 0) return batch.bytes.slice(at, at + length)
  return Uint8Array.from([
    ...batch.bytes.subarray(at, at + length),
    ...batch.bytes.subarray(restAt, restAt + rest),
  ])
}

/** Bounded, and tells of what has come one microtask later. */
export class Queue<T> {
  #items: T[] = []
  #listener: (() => void) | undefined
  #telling = false
  #closed = false

  onReadable(listener: () => void): void {
    this.#listener = listener
    this.#tell()
  }

  push(item: T): void {
    if (this.#closed || this.#items.length === MOST_QUEUED) return
    this.#items.push(item)
    this.#tell()
  }

  fill(batch: PacketBatch, describe: (index: number, item: T) => Uint8Array): boolean {
    batch.count = 0
    batch.oversized = 0
    for (const item of this.#items.splice(0, BATCH_PACKETS)) {
      const bytes = describe(batch.count, item)
      if (bytes.length > batch.slotBytes - HEADROOM_BYTES) {
        batch.oversized++
        continue
      }
      const at = batch.count * batch.slotBytes + HEADROOM_BYTES
      batch.bytes.set(bytes, at)
      batch.at[batch.count] = at
      batch.length[batch.count] = bytes.length
      batch.count++
    }
    return this.#items.length > 0
  }

  close(): void {
    this.#closed = true
    this.#items = []
  }

  #tell(): void {
    if (this.#telling || this.#items.length === 0) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      if (!this.#closed) this.#listener?.()
    })
  }
}
