/**
 * What an SA carried must not go on in the clear once it is gone: its policies go with it, before anybody is told. So each protected tunnel
 * has a shunt in charon, below every policy of an SA, that drops what is between its two addresses otherwise.
 */
import type { Path } from 'burrow'
import type { Charon, Wanted } from './charon.ts'
import { type Item, shuntItem } from './load.ts'

/** What their names begin with. */
const HOLD = 'burrow-hold-'

interface Hold {
  readonly item: Item
  readonly tunnels: Set<string>
  /** Told to charon. */
  told: Promise<void>
}

export class Holds {
  /** For a charon that comes anew. */
  readonly wanted: Wanted = { id: HOLD, items: () => [...this.#byId.values()].map(({ item }) => item) }
  readonly #charon: Charon
  readonly #byId = new Map<string, Hold>()
  readonly #byTunnel = new Map<string, string>()

  constructor(charon: Charon) {
    this.#charon = charon
  }

  /** Resolves when nothing in the clear passes any more. Rejects where charon will not have it. */
  async hold(tunnel: string, path: Path): Promise<void> {
    const item = holdItem(path)
    const before = this.#byTunnel.get(tunnel)
    if (before !== undefined && before !== item.id) this.release(tunnel)
    const hold = this.#byId.get(item.id) ?? { item, tunnels: new Set(), told: this.#charon.add(item) }
    hold.tunnels.add(tunnel)
    this.#byId.set(item.id, hold)
    this.#byTunnel.set(tunnel, item.id)
    try {
      await hold.told
    } catch (error) {
      this.#byId.delete(item.id)
      this.#byTunnel.delete(tunnel)
      throw error
    }
  }

  /** Lets go of those whose tunnel is gone. */
  keep(live: ReadonlySet<string>): void {
    for (const tunnel of [...this.#byTunnel.keys()]) if (!live.has(tunnel)) this.release(tunnel)
  }

  release(tunnel: string): void {
    const id = this.#byTunnel.get(tunnel)
    const hold = this.#byId.get(id ?? '')
    this.#byTunnel.delete(tunnel)
    if (id === undefined || hold === undefined) return
    hold.tunnels.delete(tunnel)
    if (hold.tunnels.size > 0) return
    this.#byId.delete(id)
    // What stays is unloaded when charon is connected to anew.
    void this.#charon.remove(id).catch(() => {})
  }
}

/** Of every tunnel between the two: the peer chooses its port. Its name has the process: another Burrow on this host has its own. */
export function holdItem({ local, remote }: Path): Item {
  const whole = (address: string) => `${address}/${address.includes(':') ? 128 : 32}`
  return shuntItem(`${HOLD}${process.pid}-${local.address}.${local.port}-${remote.address}`, {
    local: [`${whole(local.address)}[udp/${local.port}]`],
    remote: [`${whole(remote.address)}[udp]`],
  })
}

/** Whether nobody wants what charon has by this name: a Burrow that did not live to unload it, or we did not reach charon then. */
export function isStaleHold(name: string, wanted: readonly Item[]): boolean {
  const [, pid] = new RegExp(`^${HOLD}(\\d+)-`).exec(name) ?? []
  if (pid === undefined) return false
  return Number(pid) === process.pid ? !wanted.some(({ id }) => id === name) : !isAlive(Number(pid))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
