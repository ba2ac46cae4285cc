import { isSecretKey } from '../plugin/secret-key.ts'

/** A copy in which no secret stands. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, isSecretKey(key) ? '***' : masked(item)]),
  )
}
