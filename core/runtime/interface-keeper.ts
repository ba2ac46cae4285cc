/** What the plugins of all generations and deployments want kept between sessions and interfaces, together. */
import { BurrowError } from '../errors.ts'
import type { InterfaceReach, InterfaceWays, ServerInterfaces } from '../plugin/interfaces.ts'
import { prefixesInBoth } from '../plugin/prefix-lists.ts'
import type { InterfaceGuard, Kernel, KernelWatch, RouteTables } from './node/kernel.ts'
import { reachOf } from './route-reach.ts'

type KernelPart = Pick<
  Kernel,
  | 'interfaces'
  | 'watchRoutes'
  | 'guardInterfaces'
  | 'removeGuard'
  | 'nftProblem'
  | 'addRoutes'
  | 'deleteRoutes'
>

export class InterfaceKeeper implements ServerInterfaces {
  readonly #kernel: KernelPart
  readonly #tunName: string
  readonly #watch: KernelWatch
  readonly #owners = new Map<object, readonly InterfaceWays[]>()
  #guard: InterfaceGuard | undefined
  /** One change after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #isOpen = false
  #isRouted = false

  constructor(kernel: KernelPart, tunName: string, watch: KernelWatch) {
    this.#kernel = kernel
    this.#tunName = tunName
    this.#watch = watch
  }

  /** What a dead server left is gone before anything else is opened. Without this, nothing is kept: there are no sessions. */
  async open(): Promise<void> {
    this.#isOpen = true
    if (!this.#isTaken()) await this.#kernel.removeGuard(this.#tunName)
  }

  /** A server that runs has a device of that name, and its guard is not ours. */
  #isTaken(): boolean {
    return !this.#isRouted && this.#kernel.interfaces().includes(this.#tunName)
  }

  async close(): Promise<void> {
    await this.#last
    await this.#guard?.close()
  }

  /** From now on there are routes to sessions; where those belong is told, once and for all. */
  routed(): RouteTables | undefined {
    this.#isRouted = true
    return this.#guard?.tables
  }

  /** As the kernel's, where they belong. */
  readonly routes: Pick<Kernel, 'addRoutes' | 'deleteRoutes'> = {
    addRoutes: (name, prefixes) => this.#kernel.addRoutes(name, prefixes, this.#guard?.tables),
    deleteRoutes: (name, prefixes) => this.#kernel.deleteRoutes(name, prefixes, this.#guard?.tables),
  }

  names(): readonly string[] {
    return this.#kernel.interfaces()
  }

  problem(): Promise<string | undefined> {
    return this.#kernel.nftProblem()
  }

  followReach(onChange: (reach: InterfaceReach) => void | Promise<void>) {
    return this.#kernel.watchRoutes(this.#watch, routes => onChange(reachOf(routes)))
  }

  keep(owner: object, ways: readonly InterfaceWays[]): Promise<void> {
    if (!this.#isOpen) return Promise.resolve()
    const kept = this.#last.then(() => this.#keep(owner, ways))
    this.#last = kept.catch(() => {})
    return kept
  }

  async #keep(owner: object, ways: readonly InterfaceWays[]): Promise<void> {
    const before = this.#owners.get(owner)
    if (ways.length === 0) this.#owners.delete(owner)
    else this.#owners.set(owner, ways)
    try {
      await this.#settle()
    } catch (error) {
      if (before === undefined) this.#owners.delete(owner)
      else this.#owners.set(owner, before)
      throw error
    }
  }

  async #settle(): Promise<void> {
    const all = [...this.#owners.values()].flat()
    const wanted = all.length === 0 ? undefined : all.reduce(waysInBoth)
    if (this.#guard !== undefined) {
      // Routes that stand in tables of its own need its rules until there are no sessions.
      if (wanted !== undefined || this.#guard.tables !== undefined)
        return this.#guard.change(wanted ?? EVERY_WAY)
      await this.#guard.close()
      this.#guard = undefined
    } else if (wanted !== undefined) {
      if (this.#isTaken())
        throw new BurrowError('TUN_IN_USE', `another program has the TUN device ${this.#tunName}`)
      const guard = await this.#kernel.guardInterfaces(this.#tunName, wanted, this.#watch)
      if (guard.tables !== undefined && this.#isRouted) {
        await guard.close()
        throw new BurrowError(
          'INTERFACE_ZONES',
          'without nftables, zones can be given interfaces only when the server starts: restart it',
        )
      }
      this.#guard = guard
      this.#watch.log.info({ means: guard.means }, 'zones of interfaces are kept to')
    }
  }
}

const EVERY_WAY: InterfaceWays = {
  named: {},
  others: [
    { address: '0.0.0.0', length: 0 },
    { address: '::', length: 0 },
  ],
}

/** What fits both. */
export function waysInBoth(a: InterfaceWays, b: InterfaceWays): InterfaceWays {
  const names = new Set([...Object.keys(a.named), ...Object.keys(b.named)])
  const of = (ways: InterfaceWays, name: string) => ways.named[name] ?? ways.others
  return {
    named: Object.fromEntries([...names].map(name => [name, prefixesInBoth(of(a, name), of(b, name))])),
    others: prefixesInBoth(a.others, b.others),
  }
}
