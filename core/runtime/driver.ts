/**
 * Binds one sans-IO endpoint to the world: datagrams and time in, outputs out in the order in which the core
 * gave them. Nothing that throws here reaches another session.
 */
import type { DataPlane, DataPlaneEvent } from '../dataplane/data-plane.ts'
import { BurrowError } from '../errors.ts'
import { type FlowCounters, NO_COUNTERS } from '../flow.ts'
import type { SessionUp, SessionUpdate } from '../hooks/views.ts'
import type { Clock, LogFields, Logger, Milliseconds, Path, Random, TimerHandle } from '../ports.ts'
import type {
  Answer,
  Ask,
  EndReason,
  Event,
  Lease,
  Output,
  SessionInfo,
  SessionKey,
} from '../protocol/outputs.ts'
import type { BoundedLog } from './bounded-log.ts'
import type { Decisions, Observed } from './decisions.ts'
import { describeDenial, describeDropped, describeEvent, describeIgnored, logStage } from './event-log.ts'
import { FlowInstaller } from './flow-installer.ts'
import { SessionBook } from './session-book.ts'
import { noProgress, type WatchProgress, watchSession } from './session-watch.ts'
import type { Trails } from './trails.ts'

/** What the driver needs of `Endpoint`. */
export interface DrivenEndpoint {
  handleDatagram(now: Milliseconds, path: Path, bytes: Uint8Array): void
  handleTimeout(now: Milliseconds): void
  handleAnswer(now: Milliseconds, answer: Answer): void
  pollOutput(): Output | undefined
  nextTimeout(): Milliseconds | undefined
  hangUp(now: Milliseconds, key: SessionKey, reason: EndReason): void
  shutdown(now: Milliseconds): void
  isQuiet(): boolean
}

export type Trace = (direction: 'in' | 'out', path: Path, bytes: Uint8Array) => void

interface DriverParts {
  readonly endpoint: DrivenEndpoint
  readonly dataPlane: DataPlane
  readonly decisions: Decisions
  /** Absent: one of its own. */
  readonly book?: SessionBook
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Drops, refusals and faults that a peer can cause: it could fill the disk with them. */
  readonly bounded: BoundedLog
  /** Between sessionUpdates, give or take a tenth, where the grant does not say; 0: none. */
  readonly interimIntervalS: (session: SessionInfo) => number
  /** Told of each datagram of the control plane. */
  readonly trace?: Trace
  /** Follows the events; what it knows of a call is logged at its end. */
  readonly trails?: Trails
  /** The data plane failed: nothing is forwarded, and nothing is heard, any more. */
  readonly onDataPlaneDown?: (error: BurrowError) => void
  /** Told of each event after the log, before the observers. */
  readonly onEvent?: (event: Event) => void
}

/** How long `endSession` waits for a session to go: its peer may be dead. */
const END_SESSION_MS = 4000

type SessionUpEvent = Extract<Event, { kind: 'sessionUp' }>
type SessionDownEvent = Extract<Event, { kind: 'sessionDown' }>

interface LiveSession {
  /** With the grant of now. */
  up: SessionUpEvent
  watch: TimerHandle
  readonly upAt: Milliseconds
  readonly progress: WatchProgress
}

export class Driver {
  readonly book: SessionBook
  readonly #parts: DriverParts
  readonly #live = new Map<string, LiveSession>()
  readonly #flows: FlowInstaller
  /** Observers see the events of one session, or one tunnel, one after the other. */
  readonly #told = new Map<string, Promise<void>>()
  readonly #quietWaiters = new Set<() => void>()
  #timer: { readonly at: Milliseconds; readonly handle: TimerHandle } | undefined
  #draining = false
  #closed = false

