/** What a plugin is. */
import type { ZodType } from 'zod'
import type { Prefix } from '../flow.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { SessionUp, SessionUpdate } from '../hooks/views.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type {
  AuthMethod,
  Grant,
  Lease,
  SessionInfo,
  TunnelInfo,
  TunnelProtection,
} from '../protocol/outputs.ts'
import type { Capability, CapabilityValues } from './capability.ts'
import type { ServerInterfaces } from './interfaces.ts'
import type { PolicyTable, RuleHits } from './policy-table.ts'

/** What the host lends to a plugin. */
export interface PluginContext {
  /** The plugin's name, `DEPLOYMENT/NAME` within a deployment: the owner of its leases, its name in logs and trails. */
  readonly id: string
  /** The hooks to tap; what is tapped here is attributed to this plugin. */
  readonly hooks: Hooks
  /** Names the plugin in each line. Never log a secret. */
  readonly log: Logger
  /** Time and timers; virtual in tests. */
  readonly clock: Clock
  /** Unpredictable, seeded in tests. */
  readonly random: Random
  /** Folder of the config file: relative paths in options start here. */
  readonly configDir: string
  /** Facts of this server that a plugin may need. */
  readonly server: ServerView
  /** Offers a declared capability to later plugins. */
  provide<T>(capability: Capability<T>, value: T): void
  /**
   * A thing of which there can be one only (a file, a pool, a connection). Made on first use, kept under (plugin name, key)
   * over reloads and for all deployments, closed when no generation of the config uses it.
   */
  shared<T>(key: string, make: () => T, close?: (value: T) => void | Promise<void>): T
}

/** What a plugin may know of its server, and ask of it. */
export interface ServerView {
  /** The LNS's address inside the sessions (IPCP local address). */
  readonly gatewayAddress: string
  /** Name of the network interface that the packets of sessions come from and go to. */
  readonly tunName: string
  /** Network interfaces of the host, and what the kernel keeps to between them and sessions. */
  readonly interfaces: ServerInterfaces
  /** Every address of the host, refreshed when it changes. */
  ownAddresses(): readonly string[]
  /** The zone of sessions whose grant names none. */
  readonly defaultZone: string
  /** How users may prove themselves (`ppp.auth`), first choice first. */
  readonly authMethods: readonly AuthMethod[]
  /** Whether it listens on an address that other hosts can reach. */
  readonly exposed: boolean
  /** Live sessions, by user name. */
  sessionsOf(user: string): readonly SessionInfo[]
  /**
   * Every session that is up, as an interim update tells of it; those of its own deployment where the plugin is in one. `wanted`
   * is asked before counters are read: a look for one session among many costs little.
   */
  sessions(wanted?: (session: SessionUp) => boolean): readonly SessionUpdate[]
  /** The live session that holds a lease. */
  sessionHolding(lease: { owner: string; value: string }): SessionInfo | undefined
  /**
   * Ends a session; resolves when it is gone and its leases are released, or rejects at the deadline. To a plugin of a deployment
   * there are no sessions of others, here and in `regrant`.
   */
  endSession(key: string, cause: 'replaced' | 'admin-reset', text: string): Promise<void>
  /**
   * Grants a session that is up something else, without a drop: what `change` has takes the place of what was granted.
   * `decidePolicy` is asked again. Timers count on from when the session came up or last carried traffic: what is over by then ends
   * it. What was negotiated (addresses, DNS, MTU) stays. Never rejects.
   */
  regrant(key: string, change: GrantChange): Promise<Regranted>
  /** Every tunnel that is up or being set up, also those of other deployments. `wanted` picks some. */
  tunnels(wanted?: (tunnel: TunnelInfo) => boolean): readonly TunnelInfo[]
  /**
   * Vouches for what carries a tunnel, also one that `admitTunnel` is just asked about: it stands in logs, in `burrow sessions` and in
   * `TunnelInfo`. Such a tunnel does not follow its peer to another port. undefined: nothing carries it any more.
   */
  protectTunnel(key: string, protection: TunnelProtection | undefined): void
  /**
   * Ends a tunnel and its sessions (`protection-lost`) at once, and sends its peer nothing: what carried it is gone, and anything that
   * is sent would go in the clear.
   */
  dropTunnel(key: string, text: string): void
  /** Named pools as prefixes, for policies that say "the pool"; filled by allocators. */
  declarePool(name: string, prefixes: readonly Prefix[]): void
  /** What was declared by now, by name; complete once every plugin is set up. */
  pools(): ReadonlyMap<string, readonly Prefix[]>
}

