/** The one connection of our service account: everybody's searches go over it side by side. */
import type { Milliseconds } from 'burrow'
import type { Budget } from './budget.ts'
import type { Connection } from './connection.ts'
import type { Identify, Server, Servers } from './servers.ts'

/** Of one search, on as many connections; the budget of its login ends it as well. */
const MOST_TRIES = 3

export class ServiceLink {
  readonly #servers: Servers
  readonly #identify: Identify
  #current: Connection | undefined
  /** Whoever needs a connection while one is being opened waits for that one. */
  #opening: Promise<Connection> | undefined
  #failingBack = false
  #stopped = false

  constructor(servers: Servers, identify: Identify) {
    this.#servers = servers
    this.#identify = identify
  }

  /** What `act` gives, on another connection if the first fails; so `act` only asks, and changes nothing. */
  async run<T>(
    budget: Budget,
    callMs: Milliseconds,
    act: (connection: Connection, timeoutMs: Milliseconds) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const connection = this.#inUse() ?? (await this.connection(budget))
      try {
        return await act(connection, budget.call(callMs))
      } catch (error) {
        this.#servers.blame(connection, error)
        connection.close('a call on it failed')
        if (tries === MOST_TRIES || budget.isSpent) throw error
      }
    }
  }

  /** A new one; whoever asks while it is being opened gets the same. */
  connection(budget: Budget): Promise<Connection> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return budget.within('connecting to the directory', this.#opening)
  }

  stop(): void {
    this.#stopped = true
    this.#current?.close('the plugin stops')
  }

  #inUse(): Connection | undefined {
    const current = this.#current
    if (current?.isOpen !== true) return undefined
    const best = this.#servers.best()
    if (best !== undefined && best.name !== current.server.name) void this.#failBack(best)
    return current
  }

  async #open(): Promise<Connection> {
    return this.#use(await this.#servers.open(this.#identify))
  }

  /** To a server that stands further up in the list, once it may be tried again. Nobody waits for it. */
  async #failBack(best: Server): Promise<void> {
    if (this.#failingBack) return
    this.#failingBack = true
    try {
      this.#use(await this.#servers.open(this.#identify, [best]))
    } catch {
      // `servers` has noted and logged it; the one in use goes on.
    } finally {
      this.#failingBack = false
    }
  }

  #use(connection: Connection): Connection {
    // Two may have been opened at once, to come back and because the one in use was lost.
    this.#current?.retire()
    this.#current = connection
    if (this.#stopped) connection.close('the plugin stops')
    return connection
  }
}
