/** Sets plugins up, starts them in order, stops them in reverse, and finds the owner of a lease. */
import { BurrowError, type ErrorPlace, throwProblems } from '../errors.ts'
import { attempt, type Outcome } from '../hooks/attempt.ts'
import type { TapFault } from '../hooks/guard.ts'
import { type HookOrder, HookSet } from '../hooks/hook-set.ts'
import { HOOKS } from '../hooks/hooks.ts'
import type { Clock, Logger, Milliseconds, Random } from '../ports.ts'
import type { AuthMethod, Grant, Lease, SessionInfo } from '../protocol/outputs.ts'
import { CapabilityContainer } from './container.ts'
import { HOOK_NAMES } from './hook-json.ts'
import { blamed, type LoadedPlugin } from './load.ts'
import { planProblems } from './plan.ts'
import type { AnyPlugin, PluginContext, PluginInstance, ServerView } from './plugin.ts'
import type { PolicyTable, RuleHits } from './policy-table.ts'
import { scopedServer } from './scope.ts'
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
  /** Names of the deployments, in the order of the config. */
  readonly deployments?: readonly string[]
  /** Which of them a live session belongs to. */
  readonly deploymentOf?: (session: SessionInfo) => string | undefined
}

/** What `burrow check` prints. */
export interface BootReport {
  readonly plugins: readonly {
    readonly id: string
    readonly name: string
    readonly deployment?: string
    readonly place: ErrorPlace
    readonly requires: readonly string[]
    readonly provides: readonly string[]
  }[]
  /** Of calls that no deployment takes. */
  readonly hooks: readonly HookOrder[]
  /** Of the calls of each deployment. */
  readonly deployments: readonly { readonly name: string; readonly hooks: readonly HookOrder[] }[]
}

interface Running extends LoadedPlugin {
  readonly instance: PluginInstance
}

const START_MS = 10_000
const STOP_MS = 5_000
const LEASE_MS = 5_000

