/** Which tunnels an SA carries, and what becomes of those whose SA is gone. */
import type { Clock, Logger, Milliseconds, ServerView, TimerHandle, TunnelInfo } from 'burrow'
import type { Charon } from './charon.ts'
import { Holds } from './holds.ts'

/** SAs of many peers change together; one look is for all of them. */
const TOGETHER_MS = 100

interface TiesParts {
  readonly charon: Charon
  readonly server: ServerView
  readonly clock: Clock
  readonly log: Logger
}

export class Ties {
  /** An SA that is gone may be followed by another for so long. */
  graceMs: Milliseconds = 0
  readonly holds: Holds
  readonly #parts: TiesParts
  /** By tunnel key: those whose SA is gone. */
  readonly #lost = new Map<string, TimerHandle>()
  #soon: TimerHandle | undefined

  constructor(parts: TiesParts) {
    this.#parts = parts
    this.holds = new Holds(parts.charon)
    parts.charon.onChange(() => this.lookSoon())
  }

  close(): void {
    this.#soon?.cancel()
    for (const timer of this.#lost.values()) timer.cancel()
    this.#lost.clear()
  }

  /** SAs or tunnels are others now. */
  lookSoon(): void {
    this.#soon ??= this.#parts.clock.setTimer(TOGETHER_MS, () => {
      this.#soon = undefined
      this.#look()
    })
  }

  #look(): void {
    const { server, clock, log } = this.#parts
    const tied = server.tunnels(({ role, protection }) => role === 'lns' && protection !== undefined)
    const live = new Set(tied.map(({ key }) => key))
    this.holds.keep(live)
    for (const [key, timer] of this.#lost) if (!live.has(key)) this.#found(key, timer)
    for (const tunnel of tied) {
      const timer = this.#lost.get(tunnel.key)
      const sa = this.#saOf(tunnel)
      if (sa !== undefined) {
        if (timer !== undefined) this.#found(tunnel.key, timer)
        if (sa.protection.cipher !== tunnel.protection?.cipher)
          server.protectTunnel(tunnel.key, sa.protection)
      } else if (timer === undefined) {
        const { graceMs } = this
        log.debug({ tunnel: tunnel.key, graceMs }, 'the SA of a tunnel is gone; another may follow')
        this.#lost.set(
          tunnel.key,
          clock.setTimer(graceMs, () => this.#end(tunnel)),
        )
      }
    }
  }

  #found(key: string, timer: TimerHandle): void {
    timer.cancel()
    this.#lost.delete(key)
  }

  /** Its key may be that of another tunnel by now. */
  #end({ key, peerTunnelId }: TunnelInfo): void {
    const { charon, server } = this.#parts
    this.#lost.delete(key)
    const [tunnel] = server.tunnels(one => one.key === key && one.peerTunnelId === peerTunnelId)
    if (tunnel?.protection === undefined || this.#saOf(tunnel) !== undefined) return
    const why = charon.isUp ? 'its IPsec SA is gone' : 'charon is gone, and nobody knows of its IPsec SA'
    server.dropTunnel(key, `${why}, for ${this.graceMs} ms`)
  }

  #saOf({ path, protection }: TunnelInfo) {
    return this.#parts.charon.sas.find(path, protection?.identity)
  }
}
