/** A service behind a URL: a bounded number of connections and waiting calls, tries again, and is left alone while it fails. */
import { Agent as PlainAgent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import {
  BurrowError,
  type Clock,
  type JsonCall,
  type Logger,
  type Random,
  Slots,
  type TlsFiles,
} from 'burrow'
import { Breaker, type Health } from './breaker.ts'
import type { Options } from './config.ts'
import { type Outcome, post, type Target } from './post.ts'

interface ServiceParts {
  readonly options: Options
  readonly tls: TlsFiles
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 2000

export class Service {
  readonly #parts: ServiceParts
  readonly #target: Target
  readonly #slots: Slots
  readonly #breaker: Breaker
  readonly #living = new Set<AbortController>()
  /** For people: without the query, which may hold a token. */
  readonly #name: string
  #stopped = false

  constructor(parts: ServiceParts) {
    const { options, tls, clock, log } = parts
    const { url, headers, maxResponseBytes, connections, waitingCalls, serverName } = options
    this.#parts = parts
    this.#name = `${url.origin}${url.pathname}`
    this.#slots = new Slots(connections, waitingCalls)
    const kept = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections }
    const named = serverName === undefined ? {} : { servername: serverName }
    const agent =
      url.protocol === 'https:'
        ? // Said here, for NODE_TLS_REJECT_UNAUTHORIZED=0 is the default else.
          new TlsAgent({ ...kept, ...tls, ...named, rejectUnauthorized: true })
        : new PlainAgent(kept)
    this.#target = { url, agent, headers, maxResponseBytes }
    const { breakerFailures: failures, breakerOpenMs: openMs } = options
    this.#breaker = new Breaker({
      clock,
      failures,
      openMs,
      onChange: state => {
        const fields = { url: this.#name, failures, openMs }
        if (state === 'open') log.error(fields, 'the service fails; it is left alone for a while')
        else log.warn({ url: this.#name }, 'the service answers again')
      },
    })
  }

  async ask(call: JsonCall): Promise<unknown> {
    if (this.#stopped) throw stopped()
    if (this.#breaker.isOpen) throw this.#leftAlone()
    const abort = new AbortController()
    const { signal } = abort
    const follow = () => abort.abort(call.signal.reason)
    call.signal.addEventListener('abort', follow, { once: true })
    this.#living.add(abort)
    try {
      const outcome = await this.#slots.run({ signal }, () => this.#send({ ...call, signal }))
      if (outcome === 'full') {
        const { waitingCalls } = this.#parts.options
        throw new BurrowError('HOOK_BUSY', `${waitingCalls} calls wait for a connection already`)
      }
      if (outcome === 'aborted') throw signal.reason
      if (outcome.kind === 'answer') return outcome.answer
      throw new BurrowError(outcome.error.code, `${this.#name}: ${outcome.error.message}`)
    } finally {
      this.#living.delete(abort)
      call.signal.removeEventListener('abort', follow)
    }
  }

  /** Every request is cancelled, every connection closed; what is asked then fails, so that none is opened again. */
  stop(): void {
    this.#stopped = true
    for (const abort of this.#living) abort.abort(stopped())
    this.#target.agent.destroy()
  }

  async #send(call: JsonCall): Promise<Outcome> {
    const tell = this.#breaker.enter()
    if (tell === undefined) throw this.#leftAlone()
    let health: Health = 'neither'
    try {
      const outcome = await this.#tryAgain(call)
      health = call.signal.aborted ? healthOfAborted(call.signal.reason) : HEALTH[outcome.kind]
      // Cancelling makes an error of its own, which says nothing.
      if (call.signal.aborted) throw call.signal.reason
      return outcome
    } finally {
      tell(health)
    }
  }

  async #tryAgain(call: JsonCall): Promise<Outcome> {
    for (let retry = 0; ; retry++) {
      const outcome = await post(this.#target, call)
      if (outcome.kind !== 'down' || retry === this.#parts.options.retries || call.signal.aborted)
        return outcome
      if (!(await this.#pause(retry, call.signal))) return outcome
    }
  }

  /** Resolves to false when `signal` aborts first. */
  #pause(retry: number, signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#parts
    const longestMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** retry)
    return new Promise(resolve => {
      const aborted = () => {
        timer.cancel()
        resolve(false)
      }
      const timer = clock.setTimer(longestMs * (0.5 + random.uint16() / 0x20000), () => {
        signal.removeEventListener('abort', aborted)
        resolve(true)
      })
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  #leftAlone(): BurrowError {
    return new BurrowError(
      'HOOK_BREAKER_OPEN',
      `${this.#name} failed too often; it is left alone for a while`,
    )
  }
}

const stopped = (): BurrowError => new BurrowError('HOOK_FAILED', 'the plugin is stopped')

/**
 * An answer that is of no use still shows a service that works: whoever dials with a name that it cannot stomach must not
 * shut it off for everybody.
 */
const HEALTH: Readonly<Record<Outcome['kind'], Health>> = { answer: 'well', useless: 'well', down: 'ill' }

const healthOfAborted = (reason: unknown): Health =>
  reason instanceof BurrowError && reason.code === 'HOOK_TIMEOUT' ? 'ill' : 'neither'
