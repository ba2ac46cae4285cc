/** One plugin behind the real guards and hooks, with virtual time and a server that is only a book: no network, no root. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { throwProblems } from '../../core/errors.ts'
import type { AclRule, FlowCounters, Prefix } from '../../core/flow.ts'
import { Inquiry, type TapFault, type TrailEntry } from '../../core/hooks/guard.ts'
import type {
  AdmitVerdict,
  AssignVerdict,
  AuthenticateVerdict,
  PolicyVerdict,
  Proof,
  SessionDown,
} from '../../core/hooks/views.ts'
import { PluginHost } from '../../core/plugin/host.ts'
import { loadPlugins } from '../../core/plugin/load.ts'
import type { AnyPlugin, ServerView } from '../../core/plugin/plugin.ts'
import type { SharedResources } from '../../core/plugin/shared.ts'
import type { Path } from '../../core/ports.ts'
import type { Grant, Lease, SessionInfo, TunnelInfo } from '../../core/protocol/outputs.ts'
import { proveByMschapv2 } from '../../core/protocol/ppp/mschapv2.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { SessionBook } from '../../core/runtime/session-book.ts'
import { memoryLog } from './log.ts'
import { SeededRandom } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface Setting {
  readonly options?: unknown
  readonly configDir?: string
  readonly server?: FakeServer
  readonly clock?: VirtualClock
  /** Of the generation before. */
  readonly shared?: SharedResources
}

/** Loads and checks a plugin as `burrow check` does; `start` it then. Throws the first coded error with the others in `also`. */
export async function loadPlugin(plugin: AnyPlugin, setting: Setting = {}): Promise<Harness> {
  const harness = await setUpPlugin(plugin, setting)
  await harness.host.check()
  return harness
}

/** Loads a plugin and lets it wire itself, no more. */
export async function setUpPlugin(plugin: AnyPlugin, setting: Setting = {}): Promise<Harness> {
  const entry = {
    name: plugin.name,
    options: setting.options ?? {},
    locate: (path: readonly PropertyKey[]) => ({ file: `config at ${path.map(String).join('.')}` }),
  }
  const { plugins, problems } = await loadPlugins([entry], async () => plugin)
  throwProblems(problems)
  return new Harness(plugins, setting)
}

/** Loaded, checked and started; stopped at the end of the test. */
export async function startPlugin(
  t: TestContext,
  plugin: AnyPlugin,
  setting: Setting = {},
): Promise<Harness> {
  const harness = await loadPlugin(plugin, setting)
  await harness.host.start()
  t.after(() => harness.host.stop())
  return harness
}

/** Each plugin has other randomness than the one before: two that gave the same lease ids would hide faults. */
let seed = 0

export interface Decided<V> {
  readonly verdict: V | undefined
  readonly trail: readonly TrailEntry[]
}

export class Harness {
  readonly clock: VirtualClock
  readonly server: FakeServer
  readonly host: PluginHost
  readonly faults: TapFault[] = []
  readonly #logged = memoryLog()

  constructor(plugins: ConstructorParameters<typeof PluginHost>[0], setting: Setting) {
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

  get log(): ReturnType<typeof memoryLog>['lines'] {
    return this.#logged.lines
  }

  async authenticate(
    user: string,
    proof: Proof,
    inquiry = new Inquiry(),
  ): Promise<Decided<AuthenticateVerdict>> {
    const subject = { session: aSession(), user, proof }
    return { verdict: await this.host.hooks.ask('authenticate', inquiry, subject), trail: inquiry.trail }
  }

  async admitTunnel(path: Path): Promise<Decided<AdmitVerdict>> {
    const inquiry = new Inquiry()
    const tunnel = aTunnel(path)
    return { verdict: await this.host.hooks.ask('admitTunnel', inquiry, { tunnel }), trail: inquiry.trail }
  }

  /** As the server does: what is leased stands in the book, what comes too late is released. */
  async assign(session: SessionInfo, grant: Grant, given?: Inquiry): Promise<Lease | string | undefined> {
    const inquiry = given ?? this.inquiry()
    this.server.book.note({ ...session, user: grant.user })
    const verdict = await this.host.hooks.ask('assignAddress', inquiry, { session, grant, address: 'ipv4' })
    if (verdict === undefined || verdict.kind === 'refuse') return verdict?.reason
    const lease: Lease = {
      owner: inquiry.answeredBy ?? '',
      kind: 'ipv4',
      value: verdict.value,
      id: verdict.id,
    }
    this.server.hold(session, lease)
    return lease
  }

  /** One that releases what is leased too late. */
  inquiry(): Inquiry {
    return new Inquiry((owner, answer) => {
      const verdict = answer as AssignVerdict | undefined
      if (verdict?.kind !== 'lease') return
      void this.host.releaseLease({ owner, kind: 'ipv4', value: verdict.value, id: verdict.id })
    })
  }

  /** `before`: the rules of an earlier plugin. */
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
}

/** What plugins may ask of a server, kept in the real book; sessions are whatever a test says. */
export class FakeServer implements ServerView {
  gatewayAddress = '172.16.1.1'
  own: readonly string[] = ['127.0.0.1', '2.2.2.2', '192.168.1.254']
  defaultZone = 'dmz'
  exposed = false
  readonly book = new SessionBook()
  readonly ended: { readonly key: string; readonly cause: string; readonly text: string }[] = []
  release: (lease: Lease) => Promise<void> = async () => {}
  /** Runs before a session is ended; throws where it would not end in time. */
  beforeEnd: () => Promise<void> = async () => {}
  readonly #leases = new Map<string, { readonly session: SessionInfo; readonly lease: Lease }>()
  readonly #pools = new Map<string, readonly Prefix[]>()

