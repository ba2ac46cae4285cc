/**
 * Two endpoints and the network between them, in virtual time: latency, loss, duplication, reordering, late verdicts,
 * crashes. Everything is drawn from one seed, so that a failing run can be run again.
 */

import type { Flow } from '../../core/flow.ts'
import type { Path, Random } from '../../core/ports.ts'
import { DEFAULT_L2TP, type DialRequest, type EndpointConfig } from '../../core/protocol/config.ts'
import { Endpoint } from '../../core/protocol/endpoint.ts'
import type { Ask, Event, Lease, Output, Verdict } from '../../core/protocol/outputs.ts'
import { DEFAULT_PPP } from '../../core/protocol/ppp/config.ts'
import type { Json } from '../../core/protocol/snapshot.ts'
import { Timers } from '../../core/protocol/timers.ts'
import { SeededRandom } from '../../core/testing/random.ts'

export const LNS_ADDRESS = { address: '2.2.2.2', port: 1701 } as const
export const CLIENT_ADDRESS = { address: '3.3.3.3', port: 40_000 } as const
export const USER = 'hb@hb'
export const PASSWORD = 'admin@123'

export interface Weather {
  readonly minLatencyMs: number
  readonly maxLatencyMs: number
  /** Probabilities of each datagram. */
  readonly loss: number
  readonly duplication: number
}

export const FAIR_WEATHER: Weather = { minLatencyMs: 10, maxLatencyMs: 10, loss: 0, duplication: 0 }

/** Decides an ask; `undefined` never answers. */
export type Decide = (
  ask: Ask,
  side: Side,
) => { readonly verdict: Verdict; readonly afterMs: number } | undefined

export interface PairOptions {
  readonly seed: number
  readonly weather?: Weather
  readonly lns?: Partial<EndpointConfig>
  readonly client?: Partial<EndpointConfig>
  readonly lnsRandom?: Random
  readonly clientRandom?: Random
  readonly decide?: Decide
  /** Replace each endpoint by its restored snapshot at every step: in turns before and after its outputs are taken. */
  readonly restoreAlways?: boolean
  /** Keep a trace of every output. */
  readonly trace?: boolean
  /** What is between them: the path by which the other side sees a datagram; undefined: it is lost. */
  readonly between?: (from: Side, path: Path) => Path | undefined
  /** Sees each output before it is performed. */
  readonly onOutput?: (from: Side, output: Output) => void
}

export class Side {
  readonly name: 'lns' | 'client'
  readonly config: EndpointConfig
  readonly random: Random
  endpoint: Endpoint
  events: Event[] = []
  readonly flows = new Map<number, Flow>()
  readonly leases = new Map<string, Lease>()
  readonly open = new Set<number>()
  /** Counts crashes: what was on its way to a former life is dropped. */
  life = 0

  constructor(name: 'lns' | 'client', config: EndpointConfig, random: Random) {
    this.name = name
    this.config = config
    this.random = random
    this.endpoint = new Endpoint(config, random)
  }

  /** As a new process would go on: everything through JSON. */
  restore(): void {
    const text = JSON.stringify(this.endpoint.snapshot())
    this.endpoint = Endpoint.restore(JSON.parse(text) as Json, this.config, this.random)
  }

  eventsOf<K extends Event['kind']>(kind: K): Extract<Event, { kind: K }>[] {
    return this.events.filter((event): event is Extract<Event, { kind: K }> => event.kind === kind)
  }
}

export const LNS_CONFIG: EndpointConfig = {
  hostName: 'lns',
  vendorName: 'Burrow',
  secrets: [],
  l2tp: DEFAULT_L2TP,
  ppp: { ...DEFAULT_PPP.lns, localAddress: '172.16.1.1', mruBytes: 1500 },
}

export const CLIENT_CONFIG: EndpointConfig = {
  hostName: 'client',
  vendorName: 'Burrow',
  secrets: [],
  l2tp: DEFAULT_L2TP,
  ppp: DEFAULT_PPP.lac,
}

