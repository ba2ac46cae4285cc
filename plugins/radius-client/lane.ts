/** A channel with its identifiers: what was asked on it, what comes back, and whether that is an answer. */
import type { RadiusAttribute, RadiusMessage, Random } from 'burrow'
import type { Channel, OpenChannel } from './channel.ts'
import type { RadiusCodec } from './codec.ts'
import { IdSpace, PROBE_ID } from './ids.ts'

/** Whoever waits for an answer. */
export interface Asker {
  readonly code: 'Access-Request' | 'Accounting-Request' | 'Status-Server'
  readonly attributes: readonly RadiusAttribute[]
  /** As it went out: the same octets each time (RFC 5080 2.2.1). */
  sent?: { readonly bytes: Uint8Array; readonly authenticator: Uint8Array }
  answered(message: RadiusMessage): void
}

export interface LaneParts {
  readonly open: OpenChannel
  readonly codec: RadiusCodec
  readonly random: Random
  readonly secret: string
  readonly requireMessageAuthenticator: boolean
  readonly onOpen: () => void
  /** `wasOpen`: packets could be sent. */
  readonly onClosed: (reason: string, wasOpen: boolean) => void
  /** What came in counts for nothing; of a closed set. */
  readonly onDrop: (reason: string, fields?: Readonly<Record<string, unknown>>) => void
}

export class Lane {
  readonly #parts: LaneParts
  readonly #channel: Channel
  readonly #ids = new IdSpace<Asker>()
  #probe: Asker | undefined
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

  /** Who waits for an answer, probes apart. */
  askers(): readonly Asker[] {
    return this.#ids.entries()
  }

  /** Whether nothing was asked since the last look, and nothing waits. */
  wasIdle(): boolean {
    const idle = !this.#wasUsed && this.#ids.inUse === 0
    this.#wasUsed = false
    return idle
  }

  /** Sends it for the first time; gives its identifier, or undefined when none is free. Throws what the codec throws. */
  ask(asker: Asker): number | undefined {
    const { codec, secret, random } = this.#parts
    const { code, attributes } = asker
    const identifier = code === 'Status-Server' ? PROBE_ID : this.#ids.take(asker)
    if (identifier === undefined) return undefined
    try {
      asker.sent = codec.encodeRequest({ code, identifier, attributes }, { secret, random })
    } catch (error) {
      if (identifier !== PROBE_ID) this.#ids.release(identifier)
      throw error
    }
    if (identifier === PROBE_ID) this.#probe = asker
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
    const { onDrop, codec, secret, requireMessageAuthenticator } = this.#parts
    const identifier = bytes[1] ?? 0
    const asker = identifier === PROBE_ID ? this.#probe : this.#ids.get(identifier)
    if (asker?.sent === undefined)
      return onDrop(this.#ids.wasTaken(identifier) ? 'late' : 'wrong identifier')
    const { code } = asker
    const decoded = codec.decodeReply(bytes, {
      identifier,
      code,
      authenticator: asker.sent.authenticator,
      secret,
      // What answers a probe or a record decides nothing, and their own authenticators cannot be chosen by others.
      requireMessageAuthenticator: requireMessageAuthenticator && code === 'Access-Request',
    })
    if (decoded.kind === 'drop') return onDrop(decoded.reason)
    if (identifier === PROBE_ID) this.#probe = undefined
    asker.answered(decoded.message)
  }
}
