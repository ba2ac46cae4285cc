/** One UDP socket over generations of the config and deployments: whoever lists the sender gets what it sends. */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import {
  BoundedLog,
  BurrowError,
  type Clock,
  type Logger,
  type Milliseconds,
  type SocketAddress,
} from 'burrow'
import { Answers } from './answers.ts'

export interface Datagram {
  readonly bytes: Uint8Array
  readonly from: SocketAddress
  /** Sends to where it came from. */
  reply(bytes: Uint8Array): void
}

/** Takes what it is to take; false: it does not know the sender. */
export type Receiver = (datagram: Datagram) => boolean

interface ListenerParts {
  readonly listen: SocketAddress
  readonly clock: Clock
  readonly log: Logger
}

/** One line of a kind in so long, and then their number. */
const LOG = { windowMs: 10_000, linesPerWindow: 1 }

export class Listener {
  readonly answers: Answers
  /** What was dropped and refused. */
  readonly bounded: BoundedLog
  /** From then on it is remembered what was answered. */
  readonly #since: { readonly now: Milliseconds; readonly wallS: number }
  readonly #parts: ListenerParts
  /** The youngest first. Of each plugin the youngest counts: an older one may list senders that are to be heard no more. */
  #receivers: readonly { readonly id: string; readonly receive: Receiver }[] = []
  #opening: Promise<SocketAddress> | undefined
  #socket: Socket | undefined

  constructor(parts: ListenerParts) {
    this.#parts = parts
    this.answers = new Answers(parts.clock)
    this.#since = { now: parts.clock.now(), wallS: Math.floor(parts.clock.wallTimeMs() / 1000) }
    this.bounded = new BoundedLog(parts.log, parts.clock, LOG)
  }

  /**
   * Whether a request of that Event-Timestamp may have been carried out by the process before this one, and was recorded. Once the
   * window has passed, that alone tells; and a clock that is put back meanwhile does not count for ever.
   */
  mayBeFromBefore(eventTimestampS: number, windowS: number): boolean {
    const { now, wallS } = this.#since
    return eventTimestampS < wallS && this.#parts.clock.now() - now <= windowS * 1000
  }

  /** Once; gives the address and the port that was taken. */
  open(): Promise<SocketAddress> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** `id`: identity of the plugin. */
  serve(id: string, receive: Receiver): void {
    this.#receivers = [{ id, receive }, ...this.#receivers]
  }

  /** Its generation of the config has gone, or did not come up. */
  leave(receive: Receiver): void {
    this.#receivers = this.#receivers.filter(one => one.receive !== receive)
  }

  close(): void {
    this.bounded.close()
    this.#socket?.close()
    this.#socket = undefined
  }

  #open(): Promise<SocketAddress> {
    const { address, port } = this.#parts.listen
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' })
    this.#socket = socket
    return new Promise((resolve, reject) => {
      socket.once('error', cause => {
        socket.close()
        this.#socket = undefined
        reject(new BurrowError('RADIUS_COA', `${address} port ${port}: ${cause.message}`, {}, { cause }))
      })
      socket.bind(port, address, () => {
        socket.removeAllListeners('error')
        socket.on('error', error => this.bounded.error('the socket for CoA and Disconnect failed', { error }))
        resolve(socket.address())
      })
      socket.on('message', (bytes, { address: remote, port: remotePort }) => {
        const from = { address: unmapped(remote), port: remotePort }
        this.#take({
          bytes,
          from,
          reply: answer => this.#send(answer, { address: remote, port: remotePort }),
        })
      })
    })
  }

  #take(datagram: Datagram): void {
    const all = this.#receivers
    const youngest = all.filter(({ id }, index) => all.findIndex(other => other.id === id) === index)
    if (youngest.some(({ receive }) => receive(datagram))) return
    const { address } = datagram.from
    this.bounded.warn('dynamic authorization: dropped, the sender is not listed in `sources`', {
      from: address,
    })
  }

  #send(bytes: Uint8Array, to: SocketAddress): void {
    // Whoever is not answered asks again.
    this.#socket?.send(bytes, to.port, to.address, error => {
      if (error)
        this.bounded.warn('dynamic authorization: an answer could not be sent', { to: to.address, error })
    })
  }
}

/** An IPv4 peer of a socket that listens on `::`. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '')
