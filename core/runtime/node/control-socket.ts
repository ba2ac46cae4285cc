/**
 * How the other commands ask a running server: a Unix socket, one JSON object a line each way.
 * `{"get":"sessions"}` or `{"get":"explain","with":{...}}` is answered by `{"ok":true,"value":...}` or
 * `{"ok":false,"error":{"code","message","place","also"}}`.
 *
 * Only the user that the server runs as, and root, may open it (mode 0600, and 0700 for a folder that is made for it), and whoever
 * may open it may do what the server can do: a `try` sends passwords over it. It is never reachable over a network.
 */
import { lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { BurrowError, ERRORS, type ErrorCode, type ErrorPlace } from '../../errors.ts'

export const DEFAULT_CONTROL_SOCKET = '/run/burrow/control.sock'

const LONGEST_REQUEST_CHARS = 64 * 1024
const LONGEST_REPLY_CHARS = 256 * 1024 * 1024
const MOST_CLIENTS = 16
const MOST_PROBLEMS = 64
/** Of silence, where no answer is being made. */
const CLIENT_TIMEOUT_MS = 5000
const LONGEST_ANSWER_MS = 120_000

/** Answers one question; `args` is whatever the other side sent. A BurrowError travels as it is. */
export type ControlAnswer = (args: unknown) => unknown

interface ControlSocket {
  close(): Promise<void>
}

/** Serves `answers` by name. A file that a dead server left behind is replaced; a live one is an error. */
export async function openControlSocket(
  path: string,
  answers: ReadonlyMap<string, ControlAnswer>,
): Promise<ControlSocket> {
  const clients = new Set<Socket>()
  const server = createServer(client => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => client.destroy())
    serveClient(client, answers)
  })
  server.maxConnections = MOST_CLIENTS
  if (await isServed(path)) {
    throw new BurrowError('CONTROL_SOCKET', 'another burrow serves this control socket', { file: path })
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    removeDead(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Ours alone from the start; a chmod afterwards would come a moment late.
      const umask = process.umask(0o177)
      server.listen(path, resolve)
      process.umask(umask)
    })
  } catch (cause) {
    server.close()
    throw new BurrowError(
      'CONTROL_SOCKET',
      `cannot be opened: ${(cause as Error).message}`,
      { file: path },
      { cause },
    )
  }
  return {
    close: () =>
      new Promise(resolve => {
        for (const client of clients) client.destroy()
        // Closing removes the file as well.
        server.close(() => resolve())
      }),
  }
}

/** A socket that a dead server left behind; anything else is somebody's file. */
function removeDead(path: string): void {
  const left = lstatSync(path, { throwIfNoEntry: false })
  if (left === undefined) return
  if (!left.isSocket()) throw new Error('there is a file of this name that is no socket')
  rmSync(path)
}

/**
 * Asks the server behind `path` for `name`. Rejects with the error that the server threw, or with CONTROL_SOCKET when none answers
 * within `timeoutMs`; its `cause` is then the error of the connection.
 */
export function askControlSocket(
  path: string,
  name: string,
  args?: object,
  { timeoutMs = CLIENT_TIMEOUT_MS } = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(deadline)
      server.destroy()
      settle()
    }
    const fail = (message: string, cause?: unknown) =>
      end(() => reject(new BurrowError('CONTROL_SOCKET', message, { file: path }, { cause })))
    const deadline = setTimeout(() => fail(`the server does not answer within ${timeoutMs} ms`), timeoutMs)
    const request = JSON.stringify({ get: name, with: args })
    const server = connect(path, () => server.write(`${request}\n`))
    server.on('error', error => fail(`no server answers here: ${error.message}`, error))
    server.on('close', () => fail('the server closed the connection'))
    onLines(server, LONGEST_REPLY_CHARS, line => {
      try {
        const reply = JSON.parse(line)
        const error = reply.ok === true ? undefined : received(reply.error, path)
        end(() => (error === undefined ? resolve(reply.value) : reject(error)))
      } catch (error) {
        fail('the server answers what this command does not understand', error)
      }
    })
  })
}

/** One question at a time; while it is being answered nothing more is read. */
function serveClient(client: Socket, answers: ReadonlyMap<string, ControlAnswer>): void {
  let last = Promise.resolve()
  let waiting = 0
  client.setTimeout(CLIENT_TIMEOUT_MS, () => client.destroy())
  onLines(client, LONGEST_REQUEST_CHARS, line => {
    waiting++
    client.pause().setTimeout(LONGEST_ANSWER_MS)
    last = last.then(async () => {
      const reply = client.destroyed ? undefined : await answer(line, answers)
      if (!client.destroyed) client.write(`${reply}\n`)
      waiting--
      if (waiting === 0) client.setTimeout(CLIENT_TIMEOUT_MS).resume()
    })
  })
}

/** The line that answers; never rejects. */
async function answer(line: string, answers: ReadonlyMap<string, ControlAnswer>): Promise<string> {
  try {
    const { get, args } = question(line)
    const give = answers.get(get)
    if (give === undefined) {
      const known = [...answers.keys()].join(', ')
      throw new BurrowError('CONTROL_SOCKET', `asked for ${JSON.stringify(get)}; known are ${known}`)
    }
    return JSON.stringify({ ok: true, value: await give(args) }, plainNumbers)
  } catch (error) {
    return JSON.stringify({ ok: false, error: sent(error) })
  }
}

function question(line: string): { readonly get: string; readonly args: unknown } {
  try {
    const { get, with: args } = JSON.parse(line)
    return { get: String(get), args }
  } catch {
    // The cause would tell what was asked, and with it perhaps a password.
    throw new BurrowError('CONTROL_SOCKET', 'expected a line of JSON: {"get":"NAME","with":{...}}')
  }
}

interface SentError {
  readonly code: string
  readonly message: string
  readonly place: ErrorPlace
  readonly also: readonly SentError[]
}

function sent(error: unknown): SentError {
  if (error instanceof BurrowError) {
    const { code, message, place, also } = error
    return { code, message, place, also: also.slice(0, MOST_PROBLEMS).map(sent) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'INTERNAL', message, place: {}, also: [] }
}

/** A server of another version may have codes that we do not know. */
function received({ code, message, place, also }: SentError, path: string): BurrowError {
  const others = also.map(one => received(one, path))
  return Object.hasOwn(ERRORS, code)
    ? new BurrowError(code as ErrorCode, message, place, { also: others })
    : new BurrowError('CONTROL_SOCKET', `${code}: ${message}`, { file: path }, { also: others })
}

/** Counters are 64 bits wide; JSON readers hold 53. */
const plainNumbers = (_key: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)

/** A connection that says more than `longest` without a line end is dropped. */
function onLines(socket: Socket, longest: number, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = chunk.split('\n')
    lines[0] = rest + lines[0]
    rest = lines.pop() ?? ''
    if (rest.length > longest) socket.destroy()
    for (const line of lines) onLine(line)
  })
}

function isServed(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
}
