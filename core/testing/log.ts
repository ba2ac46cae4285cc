import type { LogFields, Logger } from '../ports.ts'

/** One line of a log. */
export interface LoggedLine {
  /** As it was logged. */
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** As it was logged. */
  readonly message: string
  /** With those of the parents of a child logger. */
  readonly fields: LogFields
}

/**
 * A logger that keeps what it is told, at every level.
 *
 *     const { log, lines } = memoryLog()
 */
export function memoryLog(): {
  /** To log with. */
  readonly log: Logger
  /** What was logged by now, and grows. */
  readonly lines: readonly LoggedLine[]
} {
  const lines: LoggedLine[] = []
  const make = (bound: LogFields): Logger => {
    const at = (level: LoggedLine['level']) => (fields: LogFields, message: string) => {
      lines.push({ level, message, fields: { ...bound, ...fields } })
    }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: fields => make({ ...bound, ...fields }),
    }
  }
  return { log: make({}), lines }
}
