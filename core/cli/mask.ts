/** Options whose value is a secret; a name of a file or variable is none. */
const SECRET = /(password|passwordhash|secret|key|token)$/i

/** A copy in which no secret stands. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, SECRET.test(key) ? '***' : masked(item)]),
  )
}
