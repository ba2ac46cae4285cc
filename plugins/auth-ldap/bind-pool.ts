/** Connections on which users prove their passwords: one user at a time on each (RFC 4511 4.2.1), a bounded number of them. */
import { type Call, type Milliseconds, Slots } from 'burrow'
import type { Budget } from './budget.ts'
import type { Connection } from './connection.ts'
import { ServerFailure, Unavailable } from './failures.ts'
import type { Servers } from './servers.ts'

interface BindPoolOptions {
  readonly bindConnections: number
  readonly bindsWaiting: number
  readonly timeoutMs: Milliseconds
}

const NOBODY = async (): Promise<void> => {}

export class BindPool {
  readonly #servers: Servers
  readonly #options: BindPoolOptions
  readonly #slots: Slots
  readonly #idle: Connection[] = []
  #stopped = false

  constructor(servers: Servers, options: BindPoolOptions) {
    this.#servers = servers
    this.#options = options
    this.#slots = new Slots(options.bindConnections, options.bindsWaiting)
  }

  /** What `act` gives, with a connection of its own; tried once more where the first turns out to be closed. */
  async run<T>(
    call: Pick<Call, 'signal'>,
    budget: Budget,
    act: (connection: Connection, timeoutMs: Milliseconds) => Promise<T>,
  ): Promise<T> {
    const { bindsWaiting } = this.#options
    const result = await this.#slots.run(call, async () => {
      try {
        return { value: await this.#try(budget, act, true) }
      } catch (error) {
        if (!(error instanceof ServerFailure) || budget.isSpent) throw error
        return { value: await this.#try(budget, act, false) }
      }
    })
    if (result === 'full')
      throw new Unavailable(
        `${bindsWaiting} logins wait for a bind already; see bindConnections and bindsWaiting`,
      )
    if (result === 'aborted') throw new Unavailable('the call ended')
    return result.value
  }

  stop(): void {
    this.#stopped = true
    for (const connection of this.#idle) connection.close('the plugin stops')
  }

  async #try<T>(
    budget: Budget,
    act: (connection: Connection, timeoutMs: Milliseconds) => Promise<T>,
    mayBeUsed: boolean,
  ): Promise<T> {
    const connection = (mayBeUsed ? this.#takeIdle() : undefined) ?? (await this.#opened(budget))
    try {
      return await act(connection, budget.call(this.#options.timeoutMs))
    } catch (error) {
      this.#servers.blame(connection, error)
      throw error
    } finally {
      this.#giveBack(connection)
    }
  }

  async #opened(budget: Budget): Promise<Connection> {
    const opening = this.#servers.open(NOBODY)
    try {
      return await budget.within('connecting to the directory', opening)
    } catch (error) {
      // The login gave up; the next one can have it.
      opening.then(
        connection => this.#giveBack(connection),
        () => {},
      )
      throw error
    }
  }

  #giveBack(connection: Connection): void {
    if (this.#stopped) connection.close('the plugin stops')
    else if (connection.isOpen && this.#idle.length < this.#options.bindConnections)
      this.#idle.push(connection)
    else connection.close('it is not needed')
  }

  /** One to the server that is used now; those to others are over. */
  #takeIdle(): Connection | undefined {
    const best = this.#servers.best()
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.isOpen) continue
      if (best === undefined || idle.server.name === best.name) return idle
      idle.close('another server is used')
    }
    return undefined
  }
}
