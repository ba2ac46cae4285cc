import { pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { LogFields, Logger } from '../../ports.ts'
import { escapeText } from '../../wire/escape.ts'
import { escapeValue } from '../escape.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

interface LoggerOptions {
  readonly level?: LogLevel
  /** `pretty` is for people, `json` for collectors. Default: pretty on a terminal. */
  readonly format?: 'pretty' | 'json'
  /** Where lines go; default standard error, which leaves standard output to a command's own answer. */
  readonly write?: (line: string) => void
}

/** Lines are written at once, so that the last one before an exit is not lost. Every text is escaped here. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', format = process.stderr.isTTY ? 'pretty' : 'json' } = options
  const write = options.write ?? standardError()
  const pretty = prettyFactory({
    colorize: options.write === undefined && process.stderr.isTTY && process.stderr.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  const stream = { write: format === 'json' ? write : (line: string) => write(pretty(line)) }
  return wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream))
}

function standardError(): (line: string) => void {
  const out = pino.destination({ fd: 2, sync: true })
  // A reader that went away must not end the service.
  out.on('error', () => {})
  return line => out.write(line)
}

type Level = 'debug' | 'info' | 'warn' | 'error'

function wrap(target: pino.Logger): Logger {
  const at = (level: Level) => (fields: LogFields, message: string) => {
    if (target.isLevelEnabled(level)) target[level](escapeValue(fields), escapeText(message, 1024))
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: fields => wrap(target.child(escapeValue(fields) as LogFields)),
  }
}
