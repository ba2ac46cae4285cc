/** What stands in the spool: records that servers are to be sent, and marks on them. */
import type { RadiusAttribute, RadiusValue } from 'burrow'

/** Of a session, or of the whole server (`on`, `off`). */
export type RecordEvent = 'start' | 'interim' | 'stop' | 'on' | 'off'

/** What a server is to be told; its Acct-Delay-Time is known only when it is sent. */
export interface AccountingRecord {
  readonly event: RecordEvent
  /** `SessionInfo.id`; of `on` and `off` none. */
  readonly session?: string
  /** Wall time at which it happened, in milliseconds. */
  readonly atMs: number
  readonly attributes: readonly RadiusAttribute[]
}

/** A line of the spool. */
export type SpoolLine =
  | {
      readonly kind: 'record'
      readonly seq: number
      /** 1: it was written again, and by then a server had it, or needed it no more. */
      readonly done: 0 | 1
      /** 1: it was written again, and by then a later one of its session was there, or that was over. */
      readonly spent: 0 | 1
      readonly record: AccountingRecord
    }
  /** A server has it, or none is to get it any more. */
  | { readonly kind: 'done'; readonly seq: number }
  /** Its session is not remembered any more. */
  | { readonly kind: 'forgotten'; readonly seq: number }

/** 64-bit numbers and octets have no JSON. */
type JsonValue = string | number | { readonly integer: string } | { readonly hex: string }
type JsonAttribute = readonly [name: string, value: JsonValue, tag?: number]

export function lineBytes(line: SpoolLine): Buffer {
  if (line.kind !== 'record') return Buffer.from(JSON.stringify(line))
  const { kind, seq, done, spent, record } = line
  const attributes = record.attributes.map(
    ({ name, value, tag }): JsonAttribute => [
      name,
      valueJson(value),
      ...(tag === undefined ? ([] as const) : ([tag] as const)),
    ],
  )
  return Buffer.from(JSON.stringify({ kind, seq, done, spent, record: { ...record, attributes } }))
}

/** Undefined for what is no line of ours. */
export function lineOf(bytes: Buffer): SpoolLine | undefined {
  try {
    const line = JSON.parse(bytes.toString()) as SpoolLine
    if (line.kind !== 'record') return line
    const attributes = line.record.attributes as unknown as readonly JsonAttribute[]
    return {
      ...line,
      record: {
        ...line.record,
        attributes: attributes.map(([name, value, tag]) => ({
          name,
          value: plainValue(value),
          ...(tag === undefined ? {} : { tag }),
        })),
      },
    }
  } catch {
    return undefined
  }
}

function valueJson(value: RadiusValue): JsonValue {
  if (typeof value === 'bigint') return { integer: value.toString() }
  return value instanceof Uint8Array ? { hex: Buffer.from(value).toString('hex') } : value
}

function plainValue(value: JsonValue): RadiusValue {
  if (typeof value !== 'object') return value
  return 'integer' in value ? BigInt(value.integer) : new Uint8Array(Buffer.from(value.hex, 'hex'))
}
