import { existsSync, writeFileSync } from 'node:fs'
import { BurrowError } from '../../errors.ts'
import type { TunNetwork, Undo } from './kernel.ts'
import { checkedPrefix, ipBatch, ipShow } from './kernel-ip.ts'

/** Enough for a burst of many connections; the default of 500 is a modem's. */
const QUEUE_PACKETS = 1000
const DEFAULT_ROUTE = '0.0.0.0/0'
const HALVES = ['0.0.0.0/1', '128.0.0.0/1']

export async function configureTun(
  name: string,
  { address, peer, mtuBytes, routes }: TunNetwork,
): Promise<void> {
  // Nothing carries IPv6 yet, and router solicitations would be counted as drops.
  const ipv6 = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`
  if (existsSync(ipv6)) writeFileSync(ipv6, '1')
  const ends =
    peer === undefined
      ? checkedPrefix(address)
      : `${checkedPrefix(address).replace('/32', '')} peer ${checkedPrefix(peer)}`
  await ipBatch([
    `addr add ${ends} dev ${name}`,
    `link set dev ${name} mtu ${mtuBytes} txqueuelen ${QUEUE_PACKETS} up`,
    ...routes.flatMap(halves).map(prefix => `route add ${prefix} dev ${name}`),
  ])
}

export async function addRoutes(tunName: string, prefixes: readonly string[]): Promise<void> {
  await ipBatch(prefixes.flatMap(halves).map(prefix => `route add ${prefix} dev ${tunName}`))
}

export async function deleteRoutes(tunName: string, prefixes: readonly string[]): Promise<void> {
  await ipBatch(prefixes.flatMap(halves).map(prefix => `route del ${prefix} dev ${tunName}`))
}

export async function pinHostRoute(remote: string): Promise<Undo> {
  const host = checkedPrefix(remote)
  const [way] = await ipShow('route', 'get', remote)
  if (way?.dev === undefined) throw new BurrowError('NETWORK_SETUP', `there is no route to ${remote}`)
  const pinned = await ipShow('route', 'show', 'exact', host)
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
  return checked === DEFAULT_ROUTE ? HALVES : [checked]
}
