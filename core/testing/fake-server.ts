import type { Prefix } from '../flow.ts'
import type { SessionUp, SessionUpdate } from '../hooks/views.ts'
import type { InterfaceReach, InterfaceWays, ServerInterfaces } from '../plugin/interfaces.ts'
import type { GrantChange, Regranted, ServerView } from '../plugin/plugin.ts'
import type { AuthMethod, Lease, SessionInfo, TunnelInfo, TunnelProtection } from '../protocol/outputs.ts'
import { changedGrant } from '../runtime/regrant.ts'
import { SessionBook } from '../runtime/session-book.ts'

/**
 * What plugins may ask of a server, kept in the real book; sessions are whatever a test says. Its fields can be set:
 *
 *     const server = new FakeServer()
 *     server.declarePool('main', [{ address: '172.16.1.0', length: 24 }])
 *     const plugin = await startPlugin(t, myPolicy, { server })
 */
export class FakeServer implements ServerView {
  gatewayAddress = '172.16.1.1'
  tunName = 'burrow0'
  /** What `ownAddresses` gives. */
  own: readonly string[] = ['127.0.0.1', '2.2.2.2', '192.168.1.254']
  /** The zone of sessions whose grant names none. */
  defaultZone = 'dmz'
  /** As of a config that says nothing of it. */
  authMethods: readonly AuthMethod[] = ['chap-md5', 'pap']
  exposed = false
  /** Who is in: `note` a session to have it in `sessionsOf`. */
  readonly book = new SessionBook()
  /** What plugins ended with `endSession`, in order. */
  readonly ended: {
    /** Of the session. */
    readonly key: string
    /** `replaced` or `admin-reset`. */
    readonly cause: string
    /** The reason that the plugin gave. */
    readonly text: string
  }[] = []
  /** What `sessions` gives: who is up, with grants and counters. Beside the book: what is noted there may only be on its way. */
  up: SessionUpdate[] = []
  /** What `tunnels` gives, with what plugins vouch for by `protectTunnel`. */
  liveTunnels: TunnelInfo[] = []
  /** What plugins ended with `dropTunnel`, in order. */
  readonly droppedTunnels: {
    /** Of the tunnel. */
    readonly key: string
    /** The reason that the plugin gave. */
    readonly text: string
  }[] = []
  /** What plugins granted with `regrant`, in order; also what was denied. */
  readonly regranted: {
    /** Of the session. */
    readonly key: string
    /** As the plugin gave it. */
    readonly change: GrantChange
  }[] = []
  /** What becomes of the next `regrant`: a policy that denies, or a session that leaves. */
  decideRegrant: () => Regranted = () => 'changed'
  /** How a lease is released; the harness sets it. */
  release: (lease: Lease) => Promise<void> = async () => {}
  /** Runs before a session is ended; throws where it would not end in time. */
  beforeEnd: () => Promise<void> = async () => {}
  /** What `interfaces.names` gives. */
  devices: readonly string[] = ['lo', 'eth0', 'eth1']
  /** What `interfaces.problem` gives. */
  interfaceProblem: string | undefined
  /** What `interfaces.keep` was asked for last, by owner. */
  readonly kept = new Map<object, readonly InterfaceWays[]>()
  /** Runs before `interfaces.keep` has it: throws where the kernel would not. */
  beforeKeep: () => Promise<void> = async () => {}
  /** What is routed over which interface; see `route`. */
  reach: InterfaceReach = {}
  readonly #followers = new Set<(reach: InterfaceReach) => void | Promise<void>>()
  readonly interfaces: ServerInterfaces = {
    names: () => this.devices,
    problem: async () => this.interfaceProblem,
    followReach: async onChange => {
      this.#followers.add(onChange)
      await onChange(this.reach)
      return { stop: () => void this.#followers.delete(onChange) }
    },
    keep: async (owner, ways) => {
      await this.beforeKeep()
      this.kept.set(owner, ways)
      if (ways.length === 0) this.kept.delete(owner)
    },
  }
  readonly #leases = new Map<string, { readonly session: SessionInfo; readonly lease: Lease }>()
  readonly #pools = new Map<string, readonly Prefix[]>()

  /** Something else is routed over the interfaces; resolves when every plugin has taken it in. */
  async route(reach: InterfaceReach): Promise<void> {
    this.reach = reach
    for (const follower of this.#followers) await follower(reach)
  }

  ownAddresses(): readonly string[] {
    return this.own
  }

  sessionsOf(user: string): readonly SessionInfo[] {
    return this.book.ofUser(user)
  }

  sessions(wanted: (session: SessionUp) => boolean = () => true): readonly SessionUpdate[] {
    return this.up.filter(wanted)
  }

  async regrant(key: string, change: GrantChange): Promise<Regranted> {
    this.regranted.push({ key, change })
    const isIt = ({ session }: SessionUpdate) => session.key === key
    const outcome = this.up.some(isIt) ? this.decideRegrant() : 'gone'
    if (outcome === 'changed')
      this.up = this.up.map(one => (isIt(one) ? { ...one, grant: changedGrant(one.grant, change) } : one))
    return outcome
  }

  sessionHolding(lease: { readonly owner: string; readonly value: string }): SessionInfo | undefined {
    return this.book.holding(lease)
  }

  /** Notes that a session holds a lease, as after `Harness.assign`. */
  hold(session: SessionInfo, lease: Lease): void {
    this.book.hold(session.id, lease)
    this.#leases.set(session.key, { session, lease })
  }

  async endSession(key: string, cause: 'replaced' | 'admin-reset', text: string): Promise<void> {
    await this.beforeEnd()
    this.ended.push({ key, cause, text })
    await this.hangUp(key)
  }

  /** The session is gone: its lease is released, then forgotten. */
  async hangUp(key: string): Promise<void> {
    this.up = this.up.filter(({ session }) => session.key !== key)
    const held = this.#leases.get(key)
    if (held === undefined) return
    this.#leases.delete(key)
    await this.release(held.lease)
    this.book.remove(held.session)
  }

  tunnels(wanted: (tunnel: TunnelInfo) => boolean = () => true): readonly TunnelInfo[] {
    return this.liveTunnels.filter(wanted)
  }

  protectTunnel(key: string, protection: TunnelProtection | undefined): void {
    this.liveTunnels = this.liveTunnels.map(tunnel => {
      const { protection: _, ...rest } = tunnel
      return tunnel.key !== key ? tunnel : { ...rest, ...(protection === undefined ? {} : { protection }) }
    })
  }

  dropTunnel(key: string, text: string): void {
    this.droppedTunnels.push({ key, text })
    this.liveTunnels = this.liveTunnels.filter(tunnel => tunnel.key !== key)
  }

  declarePool(name: string, prefixes: readonly Prefix[]): void {
    this.#pools.set(name, prefixes)
  }

  /** What plugins declared by now, by name. */
  pools(): ReadonlyMap<string, readonly Prefix[]> {
    return this.#pools
  }
}
