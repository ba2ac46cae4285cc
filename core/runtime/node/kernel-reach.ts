/** Interfaces of this host, and what is routed over them. */
import { readFileSync } from 'node:fs'
import type { Prefix } from '../../flow.ts'
import type { TimerHandle } from '../../ports.ts'
import type { KernelRoute } from '../route-reach.ts'
import type { KernelWatch, Watching } from './kernel.ts'
import { type IpHop, ipShow } from './kernel-ip.ts'

const DEFAULT_EVERY_MS = 5000

/** /proc tells of this network namespace; /sys of that in which it was mounted. */
export function interfaces(): readonly string[] {
  return readFileSync('/proc/thread-self/net/dev', 'utf8')
    .split('\n')
    .flatMap(line => /^\s*([^\s|]+):\s/.exec(line)?.[1] ?? [])
}

export async function watchRoutes(
  { clock, log, everyMs = DEFAULT_EVERY_MS }: KernelWatch,
  onChange: (routes: readonly KernelRoute[]) => void | Promise<void>,
): Promise<Watching> {
  let told: string | undefined
  let timer: TimerHandle | undefined
  let stopped = false

  const look = async () => {
    const routes = await readRoutes()
    const text = JSON.stringify(routes)
    if (stopped || text === told) return
    await onChange(routes)
    // What the listener did not take is told again.
    told = text
  }
  const watch = () => {
    timer = clock.setTimer(everyMs, async () => {
      await look().catch(error => log.error({ error }, 'changed routes of this host do not count yet'))
      if (!stopped) watch()
    })
  }

  await look()
  watch()
  return {
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}

const FAMILIES = [
  { family: 4, metric: 0 },
  // IP6_RT_PRIO_USER of the kernel.
  { family: 6, metric: 1024 },
] as const

/** As `ip` shows it: a host without its length. */
export function prefixIn(text = 'default', family: 4 | 6): Prefix {
  if (text === 'default' || text === 'all') return { address: family === 4 ? '0.0.0.0' : '::', length: 0 }
  const [address = '', length = family === 4 ? '32' : '128'] = text.split('/')
  return { address, length: Number(length) }
}

async function readRoutes(): Promise<readonly KernelRoute[]> {
  const routes: KernelRoute[] = []
  for (const { family, metric } of FAMILIES)
    for (const route of await ipShow(family, 'route', 'show', 'table', 'main')) {
      const hops = route.type === undefined ? (route.nexthops ?? [route]).flatMap(hopOf) : []
      // A route without a carrier, or a device that is down, is not taken.
      if (hops.length === 0 && route.type === undefined) continue
      routes.push({ prefix: prefixIn(route.dst, family), metric: route.metric ?? metric, hops })
    }
  return routes
}

export function hopOf({ dev, gateway, via, flags = [] }: IpHop): KernelRoute['hops'] {
  if (dev === undefined || flags.includes('dead')) return []
  const at = gateway ?? via?.host
  if (at === undefined) return [{ device: dev, via: '' }]
  const onLink = flags.includes('onlink') ? ' onlink' : ''
  return [{ device: dev, via: `via ${via === undefined ? '' : 'inet6 '}${at}${onLink}` }]
}
