/** A RADIUS server that takes accounting records, or does not, as a test says; it is the RADIUS client, too. */

import { z } from 'zod'
import type { AnyPlugin } from '../../core/plugin/plugin.ts'
import {
  RADIUS,
  type RadiusAttribute,
  type RadiusClient,
  type RadiusOutcome,
  type RadiusRequest,
  type RadiusValue,
} from '../../core/plugin/radius.ts'
import type { SessionInfo } from '../../core/protocol/outputs.ts'

/** What came, and can be asked. */
export class Told {
  readonly attributes: readonly RadiusAttribute[]
  readonly pool: string | undefined

  constructor({ attributes, pool }: RadiusRequest) {
    this.attributes = attributes
    this.pool = pool
  }

  /** Of an attribute that may stand there once. */
  one(name: string): RadiusValue | undefined {
    const values = this.all(name)
    if (values.length > 1) throw new Error(`${name} stands there ${values.length} times`)
    return values[0]
  }

  all(name: string): readonly RadiusValue[] {
    return this.attributes.filter(attribute => attribute.name === name).map(({ value }) => value)
  }

  get status(): string {
    return String(this.one('Acct-Status-Type'))
  }

  get session(): string {
    return String(this.one('Acct-Session-Id') ?? '')
  }
}

const MOST_ASKED = 1_000_000

export class AccountingServer {
  /** Whether it takes what comes; a promise: when that is known. */
  takes: (told: Told) => boolean | Promise<boolean> = () => true
  /** Everything that it was asked, in order. */
  readonly asked: Told[] = []
  /** What it took, in the order in which it began to answer. */
  readonly taken: Told[] = []
  /** Records that the taps of sessions were told of. */
  due = 0
  /** How many wait for an answer, now and at most. */
  inFlight = 0
  mostInFlight = 0
  nas: readonly RadiusAttribute[] = [{ name: 'NAS-Identifier', value: 'burrow' }]

  /** `Acct-Status-Type session` of what it took. */
  get order(): readonly string[] {
    return this.taken.map(told => `${told.status} ${told.session}`.trim())
  }

  /** The RADIUS client of a generation of the config. */
  client(name = 'server'): RadiusClient {
    return {
      ask: request => this.#ask(request, name),
      pools: ['main', 'billing'],
      sessionAttributes: (session: SessionInfo) => [
        ...this.nas,
        { name: 'NAS-Port-Type', value: 'Virtual' },
        { name: 'Acct-Session-Id', value: session.id },
        { name: 'User-Name', value: 'as the client has it' },
        { name: 'Tunnel-Client-Endpoint', value: session.tunnel.path.remote.address, tag: 1 },
      ],
      nasAttributes: this.nas,
      decodeRequest: () => ({ kind: 'drop', reason: 'not of this test' }),
      encodeReply: () => new Uint8Array(),
      knows: () => true,
      meant: () => undefined,
    }
  }

  /** A plugin that provides it. */
  get plugin(): AnyPlugin {
    return {
      name: 'radius-client',
      provides: [RADIUS],
      config: z.strictObject({}),
      setup: ({ hooks, provide }) => {
        for (const hook of [hooks.sessionUp, hooks.sessionUpdate, hooks.sessionDown])
          hook.tap('due', () => void this.due++)
        provide(RADIUS, this.client())
      },
    }
  }

  async #ask(request: RadiusRequest, server: string): Promise<RadiusOutcome> {
    if (this.asked.length > MOST_ASKED) throw new Error('it is asked without end')
    const told = new Told(request)
    this.asked.push(told)
    this.inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    const gone = new Promise<false>(resolve =>
      request.signal?.addEventListener('abort', () => resolve(false), { once: true }),
    )
    const takes = await Promise.race([this.takes(told), gone])
    this.inFlight--
    if (!takes) return { kind: 'unavailable', reason: 'no server answers' }
    this.taken.push(told)
    return { kind: 'reply', code: 'Accounting-Response', attributes: [], server }
  }
}
