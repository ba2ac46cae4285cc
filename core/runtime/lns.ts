/** A server: config, plugins, data plane and endpoint put together, and taken apart in reverse. */
import type { DataPlaneOptions, ListeningDataPlane } from '../dataplane/data-plane.ts'
import { BurrowError } from '../errors.ts'
import type { Prefix } from '../flow.ts'
import { type BootReport, PluginHost } from '../plugin/host.ts'
import { SharedResources } from '../plugin/shared.ts'
import type { Clock, Logger, Random, SocketAddress } from '../ports.ts'
import { Endpoint } from '../protocol/endpoint.ts'
import type { Event } from '../protocol/outputs.ts'
import { Asks } from './asks.ts'
import { BoundedLog } from './bounded-log.ts'
import type { LoadedConfig } from './config-file.ts'
import { Driver, type Trace } from './driver.ts'
import { type DryRun, dryRun } from './dry-run.ts'
import { type Explanation, explain } from './explain.ts'
import { prepareForwarding } from './forwarding.ts'
import { type Generation, Generations } from './generations.ts'
import { hidingLog, valueWithout, withoutSecrets } from './hidden.ts'
import { InterfaceKeeper } from './interface-keeper.ts'
import type { Kernel, OwnAddresses } from './node/kernel.ts'
import { PolicyView } from './policy-report.ts'
import { type ReloadOptions, type ReloadReport, refuseRestarts } from './reload.ts'
import { RightToStay } from './right-to-stay.ts'
import { deviceMtuBytes, endpointConfig } from './server-config.ts'
import { type LiveParts, serverView } from './server-view.ts'
import { SessionBook } from './session-book.ts'
import { SessionLimit } from './session-limit.ts'
import { routable, SessionRoutes } from './session-routes.ts'
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
/** Each is a set of running plugins; beyond it the sessions of the oldest pass to the generation of now. */
const MOST_GENERATIONS = 4

const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** A generation, and the pools that its plugins have declared. */
interface Reading extends Generation {
  readonly pools: Map<string, readonly Prefix[]>
}

