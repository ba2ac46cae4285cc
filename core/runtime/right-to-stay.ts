/**
 * Whether a live tunnel or session would be let in by the config of now, as far as that can be told without the peer's
 * proof; and the way of those that stay, or whose generation is to go, to the generation of now.
 */
import { Inquiry, type TrailEntry } from '../hooks/guard.ts'
import { readOnly } from '../hooks/read-only.ts'
import type { SessionUpdate } from '../hooks/views.ts'
import type { Logger } from '../ports.ts'
import type { Endpoint } from '../protocol/endpoint.ts'
import type { Grant, SessionInfo, SessionPolicy, TunnelInfo } from '../protocol/outputs.ts'
import type { Driver } from './driver.ts'
import { type Binding, deploymentFor, type Generation, type Generations } from './generations.ts'

export interface RightToStayParts {
  readonly generations: Generations
  readonly endpoint: Pick<Endpoint, 'tunnels' | 'hasItsSecret' | 'closeTunnel' | 'hangUp' | 'regrant'>
  readonly driver: Pick<Driver, 'act' | 'updates' | 'update' | 'book'>
  readonly log: Logger
  /** Given what was decided about a session. */
  readonly trail: (session: SessionInfo, entries: readonly TrailEntry[]) => void
  /** Told of each session that passed on. */
  readonly moved: (session: SessionInfo, binding: Binding) => void
}

/** How many came through a look at their right to stay. */
export interface Enforced {
  /** Those whose user may stay. */
  readonly stayed: number
  /** Those whose user may not. */
  readonly ended: number
  /** Of those that stayed: nobody could tell whether the user may, so the user may. */
  readonly unclear: number
}

type Outcome = keyof Enforced

/** Directories are asked about so many at a time. */
const AT_ONCE = 16

interface Judgement {
  readonly grant: Grant
  readonly policy: SessionPolicy
  readonly deployment: string | undefined
  readonly clear: boolean
}

export class RightToStay {
  readonly #parts: RightToStayParts

  constructor(parts: RightToStayParts) {
    this.#parts = parts
  }

