/**
 * The data plane in a worker thread, over real sockets and a TUN device. They are open in this thread: a worker that fails is
 * followed by another on the same ones, which is told what the one before had done.
 */
import { BurrowError } from '../errors.ts'
import type { FlowCounters } from '../flow.ts'
import type { TimerHandle } from '../ports.ts'
import { CommandBook } from './command-book.ts'
import { CommandDataPlane } from './command-data-plane.ts'
import type { DataPlaneCaps, DataPlaneOptions, DataPlaneTotals, ListeningDataPlane } from './data-plane.ts'
import type { Command } from './engine.ts'
import { errno, errnoName, libc, NativeMemory } from './tun/libc.ts'
import { openRung, RUNGS, type RungName, workerPorts } from './tun/rungs.ts'
import { UdpSocket } from './tun/udp-socket.ts'
import { workerClock } from './worker-clock.ts'
import type { FromWorker } from './worker-messages.ts'
import { Restarts, SUPERVISION, type Supervision } from './worker-restarts.ts'
import { type Failure, WorkerThread } from './worker-thread.ts'

const STAGE = 'worker'
const EFD_NONBLOCK = 0x800
const EFD_CLOEXEC = 0x80000

/** What is not as outside of tests. */
export interface WorkerDataPlaneParts {
  /** The worker's module. */
  readonly entry?: URL
  readonly supervision?: Partial<Supervision>
}

/**
 * Sockets and TUN are opened by `start`, in the calling thread before its first await; it fails with PORT_IN_USE,
 * ADDRESS_NOT_LOCAL, NO_TUN, NO_ROOT, TUN_IN_USE or NETWORK_SETUP.
 */
export function createWorkerDataPlane(
  options: DataPlaneOptions,
  parts: WorkerDataPlaneParts = {},
): ListeningDataPlane {
  return new WorkerDataPlane(options, parts)
}

interface Pending {
  readonly command: Command
  /** Of what another worker had done: not asked for by anybody. */
  readonly isReplay: boolean
  resolve(counters: readonly FlowCounters[]): void
  reject(error: unknown): void
}

class WorkerDataPlane extends CommandDataPlane<UdpSocket> {
  readonly #entry: URL
  readonly #supervision: Supervision
  readonly #restarts: Restarts
  readonly #book = new CommandBook()
  readonly #one = new NativeMemory(8)
  /** In the order in which they were asked for, which is that in which they are done. */
  readonly #pending = new Map<number, Pending>()
  #seq = 0
  #tun: ReturnType<typeof openRung>['tun']
  #rung: RungName = 'batches'
  #wakeFd: number | undefined
  #worker: WorkerThread | undefined
  /** Until the next worker begins. */
  #restart: TimerHandle | undefined
  #stopped: Promise<void> | undefined
  /** Why there is no worker any more, nor will be. */
  #down: string | undefined

  constructor(options: DataPlaneOptions, parts: WorkerDataPlaneParts) {
    super(options)
    this.#entry = parts.entry ?? new URL('./worker.js', import.meta.url)
    this.#supervision = { ...SUPERVISION, ...parts.supervision }
    this.#restarts = new Restarts(this.#supervision)
    this.#one.view.setUint32(0, 1, true)
  }

  get caps(): DataPlaneCaps {
    return { stages: [STAGE], offloads: RUNGS[this.#rung].offloads }
  }

  async start(): Promise<void> {
    try {
      this.#open()
      await this.#startFirst()
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

  override totals(): DataPlaneTotals {
    return { ...super.totals(), restarts: this.#restarts.count }
  }

  protected async run(command: Command): Promise<readonly FlowCounters[]> {
    if (this.#down !== undefined) return this.runWithoutEngine(command, this.#down)
    return new Promise((resolve, reject) => this.#ask({ command, isReplay: false, resolve, reject }))
  }

  #open(): void {
    for (const listen of this.options.listen) this.sockets.push(UdpSocket.open(listen))
    const { rung, tun } = openRung(this.sockets, this.options.tun?.name, workerPorts(this.options.ports))
    this.#rung = rung
    this.#tun = tun
    this.#wakeFd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    if (this.#wakeFd < 0) throw new BurrowError('NETWORK_SETUP', `no eventfd: ${errnoName(errno())}`)
  }

  #startFirst(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#startWorker(resolve, failure => {
        this.#settle(failure.reason)
        const message = `the worker ended at once: ${failure.reason}`
        reject(new BurrowError('DATA_PLANE_DOWN', message, {}, { cause: failure.cause }))
      })
    })
  }

  /** One of the two is called, once: it is up, or it ended before. */
  #startWorker(onUp: () => void, onFailure: (failure: Failure) => void): void {
    let isUp = false
    const worker = new WorkerThread({
      entry: this.#entry,
      supervision: this.#supervision,
      wake: () => this.#wake(),
      data: {
        maxFlows: this.maxFlows,
        mtuBytes: this.options.tun?.mtuBytes ?? 0,
        memory: this.memory,
        connections: this.connections,
        sockets: this.sockets.map(({ fd, bound }) => ({ fd, bound })),
        tunFd: this.#tun?.fd,
        rung: this.#rung,
        wakeFd: this.#wakeFd ?? -1,
      },
      onMessage: message => {
        if (message.kind !== 'up') return this.#take(message, worker)
        isUp = true
        onUp()
      },
      onEnd: failure => (isUp ? this.#failed(failure) : onFailure(failure)),
    })
    this.#worker = worker
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const command of this.#book.replay()) {
      const reject = (error: unknown) => worker.kill(`what it was to go on with was refused: ${error}`)
      this.#ask({ command, isReplay: true, resolve: () => {}, reject })
    }
    for (const asked of pending) if (!asked.isReplay) this.#ask(asked)
  }

