/** The real FreeRADIUS of Debian on loopback, for a test: a config, ports and files of its own, gone with the test. */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestScope } from '../../core/testing/scope.ts'
import { type FreeradiusConfig, filesOf } from './freeradius-config.ts'
import { type Program, run, start } from './processes.ts'
import { until } from './until.ts'

export type { FreeradiusConfig, RadiusUser } from './freeradius-config.ts'

/** Attributes of one packet by name, each with all of its values in order, as FreeRADIUS prints them. */
export type DetailRecord = Readonly<Record<string, readonly string[]>>

export interface Freeradius {
  readonly host: '127.0.0.1'
  readonly authPort: number
  readonly acctPort: number
  /** Listens where `radsec: true` asked for it. */
  readonly radsecPort: number
  readonly secret: string
  /** Of its raddb, with `ca.pem`, and `.pem` and `.key` of `server` and `client`. */
  readonly folder: string
  /** Accounting-Requests that it has taken, from its detail file. */
  detail(): readonly DetailRecord[]
  /** Access-Requests that it has taken, passwords in the clear. */
  requests(): readonly DetailRecord[]
  /** What it said since the start. */
  log(): string
  /** As an operator does it: what is asked is answered first. */
  stop(): Promise<void>
  /** As by a crash. */
  kill(): Promise<void>
  /** After `stop` or `kill`, on the same ports. */
  restart(): Promise<void>
  /** Takes what comes and answers nothing, until `resume`. */
  pause(): void
  resume(): void
}

/** Another test may have taken a port in between. */
const MOST_TRIES = 5
const READY = 'Ready to process requests'

export async function startFreeradius(t: TestScope, config: FreeradiusConfig = {}): Promise<Freeradius> {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-freeradius-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const secret = config.secret ?? randomBytes(12).toString('hex')
  for (let tries = 1; ; tries++) {
    const free = await freePorts()
    const { authPort } = config
    const ports = authPort === undefined ? free : { ...free, authPort, acctPort: authPort + 1 }
    const place = { folder, secret, ...ports }
    for (const [name, text] of Object.entries(filesOf(config, place))) {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
    }
    const server = new Server(place, config)
    t.after(() => server.kill())
    try {
      await server.restart()
      return server
    } catch (error) {
      if (tries === MOST_TRIES || !/Address already in use/.test(server.log())) throw error
    }
  }
}

interface Place {
  readonly folder: string
  readonly secret: string
  readonly authPort: number
  readonly acctPort: number
  readonly radsecPort: number
}

class Server implements Freeradius {
  readonly host = '127.0.0.1'
  readonly folder: string
  readonly secret: string
  readonly authPort: number
  readonly acctPort: number
  readonly radsecPort: number
  readonly #debug: boolean
  readonly #netns: string | undefined
  #before = ''
  #program: Program | undefined

  constructor(place: Place, { debug = false, netns }: FreeradiusConfig) {
    this.#debug = debug
    this.#netns = netns
    this.folder = place.folder
    this.secret = place.secret
    this.authPort = place.authPort
    this.acctPort = place.acctPort
    this.radsecPort = place.radsecPort
  }

