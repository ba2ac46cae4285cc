import { isSecretKey, withoutUrlPassword } from '../plugin/secret-key.ts'
import { type Hidden, textWithout } from '../runtime/hidden.ts'

const NOTHING: Hidden = new Map()

/** A copy in which no secret stands: none below a key that says so, and none of `hidden`, wherever a schema moved it. */
export function masked(value: unknown, hidden: Hidden = NOTHING): unknown {
  if (Array.isArray(value)) return value.map(item => masked(item, hidden))
  if (typeof value === 'string') return withoutUrlPassword(textWithout(value, hidden))
  if (typeof value !== 'object' || value === null) return hidden.get(String(value)) ?? value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      textWithout(key, hidden),
      isSecretKey(key) ? maskedSecret(item, hidden) : masked(item, hidden),
    ]),
  )
}

/** A reference says only where the secret is. */
function maskedSecret(value: unknown, hidden: Hidden): string {
  const shown = typeof value === 'string' ? (hidden.get(value) ?? value) : ''
  return [...hidden.values()].includes(shown) ? shown : '***'
}
