/** One plugin behind the real guards and hooks, with virtual time and a server that is only a book: no network, no root. */
import { throwProblems } from '../errors.ts'
import type { AclRule } from '../flow.ts'
import { Inquiry, type TapFault, type TrailEntry } from '../hooks/guard.ts'
import type { HookSet } from '../hooks/hook-set.ts'
import type {
  AdmitVerdict,
  AssignVerdict,
  AuthenticateVerdict,
  AuthorizeVerdict,
  Json,
  PolicyVerdict,
  Proof,
} from '../hooks/views.ts'
import { PluginHost } from '../plugin/host.ts'
import { loadPlugins } from '../plugin/load.ts'
import type { AnyPlugin } from '../plugin/plugin.ts'
import type { SharedResources } from '../plugin/shared.ts'
import type { AddressKind, Grant, Lease, SessionInfo, TunnelInfo } from '../protocol/outputs.ts'
import { FakeServer } from './fake-server.ts'
import { type LoggedLine, memoryLog } from './log.ts'
import { SeededRandom } from './random.ts'
import { aSession, aTunnel } from './samples.ts'
import type { TestScope } from './scope.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What surrounds a plugin in a test. Each has a default. */
export interface PluginSetting {
  /** As they stand in the config file; the plugin's own schema checks them. Default: `{}`. */
  readonly options?: unknown
  /** As in the config file: whether the next authenticator is asked when this one is unavailable. Default: reject. */
  readonly onUnavailable?: 'reject' | 'next'
  /** The folder that relative paths in options start from. Default: one that is not there. */
  readonly configDir?: string
  /** What the plugin may ask of the server. Default: a new one. */
  readonly server?: FakeServer
  /** Default: a new one. */
  readonly clock?: VirtualClock
  /** Plugins that are listed before it, without options: those that provide what it requires. */
  readonly before?: readonly AnyPlugin[]
  /** What the generation of the config before it has left open; see `PluginContext.shared`. */
  readonly shared?: SharedResources
}

/** Loads a plugin and lets it wire itself (`setup`), no more. Throws a coded error, as `loadPlugin` does. */
export async function setUpPlugin(plugin: AnyPlugin, setting: PluginSetting = {}): Promise<Harness> {
  const { options = {}, onUnavailable, before = [] } = setting
  const all = [...before, plugin]
  const entries = all.map(({ name }) => ({
    name,
    options: name === plugin.name ? options : {},
    ...(name === plugin.name && onUnavailable !== undefined ? { onUnavailable } : {}),
    locate: (path: readonly PropertyKey[]) => ({ file: `config at ${path.map(String).join('.')}` }),
  }))
  const { plugins, problems } = await loadPlugins(entries, async wanted => {
    const found = all.find(({ name }) => name === wanted.name)
    return found ?? plugin
  })
  throwProblems(problems)
  return new Harness(plugins, setting)
}

/**
 * Loads and checks a plugin as `burrow check` does, and does not start it. Throws the first coded error, with the others
 * in `also`:
 *
 *     await assert.rejects(loadPlugin(myPlugin, { options: { realm: 5 } }), { code: 'PLUGIN_OPTIONS' })
 */
export async function loadPlugin(plugin: AnyPlugin, setting: PluginSetting = {}): Promise<Harness> {
  const harness = await setUpPlugin(plugin, setting)
  await harness.host.check()
  return harness
}

/**
 * A plugin that is loaded, checked and started, as `burrow serve` has it; stopped when the test is over.
 *
 *     const plugin = await startPlugin(t, myPlugin, { options: { realm: 'hb' } })
 *     const { verdict } = await plugin.authenticate('hb@hb', papProof('admin@123'))
 *     assert.equal(verdict?.kind, 'accept')
 */
export async function startPlugin(
  t: TestScope,
  plugin: AnyPlugin,
  setting: PluginSetting = {},
): Promise<Harness> {
  const harness = await loadPlugin(plugin, setting)
  await harness.host.start()
  t.after(() => harness.host.stop())
  return harness
}

/** Each plugin has other randomness than the one before: two that gave the same lease ids would hide faults. */
let seed = 0

/** What a plugin decided, and the line that it leaves in the decision trail. */
export interface Decided<Verdict> {
  /** `undefined`: the plugin does not answer; the next one in the config would be asked. */
  readonly verdict: Verdict | undefined
  /** One entry for each of the plugin's taps that was asked. */
  readonly trail: readonly TrailEntry[]
}

/** About what a plugin is asked. */
export interface Asked {
  /** Default: `aSession()`. */
  readonly session?: SessionInfo
  /** To end the call while the plugin decides: `plugin.inquiry()`, and its `withdraw()`. */
  readonly inquiry?: Inquiry
}

/** A later round of an exchange. */
export interface AskedRound {
  /** Default: 0, the first. */
  readonly round?: number
  /** What the plugin gave with its last `continue`. */
  readonly state?: Json
}

/** A plugin under test: ask it what a server would ask, tell it what a server would tell. */
export class Harness {
  /** The plugin's time; it passes by `clock.advance` alone. */
  readonly clock: VirtualClock
  /** What the plugin sees of its server. */
  readonly server: FakeServer
  /** The real host behind it: hooks, the boot report, `check`, `start` and `stop`. */
  readonly host: PluginHost
  /** Each time that a tap threw, was late or answered nonsense. In most tests this must be empty at the end. */
  readonly faults: TapFault[] = []
  readonly #logged = memoryLog()

