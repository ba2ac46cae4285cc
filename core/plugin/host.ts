/** Sets plugins up, starts them in order, stops them in reverse, and finds the owner of a lease. */
import { BurrowError, type ErrorPlace, throwProblems } from '../errors.ts'
import { attempt, type Outcome } from '../hooks/attempt.ts'
import type { TapFault } from '../hooks/guard.ts'
import { type HookOrder, HookSet } from '../hooks/hook-set.ts'
import type { Clock, Logger, Milliseconds, Random } from '../ports.ts'
import type { Lease, SessionInfo } from '../protocol/outputs.ts'
import { CapabilityContainer } from './container.ts'
import { blamed, type LoadedPlugin } from './load.ts'
import { planProblems } from './plan.ts'
import type { AnyPlugin, PluginContext, PluginInstance, ServerView } from './plugin.ts'
import { SharedResources } from './shared.ts'

interface HostParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Folder of the config file. */
  readonly configDir: string
  readonly server: ServerView
  /** Told of each tap that misbehaves. */
  readonly onTapFault?: (fault: TapFault) => void
  /** Handed on when a reload makes a new generation. */
  readonly shared?: SharedResources
}

/** What `burrow check` prints. */
export interface BootReport {
  readonly plugins: readonly {
    readonly name: string
    readonly place: ErrorPlace
    readonly requires: readonly string[]
    readonly provides: readonly string[]
  }[]
  readonly hooks: readonly HookOrder[]
}

interface Running extends LoadedPlugin {
  readonly instance: PluginInstance
}

const START_MS = 10_000
const STOP_MS = 5_000
const LEASE_MS = 5_000

/** The plugins of one generation of the config. */
export class PluginHost {
  readonly hooks: HookSet
  readonly #parts: HostParts
  readonly #shared: SharedResources
  readonly #plugins: readonly Running[]
  /** Those whose `start` was called. */
  #started: Running[] = []

  /** Sets every plugin up, in order; throws a coded error that names the plugin and its line. Opens nothing. */
  constructor(plugins: readonly LoadedPlugin[], parts: HostParts) {
    throwProblems(planProblems(plugins))
    const { clock, onTapFault = () => {} } = parts
    this.#parts = parts
    this.#shared = parts.shared ?? new SharedResources()
    this.hooks = new HookSet({ clock, report: onTapFault })
    const container = new CapabilityContainer()
    this.#plugins = plugins.map(loaded => ({ ...loaded, instance: this.#setUp(loaded, container) }))
  }

