/** A service behind hook-http, and the plugin that asks it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { BurrowError } from '../../../core/errors.ts'
import { Inquiry } from '../../../core/hooks/guard.ts'
import { type Harness, startPlugin } from '../../../core/testing/plugin-harness.ts'
import { papProof } from '../../../core/testing/proofs.ts'
import hookHttp from '../../../plugins/hook-http/index.ts'
import type { LeaseCall } from './leases.ts'

interface Call extends LeaseCall {
  readonly user?: string
  readonly proof?: { readonly password: string }
}
export type Answer = (call: Call, response: ServerResponse, request: IncomingMessage) => unknown

/** A service on loopback; what `answer` returns is sent as JSON, unless it answered by itself. */
export async function service(t: TestContext, answer: Answer) {
  const calls: { readonly call: Call; readonly request: IncomingMessage }[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server: Server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const call: Call = JSON.parse(text)
    calls.push({ call, request })
    const answered = await answer(call, response, request)
    if (response.headersSent || response.destroyed || answered === undefined) return
    response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(answered))
  })
  server.on('connection', socket => {
    connections++
    sockets.add(socket.on('close', () => sockets.delete(socket)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/burrow?token=in-the-query`,
    calls,
    sockets,
    connections: () => connections,
    server,
  }
}

export const start = (t: TestContext, url: string, more: object = {}) =>
  startPlugin(t, hookHttp, { options: { url, hooks: ['authenticate'], ...more } })
export const login = (plugin: Harness, user = 'hb@hb', inquiry = new Inquiry()) =>
  plugin.authenticate(user, papProof('hunter2'), { inquiry })
export const kindOf = async (asked: ReturnType<typeof login>) => (await asked).verdict?.kind
export const codes = ({ faults }: Harness) => faults.map(({ error }) => (error as BurrowError).code)
export const accept = ({ user }: Call) => ({ kind: 'accept', user })
/** Timers: the deadlines of the guard and of the call, and the pause before the next try. */
export const PAUSING = 3
export const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end()
