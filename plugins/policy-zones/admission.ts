/** The rules to zone local: who may speak L2TP to which address of this host. */
import type { AdmitVerdict, Path } from 'burrow'
import { LOCAL, type Rule } from './config.ts'
import type { Zones } from './zones.ts'

/** Undefined: permitted as far as we are concerned, the next plugin may still object. */
export function admit(
  rules: readonly Rule[],
  zones: Zones,
  { remote, local }: Path,
): AdmitVerdict | undefined {
  const zone = zones.zoneOf(remote.address)
  const match = rules.find(
    ({ from, to, source, destination, ports }) =>
      to === LOCAL &&
      from === zone &&
      zones.lists(source, remote.address) &&
      zones.lists(destination, local.address) &&
      (ports?.some(port => port.from <= local.port && local.port <= port.to) ?? true),
  )
  if (match?.action === 'permit') return undefined
  const why = match === undefined ? `no rule from ${zone} to local permits` : `rule "${nameOf(match)}" denies`
  return { kind: 'deny', reason: `${why} L2TP from ${remote.address} to ${local.address}:${local.port}` }
}

export const nameOf = ({ name, from, to }: Rule): string => name ?? `${from} to ${to}`
