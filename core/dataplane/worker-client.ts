/** The data plane in a worker thread, over real sockets and a TUN device. */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { BurrowError } from '../errors.ts'
import type { FlowCounters } from '../flow.ts'
import { CommandDataPlane } from './command-data-plane.ts'
import type { DataPlaneCaps, DataPlaneOptions, ListeningDataPlane } from './data-plane.ts'
import type { Command } from './engine.ts'
import { errno, errnoName, libc, NativeMemory } from './tun/libc.ts'
import { openRung, RUNGS, type RungName, workerPorts } from './tun/rungs.ts'
import { UdpSocket } from './tun/udp-socket.ts'
import { EVENT_CLASS, type FromWorker, type ToWorker, type WorkerData } from './worker-messages.ts'

const STAGE = 'worker'
const EFD_NONBLOCK = 0x800
const EFD_CLOEXEC = 0x80000

/**
 * Sockets and TUN are opened by `start`, in the calling thread before its first await; it fails with PORT_IN_USE,
 * ADDRESS_NOT_LOCAL, NO_TUN, NO_ROOT, TUN_IN_USE or NETWORK_SETUP. `entry` is the worker's module.
 */
export function createWorkerDataPlane(
  options: DataPlaneOptions,
  entry = new URL('./worker.js', import.meta.url),
): ListeningDataPlane {
  return new WorkerDataPlane(options, entry)
}

interface Pending {
  readonly command: Command
  resolve(counters: readonly FlowCounters[]): void
  reject(error: unknown): void
}

class WorkerDataPlane extends CommandDataPlane<UdpSocket> {
  readonly #entry: URL
  readonly #channel = new MessageChannel()
  readonly #taken = new Int32Array(new SharedArrayBuffer(4 * Object.keys(EVENT_CLASS).length))
  readonly #one = new NativeMemory(8)
  readonly #pending = new Map<number, Pending>()
  readonly #stopWorker = () => this.#post({ kind: 'stop' })
  #seq = 0
  #tun: ReturnType<typeof openRung>['tun']
  #rung: RungName = 'batches'
  #wakeFd: number | undefined
  /** Resolves when the worker has ended. */
  #ended: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined
  /** Why there is no worker any more. */
  #down: string | undefined

  constructor(options: DataPlaneOptions, entry: URL) {
    super(options)
    this.#entry = entry
    this.#one.view.setUint32(0, 1, true)
  }

  get caps(): DataPlaneCaps {
    return { stages: [STAGE], offloads: RUNGS[this.#rung].offloads }
  }

  async start(): Promise<void> {
    try {
      this.#open()
      await this.#startWorker()
    } catch (error) {
      await this.stop()
      throw error
    }
    this.listener({ kind: 'stage', stage: STAGE, state: 'up' })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  protected async run(command: Command): Promise<readonly FlowCounters[]> {
    if (this.#down !== undefined) return this.runWithoutEngine(command, this.#down)
    const seq = this.#seq++
    return new Promise((resolve, reject) => {
      this.#pending.set(seq, { command, resolve, reject })
      this.#post({ kind: 'command', seq, command })
    })
  }

  #open(): void {
    for (const listen of this.options.listen) this.sockets.push(UdpSocket.open(listen))
    const { rung, tun } = openRung(this.sockets, this.options.tun?.name, workerPorts(this.options.ports))
    this.#rung = rung
    this.#tun = tun
    // Begins at 1: the worker first looks for what was asked before it was there.
    this.#wakeFd = libc.eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)
    if (this.#wakeFd < 0) throw new BurrowError('NETWORK_SETUP', `no eventfd: ${errnoName(errno())}`)
  }

  #startWorker(): Promise<void> {
    const { port1, port2 } = this.#channel
    const data: WorkerData = {
      port: port2,
      maxFlows: this.maxFlows,
      mtuBytes: this.options.tun?.mtuBytes ?? 0,
      counterMemory: this.counterMemory,
      ruleCounterMemory: this.ruleCounters.memory,
      connections: this.connections,
      taken: this.#taken.buffer,
      sockets: this.sockets.map(({ fd, bound }) => ({ fd, bound })),
      tunFd: this.#tun?.fd,
      rung: this.#rung,
      wakeFd: this.#wakeFd ?? -1,
    }
    const worker = new Worker(this.#entry, {
      name: 'burrow-data-plane',
      workerData: data,
      transferList: [port2],
    })
    // A process that exits without `stop` would otherwise wait until the worker's poll is over.
    process.once('exit', this.#stopWorker)
    return new Promise((resolve, reject) => {
      let failure: unknown
      worker.on('error', error => {
        failure = error
      })
      port1.on('message', (message: FromWorker) => {
        if (message.kind === 'up') resolve()
        else this.#take(message)
      })
      this.#ended = new Promise(ended => {
        worker.on('exit', () => {
          this.#workerEnded(failure)
          reject(
            new BurrowError(
              'DATA_PLANE_DOWN',
              `the worker ended at once: ${this.#down}`,
              {},
              { cause: failure },
            ),
          )
          ended()
        })
      })
    })
  }

  #take(message: Exclude<FromWorker, { kind: 'up' }>): void {
    if (message.kind === 'events') {
      for (const event of message.events) this.listener(event)
      Atomics.add(this.#taken, EVENT_CLASS.control, message.control)
      Atomics.add(this.#taken, EVENT_CLASS.other, message.events.length - message.control)
      return
    }
    const pending = this.#pending.get(message.seq)
    this.#pending.delete(message.seq)
    if (message.kind === 'done') pending?.resolve(message.counters)
    else pending?.reject(new BurrowError(message.code, message.message))
  }

  /** Ended as it was told, or failed: nobody is left waiting. */
  #workerEnded(failure: unknown): void {
    process.off('exit', this.#stopWorker)
    const { port1 } = this.#channel
    for (let got = receiveMessageOnPort(port1); got !== undefined; got = receiveMessageOnPort(port1))
      if (got.message.kind !== 'up') this.#take(got.message)
    this.#settle(this.#stopped === undefined ? describe(failure) : 'stopped')
    if (this.#stopped === undefined)
      this.listener({ kind: 'stage', stage: STAGE, state: 'down', reason: describe(failure) })
  }

  #settle(why: string): void {
    this.#down = why
    for (const { command, resolve, reject } of this.#pending.values()) {
      try {
        resolve(this.runWithoutEngine(command, why))
      } catch (error) {
        reject(error)
      }
    }
    this.#pending.clear()
  }

  async #stop(): Promise<void> {
    this.#stopWorker()
    await this.#ended
    this.#settle(this.#down ?? 'stopped')
    this.#channel.port1.close()
    for (const socket of this.sockets.splice(0)) socket.close()
    this.#tun?.close()
    if (this.#wakeFd !== undefined) libc.close(this.#wakeFd)
    this.#wakeFd = undefined
  }

  #post(message: ToWorker): void {
    this.#channel.port1.postMessage(message)
    if (this.#wakeFd !== undefined) libc.write(this.#wakeFd, this.#one.address, 8)
  }
}

function describe(failure: unknown): string {
  return failure instanceof Error ? failure.message : 'the worker ended by itself'
}
