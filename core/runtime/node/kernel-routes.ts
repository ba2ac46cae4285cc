import { existsSync, writeFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { RouteTables, TunNetwork, TunNetwork6, Undo } from './kernel.ts'
import { checkedPrefix, ipBatch, ipShow } from './kernel-ip.ts'

/** Enough for a burst of many connections; the default of 500 is a modem's. */
const QUEUE_PACKETS = 1000
/** In two halves, so that the host's own default route stays. */
const HALVES = new Map([
  ['0.0.0.0/0', ['0.0.0.0/1', '128.0.0.0/1']],
  ['::/0', ['::/1', '8000::/1']],
])

export async function configureTun(
  name: string,
  { address, peer, mtuBytes, routes, ipv6, tables }: TunNetwork,
): Promise<void> {
  // No address of its own on the device: sessions have a router of their own, and what the kernel would solicit there goes nowhere.
  set(name, 'addr_gen_mode', NO_ADDRESS)
  set(name, 'accept_ra', '0')
  set(name, 'disable_ipv6', ipv6 ? '0' : '1')
  await ipBatch([
    ...(address === undefined ? [] : [`addr add ${endsOf(address, peer)} dev ${name}`]),
    `link set dev ${name} mtu ${mtuBytes} txqueuelen ${QUEUE_PACKETS} up`,
    ...routeCommands('add', name, routes, tables),
  ])
}

function endsOf(address: string, peer: string | undefined): string {
  const own = checkedPrefix(address)
  return peer === undefined ? own : `${own.replace('/32', '')} peer ${checkedPrefix(peer)}`
}

export async function addIpv6(name: string, { address, routes, mtuBytes }: TunNetwork6): Promise<void> {
  set(name, 'mtu', String(mtuBytes))
  await ipBatch([
    `addr add ${checkedPrefix(address)} dev ${name} nodad`,
    ...routes.flatMap(halves).map(prefix => `route add ${prefix} dev ${name}`),
  ])
}

export async function removeIpv6(name: string, { address, routes }: TunNetwork6): Promise<void> {
  const commands = [
    ...routes.flatMap(halves).map(prefix => `route del ${prefix} dev ${name}`),
    `addr del ${checkedPrefix(address)} dev ${name}`,
  ]
  // Each by itself: one that is gone already must not keep the others.
  for (const command of commands) await ipBatch([command]).catch(() => {})
}

/** Documentation/networking/ip-sysctl.rst. */
const NO_ADDRESS = '1'

/** Where the kernel has IPv6. */
function set(device: string, setting: string, value: string): void {
  const file = `/proc/sys/net/ipv6/conf/${device}/${setting}`
  if (existsSync(file)) writeFileSync(file, value)
}

export async function addRoutes(
  tunName: string,
  prefixes: readonly string[],
  tables?: RouteTables,
): Promise<void> {
  await ipBatch(routeCommands('add', tunName, prefixes, tables))
}

export async function deleteRoutes(
  tunName: string,
  prefixes: readonly string[],
  tables?: RouteTables,
): Promise<void> {
  await ipBatch(routeCommands('del', tunName, prefixes, tables))
}

/** Denied first, and for as long as it is permitted to anybody. */
function routeCommands(
  how: 'add' | 'del',
  tunName: string,
  prefixes: readonly string[],
  tables: RouteTables | undefined,
): readonly string[] {
  return prefixes.flatMap(halves).flatMap(prefix => {
    if (tables === undefined) return [`route ${how} ${prefix} dev ${tunName}`]
    const denied = `route ${how} prohibit ${prefix} table ${tables.denied}`
    const permitted = `route ${how} ${prefix} dev ${tunName} table ${tables.permitted}`
    return how === 'add' ? [denied, permitted] : [permitted, denied]
  })
}

export async function pinHostRoute(remote: string): Promise<Undo> {
  const host = checkedPrefix(remote)
  const family = remote.includes(':') ? 6 : 4
  const [way] = await ipShow(family, 'route', 'get', remote)
  if (way?.dev === undefined) throw new BurrowError('NETWORK_SETUP', `there is no route to ${remote}`)
  const pinned = await ipShow(family, 'route', 'show', 'exact', host)
  if (way.type === 'local' || pinned.length > 0) return { undo: async () => {} }
  const route = [host, ...(way.gateway === undefined ? [] : ['via', way.gateway]), 'dev', way.dev].join(' ')
  await ipBatch([`route add ${route}`])
  let undone: Promise<void> | undefined
  return {
    undo() {
      // The device may be gone, and its routes with it.
      undone ??= ipBatch([`route del ${route}`]).catch(() => {})
      return undone
    },
  }
}

function halves(prefix: string): readonly string[] {
  const checked = checkedPrefix(prefix)
  return HALVES.get(checked) ?? [checked]
}
