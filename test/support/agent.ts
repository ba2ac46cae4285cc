/** A process that does what it is asked, so that its CPU time and its namespace are its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { TestScope } from '../../core/testing/scope.ts'
import { ROOT } from './imports.ts'
import type { Netns } from './netns.ts'

type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>

export interface Agent<H extends Handlers> {
  readonly pid: number
  call<N extends keyof H & string>(name: N, ...args: Parameters<H[N]>): Promise<Awaited<ReturnType<H[N]>>>
}

interface Request {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly failure: string })

/** Starts a module of this folder's parent (`bench/dataplane/client`); it is gone with `t`, and with this process however that ends. */
export function startAgent<H extends Handlers>(t: TestScope, netns: Netns, module: string): Agent<H> {
  const path = join(ROOT, 'dist/test', `${module}.js`)
  const words = ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', netns.name]
  const child = spawn('setpriv', [...words, process.execPath, '--enable-source-maps', path], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.after(() => end(child))
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  child.on('message', (reply: Reply) => {
    const one = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('failure' in reply) one?.reject(new Error(`${module}: ${reply.failure}`))
    else one?.resolve(reply.result)
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${module} ended: ${code ?? signal}`))
  })
  let next = 0
  return {
    pid: child.pid ?? 0,
    call: (name, ...args) =>
      new Promise((resolve, reject) => {
        const request: Request = { id: next++, name, args }
        waiting.set(request.id, { resolve: resolve as (result: unknown) => void, reject })
        child.send(request)
      }),
  }
}

/** In the process itself: one request at a time. */
export function serveAgent(handlers: Handlers): void {
  let last: Promise<unknown> = Promise.resolve()
  process.on('message', ({ id, name, args }: Request) => {
    last = last.then(async () => {
      try {
        const handler = handlers[name] as (...args: readonly unknown[]) => unknown
        process.send?.({ id, result: await handler(...args) })
      } catch (error) {
        process.send?.({ id, failure: (error as Error).stack ?? String(error) })
      }
    })
  })
  process.on('disconnect', () => process.exit())
}

function end(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
