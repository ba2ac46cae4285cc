/** A server and its clients in one process: a network, TUN devices and a kernel in memory, time by hand. */
import type { DataPlaneOptions, ListeningDataPlane } from '../dataplane/data-plane.ts'
import { createInlineDataPlane } from '../dataplane/inline.ts'
import { createMemoryNetwork, createMemoryTun, type MemoryHost } from '../dataplane/memory.ts'
import type { AnyPlugin } from '../plugin/plugin.ts'
import type { Event } from '../protocol/outputs.ts'
import { type ClientOptions, type Connection, connectClient } from '../runtime/client.ts'
import type { LoadedConfig } from '../runtime/config-file.ts'
import { Lns } from '../runtime/lns.ts'
import type { Kernel, KernelFinding } from '../runtime/node/kernel.ts'
import { ServerConfig } from '../runtime/server-config.ts'
import { memoryLog } from './log.ts'
import { SeededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

export const LNS_ADDRESS = { address: '2.2.2.2', port: 1701 } as const

/** Writes down what it is asked to do. */
export function memoryKernel(address: string, findings: readonly KernelFinding[] = []) {
  const done: string[] = []
  const undo = (what: string) => ({
    undo: async () => {
      done.push(`undo ${what}`)
    },
  })
  const kernel: Kernel = {
    configureTun: async (name, { address: own, peer = '', mtuBytes, routes }) => {
      done.push(`configure ${name} ${own} ${peer} ${mtuBytes} [${routes}]`)
    },
    addRoutes: async (name, prefixes) => {
      done.push(`add routes ${name} ${prefixes}`)
    },
    deleteRoutes: async (name, prefixes) => {
      done.push(`delete routes ${name} ${prefixes}`)
    },
    pinHostRoute: async remote => {
      done.push(`pin ${remote}`)
      return undo(`pin ${remote}`)
    },
    localAddressFor: async () => address,
    checkForwarding: () => findings,
    mend: mended => {
      done.push(`mend ${mended.map(({ setting }) => setting)}`)
      return undo('mend')
    },
    watchOwnAddresses: async (_watch, onChange) => {
      const prefixes = [{ address, length: 32 }]
      onChange(prefixes)
      return {
        prefixes,
        refresh: async () => {},
        stop: () => {
          done.push('watch stopped')
        },
      }
    },
  }
  return { kernel, done }
}

export interface MemoryWorldOptions {
  readonly plugins: readonly AnyPlugin[]
  /** As in the config file. */
  readonly server?: object
  readonly tunnelSecret?: string
  readonly findings?: readonly KernelFinding[]
}

export function memoryWorld({ plugins, server = {}, tunnelSecret, findings }: MemoryWorldOptions) {
  const clock = new VirtualClock()
  const network = createMemoryNetwork()
  const { log, lines } = memoryLog()
  const lnsHost = network.host(LNS_ADDRESS.address)
  const lnsTun = createMemoryTun()
  const lnsKernel = memoryKernel(LNS_ADDRESS.address, findings)
  const events: Event[] = []
  const dataPlaneOf = (host: MemoryHost, tun = createMemoryTun()) => ({
    tun,
    createDataPlane: (options: DataPlaneOptions) => createInlineDataPlane(options, { clock, host, tun }),
  })
  const config: LoadedConfig = {
    file: '/etc/burrow.yaml',
    dir: '/etc',
    server: ServerConfig.parse({
      listen: [LNS_ADDRESS.address],
      gatewayAddress: '172.16.1.1',
      ...server,
    }),
    secrets: tunnelSecret === undefined ? [] : [{ name: 'shared', secret: tunnelSecret }],
    plugins: plugins.map(plugin => ({
      id: plugin.name,
      plugin,
      options: plugin.config.parse({}),
      place: { file: '/etc/burrow.yaml', line: 1, plugin: plugin.name },
    })),
    deployments: [],
    warnings: [],
    locate: () => ({ file: '/etc/burrow.yaml', line: 1 }),
  }
  let seed = 1
  const clientPlanes = new Map<string, ListeningDataPlane>()
  const planes: ListeningDataPlane[] = []
  const makeLns = () =>
    new Lns(config, {
      clock,
      log,
      random: new SeededRandom(seed++),
      kernel: lnsKernel.kernel,
      createDataPlane: options => {
        const plane = dataPlaneOf(lnsHost, lnsTun).createDataPlane(options)
        planes.push(plane)
        return plane
      },
      onEvent: event => events.push(event),
    })
  /** Starts to dial; await the connection while time passes. */
  const dial = (address: string, options: Partial<ClientOptions> = {}) => {
    const giveUp = new AbortController()
    const { kernel, done } = memoryKernel(address)
    const { log: clientLog, lines: clientLines } = memoryLog()
    const plane = dataPlaneOf(network.host(address))
    const connection = connectClient(
      {
        remote: LNS_ADDRESS,
        user: 'hb@hb',
        password: 'admin@123',
        auth: ['chap-md5', 'pap'],
        mruBytes: 1400,
        routes: ['192.168.1.0/24'],
        tunName: 'burrow1',
        hostName: 'client',
        dialTimeoutMs: 30_000,
        ...options,
      },
      {
        clock,
        log: clientLog,
        random: new SeededRandom(seed++),
        kernel,
        createDataPlane: options => {
          const made = plane.createDataPlane(options)
          clientPlanes.set(address, made)
          return made
        },
      },
      giveUp.signal,
    )
    return {
      connection,
      tun: plane.tun,
      kernelDone: done,
      lines: clientLines,
      giveUp: () => giveUp.abort(),
    }
  }
  /** The client at an address dies without a word. */
  const cut = async (address: string): Promise<void> => clientPlanes.get(address)?.stop()
  /** The last server dies without a word. */
  const crash = async (): Promise<void> => planes.pop()?.stop()
  /** Passes time until `promise` settles. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let open = true
    const close = () => {
      open = false
    }
    promise.then(close, close)
    await clock.until('a promise settles', () => !open, 300_000)
    return promise
  }
  const dialled = (address: string, options: Partial<ClientOptions> = {}): Promise<Connection> =>
    settled(dial(address, options).connection)
  return {
    clock,
    lines,
    events,
    network,
    lnsHost,
    lnsTun,
    lnsKernel,
    makeLns,
    crash,
    cut,
    dial,
    dialled,
    settled,
  }
}
