/** charon over generations of the config: connected, told what to have, and asked which SAs there are; again when it was gone. */
import {
  BoundedLog,
  BurrowError,
  type Clock,
  type Logger,
  type Milliseconds,
  type Path,
  type TimerHandle,
} from 'burrow'
import { isStaleHold } from './holds.ts'
import type { Item } from './load.ts'
import { Loader } from './loader.ts'
import { type Sa, Sas, sasOf } from './sas.ts'
import { udpServices } from './selectors.ts'
import { Vici } from './vici.ts'
import { listOf, sectionOf, textOf, type ViciMessage } from './vici-codec.ts'

/** What changes SAs. Each names the IKE_SA that it is about. */
const EVENTS = ['ike-updown', 'ike-update', 'ike-rekey', 'child-updown', 'child-rekey'] as const
const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 2000
/** Between two looks at everything for tunnels that nothing known carries: anybody can dial in the clear. */
const LOOK_INTERVAL_MS = 500
/** IKE_SAs that are looked at one by one; of more all are. */
const MOST_ONE_BY_ONE = 64

export interface CharonOptions {
  readonly socket: string
  readonly timeoutMs: Milliseconds
}

interface CharonParts extends CharonOptions {
  readonly clock: Clock
  readonly log: Logger
}

/** What charon is to have, asked for whenever it is told: keys may come from elsewhere. */
export interface Wanted {
  /** Identity of the plugin; the youngest generation of each counts. */
  readonly id: string
  readonly items: () => readonly Item[] | Promise<readonly Item[]>
}

export class Charon {
  readonly sas = new Sas()
  readonly #parts: CharonParts
  readonly #bounded: BoundedLog
  readonly #services = udpServices()
  /** The youngest generation first. */
  #wanted: readonly Wanted[] = []
  #listeners: readonly (() => void)[] = []
  #vici: Vici | undefined
  #loader: Loader | undefined
  #opening: Promise<void> | undefined
  #retry: TimerHandle | undefined
  #retryMs = FIRST_RETRY_MS
  #closed = false
  /** What is to be looked at again. */
  readonly #dirty = new Set<string>()
  #allDirty = false
  #looking: Promise<void> | undefined
  #lookedAt: Milliseconds = Number.NEGATIVE_INFINITY
  #nextLook: Promise<void> | undefined

  constructor(parts: CharonParts) {
    this.#parts = parts
    this.#bounded = new BoundedLog(parts.log, parts.clock)
  }

  /** Whether what is known of SAs is what charon says. */
  get isUp(): boolean {
    return this.#loader !== undefined
  }

  /** Closed by whoever made it. */
  get isClosed(): boolean {
    return this.#closed
  }

  /** The answer of charon to a command. Rejects with IPSEC_CHARON. */
  request(command: string, message: ViciMessage, timeoutMs: Milliseconds): Promise<ViciMessage> {
    const vici = this.#vici
    if (vici === undefined)
      return Promise.reject(new BurrowError('IPSEC_CHARON', 'not connected with charon'))
    return vici.request(command, message, timeoutMs)
  }

  /** Told whenever SAs may have changed, or charon is gone. */
  onChange(listener: () => void): void {
    this.#listeners = [...this.#listeners, listener]
  }

  /** What is wanted as long as this is there, from the next connection on. */
  want(wanted: Wanted): void {
    this.#wanted = [wanted, ...this.#wanted]
  }

  /** Connects if need be, and has charon know what is wanted. Rejects with IPSEC_CHARON. */
  async use(wanted: Wanted): Promise<void> {
    this.want(wanted)
    if (this.isUp) return this.reload()
    await this.#connect()
  }

  /** That generation has gone, or did not come up. */
  async leave(wanted: Wanted): Promise<void> {
    const counted = this.#counting().includes(wanted)
    this.#wanted = this.#wanted.filter(one => one !== wanted)
    if (!counted) return
    await this.reload().catch(error =>
      this.#parts.log.error({ error }, 'charon did not take what it had before'),
    )
  }

  /** Has charon know what is wanted now. */
  async reload(): Promise<void> {
    await this.#loader?.load(await this.#items())
  }

  /** Loads one thing that `items` of somebody wanted has from now on; not while charon is gone, which is told then. */
  async add(item: Item): Promise<void> {
    await this.#loader?.add(item)
  }

  /** Unloads one thing that nobody wants any more. */
  async remove(id: string): Promise<void> {
    await this.#loader?.remove(id)
  }

  /** The SA that carries a tunnel of this path, with that peer where `identity` is given; also one that came up this moment. */
  async find(path: Path, identity?: string): Promise<Sa | undefined> {
    const known = this.sas.find(path, identity)
    if (known !== undefined || !this.isUp) return known
    await this.#lookSoon()
    return this.sas.find(path, identity)
  }

