/** One port of a server: what it is asked, in what order and how often, and whether it lives. */
import type {
  BoundedLog,
  Clock,
  Milliseconds,
  RadiusAttribute,
  RadiusMessage,
  Random,
  TimerHandle,
} from 'burrow'
import type { OpenChannel } from './channel.ts'
import type { RadiusCodec } from './codec.ts'
import { Health, type HealthSettings, type HealthState, type ProbeResult } from './health.ts'
import type { Asker, Lane } from './lane.ts'
import { Lanes } from './lanes.ts'
import { nextRetransmitMs, type RetransmissionSettings } from './retransmission.ts'

export interface LinkSettings extends HealthSettings, RetransmissionSettings {
  readonly secret: string
  readonly requireMessageAuthenticator: boolean
  /** MRC: how often a request is sent at most. */
  readonly transmissions: number
  readonly maxInFlight: number
  readonly maxQueued: number
  /** Silent for so long, a connection is probed. */
  readonly keepAliveMs: Milliseconds
}

export interface LinkParts {
  /** For people: the server, and its port. */
  readonly name: string
  readonly settings: LinkSettings
  readonly open: OpenChannel
  /** A connection: nothing is lost on the way, so nothing is sent twice (RFC 6613 2.6.1); it is kept open. */
  readonly stream: boolean
  /** What every Status-Server carries, and how it is encoded. */
  readonly probe: { readonly attributes: readonly RadiusAttribute[]; readonly codec: RadiusCodec }
  readonly clock: Clock
  readonly random: Random
  readonly log: BoundedLog
}

export interface Question {
  readonly codec: RadiusCodec
  readonly code: 'Access-Request' | 'Accounting-Request'
  readonly attributes: readonly RadiusAttribute[]
}

export interface Patience {
  /** MRD: how long an answer may take. */
  readonly timeoutMs: Milliseconds
  /** Whether the asker said so: then the last transmission is waited for, however early it went out. */
  readonly patient: boolean
  readonly signal: AbortSignal | undefined
}

/** `lost`: the connection broke. `dead`: the server, for all that can be seen. */
export type LinkOutcome =
  | { readonly kind: 'reply'; readonly message: RadiusMessage }
  | { readonly kind: 'silent' | 'dead' | 'lost' | 'busy' | 'aborted' | 'stopped' }
  | { readonly kind: 'impossible'; readonly reason: string }

interface Exchange extends Asker {
  readonly patient: boolean
  readonly settle: (outcome: LinkOutcome) => void
  readonly endsAt: Milliseconds
  place: { readonly lane: Lane; readonly identifier: number; readonly at: Milliseconds } | undefined
  transmissions: number
  retransmitMs: Milliseconds | undefined
  timer: TimerHandle | undefined
  isSettled: boolean
}

const IDS_OF_A_LANE = 255

export class Link {
  readonly name: string
  readonly #parts: LinkParts
  readonly #health: Health
  readonly #lanes: Lanes
  readonly #queue = new Set<Exchange>()
  readonly #flying = new Set<Exchange>()
  #keepAlive: TimerHandle | undefined
  #isClosed = false