  #ask(pending: Pending): void {
    const seq = this.#seq++
    this.#pending.set(seq, pending)
    this.#worker?.post({ kind: 'command', seq, command: pending.command })
  }

  #take(message: Exclude<FromWorker, { kind: 'up' }>, worker: WorkerThread): void {
    if (message.kind === 'events') {
      for (const event of message.events) this.listener(event)
      worker.tookEvents(message.control, message.events.length - message.control)
      return
    }
    const pending = this.#pending.get(message.seq)
    if (pending === undefined) return
    this.#pending.delete(message.seq)
    if (message.kind === 'refused') pending.reject(new BurrowError(message.code, message.message))
    else {
      if (!pending.isReplay) this.#book.note(pending.command)
      pending.resolve(message.counters)
    }
  }

  /** A worker that was up is gone: as it was told, or it failed. */
  #failed(failure: Failure): void {
    this.#worker = undefined
    if (this.#stopped !== undefined) return
    const { reason } = failure
    const delayMs = failure.isOfGiven ? undefined : this.#restarts.afterFailure(workerClock.now())
    if (delayMs === undefined) return this.#giveUp(failure)
    this.listener({ kind: 'stage', stage: STAGE, state: 'down', reason })
    // The listener may have stopped it.
    if (this.#stopped !== undefined) return
    this.#restart = workerClock.setTimer(delayMs, () => {
      const onUp = () => this.listener({ kind: 'stage', stage: STAGE, state: 'up', reason })
      this.#startWorker(onUp, next => this.#failed(next))
    })
  }

  #giveUp({ reason, cause, isOfGiven }: Failure): void {
    const { mostRestarts, windowMs } = this.#supervision
    const often = `it failed ${mostRestarts + 1} times within ${windowMs / 1000} s, the last time: ${reason}`
    const error =
      isOfGiven && cause instanceof BurrowError
        ? cause
        : new BurrowError('DATA_PLANE_DOWN', often, {}, { cause })
    this.#settle(error.message)
    this.listener({ kind: 'stage', stage: STAGE, state: 'failed', reason: error.message, code: error.code })
  }

  /** Nobody is left waiting. */
  #settle(why: string): void {
    this.#down = why
    const pending = [...this.#pending.values()].filter(({ isReplay }) => !isReplay)
    this.#pending.clear()
    for (const { command, resolve, reject } of pending) {
      // What the worker had ended without telling is told now.
      if (command.kind === 'remove')
        for (const key of command.flows) if (this.#book.has(key)) this.counters.reopen(key.id, key.generation)
      try {
        resolve(this.runWithoutEngine(command, why))
        this.#book.note(command)
      } catch (error) {
        reject(error)
      }
    }
  }

  async #stop(): Promise<void> {
    this.#restart?.cancel()
    const worker = this.#worker
    worker?.post({ kind: 'stop' })
    await worker?.ended
    this.#settle(this.#down ?? 'stopped')
    for (const socket of this.sockets.splice(0)) socket.close()
    this.#tun?.close()
    if (this.#wakeFd !== undefined) libc.close(this.#wakeFd)
    this.#wakeFd = undefined
  }

  #wake(): void {
    if (this.#wakeFd !== undefined) libc.write(this.#wakeFd, this.#one.address, 8)
  }
}