/** The plugins of one generation of the config. */
export class PluginHost {
  /** For the calls that no deployment takes. */
  readonly hooks: HookSet
  readonly #deployments: ReadonlyMap<string, HookSet>
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
    const { deployments = [] } = parts
    const makeHooks = () => new HookSet({ clock, report: onTapFault })
    this.hooks = makeHooks()
    this.#deployments = new Map(deployments.map(name => [name, makeHooks()]))
    const container = new CapabilityContainer(deployments)
    try {
      this.#plugins = plugins.map(loaded => ({ ...loaded, instance: this.#setUp(loaded, container) }))
    } catch (error) {
      // Whoever asked for shared things before is none of their users.
      void this.#closeUnused()
      throw error
    }
  }

  /** What tells two configs of a plugin apart. */
  fingerprint(id: string): string {
    const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)
    const { options, written } = this.#plugins.find(plugin => plugin.id === id) ?? {}
    return JSON.stringify([options, written], plain)
  }

  /** For the calls of a deployment; of none without a name. */
  hooksOf(deployment: string | undefined): HookSet {
    return (deployment === undefined ? undefined : this.#deployments.get(deployment)) ?? this.hooks
  }

  /** What users of any of these deployments can be verified by; undefined: by whatever there is. */
  verifies(deployments: readonly (string | undefined)[]): ReadonlySet<AuthMethod> | undefined {
    const found = new Set<AuthMethod>()
    const ids = new Set(deployments.flatMap(name => [...this.hooksOf(name).plugins('authenticate')]))
    for (const { id, instance } of this.#plugins) {
      if (!ids.has(id)) continue
      const methods = instance.verifies?.()
      if (methods === undefined) return undefined
      for (const method of methods) found.add(method)
    }
    return found
  }

  report(): BootReport {
    const names = (capabilities: AnyPlugin['provides']) => (capabilities ?? []).map(({ name }) => name)
    return {
      plugins: this.#plugins.map(({ id, deployment, plugin: { name, requires, provides }, place }) => ({
        id,
        name,
        ...(deployment === undefined ? {} : { deployment }),
        place,
        requires: names(requires),
        provides: names(provides),
      })),
      hooks: this.hooks.order(),
      deployments: [...this.#deployments].map(([name, hooks]) => ({ name, hooks: hooks.order() })),
    }
  }

  /** Lets each plugin, or each of `those`, look at what its options refer to; throws everything that they found. */
  async check(those?: ReadonlySet<string>): Promise<void> {
    const problems: BurrowError[] = []
    for (const running of this.#of(those)) {
      const problem = await this.#call(running, 'check', START_MS)
      if (problem !== undefined) problems.push(problem)
    }
    throwProblems(problems)
  }

  /** Of the plugins that decide on policy by one, in order. */
  policyTables(): readonly { readonly plugin: string; readonly table: PolicyTable }[] {
    return this.#plugins.flatMap(({ id, instance: { policy } }) =>
      policy ? [{ plugin: id, table: policy }] : [],
    )
  }

  /** What rules decided on elsewhere than in the data plane; of a plugin that cannot tell, nothing. */
  async ruleHits(): Promise<readonly RuleHits[]> {
    const once = new Map(this.#plugins.map(one => [one.plugin.name, one]))
    const counts = [...once.values()].map(async ({ id, instance }) => {
      try {
        return (await instance.countRules?.()) ?? []
      } catch (error) {
        this.#parts.log.warn({ error, plugin: id }, 'what its rules decided on is not known')
        return []
      }
    })
    return (await Promise.all(counts)).flat()
  }

  /** Identities of the plugins that decide, or provide what others may decide with: all but pure observers. */
  deciders(): ReadonlySet<string> {
    const sets = [this.hooks, ...this.#deployments.values()]
    const hooks = HOOK_NAMES.filter(hook => HOOKS[hook].kind !== 'observer')
    const providing = this.#plugins.flatMap(({ id, plugin }) => (plugin.provides?.length ? [id] : []))
    return new Set([...providing, ...sets.flatMap(set => hooks.flatMap(hook => [...set.plugins(hook)]))])
  }

  /** Starts in order, all or `those`; at the first fault stops what was started and throws. */
  async start(those?: ReadonlySet<string>): Promise<void> {
    for (const running of this.#of(those)) {
      this.#started.push(running)
      const problem = await this.#call(running, 'start', START_MS)
      if (problem === undefined) continue
      await this.stop()
      throw problem
    }
  }

  #of(those: ReadonlySet<string> | undefined): readonly Running[] {
    return those === undefined ? this.#plugins : this.#plugins.filter(({ id }) => those.has(id))
  }

  /** Stops in reverse; a plugin that fails or hangs is logged and holds up nobody. */
  async stop(): Promise<void> {
    const started = this.#started.reverse()
    this.#started = []
    for (const running of started) {
      const problem = await this.#call(running, 'stop', STOP_MS)
      if (problem !== undefined) this.#parts.log.error({ error: problem }, 'a plugin did not stop')
    }
    await this.#closeUnused()
  }

  async #closeUnused(): Promise<void> {
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

  /** Lets its owner claim a lease again, after a restart or a reload; false when it may not be kept. */
  async resumeLease(lease: Lease, session: SessionInfo, grant: Grant): Promise<boolean> {
    const owner = this.#ownerOf(lease)
    const resume = () => owner?.instance.resumeLease?.(lease, session, grant) ?? false
    const outcome = await this.#attempt(resume, LEASE_MS)
    return outcome.kind === 'answer' && outcome.value === true
  }

  #ownerOf({ owner }: Lease): Running | undefined {
    return this.#plugins.find(({ id }) => id === owner)
  }

  #setUp(loaded: LoadedPlugin, container: CapabilityContainer): PluginInstance {
    const { id, deployment, plugin, options, place } = loaded
    const missing = new Set((plugin.provides ?? []).map(({ name }) => name))
    try {
      const instance = container.add(id, {
        deployment,
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
    { id, deployment, plugin: { name }, onUnavailable }: LoadedPlugin,
    provide: PluginContext['provide'],
  ): PluginContext {
    const { clock, random, log, configDir, server, deploymentOf = () => undefined } = this.#parts
    const serves =
      deployment === undefined ? [this.hooks, ...this.#deployments.values()] : [this.hooksOf(deployment)]
    return {
      id,
      hooks: HookSet.ownedBy(serves, {
        plugin: id,
        ...(onUnavailable === undefined ? {} : { onUnavailable }),
      }),
      log: log.child({ plugin: id }),
      clock,
      random,
      configDir,
      server: scopedServer(server, deployment, deploymentOf),
      provide,
      // By the plugin's own name: of an address, a file or a port there is one, whichever deployments share it.
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
  { id, place }: LoadedPlugin,
  step: string,
  deadlineMs: Milliseconds,
  outcome: Exclude<Outcome, { kind: 'answer' }>,
): BurrowError {
  const code = step === 'check' || step === 'start' ? 'PLUGIN_START' : 'PLUGIN_FAULT'
  if (outcome.kind === 'threw') return blamed(code, place, outcome.error)
  return new BurrowError('PLUGIN_TIMEOUT', `"${id}" did not finish ${step} within ${deadlineMs} ms`, place)
}
