/** Texts without the secrets that a config refers to. */
import { BurrowError } from '../errors.ts'
import type { LogFields, Logger } from '../ports.ts'

/** Each secret, and what to show in its place. */
export type Hidden = ReadonlyMap<string, string>

/** A shorter secret is hidden only where it is the whole text, or stands in quotes: it may be an everyday word. */
const LEAST_WITHIN = 6
const DEEPEST = 6

export function textWithout(text: string, hidden: Hidden): string {
  const whole = hidden.get(text)
  if (whole !== undefined) return whole
  // The longest first: one secret may be a part of another.
  const secrets = [...hidden].sort(([a], [b]) => b.length - a.length)
  return secrets.reduce((left, [secret, shown]) => {
    const quoted = JSON.stringify(secret)
    const safe = left.replaceAll(quoted, shown)
    return secret.length < LEAST_WITHIN
      ? safe
      : safe.replaceAll(quoted.slice(1, -1), shown).replaceAll(secret, shown)
  }, text)
}

/** The error, and those that it carries, with no secret in a message, in a stack, nor in the name of a plugin. */
export function withoutSecrets(error: BurrowError, hidden: Hidden): BurrowError {
  if (hidden.size === 0) return error
  const { code, message, place, cause, also } = error
  const plugin = place.plugin === undefined ? {} : { plugin: textWithout(place.plugin, hidden) }
  return new BurrowError(
    code,
    textWithout(message, hidden),
    { ...place, ...plugin },
    {
      cause: valueWithout(cause, hidden),
      also: also.map(one => withoutSecrets(one, hidden)),
    },
  )
}

/** Whatever a plugin threw or logged, as a copy without secrets. */
export function valueWithout(value: unknown, hidden: Hidden, depth = 0): unknown {
  if (typeof value === 'string') return textWithout(value, hidden)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (depth === DEEPEST) return '...'
  if (value instanceof BurrowError) return withoutSecrets(value, hidden)
  const inner = (one: unknown) => valueWithout(one, hidden, depth + 1)
  if (value instanceof Error) {
    const copy = new Error(textWithout(value.message, hidden), { cause: inner(value.cause) })
    copy.stack = value.stack === undefined ? '' : textWithout(value.stack, hidden)
    return copy
  }
  if (Array.isArray(value)) return value.map(inner)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inner(one)]))
}

/** A log of the plugins of one config: whatever they say, no secret that the config refers to is in it. */
export function hidingLog(log: Logger, hidden: Hidden): Logger {
  if (hidden.size === 0) return log
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: LogFields, message: string) =>
    log[level](valueWithout(fields, hidden) as LogFields, textWithout(message, hidden))
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: fields => hidingLog(log.child(fields), hidden),
  }
}
