/**
 * One connection to one server, on ldapts and around what ldapts leaves open: it is opened once and never again by itself (ldapts
 * would come back anonymous and in the clear), every call has a deadline, and whatever is open when it closes fails at once.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls'
import type { Clock, Milliseconds, TimerHandle, TlsFiles } from 'burrow'
import { Client, type DN, type Filter, ResultCodeError } from 'ldapts'
import { Entry } from './entry.ts'
import { causeOf, RequestFailure, ServerFailure } from './failures.ts'
import type { Server } from './servers.ts'

export interface LinkOptions {
  readonly clock: Clock
  readonly startTls: boolean
  readonly tls: TlsOptions
  /** For TCP, TLS and StartTLS together. */
  readonly connectTimeoutMs: Milliseconds
}

export interface TlsOptions extends TlsFiles {
  /** The name that the certificate must have. Default: the host of the url. */
  readonly serverName?: string
}

export interface SearchRequest {
  readonly base: string
  readonly scope: 'base' | 'one' | 'sub'
  readonly filter: Filter
  readonly attributes: string[]
  /** More entries are cut off, without a word. */
  readonly sizeLimit: number
}

export interface Found {
  readonly entries: readonly Entry[]
  /** Other servers that hold more; they are not followed. */
  readonly referrals: readonly string[]
}

/** What a server says of a name and a password. */
export type BindAnswer =
  | { readonly kind: 'right' }
  /** `text`: what the server says beside the code. */
  | { readonly kind: 'wrong'; readonly text: string }

/**
 * The result codes of a bind that speak of the user: noSuchObject, invalidDNSyntax, inappropriateAuthentication, invalidCredentials,
 * insufficientAccessRights, unwillingToPerform, constraintViolation.
 */
const ABOUT_THE_USER: ReadonlySet<number> = new Set([19, 32, 34, 48, 49, 50, 53])
/** timeLimitExceeded, adminLimitExceeded, busy, unavailable: another server may do better. */
const ABOUT_THE_SERVER: ReadonlySet<number> = new Set([3, 11, 51, 52])
const REFERRAL = 10
const RIGHT: BindAnswer = { kind: 'right' }
/** So that a firewall does not forget a quiet connection. */
const KEEP_ALIVE_MS = 60_000

/** Values that are no text, as servers spell them. */
const BINARY = ['logonHours', 'ipaNTHash', 'objectSid']

/** A call that waits for its answer. */
interface Pending {
  readonly what: string
  readonly timeoutMs: Milliseconds
  readonly endsAt: Milliseconds
  readonly fail: (failure: ServerFailure) => void
}

export class Connection {
  readonly server: Server
  readonly #options: LinkOptions
  readonly #client: Client
  readonly #sockets: Socket[] = []
  readonly #pending = new Set<Pending>()
  #timer: { readonly firesAt: Milliseconds; readonly handle: TimerHandle } | undefined
  #open = true
  #retired = false

