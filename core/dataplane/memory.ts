/** A network and a TUN in memory. */
import { BurrowError } from '../errors.ts'
import type { Path, SocketAddress } from '../ports.ts'
import { copyWords, outerAddress, WORDS } from './outer-address.ts'
import {
  BATCH_PACKETS,
  type DatagramPort,
  HEADROOM_BYTES,
  type PacketBatch,
  type Readable,
  type TunPort,
  wildcardOf,
} from './ports.ts'

/** What a full socket buffer or device queue holds; more is lost. */
const MOST_QUEUED = 4096
/** Where free ports are taken from (RFC 6335 6). */
const FIRST_FREE_PORT = 49_152

export interface MemoryHost {
  bind(listen: SocketAddress): DatagramPort & Readable
}

export interface MemoryNetwork {
  /** A host that owns `addresses`; '0.0.0.0' binds all of IPv4, '::' all of IPv6. */
  host(...addresses: readonly string[]): MemoryHost
}

export interface MemoryTun {
  readonly port: TunPort & Readable
  /** A packet of the host's kernel, towards the sessions. */
  inject(packet: Uint8Array): void
  /** What came out of sessions since the last call. */
  take(): readonly Uint8Array[]
  /** Called with each packet that comes out of a session, instead of keeping it for `take`. */
  onPacket(listener: (packet: Uint8Array) => void): void
}

interface Datagram {
  readonly path: Path
  readonly bytes: Uint8Array
}

/** Datagrams are delivered in order, one microtask later; those for nobody are lost. */
export function createMemoryNetwork(): MemoryNetwork {
  const sockets = new Set<MemorySocket>()
  return {
    host: (...addresses) => ({
      bind(listen) {
        const own = addresses.filter(address => wildcardOf(address) === wildcardOf(listen.address))
        if (!isWildcard(listen.address) && !own.includes(listen.address))
          throw new BurrowError('ADDRESS_NOT_LOCAL', `${listen.address} is no address of this host`)
        const taken = (port: number) =>
          [...sockets].some(socket => socket.bound.port === port && own.some(address => socket.owns(address)))
        let { port } = listen
        if (port === 0) for (port = FIRST_FREE_PORT; taken(port); port++);
        else if (taken(port)) throw new BurrowError('PORT_IN_USE', `port ${port} is in use`)
        const socket = new MemorySocket(sockets, { address: listen.address, port }, own)
        sockets.add(socket)
        return socket
      },
    }),
  }
}

class MemorySocket implements DatagramPort, Readable {
  readonly bound: SocketAddress
  readonly #sockets: Set<MemorySocket>
  readonly #addresses: readonly string[]
  readonly #queue = new Queue<Datagram>()

  constructor(sockets: Set<MemorySocket>, bound: SocketAddress, addresses: readonly string[]) {
    this.#sockets = sockets
    this.bound = bound
    this.#addresses = isWildcard(bound.address) ? addresses : [bound.address]
  }

  owns(address: string): boolean {
    return this.#addresses.includes(address)
  }

  onReadable(listener: () => void): void {
    this.#queue.onReadable(listener)
  }

  receive(batch: PacketBatch): boolean {
    return this.#queue.fill(batch, (index, { path, bytes }) => {
      const [local, remote] = [outerAddress(path.local.address), outerAddress(path.remote.address)]
      batch.isIpv6 = local.words !== undefined
      batch.localAddress[index] = local.number
      batch.localPort[index] = path.local.port
      batch.remoteAddress[index] = remote.number
      batch.remotePort[index] = path.remote.port
      if (local.words !== undefined) copyWords(local.words, 0, batch.localWords, WORDS * index)
      if (remote.words !== undefined) copyWords(remote.words, 0, batch.remoteWords, WORDS * index)
      return bytes
    })
  }

  send(batch: PacketBatch, from: number, to: number): void {
    batch.isIpv6 = this.bound.address.includes(':')
    for (let i = from; i < to; i++) {
      const local = { address: batch.localText(i), port: this.bound.port }
      const remote = { address: batch.remoteText(i), port: batch.remotePort[i] ?? 0 }
      if (!this.sendOne({ local, remote }, packetBytes(batch, i))) batch.length[i] = 0
    }
  }

  sendOne({ local, remote }: Path, bytes: Uint8Array): boolean {
    if (!this.#sockets.has(this) || !this.owns(local.address)) return false
    const receiver = [...this.#sockets].find(
      socket => socket.bound.port === remote.port && socket.owns(remote.address),
    )
    receiver?.take({ path: { local: remote, remote: local }, bytes: bytes.slice() })
    return true
  }

  shedOpenings(): void {}

  take(datagram: Datagram): void {
    this.#queue.push(datagram)
  }

  close(): void {
    this.#sockets.delete(this)
    this.#queue.close()
  }
}

export function createMemoryTun(): MemoryTun {
  const queue = new Queue<Uint8Array>()
  let received: Uint8Array[] = []
  let listener = (packet: Uint8Array): void => {
    received.push(packet)
  }
  return {
    port: {
      onReadable: readable => queue.onReadable(readable),
      receive: batch => queue.fill(batch, (_index, packet) => packet),
      send(batch, from, to) {
        for (let i = from; i < to; i++) listener(packetBytes(batch, i))
      },
      close: () => queue.close(),
    },
    inject: packet => queue.push(packet.slice()),
    take() {
      const taken = received
      received = []
      return taken
    },
    onPacket(given) {
      listener = given
    },
  }
}

/** Bounded, and tells of what has come one microtask later. */
class Queue<T> {
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

function packetBytes(batch: PacketBatch, index: number): Uint8Array {
  const [at = 0, restAt = 0, rest = 0] = [batch.at[index], batch.restAt[index], batch.restLength[index]]
  const length = (batch.length[index] ?? 0) - rest
  if (rest === 0) return batch.bytes.slice(at, at + length)
  return Uint8Array.from([
    ...batch.bytes.subarray(at, at + length),
    ...batch.bytes.subarray(restAt, restAt + rest),
  ])
}

const isWildcard = (address: string): boolean => address === wildcardOf(address)
