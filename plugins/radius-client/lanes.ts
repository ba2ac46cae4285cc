/** The sockets or connections to one port of a server: another where identifiers run out, closed when it is idle. */
import type { Clock, Milliseconds, TimerHandle } from 'burrow'
import { Lane, type LaneParts } from './lane.ts'

export interface LanesParts extends Omit<LaneParts, 'onOpen' | 'onClosed'> {
  readonly clock: Clock
  readonly most: number
  /** After one could not be opened, no other is for so long. */
  readonly pauseMs: Milliseconds
  readonly onOpen: () => void
  /** One broke, or could not be opened. */
  readonly onClosed: (lane: Lane, reason: string, wasOpen: boolean) => void
}

/** One beyond the first that nothing was asked on for so long is closed. */
const IDLE_MS = 60_000

export class Lanes {
  readonly #parts: LanesParts
  readonly #lanes: Lane[] = []
  #opensAt: Milliseconds
  readonly #waiting = new Set<() => void>()
  #timer: TimerHandle | undefined

  constructor(parts: LanesParts) {
    this.#parts = parts
    this.#opensAt = parts.clock.now()
  }

  get areOpen(): boolean {
    return this.#lanes.some(({ isOpen }) => isOpen)
  }

  /** One with a free identifier; where there is none another is opened, and `onOpen` tells. */
  free(mayOpen: boolean): Lane | undefined {
    const { most, clock } = this.#parts
    const found = this.#lanes.find(({ hasFree }) => hasFree)
    const opening = this.#lanes.some(({ isOpen }) => !isOpen)
    if (
      found === undefined &&
      mayOpen &&
      !opening &&
      this.#lanes.length < most &&
      clock.now() >= this.#opensAt
    )
      this.#open()
    return found
  }

  /** One that is open within `ms`; undefined: there is none, and the reason was told. */
  ready(ms: Milliseconds): Promise<Lane | undefined> {
    const open = () => this.#lanes.find(({ isOpen }) => isOpen)
    const found = open()
    if (found !== undefined) return Promise.resolve(found)
    if (this.#lanes.length === 0) this.#open()
    return new Promise(resolve => {
      const tell = () => {
        timer.cancel()
        this.#waiting.delete(tell)
        resolve(open())
      }
      const timer = this.#parts.clock.setTimer(ms, tell)
      this.#waiting.add(tell)
    })
  }

  /** All, as after a server's death: what still comes in on them is not heard. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const lane of this.#lanes.splice(0)) lane.close()
  }

  #open(): void {
    const { clock, pauseMs, onOpen, onClosed } = this.#parts
    const lane: Lane = new Lane({
      ...this.#parts,
      onOpen: () => {
        for (const tell of [...this.#waiting]) tell()
        this.#closeIdleLater()
        onOpen()
      },
      onClosed: (reason, wasOpen) => {
        this.#lanes.splice(this.#lanes.indexOf(lane), 1)
        if (!wasOpen) this.#opensAt = clock.now() + pauseMs
        onClosed(lane, reason, wasOpen)
      },
    })
    this.#lanes.push(lane)
  }

  #closeIdleLater(): void {
    if (this.#lanes.length < 2) return
    this.#timer ??= this.#parts.clock.setTimer(IDLE_MS, () => {
      this.#timer = undefined
      const idle = this.#lanes.slice(1).filter(lane => lane.wasIdle())
      for (const lane of idle) {
        this.#lanes.splice(this.#lanes.indexOf(lane), 1)
        lane.close()
      }
      this.#closeIdleLater()
    })
  }
}
