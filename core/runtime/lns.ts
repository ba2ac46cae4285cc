/** A server: config, plugins, data plane and endpoint put together, and taken apart in reverse. */
import type { DataPlaneOptions, ListeningDataPlane } from '../dataplane/data-plane.ts'
import { BurrowError } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { type BootReport, PluginHost } from '../plugin/host.ts'
import type { ServerView } from '../plugin/plugin.ts'
import type { Clock, Logger, Random, SocketAddress } from '../ports.ts'
import { Endpoint } from '../protocol/endpoint.ts'
import type { Event } from '../protocol/outputs.ts'
import { Asks } from './asks.ts'
import { BoundedLog } from './bounded-log.ts'
import type { LoadedConfig } from './config-file.ts'
import { Driver, type Trace } from './driver.ts'
import type { Kernel } from './node/kernel.ts'
import { endpointConfig, isExposed } from './server-config.ts'
import { SessionRoutes } from './session-routes.ts'
import { type SessionRow, sessionRows } from './session-rows.ts'
import { tapFaultsTo } from './tap-faults.ts'
import { Trails } from './trails.ts'
import { UndoStack } from './undo-stack.ts'

/** What a server needs of the machine that it runs on. */
interface LnsWorld {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly kernel: Kernel
  readonly createDataPlane: (options: DataPlaneOptions) => ListeningDataPlane
  readonly trace?: Trace
  readonly onEvent?: (event: Event) => void
}

/** For acknowledgements of CDN and StopCCN, Stop records and released leases, all at once. */
const STOP_MS = 6000

export class Lns {
  readonly #config: LoadedConfig
  readonly #world: LnsWorld
  readonly #opened: UndoStack
  readonly #endpoint: Endpoint
  readonly #dataPlane: ListeningDataPlane
  readonly #driver: Driver
  readonly #host: PluginHost
  readonly #routes: SessionRoutes
  readonly #trails: Trails
  readonly #pools = new Map<string, readonly Prefix[]>()
  #own: readonly Prefix[] = []
  #stopping: Promise<void> | undefined

  /** Resolves when it cannot go on, with the reason; `stop` is still to be called. */
  readonly failed: Promise<BurrowError>

