/** A client that does what a test says: the real one, with a hand on its password and on its cable. */
import type { MemoryTun } from '../dataplane/memory.ts'
import { BurrowError, type ErrorCode } from '../errors.ts'
import type { SocketAddress } from '../ports.ts'
import type { EndReason } from '../protocol/outputs.ts'
import type { Connection } from '../runtime/client.ts'
import { callEnd } from '../runtime/dial-error.ts'
import type { MemoryClient, MemoryWorld } from './memory-world.ts'
import { ipv4Packet, isSamePacket, type PacketKind } from './packets.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** How to dial. */
export interface DialOptions {
  /** The name to log in with. */
  readonly user: string
  /** Not empty: the client itself refuses to send none. */
  readonly password: string
  /** The one way in which the client is willing to prove itself (`eap`: by MD5-Challenge). Default: whichever the server asks for. */
  readonly method?: 'pap' | 'chap' | 'mschapv2' | 'eap'
  /** The client's IPv4 address; several clients may share one, as behind a NAT. Default: 198.51.100.7. */
  readonly from?: string
  /** What the client calls itself (Host Name AVP). Default: client. */
  readonly hostName?: string
  /** The client's side of tunnel authentication. Default: none. */
  readonly tunnelSecret?: string
  /** Which address of the server. Default: the first that it listens on. */
  readonly to?: string
  /** Keep the password back until `authenticate` is called. Default: false. */
  readonly holdPassword?: boolean
}

/** A call that did not come up, as the client saw it. Why the server refused it stands in the server's log. */
export interface RefusedCall {
  /** Tells it from a `MemoryCall`. */
  readonly kind: 'refused'
  /** As `burrow connect` fails: DIAL_AUTH, DIAL_REFUSED, DIAL_TIMEOUT or DIAL_FAILED. */
  readonly code: ErrorCode
  /** In the words of the RFC where there were codes. For people: do not match on it. */
  readonly message: string
  /** What the client was told: `cause`, and the result and error code that came. */
  readonly reason: EndReason
}

const METHODS = {
  pap: ['pap'],
  chap: ['chap-md5'],
  mschapv2: ['mschapv2'],
  eap: ['eap'],
  any: ['mschapv2', 'chap-md5', 'pap', 'eap'],
} as const
/** A server that does not answer is given up. */
const DIAL_TIMEOUT_MS = 60_000
const MRU_BYTES = 1400

/** A call that is up: the client's side of a session. */
export class MemoryCall {
  /** Tells it from a `RefusedCall`. */
  readonly kind = 'up'
  /** Who dialled. */
  readonly user: string
  /** Its address inside the session. */
  readonly address: string
  /** The server's address inside the session. */
  readonly gatewayAddress: string
  /** DNS servers that it was given. */
  readonly dns: readonly string[]
  /** NetBIOS name servers that it was given. */
  readonly nbns: readonly string[]
  /** Largest packet that it may send. */
  readonly mtuBytes: number
  /** Resolves when the call is over, whoever ended it: `await lns.clock.settled('the end', call.ended)`. */
  readonly ended: Promise<EndReason>
  readonly #clock: VirtualClock
  readonly #client: MemoryClient
  readonly #connection: Connection
  readonly #lnsTun: PacketTap
  readonly #tun: PacketTap

  /** `MemoryLns.dial` makes it. */
  constructor(
    user: string,
    clock: VirtualClock,
    client: MemoryClient,
    connection: Connection,
    lnsTun: PacketTap,
  ) {
    const { localAddress, peerAddress, dns, nbns, mtuBytes } = connection.network
    this.user = user
    this.address = localAddress
    this.gatewayAddress = peerAddress
    this.dns = dns
    this.nbns = nbns
    this.mtuBytes = mtuBytes
    this.ended = connection.ended
    this.#clock = clock
    this.#client = client
    this.#connection = connection
    this.#lnsTun = lnsTun
    this.#tun = new PacketTap(client.tun)
  }

  /** Hangs up as the RFCs say, and passes the time that this takes. */
  async hangUp(): Promise<void> {
    await this.#clock.settled('the call is closed', this.#connection.close())
    await this.#clock.advance(0)
  }

  /** Is gone without a word, like a phone in a tunnel: the server must notice by itself. */
  cut(): void {
    this.#client.cut()
  }