  ownAddresses(): readonly string[] {
    return this.own
  }

  sessionsOf(user: string): readonly SessionInfo[] {
    return this.book.ofUser(user)
  }

  sessionHolding(lease: { readonly owner: string; readonly value: string }): SessionInfo | undefined {
    return this.book.holding(lease)
  }

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
    const held = this.#leases.get(key)
    if (held === undefined) return
    this.#leases.delete(key)
    await this.release(held.lease)
    this.book.remove(held.session)
  }

  declarePool(name: string, prefixes: readonly Prefix[]): void {
    this.#pools.set(name, prefixes)
  }

  pools(): ReadonlyMap<string, readonly Prefix[]> {
    return this.#pools
  }
}

export function aTunnel(path: Path = PATH): TunnelInfo {
  return {
    key: `${path.local.address}/1`,
    role: 'lns',
    path,
    localTunnelId: 1,
    peerTunnelId: 1,
    peerHostName: 'LAC',
  }
}

const PATH: Path = {
  local: { address: '2.2.2.2', port: 1701 },
  remote: { address: '1.1.1.1', port: 50_000 },
}
let sessions = 0

/** Each is another. */
export function aSession(more: Partial<SessionInfo> = {}): SessionInfo {
  const localSessionId = ++sessions
  return {
    key: `2.2.2.2/1/${localSessionId}`,
    id: localSessionId.toString(16).padStart(16, '0'),
    tunnel: aTunnel(),
    localSessionId,
    peerSessionId: 77,
    callSerialNumber: 1,
    ...more,
  }
}

export const pap = (password: string): Proof => createProof({ method: 'pap', password })

/** RFC 1994 4.1 by a peer that knows `secret`. */
export function chap(secret: string, md5: (...parts: readonly Uint8Array[]) => Uint8Array): Proof {
  const challenge = randomBytes(16)
  const identifier = 7
  const response = md5(Uint8Array.of(identifier), new TextEncoder().encode(secret), challenge)
  return createProof({ method: 'chap-md5', identifier, challenge, response })
}

/** RFC 2759 8 by a peer that knows `secret`. */
export function mschapv2(secret: string, user = 'hb@hb'): Proof {
  const challenges = { authenticatorChallenge: randomBytes(16), peerChallenge: randomBytes(16) }
  return createProof(proveByMschapv2(user, secret, challenges))
}

export const NO_TRAFFIC: FlowCounters = {
  packetsIn: 0n,
  octetsIn: 0n,
  packetsOut: 0n,
  octetsOut: 0n,
  drops: {},
}

/** All that observers are told of a session, at its end. */
export function anEnd(session: SessionInfo, more: Partial<SessionDown> = {}): SessionDown {
  const user = session.user ?? 'hb@hb'
  return {
    session,
    grant: { user },
    leases: [],
    network: { localAddress: '172.16.1.1', peerAddress: '172.16.1.51', dns: [], nbns: [], mtuBytes: 1500 },
    counters: NO_TRAFFIC,
    durationMs: 0,
    reason: { cause: 'peer-hangup' },
    ...more,
  }
}

/** A folder that is gone after the test. */
export function aFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