export function dialRequest(overrides: Partial<DialRequest> = {}): DialRequest {
  return {
    path: { local: CLIENT_ADDRESS, remote: LNS_ADDRESS },
    ppp: { ...DEFAULT_PPP.lac, mruBytes: 1500, authAs: { user: USER, methods: ['chap-md5', 'pap'] } },
    ...overrides,
  }
}

export class Pair {
  now = 0
  weather: Weather
  readonly lns: Side
  readonly client: Side
  readonly trace: string[] = []
  readonly #options: PairOptions
  readonly #chance: SeededRandom
  /** What is to happen when, by a name of its own. */
  readonly #due = new Timers()
  readonly #deeds = new Map<string, () => void>()
  #named = 0
  #steps = 0
  #nextAddress = 51

  constructor(options: PairOptions) {
    this.#options = options
    this.#chance = new SeededRandom(options.seed)
    this.weather = options.weather ?? FAIR_WEATHER
    const lnsRandom = options.lnsRandom ?? new SeededRandom(options.seed ^ 0x1111)
    const clientRandom = options.clientRandom ?? new SeededRandom(options.seed ^ 0x2222)
    this.lns = new Side('lns', { ...LNS_CONFIG, ...options.lns }, lnsRandom)
    this.client = new Side('client', { ...CLIENT_CONFIG, ...options.client }, clientRandom)
  }

  /** Runs `act` on one side now, and all that follows from it. */
  act<T>(side: Side, act: (endpoint: Endpoint, now: number) => T): T {
    const result = act(side.endpoint, this.now)
    this.#drain(side)
    return result
  }

  dial(overrides: Partial<DialRequest> = {}): ReturnType<Endpoint['dial']> {
    return this.act(this.client, (endpoint, now) => endpoint.dial(now, dialRequest(overrides)))
  }

  /** The process dies and comes back with an empty memory: nothing is told to anybody. */
  crash(side: Side): void {
    side.life++
    side.endpoint = new Endpoint(side.config, side.random)
    side.flows.clear()
    side.leases.clear()
    side.open.clear()
  }

  at(time: number, run: () => void): void {
    const name = String(this.#named++)
    this.#due.set(name, time)
    this.#deeds.set(name, run)
  }

  /** A datagram out of nowhere. */
  inject(side: Side, path: Path, bytes: Uint8Array): void {
    this.act(side, (endpoint, now) => endpoint.handleDatagram(now, path, bytes))
  }

  /** Passes time until `until`, or until `done` holds; true when it does. */
  run(until: number, done: () => boolean = () => false): boolean {
    for (;;) {
      if (done()) return true
      const at = this.#nextAt()
      if (at > until) break
      this.now = Math.max(this.now, at)
      this.#happen()
    }
    this.now = Math.max(this.now, until)
    return done()
  }

  #nextAt(): number {
    const { lns, client } = this
    const deadlines = [this.#due.next(), lns.endpoint.nextTimeout(), client.endpoint.nextTimeout()]
    return Math.min(...deadlines.map(at => at ?? Number.POSITIVE_INFINITY))
  }

  /** One thing that is due now: what was planned goes before deadlines. */
  #happen(): void {
    const name = this.#due.takeDue(this.now)
    const deed = name === undefined ? undefined : this.#deeds.get(name)
    if (name !== undefined && deed !== undefined) {
      this.#deeds.delete(name)
      deed()
      return
    }
    const due = [this.lns, this.client].find(
      ({ endpoint }) => (endpoint.nextTimeout() ?? this.now + 1) <= this.now,
    )
    if (due !== undefined) this.act(due, (endpoint, now) => endpoint.handleTimeout(now))
  }

