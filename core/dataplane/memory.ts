/** A network and a TUN in memory. */
import { BurrowError } from '../errors.ts'
import type { Path, SocketAddress } from '../ports.ts'
import { type DatagramPort, type PacketBatch, type Readable, type TunPort, wildcardOf } from './ports.ts'
import { type Datagram, describeDatagram, packetBytes, Queue } from './queue.ts'

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
    return this.#queue.fill(batch, (index, datagram) => describeDatagram(batch, index, datagram))
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

const isWildcard = (address: string): boolean => address === wildcardOf(address)