/** Fields of a grant, and what they shall be; undefined takes one away. */
export type GrantChange = { readonly [K in keyof Omit<Grant, 'user'>]?: Grant[K] | undefined }

/** What came of `ServerView.regrant`; `gone`: there is no such session, or it is leaving. */
export type Regranted =
  | 'changed'
  | 'gone'
  | {
      /** Nothing was changed: a plugin would not have it so. */
      readonly denied: string
    }

/** `setup` only wires: it taps hooks, provides capabilities and returns this. What it opens, it opens in `start`. */
export interface PluginInstance {
  /** Looks at what the options refer to (files, names) and throws a coded error; opens nothing. Before `start`, and alone in `burrow check`. */
  check?(): void | Promise<void>
  /** Opens what it needs; fails with a coded error. Called in config order. */
  start?(): void | Promise<void>
  /** Closes it. Called in reverse order, with a deadline. */
  stop?(): void | Promise<void>
  /**
   * Of an authenticator: the methods that it can verify its users by, after `check`. LCP asks peers for those that some authenticator
   * in their reach has. Without it: for any. Data at hand; it must not throw.
   */
  verifies?(): readonly AuthMethod[]
  /** Of a plugin that decides on policy by a table of rules: what operators are shown of it. */
  readonly policy?: PolicyTable
  /** Of a plugin that has rules of sessions kept to elsewhere than in the data plane: what each decided on there, in all deployments. */
  countRules?(): Promise<readonly RuleHits[]>
  /** Frees a lease of this plugin. Idempotent. */
  releaseLease?(lease: Lease): void | Promise<void>
  /**
   * Takes a lease of this plugin again, after a restart, or when a live session passes to this generation of the config;
   * false: it is no longer free, or this config would not give it to `grant`.
   */
  resumeLease?(lease: Lease, session: SessionInfo, grant: Grant): boolean | Promise<boolean>
}

/** A plugin, whatever its options are. */
// biome-ignore lint/suspicious/noExplicitAny: a list of plugins is of mixed option types; `definePlugin` checks each.
export type AnyPlugin = Plugin<any, readonly Capability<any>[]>

/** A plugin as a module's default export: what it is called, needs and offers, and how it wires itself. */
export interface Plugin<Options, Requires extends readonly Capability<unknown>[]> {
  /** As config files name it and trails show it; by custom `auth-...`, `accounting-...` and the like. */
  readonly name: string
  /** Capabilities that plugins earlier in the list must provide; `setup` is given their values in this order. */
  readonly requires?: Requires
  /** Capabilities that it offers to later ones, by `context.provide` in `setup`: each exactly once. */
  readonly provides?: readonly Capability<unknown>[]
  /** Checks the options of the config file; every option has a default or is required, with its unit in the name. */
  readonly config: ZodType<Options>
  /**
   * Wires it, once for each generation of the config: taps hooks, provides capabilities; synchronous, opens
   * nothing. What it throws is a boot error (PLUGIN_SETUP) that names the plugin and its line.
   */
  setup(
    context: PluginContext,
    options: Options,
    ...capabilities: CapabilityValues<Requires>
    // biome-ignore lint/suspicious/noConfusingVoidType: a plugin that only taps hooks returns nothing.
  ): PluginInstance | void
}

/** The name of a plugin stands in logs and before a slash; `deployment` is taken in the list. */
export const PLUGIN_NAME = /^(?!deployment$)[\w.-]{1,64}$/

/** Types a plugin; returns it unchanged. */
export function definePlugin<Options, const Requires extends readonly Capability<unknown>[] = readonly []>(
  plugin: Plugin<Options, Requires>,
): Plugin<Options, Requires> {
  return plugin
}