  constructor(parts: LinkParts) {
    const { name, settings, clock, random, stream } = parts
    this.name = name
    this.#parts = parts
    this.#health = new Health({
      settings,
      clock,
      random,
      probe: () => this.#probe(),
      onState: (state, silentMs) => this.#changed(state, silentMs),
    })
    this.#lanes = new Lanes({
      ...parts,
      ...settings,
      most: Math.ceil(settings.maxInFlight / IDS_OF_A_LANE),
      pauseMs: settings.probeMs,
      onOpen: () => {
        if (stream && !settings.statusServer) this.#health.heard()
        this.#fill()
      },
      onClosed: (lane, reason, wasOpen) => this.#broke(lane, reason, wasOpen),
      onDrop: (reason, fields) => this.#dropped(reason, fields),
    })
  }

  get state(): HealthState {
    return this.#health.state
  }

  get #asked(): number {
    return this.#queue.size + this.#flying.size
  }

  /** Whether a request would go out as soon as there is a way. */
  get hasRoom(): boolean {
    return this.#asked < this.#parts.settings.maxInFlight
  }

  /** Asks whether the server lives, before anybody needs it. */
  start(): void {
    if (this.#keepAlive !== undefined) return
    void this.#health.verify()
    this.#keepAliveLater()
  }

  /** Never rejects. */
  ask(question: Question, patience: Patience): Promise<LinkOutcome> {
    const { clock, settings } = this.#parts
    if (this.#isClosed) return Promise.resolve({ kind: 'stopped' })
    if (patience.signal?.aborted === true) return Promise.resolve({ kind: 'aborted' })
    if (this.#health.state === 'dead') return Promise.resolve({ kind: 'dead' })
    if (this.#asked >= settings.maxInFlight + settings.maxQueued) return Promise.resolve({ kind: 'busy' })
    return new Promise(resolve => {
      const aborted = () => this.#end(exchange, { kind: 'aborted' })
      const exchange: Exchange = {
        codec: question.codec,
        code: question.code,
        attributes: question.attributes,
        patient: patience.patient,
        sent: undefined,
        place: undefined,
        retransmitMs: undefined,
        timer: undefined,
        endsAt: clock.now() + patience.timeoutMs,
        transmissions: 0,
        isSettled: false,
        answered: message => {
          this.#health.heard()
          this.#end(exchange, { kind: 'reply', message })
        },
        settle: outcome => {
          patience.signal?.removeEventListener('abort', aborted)
          resolve(outcome)
        },
      }
      patience.signal?.addEventListener('abort', aborted, { once: true })
      this.#queue.add(exchange)
      this.#fill()
      if (this.#queue.has(exchange)) this.#arm(exchange, patience.timeoutMs)
    })
  }

  /** What is asked, or waits, is `stopped`. */
  close(): void {
    this.#isClosed = true
    this.#health.close()
    this.#keepAlive?.cancel()
    this.#endAll({ kind: 'stopped' })
    this.#lanes.close()
    this.#parts.log.close()
  }

  /** Sends what waits, as far as there are identifiers. */
  #fill(): void {
    const { settings, stream } = this.#parts
    // A connection that broke is opened again by a probe, at its pace.
    const mayOpen = !stream || this.#health.state === 'alive'
    for (const exchange of this.#queue) {
      if (this.#flying.size >= settings.maxInFlight) return
      const lane = this.#lanes.free(mayOpen)
      if (lane === undefined) return
      this.#queue.delete(exchange)
      this.#send(exchange, lane)
    }
  }

  #send(exchange: Exchange, lane: Lane): void {
    const now = this.#parts.clock.now()
    try {
      const identifier = lane.ask(exchange)
      if (identifier === undefined) return void this.#queue.add(exchange)
      exchange.place = { lane, identifier, at: now }
    } catch (error) {
      return this.#end(exchange, { kind: 'impossible', reason: (error as Error).message })
    }
    this.#flying.add(exchange)
    exchange.transmissions = 1
    this.#wait(exchange, now)
  }

  /** Until the next look at it: to send it again, or to see whether the server is silent to all. */
  #wait(exchange: Exchange, now: Milliseconds): void {
    const { random, settings } = this.#parts
    exchange.retransmitMs = nextRetransmitMs(settings, random, exchange.retransmitMs)
    this.#arm(exchange, Math.min(exchange.retransmitMs, exchange.endsAt - now))
  }

  #arm(exchange: Exchange, delayMs: Milliseconds): void {
    exchange.timer?.cancel()
    exchange.timer = this.#parts.clock.setTimer(delayMs, () => this.#look(exchange))
  }

  #look(exchange: Exchange): void {
    const { clock, settings, stream } = this.#parts
    const { place, endsAt, patient, transmissions } = exchange
    if (place !== undefined) this.#health.unanswered(place.at)
    // The server may be taken for dead now, and this be over.
    if (exchange.isSettled) return
    const isSpent = transmissions >= settings.transmissions
    const now = clock.now()
    if (now >= endsAt || (isSpent && !stream && !patient)) return this.#end(exchange, { kind: 'silent' })
    if (!isSpent && !stream) {
      place?.lane.again(exchange)
      exchange.transmissions++
    }
    this.#wait(exchange, now)
  }

  #end(exchange: Exchange, outcome: LinkOutcome): void {
    if (exchange.isSettled) return
    this.#release(exchange)
    exchange.settle(outcome)
    this.#fill()
  }

  #endAll(outcome: LinkOutcome): void {
    this.#endThese([...this.#flying, ...this.#queue], outcome)
  }

  #endThese(exchanges: readonly Exchange[], outcome: LinkOutcome): void {
    for (const exchange of exchanges) this.#release(exchange)
    for (const { settle } of exchanges) settle(outcome)
  }

  #release(exchange: Exchange): void {
    exchange.isSettled = true
    exchange.timer?.cancel()
    this.#queue.delete(exchange)
    if (exchange.place === undefined) return
    this.#flying.delete(exchange)
    exchange.place.lane.release(exchange.place.identifier)
  }

  #broke(lane: Lane, reason: string, wasOpen: boolean): void {
    const { log, stream } = this.#parts
    const what = wasOpen ? 'the way to a RADIUS server broke' : 'there is no way to a RADIUS server'
    log.warn(what, { code: 'RADIUS_CONNECTION', server: this.name, reason })
    const lost = [...this.#flying].filter(({ place }) => place?.lane === lane)
    this.#endThese(lost, { kind: 'lost' })
    if (stream && !this.#lanes.areOpen) this.#health.doubt()
    this.#fill()
  }

  #keepAliveLater(): void {
    const { clock, stream, settings } = this.#parts
    if (!stream) return
    this.#keepAlive = clock.setTimer(settings.keepAliveMs, () => {
      if (this.#health.silentMs >= settings.keepAliveMs) void this.#health.verify()
      this.#keepAliveLater()
    })
  }

  async #probe(): Promise<ProbeResult> {
    const result = await this.#askStatus()
    // What hangs is not waited for again.
    if (result !== 'answered' && this.#health.state === 'dead') this.#lanes.close()
    return result
  }

  async #askStatus(): Promise<ProbeResult> {
    const { settings, clock, stream, probe } = this.#parts
    if (!settings.statusServer && (!stream || this.#lanes.areOpen)) return 'pointless'
    const lane = await this.#lanes.ready(settings.probeMs)
    if (lane === undefined) return 'unreachable'
    if (!settings.statusServer) return 'answered'
    return new Promise(resolve => {
      const timer = clock.setTimer(settings.probeMs, () =>
        resolve(this.#lanes.areOpen ? 'silent' : 'unreachable'),
      )
      lane.ask({
        ...probe,
        code: 'Status-Server',
        sent: undefined,
        answered: () => {
          timer.cancel()
          this.#health.heard()
          resolve('answered')
        },
      })
    })
  }

  #changed(state: HealthState, silentMs: Milliseconds): void {
    const { log } = this.#parts
    const fields = { server: this.name, silentMs: Math.round(silentMs) }
    if (state === 'dead') {
      log.error('a RADIUS server is dead', { code: 'RADIUS_DEAD', ...fields })
      this.#endAll({ kind: 'dead' })
      this.#lanes.close()
    } else if (state === 'zombie') log.info('a RADIUS server is silent; it is probed', fields)
    else log.info('a RADIUS server answers again', fields)
    this.#fill()
  }

  #dropped(reason: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { log } = this.#parts
    const said = { server: this.name, ...fields }
    if (reason === 'missing-message-authenticator')
      log.error(
        'a reply without Message-Authenticator was dropped; an old server needs `requireMessageAuthenticator: false`',
        {
          code: 'RADIUS_NO_MESSAGE_AUTHENTICATOR',
          ...said,
        },
      )
    // The answer to a request that was sent twice, most often.
    else if (reason === 'late') log.debug('a late reply was dropped', said)
    else log.warn(`a reply was dropped: ${reason}`, { code: 'RADIUS_REPLY', ...said })
  }
}
