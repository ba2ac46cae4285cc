/** The attributes of each record (RFC 2866 5, RFC 2869 5), but for Acct-Delay-Time. */
import {
  type EndCause,
  type FlowCounters,
  type Grant,
  type Lease,
  MOST_RADIUS_VALUE_BYTES,
  type RadiusAttribute,
  type RadiusClient,
  type RadiusValue,
  radiusText,
  type SessionDown,
  type SessionUp,
  type SessionUpdate,
} from 'burrow'
import { TERMINATE_CAUSES } from './causes.ts'
import type { AccountingRecord, RecordEvent } from './record.ts'

export type Told =
  | ({ readonly event: 'start' } & SessionUp)
  | ({ readonly event: 'interim' } & SessionUpdate)
  | ({ readonly event: 'stop' } & SessionDown)

const STATUS_TYPES: Readonly<Record<RecordEvent, string>> = {
  start: 'Start',
  interim: 'Interim-Update',
  stop: 'Stop',
  on: 'Accounting-On',
  off: 'Accounting-Off',
}
/** Integers are of 32 bits; what octets have beyond stands in the Gigawords. */
const WORD = 2n ** 32n
/** Whatever else a record says, it fits a packet of 4096 octets beside them. */
const MOST_CLASS_OCTETS = 2048
const ATTRIBUTE_HEADER_OCTETS = 2

/** Each name once. */
type Attributes = Readonly<Record<string, RadiusValue>>

/** What is told of a session. Text of a peer stays what it is. */
export function sessionRecord(told: Told, radius: RadiusClient, atMs: number): AccountingRecord {
  const { event, session, grant } = told
  const own: Attributes = {
    ...statusOf(event, atMs),
    'Acct-Session-Id': session.id,
    'User-Name': radiusText(grant.user),
    'Service-Type': 'Framed-User',
    'Framed-Protocol': 'PPP',
    ...framedBy(told),
    ...chargedTo(grant),
    ...authenticOf(grant),
    ...(told.event === 'start' ? {} : usageOf(told.counters, told.durationMs)),
    ...(told.event === 'stop' ? terminateCause(told.reason.cause) : {}),
  }
  const common = radius
    .sessionAttributes(session)
    .filter(({ name }) => !Object.hasOwn(own, name) && name !== 'Class')
  return { event, session: session.id, atMs, attributes: [...listOf(own), ...classesOf(grant), ...common] }
}

/** What is told of the whole server (RFC 2866 5.1). */
export function serverRecord(event: 'on' | 'off', radius: RadiusClient, atMs: number): AccountingRecord {
  const own = statusOf(event, atMs)
  return { event, atMs, attributes: [...listOf(own), ...radius.nasAttributes] }
}

/** The Stop of a session of which nothing is known beyond its last record: it counts as ended with that. */
export function stopAfter({ session, atMs, attributes }: AccountingRecord, cause: string): AccountingRecord {
  const own: Attributes = {
    'Acct-Status-Type': STATUS_TYPES.stop,
    'Acct-Terminate-Cause': cause,
  }
  const usage = usageOf({ packetsIn: 0n, octetsIn: 0n, packetsOut: 0n, octetsOut: 0n }, 0)
  const known = new Set(attributes.map(({ name }) => name))
  return {
    event: 'stop',
    ...(session === undefined ? {} : { session }),
    atMs,
    attributes: [
      ...listOf(own),
      ...attributes.filter(({ name }) => !Object.hasOwn(own, name)),
      ...listOf(usage).filter(({ name }) => !known.has(name)),
    ],
  }
}

/** How long its sender has tried to be rid of it (RFC 2866 5.2). */
export function delayTime({ atMs }: AccountingRecord, nowMs: number): RadiusAttribute {
  return { name: 'Acct-Delay-Time', value: wholeSeconds(Math.max(0, nowMs - atMs)) }
}

/** RFC 2865 5.8, RFC 3162 2.3, RFC 4818 3. A peer that does without IPv4 has no address. */
function framedBy({ network: { peerAddress }, leases }: SessionUp): Attributes {
  const prefix = (name: string, wanted: Lease['kind']): Attributes =>
    Object.fromEntries(leases.flatMap(({ kind, value }) => (kind === wanted ? [[name, value]] : [])))
  return {
    ...(peerAddress === '0.0.0.0' ? {} : { 'Framed-IP-Address': peerAddress }),
    ...prefix('Framed-IPv6-Prefix', 'ipv6-prefix'),
    ...prefix('Delegated-IPv6-Prefix', 'delegated-prefix'),
  }
}

const wholeSeconds = (ms: number) => Math.floor(ms / 1000)

function statusOf(event: RecordEvent, atMs: number): Attributes {
  return { 'Acct-Status-Type': STATUS_TYPES[event], 'Event-Timestamp': wholeSeconds(atMs) }
}

/** RFC 4372 2.1: as the server gave it. */
function chargedTo({ chargeableIdentity }: Grant): Attributes {
  const value = octetsOf(chargeableIdentity)
  return value === undefined ? {} : { 'Chargeable-User-Identity': value }
}

/** In their order, those that an attribute holds; beyond what one record carries of them there are no more. */
export function classesOf({ classes = [] }: Grant): readonly RadiusAttribute[] {
  let octets = 0
  return classes.flatMap(hex => {
    const value = octetsOf(hex)
    if (value === undefined) return []
    octets += ATTRIBUTE_HEADER_OCTETS + value.length
    return octets > MOST_CLASS_OCTETS ? [] : [{ name: 'Class', value }]
  })
}

/** Undefined for none (RFC 2865 5: an attribute holds an octet at least), and for more than an attribute holds. */
function octetsOf(hex = ''): Uint8Array | undefined {
  const value = new Uint8Array(Buffer.from(hex, 'hex'))
  return value.length > 0 && value.length <= MOST_RADIUS_VALUE_BYTES ? value : undefined
}

/** Only a RADIUS server gives a Class; who else may have authenticated a user is not known here. */
function authenticOf({ classes = [] }: Grant): Attributes {
  return classes.length > 0 ? { 'Acct-Authentic': 'RADIUS' } : {}
}

function usageOf(counters: Omit<FlowCounters, 'drops'>, durationMs: number): Attributes {
  const { octetsIn, octetsOut, packetsIn, packetsOut } = counters
  return {
    'Acct-Session-Time': wholeSeconds(durationMs),
    'Acct-Input-Octets': Number(octetsIn % WORD),
    'Acct-Input-Gigawords': Number(octetsIn / WORD),
    'Acct-Input-Packets': Number(packetsIn % WORD),
    'Acct-Output-Octets': Number(octetsOut % WORD),
    'Acct-Output-Gigawords': Number(octetsOut / WORD),
    'Acct-Output-Packets': Number(packetsOut % WORD),
  }
}

const terminateCause = (cause: EndCause): Attributes => ({ 'Acct-Terminate-Cause': TERMINATE_CAUSES[cause] })

const listOf = (attributes: Attributes): readonly RadiusAttribute[] =>
  Object.entries(attributes).map(([name, value]) => ({ name, value }))
