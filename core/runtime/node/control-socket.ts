/**
 * How `burrow sessions` asks a running server: a Unix socket that only its owner may open, one JSON object a
 * line each way. `{"get":"sessions"}` is answered by `{"ok":true,"value":...}` or `{"ok":false,"error":"..."}`.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { BurrowError } from '../../errors.ts'

export const DEFAULT_CONTROL_SOCKET = '/run/burrow/control.sock'

const LONGEST_REQUEST_CHARS = 4096
const LONGEST_REPLY_CHARS = 256 * 1024 * 1024
const MOST_CLIENTS = 16
const CLIENT_TIMEOUT_MS = 5000

interface ControlSocket {
  close(): Promise<void>
}

/** Serves `answers` by name. A file that a dead server left behind is replaced; a live one is an error. */
export async function openControlSocket(
  path: string,
  answers: ReadonlyMap<string, () => unknown>,
): Promise<ControlSocket> {
  const clients = new Set<Socket>()
  const server = createServer(client => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => client.destroy())
    client.setTimeout(CLIENT_TIMEOUT_MS, () => client.destroy())
    onLines(client, LONGEST_REQUEST_CHARS, line =>
      client.write(`${JSON.stringify(answer(line, answers), plainNumbers)}\n`),
    )
  })
  server.maxConnections = MOST_CLIENTS
  if (await isServed(path)) {
    throw new BurrowError('CONTROL_SOCKET', 'another burrow serves this control socket', { file: path })
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    rmSync(path, { force: true })
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

/** Asks the server behind `path` for `name`. */
export function askControlSocket(path: string, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown) => {
      server.destroy()
      reject(new BurrowError('CONTROL_SOCKET', message, { file: path }, { cause }))
    }
    const server = connect(path, () => server.write(`${JSON.stringify({ get: name })}\n`))
    server.setTimeout(CLIENT_TIMEOUT_MS, () => fail('the server does not answer'))
    server.on('error', error => fail(`no server answers here: ${error.message}`, error))
    server.on('close', () => fail('the server closed the connection'))
    onLines(server, LONGEST_REPLY_CHARS, line => {
      try {
        const reply = JSON.parse(line)
        if (reply.ok !== true) return fail(String(reply.error))
        resolve(reply.value)
        server.destroy()
      } catch (error) {
        fail('the server answers no JSON', error)
      }
    })
  })
}

function answer(line: string, answers: ReadonlyMap<string, () => unknown>) {
  try {
    const name = JSON.parse(line)?.get
    const give = answers.get(name)
    if (give === undefined)
      return { ok: false, error: `asked for ${name}; known are ${[...answers.keys()].join(', ')}` }
    return { ok: true, value: give() }
  } catch (error) {
    return { ok: false, error: (error as Error).message }
  }
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
