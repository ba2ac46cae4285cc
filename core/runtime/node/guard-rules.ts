/**
 * Keeps sessions and interfaces to their ways by rules of routing, where nftables cannot be had. Routes to sessions stand in a table that rules let
 * those packets look up that may reach a session; what comes from sessions looks up a copy of the main table without what may not be.
 */
import { existsSync } from 'node:fs'
import type { Prefix } from '../../flow.ts'
import type { InterfaceWays } from '../../plugin/interfaces.ts'
import { prefixesInBoth, prefixesWithout } from '../../plugin/prefix-lists.ts'
import { effectiveRoutes, type KernelRoute } from '../route-reach.ts'
import type { KernelWatch, RouteTables } from './kernel.ts'
import { type IpEntry, ipBatch, ipShow } from './kernel-ip.ts'
import { hopOf, prefixIn, watchRoutes } from './kernel-reach.ts'

type Family = 4 | 6

interface Tables extends RouteTables {
  /** What sessions may reach. */
  readonly outward: number
}

/** After `local`, before `main`: the first that has a route decides. */
const PREF = { ours: 5210, outward: 5215, named: 5220, notNamed: 5230, others: 5240, nobody: 5250 } as const
const EVERY_SOURCE = 2
const FIRST_TABLE = 0x4200_0000

/** Of the device's name, so that several servers of a host have their own. */
function tablesOf(tunName: string): Tables {
  let hash = 0
  for (const character of tunName) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0
  const permitted = FIRST_TABLE + (hash % 0x10_0000) * 4
  return { permitted, denied: permitted + 1, outward: permitted + 2 }
}

/** Rejects with NETWORK_SETUP. */
export async function guardByRules(tunName: string, ways: InterfaceWays, watch: KernelWatch) {
  const tables = tablesOf(tunName)
  let now = ways
  let routes: readonly KernelRoute[] = []
  let last: Promise<unknown> = Promise.resolve()
  /** One after the other; true where something was not as it should be. */
  const settle = (): Promise<boolean> => {
    const settled = last.then(async () => {
      let changed = false
      for (const family of families()) {
        const changes = await differences(family, tunName, tables, now, routes)
        await ipBatch(changes, family)
        changed ||= changes.length > 0
      }
      return changed
    })
    last = settled.catch(() => {})
    return settled
  }
  await removeRuleGuard(tunName)
  const watching = await watchRoutes(watch, async changed => {
    routes = changed
    await settle()
  })
  return {
    tables,
    async change(next: InterfaceWays): Promise<void> {
      now = next
      await settle()
    },
    async mend(): Promise<void> {
      if (await settle())
        watch.log.warn({ tunName }, 'somebody changed the rules of routing; they are installed anew')
    },
    async close(): Promise<void> {
      watching.stop()
      await last
      await removeRuleGuard(tunName)
    },
  }
}

/** Also where a dead server left it behind. */
export async function removeRuleGuard(tunName: string): Promise<void> {
  const tables = tablesOf(tunName)
  for (const family of families()) {
    const rules = await presentRules(family, tables)
    await ipBatch(
      rules.map(rule => `rule del ${rule}`),
      family,
    )
    for (const table of Object.values(tables))
      if ((await shownRoutes(family, table)).length > 0) await ipBatch([`route flush table ${table}`], family)
  }
}

const families = (): readonly Family[] => (existsSync('/proc/sys/net/ipv6') ? [4, 6] : [4])

/** Commands that make it what it should be: what is to be first. */
async function differences(
  family: Family,
  tunName: string,
  tables: Tables,
  ways: InterfaceWays,
  main: readonly KernelRoute[],
): Promise<readonly string[]> {
  const rules = difference(await presentRules(family, tables), wantedRules(family, tunName, tables, ways))
  const present = (await shownRoutes(family, tables.outward)).map(route => routeText(route, family))
  const routes = difference(present, wantedRoutes(family, tunName, ways, main))
  const inTable = (route: string) => `${route} table ${tables.outward}`
  return [
    ...routes.missing.map(route => `route add ${inTable(route)}`),
    ...rules.missing.map(rule => `rule add ${rule}`),
    ...rules.surplus.map(rule => `rule del ${rule}`),
    ...routes.surplus.map(route => `route del ${inTable(route)}`),
  ]
}

