/** What stands in the spool: records that servers are to be sent, each a line of index and one of attributes, and marks on them. */
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

/** What has become of a record when it is written again; the marks that said so may be gone with an old file. */
export interface RecordState {
  /** 1: a server has it, or needs it no more. */
  readonly done: 0 | 1
  /** 1: a later one of its session is there, or that is over. */
  readonly spent: 0 | 1
}

/** The first line. */
export type Head =
  | ({ readonly kind: 'record'; readonly seq: number } & RecordState & Omit<AccountingRecord, 'attributes'>)
  /** A server has it, or none is to get it any more. */
  | { readonly kind: 'done'; readonly seq: number }
  /** Its session is not remembered any more. */
  | { readonly kind: 'forgotten'; readonly seq: number }

/** 64-bit numbers and octets have no JSON. */
type JsonValue = string | number | { readonly integer: string } | { readonly hex: string }
type JsonAttribute = readonly [name: string, value: JsonValue, tag?: number]

const NEWLINE = 0x0a

export function recordBytes(seq: number, { attributes, ...index }: AccountingRecord): Buffer {
  const head: Head = { kind: 'record', seq, done: 0, spent: 0, ...index }
  return Buffer.from(`${JSON.stringify(head)}\n${JSON.stringify(attributes.map(attributeJson))}`)
}

export function markBytes(kind: 'done' | 'forgotten', seq: number): Buffer {
  return Buffer.from(JSON.stringify({ kind, seq }))
}

/** The first line alone; undefined for what is none of ours. */
export function headOf(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf(NEWLINE)
  try {
    return JSON.parse(bytes.toString('utf8', 0, end === -1 ? bytes.length : end)) as Head
  } catch {
    return undefined
  }
}

/** The whole record; undefined for a mark, and for what is none of ours. */
export function recordOf(bytes: Buffer): AccountingRecord | undefined {
  const head = headOf(bytes)
  if (head?.kind !== 'record') return undefined
  const { kind: _, seq: __, done: ___, spent: ____, ...index } = head
  try {
    const attributes = JSON.parse(bytes.toString('utf8', bytes.indexOf(NEWLINE) + 1)) as JsonAttribute[]
    return { ...index, attributes: attributes.map(attributeOf) }
  } catch {
    return undefined
  }
}

/** The same record in another state; it takes as many octets. */
export function restated(bytes: Buffer, state: RecordState): Buffer {
  const attributes = bytes.subarray(bytes.indexOf(NEWLINE))
  return Buffer.concat([Buffer.from(JSON.stringify({ ...headOf(bytes), ...state })), attributes])
}

function attributeJson({ name, value, tag }: RadiusAttribute): JsonAttribute {
  return tag === undefined ? [name, valueJson(value)] : [name, valueJson(value), tag]
}

function attributeOf([name, value, tag]: JsonAttribute): RadiusAttribute {
  return tag === undefined ? { name, value: plainValue(value) } : { name, value: plainValue(value), tag }
}

function valueJson(value: RadiusValue): JsonValue {
  if (typeof value === 'bigint') return { integer: value.toString() }
  return value instanceof Uint8Array ? { hex: Buffer.from(value).toString('hex') } : value
}

function plainValue(value: JsonValue): RadiusValue {
  if (typeof value !== 'object') return value
  return 'integer' in value ? BigInt(value.integer) : new Uint8Array(Buffer.from(value.hex, 'hex'))
}
