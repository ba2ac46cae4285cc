/** Servers and clients in one process: a network, TUN devices and kernels in memory, time by hand. */
import type { DataPlaneOptions, ListeningDataPlane } from '../dataplane/data-plane.ts'
import { createInlineDataPlane } from '../dataplane/inline.ts'
import {
  createMemoryNetwork,
  createMemoryTun,
  type MemoryHost,
  type MemoryNetwork,
  type MemoryTun,
} from '../dataplane/memory.ts'
import type { DatagramPort } from '../dataplane/ports.ts'
import type { Random, SocketAddress } from '../ports.ts'
import type { Event } from '../protocol/outputs.ts'
import { type ClientOptions, type Connection, connectClient } from '../runtime/client.ts'
import type { LoadedConfig } from '../runtime/config-file.ts'
import { Lns } from '../runtime/lns.ts'
import type { KernelFinding } from '../runtime/node/kernel.ts'
import { type LoggedLine, memoryLog } from './log.ts'
import { type MemoryKernel, memoryKernel } from './memory-kernel.ts'
import { SeededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

interface MemoryWorldOptions {
  /** Of the server's host. */
  readonly addresses: readonly string[]
  readonly clock?: VirtualClock
  /** What the server's kernel is found to be set to. */
  readonly findings?: readonly KernelFinding[]
}

/** The real client, over memory. */
export interface MemoryClient {
  /** As of `connectClient`; it settles while time passes. */
  readonly connection: Promise<Connection>
  readonly tun: MemoryTun
  readonly kernel: MemoryKernel
  readonly lines: readonly LoggedLine[]
  readonly events: readonly Event[]
  /** Hangs up before the call is up. */
  giveUp(): void
  /** Is cut off without a word. */
  cut(): void
}

export class MemoryWorld {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork = createMemoryNetwork()
  /** The server's. */
  readonly host: MemoryHost
  /** Of the last server: each has a device of its own. */
  readonly tun: Omit<MemoryTun, 'port'> = {
    inject: packet => this.#device.inject(packet),
    take: () => this.#device.take(),
    onPacket: listener => {
      this.#onPacket = listener
      this.#device.onPacket(listener)
    },
  }
  readonly kernel: MemoryKernel
  /** What servers told. */
  readonly events: Event[] = []
  #device = createMemoryTun()
  #onPacket: ((packet: Uint8Array) => void) | undefined
  readonly #logged = memoryLog()
  readonly #planes: ListeningDataPlane[] = []
  #seed = 1

  constructor({ addresses, clock = new VirtualClock(), findings = [] }: MemoryWorldOptions) {
    this.clock = clock
    this.host = this.network.host(...addresses)
    this.kernel = memoryKernel(addresses, findings)
  }

  /** What servers logged. */
  get lines(): readonly LoggedLine[] {
    return this.#logged.lines
  }

  makeLns(config: LoadedConfig): Lns {
    const { clock, host, kernel } = this
    return new Lns(config, {
      clock,
      log: this.#logged.log,
      random: this.#random(),
      kernel: kernel.kernel,
      createDataPlane: options => {
        this.#device = createMemoryTun()
        if (this.#onPacket !== undefined) this.#device.onPacket(this.#onPacket)
        const plane = createInlineDataPlane(options, { clock, host, tun: this.#device })
        this.#planes.push(plane)
        return plane
      },
      onEvent: event => this.events.push(event),
    })
  }

  /** The last server dies without a word. */
  async crash(): Promise<void> {
    await this.#planes.pop()?.stop()
  }

  /** Starts to dial from `address`; await the connection while time passes. */
  connect(address: string, options: ClientOptions): MemoryClient {
    const { clock, network } = this
    const { log, lines } = memoryLog()
    const cable = new Cable(network.host(address))
    const tun = createMemoryTun()
    const kernel = memoryKernel([address])
    const giveUp = new AbortController()
    const events: Event[] = []
    const createDataPlane = (made: DataPlaneOptions) =>
      createInlineDataPlane(made, { clock, host: cable, tun })
    const connection = connectClient(
      options,
      {
        clock,
        log,
        random: this.#random(),
        kernel: kernel.kernel,
        createDataPlane,
        onEvent: event => events.push(event),
      },
      giveUp.signal,
    )
    return {
      connection,
      tun,
      kernel,
      lines,
      events,
      giveUp: () => giveUp.abort(),
      cut: () => cable.cut(),
    }
  }

  /** Each part has randomness of its own. */
  #random(): Random {
    return new SeededRandom(this.#seed++)
  }
}

/** Between a host and the network. */
class Cable implements MemoryHost {
  readonly #host: MemoryHost
  readonly #sockets: DatagramPort[] = []
  #isCut = false

  constructor(host: MemoryHost) {
    this.#host = host
  }

  bind(listen: SocketAddress): ReturnType<MemoryHost['bind']> {
    const socket = this.#host.bind(listen)
    this.#sockets.push(socket)
    if (this.#isCut) socket.close()
    return socket
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.close()
  }
}
