/** The accounting of one spool: kept over reloads of the config, from the first plugin that uses it to the last. */
import { mkdir } from 'node:fs/promises'
import { BurrowError, type Clock, type Logger, type RadiusClient, type Random } from 'burrow'
import { serverRecord, stopAfter } from './attributes.ts'
import { ACCOUNTING_ENDS, DIED_WITH_US } from './causes.ts'
import type { Options } from './config.ts'
import { Deliverer } from './deliverer.ts'
import { lockFolder } from './lock.ts'
import type { AccountingRecord } from './record.ts'
import { Spool } from './spool.ts'

interface AccountingParts {
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** One generation of a plugin. */
export interface User {
  /** `PluginContext.id`. */
  readonly id: string
  readonly radius: RadiusClient
  readonly options: Options
  readonly identity: Identity
}

/** Of the users of one NAS identity, over all spools, the first says that the NAS is there, and the last that it goes. */
export type Identity = Set<User>

interface Running {
  readonly spool: Spool
  readonly deliverer: Deliverer
  readonly unlock: () => Promise<void>
}

/** The host gives a plugin 5 s to stop. */
const FINISH_MS = 4000

export class Accounting {
  readonly #parts: AccountingParts
  /** The last is asked. */
  readonly #users = new Set<User>()
  #running: Running | undefined

  constructor(parts: AccountingParts) {
    this.#parts = parts
  }

  /** Opens the spool for the first one. Throws ACCOUNTING_SPOOL. */
  async join(user: User): Promise<void> {
    const other = [...this.#users].find(({ id }) => id !== user.id)
    if (other !== undefined)
      throw this.#problem(`the plugins "${other.id}" and "${user.id}" name the same spool`)
    const { clock } = this.#parts
    const running = this.#running ?? (await this.#open(user))
    this.#running = running
    this.#users.add(user)
    const isFirst = user.identity.size === 0
    user.identity.add(user)
    if (isFirst && user.options.onOff) {
      const newest = running.spool.book.newest()
      // Of a server that came and went without a call.
      if (newest?.event === 'on') running.spool.settle(newest)
      await running.spool.put(serverRecord('on', user.radius, clock.wallTimeMs()), false)
    }
    this.#use(running, user)
  }

  /** With the last one, what is still there is delivered as far as that is possible at once; the rest stays in the spool. */
  async leave(user: User): Promise<void> {
    user.identity.delete(user)
    const running = this.#running
    if (!this.#users.delete(user) || running === undefined) return
    const next = [...this.#users].at(-1)
    if (next !== undefined) {
      this.#use(running, next)
      return
    }
    const { spool, deliverer } = running
    const { clock, log, folder } = this.#parts
    await endOpenSessions(spool, ACCOUNTING_ENDS)
    if (user.identity.size === 0 && user.options.onOff)
      await spool.put(serverRecord('off', user.radius, clock.wallTimeMs()), false)
    await deliverer.finish(FINISH_MS)
    const late = [...this.#users].at(-1)
    if (late !== undefined) {
      this.#use(running, late)
      return
    }
    const { waiting } = spool.book
    if (waiting > 0)
      log.warn({ folder, waiting }, 'accounting records stay in the spool until the next start')
  }

  /** Resolves when the record is in the spool. */
  async put(record: AccountingRecord): Promise<void> {
    if (this.#running === undefined) return
    const { spool, deliverer } = this.#running
    await spool.put(record, deliverer.isOut)
    deliverer.wake()
  }

  /** After the last one has left. */
  async close(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.spool.close()
    await running?.unlock()
  }

  #use({ spool, deliverer }: Running, { radius, options }: User): void {
    const { pool, inFlight } = options
    spool.limits = options
    deliverer.use({ radius, pool, inFlight })
  }

  async #open({ options }: User): Promise<Running> {
    const { folder, log } = this.#parts
    const unlock = await this.#lock()
    const spool = new Spool({ ...this.#parts, limits: options })
    try {
      await spool.open()
    } catch (cause) {
      await unlock()
      throw this.#problem((cause as Error).message, cause)
    }
    const died = await endOpenSessions(spool, DIED_WITH_US)
    if (spool.book.waiting > 0)
      log.warn({ folder, waiting: spool.book.waiting, died }, 'accounting records of the last run are left')
    return { spool, deliverer: new Deliverer({ ...this.#parts, spool }), unlock }
  }

  async #lock(): Promise<() => Promise<void>> {
    const { folder } = this.#parts
    let unlock: (() => Promise<void>) | undefined
    try {
      await mkdir(folder, { mode: 0o700, recursive: true })
      unlock = await lockFolder(folder)
    } catch (cause) {
      throw this.#problem((cause as Error).message, cause)
    }
    if (unlock === undefined) throw this.#problem('another process has it')
    return unlock
  }

  #problem(message: string, cause?: unknown): BurrowError {
    return new BurrowError('ACCOUNTING_SPOOL', message, { file: this.#parts.folder }, { cause })
  }
}

/** Each session that is not over gets a Stop of what is known of it; returns how many. */
async function endOpenSessions(spool: Spool, cause: string): Promise<number> {
  const records = await Promise.all(
    spool.book.openSessions().map(entry => spool.read(entry).catch(() => undefined)),
  )
  const stops = records.flatMap(record => (record === undefined ? [] : [stopAfter(record, cause)]))
  await Promise.all(stops.map(stop => spool.put(stop, false)))
  return stops.length
}
