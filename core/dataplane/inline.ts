/** The data plane on the caller's own thread, over ports in memory: for tests, and for a pair in one process without root. */
import type { FlowCounters } from '../flow.ts'
import type { Clock } from '../ports.ts'
import { CommandDataPlane } from './command-data-plane.ts'
import type { DataPlaneOptions, ListeningDataPlane } from './data-plane.ts'
import { type Command, Engine } from './engine.ts'
import type { MemoryHost, MemoryTun } from './memory.ts'

export interface InlinePorts {
  readonly clock: Clock
  /** `createMemoryNetwork().host(...)`. */
  readonly host: MemoryHost
  /** Wanted where the options name a TUN. */
  readonly tun?: MemoryTun
}

export function createInlineDataPlane(options: DataPlaneOptions, ports: InlinePorts): ListeningDataPlane {
  return new InlineDataPlane(options, ports)
}

class InlineDataPlane extends CommandDataPlane {
  readonly caps = { stages: ['inline'], offloads: [] }
  readonly #ports: InlinePorts
  readonly #tun: MemoryTun['port'] | undefined
  readonly #engine: Engine
  #stopped = false

  constructor(options: DataPlaneOptions, ports: InlinePorts) {
    super(options)
    this.#ports = ports
    this.#tun = options.tun === undefined ? undefined : ports.tun?.port
    this.#engine = new Engine({
      maxFlows: this.maxFlows,
      mtuBytes: options.tun?.mtuBytes ?? 0,
      memory: this.memory,
      connections: this.connections,
      sockets: this.sockets,
      tun: this.#tun,
      up: event => {
        this.listener(event)
        return true
      },
    })
  }

  async start(): Promise<void> {
    const { clock, host } = this.#ports
    const { forwarder } = this.#engine
    const pump = (turn: () => boolean) => {
      forwarder.tick(clock.now())
      while (turn());
    }
    for (const listen of this.options.listen) {
      const socket = host.bind(listen)
      this.sockets.push(socket)
      socket.onReadable(() => pump(() => forwarder.fromNetwork(socket)))
    }
    const tun = this.#tun
    tun?.onReadable(() => pump(() => forwarder.fromTun(tun)))
    this.listener({ kind: 'stage', stage: 'inline', state: 'up' })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const port of [...this.sockets.splice(0), this.#tun]) port?.close()
  }

  protected async run(command: Command): Promise<readonly FlowCounters[]> {
    return this.#stopped ? this.runWithoutEngine(command, 'stopped') : this.#engine.apply(command)
  }
}