  /** Sends IPv4 packets into the session, as they are. See `ipv4Packet`. */
  async send(...packets: readonly Uint8Array[]): Promise<void> {
    for (const packet of packets) this.#client.tun.inject(packet)
    await this.#clock.advance(0)
  }

  /** What came out of the session since the last look, the latest 1024 packets at most. */
  received(): readonly Uint8Array[] {
    return this.#tun.take()
  }

  /**
   * Whether a packet to `destination` comes out behind the server. `source`: an address that is not its own, to see that a
   * spoofed packet does not.
   *
   *     assert.ok(await call.reaches('192.168.1.1', { protocol: 'tcp', port: 80 }))
   */
  reaches(destination: string, kind: PacketKind & { readonly source?: string } = {}): Promise<boolean> {
    const packet = ipv4Packet({ source: this.address, destination, ...kind })
    return this.#lnsTun.sees(packet, () => this.send(packet))
  }

  /** For `MemoryLns.reaches`. */
  async sees(packet: Uint8Array, send: () => Promise<void>): Promise<boolean> {
    return this.#tun.sees(packet, send)
  }
}

/** A call that is being placed: time passes only when the test says so. */
export class PlacedCall {
  /** How it went; settles while time passes: `await lns.clock.settled('the call', placed.outcome)`. */
  readonly outcome: Promise<MemoryCall | RefusedCall>
  readonly #client: MemoryClient
  readonly #authenticate: () => void

  /** `MemoryLns.place` makes it. */
  constructor(client: MemoryClient, outcome: Promise<MemoryCall | RefusedCall>, authenticate: () => void) {
    this.#client = client
    this.outcome = outcome
    this.#authenticate = authenticate
  }

  /** Lets the password go that `holdPassword` kept back. */
  authenticate(): void {
    this.#authenticate()
  }

  /** Hangs up, whatever the server is doing: a plugin that decides now is told by its `signal`. */
  hangUp(): void {
    this.#client.giveUp()
  }

  /** Is gone without a word. */
  cut(): void {
    this.#client.cut()
  }
}

/** Starts to dial; time passes elsewhere. */
export function placeCall(
  world: MemoryWorld,
  remote: SocketAddress,
  lnsTun: PacketTap,
  options: DialOptions,
): PlacedCall {
  const { user, password, method = 'any', from = '198.51.100.7', hostName = 'client', tunnelSecret } = options
  let authenticate = () => {}
  const held = new Promise<string>(resolve => {
    authenticate = () => resolve(password)
  })
  const client = world.connect(from, {
    remote,
    user,
    password: options.holdPassword === true ? held : password,
    auth: METHODS[method],
    mruBytes: MRU_BYTES,
    routes: [],
    ipv6: false,
    tunName: 'burrow1',
    hostName,
    dialTimeoutMs: DIAL_TIMEOUT_MS,
    ...(tunnelSecret === undefined ? {} : { tunnelSecret }),
  })
  const outcome = client.connection.then(
    connection => new MemoryCall(user, world.clock, client, connection, lnsTun),
    error => refusal(error, client),
  )
  return new PlacedCall(client, outcome, authenticate)
}

/** A fault of the test or of the kit is no refusal: it is thrown on. */
function refusal(error: unknown, { events }: MemoryClient): RefusedCall {
  if (!(error instanceof BurrowError) || !error.code.startsWith('DIAL_')) throw error
  const { code, message } = error
  const ends = events.flatMap(event => callEnd(event)?.reason ?? [])
  const [reason = { cause: code === 'DIAL_TIMEOUT' ? 'peer-silent' : 'local-hangup' }] = ends
  return { kind: 'refused', code, message, reason }
}

const MOST_PACKETS = 1024

/** Sees each packet that comes out of a TUN. */
export class PacketTap {
  #packets: Uint8Array[] = []

  constructor(tun: Pick<MemoryTun, 'onPacket'>) {
    tun.onPacket(packet => {
      this.#packets.push(packet)
      if (this.#packets.length > MOST_PACKETS) this.#packets.shift()
    })
  }

  take(): readonly Uint8Array[] {
    return this.#packets.splice(0)
  }

  /** Whether `packet` comes out when it is sent; it is taken out then. */
  async sees(packet: Uint8Array, send: () => Promise<void>): Promise<boolean> {
    await send()
    const at = this.#packets.findIndex(seen => isSamePacket(packet, seen))
    if (at >= 0) this.#packets.splice(at, 1)
    return at >= 0
  }
}
