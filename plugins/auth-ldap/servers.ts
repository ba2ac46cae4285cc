/** The servers of a directory, which of them fail now, and how to open a connection to the best of the others. */
import { type Clock, escapeText, type Logger, type Milliseconds } from 'burrow'
import { Connection, type LinkOptions } from './connection.ts'
import { causeOf, ServerFailure, ServiceRefused, Unavailable } from './failures.ts'

export interface Server {
  /** As an operator calls it: its url. */
  readonly name: string
  readonly host: string
  /** Of the host, where the name service that named it was asked for that as well. */
  readonly address?: string
  readonly port: number
  /** TLS from the first octet. */
  readonly secure: boolean
  /** Of a server on this host (ldapi). */
  readonly socketPath?: string
}

interface ServersParts {
  readonly clock: Clock
  readonly log: Logger
  /** Servers in order of preference; asked each time, for a name service may tell of others. A promise: none is known yet. */
  readonly list: () => readonly Server[] | Promise<readonly Server[]>
  readonly deadTimeMs: Milliseconds
  readonly connection: LinkOptions
}

export type Identify = (connection: Connection) => Promise<void>

export class Servers {
  readonly #parts: ServersParts
  /** Until when those that failed are left alone, by name. */
  readonly #dead = new Map<string, Milliseconds>()

  constructor(parts: ServersParts) {
    this.#parts = parts
  }

  /** Those that are well first, in order; then the others, the one that is to be tried again soonest before the rest. */
  async inOrder(): Promise<readonly Server[]> {
    const all = await this.#parts.list()
    const until = (server: Server) => this.#deadUntil(server)
    return [...all].sort((a, b) => until(a) - until(b) || all.indexOf(a) - all.indexOf(b))
  }

  /** The first that may be tried; undefined: none is known, or none is well. */
  best(): Server | undefined {
    const all = this.#parts.list()
    return all instanceof Promise ? undefined : all.find(server => this.#deadUntil(server) === 0)
  }

  /** It is left alone for a while, unless nobody else is there. */
  failed(server: Server, error: unknown): void {
    const { clock, log, deadTimeMs } = this.#parts
    const isNews = !this.#dead.has(server.name)
    this.#dead.set(server.name, clock.now() + deadTimeMs)
    const reason = escapeText(causeOf(error))
    if (isNews)
      log.error(
        {
          server: server.name,
          reason,
          deadTimeMs,
        },
        'a directory server fails; it is left alone for a while',
      )
  }

  /** A connection to the first of `candidates` that lets us in; throws Unavailable with what became of each. */
  async open(identify: Identify, candidates?: readonly Server[]): Promise<Connection> {
    const said: string[] = []
    let serviceRefused = false
    for (const server of candidates ?? (await this.inOrder())) {
      try {
        const connection = await Connection.open(server, this.#parts.connection, identify)
        if (this.#dead.delete(server.name))
          this.#parts.log.warn({ server: server.name }, 'a directory server answers again')
        return connection
      } catch (error) {
        this.failed(server, error)
        said.push(causeOf(error))
        serviceRefused ||= error instanceof ServiceRefused
      }
    }
    throw new Unavailable(
      said.length === 0 ? 'no directory server is known' : said.join('; '),
      serviceRefused,
    )
  }

  /** After a call that failed: `error` again, where it is not the server's fault. */
  blame(connection: Connection, error: unknown): void {
    if (!(error instanceof ServerFailure)) throw error
    if (error.kind === 'ill') this.failed(connection.server, error)
  }

  /** 0: it is well, or may be tried again. */
  #deadUntil({ name }: Server): Milliseconds {
    const until = this.#dead.get(name)
    if (until === undefined) return 0
    return until <= this.#parts.clock.now() ? 0 : until
  }
}
