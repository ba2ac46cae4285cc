/** The in-memory world of the test kit with a server of plugin objects, and the real client in it. */
import type { AnyPlugin } from '../../core/plugin/plugin.ts'
import type { ClientOptions, Connection } from '../../core/runtime/client.ts'
import type { LoadedConfig } from '../../core/runtime/config-file.ts'
import type { KernelFinding } from '../../core/runtime/node/kernel.ts'
import { ServerConfig } from '../../core/runtime/server-config.ts'
import { type MemoryClient, MemoryWorld } from '../../core/testing/memory-world.ts'

export const LNS_ADDRESS = { address: '2.2.2.2', port: 1701 } as const

export interface MemoryWorldOptions {
  readonly plugins: readonly AnyPlugin[]
  /** As in the config file. */
  readonly server?: object
  readonly tunnelSecret?: string
  readonly findings?: readonly KernelFinding[]
}

export function memoryWorld({ plugins, server = {}, tunnelSecret, findings = [] }: MemoryWorldOptions) {
  const world = new MemoryWorld({ addresses: [LNS_ADDRESS.address], findings })
  const { clock } = world
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
    hidden: new Map(),
    locate: () => ({ file: '/etc/burrow.yaml', line: 1 }),
  }
  const clients = new Map<string, MemoryClient>()
  /** Starts to dial; await the connection while time passes. */
  const dial = (address: string, options: Partial<ClientOptions> = {}) => {
    const client = world.connect(address, {
      remote: LNS_ADDRESS,
      user: 'hb@hb',
      password: 'admin@123',
      auth: ['chap-md5', 'pap'],
      mruBytes: 1400,
      routes: ['192.168.1.0/24'],
      ipv6: false,
      tunName: 'burrow1',
      hostName: 'client',
      dialTimeoutMs: 30_000,
      ...options,
    })
    clients.set(address, client)
    return { ...client, kernelDone: client.kernel.done }
  }
  /** The client at an address dies without a word. */
  const cut = (address: string): void => clients.get(address)?.cut()
  const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled('a promise settles', promise)
  const dialled = (address: string, options: Partial<ClientOptions> = {}): Promise<Connection> =>
    settled(dial(address, options).connection)
  return {
    clock,
    lines: world.lines,
    events: world.events,
    network: world.network,
    lnsTun: world.tun,
    lnsKernel: world.kernel,
    makeLns: () => world.makeLns(config),
    crash: () => world.crash(),
    cut,
    dial,
    dialled,
    settled,
  }
}