export class Lns {
  #config: LoadedConfig
  readonly #world: LnsWorld
  readonly #opened: UndoStack
  readonly #endpoint: Endpoint
  readonly #dataPlane: ListeningDataPlane
  readonly #driver: Driver
  readonly #shared = new SharedResources()
  readonly #bounded: BoundedLog
  readonly #first: Reading
  readonly #generations: Generations
  readonly #live: LiveParts
  readonly #rights: RightToStay
  readonly #routes: SessionRoutes
  readonly #interfaces: InterfaceKeeper
  readonly #trails: Trails
  readonly #limit: SessionLimit
  /** Hosts of generations that serve nothing any more, on their way out. */
  readonly #stoppingHosts = new Set<Promise<void>>()
  #reloading: Promise<unknown> = Promise.resolve()
  /** Sessions of a generation before this one are looked at when they come up. */
  #enforcedFrom = 0
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
    this.#bounded = new BoundedLog(log, clock)
    this.#opened.push('the log', () => this.#bounded.close())
    this.#interfaces = new InterfaceKeeper(world.kernel, server.tun.name, { clock, log })
    this.#first = hiding(config, () => this.#read(config, 1))
    this.#generations = new Generations(this.#first, unused => this.#stopHost(unused.host))
    const { name } = server.tun
    const mtuBytes = deviceMtuBytes(server)
    this.#dataPlane = world.createDataPlane({
      listen: server.listen,
      tun: { name, mtuBytes },
      ...(server.dataPlane === undefined ? {} : { ports: server.dataPlane }),
    })
    this.#routes = new SessionRoutes({ kernel: this.#interfaces.routes, tunName: name, log })
    let onDataPlaneDown: (error: BurrowError) => void = () => {}
    this.failed = new Promise(resolve => {
      onDataPlaneDown = resolve
    })
    this.#endpoint = new Endpoint(endpointConfig(server, config.secrets), random)
    this.#trails = new Trails(clock)
    const book = new SessionBook()
    this.#limit = new SessionLimit(book, this.#generations)
    this.#driver = new Driver({
      book,
      endpoint: this.#endpoint,
      dataPlane: this.#dataPlane,
      decisions: new Asks({
        generations: this.#generations,
        clock,
        log,
        trails: this.#trails,
        limit: this.#limit,
      }),
      trails: this.#trails,
      clock,
      random,
      log,
      bounded: this.#bounded,
      interimIntervalS: session => this.#generations.ofSession(session).generation.interimIntervalS,
      onDataPlaneDown,
      ...(trace === undefined ? {} : { trace }),
      onEvent: event => {
        this.#routes.take(event)
        this.#lookAtLate(event)
        onEvent?.(event)
      },
    })
    this.#live = {
      generations: this.#generations,
      endpoint: this.#endpoint,
      driver: this.#driver,
      trail: ({ id }, entries) => this.#trails.add(id, entries),
    }
    this.#rights = new RightToStay({
      ...this.#live,
      log,
      moved: ({ id }, binding) => this.#trails.serve(id, binding),
    })
  }

  /** Lets the plugins look at what their options refer to, and says who taps what; opens nothing. */
  async check(): Promise<BootReport> {
    await this.#first.host.check()
    return this.#first.host.report()
  }

  /** Opens everything in order; where one thing fails, all that was opened is closed again before the error is thrown. */
  async start(): Promise<void> {
    const opening = this.#open()
    this.#reloading = opening.catch(() => {})
    try {
      await opening
    } catch (error) {
      await this.#opened.unwind()
      throw hiddenIn(this.#config, error)
    }
  }

  /**
   * Reads the config again. Where anything in it is wrong, the old one goes on and the coded error is thrown; else what
   * begins from now on is served by the new one, and what lives goes on. One reload at a time, in the order of the calls.
   */
  reload(load: () => Promise<LoadedConfig>, options: ReloadOptions): Promise<ReloadReport> {
    const reloaded = this.#reloading.then(async () => this.#reload(await load(), options))
    this.#reloading = reloaded.catch(() => {})
    return reloaded
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

  /** Why calls were let in or refused: what `burrow explain` asks. */
  explain(args: unknown): Explanation {
    return explain(this.#trails, args)
  }

  /** The rules of the policy, and what each decided on: what `burrow policy` asks. */
  get policy(): PolicyView {
    const { host } = this.#generations.current
    return new PolicyView(host.policyTables(), async () => [
      ...this.#dataPlane.readRuleCounters(),
      ...(await host.ruleHits()),
    ])
  }

  /** What would become of a login: what `burrow try` asks. Changes nothing. */
  async dryRun(args: unknown): Promise<DryRun> {
    const { clock, random, log } = this.#world
    const { ppp } = this.#config.server
    const localAddressFor = (peer: string) => this.#dialledBy(peer)
    const methods = ppp.auth
    const parts = {
      generations: this.#generations,
      limit: this.#limit,
      clock,
      random,
      log,
      methods,
      ipv6: ppp.ipv6,
      localAddressFor,
    }
    const result = await dryRun(parts, args)
    const { user, method, peer, outcome, answer } = result
    log.info({ user, method, peer, outcome, answer }, 'a login was tried without a peer')
    return result
  }

  /** Starts the plugins that decide, and nothing else, for dry runs without a server; `stop` stops them. */
  async startDeciders(): Promise<void> {
    try {
      await this.#openPlugins(this.#first.host.deciders())
    } catch (error) {
      await this.#opened.unwind()
      throw hiddenIn(this.#config, error)
    }
  }

  /** Where a peer of this address would have dialled. */
  async #dialledBy(peer: string): Promise<SocketAddress> {
    const { listen, gatewayAddress } = this.#config.server
    const [{ address, port } = { address: gatewayAddress, port: 0 }] = listen
    if (!ANY.has(address)) return { address, port }
    const own = await this.#world.kernel.localAddressFor({ address: peer, port }).catch(() => gatewayAddress)
    return { address: own, port }
  }

  /** Sets the plugins of a config up; opens nothing. */
  #read({ server, plugins, deployments, dir, hidden }: LoadedConfig, number: number): Reading {
    const { clock, random } = this.#world
    const log = hidingLog(this.#world.log, hidden)
    const tapFault = tapFaultsTo(this.#bounded)
    const pools = new Map<string, readonly Prefix[]>()
    const host = new PluginHost(plugins, {
      clock,
      random,
      log,
      configDir: dir,
      server: serverView({
        server,
        pools,
        interfaces: this.#interfaces,
        own: () => this.#own.map(({ address }) => address),
        live: () => this.#live,
      }),
      onTapFault: fault => tapFault({ ...fault, error: valueWithout(fault.error, hidden) }),
      shared: this.#shared,
      deployments: deployments.map(({ name }) => name),
      deploymentOf: session => this.#generations.deploymentOf(session),
    })
    const { defaultZone, interimIntervalS } = server
    return { number, host, deployments, defaultZone, interimIntervalS, pools }
  }

  async #reload(config: LoadedConfig, { enforce }: ReloadOptions): Promise<ReloadReport> {
    const { log } = this.#world
    if (this.#stopping !== undefined) throw new BurrowError('RELOAD_STOPPING', 'the server is stopping')
    refuseRestarts(this.#config.server, config)
    const { number: before } = this.#generations.current
    const next = await this.#begin(config, before + 1).catch(error => {
      throw hiddenIn(config, error)
    })
    // Nothing below fails.
    for (const warning of config.warnings) log.warn({}, warning)
    this.#config = config
    this.#endpoint.reconfigure(endpointConfig(config.server, config.secrets))
    this.#routes.changePools(routable(next.pools, this.#config.server.ppp.ipv6))
    this.#generations.begin(next)
    const { passed, lost } = await this.#passOldest()
    if (enforce) this.#enforcedFrom = next.number
    const enforced = enforce ? await this.#rights.enforce() : undefined
    const untouched = this.#driver
      .updates()
      .filter(({ session }) => this.#generations.ofSession(session).generation !== next).length
    const report = { generation: next.number, untouched, passed, lost }
    log.info({ ...report, ...enforced }, 'config reloaded')
    return { ...report, warnings: config.warnings, ...(enforced === undefined ? {} : { enforced }) }
  }

  /** A generation whose plugins have started; where one does not, nothing is left of it. */
  async #begin(config: LoadedConfig, number: number): Promise<Reading> {
    const next = this.#read(config, number)
    try {
      await next.host.check()
      await next.host.start()
      if (this.#stopping !== undefined) throw new BurrowError('RELOAD_STOPPING', 'the server is stopping')
      return next
    } catch (error) {
      await next.host.stop()
      throw error
    }
  }

  /** The sessions of generations that are too many pass to the one of now. */
  async #passOldest(): Promise<{ readonly passed: number; readonly lost: number }> {
    const old = new Set(
      this.#generations.living.slice(0, -MOST_GENERATIONS).map(({ generation }) => generation),
    )
    const isOld = (generation: Generation) => old.has(generation)
    for (const tunnel of this.#endpoint.tunnels())
      if (isOld(this.#generations.ofTunnel(tunnel).generation)) this.#rights.passTunnel(tunnel)
    const outcomes = []
    for (const update of this.#driver.updates())
      if (isOld(this.#generations.ofSession(update.session).generation))
        outcomes.push(await this.#rights.pass(update))
    const passed = outcomes.filter(outcome => outcome === 'stayed').length
    return { passed, lost: outcomes.length - passed }
  }

  /** A call that was still being set up when rights were enforced. */
  #lookAtLate(event: Event): void {
    if (event.kind !== 'sessionUp') return
    const { session } = event
    if (this.#generations.ofSession(session).generation.number >= this.#enforcedFrom) return
    // When the driver has heard of it, and nothing else is being looked at.
    this.#reloading = this.#reloading
      .then(() => this.#driver.update(session))
      .then(update => (update === undefined ? undefined : this.#rights.lookAt(update)))
      .catch(error => this.#world.log.error({ error, id: session.id }, 'the right to stay was not looked at'))
  }

  #stopHost(host: PluginHost): void {
    const stopping = host.stop().finally(() => this.#stoppingHosts.delete(stopping))
    this.#stoppingHosts.add(stopping)
  }

  /** All, or those named. */
  async #openPlugins(those?: ReadonlySet<string>): Promise<OwnAddresses> {
    const { kernel, clock, log } = this.#world
    for (const warning of this.#config.warnings) log.warn({}, warning)
    const own = await kernel.watchOwnAddresses({ clock, log }, prefixes =>
      this.#ownAddressesChanged(prefixes),
    )
    this.#opened.push('the watch on own addresses', () => own.stop())
    const { host } = this.#first
    await host.check(those)
    await host.start(those)
    this.#opened.push('the plugins', () => this.#stopPlugins())
    return own
  }

  async #open(): Promise<void> {
    const { kernel, log } = this.#world
    const { server } = this.#config
    const { pools } = this.#first
    await this.#interfaces.open()
    this.#opened.push('the guard of interfaces', () => this.#interfaces.close())
    const own = await this.#openPlugins()
    await this.#dataPlane.start()
    this.#opened.push('the data plane', () => this.#dataPlane.stop())

    // Nobody has a session yet who could reach them.
    await this.#dataPlane.setLocalPrefixes([...this.#own, { address: server.gatewayAddress, length: 32 }])

    const { name } = server.tun
    const mtuBytes = deviceMtuBytes(server)
    const routed = routable(pools, server.ppp.ipv6)
    const routes = routed.map(({ address, length }) => `${address}/${length}`)
    const tables = this.#interfaces.routed()
    await kernel.configureTun(name, {
      address: server.gatewayAddress,
      mtuBytes,
      routes,
      ipv6: server.ppp.ipv6,
      ...(tables === undefined ? {} : { tables }),
    })
    this.#routes.begin(routed)
    // The gateway address is the host's own from now on.
    await own.refresh()
    prepareForwarding(kernel, server, log, this.#opened)
  }

  async #stopPlugins(): Promise<void> {
    // The youngest first: what it shares with the others is closed with the last.
    for (const { generation } of [...this.#generations.living].reverse()) await generation.host.stop()
    await Promise.all(this.#stoppingHosts)
  }

  async #stop(): Promise<void> {
    const { log } = this.#world
    if (!(await this.#driver.stop(STOP_MS)))
      log.warn(
        { waitedMs: STOP_MS },
        'stopped before every peer had acknowledged, or every session was closed',
      )
    await this.#routes.settled()
    // What it has begun to open is closed again, or belongs to the plugins from now on.
    await this.#reloading
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
}

/** A plugin's error may quote its options. */
const hiddenIn = ({ hidden }: LoadedConfig, error: unknown): unknown =>
  error instanceof BurrowError ? withoutSecrets(error, hidden) : error

function hiding<T>(config: LoadedConfig, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw hiddenIn(config, error)
  }
}