  /** Looks at everything that an older generation serves; ends what has no right any more, moves the rest. */
  async enforce(): Promise<Enforced> {
    const { endpoint, driver } = this.#parts
    const count: Record<Outcome, number> = { stayed: 0, ended: 0, unclear: 0 }
    for (const tunnel of endpoint.tunnels().filter(tunnel => this.#isOlder(tunnel)))
      count.ended += await this.#lookAtTunnel(tunnel)
    const sessions = driver.updates().filter(({ session }) => this.#isOlder(session))
    const next = sessions[Symbol.iterator]()
    const worker = async () => {
      for (const update of next) {
        if (driver.update(update.session) === undefined) continue
        const outcome = await this.lookAt(update)
        count[outcome]++
        if (outcome === 'unclear') count.stayed++
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return count
  }

  /** One session of an older generation that is up. */
  async lookAt(update: SessionUpdate): Promise<Outcome> {
    const { endpoint, driver, generations } = this.#parts
    const { session } = update
    const from = generations.ofSession(session)
    const inquiry = new Inquiry()
    const judged = await this.#judge(update, from, inquiry)
    this.#parts.trail(session, inquiry.trail)
    if (typeof judged === 'string') return this.#end(session, judged)
    const unheld = await this.#take(update, judged.grant)
    if (unheld !== undefined) return this.#end(session, unheld)
    const { grant, policy, deployment, clear } = judged
    if (!driver.act(now => endpoint.regrant(now, session.key, { grant, policy }))) return this.#giveUp(update)
    await this.#move({ ...update, grant }, from, deployment)
    return clear ? 'stayed' : 'unclear'
  }

  /** Passes a session that is up to the generation of now without asking whether it may stay: its own has grown too old. */
  async pass(update: SessionUpdate): Promise<Outcome> {
    const { generations } = this.#parts
    const { session, grant } = update
    const from = generations.ofSession(session)
    const unheld = await this.#take(update, grant)
    if (unheld !== undefined) return this.#end(session, unheld)
    if (this.#parts.driver.update(session) === undefined) return this.#giveUp(update)
    await this.#move(update, from, deploymentFor(generations.current, session.tunnel, from.login?.user))
    return 'stayed'
  }

  passTunnel(tunnel: TunnelInfo): void {
    const { generations } = this.#parts
    generations.move(tunnel, deploymentFor(generations.current, tunnel))
  }

  #isOlder(subject: TunnelInfo | SessionInfo): boolean {
    const { generations } = this.#parts
    const { generation } =
      'tunnel' in subject ? generations.ofSession(subject) : generations.ofTunnel(subject)
    return generation !== generations.current
  }

  /** How many sessions its end takes along. */
  async #lookAtTunnel(tunnel: TunnelInfo): Promise<number> {
    const { endpoint, driver, generations, log } = this.#parts
    const deployment = deploymentFor(generations.current, tunnel)
    const why = endpoint.hasItsSecret(tunnel.key)
      ? await this.#refusal(generations.current.host.hooksOf(deployment), { tunnel })
      : 'its tunnel secret has changed'
    if (why === undefined) {
      generations.move(tunnel, deployment)
      return 0
    }
    const lost = driver.updates().filter(({ session }) => session.tunnel.key === tunnel.key).length
    log.info({ tunnel: tunnel.key, why }, 'the config lets this tunnel in no more; it ends')
    const reason = { cause: 'admin-reset', text: why } as const
    driver.act(now => endpoint.closeTunnel(now, tunnel.key, reason))
    return lost
  }

  async #refusal(
    hooks: ReturnType<Generation['host']['hooksOf']>,
    { tunnel }: { readonly tunnel: TunnelInfo },
  ): Promise<string | undefined> {
    const verdict = await hooks.ask('admitTunnel', new Inquiry(), { tunnel })
    return verdict?.kind === 'deny' ? verdict.reason : undefined
  }

  /** What it would be granted, or why it would not be let in. */
  async #judge(
    { session, leases }: SessionUpdate,
    { login }: Binding,
    inquiry: Inquiry,
  ): Promise<Judgement | string> {
    const { current } = this.#parts.generations
    const admitting = current.host.hooksOf(deploymentFor(current, session.tunnel))
    const admitted = await admitting.ask('admitSession', inquiry, readOnly({ session }))
    if (admitted?.kind === 'deny') return admitted.reason
    const deployment = deploymentFor(current, session.tunnel, login?.user)
    const hooks = current.host.hooksOf(deployment)
    let initial: Grant = login?.grant ?? { user: '' }
    let clear = true
    if (login !== undefined) {
      const call = readOnly({ session, user: login.user, grant: login.grant })
      const verdict = await hooks.ask('revalidate', inquiry, call)
      // Whoever let the user in, and still would, but does not say.
      const isSilent =
        hooks.plugins('authenticate').has(login.plugin) && !hooks.plugins('revalidate').has(login.plugin)
      if (verdict?.kind === 'deny') return verdict.reason
      if (verdict === undefined && !isSilent) return 'no plugin knows this user any more'
      if (verdict?.kind === 'accept' && verdict.grant !== undefined)
        initial = { ...verdict.grant, user: login.grant.user }
      clear = verdict?.kind === 'accept'
    }
    const grant = await hooks.refine('authorize', inquiry, initial, readOnly({ session }))
    if ('kind' in grant) return grant.reason
    const nothing = { zone: grant.zone ?? current.defaultZone, rules: [] }
    const policy = await hooks.refine('decidePolicy', inquiry, nothing, readOnly({ session, grant, leases }))
    if ('kind' in policy) return policy.reason
    return { grant, policy, deployment, clear }
  }

  /** Lets the plugins of now take over the leases; why they do not. What they took goes with the session, for they share. */
  async #take({ session, leases }: SessionUpdate, grant: Grant): Promise<string | undefined> {
    const { host } = this.#parts.generations.current
    for (const lease of leases)
      if (!(await host.resumeLease(lease, session, grant)))
        return `${lease.value} is not given to it any more`
    return undefined
  }

  /** It ended while it was looked at: its leases may have been taken after they were released. */
  async #giveUp({ session, leases }: SessionUpdate): Promise<'ended'> {
    const { driver, generations, log } = this.#parts
    const { host } = generations.current
    await driver.book.gone(session.id)
    for (const lease of leases)
      await host
        .releaseLease(lease)
        .catch(error => log.error({ lease, error }, 'a lease could not be released'))
    return 'ended'
  }

  /**
   * Every accounting sink sees a whole session: one that the new generation lacks is told of an end, one that it brings of a
   * start.
   */
  async #move(update: SessionUpdate, from: Binding, deployment: string | undefined): Promise<void> {
    const { generations } = this.#parts
    const before = from.generation.host.hooksOf(from.deployment)
    const after = generations.current.host.hooksOf(deployment)
    const told = readOnly(update)
    const only = (these: ReadonlySet<string>, those: ReadonlySet<string>) =>
      new Set([...these].filter(plugin => !those.has(plugin)))
    const [ending, going] = [before.plugins('sessionDown'), after.plugins('sessionDown')]
    const reason = { cause: 'admin-reset', text: 'a new config without this plugin' } as const
    const came = only(after.plugins('sessionUp'), before.plugins('sessionUp'))
    const letGo = generations.hold(from.generation)
    generations.move(update.session, deployment, from.login)
    this.#parts.moved(update.session, generations.ofSession(update.session))
    // At once, so that neither comes after the end of the session.
    await Promise.all([
      before.tellSome('sessionDown', { ...told, reason }, only(ending, going)),
      after.tellSome('sessionUp', told, came),
    ])
    letGo()
  }

  #end(session: SessionInfo, why: string): 'ended' {
    const { endpoint, driver, log } = this.#parts
    log.info({ user: session.user, id: session.id, why }, 'the config lets this session in no more; it ends')
    driver.act(now => endpoint.hangUp(now, session.key, { cause: 'admin-reset', text: why }))
    return 'ended'
  }
}
