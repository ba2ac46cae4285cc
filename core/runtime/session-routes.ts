/**
 * Kernel routes behind the TUN device: those of the pools, which a reload may change, and of single sessions what their
 * grants route to them and an address outside of every pool.
 */
import type { Prefix } from '../flow.ts'
import type { Logger } from '../ports.ts'
import type { Event, Grant, Lease } from '../protocol/outputs.ts'
import { ipv4Mask, parseIpv4 } from '../wire/ip.ts'
import { formatIpv6, parseIpv6Prefix } from '../wire/ipv6.ts'
import type { Kernel } from './node/kernel.ts'

/** Of the pools, what the device takes: without IPv6 nobody is given anything of it. */
export const routable = (pools: ReadonlyMap<string, readonly Prefix[]>, ipv6: boolean): readonly Prefix[] =>
  [...pools.values()].flat().filter(({ address }) => ipv6 || !address.includes(':'))

export interface SessionRoutesParts {
  readonly kernel: Pick<Kernel, 'addRoutes' | 'deleteRoutes'>
  readonly tunName: string
  readonly log: Logger
}

interface Held {
  readonly user: string
  readonly leases: readonly Lease[]
  grant: Grant
  /** What the kernel was given for this session alone. */
  routes: readonly string[]
}

export class SessionRoutes {
  readonly #parts: SessionRoutesParts
  #pools: readonly Prefix[] = []
  /** By SessionInfo.id. */
  readonly #held = new Map<string, Held>()
  /** How many want a route: a pool and a session may want the same, and the kernel has it once. */
  readonly #wanted = new Map<string, number>()
  /** One change after the other: an address may pass from a session that ends to one that begins. */
  #last: Promise<void> = Promise.resolve()

  constructor(parts: SessionRoutesParts) {
    this.#parts = parts
  }

  /** The pools that the kernel routes already. */
  begin(pools: readonly Prefix[]): void {
    this.#pools = pools
    for (const route of pools.map(prefixText)) this.#want(route)
  }

  /** Other pools from now on. A session whose address is in none of them any more keeps a route of its own. */
  changePools(pools: readonly Prefix[]): void {
    const before = this.#pools
    this.#pools = pools
    const held = [...this.#held.values()]
    const wanted = held.map(one => this.#routesOf(one))
    this.#change(
      [...pools.map(prefixText), ...wanted.flat()],
      [...before.map(prefixText), ...held.flatMap(({ routes }) => routes)],
      'a pool',
    )
    for (const [index, one] of held.entries()) one.routes = wanted[index] ?? []
  }

  take(event: Event): void {
    if (event.kind === 'sessionUp') {
      const { session, grant, leases } = event
      const held = { user: grant.user, leases, grant, routes: [] }
      this.#held.set(session.id, held)
      this.#settle(held)
    } else if (event.kind === 'sessionChanged') {
      const held = this.#held.get(event.session.id)
      if (held === undefined) return
      held.grant = event.grant
      this.#settle(held)
    } else if (event.kind === 'sessionDown') {
      const held = this.#held.get(event.session.id)
      this.#held.delete(event.session.id)
      if (held !== undefined) this.#change([], held.routes, held.user)
    }
  }

  /** Resolves when every change so far was made, or refused. */
  settled(): Promise<void> {
    return this.#last
  }

  /** Makes the routes of a session what they should be. */
  #settle(held: Held): void {
    const { routes, user } = held
    held.routes = this.#routesOf(held)
    this.#change(held.routes, routes, user)
  }

  #routesOf({ leases, grant }: Held): readonly string[] {
    const single = leases
      .map(({ kind, value }) => (kind === 'ipv4' ? `${value}/32` : value))
      .filter(route => !this.#pools.some(pool => contains(pool, route)))
    return [...single, ...(grant.routes ?? [])]
  }

  /** What is wanted now first: a route that passes from one to another is never gone in between. */
  #change(wanted: readonly string[], unwanted: readonly string[], whose: string): void {
    const added = wanted.filter(route => this.#want(route))
    const gone = unwanted.filter(route => this.#unwant(route))
    this.#apply(
      'addRoutes',
      added.filter(route => !gone.includes(route)),
      whose,
    )
    this.#apply(
      'deleteRoutes',
      gone.filter(route => !added.includes(route)),
      whose,
    )
  }

  /** True for the first. */
  #want(route: string): boolean {
    const before = this.#wanted.get(route) ?? 0
    this.#wanted.set(route, before + 1)
    return before === 0
  }

  /** True for the last. */
  #unwant(route: string): boolean {
    const left = (this.#wanted.get(route) ?? 0) - 1
    if (left > 0) this.#wanted.set(route, left)
    else this.#wanted.delete(route)
    return left === 0
  }

  #apply(how: 'addRoutes' | 'deleteRoutes', routes: readonly string[], whose: string): void {
    const { kernel, tunName } = this.#parts
    if (routes.length === 0) return
    this.#last = this.#last
      .then(() => kernel[how](tunName, routes))
      // The kernel stops at the first that it refuses.
      .catch(error =>
        routes.length === 1 ? this.#refused(error, routes, whose) : this.#oneByOne(how, routes, whose),
      )
  }

  async #oneByOne(
    how: 'addRoutes' | 'deleteRoutes',
    routes: readonly string[],
    whose: string,
  ): Promise<void> {
    const { kernel, tunName } = this.#parts
    for (const route of routes)
      await kernel[how](tunName, [route]).catch(error => this.#refused(error, [route], whose))
  }

  #refused(error: unknown, routes: readonly string[], whose: string): void {
    this.#parts.log.warn({ error, routes, user: whose }, 'the kernel did not take the routes of a session')
  }
}

const prefixText = ({ address, length }: Prefix) => `${address}/${length}`

/** `route`: `address/length`. */
function contains({ address, length }: Prefix, route: string): boolean {
  const [candidate = '', bits = ''] = route.split('/')
  if (Number(bits) < length) return false
  const [base, own] = [parseIpv4(address), parseIpv4(candidate)]
  if (base !== undefined && own !== undefined) return ((base ^ own) & ipv4Mask(length)) === 0
  const [outer, inner] = [address, candidate].map(text => parseIpv6Prefix(`${text}/${length}`))
  return outer !== undefined && inner !== undefined && formatIpv6(outer.bytes) === formatIpv6(inner.bytes)
}