  async restart(): Promise<void> {
    await this.kill()
    this.#before = this.log()
    const program = start(
      ['freeradius', '-d', this.folder, '-f', '-l', 'stdout', ...(this.#debug ? ['-xx'] : [])],
      { netns: this.#netns },
    )
    this.#program = program
    await until(
      'FreeRADIUS to be ready',
      () => {
        const said = program.stdout()
        if (!program.running()) throw new Error(`FreeRADIUS ended:\n${said}${program.stderr()}`)
        return said.includes(READY)
      },
      20_000,
      () => `\n${program.stdout()}${program.stderr()}`,
    )
  }

  async stop(): Promise<void> {
    await this.#program?.end()
  }

  async kill(): Promise<void> {
    await this.#program?.end('SIGKILL')
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  log(): string {
    const program = this.#program
    return program === undefined ? this.#before : `${this.#before}${program.stdout()}${program.stderr()}`
  }

  detail(): readonly DetailRecord[] {
    return recordsOf(join(this.folder, 'accounting'))
  }

  requests(): readonly DetailRecord[] {
    return recordsOf(join(this.folder, 'requests'))
  }

  #signal(signal: NodeJS.Signals): void {
    // `setpriv` has become the server.
    if (this.#program?.running() === true) process.kill(this.#program.pid, signal)
  }
}

/** What the detail module has written: a line of date, a line for each attribute, an empty line. */
function recordsOf(path: string): readonly DetailRecord[] {
  if (!existsSync(path)) return []
  const blocks = readFileSync(path, 'utf8').split('\n\n').slice(0, -1)
  return blocks.map(attributesOf)
}

function attributesOf(text: string): DetailRecord {
  const record: Record<string, string[]> = {}
  for (const [, name = '', raw = ''] of text.matchAll(/^\t([^\s=]+) = (.*)$/gm)) {
    const values = record[name] ?? []
    record[name] = values
    values.push(raw.startsWith('"') ? unquoted(raw) : raw)
  }
  return record
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

const unquoted = (text: string): string =>
  text
    .slice(1, -1)
    .replaceAll(/\\(?:([0-7]{3})|(.))/g, (_, octal: string | undefined, letter: string) =>
      octal === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(octal, 8)),
    )

/** For UDP and TCP alike, all different. */
export async function freePorts(): Promise<Pick<Place, 'authPort' | 'acctPort' | 'radsecPort'>> {
  const udp = await Promise.all([freeUdp(), freeUdp()])
  const tcp = await freeTcp()
  await Promise.all([...udp, tcp].map(({ close }) => close()))
  const [auth, acct] = udp
  return { authPort: auth.port, acctPort: acct.port, radsecPort: tcp.port }
}

interface Held {
  readonly port: number
  readonly close: () => Promise<unknown>
}

function freeUdp(): Promise<Held> {
  const socket = createSocket('udp4')
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.bind(0, '127.0.0.1', () =>
      resolve({
        port: socket.address().port,
        close: () => new Promise<void>(done => socket.close(() => done())),
      }),
    )
  })
}

function freeTcp(): Promise<Held> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      resolve({ port, close: () => new Promise<void>(done => server.close(() => done())) })
    })
  })
}

export interface RadclientRequest {
  readonly port: number
  readonly secret: string
  readonly kind: 'auth' | 'acct' | 'status' | 'coa' | 'disconnect'
  /** As radclient reads them: `User-Name = "alice"`. Message-Authenticator is added. */
  readonly attributes: readonly string[]
  readonly timeoutS?: number
  readonly tries?: number
  /** Name of the network namespace to send from; the test's own when it is not given. */
  readonly netns?: string
}

/** Sends one packet with FreeRADIUS's own client, and waits for the answer. */
export async function radclient(request: RadclientRequest): Promise<{
  /** Name of the answer's code, `CoA-ACK` say; undefined when there was none. */
  readonly code: string | undefined
  readonly attributes: DetailRecord
  readonly output: string
}> {
  const { port, secret, kind, attributes, timeoutS = 3, tries = 1, netns } = request
  const words = ['radclient', '-x', '-r', `${tries}`, '-t', `${timeoutS}`, `127.0.0.1:${port}`, kind, secret]
  const input = `${[...attributes, 'Message-Authenticator = 0x00'].join('\n')}\n`
  const { stdout, stderr } = await run(words, { input, netns, deadlineMs: (timeoutS * tries + 10) * 1000 })
  const [, code, rest = ''] = /^Received (\S+) Id [^\n]*\n([\s\S]*)/m.exec(stdout) ?? []
  return { code, attributes: attributesOf(rest), output: `${stdout}${stderr}` }
}
