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
import { type Binding, deploymentFor, type Generations } from './generations.ts'
import { askPolicy } from './session-policy.ts'

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

const OTHER_DEPLOYMENT = 'it belongs to another deployment now'

/** Directories are asked about so many at a time. */
const AT_ONCE = 16

interface Judgement {
  readonly grant: Grant
  readonly policy: SessionPolicy
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
    const closed = new Set<string>()
    for (const tunnel of endpoint.tunnels().filter(tunnel => this.#isOlder(tunnel))) {
      const lost = await this.#lookAtTunnel(tunnel)
      if (lost !== undefined) closed.add(tunnel.key)
      count.ended += lost ?? 0
    }
    const sessions = driver
      .updates()
      .filter(({ session }) => this.#isOlder(session) && !closed.has(session.tunnel.key))
    const next = sessions[Symbol.iterator]()
    const worker = async () => {
      for (const update of next) {
        if (!this.#isUp(update.session)) continue
        const outcome = await this.lookAt(update)
        count[outcome]++
        if (outcome === 'unclear') count.stayed++
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return count
  }

  /** One session that is up; nothing is to be looked at where it belongs to the generation of now. */
  async lookAt(update: SessionUpdate): Promise<Outcome> {
    const { endpoint, driver, generations } = this.#parts
    const { session } = update
    const from = generations.ofSession(session)
    if (from.generation === generations.current) return 'stayed'
    const inquiry = new Inquiry()
    const judged = await this.#judge(update, from, inquiry)
    this.#parts.trail(session, inquiry.trail)
    if (typeof judged === 'string') return this.#end(session, judged)
    const unheld = await this.#take(update, judged.grant)
    if (!this.#isUp(session)) return this.#giveUp(update)
    if (unheld !== undefined) return this.#end(session, unheld)
    const { grant, policy, clear } = judged
    if (!driver.act(now => endpoint.regrant(now, session.key, { grant, policy }))) return this.#giveUp(update)
    await this.#move({ ...update, grant }, from)
    return clear ? 'stayed' : 'unclear'
  }

  /** Passes a session that is up to the generation of now without asking whether it may stay: its own has grown too old. */
  async pass(update: SessionUpdate): Promise<Outcome> {
    const { generations } = this.#parts
    const { session, grant } = update
    const from = generations.ofSession(session)
    if (from.generation === generations.current) return 'stayed'
    if (this.#deploymentNow(session, from) !== from.deployment) return this.#end(session, OTHER_DEPLOYMENT)
    const unheld = await this.#take(update, grant)
    if (!this.#isUp(session)) return this.#giveUp(update)
    if (unheld !== undefined) return this.#end(session, unheld)
    await this.#move(update, from)
    return 'stayed'
  }

  passTunnel(tunnel: TunnelInfo): void {
    const { generations } = this.#parts
    generations.move(tunnel, deploymentFor(generations.current, tunnel))
  }

  #isUp(session: SessionInfo): boolean {
    return this.#parts.driver.update(session) !== undefined
  }

  /** Where a login of this user would belong now. */
  #deploymentNow(session: SessionInfo, { login }: Binding): string | undefined {
    return deploymentFor(this.#parts.generations.current, session.tunnel, login?.user)
  }

  #isOlder(subject: TunnelInfo | SessionInfo): boolean {
    const { generations } = this.#parts
    const { generation } =
      'tunnel' in subject ? generations.ofSession(subject) : generations.ofTunnel(subject)
    return generation !== generations.current
  }

  /** How many sessions its end takes along; undefined: it stays. */
  async #lookAtTunnel(tunnel: TunnelInfo): Promise<number | undefined> {
    const { endpoint, driver, generations, log } = this.#parts
    const deployment = deploymentFor(generations.current, tunnel)
    const why = endpoint.hasItsSecret(tunnel.key)
      ? await this.#refusal(tunnel, deployment)
      : 'its tunnel secret has changed'
    if (why === undefined) {
      generations.move(tunnel, deployment)
      return undefined
    }
    const lost = driver.updates().filter(({ session }) => session.tunnel.key === tunnel.key).length
    log.info({ tunnel: tunnel.key, why }, 'the config lets this tunnel in no more; it ends')
    const reason = { cause: 'admin-reset', text: why } as const
    driver.act(now => endpoint.closeTunnel(now, tunnel.key, reason))
    return lost
  }

  async #refusal(tunnel: TunnelInfo, deployment: string | undefined): Promise<string | undefined> {
    const hooks = this.#parts.generations.current.host.hooksOf(deployment)
    const verdict = await hooks.ask('admitTunnel', new Inquiry(), readOnly({ tunnel }))
    return verdict?.kind === 'deny' ? verdict.reason : undefined
  }

  /** What it would be granted, or why it would not be let in. */
  async #judge(
    { session, leases }: SessionUpdate,
    from: Binding,
    inquiry: Inquiry,
  ): Promise<Judgement | string> {
    const { current } = this.#parts.generations
    const { login } = from
    // The users of another deployment are other people, whatever they are called.
    const deployment = this.#deploymentNow(session, from)
    if (deployment !== from.deployment) return OTHER_DEPLOYMENT
    const admitting = current.host.hooksOf(deploymentFor(current, session.tunnel))
    const admitted = await admitting.ask('admitSession', inquiry, readOnly({ session }))
    if (admitted?.kind === 'deny') return admitted.reason
    const hooks = current.host.hooksOf(deployment)
    let initial: Grant = login?.grant ?? { user: '' }
    let clear = true
    if (login !== undefined) {
      const call = readOnly({ session, user: login.user, grant: login.grant })
      const verdict = await hooks.ask('revalidate', inquiry, call)
      // Whoever let the user in, and still would, but does not say; or somebody could not be asked, and passed on.
      const isSilent =
        hooks.plugins('authenticate').has(login.plugin) && !hooks.plugins('revalidate').has(login.plugin)
      const isUnsure = inquiry.trail.some(entry => entry.verdict === 'unavailable')
      if (verdict?.kind === 'deny') return verdict.reason
      if (verdict === undefined && !isSilent && !isUnsure) return 'no plugin knows this user any more'
      if (verdict?.kind === 'accept' && verdict.grant !== undefined)
        initial = { ...verdict.grant, user: login.grant.user }
      clear = verdict?.kind === 'accept'
    }
    const grant = await hooks.refine('authorize', inquiry, initial, readOnly({ session }))
    if ('kind' in grant) return grant.reason
    const serving = { generation: current, deployment }
    const policy = await askPolicy(serving, inquiry, { session, grant, leases })
    if ('kind' in policy) return policy.reason
    return { grant, policy, clear }
  }

  /** Lets the plugins of now take over the leases; why they do not. What they took goes with the session, for they share. */
  async #take({ session, leases }: SessionUpdate, grant: Grant): Promise<string | undefined> {
    const { host } = this.#parts.generations.current
    for (const lease of leases)
      if (!(await host.resumeLease(lease, session, grant)))
        return `${lease.value} is not given to it any more`
    return undefined
  }

  /** It ended while it was looked at: its leases may have been taken after they were released, and go when all of it is gone. */
  #giveUp({ session, leases }: SessionUpdate): 'ended' {
    const { driver, generations, log } = this.#parts
    const { host } = generations.current
    const failed = (error: unknown) => log.error({ leases, error }, 'a lease could not be released')
    void driver.book
      .gone(session.id)
      .then(() => Promise.all(leases.map(lease => host.releaseLease(lease))))
      .catch(failed)
    return 'ended'
  }

