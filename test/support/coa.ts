/** radius-coa between a server that is a book and a client that says what a test wants, octet by octet where it must. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { SessionUpdate } from '../../core/hooks/views.ts'
import {
  definePlugin,
  RADIUS,
  type RadiusAttribute,
  type RadiusCode,
  type RadiusMessage,
  type RadiusValue,
  z,
} from '../../core/index.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { type PluginSetting, startPlugin } from '../../core/testing/plugin-harness.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { anEnd, aSession } from '../../core/testing/samples.ts'
import type { TestScope } from '../../core/testing/scope.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import { nasAttributes, sessionAttributes } from '../../plugins/radius-client/session-attributes.ts'
import radiusCoa from '../../plugins/radius-coa/index.ts'
import { until } from './until.ts'

export const SECRET = 'secret-of-the-billing'
const DICTIONARY = readDictionaries()
const codec = new RadiusCodec(DICTIONARY)
const IDENTITY = { nasIdentifier: 'lns1' }
const HEADER_BYTES = 20
const MESSAGE_AUTHENTICATOR_BYTES = 18

/** What radius-client offers, without a server to ask. */
export const radius = definePlugin({
  name: 'radius',
  provides: [RADIUS],
  config: z.strictObject({}),
  setup({ provide }) {
    provide(RADIUS, {
      ask: async () => ({ kind: 'unavailable', reason: 'there is no server' }),
      pools: [],
      sessionAttributes: session => sessionAttributes(session, IDENTITY),
      nasAttributes: nasAttributes(IDENTITY),
      decodeRequest: (bytes, secret, options) => codec.decodeRequest(bytes, secret, options),
      encodeReply: (reply, request, secret) => codec.encodeReply(reply, request, secret),
      knows: name => DICTIONARY.has(name),
      meant: name => DICTIONARY.meant(name),
    })
  },
})

/** A session that is up; each user has an address of its own. */
export function upSession(user: string, last: number, more: Partial<SessionUpdate> = {}): SessionUpdate {
  const session = aSession({ user, calledNumber: `555${last}`, callSerialNumber: last })
  const network = {
    localAddress: '172.16.1.1',
    peerAddress: `172.16.1.${last}`,
    dns: [],
    nbns: [],
    mtuBytes: 1400,
  }
  const leases = [
    { owner: 'pool', kind: 'ipv6-prefix', value: `2001:db8:1:${last}::/64`, id: `link ${last}` },
    { owner: 'pool', kind: 'delegated-prefix', value: `2001:db8:a:${last}::/64`, id: `net ${last}` },
  ] as const
  return { ...anEnd(session), grant: { user }, network, leases, ...more }
}

export interface Packet {
  readonly bytes: Uint8Array
  readonly identifier: number
  readonly authenticator: Uint8Array
  readonly code: RadiusCode
  readonly secret: string
}

let packets = 0

export function packetOf(code: RadiusCode, attributes: readonly RadiusAttribute[], secret = SECRET): Packet {
  const identifier = packets++ % 256
  const signing = { secret, random: new SeededRandom(packets) }
  return { ...codec.encodeRequest({ code, identifier, attributes }, signing), identifier, code, secret }
}

/** The same without its Message-Authenticator, which stands first; `more` octets at the end. */
export function unsigned(packet: Packet, more: Uint8Array = new Uint8Array()): Packet {
  const { bytes, secret } = packet
  const body = Buffer.concat([bytes.subarray(HEADER_BYTES + MESSAGE_AUTHENTICATOR_BYTES), more])
  const length = HEADER_BYTES + body.length
  const head = Buffer.from([bytes[0] ?? 0, bytes[1] ?? 0, length >> 8, length & 0xff])
  const authenticator = createHash('md5')
    .update(Buffer.concat([head, new Uint8Array(16), body]))
    .update(secret)
    .digest()
  return { ...packet, bytes: Buffer.concat([head, authenticator, body]), authenticator }
}

