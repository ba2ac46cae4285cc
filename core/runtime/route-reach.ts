/** Which addresses a routing table sends over which interface: the longest prefix decides. */
import type { Prefix } from '../flow.ts'
import type { InterfaceReach } from '../plugin/interfaces.ts'
import { ipv6BlockOf } from '../plugin/ipv6-blocks.ts'
import { prefixesWithout } from '../plugin/prefix-lists.ts'
import { parseIpv4 } from '../wire/ip.ts'

/** A route of the main table. */
export interface KernelRoute {
  readonly prefix: Prefix
  readonly metric: number
  /** None: it goes nowhere (`blackhole`, `prohibit`, ...). */
  readonly hops: readonly {
    readonly device: string
    /** As `ip route` takes it: `via 192.0.2.1`; empty for what is on the link. */
    readonly via: string
  }[]
}

/** The route as far as no longer prefix takes from it. */
export interface EffectiveRoute extends KernelRoute {
  readonly effective: readonly Prefix[]
}

interface Numbered {
  route: KernelRoute
  readonly first: bigint
  readonly last: bigint
  readonly holes: Prefix[]
}

/** In time that grows with the number of routes alone: each is a hole of the one around it. */
export function effectiveRoutes(routes: readonly KernelRoute[]): readonly EffectiveRoute[] {
  return ([4, 6] as const).flatMap(family => {
    const sorted = routes
      .flatMap(route => numbered(route, family))
      .sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last) || a.route.metric - b.route.metric)
    const kept: Numbered[] = []
    const around: Numbered[] = []
    for (const one of sorted) {
      const before = kept.at(-1)
      if (before?.first === one.first && before.last === one.last) {
        // The same prefix with a higher metric is never taken; with the same, either may be.
        if (before.route.metric === one.route.metric)
          before.route = { ...before.route, hops: [...before.route.hops, ...one.route.hops] }
        continue
      }
      while ((around.at(-1)?.last ?? one.last) < one.first) around.pop()
      around.at(-1)?.holes.push(one.route.prefix)
      around.push(one)
      kept.push(one)
    }
    return kept.map(({ route, holes }) => ({ ...route, effective: prefixesWithout([route.prefix], holes) }))
  })
}

/** What is routed over several interfaces is behind each of them. */
export function reachOf(routes: readonly KernelRoute[]): InterfaceReach {
  const reach: Record<string, Prefix[]> = {}
  for (const { hops, effective } of effectiveRoutes(routes))
    for (const device of new Set(hops.map(hop => hop.device))) {
      reach[device] ??= []
      reach[device].push(...effective)
    }
  return reach
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

function numbered(route: KernelRoute, family: 4 | 6): readonly Numbered[] {
  const { address, length } = route.prefix
  const bits = family === 4 ? 32 : 128
  const first = family === 4 ? parseIpv4(address) : ipv6BlockOf(route.prefix)?.first
  if (first === undefined) return []
  const start = typeof first === 'bigint' ? first : BigInt(first >>> 0)
  return [{ route, first: start, last: start + (1n << BigInt(bits - length)) - 1n, holes: [] }]
}
