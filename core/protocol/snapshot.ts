/** Plain state as JSON and back. Byte strings, big integers and maps, which JSON lacks, are tagged. */

/** Plain data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

const BYTES = '$bytes'
const BIGINT = '$bigint'
const MAP = '$map'

export function toJson(value: unknown): Json {
  if (
    value === null ||
    typeof value === 'boolean' ||
    typeof value === 'number' ||
    typeof value === 'string'
  ) {
    return value
  }
  if (typeof value === 'bigint') return { [BIGINT]: value.toString() }
  if (value instanceof Uint8Array) return { [BYTES]: Buffer.from(value).toString('hex') }
  if (value instanceof Map) return { [MAP]: [...value].map(([key, item]) => [toJson(key), toJson(item)]) }
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object') throw new TypeError(`state holds a ${typeof value}`)
  const out: Record<string, Json> = {}
  for (const [key, item] of Object.entries(value)) if (item !== undefined) out[key] = toJson(item)
  return out
}

/** The inverse; the caller names the type that it wrote. */
export function fromJson<T>(json: Json): T {
  return revive(json) as T
}

function revive(json: Json): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (isList(json)) return json.map(revive)
  const { [BYTES]: bytes, [BIGINT]: bigint, [MAP]: map } = json
  if (typeof bytes === 'string') return new Uint8Array(Buffer.from(bytes, 'hex'))
  if (typeof bigint === 'string') return BigInt(bigint)
  if (map !== undefined && typeof map === 'object' && map !== null && isList(map)) {
    return new Map(map.map(entry => revive(entry) as [unknown, unknown]))
  }
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, revive(item)]))
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json)
}
