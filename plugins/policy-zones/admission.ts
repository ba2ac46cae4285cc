/** The rules to zone local, from where no sessions are: who may speak L2TP to which address of this host. */
import type { Path } from 'burrow'
import type { NamedRule } from './config.ts'
import type { Zones } from './zones.ts'

/** The rule that decides, and why there is none. */
export interface Admission {
  readonly rule: NamedRule | undefined
  readonly permitted: boolean
  readonly reason: string
}

/** `rules`: those that count now. */
export function admit(rules: readonly NamedRule[], zones: Zones, { remote, local }: Path): Admission {
  const zone = zones.zoneOf(remote.address)
  const rule = rules.find(
    ({ from, source, destination, service }) =>
      from === zone &&
      zones.lists(source, remote.address) &&
      zones.lists(destination, local.address) &&
      (service?.some(one => hasPort(one.applications, local.port)) ?? true),
  )
  const permitted = rule?.action === 'permit'
  const why =
    rule === undefined
      ? `no rule from ${zone} to local permits`
      : `rule "${rule.name}" ${permitted ? 'permits' : 'denies'}`
  const reason = `${why} L2TP from ${remote.address} to ${local.address}:${local.port}`
  return { rule, permitted, reason }
}

type Applications = NonNullable<NamedRule['service']>[number]['applications']

const hasPort = (applications: Applications, port: number): boolean =>
  applications?.some(
    ({ destinationPorts }) => destinationPorts?.some(({ from, to }) => from <= port && port <= to) ?? true,
  ) === true