function difference(present: readonly string[], wanted: readonly string[]) {
  return {
    missing: wanted.filter(one => !present.includes(one)),
    surplus: present.filter(one => !wanted.includes(one)),
  }
}

function wantedRules(
  family: Family,
  tunName: string,
  tables: Tables,
  { named, others }: InterfaceWays,
): readonly string[] {
  // To the kernel a rule without a source is the same as any with one, so it has a place of its own.
  const permits = (pref: number, list: readonly Prefix[], iif: string) =>
    list
      .filter(({ address }) => address.includes(':') === (family === 6))
      .map(({ address, length }) =>
        length === 0
          ? `pref ${pref + EVERY_SOURCE} ${iif}lookup ${tables.permitted}`
          : `pref ${pref} from ${address}/${length} ${iif}lookup ${tables.permitted}`,
      )
  const devices = Object.entries(named)
  return [
    `pref ${PREF.ours} iif lo lookup ${tables.permitted}`,
    `pref ${PREF.ours} iif ${tunName} lookup ${tables.permitted}`,
    `pref ${PREF.outward} iif ${tunName} lookup ${tables.outward}`,
    ...devices.flatMap(([device, prefixes]) => permits(PREF.named, prefixes, `iif ${device} `)),
    ...devices.map(([device]) => `pref ${PREF.notNamed} iif ${device} lookup ${tables.denied}`),
    ...permits(PREF.others, others, ''),
    `pref ${PREF.nobody} lookup ${tables.denied}`,
  ]
}

/** Of each route that part which may lie behind the interface that it leads over. */
function wantedRoutes(
  family: Family,
  tunName: string,
  { named, others }: InterfaceWays,
  main: readonly KernelRoute[],
): readonly string[] {
  const own = main.filter(({ prefix: { address } }) => address.includes(':') === (family === 6))
  const ways = effectiveRoutes(own).flatMap(({ hops, effective }) => {
    let left = effective
    return hops.flatMap(({ device, via }) => {
      if (device === tunName) return []
      const here = prefixesInBoth(left, named[device] ?? others)
      left = prefixesWithout(left, here)
      return here.map(({ address, length }) =>
        [`${address}/${length}`, ...(via === '' ? [] : [via]), `dev ${device}`].join(' '),
      )
    })
  })
  return [`prohibit ${family === 4 ? '0.0.0.0' : '::'}/0 metric ${LAST_METRIC}`, ...ways]
}

/** After a default route. */
const LAST_METRIC = 0x7fff_ffff

async function presentRules(family: Family, tables: Tables): Promise<readonly string[]> {
  const own = new Set(Object.values(tables).map(String))
  const rules = await ipShow(family, 'rule', 'show')
  return rules
    .filter(({ table }) => own.has(table ?? ''))
    .map(({ priority, src, srclen, iif, table }) =>
      [
        `pref ${priority}`,
        ...(src === undefined || src === 'all' ? [] : [`from ${src}/${srclen ?? (family === 4 ? 32 : 128)}`]),
        ...(iif === undefined ? [] : [`iif ${iif}`]),
        `lookup ${table}`,
      ].join(' '),
    )
}

function routeText(route: IpEntry, family: Family): string {
  const { address, length } = prefixIn(route.dst, family)
  if (route.type !== undefined) return `${route.type} ${address}/${length} metric ${route.metric}`
  const [hop] = hopOf(route)
  return [
    `${address}/${length}`,
    ...(hop === undefined || hop.via === '' ? [] : [hop.via]),
    `dev ${route.dev}`,
  ].join(' ')
}

/** A table that nothing stands in does not exist. */
async function shownRoutes(family: Family, table: number): Promise<readonly IpEntry[]> {
  return ipShow(family, 'route', 'show', 'table', String(table)).catch(error => {
    if (/table does not exist/.test(String(error))) return []
    throw error
  })
}
