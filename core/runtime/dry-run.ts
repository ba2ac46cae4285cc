/** What would become of a login, without a peer and without a trace: for `burrow try`. */
import { z } from 'zod'
import { BurrowError } from '../errors.ts'
import type { Clock, Logger, Random, SocketAddress } from '../ports.ts'
import type {
  Ask,
  AskKind,
  AuthMethod,
  Continuation,
  Grant,
  Lease,
  SessionInfo,
  SessionPolicy,
  TunnelInfo,
  Verdict,
} from '../protocol/outputs.ts'
import { addressKinds } from '../protocol/ppp/decisions.ts'
import { Asks } from './asks.ts'
import { checkedArguments } from './control-arguments.ts'
import { whyRefused } from './explain.ts'
import { type Generation, Generations } from './generations.ts'
import { entriesWithoutPassword, withoutPassword } from './mask-password.ts'
import { PROVE, type SingleProof } from './prove.ts'
import type { SessionLimit } from './session-limit.ts'
import { Throttle } from './throttle.ts'
import type { TrailRecord } from './trail-record.ts'
import { Trails } from './trails.ts'

/** By the names that the command line has for them. */
export const DRY_RUN_METHODS = { pap: 'pap', chap: 'chap-md5', mschapv2: 'mschapv2' } as const

const Exchange = z.strictObject({
  /** Who began it, and alone is asked on. */
  plugin: z.string().max(256),
  /** What the plugin wants to have back, as JSON. */
  state: z.string().max(8192),
  /** How many answers there were. */
  round: z.number().int().min(1).max(64),
})

const Credential = z.strictObject({
  user: z.string().max(255),
  password: z.string().max(255),
  /** Default: the first that the server asks peers for, and that a password is enough for. */
  method: z.enum(['pap', 'chap', 'mschapv2', 'eap']).exactOptional(),
  peer: z.union([z.ipv4(), z.ipv6()]).default('127.0.0.1'),
  hostName: z.string().max(255).default(''),
  /** Name of the tunnel secret that the peer would have shown to know. */
  secretName: z.string().max(255).exactOptional(),
  calledNumber: z.string().max(255).exactOptional(),
  /** The round before, where the user had to say more. */
  continued: Exchange.exactOptional(),
})
/** Who would log in, with what, and from where. */
export type Credential = z.input<typeof Credential>

export interface DryRunParts {
  /** What is current in them is asked; nothing is bound in them. */
  readonly generations: Generations
  /** Of the server that runs. */
  readonly limit?: SessionLimit
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** In the order in which the server asks peers for them. */
  readonly methods: readonly AuthMethod[]
  /** Whether a login is given IPv6. */
  readonly ipv6: boolean
  /** Where a peer of this address would have dialled. */
  readonly localAddressFor: (peer: string) => Promise<SocketAddress>
}

/** What would become of a login. */
export interface DryRun extends Pick<TrailRecord, 'startedAt' | 'entries' | 'refusal' | 'deployment'> {
  /** `continue`: the user would have to say more. */
  readonly outcome: 'accept' | 'refuse' | 'continue'
  /** One sentence for people. */
  readonly answer: string
  /** The name as it was given. */
  readonly user: string
  /** How it was proven. */
  readonly method: AuthMethod
  /** The address that it would have come from. */
  readonly peer: string
  /** Of the config that was asked, counted from the start. */
  readonly generation: number
  /** What the peer is told with a refusal or between rounds. */
  readonly message?: string
  /** Goes back with the user's answer. */
  readonly continued?: z.output<typeof Exchange>
  /** As it stood when the last decision was taken. */
  readonly grant?: Grant
  /** It is released again already. */
  readonly lease?: Omit<Lease, 'id'>
  /** The same of IPv6: absent where there would be none. */
  readonly prefixes?: readonly Omit<Lease, 'id'>[]
  /** What the session could reach; absent where it would be refused before. */
  readonly policy?: SessionPolicy
  /** What the operator should know beside. */
  readonly notes: readonly string[]
}

/** The port that peers dial from as often as not. */
const L2TP_PORT = 1701

