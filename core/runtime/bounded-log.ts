import type { Clock, LogFields, Logger, TimerHandle } from '../ports.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

interface Window {
  readonly level: Level
  lines: number
  suppressed: number
  last: LogFields
  readonly timer: TimerHandle
}

/** How much gets through. */
export interface BoundedLogOptions {
  /** How long lines of one kind are counted together. */
  readonly windowMs: number
  /** Lines of one kind that a window lets through before it only counts. */
  readonly linesPerWindow: number
}

const DEFAULTS: BoundedLogOptions = { windowMs: 10_000, linesPerWindow: 5 }
/** Kinds come from closed sets; the cap guards against one that does not. */
const MOST_KINDS = 256

/** Lines whose rate a peer could drive: the first few lines of each kind at once, then one line with a count. */
export class BoundedLog {
  readonly #windows = new Map<string, Window>()
  readonly #counts = new Map<string, number>()
  readonly #log: Logger
  readonly #clock: Clock
  readonly #options: BoundedLogOptions

  constructor(log: Logger, clock: Clock, options: BoundedLogOptions = DEFAULTS) {
    this.#log = log
    this.#clock = clock
    this.#options = options
  }

  /** `kind` is the whole message but for its particulars, which go into `fields`. */
  debug(kind: string, fields: LogFields): void {
    this.#line('debug', kind, fields)
  }

  /** As `debug`, at its own level. */
  info(kind: string, fields: LogFields): void {
    this.#line('info', kind, fields)
  }

  /** As `debug`, at its own level. */
  warn(kind: string, fields: LogFields): void {
    this.#line('warn', kind, fields)
  }

  /** As `debug`, at its own level. */
  error(kind: string, fields: LogFields): void {
    this.#line('error', kind, fields)
  }

  #line(level: Level, kind: string, fields: LogFields): void {
    const count = this.#counts.get(kind)
    if (count === undefined && this.#counts.size === MOST_KINDS) return
    this.#counts.set(kind, (count ?? 0) + 1)
    const window = this.#windows.get(kind) ?? this.#open(level, kind, fields)
    window.last = fields
    if (window.lines < this.#options.linesPerWindow) {
      window.lines++
      this.#log[level](fields, kind)
    } else {
      window.suppressed++
    }
  }

  /** How often each kind happened since the start. */
  counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  /** Says what is still only counted, and disarms every timer. */
  close(): void {
    for (const [kind, window] of this.#windows) {
      window.timer.cancel()
      this.#summarise(kind, window)
    }
    this.#windows.clear()
  }

  #open(level: Level, kind: string, last: LogFields): Window {
    const timer = this.#clock.setTimer(this.#options.windowMs, () => {
      const window = this.#windows.get(kind)
      this.#windows.delete(kind)
      if (window !== undefined) this.#summarise(kind, window)
    })
    const window = { level, lines: 0, suppressed: 0, last, timer }
    this.#windows.set(kind, window)
    return window
  }

  #summarise(kind: string, { level, suppressed, last }: Window): void {
    if (suppressed === 0) return
    const { windowMs } = this.#options
    this.#log[level](
      { ...last, times: suppressed },
      `${kind}, ${suppressed} times more in ${windowMs / 1000} s`,
    )
  }
}
