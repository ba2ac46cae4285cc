/** Asks the servers of a pool one after the other: who lives before who may not, then by priority, then by weight. */
import type { Clock, Milliseconds, RadiusOutcome, RadiusRequest, Random } from 'burrow'
import type { RadiusCodec } from './codec.ts'
import type { HealthState } from './health.ts'
import type { Link, LinkOutcome } from './link.ts'

export interface Server {
  readonly name: string
  readonly priority: number
  readonly weight: number
  readonly timeoutMs: Milliseconds
  readonly links: Readonly<Record<RadiusRequest['code'], Link>>
}

export interface Pool {
  readonly name: string
  readonly servers: readonly Server[]
}

/** What a link says instead of an answer, for log and trail; `next`: another server may do better. */
const FAILURES: Readonly<
  Record<
    Exclude<LinkOutcome['kind'], 'reply' | 'impossible'>,
    { readonly text: string; readonly next: boolean }
  >
> = {
  silent: { text: 'no answer in time', next: true },
  dead: { text: 'dead', next: true },
  lost: { text: 'the connection broke', next: true },
  busy: { text: 'too many requests wait', next: true },
  aborted: { text: 'no longer wanted', next: false },
  stopped: { text: 'the plugin is stopped', next: false },
}

const RANK: Readonly<Record<HealthState, number>> = { alive: 0, zombie: 2, dead: 4 }

export class Asking {
  readonly #pools: readonly Pool[]
  readonly #codec: RadiusCodec
  readonly #clock: Clock
  readonly #random: Random

  constructor(pools: readonly Pool[], codec: RadiusCodec, clock: Clock, random: Random) {
    this.#pools = pools
    this.#codec = codec
    this.#clock = clock
    this.#random = random
  }

  /** Never rejects. */
  async ask(request: RadiusRequest): Promise<RadiusOutcome> {
    const { code, attributes, signal } = request
    const candidates = this.#candidates(request)
    if (typeof candidates === 'string') return unavailable(candidates)
    const patient = request.timeoutMs !== undefined
    const allMs = request.timeoutMs ?? candidates.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0)
    const endsAt = this.#clock.now() + allMs
    const failures = new Map<Server, string>()
    const question = { codec: this.#codec, code, attributes }
    for (;;) {
      const leftMs = endsAt - this.#clock.now()
      const server = leftMs > 0 ? this.#next(candidates, failures, code) : undefined
      if (server === undefined) return unavailable(reasonOf(candidates, failures))
      const timeoutMs = patient ? leftMs : Math.min(leftMs, server.timeoutMs)
      const outcome = await server.links[code].ask(question, { timeoutMs, patient, signal })
      if (outcome.kind === 'reply') {
        const { message } = outcome
        return {
          kind: 'reply',
          code: message.code as ReplyCode,
          attributes: message.attributes,
          server: server.name,
        }
      }
      if (outcome.kind === 'impossible') return unavailable(outcome.reason)
      const { text, next } = FAILURES[outcome.kind]
      if (!next) return unavailable(text)
      // Another connection to the same server may do, where no other server does.
      if (outcome.kind !== 'lost') failures.set(server, text)
    }
  }

  #candidates({ pool: name, server: only }: RadiusRequest): readonly Server[] | string {
    const pool = name === undefined ? this.#pools[0] : this.#pools.find(one => one.name === name)
    if (pool === undefined) return `there is no pool ${name ?? 'yet'}`
    if (only === undefined) return pool.servers
    const found = pool.servers.filter(server => server.name === only)
    return found.length > 0 ? found : `there is no server ${only} in the pool ${pool.name}`
  }

  #next(
    servers: readonly Server[],
    failures: ReadonlyMap<Server, string>,
    code: RadiusRequest['code'],
  ): Server | undefined {
    let best: Server[] = []
    let bestRank = Number.POSITIVE_INFINITY
    for (const server of servers) {
      if (failures.has(server)) continue
      const { state, hasRoom } = server.links[code]
      // A priority is less than the step of the states.
      const rank = (RANK[state] + (hasRoom ? 0 : 1)) * 0x1_0000 + server.priority
      if (state === 'dead' || rank > bestRank) continue
      if (rank < bestRank) best = []
      bestRank = rank
      best.push(server)
    }
    return best.length < 2 ? best[0] : this.#byWeight(best)
  }

  #byWeight(servers: readonly Server[]): Server | undefined {
    const all = servers.reduce((sum, { weight }) => sum + weight, 0)
    let at = this.#random.uint32() % all
    return servers.find(({ weight }) => {
      at -= weight
      return at < 0
    })
  }
}

type ReplyCode = Extract<RadiusOutcome, { kind: 'reply' }>['code']

const unavailable = (reason: string): RadiusOutcome => ({ kind: 'unavailable', reason })

/** Of a server that was never asked: it is dead, or the time was over before its turn. */
function reasonOf(servers: readonly Server[], failures: ReadonlyMap<Server, string>): string {
  return servers.map(server => `${server.name}: ${failures.get(server) ?? 'dead'}`).join('; ')
}