  private constructor(server: Server, options: LinkOptions, socket: Socket) {
    this.server = server
    this.#options = options
    this.#watch(socket)
    this.#client = new Client({
      // It is connected, and TLS if it is to be that from the first octet: ldapts need not know.
      url: 'ldap://localhost',
      createConnection: () => socket,
      createSecureConnection: (starting: unknown) => this.#watch(connectTls(starting as ConnectionOptions)),
    })
  }

  /** Connects, secures it and says who we are by `identify`; throws ServerFailure. */
  static async open(
    server: Server,
    options: LinkOptions,
    identify: (connection: Connection) => Promise<void>,
  ): Promise<Connection> {
    const connection = new Connection(server, options, await openSocket(server, options))
    try {
      if (options.startTls)
        await connection.#run('StartTLS', options.connectTimeoutMs, () =>
          connection.#client.startTLS(tlsOptions(server, options.tls)),
        )
      await identify(connection)
      return connection
    } catch (error) {
      connection.close('it could not be opened')
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** A search; the caller has seen to it that no text of a peer is in the filter but as a value. */
  async search(request: SearchRequest, timeoutMs: Milliseconds): Promise<Found> {
    const { base, scope, filter, attributes, sizeLimit } = request
    try {
      const { searchEntries, searchReferences } = await this.#run('a search', timeoutMs, () =>
        this.#client.search(base, { scope, filter, sizeLimit, attributes, explicitBufferAttributes: BINARY }),
      )
      return { entries: searchEntries.map(entry => new Entry(entry)), referrals: searchReferences }
    } catch (error) {
      throw this.#failureOf('a search', error)
    }
  }

  /** A simple bind. An empty password would be an anonymous one (RFC 4513 5.1.2), which "succeeds" for everybody: refused here. */
  async bind(name: string, password: string, timeoutMs: Milliseconds): Promise<BindAnswer> {
    if (name === '' || password === '') return { kind: 'wrong', text: 'empty name or password' }
    return this.#bind(timeoutMs, () => this.#client.bind(new BindName(name) as unknown as DN, password))
  }

  /** By our certificate, or by our process behind a local socket. */
  bindExternal(timeoutMs: Milliseconds): Promise<BindAnswer> {
    return this.#bind(timeoutMs, () => this.#client.bindSASL('EXTERNAL'))
  }

  /** Closes it once nothing is open on it any more. */
  retire(): void {
    this.#retired = true
    if (this.#pending.size === 0) this.close('it is replaced')
  }

  close(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#timer?.handle.cancel()
    for (const socket of this.#sockets) {
      // ldapts takes every listener off a socket that fails.
      socket.on('error', () => {})
      socket.destroy()
    }
    const failure = new ServerFailure(this.server, reason, 'closed')
    for (const { fail } of this.#pending) fail(failure)
    this.#pending.clear()
  }

  async #bind(timeoutMs: Milliseconds, act: () => Promise<void>): Promise<BindAnswer> {
    try {
      await this.#run('a bind', timeoutMs, act)
      return RIGHT
    } catch (error) {
      if (!(error instanceof ResultCodeError)) throw error
      if (ABOUT_THE_USER.has(error.code)) return { kind: 'wrong', text: causeOf(error) }
      throw this.#failureOf('a bind', error)
    }
  }

  #failureOf(what: string, error: unknown): unknown {
    if (!(error instanceof ResultCodeError)) return error
    const text = `${what}: ${causeOf(error)}`
    if (error.code === REFERRAL)
      return new RequestFailure(this.server, `${text} (a referral to another server, which is not followed)`)
    if (ABOUT_THE_SERVER.has(error.code)) return new ServerFailure(this.server, text, 'ill')
    return new RequestFailure(this.server, text)
  }

  /** One call with its deadline; one that is late takes the connection with it, for nobody knows what it still waits for. */
  #run<T>(what: string, timeoutMs: Milliseconds, act: () => Promise<T>): Promise<T> {
    if (!this.#open)
      return Promise.reject(new ServerFailure(this.server, 'the connection is closed', 'closed'))
    return new Promise((resolve, reject) => {
      const endsAt = this.#options.clock.now() + timeoutMs
      const pending: Pending = { what, timeoutMs, endsAt, fail: reject }
      this.#pending.add(pending)
      this.#watchUntil(endsAt)
      act().then(
        value => {
          this.#settled(pending)
          resolve(value)
        },
        error => {
          this.#settled(pending)
          if (error instanceof ResultCodeError) reject(error)
          else reject(new ServerFailure(this.server, `${what}: ${causeOf(error)}`, 'ill'))
        },
      )
    })
  }

  #settled(pending: Pending): void {
    this.#pending.delete(pending)
    if (this.#pending.size > 0) return
    this.#timer?.handle.cancel()
    this.#timer = undefined
    if (this.#retired) this.close('it is replaced')
  }

  /** One timer for all that is open, armed for the first of them to be late: nearly every call ends in time, and needs none of its own. */
  #watchUntil(endsAt: Milliseconds): void {
    if (this.#timer !== undefined && this.#timer.firesAt <= endsAt) return
    this.#timer?.handle.cancel()
    const { clock } = this.#options
    this.#timer = {
      firesAt: endsAt,
      handle: clock.setTimer(endsAt - clock.now(), () => this.#lookAtDeadlines()),
    }
  }

  #lookAtDeadlines(): void {
    this.#timer = undefined
    const now = this.#options.clock.now()
    const late = [...this.#pending].find(({ endsAt }) => endsAt <= now)
    if (late !== undefined) {
      const { what, timeoutMs, fail } = late
      fail(
        new ServerFailure(this.server, `${what} was not answered within ${Math.ceil(timeoutMs)} ms`, 'ill'),
      )
      this.#pending.delete(late)
      this.close(`${what} was not answered`)
    } else if (this.#pending.size > 0) {
      this.#watchUntil(Math.min(...[...this.#pending].map(({ endsAt }) => endsAt)))
    }
  }

  /**
   * After StartTLS ldapts no longer hears that a connection closes, and waits for ever; so every socket is watched here. An error is
   * for whoever waits, and that is told by the close which follows it.
   */
  #watch<T extends Socket>(socket: T): T {
    this.#sockets.push(socket)
    let cause = 'the server closed the connection'
    socket.prependListener('error', error => {
      cause = causeOf(error)
    })
    socket.prependListener('close', () => {
      if (this.#open) this.close(cause)
    })
    return socket
  }
}

/** Connected, over TLS where the url says so. */
function openSocket(server: Server, { clock, tls, connectTimeoutMs }: LinkOptions): Promise<Socket> {
  const { host, address = host, port, secure, socketPath } = server
  const target = socketPath === undefined ? { host: address, port } : { path: socketPath }
  const socket = secure ? connectTls({ ...target, ...tlsOptions(server, tls) }) : connectPlain(target)
  return new Promise((resolve, reject) => {
    const fail = (text: string) => {
      timer.cancel()
      socket.destroy()
      reject(new ServerFailure(server, text, 'ill'))
    }
    const timer = clock.setTimer(connectTimeoutMs, () => fail(`no connection within ${connectTimeoutMs} ms`))
    // It may fail again while it is destroyed.
    socket.on('error', error => fail(causeOf(error)))
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      timer.cancel()
      socket.removeAllListeners('error')
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      resolve(socket)
    })
  })
}

function tlsOptions({ host }: Server, { serverName = host, ...files }: TlsOptions): ConnectionOptions {
  return {
    ...files,
    // There is no SNI for addresses (RFC 6066 3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    // Said here, for NODE_TLS_REJECT_UNAUTHORIZED=0 is the default else.
    rejectUnauthorized: true,
  }
}

/** ldapts takes a name that is called EXTERNAL or PLAIN for a SASL mechanism: whoever dials as EXTERNAL would be let in by our certificate. */
class BindName {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  toString(): string {
    return this.#name
  }
}
