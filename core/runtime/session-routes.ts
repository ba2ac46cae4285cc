/**
 * Kernel routes of single sessions: what the grant routes to them, and an address outside of every pool. The pools have
 * theirs from the start on.
 */
import type { Prefix } from '../flow.ts'
import type { Logger } from '../ports.ts'
import type { Event, Grant, Lease } from '../protocol/outputs.ts'
import { ipv4Mask, parseIpv4 } from '../wire/ip.ts'
import type { Kernel } from './node/kernel.ts'

export interface SessionRoutesParts {
  readonly kernel: Pick<Kernel, 'addRoutes' | 'deleteRoutes'>
  readonly tunName: string
  readonly pools: () => Iterable<Prefix>
  readonly log: Logger
}

export class SessionRoutes {
  readonly #parts: SessionRoutesParts
  /** One change after the other: an address may pass from a session that ends to one that begins. */
  #last: Promise<void> = Promise.resolve()

  constructor(parts: SessionRoutesParts) {
    this.#parts = parts
  }

  take(event: Event): void {
    if (event.kind === 'sessionUp') this.#change('addRoutes', event.grant, event.leases)
    else if (event.kind === 'sessionDown' && event.wasUp)
      this.#change('deleteRoutes', event.grant, event.leases)
  }

  /** Resolves when every change so far was made, or refused. */
  settled(): Promise<void> {
    return this.#last
  }

  #change(how: 'addRoutes' | 'deleteRoutes', grant: Grant | undefined, leases: readonly Lease[]): void {
    const { kernel, tunName, pools, log } = this.#parts
    const pooled = [...pools()]
    const single = leases
      .map(({ value }) => value)
      .filter(address => !pooled.some(pool => contains(pool, address)))
    const routes = [...single.map(address => `${address}/32`), ...(grant?.routes ?? [])]
    if (routes.length === 0) return
    this.#last = this.#last
      .then(() => kernel[how](tunName, routes))
      .catch(error =>
        log.warn({ error, routes, user: grant?.user }, 'the kernel did not take the routes of a session'),
      )
  }
}

function contains({ address, length }: Prefix, candidate: string): boolean {
  const [base, own] = [parseIpv4(address), parseIpv4(candidate)]
  return base !== undefined && own !== undefined && ((base ^ own) & ipv4Mask(length)) === 0
}