  constructor(parts: DriverParts) {
    this.#parts = parts
    this.book = parts.book ?? new SessionBook()
    const { dataPlane, log, endpoint } = parts
    this.#flows = new FlowInstaller({
      dataPlane,
      log,
      refused: key =>
        this.#input(now => endpoint.hangUp(now, key, { cause: 'no-resources', text: 'data plane' })),
      removed: answer => this.#input(now => endpoint.handleAnswer(now, answer)),
    })
    dataPlane.onEvent(event => this.#dataPlaneEvent(event))
  }

  /** Runs `input` on the endpoint (a dial, a hang-up, a restored state's first look), then performs what it put out. */
  act<T>(input: (now: Milliseconds) => T): T {
    try {
      return input(this.#parts.clock.now())
    } finally {
      this.#drain()
    }
  }

  /** What has happened so far in each session that is up, as an interim update tells it. */
  updates(wanted: (session: SessionUp) => boolean = () => true): readonly SessionUpdate[] {
    const those = [...this.#live.values()].filter(({ up }) => wanted(up))
    return those.map(({ up, upAt }) => this.#updateOf(up, upAt))
  }

  /** The same of one session; undefined when it is not up. */
  update({ id }: SessionInfo): SessionUpdate | undefined {
    const live = this.#live.get(id)
    return live && this.#updateOf(live.up, live.upAt)
  }

  /** Ends a session; resolves when it is gone and its leases are released, rejects when that takes too long. */
  async endSession(key: SessionKey, cause: 'replaced' | 'admin-reset', text: string): Promise<void> {
    const ended = this.book.ended(key)
    this.#input(now => this.#parts.endpoint.hangUp(now, key, { cause, text }))
    if (!(await this.#within(END_SESSION_MS, ended))) {
      throw new BurrowError('SESSION_STUCK', `the session did not end within ${END_SESSION_MS} ms`, {
        session: key,
      })
    }
  }

  /**
   * Ends every tunnel (or what `end` ends) and waits for acknowledgements, observers and leases; false when `withinMs`
   * was not enough.
   */
  async stop(
    withinMs: Milliseconds,
    end = (now: Milliseconds) => this.#parts.endpoint.shutdown(now),
  ): Promise<boolean> {
    const quiet = new Promise<void>(resolve => this.#quietWaiters.add(resolve))
    this.#input(end)
    const inTime = await this.#within(withinMs, quiet)
    this.#closed = true
    this.#timer?.handle.cancel()
    for (const { watch } of this.#live.values()) watch.cancel()
    return inTime
  }

  #input(input: (now: Milliseconds) => void): void {
    if (this.#closed) return
    this.#guard(() => input(this.#parts.clock.now()))
    this.#drain()
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#parts.bounded.error('internal error; what was being done is lost', {
        error,
      })
    }
  }

  /** Outputs may come back as inputs at once (memory data planes, ready verdicts): the outermost call drains them all. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    let output: Output | undefined
    do {
      output = undefined
      this.#guard(() => {
        output = this.#parts.endpoint.pollOutput()
        if (output !== undefined) this.#perform(output)
      })
    } while (output !== undefined)
    this.#draining = false
    this.#arm()
    this.#wakeIfQuiet()
  }

  #arm(): void {
    const at = this.#closed ? undefined : this.#parts.endpoint.nextTimeout()
    if (at === this.#timer?.at) return
    this.#timer?.handle.cancel()
    this.#timer = undefined
    if (at === undefined) return
    const { clock, endpoint } = this.#parts
    const handle = clock.setTimer(Math.max(0, at - clock.now()), () => {
      this.#timer = undefined
      this.#input(now => endpoint.handleTimeout(now))
    })
    this.#timer = { at, handle }
  }

  #perform(output: Output): void {
    switch (output.kind) {
      case 'transmit':
        this.#trace('out', output.path, output.bytes)
        this.#parts.dataPlane.send(output.path, output.bytes)
        break
      case 'ask':
        this.#ask(output.askId, output.ask)
        break
      case 'withdraw':
        this.#parts.decisions.withdraw(output.askId)
        break
      case 'event':
        this.#event(output.event)
        break
      case 'flow':
        if (output.op === 'upsert') this.#flows.upsert(output.flow, output.policy)
        else this.#flows.remove(output.flowId, output.generation)
    }
  }

  #dataPlaneEvent(event: DataPlaneEvent): void {
    const { endpoint, log } = this.#parts
    switch (event.kind) {
      case 'datagram':
        this.#trace('in', event.path, event.bytes)
        this.#input(now => endpoint.handleDatagram(now, event.path, event.bytes))
        break
      case 'drop': {
        const { reason, flowId, source, destination } = event
        const { level, message, fields } = describeDropped(reason, {
          ...this.#whose(flowId),
          source,
          destination,
          ...(event.rule === undefined ? {} : { rule: event.rule }),
        })
        this.#parts.bounded[level](message, fields)
        break
      }
      case 'permitted': {
        const { rule, flowId, source, destination } = event
        this.#parts.bounded.info('conversation permitted', {
          ...this.#whose(flowId),
          source,
          destination,
          rule,
        })
        break
      }
      case 'stage':
        logStage(event, this.#parts.dataPlane.caps, log)
        if (event.state === 'failed')
          this.#parts.onDataPlaneDown?.(
            new BurrowError(event.code ?? 'DATA_PLANE_DOWN', event.reason ?? event.stage),
          )
    }
  }

  /** The data plane tells of drops at a bounded rate, so that a look at every session is no burden. */
  #whose(flowId: number | undefined): LogFields {
    for (const { up } of this.#live.values())
      if (up.flowId === flowId) return { user: up.grant.user, id: up.session.id }
    return {}
  }

  #trace(...told: Parameters<Trace>): void {
    this.#guard(() => this.#parts.trace?.(...told))
  }

  #ask(askId: number, ask: Ask): void {
    if ('session' in ask) {
      // A name counts only once it is proven: before that, anybody could pose as a live user.
      const { user: _, ...unproven } = ask.session
      const user = 'grant' in ask ? ask.grant.user : this.#live.get(ask.session.id)?.up.grant.user
      this.book.note(user === undefined ? unproven : { ...unproven, user })
    }
    this.#parts.decisions.ask(askId, ask, verdict => {
      if (verdict.kind === 'deny') {
        const { message, fields } = describeDenial(ask, verdict.reason)
        this.#parts.bounded.warn(message, fields)
      } else if (ask.kind === 'assignAddress' && 'lease' in verdict && verdict.lease !== undefined) {
        this.book.hold(ask.session.id, verdict.lease)
      }
      this.#input(now => this.#parts.endpoint.handleAnswer(now, { kind: 'verdict', askId, verdict }))
    })
  }

  #event(event: Event): void {
    this.#parts.onEvent?.(event)
    if (event.kind !== 'drop') this.#logEvent(event)
    switch (event.kind) {
      case 'drop': {
        const { level, message, fields } = describeIgnored(event)
        this.#parts.bounded[level](message, fields)
        break
      }
      case 'tunnelUp':
        void this.#tell(event.tunnel.key, event)
        break
      case 'tunnelMoved':
        this.#tunnelMoved(event)
        break
      case 'tunnelDown':
        void this.#tunnelDown(event)
        break
      case 'sessionUp':
        this.#sessionUp(event)
        break
      case 'sessionChanged':
        this.#sessionChanged(event)
        break
      case 'sessionDown':
        void this.#sessionDown(event)
    }
  }

  #logEvent(event: Exclude<Event, { kind: 'drop' }>): void {
    const { bounded, log, trails } = this.#parts
    const { level, message, fields } = describeEvent(event, trails?.take(event))
    // What never came up costs its peer next to nothing, a tunnel without a secret a few datagrams: their lines are bounded.
    if ('wasUp' in event && !event.wasUp) bounded.warn(message, fields)
    else if ('tunnel' in event && event.tunnel.secretName === undefined) bounded[level](message, fields)
    else log[level](fields, message)
  }

  #sessionUp(event: SessionUpEvent): void {
    const { session, grant } = event
    const upAt = this.#parts.clock.now()
    this.book.note({ ...session, user: grant.user })
    void this.#tell(session.id, event)
    const live = { up: event, upAt, progress: noProgress(upAt) }
    this.#live.set(session.id, { ...live, watch: this.#watch(live) })
  }

  #tunnelMoved({ tunnel }: Extract<Event, { kind: 'tunnelMoved' }>): void {
    for (const live of this.#live.values())
      if (live.up.session.tunnel.key === tunnel.key)
        live.up = { ...live.up, session: { ...live.up.session, tunnel } }
  }

  #sessionChanged({ session, grant }: Extract<Event, { kind: 'sessionChanged' }>): void {
    const live = this.#live.get(session.id)
    if (live === undefined) return
    live.up = { ...live.up, grant }
    live.watch.cancel()
    live.watch = this.#watch(live)
  }

  #watch({ up, upAt, progress }: Omit<LiveSession, 'watch'>): TimerHandle {
    const { session, grant } = up
    const { clock, random, endpoint, interimIntervalS } = this.#parts
    return watchSession({
      clock,
      random,
      grant,
      upAt,
      progress,
      interimIntervalS: interimIntervalS(session),
      counters: () => this.#countersOf(up),
      update: () => {
        // Observers that have not even seen the last event get no backlog; the next update says more.
        if (!this.#told.has(session.id)) void this.#tell(session.id, this.#updateOf(up, upAt))
      },
      end: cause => this.#input(now => endpoint.hangUp(now, session.key, { cause })),
    })
  }

  #countersOf({ flowId }: SessionUpEvent): FlowCounters {
    return this.#parts.dataPlane.readCounters(flowId, 1)[0] ?? NO_COUNTERS
  }

  #updateOf(up: SessionUpEvent, upAt: Milliseconds): Extract<Observed, { kind: 'sessionUpdate' }> {
    const durationMs = this.#parts.clock.now() - upAt
    return { ...up, kind: 'sessionUpdate', counters: this.#countersOf(up), durationMs }
  }

  async #tunnelDown(event: Extract<Event, { kind: 'tunnelDown' }>): Promise<void> {
    if (event.wasUp) await this.#tell(event.tunnel.key, event)
    this.#parts.decisions.over(event.tunnel)
  }

  /** The observers first, so that the Stop record is written before anybody else can get the address. */
  async #sessionDown(event: SessionDownEvent): Promise<void> {
    const live = this.#live.get(event.session.id)
    live?.watch.cancel()
    this.#live.delete(event.session.id)
    if (live !== undefined)
      await this.#tell(event.session.id, {
        ...event,
        grant: event.grant ?? live.up.grant,
        network: live.up.network,
      })
    await Promise.all(event.leases.map(lease => this.#release(lease, event.session)))
    this.book.remove(event.session)
    this.#parts.decisions.over(event.session)
    this.#wakeIfQuiet()
  }

  async #release(lease: Lease, session: SessionInfo): Promise<void> {
    try {
      await this.#parts.decisions.releaseLease(lease, session)
    } catch (error) {
      this.#parts.log.error({ lease, error }, 'a lease could not be released')
    }
  }

  /** Never rejects. */
  #tell(subject: string, event: Observed): Promise<void> {
    const tell = async () => {
      try {
        await this.#parts.decisions.tell(event)
      } catch (error) {
        this.#parts.log.error({ event: event.kind, error }, 'an observer failed')
      }
    }
    const told = (this.#told.get(subject) ?? Promise.resolve()).then(tell).then(() => {
      if (this.#told.get(subject) !== told) return
      this.#told.delete(subject)
      this.#wakeIfQuiet()
    })
    this.#told.set(subject, told)
    return told
  }

  #wakeIfQuiet(): void {
    if (this.#quietWaiters.size === 0) return
    if (this.book.size > 0 || this.#told.size > 0 || !this.#parts.endpoint.isQuiet()) return
    for (const wake of this.#quietWaiters) wake()
    this.#quietWaiters.clear()
  }

  /** Whether `done` resolved in time. */
  #within(ms: Milliseconds, done: Promise<void>): Promise<boolean> {
    return new Promise(resolve => {
      const timer = this.#parts.clock.setTimer(ms, () => resolve(false))
      void done.then(() => {
        timer.cancel()
        resolve(true)
      })
    })
  }
}