  /**
   * Every accounting sink sees a whole session: one that the new generation lacks, or has with other options, is told of an end,
   * one that it brings of a start.
   */
  async #move(update: SessionUpdate, from: Binding): Promise<void> {
    const { generations } = this.#parts
    const [old, now] = [from.generation.host, generations.current.host]
    const [before, after] = [old.hooksOf(from.deployment), now.hooksOf(from.deployment)]
    const told = readOnly(update)
    const isSame = (id: string) => old.fingerprint(id) === now.fingerprint(id)
    const only = (these: ReadonlySet<string>, those: ReadonlySet<string>) =>
      new Set([...these].filter(id => !those.has(id) || !isSame(id)))
    const ended = only(before.plugins('sessionDown'), after.plugins('sessionDown'))
    const came = only(after.plugins('sessionUp'), before.plugins('sessionUp'))
    const reason = {
      cause: 'admin-reset',
      text: 'a new config without this plugin, or with other options',
    } as const
    const letGo = generations.hold(from.generation)
    generations.move(update.session, from.deployment, from.login)
    this.#parts.moved(update.session, generations.ofSession(update.session))
    // At once, so that neither comes after the end of the session.
    await Promise.all([
      before.tellSome('sessionDown', { ...told, reason }, ended),
      after.tellSome('sessionUp', told, came),
    ])
    letGo()
  }

  #end(session: SessionInfo, why: string): 'ended' {
    const { endpoint, driver, log } = this.#parts
    // Its key may be another's by now.
    if (!this.#isUp(session)) return 'ended'
    log.info({ user: session.user, id: session.id, why }, 'the config lets this session in no more; it ends')
    driver.act(now => endpoint.hangUp(now, session.key, { cause: 'admin-reset', text: why }))
    return 'ended'
  }
}