/** Answers a request of the control socket; throws USAGE for arguments that are none. */
export async function dryRun(parts: DryRunParts, args: unknown): Promise<DryRun> {
  const credential = checkedArguments(Credential, args)
  const { generations } = parts
  const { current } = generations
  // A reload meanwhile must not stop the plugins that are asked.
  const release = generations.hold(current)
  try {
    const local = await parts.localAddressFor(credential.peer)
    return await new Rehearsal(parts, current, credential, local).run()
  } finally {
    release()
  }
}

type Step = Exclude<AskKind, 'ownSecret'>

function shown(leases: readonly Lease[]): Pick<DryRun, 'lease' | 'prefixes'> {
  const [lease, ...prefixes] = leases.map(({ id: _, ...rest }) => rest)
  return { ...(lease === undefined ? {} : { lease }), ...(prefixes.length === 0 ? {} : { prefixes }) }
}

class Rehearsal {
  readonly #parts: DryRunParts
  readonly #generation: Generation
  readonly #credential: z.output<typeof Credential>
  readonly #method: SingleProof
  readonly #asks: Asks
  readonly #tunnel: TunnelInfo
  readonly #session: SessionInfo
  #askId = 0

  constructor(
    parts: DryRunParts,
    generation: Generation,
    credential: z.output<typeof Credential>,
    local: SocketAddress,
  ) {
    const { clock, log, random, methods, limit } = parts
    const { method, peer, hostName, secretName, calledNumber } = credential
    this.#parts = parts
    this.#generation = generation
    this.#credential = credential
    this.#method = methodOf(method, methods)
    // With books of their own: what the server counts, binds and remembers is not touched, and nobody is slowed down.
    this.#asks = new Asks({
      generations: new Generations(generation, () => {}),
      throttle: new Throttle(clock),
      trails: new Trails(clock),
      clock,
      log,
      dryRun: true,
      ...(limit === undefined ? {} : { limit }),
    })
    const id = `dry-run-${Buffer.from(random.bytes(8)).toString('hex')}`
    this.#tunnel = {
      key: `${local.address}/${id}`,
      role: 'lns',
      path: { local, remote: { address: peer, port: L2TP_PORT } },
      localTunnelId: 0,
      peerTunnelId: 0,
      peerHostName: hostName,
      ...(secretName === undefined ? {} : { secretName }),
    }
    this.#session = {
      key: `${this.#tunnel.key}/0`,
      id,
      tunnel: this.#tunnel,
      localSessionId: 0,
      peerSessionId: 0,
      callSerialNumber: 0,
      ...(calledNumber === undefined ? {} : { calledNumber }),
    }
  }

  async run(): Promise<DryRun> {
    const tunnel = this.#tunnel
    const { user } = this.#credential
    const unnamed = this.#session
    const session: SessionInfo = { ...unnamed, user }
    const dialled = await this.#ask({ kind: 'admitTunnel', tunnel })
    if (dialled.kind !== 'accept') return this.#end(dialled)
    const called = await this.#ask({ kind: 'admitSession', session: unnamed })
    if (called.kind !== 'accept') return this.#end(called)
    const login = await this.#ask(this.#login(session))
    if (login.kind !== 'accept') return this.#end(login)
    const authorized = await this.#ask({ kind: 'authorize', session, grant: login.grant })
    if (authorized.kind !== 'accept') return this.#end(authorized, { grant: login.grant })
    const { grant } = authorized
    const leases: Lease[] = []
    try {
      for (const address of addressKinds(this.#parts.ipv6)) {
        const assigned = await this.#ask({ kind: 'assignAddress', session, grant, address })
        if (assigned.kind !== 'accept') return this.#end(assigned, { grant, ...shown(leases) })
        if (assigned.lease !== undefined) leases.push(assigned.lease)
      }
      const decided = await this.#ask({ kind: 'decidePolicy', session, grant, leases })
      if (decided.kind !== 'accept') return this.#end(decided, { grant, ...shown(leases) })
      return this.#end(decided, { grant, ...shown(leases), policy: decided.policy })
    } finally {
      for (const lease of leases) await this.#release(lease)
    }
  }

  #login(session: SessionInfo): Extract<Ask, { kind: 'authenticate' }> {
    const { user, password, continued } = this.#credential
    const proof = PROVE[this.#method](user, password, this.#parts.random)
    const exchange = continued === undefined ? {} : { continued: { ...continued, user } }
    return { kind: 'authenticate', session, user, proof, ...exchange }
  }

  #ask<K extends Step>(ask: Extract<Ask, { kind: K }>): Promise<Verdict<K>> {
    return new Promise(resolve =>
      this.#asks.ask(++this.#askId, ask, verdict => resolve(verdict as Verdict<K>)),
    )
  }

  async #release(lease: Lease): Promise<void> {
    try {
      await this.#asks.releaseLease(lease, this.#session)
    } catch (error) {
      this.#parts.log.error({ lease, error }, 'the lease of a dry run could not be released')
    }
  }

  #end(verdict: Verdict<Step>, comeTo: Pick<DryRun, 'grant' | 'lease' | 'prefixes' | 'policy'> = {}): DryRun {
    const { user, peer } = this.#credential
    const trail = this.#trail()
    const outcome = OUTCOMES[verdict.kind]
    const message = messageOf(verdict)
    return {
      outcome,
      answer: sentence(outcome, user, trail, comeTo),
      user,
      method: this.#method,
      peer,
      generation: this.#generation.number,
      ...trail,
      ...(message === undefined ? {} : { message }),
      ...(verdict.kind === 'continue' ? { continued: this.#goingOn(verdict) } : {}),
      ...comeTo,
      notes: [
        ...(this.#parts.methods.includes(this.#method) ? [] : [NOT_OFFERED(this.#method)]),
        ...(verdict.kind === 'renegotiate' ? [ASKED_AGAIN(verdict.methods)] : []),
      ],
    }
  }

  #goingOn({ plugin, state }: Continuation): z.output<typeof Exchange> {
    const { continued } = this.#credential
    return { plugin, state, round: 1 + (continued?.round ?? 0) }
  }

  /** What was decided about the call, or about a tunnel that was refused. */
  #trail(): Pick<DryRun, 'startedAt' | 'entries' | 'refusal' | 'deployment'> {
    const { trails } = this.#asks
    const [record] = [...trails.find(this.#session.id), ...trails.find(this.#tunnel.key)]
    if (record === undefined) throw new BurrowError('INTERNAL', 'a dry run left no trail')
    const { startedAt, deployment, refusal } = record
    // Here the password is known with every method.
    const clear = { method: 'pap', password: this.#credential.password } as const
    return {
      startedAt,
      entries: entriesWithoutPassword([...record.tunnelEntries, ...record.entries], clear),
      ...(refusal === undefined
        ? {}
        : { refusal: { by: refusal.by, reason: withoutPassword(refusal.reason, clear) } }),
      ...(deployment === undefined ? {} : { deployment }),
    }
  }
}

/** Throws USAGE where it is EAP: what a peer would say there, only the software of its method knows. */
function methodOf(asked: z.output<typeof Credential>['method'], offered: readonly AuthMethod[]): SingleProof {
  const single = offered.find(method => method !== 'eap')
  if (asked !== 'eap' && (asked !== undefined || single !== undefined || offered.length === 0))
    return asked === undefined ? (single ?? 'pap') : DRY_RUN_METHODS[asked]
  throw new BurrowError('USAGE', NO_EAP)
}

const NO_EAP =
  'a password is not enough to try EAP, whose methods each talk in their own way: dial with a real client, or try another of pap, chap and mschapv2'

const NOT_OFFERED = (method: AuthMethod) =>
  `ppp.auth of this config does not ask peers for ${method}: nobody could come in this way`

const ASKED_AGAIN = (methods: readonly AuthMethod[]) =>
  `LCP would ask a peer once more, for ${methods.join(' or ')}: try that`

function messageOf(verdict: Verdict<Step>): string | undefined {
  if (verdict.kind === 'continue') return typeof verdict.reply === 'string' ? verdict.reply : undefined
  return 'message' in verdict ? verdict.message : undefined
}

function sentence(
  outcome: DryRun['outcome'],
  user: string,
  trail: Pick<DryRun, 'entries' | 'refusal'>,
  { lease }: Pick<DryRun, 'lease'>,
): string {
  if (outcome === 'accept') return `${user} would be let in, as ${lease?.value}.`
  if (outcome === 'refuse') return `${user} would be refused ${whyRefused(trail)}.`
  const asking = trail.entries.at(-1)?.plugin
  return `${asking} would ask ${user} for more, and decide then.`
}

const OUTCOMES = { accept: 'accept', deny: 'refuse', continue: 'continue', renegotiate: 'refuse' } as const
