/** What a CoA-Request may change of a live session, as the change of its grant. */
import { type Grant, type GrantChange, type RadiusAttribute, type RadiusValue, radiusRates } from 'burrow'
import type { Options } from './config.ts'
import { type Nak, nak } from './nak.ts'

type Draft = { -readonly [Field in keyof GrantChange]?: GrantChange[Field] }

interface Row {
  /** Puts the value into the draft, or says what it must be. */
  readonly take: (draft: Draft, value: RadiusValue) => string | undefined
}

/** RFC 2869 5.16. */
const LEAST_INTERIM_S = 60

export const CHANGE_ATTRIBUTES: Readonly<Record<string, Row>> = {
  'Filter-Id': {
    take(draft, value) {
      if (typeof value !== 'string' || value === '') return 'the name of a filter'
      if (draft.filter !== undefined && draft.filter !== value) return 'one filter'
      draft.filter = value
      return undefined
    },
  },
  Class: {
    take(draft, value) {
      if (!(value instanceof Uint8Array) || value.length === 0) return 'octets'
      draft.classes = [...(draft.classes ?? []), Buffer.from(value).toString('hex')]
      return undefined
    },
  },
  'Session-Timeout': {
    take(draft, value) {
      // 0 is the end to some and no limit to others: whoever means either can say so.
      if (typeof value !== 'number' || value === 0) return 'at least 1 second'
      draft.sessionTimeoutS = value
      return undefined
    },
  },
  'Idle-Timeout': {
    take(draft, value) {
      if (typeof value !== 'number') return 'a number of seconds'
      draft.idleTimeoutS = value === 0 ? undefined : value
      return undefined
    },
  },
  'Acct-Interim-Interval': {
    take(draft, value) {
      if (typeof value !== 'number' || value < LEAST_INTERIM_S) return `at least ${LEAST_INTERIM_S} seconds`
      draft.interimIntervalS = value
      return undefined
    },
  },
}

/** The change of one session's grant; another session's may differ in its zone. */
export type Change = (grant: Grant) => GrantChange

/** Reads everything that is to be changed. */
export function readChange(
  attributes: readonly RadiusAttribute[],
  options: Pick<Options, 'zones' | 'filterIsZone'>,
): Change | Nak {
  const draft: Draft = {}
  const rates = { up: new Set<number>(), down: new Set<number>() }
  for (const attribute of attributes) {
    const { name, value } = attribute
    const row = Object.hasOwn(CHANGE_ATTRIBUTES, name) ? CHANGE_ATTRIBUTES[name] : undefined
    if (row !== undefined) {
      const expected = row.take(draft, value)
      if (expected !== undefined) return nak('invalidAttributeValue', `${name}: expected ${expected}`)
      continue
    }
    const limits = radiusRates(attribute)
    if (limits === 'unfit') return nak('invalidAttributeValue', `${name}: expected a rate`)
    if (limits === undefined) return nak('unsupportedAttribute', `${name} cannot be changed`)
    for (const direction of ['up', 'down'] as const)
      if (limits[direction] !== undefined) rates[direction].add(limits[direction])
  }
  if (rates.up.size > 0) draft.upRateBps = lowest(rates.up)
  if (rates.down.size > 0) draft.downRateBps = lowest(rates.down)
  if (Object.keys(draft).length === 0) return nak('missingAttribute', 'nothing is to be changed')
  return grant => ({ ...draft, ...zoneChange(grant, draft.filter, options) })
}

/** The lowest of several limits holds; undefined: all of them say that there is none. */
function lowest(limits: ReadonlySet<number>): number | undefined {
  const real = [...limits].filter(limit => limit > 0)
  return real.length === 0 ? undefined : Math.min(...real)
}

/** A zone that the filter before led to goes with that filter. */
function zoneChange(
  { zone, filter }: Grant,
  wanted: string | undefined,
  options: Pick<Options, 'zones' | 'filterIsZone'>,
): Pick<GrantChange, 'zone'> {
  if (wanted === undefined) return {}
  const next = zoneOf(wanted, options)
  if (next !== undefined) return { zone: next }
  return filter !== undefined && zoneOf(filter, options) === zone ? { zone: undefined } : {}
}

function zoneOf(
  filter: string,
  { zones, filterIsZone }: Pick<Options, 'zones' | 'filterIsZone'>,
): string | undefined {
  if (Object.hasOwn(zones, filter)) return zones[filter]
  return filterIsZone ? filter : undefined
}
