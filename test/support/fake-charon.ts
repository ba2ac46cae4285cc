/** A charon of a few lines on a socket of VICI: it has the SAs that a test gives it, remembers what it is told, and can hang or die. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  encodePacket,
  PACKET,
  PacketStream,
  type PacketType,
  textOf,
  type ViciMessage,
} from '../../plugins/ipsec-strongswan/vici-codec.ts'

export interface Told {
  readonly command: string
  readonly message: ViciMessage
}

/** One CHILD_SA in transport mode of the peer that `aTunnel()` is of, inside of its IKE_SA. */
export function aSa({
  ike = '1',
  child = '1',
  remote = '1.1.1.1',
  local = '2.2.2.2',
  identity = remote,
  state = 'INSTALLED',
  ...more
}: {
  readonly ike?: string
  readonly child?: string
  readonly remote?: string
  readonly local?: string
  readonly identity?: string
  readonly state?: string
  readonly [field: string]: string | readonly string[] | undefined
} = {}): ViciMessage {
  const fields = Object.entries(more).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))
  return {
    phones: {
      uniqueid: ike,
      version: '1',
      state: 'ESTABLISHED',
      'local-host': local,
      'local-id': local,
      'remote-host': remote,
      'remote-id': identity,
      'child-sas': {
        [`l2tp-${child}`]: {
          name: 'l2tp',
          uniqueid: child,
          state,
          mode: 'TRANSPORT',
          protocol: 'ESP',
          'encr-alg': 'AES_CBC',
          'encr-keysize': '256',
          'integ-alg': 'HMAC_SHA2_256_128',
          'local-ts': [`${local}/32[udp/l2f]`],
          'remote-ts': [`${remote}/32[udp]`],
          ...Object.fromEntries(fields),
        },
      },
    },
  }
}

const ikeIdOf = (sa: ViciMessage) => textOf((Object.values(sa)[0] as ViciMessage).uniqueid)

export class FakeCharon {
  readonly socket: string
  /** What `list-sas` tells. */
  sas: readonly ViciMessage[] = []
  /** Names that it has by somebody else. */
  conns: readonly string[] = []
  /** Every command, in order, but for `list-sas`, `version` and `get-conns`. */
  readonly told: Told[] = []
  /** How many times all SAs were asked for, and how many times those of one IKE_SA. */
  looks = 0
  looksAtOne = 0
  /** What a command is answered; undefined: it succeeds; `hang`: nothing. */
  answer: (told: Told) => ViciMessage | 'hang' | undefined = () => undefined
  readonly #clients = new Map<Socket, Set<string>>()
  #server: Server | undefined

  constructor(t: { after(end: () => void | Promise<void>): void }) {
    const folder = mkdtempSync(join(tmpdir(), 'burrow-charon-'))
    this.socket = join(folder, 'charon.vici')
    t.after(async () => {
      await this.stop()
      rmSync(folder, { recursive: true })
    })
  }

  start(): Promise<void> {
    const server = createServer(socket => this.#serve(socket))
    this.#server = server
    return new Promise(resolve => server.listen(this.socket, resolve))
  }

  /** As if killed, but for the socket, which goes. */
  stop(): Promise<void> {
    for (const client of this.#clients.keys()) client.destroy()
    const server = this.#server
    this.#server = undefined
    return new Promise(resolve => (server === undefined ? resolve() : server.close(() => resolve())))
  }

  /** The SAs are these from now on, and an event of that name tells of `about`. */
  change(sas: readonly ViciMessage[], event: string, about: ViciMessage): void {
    this.sas = sas
    for (const [client, events] of this.#clients)
      if (events.has(event)) client.write(encodePacket({ type: PACKET.event, name: event, message: about }))
  }

  /** Raw bytes to whoever is connected. */
  write(bytes: Uint8Array): void {
    for (const client of this.#clients.keys()) client.write(bytes)
  }

  get clients(): number {
    return this.#clients.size
  }

  #serve(socket: Socket): void {
    const packets = new PacketStream()
    const events = new Set<string>()
    this.#clients.set(socket, events)
    socket.on('close', () => this.#clients.delete(socket)).on('error', () => {})
    const send = (type: PacketType, message: ViciMessage = {}) =>
      socket.write(encodePacket({ type, message }))
    socket.on('data', chunk => {
      for (const { type, name = '', message } of packets.take(chunk)) {
        if (type === PACKET.register) {
          events.add(name)
          send(PACKET.confirm)
        } else if (type === PACKET.request) this.#command(socket, { command: name, message }, send)
      }
    })
  }

  #command(socket: Socket, told: Told, send: (type: PacketType, message?: ViciMessage) => void): void {
    const { command, message } = told
    const answer = this.answer(told)
    if (answer === 'hang') return
    if (command === 'list-sas') {
      const id = textOf(message['ike-id'])
      if (id === undefined) this.looks++
      else this.looksAtOne++
      for (const sa of this.sas.filter(one => id === undefined || ikeIdOf(one) === id))
        socket.write(encodePacket({ type: PACKET.event, name: 'list-sa', message: sa }))
      send(PACKET.response)
    } else if (command === 'version') send(PACKET.response, { daemon: 'charon', version: '5.9.8' })
    else if (command === 'get-conns') send(PACKET.response, { conns: this.conns })
    else {
      this.told.push(told)
      send(PACKET.response, answer ?? { success: 'yes' })
    }
  }
}
