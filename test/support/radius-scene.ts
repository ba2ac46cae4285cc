/** RADIUS servers in memory that do as a test says, in virtual time, behind the client's own links. */
import type { RadiusAttribute, RadiusOutcome, RadiusRequest } from '../../core/plugin/radius.ts'
import { BoundedLog } from '../../core/runtime/bounded-log.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import type { ChannelEvents } from '../../plugins/radius-client/channel.ts'
import { Asking, type Pool } from '../../plugins/radius-client/client.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import { Link, type LinkSettings } from '../../plugins/radius-client/link.ts'

export const SECRET = 'testing123'
export const codec = new RadiusCodec(readDictionaries())

export const SETTINGS: LinkSettings = {
  secret: SECRET,
  requireMessageAuthenticator: true,
  statusServer: true,
  timeoutMs: 30_000,
  transmissions: 5,
  retransmitMs: 2000,
  longestRetransmitMs: 16_000,
  probeMs: 1000,
  probes: 3,
  longestProbeIntervalMs: 30_000,
  deadMs: 60_000,
  keepAliveMs: 30_000,
  maxInFlight: 1020,
  maxQueued: 1024,
}

/** A request that has come to a server. */
export interface Came {
  readonly at: number
  readonly bytes: Uint8Array
  readonly code: string
  readonly user: string | undefined
  /** Of the channel that it came on: the first is 0. */
  readonly channel: number
  reply(code?: 'Access-Accept' | 'Access-Reject' | 'Accounting-Response', secret?: string): Uint8Array
  /** Hands octets to the client as they are. */
  send(bytes: Uint8Array): void
}

export interface ServerScript {
  readonly name?: string
  readonly priority?: number
  readonly weight?: number
  readonly settings?: Partial<LinkSettings>
  readonly stream?: boolean
}

export class ScriptedServer {
  readonly name: string
  readonly link: Link
  readonly came: Came[] = []
  readonly channels: ChannelEvents[] = []
  /** What is done with a request; default: all are answered. */
  onRequest: (came: Came) => void = came => came.send(came.reply())
  /** Whether Status-Server is answered. */
  answersStatus = true
  /** Whether connections can be opened. */
  accepts = true

  constructor(
    name: string,
    scene: Pick<RadiusScene, 'clock' | 'random'> & { readonly log: BoundedLog },
    { settings = {}, stream = false }: ServerScript,
  ) {
    const { clock, random, log } = scene
    this.name = name
    this.link = new Link({
      name,
      settings: { ...SETTINGS, ...settings },
      stream,
      probe: { attributes: [{ name: 'NAS-Identifier', value: 'test' }], codec },
      clock,
      random,
      log,
      open: events => {
        const channel = this.channels.push(events) - 1
        let open = true
        queueMicrotask(() => {
          if (!open) return
          if (this.accepts) events.onOpen()
          else events.onClosed('refused')
        })
        return {
          send: bytes => open && this.#receive(bytes, channel, clock.now(), events),
          close: () => {
            open = false
          },
        }
      },
    })
  }

  /** Without probes. */
  get requests(): readonly Came[] {
    return this.came.filter(({ code }) => code !== 'Status-Server')
  }

  #receive(bytes: Uint8Array, channel: number, at: number, events: ChannelEvents): void {
    const decoded = codec.decodeRequest(bytes, SECRET)
    if (decoded.kind === 'drop') throw new Error(decoded.reason)
    const { code, attributes } = decoded.message
    const value = attributes.find(({ name }) => name === 'User-Name')?.value
    const came: Came = {
      at,
      bytes: bytes.slice(),
      code,
      user: typeof value === 'string' ? value : undefined,
      channel,
      reply: (answer = 'Access-Accept', secret = SECRET) =>
        codec.encodeReply({ code: answer, attributes: [] }, decoded, secret),
      send: answer => queueMicrotask(() => events.onPacket(answer)),
    }
    this.came.push(came)
    if (code !== 'Status-Server') this.onRequest(came)
    else if (this.answersStatus) came.send(came.reply())
  }
}

export class RadiusScene {
  readonly clock = new VirtualClock()
  readonly random = new SeededRandom(7)
  readonly #memory = memoryLog()
  readonly log = this.#memory.lines
  readonly servers: readonly ScriptedServer[]
  readonly #asking: Asking

  constructor(...scripts: readonly ServerScript[]) {
    const { clock, random } = this
    const made = scripts.map((script, index) => {
      const log = new BoundedLog(this.#memory.log, clock)
      const server = new ScriptedServer(script.name ?? `server${index}`, { clock, random, log }, script)
      return { script, server }
    })
    this.servers = made.map(({ server }) => server)
    const pool: Pool = {
      name: 'default',
      servers: made.map(({ script, server: { name, link } }) => ({
        name,
        priority: script.priority ?? 1,
        weight: script.weight ?? 1,
        timeoutMs: script.settings?.timeoutMs ?? SETTINGS.timeoutMs,
        links: { 'Access-Request': link, 'Accounting-Request': link },
      })),
    }
    this.#asking = new Asking([pool], codec, clock, random)
    for (const { link } of this.servers) link.start()
  }

  get first(): ScriptedServer {
    const [server] = this.servers
    if (server === undefined) throw new Error('no server')
    return server
  }

  ask(user: string, more: Partial<RadiusRequest> = {}): Promise<RadiusOutcome> {
    const attributes: readonly RadiusAttribute[] = [
      { name: 'User-Name', value: user },
      { name: 'User-Password', value: 'pw' },
    ]
    return this.#asking.ask({ code: 'Access-Request', attributes, ...more })
  }

  /** Its outcome in a word, with the virtual time that it took. */
  async asked(user: string, more: Partial<RadiusRequest> = {}): Promise<{ what: string; ms: number }> {
    const start = this.clock.now()
    const outcome = await this.ask(user, more)
    const what = outcome.kind === 'reply' ? `${outcome.code} of ${outcome.server}` : outcome.reason
    return { what, ms: this.clock.now() - start }
  }

  codes(): readonly unknown[] {
    return this.log.map(({ fields }) => fields.code).filter(code => code !== undefined)
  }
}