  /** See `setUpPlugin`, `loadPlugin` and `startPlugin`, which make one. */
  constructor(plugins: ConstructorParameters<typeof PluginHost>[0], setting: PluginSetting) {
    this.clock = setting.clock ?? new VirtualClock()
    this.server = setting.server ?? new FakeServer()
    this.host = new PluginHost(plugins, {
      clock: this.clock,
      random: new SeededRandom(++seed),
      log: this.#logged.log,
      configDir: setting.configDir ?? '/nowhere',
      server: this.server,
      onTapFault: fault => this.faults.push(fault),
      ...(setting.shared === undefined ? {} : { shared: setting.shared }),
    })
    this.server.release = lease => this.host.releaseLease(lease)
  }

  /** What the plugin logged. */
  get log(): readonly LoggedLine[] {
    return this.#logged.lines
  }

  /** May this peer have a tunnel? */
  async admitTunnel(tunnel: TunnelInfo = aTunnel()): Promise<Decided<AdmitVerdict>> {
    const inquiry = new Inquiry()
    return { verdict: await this.host.hooks.ask('admitTunnel', inquiry, { tunnel }), trail: inquiry.trail }
  }

  /** May this peer place a call? */
  async admitSession(session: SessionInfo = aSession()): Promise<Decided<AdmitVerdict>> {
    const inquiry = new Inquiry()
    return { verdict: await this.host.hooks.ask('admitSession', inquiry, { session }), trail: inquiry.trail }
  }

  /**
   * Is the peer this user? See `papProof` and `chapProof`. For a later round of an exchange, give its number and the state of
   * the `continue` before it.
   */
  async authenticate(
    user: string,
    proof: Proof,
    { session = aSession(), inquiry = new Inquiry(), round = 0, ...state }: Asked & AskedRound = {},
  ): Promise<Decided<AuthenticateVerdict>> {
    const subject = { session, user, proof, round, ...state }
    return { verdict: await this.host.hooks.ask('authenticate', inquiry, subject), trail: inquiry.trail }
  }

  /** What becomes of what a user was granted; a plugin that changes nothing gives it back as it was. */
  async authorize(
    grant: Grant,
    { session = aSession(), inquiry = new Inquiry() }: Asked = {},
  ): Promise<Decided<AuthorizeVerdict>> {
    const verdict = await this.host.hooks.refine('authorize', inquiry, grant, { session })
    return { verdict, trail: inquiry.trail }
  }

  /**
   * Which address does the session get? The lease, the reason of a refusal, or undefined where the plugin does not answer.
   * As in the server, what is leased stands in the book (`server.sessionHolding`), and what comes too late is released; of a dry
   * run nothing stands there. `address`: what it asks for.
   */
  async assign(
    session: SessionInfo,
    grant: Grant,
    given?: Inquiry,
    address: AddressKind = 'ipv4',
  ): Promise<Lease | string | undefined> {
    const inquiry = given ?? this.inquiry({ address })
    if (!inquiry.dryRun) this.server.book.note({ ...session, user: grant.user })
    const verdict = await this.host.hooks.ask('assignAddress', inquiry, { session, grant, address })
    if (verdict === undefined || verdict.kind === 'refuse') return verdict?.reason
    const lease: Lease = {
      owner: inquiry.answeredBy ?? '',
      kind: address,
      value: verdict.value,
      id: verdict.id,
    }
    if (inquiry.withdrawn) {
      await this.host.releaseLease(lease)
      return 'the call ended'
    }
    if (!inquiry.dryRun) this.server.hold(session, lease)
    return lease
  }

  /** Lets the plugin free a lease of its own; rejects where it fails or hangs. */
  releaseLease(lease: Lease): Promise<void> {
    return this.host.releaseLease(lease)
  }

  /** Lets the plugin claim a lease again, as after a restart or a reload; false: it may not be kept. */
  resumeLease(lease: Lease, session: SessionInfo, grant: Grant): Promise<boolean> {
    return this.host.resumeLease(lease, session, grant)
  }

  /** Which rules does a session with these addresses get? `before`: the rules of an earlier plugin. See `passes`. */
  async policy(
    grant: Grant,
    addresses: readonly string[],
    before: readonly AclRule[] = [],
  ): Promise<PolicyVerdict> {
    const leases = addresses.map((value): Lease => ({ owner: 'pool', kind: 'ipv4', value, id: value }))
    const nothing = { zone: grant.zone ?? this.server.defaultZone, rules: before }
    const call = { session: aSession(), grant, leases }
    return this.host.hooks.refine('decidePolicy', new Inquiry(), nothing, call)
  }

  /**
   * Tells observers; resolves when the plugin has seen it. `anEnd` makes what it is told of a session:
   *
   *     await plugin.tell('sessionUp', anEnd(session))
   */
  readonly tell: HookSet['tell'] = (hook, event) => this.host.hooks.tell(hook, event)

  /**
   * A question whose call can end while the plugin decides, or of a dry run. A lease that comes too late is released, as by
   * the server.
   *
   *     const inquiry = plugin.inquiry()
   *     const asked = plugin.authenticate('hb@hb', papProof('admin@123'), { inquiry })
   *     inquiry.withdraw() // the tap's `signal` aborts
   */
  inquiry({
    address = 'ipv4',
    ...options
  }: {
    readonly dryRun?: boolean
    readonly address?: AddressKind
  } = {}): Inquiry {
    return new Inquiry((owner, answer) => {
      const verdict = answer as AssignVerdict | undefined
      if (verdict?.kind !== 'lease') return
      void this.host.releaseLease({ owner, kind: address, value: verdict.value, id: verdict.id })
    }, options)
  }
}
