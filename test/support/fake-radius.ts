/** A RADIUS client without servers: a plugin that provides what a test says of them. */
import { definePlugin, z } from '../../core/index.ts'
import type { AnyPlugin } from '../../core/plugin/plugin.ts'
import {
  RADIUS,
  type RadiusAttribute,
  type RadiusClient,
  type RadiusOutcome,
  type RadiusRequest,
} from '../../core/plugin/radius.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import { sessionAttributes } from '../../plugins/radius-client/session-attributes.ts'

/** What a server makes of a request; `never`: it takes it and is silent. */
export type Serve = (request: RadiusRequest) => RadiusOutcome | 'never' | Promise<RadiusOutcome>

export interface FakeRadius {
  readonly plugin: AnyPlugin
  /** What was asked, in order. */
  readonly asked: RadiusRequest[]
}

const DICTIONARY = readDictionaries()
const CODEC = new RadiusCodec(DICTIONARY)
const IDENTITY = { nasIdentifier: 'lns' }

export function fakeRadius(serve: Serve): FakeRadius {
  const asked: RadiusRequest[] = []
  const plugin = definePlugin({
    name: 'radius-client',
    provides: [RADIUS],
    config: z.strictObject({}),
    setup({ provide, clock }) {
      const client: RadiusClient = {
        async ask(request) {
          asked.push(request)
          const served = serve(request)
          if (served !== 'never') return served
          const { signal, timeoutMs = 10_000 } = request
          return new Promise(resolve => {
            const unavailable = (reason: string) => {
              timer.cancel()
              resolve({ kind: 'unavailable', reason })
            }
            const timer = clock.setTimer(timeoutMs, () => unavailable('one: no answer'))
            if (signal?.aborted === true) unavailable('given up')
            signal?.addEventListener('abort', () => unavailable('given up'), { once: true })
          })
        },
        pools: ['main', 'second'],
        sessionAttributes: session => sessionAttributes(session, IDENTITY),
        nasAttributes: [],
        decodeRequest: () => ({ kind: 'drop', reason: 'not served' }),
        encodeReply: (message, request, secret) => CODEC.encodeReply(message, request, secret),
        knows: name => !name.startsWith('No-'),
        meant: name => DICTIONARY.meant(name),
      }
      provide(RADIUS, client)
    },
  })
  return { plugin, asked }
}

/** An answer of the server `one`; `attributes` by name, a list of values for one that stands more than once. */
export function reply(
  code: Extract<RadiusOutcome, { kind: 'reply' }>['code'],
  attributes: Readonly<Record<string, RadiusAttribute['value'] | readonly RadiusAttribute['value'][]>> = {},
): RadiusOutcome {
  const isList = (value: unknown): value is readonly RadiusAttribute['value'][] => Array.isArray(value)
  return {
    kind: 'reply',
    code,
    server: 'one',
    attributes: Object.entries(attributes).flatMap(([name, value]) =>
      (isList(value) ? value : [value]).map(each => ({ name, value: each })),
    ),
  }
}

/** The value of the only attribute of that name; undefined: there is none. */
export function attributeValue(
  { attributes }: { readonly attributes: readonly RadiusAttribute[] },
  name: string,
): RadiusAttribute['value'] | undefined {
  const [first, ...more] = attributes.filter(attribute => attribute.name === name)
  if (more.length > 0) throw new Error(`${name} stands ${more.length + 1} times`)
  return first?.value
}