  /** Puts the parts together; opens nothing. Throws the coded error of a plugin that cannot be set up. */
  constructor(config: LoadedConfig, world: LnsWorld) {
    const { clock, random, log, trace, onEvent } = world
    const { server } = config
    this.#config = config
    this.#world = world
    this.#opened = new UndoStack(log)
    const bounded = new BoundedLog(log, clock)
    this.#opened.push('the log', () => bounded.close())
    this.#host = new PluginHost(config.plugins, {
      clock,
      random,
      log,
      configDir: config.dir,
      server: this.#view(),
      onTapFault: tapFaultsTo(bounded),
    })
    const { name, mtuBytes = server.ppp.mruBytes } = server.tun
    this.#dataPlane = world.createDataPlane({ listen: server.listen, tun: { name, mtuBytes } })
    this.#routes = new SessionRoutes({
      kernel: world.kernel,
      tunName: name,
      pools: () => [...this.#pools.values()].flat(),
      log,
    })
    let onDataPlaneDown: (reason: string) => void = () => {}
    this.failed = new Promise(resolve => {
      onDataPlaneDown = reason => resolve(new BurrowError('DATA_PLANE_DOWN', reason))
    })
    this.#endpoint = new Endpoint(endpointConfig(server, config.secrets), random)
    this.#trails = new Trails(clock)
    this.#driver = new Driver({
      endpoint: this.#endpoint,
      dataPlane: this.#dataPlane,
      decisions: new Asks({
        host: this.#host,
        clock,
        log,
        defaultZone: server.defaultZone,
        trails: this.#trails,
      }),
      trails: this.#trails,
      clock,
      log,
      bounded,
      interimIntervalS: server.interimIntervalS,
      onDataPlaneDown,
      ...(trace === undefined ? {} : { trace }),
      onEvent: event => {
        this.#routes.take(event)
        onEvent?.(event)
      },
    })
  }

  /** Lets the plugins look at what their options refer to, and says who taps what; opens nothing. */
  async check(): Promise<BootReport> {
    await this.#host.check()
    return this.#host.report()
  }

  /** Opens everything in order; where one thing fails, all that was opened is closed again before the error is thrown. */
  async start(): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      await this.#opened.unwind()
      throw error
    }
  }

  /** CDN and StopCCN to every peer, a Stop record for every session, then everything closed. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** What is listened on, with the ports that were taken. */
  get listening(): readonly SocketAddress[] {
    return this.#dataPlane.bound
  }

  sessions(): readonly SessionRow[] {
    return sessionRows(this.#endpoint.sessions(), this.#dataPlane, this.#world.clock.now())
  }

  async #open(): Promise<void> {
    const { kernel, clock, log } = this.#world
    const { server, warnings } = this.#config
    for (const warning of warnings) log.warn({}, warning)

    const own = await kernel.watchOwnAddresses({ clock, log }, prefixes =>
      this.#ownAddressesChanged(prefixes),
    )
    this.#opened.push('the watch on own addresses', () => own.stop())
    await this.#host.check()
    await this.#host.start()
    this.#opened.push('the plugins', () => this.#host.stop())
    await this.#dataPlane.start()
    this.#opened.push('the data plane', () => this.#dataPlane.stop())

    // Nobody has a session yet who could reach them.
    await this.#dataPlane.setLocalPrefixes([...this.#own, { address: server.gatewayAddress, length: 32 }])

    const { name, mtuBytes = server.ppp.mruBytes } = server.tun
    const routes = [...this.#pools.values()].flat().map(({ address, length }) => `${address}/${length}`)
    await kernel.configureTun(name, { address: server.gatewayAddress, mtuBytes, routes })
    // The gateway address is the host's own from now on.
    await own.refresh()
    this.#prepareForwarding()
  }

  #prepareForwarding(): void {
    const { kernel, log } = this.#world
    const { tun, manageKernel } = this.#config.server
    const findings = kernel.checkForwarding(tun.name)
    if (manageKernel) {
      const mended = kernel.mend(findings)
      this.#opened.push('the kernel settings', () => mended.undo())
      for (const { setting, is, wanted, why } of findings)
        log.info({ setting, was: is, now: wanted, why }, 'kernel setting changed; it is restored at the end')
      return
    }
    for (const { setting, is, wanted, why, command } of findings)
      log.warn({ setting, is, wanted }, `${why}: run \`${command}\`, or set manageKernel: true`)
  }

  async #stop(): Promise<void> {
    const { log } = this.#world
    if (!(await this.#driver.stop(STOP_MS)))
      log.warn(
        { waitedMs: STOP_MS },
        'stopped before every peer had acknowledged, or every session was closed',
      )
    await this.#routes.settled()
    await this.#opened.unwind()
    log.info({}, 'stopped')
  }

  #ownAddressesChanged(prefixes: readonly Prefix[]): void {
    this.#own = prefixes
    // Before the start there is nothing to tell; `#open` does it then.
    if (this.#dataPlane.bound.length === 0) return
    this.#dataPlane.setLocalPrefixes(prefixes).catch(error => {
      this.#world.log.error({ error }, 'the data plane did not take the own addresses of this host')
    })
  }

  #view(): ServerView {
    const { server } = this.#config
    return {
      gatewayAddress: server.gatewayAddress,
      defaultZone: server.defaultZone,
      exposed: isExposed(server.listen),
      ownAddresses: () => [...new Set([server.gatewayAddress, ...this.#own.map(({ address }) => address)])],
      sessionsOf: user => this.#driver.book.ofUser(user),
      sessionHolding: lease => this.#driver.book.holding(lease),
      endSession: (key, cause, text) => this.#driver.endSession(key, cause, text),
      declarePool: (name, prefixes) => this.#pools.set(name, prefixes),
      pools: () => this.#pools,
    }
  }
}
