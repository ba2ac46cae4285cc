/** Texts without the secrets that a config refers to. */
import { BurrowError } from '../errors.ts'

/** Each secret, and what to show in its place. */
export type Hidden = ReadonlyMap<string, string>

/** A shorter secret is hidden only where it is the whole text, or stands in quotes: it may be an everyday word. */
const LEAST_WITHIN = 6

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

/** The error, and those that it carries, with no secret in a message, nor in the name of a plugin. */
export function withoutSecrets(error: BurrowError, hidden: Hidden): BurrowError {
  const { code, message, place, cause, also } = error
  const plugin = place.plugin === undefined ? {} : { plugin: textWithout(place.plugin, hidden) }
  return new BurrowError(
    code,
    textWithout(message, hidden),
    { ...place, ...plugin },
    {
      cause,
      also: also.map(one => withoutSecrets(one, hidden)),
    },
  )
}
