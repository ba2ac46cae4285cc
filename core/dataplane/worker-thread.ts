/** One worker from its beginning to its end, with the channel to it and an eye on whether it still moves. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { BurrowError } from '../errors.ts'
import type { TimerHandle } from '../ports.ts'
import { workerClock } from './worker-clock.ts'
import { EVENT_CLASS, type FromWorker, type ToWorker, type WorkerData } from './worker-messages.ts'
import type { Supervision } from './worker-restarts.ts'

/** Looks before it is up are so many times as patient: modules are loaded, on a machine that may be busy. */
const PATIENCE_AT_START = 6

/** Why a worker ended. */
export interface Failure {
  readonly reason: string
  readonly cause: unknown
  /** Of what it was given (a device, a descriptor): another worker would fail likewise. */
  readonly isOfGiven: boolean
}

export interface WorkerThreadParts {
  readonly entry: URL
  readonly data: Omit<WorkerData, 'port' | 'taken' | 'heartbeat'>
  readonly supervision: Supervision
  /** Lets the worker look for messages. */
  readonly wake: () => void
  /** In the order in which it sent them, and none after its end. */
  readonly onMessage: (message: FromWorker) => void
  /** It is gone; once. */
  readonly onEnd: (failure: Failure) => void
}

export class WorkerThread {
  /** Resolves when it is gone. */
  readonly ended: Promise<void>
  readonly #parts: WorkerThreadParts
  readonly #port: MessagePort
  readonly #worker: Worker
  readonly #taken = new Int32Array(new SharedArrayBuffer(4 * Object.keys(EVENT_CLASS).length))
  readonly #heartbeat = new Int32Array(new SharedArrayBuffer(4))
  readonly #stop = () => this.post({ kind: 'stop' })
  #watch: TimerHandle | undefined
  #isUp = false
  #seenBeat = 0
  #stillLooks = 0
  #failure: Failure = { reason: 'the worker ended by itself', cause: undefined, isOfGiven: false }

  constructor(parts: WorkerThreadParts) {
    this.#parts = parts
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const data: WorkerData = {
      ...parts.data,
      port: port2,
      taken: this.#taken.buffer,
      heartbeat: this.#heartbeat.buffer,
    }
    this.#worker = new Worker(parts.entry, {
      name: 'burrow-data-plane',
      workerData: data,
      transferList: [port2],
    })
    // A process that exits without `stop` would otherwise wait until the worker's poll is over.
    process.once('exit', this.#stop)
    this.#lookLater()
    port1.on('message', (message: FromWorker) => this.#hear(message))
    this.#worker.on('error', error => {
      this.#failure = failureOf(error)
    })
    this.ended = new Promise(resolve => {
      this.#worker.on('exit', () => {
        this.#end()
        resolve()
      })
    })
  }

  post(message: ToWorker): void {
    this.#port.postMessage(message)
    this.#parts.wake()
  }

  /** So many events, and control messages among them, need not wait any more. */
  tookEvents(control: number, others: number): void {
    Atomics.add(this.#taken, EVENT_CLASS.control, control)
    Atomics.add(this.#taken, EVENT_CLASS.other, others)
  }

  /** Whatever it does. */
  kill(reason: string): void {
    this.#failure = { reason, cause: undefined, isOfGiven: false }
    this.#parts.wake()
    void this.#worker.terminate()
  }

  #lookLater(): void {
    this.#watch = workerClock.setTimer(this.#parts.supervision.lookEveryMs, () => {
      this.#look()
      this.#lookLater()
    })
  }

  /** Looks are counted and not time: a process that was stopped for a while is itself late to look. */
  #look(): void {
    const beat = Atomics.load(this.#heartbeat, 0)
    this.#stillLooks = beat === this.#seenBeat ? this.#stillLooks + 1 : 0
    this.#seenBeat = beat
    const { mostStillLooks, lookEveryMs } = this.#parts.supervision
    const most = mostStillLooks * (this.#isUp ? 1 : PATIENCE_AT_START)
    if (this.#stillLooks === most) this.kill(`the worker has hung for ${most * lookEveryMs} ms`)
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'up') this.#isUp = true
    this.#parts.onMessage(message)
  }

  #end(): void {
    process.off('exit', this.#stop)
    this.#watch?.cancel()
    for (
      let got = receiveMessageOnPort(this.#port);
      got !== undefined;
      got = receiveMessageOnPort(this.#port)
    )
      this.#hear(got.message)
    this.#port.close()
    this.#parts.onEnd(this.#failure)
  }
}

/** What crosses from a worker has lost its class. */
function failureOf(error: unknown): Failure {
  const { code, message } = Object(error)
  const isOfGiven = code === 'TUN_GONE' || code === 'DATA_PLANE_DOWN'
  return {
    reason: typeof message === 'string' ? message : String(error),
    cause: isOfGiven ? new BurrowError(code, message) : error,
    isOfGiven,
  }
}