  #drain(side: Side): void {
    const restore = this.#options.restoreAlways === true
    this.#steps++
    if (restore && this.#steps % 2 === 0) side.restore()
    for (let output = side.endpoint.pollOutput(); output !== undefined; output = side.endpoint.pollOutput()) {
      if (this.#options.trace === true) this.trace.push(`${this.now} ${side.name} ${print(output)}`)
      this.#options.onOutput?.(side, output)
      this.#perform(side, output)
    }
    if (restore && this.#steps % 2 === 1) side.restore()
  }

  #perform(side: Side, output: Output): void {
    switch (output.kind) {
      case 'transmit':
        return this.#transmit(side, output.path, output.bytes)
      case 'ask':
        return this.#ask(side, output.askId, output.ask)
      case 'withdraw':
        side.open.delete(output.askId)
        return
      case 'flow': {
        if (output.op === 'upsert') {
          side.flows.set(output.flow.id, output.flow)
          return
        }
        const { flowId, generation } = output
        const counters = { packetsIn: 1n, octetsIn: 2n, packetsOut: 3n, octetsOut: 4n, drops: {} }
        return this.#later(side, this.now + 5, () => {
          side.flows.delete(flowId)
          this.act(side, (endpoint, now) =>
            endpoint.handleAnswer(now, { kind: 'flowRemoved', flowId, generation, counters }),
          )
        })
      }
      case 'event':
        side.events.push(output.event)
        if (output.event.kind === 'sessionDown')
          for (const { id } of output.event.leases) side.leases.delete(id)
    }
  }

  #ask(side: Side, askId: number, ask: Ask): void {
    side.open.add(askId)
    const decided = (this.#options.decide ?? ((asked: Ask) => ({ verdict: this.accept(asked), afterMs: 0 })))(
      ask,
      side,
    )
    if (decided === undefined) return
    this.#later(side, this.now + decided.afterMs, () => {
      // Withdrawn: whoever decided keeps what it would have given.
      if (!side.open.delete(askId)) return
      const { verdict } = decided
      if (verdict.kind === 'accept' && 'lease' in verdict && verdict.lease !== undefined)
        side.leases.set(verdict.lease.id, verdict.lease)
      this.act(side, (endpoint, now) => endpoint.handleAnswer(now, { kind: 'verdict', askId, verdict }))
    })
  }

  /** The verdict of a world in which everything is right. */
  accept(ask: Ask, password: string = PASSWORD): Verdict {
    switch (ask.kind) {
      case 'admitTunnel':
      case 'admitSession':
        return { kind: 'accept' }
      case 'authenticate':
        return { kind: 'accept', grant: { user: ask.user } }
      case 'authorize':
        return { kind: 'accept', grant: ask.grant }
      case 'assignAddress': {
        const { address: kind } = ask
        const number = this.#nextAddress++
        const value = kind === 'ipv4' ? `172.16.1.${number}` : `2001:db8:${number.toString(16)}::/64`
        return { kind: 'accept', lease: { owner: 'test', kind, value, id: value } }
      }
      case 'decidePolicy':
        return { kind: 'accept', policy: { zone: 'dmz', rules: [] } }
      case 'ownSecret':
        return { kind: 'accept', secret: password }
    }
  }

  #transmit(from: Side, path: Path, bytes: Uint8Array): void {
    const { loss, duplication, minLatencyMs, maxLatencyMs } = this.weather
    const to = from === this.lns ? this.client : this.lns
    const swapped = { local: path.remote, remote: path.local }
    const seen = this.#options.between === undefined ? swapped : this.#options.between(from, path)
    if (seen === undefined) return
    const copies = (this.#chance.fraction() < loss ? 0 : 1) + (this.#chance.fraction() < duplication ? 1 : 0)
    for (let copy = 0; copy < copies; copy++) {
      const latency = minLatencyMs + Math.floor(this.#chance.fraction() * (maxLatencyMs - minLatencyMs + 1))
      this.at(this.now + latency, () =>
        this.act(to, (endpoint, now) => endpoint.handleDatagram(now, seen, bytes)),
      )
    }
  }

  #later(side: Side, at: number, run: () => void): void {
    const { life } = side
    this.at(at, () => {
      if (side.life === life) run()
    })
  }
}

function print(output: Output): string {
  return JSON.stringify(output, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  })
}