  report(): BootReport {
    const names = (capabilities: AnyPlugin['provides']) => (capabilities ?? []).map(({ name }) => name)
    return {
      plugins: this.#plugins.map(({ plugin: { name, requires, provides }, place }) => ({
        name,
        place,
        requires: names(requires),
        provides: names(provides),
      })),
      hooks: this.hooks.order(),
    }
  }

  /** Lets each plugin look at what its options refer to; throws everything that they found. */
  async check(): Promise<void> {
    const problems: BurrowError[] = []
    for (const running of this.#plugins) {
      const problem = await this.#call(running, 'check', START_MS)
      if (problem !== undefined) problems.push(problem)
    }
    throwProblems(problems)
  }

  /** Starts in order; at the first fault stops what was started and throws. */
  async start(): Promise<void> {
    for (const running of this.#plugins) {
      this.#started.push(running)
      const problem = await this.#call(running, 'start', START_MS)
      if (problem === undefined) continue
      await this.stop()
      throw problem
    }
  }

  /** Stops in reverse; a plugin that fails or hangs is logged and holds up nobody. */
  async stop(): Promise<void> {
    const started = this.#started.reverse()
    this.#started = []
    for (const running of started) {
      const problem = await this.#call(running, 'stop', STOP_MS)
      if (problem !== undefined) this.#parts.log.error({ error: problem }, 'a plugin did not stop')
    }
    for (const { key, close } of this.#shared.release(this)) {
      const outcome = await this.#attempt(close, STOP_MS)
      if (outcome.kind !== 'answer')
        this.#parts.log.error({ key, ...outcome }, 'a shared resource did not close')
    }
  }

  /** Lets its owner free a lease; throws when that fails or hangs. */
  async releaseLease(lease: Lease): Promise<void> {
    const owner = this.#ownerOf(lease)
    const outcome = await this.#attempt(() => owner?.instance.releaseLease?.(lease), LEASE_MS)
    if (owner === undefined)
      throw new BurrowError('INTERNAL', 'the lease has no owner', { plugin: lease.owner })
    if (outcome.kind !== 'answer') throw problemOf(owner, 'releaseLease', LEASE_MS, outcome)
  }

  /** Lets its owner claim a lease again, after a restart; false when it may not be kept. */
  async resumeLease(lease: Lease, session: SessionInfo): Promise<boolean> {
    const owner = this.#ownerOf(lease)
    const resume = () => owner?.instance.resumeLease?.(lease, session) ?? false
    const outcome = await this.#attempt(resume, LEASE_MS)
    return outcome.kind === 'answer' && outcome.value === true
  }

  #ownerOf({ owner }: Lease): Running | undefined {
    return this.#plugins.find(({ plugin }) => plugin.name === owner)
  }

  #setUp(loaded: LoadedPlugin, container: CapabilityContainer): PluginInstance {
    const { plugin, options, place } = loaded
    const missing = new Set((plugin.provides ?? []).map(({ name }) => name))
    try {
      const instance = container.add(plugin.name, {
        requires: plugin.requires ?? [],
        make: (provide, values) => {
          const context = this.#context(loaded, (capability, value) => {
            if (!missing.delete(capability.name)) {
              throw new Error(`it provides "${capability.name}" twice, or without declaring it`)
            }
            provide(capability, value)
          })
          const made = plugin.setup(context, options, ...values)
          if (made instanceof Promise) throw new Error('its setup is async; open things in start()')
          return made
        },
      })
      if (missing.size > 0)
        throw new Error(`it declares that it provides "${[...missing].join('", "')}" and does not`)
      return instance ?? {}
    } catch (error) {
      throw blamed('PLUGIN_SETUP', place, error)
    }
  }

  #context(
    { plugin: { name }, onUnavailable }: LoadedPlugin,
    provide: PluginContext['provide'],
  ): PluginContext {
    const { clock, random, log, configDir, server } = this.#parts
    return {
      hooks: this.hooks.ownedBy({ plugin: name, ...(onUnavailable === undefined ? {} : { onUnavailable }) }),
      log: log.child({ plugin: name }),
      clock,
      random,
      configDir,
      server,
      provide,
      shared: (key, make, close) => this.#shared.use(this, `${name} ${key}`, make, close),
    }
  }

  async #call(
    running: Running,
    step: 'check' | 'start' | 'stop',
    deadlineMs: Milliseconds,
  ): Promise<BurrowError | undefined> {
    const outcome = await this.#attempt(() => running.instance[step]?.(), deadlineMs)
    return outcome.kind === 'answer' ? undefined : problemOf(running, step, deadlineMs, outcome)
  }

  #attempt<T>(run: () => T | PromiseLike<T>, deadlineMs: Milliseconds): Promise<Outcome<T>> {
    return new Promise(resolve => attempt(run, { clock: this.#parts.clock, deadlineMs }, resolve))
  }
}

function problemOf(
  { plugin, place }: LoadedPlugin,
  step: string,
  deadlineMs: Milliseconds,
  outcome: Exclude<Outcome, { kind: 'answer' }>,
): BurrowError {
  const code = step === 'check' || step === 'start' ? 'PLUGIN_START' : 'PLUGIN_FAULT'
  if (outcome.kind === 'threw') return blamed(code, place, outcome.error)
  return new BurrowError(
    'PLUGIN_TIMEOUT',
    `"${plugin.name}" did not finish ${step} within ${deadlineMs} ms`,
    place,
  )
}
