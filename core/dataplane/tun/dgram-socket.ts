/**
 * A UDP port by `node:dgram`, which does not say where a datagram came to, nor lets it leave from anywhere else: so each of this host's addresses has a
 * socket of its own, those that it has when the port is opened.
 */
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { Path, SocketAddress } from '../../ports.ts'
import { formatIpv6 } from '../../wire/ipv6.ts'
import { type DatagramPort, type PacketBatch, type Readable, wildcardOf } from '../ports.ts'
import { type Datagram, describeDatagram, packetBytes, Queue } from '../queue.ts'
import { ERRNO } from './libc.ts'
import { bindError } from './udp-socket.ts'

/** As far as the system's limits go. */
const BUFFERS = { recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 } as const

export class DgramSocket implements DatagramPort, Readable {
  readonly bound: SocketAddress
  readonly #sockets: ReadonlyMap<string, Socket>
  readonly #queue = new Queue<Datagram>()

  constructor(bound: SocketAddress, sockets: ReadonlyMap<string, Socket>) {
    this.bound = bound
    this.#sockets = sockets
    for (const [address, socket] of sockets) {
      const local = { address, port: bound.port }
      socket.on('message', (bytes, { address: from, port }) =>
        this.#queue.push({ path: { local, remote: { address: from, port } }, bytes }),
      )
      // Of one datagram, such as an ICMP error that answers it.
      socket.on('error', () => {})
    }
  }

  /** Calls back with the port, or with PORT_IN_USE or ADDRESS_NOT_LOCAL. */
  static open(listen: SocketAddress, done: (opened: DgramSocket | BurrowError) => void): void {
    const sockets = new Map<string, Socket>()
    const waiting = addressesOf(listen.address)
    const fail = (error: BurrowError) => {
      for (const socket of sockets.values()) socket.close()
      done(error)
    }
    const next = (port: number) => {
      const address = waiting.shift()
      if (address === undefined) {
        done(new DgramSocket({ address: listen.address, port }, sockets))
        return
      }
      const socket = createSocket(
        address.includes(':') ? { type: 'udp6', ipv6Only: true, ...BUFFERS } : { type: 'udp4', ...BUFFERS },
      )
      const failed = (error: NodeJS.ErrnoException) => {
        socket.close()
        fail(bindError(ERRNO[error.code as 'EADDRINUSE'] ?? ERRNO.EADDRNOTAVAIL, { address, port }))
      }
      socket.once('error', failed)
      socket.bind(port, address, () => {
        socket.off('error', failed)
        sockets.set(address, socket)
        next(socket.address().port)
      })
    }
    if (waiting.length === 0) done(new BurrowError('ADDRESS_NOT_LOCAL', 'this host has no address'))
    else next(listen.port)
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

  /** True also of what the kernel refuses later on. */
  sendOne({ local, remote }: Path, bytes: Uint8Array): boolean {
    const socket = this.#sockets.get(local.address)
    if (socket === undefined || wildcardOf(local.address) !== wildcardOf(remote.address)) return false
    socket.send(bytes, remote.port, remote.address, () => {})
    return true
  }

  /** Here nothing can be refused before it is received. */
  shedOpenings(): void {}

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#queue.close()
  }
}

function addressesOf(address: string): string[] {
  if (address !== wildcardOf(address)) return [address]
  return address.includes(':') ? own6() : own4()
}

/** Also of devices that have no carrier yet, which `os.networkInterfaces` leaves out. */
function own4(): string[] {
  const local = /\|-- ([\d.]+)\n +\/32 host LOCAL/g
  const found = readFileSync('/proc/net/fib_trie', 'latin1').matchAll(local)
  return [...new Set(Array.from(found, ([, address = '']) => address))]
}

const LINK_SCOPE = '20'
const IFA_F_TENTATIVE = 0x40

/**
 * proc(5), /proc/net/if_inet6. Link-local addresses are of a device: no peer dials one. Whether a tentative one is ours is not known yet.
 */
function own6(): string[] {
  return readFileSync('/proc/net/if_inet6', 'latin1')
    .trim()
    .split('\n')
    .map(line => line.split(/ +/))
    .filter(
      ([, , , scope, flags = '']) =>
        scope !== LINK_SCOPE && (Number.parseInt(flags, 16) & IFA_F_TENTATIVE) === 0,
    )
    .flatMap(([digits = '']) => (digits === '' ? [] : [formatIpv6(Buffer.from(digits, 'hex'))]))
}
