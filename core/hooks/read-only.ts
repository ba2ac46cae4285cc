const SHARED = new WeakSet<object>()

/**
 * A frozen copy of plain data (byte strings apart) that passes through hooks as what it is, uncopied: for rules that many sessions have, which
 * the data plane then compiles once.
 */
export function shared<T extends object>(value: T): T {
  const copy = readOnly(value)
  SHARED.add(copy)
  return copy
}

/** A frozen copy of plain data, for taps: what a plugin does to it reaches neither the core nor the next tap. */
export function readOnly<T>(value: T): T {
  if (typeof value !== 'object' || value === null || SHARED.has(value)) return value
  // The slice of a Buffer is no copy.
  if (value instanceof Uint8Array) return new Uint8Array(value) as T
  if (Array.isArray(value)) return Object.freeze(value.map(readOnly)) as T
  const fields = value as Readonly<Record<string, unknown>>
  const copy: Record<string, unknown> = {}
  // As fast as it gets: no list of entries is made, and a text costs no call.
  for (const key in fields) {
    const item = fields[key]
    copy[key] = typeof item === 'object' ? readOnly(item) : item
  }
  return Object.freeze(copy) as T
}
