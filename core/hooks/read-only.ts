/** A frozen copy of plain data, for taps: what a plugin does to it reaches neither the core nor the next tap. */
export function readOnly<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice() as T
  if (Array.isArray(value)) return Object.freeze(value.map(readOnly)) as T
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) copy[key] = readOnly(item)
  return Object.freeze(copy) as T
}