  /** Takes back what was loaded, and closes the connection. SAs stay as they are. */
  async close(): Promise<void> {
    this.#closed = true
    this.#retry?.cancel()
    this.#bounded.close()
    this.#tell()
    await this.#loader
      ?.load([])
      .catch(error => this.#parts.log.warn({ error }, 'charon keeps what was loaded'))
    this.#vici?.close()
  }

  #counting(): readonly Wanted[] {
    return this.#wanted.filter((one, at) => this.#wanted.findIndex(({ id }) => id === one.id) === at)
  }

  async #items(): Promise<readonly Item[]> {
    return (await Promise.all(this.#counting().map(({ items }) => items()))).flat()
  }

  #connect(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    const { socket: path, clock, timeoutMs, log } = this.#parts
    const vici = await Vici.connect({ path, clock, timeoutMs })
    this.#vici = vici
    try {
      const version = await vici.request('version')
      for (const event of EVENTS) await vici.on(event, message => this.#changed(message))
      const items = await this.#items()
      await unloadStale(vici, items)
      const loader = new Loader(vici)
      await loader.load(items)
      this.#loader = loader
      this.#retry?.cancel()
      this.#retryMs = FIRST_RETRY_MS
      this.#allDirty = true
      await this.#look()
      log.info({ version: textOf(version.version), sas: this.sas.size }, 'connected with charon')
    } catch (error) {
      this.#loader = undefined
      vici.close()
      throw error
    }
    void vici.closed.then(reason => this.#lost(reason))
    if (this.#closed) vici.close()
  }

  #lost(reason: string): void {
    this.#loader = undefined
    this.sas.replaceAll([])
    if (this.#closed) return
    this.#bounded.error('the connection to charon is lost; it is tried again', { reason })
    this.#tell()
    this.#again()
  }

  #again(): void {
    const delayMs = this.#retryMs
    this.#retryMs = Math.min(2 * delayMs, LONGEST_RETRY_MS)
    this.#retry = this.#parts.clock.setTimer(delayMs, () => {
      this.#connect().then(
        () => this.#tell(),
        error => {
          this.#bounded.warn('charon could not be reached', { reason: (error as Error).message })
          if (!this.#closed) this.#again()
        },
      )
    })
  }

  /** An event names its IKE_SA by the key of a section; a rekeying, two. */
  #changed(message: ViciMessage): void {
    for (const value of Object.values(message)) {
      const ike = sectionOf(value)
      for (const one of [ike, sectionOf(ike.old), sectionOf(ike.new)]) {
        const id = textOf(one.uniqueid)
        if (id !== undefined) this.#dirty.add(id)
      }
    }
    if (this.isUp) void this.#look().catch(() => {})
  }

  /** Looks until nothing is left to be looked at. What fails closes the connection. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookAll().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #lookAll(): Promise<void> {
    const vici = this.#vici
    if (vici === undefined) return
    try {
      for (;;) {
        if (this.#dirty.size > MOST_ONE_BY_ONE) this.#allDirty = true
        const [id] = this.#dirty
        if (this.#allDirty) {
          this.#allDirty = false
          this.#dirty.clear()
          this.sas.replaceAll(await this.#list(vici))
        } else if (id !== undefined) {
          this.#dirty.delete(id)
          this.sas.replace(id, await this.#list(vici, id))
        } else break
      }
    } catch (error) {
      vici.close((error as Error).message)
      throw error
    }
    this.#tell()
  }

  async #list(vici: Vici, id?: string): Promise<readonly Sa[]> {
    const messages = await vici.list('list-sas', 'list-sa', id === undefined ? {} : { 'ike-id': id })
    return messages.flatMap(message => sasOf(message, this.#services))
  }

  /** One look for all that wait, and not too many of them. */
  #lookSoon(): Promise<void> {
    const { clock } = this.#parts
    this.#nextLook ??= new Promise(resolve => {
      const waitMs = Math.max(0, this.#lookedAt + LOOK_INTERVAL_MS - clock.now())
      clock.setTimer(waitMs, () => {
        this.#nextLook = undefined
        this.#lookedAt = clock.now()
        this.#allDirty = true
        this.#look().then(resolve, () => resolve())
      })
    })
    return this.#nextLook
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

async function unloadStale(vici: Vici, wanted: readonly Item[]): Promise<void> {
  const { conns } = await vici.request('get-conns')
  // One that charon will not let go of, or that is gone by now, is no reason not to start.
  for (const name of listOf(conns)) if (isStaleHold(name, wanted)) await vici.request('unload-conn', { name })
}