export async function coaScene(
  t: TestScope,
  { options = {}, ...setting }: { readonly options?: object } & Omit<PluginSetting, 'options'> = {},
) {
  const clock = setting.clock ?? new VirtualClock()
  const server = setting.server ?? new FakeServer()
  const plugin = await startPlugin(t, radiusCoa, {
    ...setting,
    clock,
    server,
    before: [radius],
    options: {
      address: '127.0.0.1',
      port: 0,
      sources: [{ name: 'billing', address: '127.0.0.1', secret: SECRET }],
      ...options,
    },
  })
  const port = Number(plugin.log.find(({ fields }) => 'port' in fields)?.fields.port)
  const now = () => ({ name: 'Event-Timestamp', value: Math.floor(clock.wallTimeMs() / 1000) })
  const client = await aClient(t, port)
  /** A good request, and its answer. */
  const ask = async (
    code: RadiusCode,
    attributes: readonly RadiusAttribute[],
    from = client,
  ): Promise<RadiusMessage> => from.answerTo(packetOf(code, [...attributes, now()]))
  return {
    clock,
    server,
    plugin,
    port,
    client,
    now,
    ask,
    /** Everything that was sent before has been looked at when this request is answered. */
    settled: async () => {
      await ask('Disconnect-Request', [{ name: 'User-Name', value: 'nobody at all' }])
    },
    /** Why datagrams were dropped, as logged. */
    dropped: () =>
      plugin.log.flatMap(({ message }) => /^dynamic authorization: dropped, (.*)/.exec(message)?.[1] ?? []),
    newClient: (address?: string) => aClient(t, port, address),
  }
}

export type CoaScene = Awaited<ReturnType<typeof coaScene>>

async function aClient(t: TestScope, port: number, address = '127.0.0.1') {
  const socket: Socket = createSocket('udp4')
  const received: Uint8Array[] = []
  socket.on('message', bytes => received.push(bytes))
  socket.bind(0, address)
  await once(socket, 'listening')
  t.after(() => void socket.close())
  const send = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) =>
      socket.send(bytes, port, '127.0.0.1', error => (error ? reject(error) : resolve())),
    )
  return {
    received,
    send,
    async answerTo(packet: Packet): Promise<RadiusMessage> {
      await send(packet.bytes)
      let found: RadiusMessage | undefined
      await until(`the answer to ${packet.code}`, () => {
        for (const bytes of received) {
          const decoded = codec.decodeReply(bytes, { ...packet, requireMessageAuthenticator: true })
          if (decoded.kind === 'message') found = decoded.message
        }
        return found !== undefined
      })
      return found ?? assert.fail()
    },
  }
}

/** The number of the Error-Cause, or the code where there is none. */
export function causeOf({ code, attributes }: RadiusMessage): unknown {
  return attributes.find(({ name }) => name === 'Error-Cause')?.value ?? code
}

export const attribute = (name: string, value: RadiusValue): RadiusAttribute => ({ name, value })
export const USER = attribute('User-Name', 'ann')
export const TIMEOUT = attribute('Session-Timeout', 600)

/** Two sessions that have nothing in common but the LNS, and a third of the second user. */
export async function twoUsers(t: TestScope, options: object = {}) {
  const scene = await coaScene(t, { options })
  const ann = upSession('ann', 51)
  const path = {
    ...ann.session.tunnel.path,
    remote: { address: '1.1.1.9', port: 9 },
    local: { address: '2.2.2.9', port: 1701 },
  }
  const tunnel = { ...ann.session.tunnel, path, localTunnelId: 9, peerHostName: 'other' }
  const others = [52, 53].map(last => {
    const up = upSession('bob', last)
    return { ...up, session: { ...up.session, tunnel } }
  })
  const chargeableIdentity = Buffer.from('ann-0001').toString('hex')
  const withClass = { ...ann, grant: { ...ann.grant, classes: ['aa01', 'bb02'], chargeableIdentity } }
  scene.server.up = [withClass, ...others]
  return { ...scene, ann: withClass, others }
}
