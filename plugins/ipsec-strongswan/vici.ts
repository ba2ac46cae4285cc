/** One connection to charon's VICI socket. What goes wrong on it closes it: whoever made it makes another. */
import { createConnection, type Socket } from 'node:net'
import { BurrowError, type Clock, type Milliseconds } from 'burrow'
import { encodePacket, PACKET, PacketStream, type ViciMessage, type ViciPacket } from './vici-codec.ts'

/** Calls that wait for their turn. */
const MOST_CALLS = 256
/** Sections that one command may bring as events. */
const MOST_STREAMED = 100_000

interface Call {
  readonly packet: ViciPacket
  /** What answers it. */
  readonly answer: number
  /** The event whose packets are its result. */
  readonly streams?: string | undefined
  readonly streamed: ViciMessage[]
  readonly timeoutMs: Milliseconds
  readonly done: (message: ViciMessage) => void
  readonly failed: (error: Error) => void
}

export interface ViciOptions {
  readonly path: string
  readonly clock: Clock
  /** For one answer, and to connect. */
  readonly timeoutMs: Milliseconds
}

/** What was asked could not be answered: `text` says why. */
const failure = (text: string, cause?: unknown) => new BurrowError('IPSEC_CHARON', text, {}, { cause })

export class Vici {
  readonly #options: ViciOptions
  readonly #socket: Socket
  readonly #packets = new PacketStream()
  readonly #listeners = new Map<string, (message: ViciMessage) => void>()
  /** Events that are results; charon sends them to whoever asked. */
  readonly #streams = new Set<string>()
  readonly #waiting: Call[] = []
  #current: (Call & { readonly timer: { cancel(): void } }) | undefined
  #closed: string | undefined
  #tellClosed: (reason: string) => void = () => {}
  /** Resolves when there is no connection any more, with the reason. */
  readonly closed: Promise<string>

  private constructor(socket: Socket, options: ViciOptions) {
    this.#socket = socket
    this.#options = options
    this.closed = new Promise(resolve => {
      this.#tellClosed = resolve
    })
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', error => this.close(error.message))
    socket.on('close', () => this.close('charon closed the connection'))
  }

  /** Rejects with IPSEC_CHARON. */
  static connect(options: ViciOptions): Promise<Vici> {
    return new Promise((resolve, reject) => {
      const { path, clock, timeoutMs } = options
      const socket = createConnection({ path })
      const give = (error: Error) => {
        timer.cancel()
        socket.destroy()
        reject(failure(`no answer on charon's socket ${path}: ${error.message}`, error))
      }
      const timer = clock.setTimer(timeoutMs, () => give(new Error(`not within ${timeoutMs} ms`)))
      socket.once('error', give)
      socket.once('connect', () => {
        timer.cancel()
        socket.off('error', give)
        resolve(new Vici(socket, options))
      })
    })
  }

  /** The answer to a command, whatever it says. Rejects with IPSEC_CHARON. */
  async request(command: string, message: ViciMessage = {}, timeoutMs?: Milliseconds): Promise<ViciMessage> {
    return (await this.#ask(command, message, undefined, timeoutMs)).answer
  }

  /** As `request`; rejects with IPSEC_CONFIG where charon will not have `what`. */
  async order(command: string, message: ViciMessage, what: string): Promise<ViciMessage> {
    const answer = await this.request(command, message)
    const { success, errmsg } = answer
    if (success === 'yes') return answer
    throw new BurrowError('IPSEC_CONFIG', `charon refused ${command} of ${what}: ${errmsg ?? 'no reason'}`)
  }

  /** The messages of the event by which a command answers, such as `list-sas` by `list-sa`. */
  async list(command: string, event: string, message: ViciMessage = {}): Promise<readonly ViciMessage[]> {
    if (!this.#streams.has(event)) await this.#register(event)
    this.#streams.add(event)
    return (await this.#ask(command, message, event)).streamed
  }

  /** Tells `listener` of an event from now on. */
  async on(event: string, listener: (message: ViciMessage) => void): Promise<void> {
    this.#listeners.set(event, listener)
    await this.#register(event)
  }

  close(reason = 'closed'): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    this.#socket.destroy()
    const calls = [...(this.#current === undefined ? [] : [this.#current]), ...this.#waiting]
    this.#current?.timer.cancel()
    this.#current = undefined
    this.#waiting.length = 0
    for (const { failed } of calls) failed(failure(`the connection to charon is closed: ${reason}`))
    this.#tellClosed(reason)
  }

  async #ask(
    name: string,
    message: ViciMessage,
    streams?: string,
    timeoutMs = this.#options.timeoutMs,
  ): Promise<{ readonly answer: ViciMessage; readonly streamed: readonly ViciMessage[] }> {
    const streamed: ViciMessage[] = []
    const packet = { type: PACKET.request, name, message }
    const answer = await this.#call({ packet, answer: PACKET.response, streams, streamed, timeoutMs })
    return { answer, streamed }
  }

  async #register(name: string): Promise<void> {
    const packet = { type: PACKET.register, name, message: {} }
    const { timeoutMs } = this.#options
    await this.#call({ packet, answer: PACKET.confirm, streamed: [], timeoutMs })
  }

  #call(call: Omit<Call, 'done' | 'failed'>): Promise<ViciMessage> {
    if (this.#closed !== undefined)
      return Promise.reject(failure(`the connection to charon is closed: ${this.#closed}`))
    if (this.#waiting.length >= MOST_CALLS) return Promise.reject(failure('too many calls wait for charon'))
    return new Promise((done, failed) => {
      this.#waiting.push({ ...call, done, failed })
      this.#next()
    })
  }

  /** One at a time: answers bear no names. */
  #next(): void {
    if (this.#current !== undefined) return
    const call = this.#waiting.shift()
    if (call === undefined) return
    const { timeoutMs, packet, failed } = call
    let bytes: Uint8Array
    try {
      bytes = encodePacket(packet)
    } catch (error) {
      failed(failure(`${packet.name} cannot be sent: ${(error as Error).message}`, error))
      return this.#next()
    }
    // What comes after the deadline would be taken for the answer to the next call.
    const late = () => this.close(`no answer to ${packet.name} within ${timeoutMs} ms`)
    this.#current = { ...call, timer: this.#options.clock.setTimer(timeoutMs, late) }
    this.#socket.write(bytes)
  }

  #take(chunk: Uint8Array): void {
    try {
      for (const packet of this.#packets.take(chunk)) this.#receive(packet)
    } catch (error) {
      this.close((error as Error).message)
    }
  }

  #receive({ type, name = '', message }: ViciPacket): void {
    const current = this.#current
    if (type === PACKET.event) {
      if (name === current?.streams) {
        if (current.streamed.push(message) > MOST_STREAMED) this.close(`too many events ${name}`)
      } else this.#listeners.get(name)?.(message)
      return
    }
    const unknown = type === PACKET.unknownCommand || type === PACKET.unknownEvent
    if (current === undefined || (type !== current.answer && !unknown))
      return this.close(`an answer of type ${type} to ${current?.packet.name ?? 'nothing'}`)
    current.timer.cancel()
    this.#current = undefined
    if (unknown) current.failed(failure(`charon does not know ${current.packet.name}`))
    else current.done(message)
    this.#next()
  }
}
