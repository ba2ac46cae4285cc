/** Keeps what sessions have been told and what the kernel keeps to the same, while routes of the host change. */
import type { Clock, Logger, ServerView, SessionInfo, TimerHandle } from 'burrow'
import type { Zone } from './config.ts'
import { hasInterfaces, isRouted, KeptWays, routedBy } from './interfaces.ts'
import type { Routed, Zones } from './zones.ts'

/** A session that was decided on, and has not come up since, never will. */
const UNUSED_MS = 300_000
const LOOK_MS = 1000

interface Parts {
  readonly zones: Readonly<Record<string, Zone>>
  readonly server: ServerView
  readonly clock: Clock
  readonly log: Logger
  /** Throws where it cannot be. */
  readonly read: (routed: Routed) => Zones
  /** What counts from then on for who is decided on. */
  readonly adopt: (zones: Zones) => void
}

export class FollowedZones {
  readonly #parts: Parts
  readonly #kept: KeptWays
  readonly #live = new Set<string>()
  /** By SessionInfo.id of those that are not up yet: by which reading of the routes they have rules, and since when. The oldest first. */
  readonly #pending = new Map<string, { readonly reading: number; readonly at: number }>()
  #reading = 0
  #shown: string | undefined
  #watching: { stop(): void } | undefined
  #timer: TimerHandle | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#kept = new KeptWays(parts.server.interfaces)
  }

  get isNeeded(): boolean {
    return hasInterfaces(this.#parts.zones)
  }

  async start(): Promise<void> {
    const { zones, server } = this.#parts
    if (!this.isNeeded) return
    if (!isRouted(zones)) return this.#take(new Map())
    this.#watching = await server.interfaces.followReach(reach => this.#take(routedBy(zones, reach)))
  }

  async stop(): Promise<void> {
    this.#watching?.stop()
    this.#timer?.cancel()
    if (this.isNeeded) await this.#kept.release()
  }

  /** It has been given rules by what is known now. */
  decided({ id }: SessionInfo): void {
    if (!this.isNeeded || this.#live.has(id)) return
    this.#forgetOld()
    this.#pending.delete(id)
    this.#pending.set(id, { reading: this.#reading, at: this.#parts.clock.now() })
  }

  /** What changed between its rules and now counts for it, too. */
  async up({ id, key }: SessionInfo): Promise<void> {
    if (!this.isNeeded) return
    this.#live.add(id)
    if ((this.#pending.get(id)?.reading ?? this.#reading) !== this.#reading) await this.#again(key)
    this.#pending.delete(id)
  }

  down({ id }: SessionInfo): void {
    this.#live.delete(id)
    this.#pending.delete(id)
  }

  async #take(routed: Routed): Promise<void> {
    const shown = JSON.stringify([...routed])
    if (shown === this.#shown) return
    const { server, log } = this.#parts
    const isFirst = this.#shown === undefined
    const next = this.#parts.read(routed)
    const ways = next.ways()
    // Sessions are told before the kernel lets through what they have to know of; until then it passes nowhere.
    if (ways !== undefined) await this.#kept.narrow(ways)
    this.#parts.adopt(next)
    this.#reading++
    this.#shown = shown
    if (isFirst) return
    const sessions = server.sessions()
    log.info({ sessions: sessions.length }, 'other addresses are routed over interfaces of zones')
    for (const { session } of sessions) await this.#again(session.key)
    await this.#widen()
  }

  async #again(key: string): Promise<void> {
    const outcome = await this.#parts.server.regrant(key, {})
    if (typeof outcome === 'object')
      await this.#parts.server.endSession(key, 'admin-reset', outcome.denied).catch(error => {
        this.#parts.log.error({ error, key }, 'a session that may not stay did not end')
      })
  }

  /** When nobody may come up with rules of the past any more. */
  async #widen(): Promise<void> {
    const { clock, log } = this.#parts
    this.#timer?.cancel()
    this.#timer = undefined
    if (!this.#kept.isNarrow) return
    this.#forgetOld()
    const isStale = [...this.#pending.values()].some(({ reading }) => reading !== this.#reading)
    if (!isStale) return this.#kept.widen()
    this.#timer = clock.setTimer(LOOK_MS, () =>
      this.#widen().catch(error => log.error({ error }, 'the kernel still keeps to zones of before')),
    )
  }

  #forgetOld(): void {
    const tooOld = this.#parts.clock.now() - UNUSED_MS
    for (const [id, { at }] of this.#pending) {
      if (at >= tooOld) return
      this.#pending.delete(id)
    }
  }
}
