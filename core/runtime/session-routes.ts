/**
 * Kernel routes behind the TUN device: those of the pools, which a reload may change, and of single sessions what their
 * grants route to them and an address outside of every pool.
 */
import type { Prefix } from '../flow.ts'
import type { Logger } from '../ports.ts'
import type { Event, Grant, Lease } from '../protocol/outputs.ts'
import { ipv4Mask, parseIpv4 } from '../wire/ip.ts'
import type { Kernel } from './node/kernel.ts'

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
  /** One change after the other: an address may pass from a session that ends to one that begins. */
  #last: Promise<void> = Promise.resolve()

  constructor(parts: SessionRoutesParts) {
    this.#parts = parts
  }

  /** The pools that the kernel routes already. */
  begin(pools: readonly Prefix[]): void {
    this.#pools = pools
  }

  /** Other pools from now on. A session whose address is in none of them any more keeps a route of its own. */
  changePools(pools: readonly Prefix[]): void {
    const [before, after] = [this.#pools, pools].map(list => [...new Set(list.map(prefixText))])
    const missing = (these: readonly string[] = [], those: readonly string[] = []) =>
      these.filter(one => !those.includes(one))
    this.#pools = pools
    this.#change('addRoutes', missing(after, before), 'a pool')
    for (const held of this.#held.values()) this.#settle(held)
    this.#change('deleteRoutes', missing(before, after), 'a pool')
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
      if (held !== undefined) this.#change('deleteRoutes', held.routes, held.user)
    }
  }

  /** Resolves when every change so far was made, or refused. */
  settled(): Promise<void> {
    return this.#last
  }

  /** Makes the routes of a session what they should be. */
  #settle(held: Held): void {
    const single = held.leases
      .map(({ value }) => value)
      .filter(address => !this.#pools.some(pool => contains(pool, address)))
    const wanted = [...single.map(address => `${address}/32`), ...(held.grant.routes ?? [])]
    const { routes, user } = held
    held.routes = wanted
    this.#change(
      'addRoutes',
      wanted.filter(route => !routes.includes(route)),
      user,
    )
    this.#change(
      'deleteRoutes',
      routes.filter(route => !wanted.includes(route)),
      user,
    )
  }

  #change(how: 'addRoutes' | 'deleteRoutes', routes: readonly string[], whose: string): void {
    const { kernel, tunName, log } = this.#parts
    if (routes.length === 0) return
    this.#last = this.#last
      .then(() => kernel[how](tunName, routes))
      .catch(error =>
        log.warn({ error, routes, user: whose }, 'the kernel did not take the routes of a session'),
      )
  }
}

const prefixText = ({ address, length }: Prefix) => `${address}/${length}`

function contains({ address, length }: Prefix, candidate: string): boolean {
  const [base, own] = [parseIpv4(address), parseIpv4(candidate)]
  return base !== undefined && own !== undefined && ((base ^ own) & ipv4Mask(length)) === 0
}
