/** What a config comes to, for `burrow check`. */
import type { ErrorPlace } from '../errors.ts'
import type { HookOrder } from '../hooks/hook-set.ts'
import type { Ipv4Range } from '../plugin/addresses.ts'
import type { Deployment } from '../plugin/deployment.ts'
import type { BootReport } from '../plugin/host.ts'
import { rangeText } from '../plugin/ranges.ts'
import { formatIpv4 } from '../wire/ip.ts'
import { masked } from './mask.ts'
import type { ConfigFile } from './server.ts'

export interface PlannedDeployment {
  readonly name: string
  readonly place: ErrorPlace
  /** As in the config; empty: every call. */
  readonly when: Readonly<Record<string, readonly string[]>>
  /** Who is asked in a call of it. */
  readonly hooks: readonly HookOrder[]
}

export type PlannedPlugin = BootReport['plugins'][number] & {
  readonly onUnavailable?: 'reject' | 'next'
  /** What is in force, without secrets. */
  readonly options: unknown
}

export function plannedDeployments(
  { deployments }: ConfigFile,
  report: BootReport,
): readonly PlannedDeployment[] {
  return deployments.map(({ name, place, when }) => ({
    name,
    place,
    when: conditions(when),
    hooks: report.deployments.find(one => one.name === name)?.hooks ?? [],
  }))
}

export function plannedPlugins(
  { plugins, hidden }: ConfigFile,
  report: BootReport,
): readonly PlannedPlugin[] {
  return report.plugins.map(reported => {
    const loaded = plugins.find(({ id }) => id === reported.id)
    const { onUnavailable, options, written } = { onUnavailable: undefined, ...loaded }
    return {
      ...reported,
      ...(onUnavailable === undefined ? {} : { onUnavailable }),
      options: masked(overlaid(options, written), hidden),
    }
  })
}

/** In the words of the file where it says something: a plugin may keep an address as a number. */
function overlaid(below: unknown, above: unknown): unknown {
  if (!isMapping(below) || !isMapping(above)) return above ?? below
  const keys = Object.keys({ ...below, ...above })
  return Object.fromEntries(keys.map(key => [key, overlaid(below[key], above[key])]))
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function conditions({ peer, ...when }: Deployment['when']): Readonly<Record<string, readonly string[]>> {
  return { ...when, ...(peer === undefined ? {} : { peer: peer.map(asWritten) }) }
}

const asWritten = (range: Ipv4Range) =>
  range.prefixLength === undefined || range.prefixLength === 32
    ? rangeText(range)
    : `${formatIpv4(range.first)}/${range.prefixLength}`
