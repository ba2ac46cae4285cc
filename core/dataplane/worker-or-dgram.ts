/** The data plane on the caller's own thread, over what Node has of sockets and files: where nothing faster can be had. */
import { BurrowError } from '../errors.ts'
import type { FlowCounters } from '../flow.ts'
import { CommandDataPlane } from './command-data-plane.ts'
import type { DataPlaneOptions, ListeningDataPlane } from './data-plane.ts'
import { type Command, Engine } from './engine.ts'
import { DgramSocket } from './tun/dgram-socket.ts'
import { FsTun, type PollLater } from './tun/fs-tun.ts'
import { poll } from './tun/libc.ts'
import { hasBatches } from './tun/rungs.ts'
import { createWorkerDataPlane } from './worker-client.ts'

const STAGE = 'dgram'

/** A data plane over real sockets and a TUN: a worker with the fastest ports that the kernel has, or the ones that the options name. */
export function createDataPlane(options: DataPlaneOptions): ListeningDataPlane {
  const isWorker = options.ports === undefined ? hasBatches() : options.ports !== 'dgram'
  return isWorker ? createWorkerDataPlane(options) : new DgramDataPlane(options)
}

const pollLater: PollLater = (address, count, timeoutMs, done) => {
  poll.async(address, count, timeoutMs, () => done())
}

class DgramDataPlane extends CommandDataPlane<DgramSocket> {
  readonly caps = { stages: [STAGE], offloads: [] }
  #engine: Engine | undefined
  #tun: FsTun | undefined
  /** What was asked before the start. */
  readonly #early: (() => void)[] = []
  #stopped = false

  async start(): Promise<void> {
    try {
      if (this.options.tun !== undefined) this.#tun = FsTun.open(this.options.tun.name, pollLater)
      for (const listen of this.options.listen) {
        const opened = await new Promise<DgramSocket | BurrowError>(done => DgramSocket.open(listen, done))
        if (opened instanceof BurrowError) throw opened
        this.sockets.push(opened)
      }
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#run()
    this.listener({ kind: 'stage', stage: STAGE, state: 'up' })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const port of [...this.sockets.splice(0), this.#tun]) port?.close()
    for (const act of this.#early.splice(0)) act()
  }

  protected async run(command: Command): Promise<readonly FlowCounters[]> {
    if (this.#engine === undefined && !this.#stopped)
      await new Promise<void>(started => this.#early.push(started))
    const engine = this.#stopped ? undefined : this.#engine
    return engine === undefined ? this.runWithoutEngine(command, 'stopped') : engine.apply(command)
  }

  #run(): void {
    const tun = this.#tun
    this.#engine = new Engine({
      maxFlows: this.maxFlows,
      mtuBytes: this.options.tun?.mtuBytes ?? 0,
      memory: this.memory,
      connections: this.connections,
      sockets: this.sockets,
      tun,
      up: event => {
        this.listener(event)
        return true
      },
    })
    const { forwarder } = this.#engine
    const pump = (turn: () => boolean) => {
      forwarder.tick(performance.now())
      while (turn());
    }
    for (const socket of this.sockets) socket.onReadable(() => pump(() => forwarder.fromNetwork(socket)))
    tun?.onReadable(() => pump(() => forwarder.fromTun(tun)))
    for (const act of this.#early.splice(0)) act()
  }
}
