/** Who answers a question about policy or a login: the server behind the control socket, or, where there is none, the plugins of the config in this process. */
import { BurrowError } from '../errors.ts'
import type { Lns } from '../runtime/lns.ts'
import { askControlSocket } from '../runtime/node/control-socket.ts'
import { createLogger } from '../runtime/node/logger.ts'
import { controlSocketOf } from './control.ts'
import { SAMPLE_CONFIG } from './package-root.ts'
import { thisMachine } from './world.ts'

export interface AnswererOptions {
  readonly config?: string
  readonly socket?: string
}

/** Every tap of a chain may take as long as its hook lets it. */
const ANSWER_MS = 145_000
/** Of the connection: nobody serves this socket. */
const NO_SERVER: ReadonlySet<unknown> = new Set(['ENOENT', 'ECONNREFUSED'])

export class Answerer {
  /** In words, once it has answered. */
  name = ''
  readonly #options: AnswererOptions
  #own: Lns | undefined

  constructor(options: AnswererOptions) {
    this.#options = options
  }

  /** Whether it is this process that answers, which serves nobody. */
  get isOwn(): boolean {
    return this.#own !== undefined
  }

  /** `question`: of the control socket; `here` answers the same of a server in this process. */
  async ask<T>(question: string, args: object, here: (lns: Lns) => T | Promise<T>): Promise<T> {
    if (this.#own !== undefined) return here(this.#own)
    const socket = await controlSocketOf(this.#options)
    try {
      const result = await askControlSocket(socket, question, args, { timeoutMs: ANSWER_MS })
      this.name = `the server behind ${socket}`
      return result as T
    } catch (error) {
      if (this.#options.socket !== undefined || !isNobody(error)) throw error
    }
    const { config = SAMPLE_CONFIG } = this.#options
    this.#own = await startHere(config)
    this.name = `the plugins of ${config}, here: no server serves ${socket}`
    return here(this.#own)
  }

  async close(): Promise<void> {
    await this.#own?.stop()
  }
}

async function startHere(file: string): Promise<Lns> {
  const { loadConfig, Lns } = await import('./server.ts')
  const log = createLogger({ level: 'warn' })
  const lns = new Lns(await loadConfig(file), thisMachine(log, undefined))
  await lns.startDeciders()
  return lns
}

function isNobody(error: unknown): boolean {
  const cause = error instanceof BurrowError ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && NO_SERVER.has(cause.code)
}
