/** A channel with its identifiers: what was asked on it, what comes back, and whether that is an answer. */
import type { RadiusAttribute, RadiusDecoded, RadiusMessage, Random } from 'burrow'
import type { Channel, OpenChannel } from './channel.ts'
import type { RadiusCodec } from './codec.ts'
import { IdSpace, PROBE_ID } from './ids.ts'

/** Whoever waits for an answer. */
export interface Asker {
  /** Of the config that asks: its dictionaries. */
  readonly codec: RadiusCodec
  readonly code: 'Access-Request' | 'Accounting-Request' | 'Status-Server'
  readonly attributes: readonly RadiusAttribute[]
  /** As it went out: the same octets each time (RFC 5080 2.2.1). */
  sent?: { readonly bytes: Uint8Array; readonly authenticator: Uint8Array }
  answered(message: RadiusMessage): void
}

export interface LaneParts {
  readonly open: OpenChannel
  readonly random: Random
  readonly secret: string
  readonly requireMessageAuthenticator: boolean
  readonly onOpen: () => void
  /** `wasOpen`: packets could be sent. */
  readonly onClosed: (reason: string, wasOpen: boolean) => void
  /** What came in counts for nothing; of a closed set. */
  readonly onDrop: (reason: string, fields?: Readonly<Record<string, unknown>>) => void
}

const KEPT_PROBES = 3

export class Lane {
  readonly #parts: LaneParts
  readonly #channel: Channel
  readonly #ids = new IdSpace<Asker>()
  /** The last few: an answer that comes while the next one is out shows life, too. */
  #probes: readonly Asker[] = []
  #isOpen = false
  #wasUsed = false

  constructor(parts: LaneParts) {
    this.#parts = parts
    this.#channel = parts.open({
      onOpen: () => {
        this.#isOpen = true
        parts.onOpen()
      },
      onPacket: bytes => this.#receive(bytes),
      onBad: parts.onDrop,
      onClosed: reason => parts.onClosed(reason, this.#isOpen),
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get hasFree(): boolean {
    return this.#isOpen && this.#ids.hasFree
  }

  /** Whether nothing was asked since the last look, and nothing waits. */
  wasIdle(): boolean {
    const idle = !this.#wasUsed && this.#ids.inUse === 0
    this.#wasUsed = false
    return idle
  }

  /** Sends it for the first time; gives its identifier, or undefined when none is free. Throws what the codec throws. */
  ask(asker: Asker): number | undefined {
    const { secret, random } = this.#parts
    const { codec, code, attributes } = asker
    const identifier = code === 'Status-Server' ? PROBE_ID : this.#ids.take(asker)
    if (identifier === undefined) return undefined
    try {
      asker.sent = codec.encodeRequest({ code, identifier, attributes }, { secret, random })
    } catch (error) {
      if (identifier !== PROBE_ID) this.#ids.release(identifier)
      throw error
    }
    if (identifier === PROBE_ID) this.#probes = [asker, ...this.#probes].slice(0, KEPT_PROBES)
    else this.#wasUsed = true
    this.#channel.send(asker.sent.bytes)
    return identifier
  }

  again({ sent }: Asker): void {
    if (sent !== undefined) this.#channel.send(sent.bytes)
  }

  release(identifier: number): void {
    this.#ids.release(identifier)
  }

  close(): void {
    this.#isOpen = false
    this.#channel.close()
  }

  #receive(bytes: Uint8Array): void {
    const identifier = bytes[1] ?? 0
    const asker = this.#ids.get(identifier)
    const askers = identifier === PROBE_ID ? this.#probes : asker === undefined ? [] : [asker]
    let reason = this.#ids.wasTaken(identifier) ? 'late' : 'wrong-identifier'
    for (const one of askers) {
      const decoded = this.#decode(bytes, identifier, one)
      if (decoded.kind === 'message') return one.answered(decoded.message)
      reason = decoded.reason
    }
    this.#parts.onDrop(reason)
  }

  #decode(bytes: Uint8Array, identifier: number, { codec, code, sent }: Asker): RadiusDecoded {
    const { secret, requireMessageAuthenticator } = this.#parts
    if (sent === undefined) return { kind: 'drop', reason: 'wrong-identifier' }
    return codec.decodeReply(bytes, {
      identifier,
      code,
      authenticator: sent.authenticator,
      secret,
      // What answers a probe or a record decides nothing, and their own authenticators cannot be chosen by others.
      requireMessageAuthenticator: requireMessageAuthenticator && code === 'Access-Request',
    })
  }
}
