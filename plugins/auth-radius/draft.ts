/** A grant in the making, and how the value of an attribute gets into it. */
import type { Grant, Prefix, RadiusValue, TunnelInfo } from 'burrow'
import { overlap } from './prefixes.ts'
import type { Rates } from './rates.ts'

/** What a grant depends on beside the accept. */
export interface Circumstances {
  /** The tunnel that the call came through. */
  readonly tunnel: TunnelInfo
  /** Nets that are nobody's to have: our own addresses and the pools. */
  readonly taken: readonly Prefix[]
  /** Security zones by Filter-Id. */
  readonly zones: Readonly<Record<string, string>>
  /** A Filter-Id that is not among them is a zone itself. */
  readonly filterIsZone: boolean
  /** Framed-IP-Netmask routes the net around the address to the user. */
  readonly routesNetmask: boolean
}

type Fields = { -readonly [Field in keyof Omit<Grant, 'user'>]?: Grant[Field] }

export interface Draft extends Fields {
  netmaskLength?: number
  primaryDns?: string
  secondaryDns?: string
  primaryNbns?: string
  secondaryNbns?: string
}

/** Puts a value where it belongs, or says what is wrong with it. */
export type Take = (draft: Draft, value: RadiusValue, circumstances: Circumstances) => string | undefined

/** Reads the value, and puts it into a field. */
export const into =
  <Field extends keyof Draft>(
    field: Field,
    read: (value: RadiusValue) => Draft[Field] | undefined,
    expected: string,
  ): Take =>
  (draft, value) => {
    const found = read(value)
    if (found === undefined) return `is not ${expected}`
    draft[field] = found
    return undefined
  }

/** As `into` where 0 says that there is nothing to set. */
export const unlessZero =
  (take: Take): Take =>
  (draft, value, circumstances) =>
    value === 0 ? undefined : take(draft, value, circumstances)

type ListField = 'dns' | 'dns6' | 'classes' | 'routes'

/** Adds to a list what is not in it yet. */
export function add(draft: Draft, field: ListField, ...values: readonly string[]): undefined {
  draft[field] = [...new Set([...(draft[field] ?? []), ...values])]
}

export function addRoute(draft: Draft, net: Prefix | string, { taken }: Circumstances): string | undefined {
  if (typeof net === 'string') return net
  if (taken.some(other => overlap(net, other))) return 'it has addresses of this host or of a pool'
  return add(draft, 'routes', `${net.address}/${net.length}`)
}

/** The lowest of several limits holds. */
export function limit(draft: Draft, rates: Rates): undefined {
  for (const [field, bps] of Object.entries(rates) as [keyof Rates, number][])
    draft[field] = Math.min(draft[field] ?? Number.POSITIVE_INFINITY, bps)
}

export const takeFilter: Take = (draft, value, { zones, filterIsZone }) => {
  if (typeof value !== 'string' || value === '') return 'is not a name'
  if (draft.filter !== undefined && draft.filter !== value) return 'names another filter than one before'
  draft.filter = value
  const zone = Object.hasOwn(zones, value) ? zones[value] : filterIsZone ? value : undefined
  if (zone !== undefined) draft.zone = zone
  return undefined
}
