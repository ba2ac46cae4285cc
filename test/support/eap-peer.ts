/** Peers that speak EAP (RFC 3748), whole packets in and out: MD5-Challenge, MSCHAPv2 and TLS. */
import { createHash, randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { ntPasswordHash } from '../../core/crypto.ts'
import { authenticatorResponse, proveByMschapv2 } from '../../core/protocol/ppp/mschapv2.ts'
import { decodeEap, EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'

/** One method of a peer. */
export interface EapMethod {
  /** Its number. */
  readonly type: number
  /** What it answers to the data of a Request. */
  respond(data: Uint8Array, identifier: number): Uint8Array | Promise<Uint8Array>
}

const MSCHAPV2 = 26
const TLS = 13

export class EapPeer {
  readonly identity: string
  readonly #method: EapMethod
  /** Requests of another method that it answered by a Nak. */
  naks = 0

  constructor(identity: string, method: EapMethod) {
    this.identity = identity
    this.#method = method
  }

  /** The Response to a Request of the server. */
  async respond(request: Uint8Array): Promise<Uint8Array> {
    const packet = decodeEap(request)
    if (packet?.kind !== 'request') throw new Error(`no EAP Request: ${Buffer.from(request).toString('hex')}`)
    const { identifier, type, data } = packet
    const answer = (kind: number, content: Uint8Array) =>
      encodeEap({ kind: 'response', identifier, type: kind, data: content })
    if (type === EAP_TYPE.IDENTITY) return answer(type, Buffer.from(this.identity))
    if (type === this.#method.type) return answer(type, await this.#method.respond(data, identifier))
    this.naks++
    return answer(EAP_TYPE.NAK, Uint8Array.of(this.#method.type))
  }
}

/** RFC 3748 5.4: the response of CHAP, behind its length. */
export function eapMd5(password: string): EapMethod {
  return {
    type: EAP_TYPE.MD5_CHALLENGE,
    respond(data, identifier) {
      const challenge = data.subarray(1, 1 + (data[0] ?? 0))
      const hash = createHash('md5').update(Uint8Array.of(identifier)).update(password).update(challenge)
      return Uint8Array.of(16, ...hash.digest())
    },
  }
}

/** draft-kamath-pppext-eap-mschapv2. It goes on only with a server that proves to know the password. */
export function eapMschapv2(user: string, password: string): EapMethod {
  let expected: string | undefined
  const operations: Readonly<Record<number, (data: Uint8Array) => Uint8Array>> = {
    1(data) {
      const [, identifier = 0] = data
      const proof = proveByMschapv2(user, password, {
        identifier,
        authenticatorChallenge: data.slice(5, 21),
        peerChallenge: randomBytes(16),
      })
      expected = authenticatorResponse(ntPasswordHash(password), proof)
      const value = [...proof.peerChallenge, ...new Uint8Array(8), ...proof.ntResponse, 0]
      const name = Buffer.from(user)
      return Uint8Array.of(2, identifier, 0, 5 + value.length + name.length, value.length, ...value, ...name)
    },
    3(data) {
      const said = Buffer.from(data.subarray(4)).toString()
      if (expected === undefined || !said.startsWith(expected))
        throw new Error(`the server is not proven: ${said}`)
      return Uint8Array.of(3)
    },
    4: () => Uint8Array.of(4),
  }
  return {
    type: MSCHAPV2,
    respond(data) {
      const operation = operations[data[0] ?? 0]
      if (operation === undefined) throw new Error(`EAP-MSCHAPv2 has no operation ${data[0]}`)
      return operation(data)
    },
  }
}

const LENGTH_INCLUDED = 0x80
const MORE_FRAGMENTS = 0x40
const START = 0x20

export interface EapTlsOptions {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Of TLS in one packet. */
  readonly fragmentBytes: number
  /** Default: TLSv1.2. */
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** RFC 5216, RFC 9190: TLS in fragments, each but the last acknowledged by an empty packet. */
export class EapTls implements EapMethod {
  readonly type = TLS
  /** Fragments that were sent, and received. */
  readonly fragments = { sent: 0, received: 0 }
  readonly #options: EapTlsOptions
  #conversation: Conversation | undefined
  #toSend: Buffer = Buffer.alloc(0)
  #sentAny = false
  #received: Buffer[] = []

  constructor(options: EapTlsOptions) {
    this.#options = options
  }

  async respond(data: Uint8Array): Promise<Uint8Array> {
    const [flags = 0] = data
    const content = Buffer.from(data.subarray(flags & LENGTH_INCLUDED ? 5 : 1))
    if (content.length > 0) {
      this.fragments.received++
      this.#received.push(content)
    }
    if (flags & MORE_FRAGMENTS) return Uint8Array.of(0)
    if (this.#toSend.length === 0) {
      const heard = Buffer.concat(this.#received.splice(0))
      if (flags & START) this.#conversation = new Conversation(this.#options)
      this.#toSend = (await this.#conversation?.exchange(heard)) ?? Buffer.alloc(0)
      this.#sentAny = false
    }
    return this.#nextFragment()
  }

  #nextFragment(): Uint8Array {
    const whole = this.#toSend.length
    if (whole === 0) return Uint8Array.of(0)
    const part = this.#toSend.subarray(0, this.#options.fragmentBytes)
    this.#toSend = this.#toSend.subarray(part.length)
    const more = this.#toSend.length > 0 ? MORE_FRAGMENTS : 0
    const first = more !== 0 && !this.#sentAny
    this.#sentAny = true
    this.fragments.sent++
    const head = Buffer.alloc(first ? 5 : 1)
    head[0] = more | (first ? LENGTH_INCLUDED : 0)
    if (first) head.writeUInt32BE(whole, 1)
    return Uint8Array.from([...head, ...part])
  }

  /** What TLS came to; `undefined`: it is not over. */
  get outcome(): 'secure' | 'failed' | undefined {
    return this.#conversation?.outcome
  }
}

/** A TLS client whose records travel by hand. */
class Conversation {
  outcome: 'secure' | 'failed' | undefined
  readonly #socket: TLSSocket
  readonly #wire: Duplex
  #written: Buffer[] = []
  #wake = () => {}

  constructor({ ca, cert, key, maxVersion = 'TLSv1.2' }: EapTlsOptions) {
    this.#wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#written.push(chunk)
        this.#wake()
        done()
      },
    })
    // The server is who its certificate authority says; it has no name in EAP.
    const options = { ca, cert, key, maxVersion, checkServerIdentity: () => undefined } as const
    this.#socket = connect({ socket: this.#wire, ...options })
    this.#socket.on('secureConnect', () => this.#end('secure'))
    this.#socket.on('error', () => this.#end('failed'))
    this.#socket.on('close', () => this.#end('failed'))
  }

  /** Gives TLS what came, and resolves to what it answers. */
  async exchange(heard: Buffer): Promise<Buffer> {
    const news = new Promise<void>(resolve => (this.#wake = resolve))
    if (heard.length > 0) this.#wire.push(heard)
    if (this.#written.length === 0 && this.outcome === undefined) await news
    // All records of one flight are written within the same turns.
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    return Buffer.concat(this.#written.splice(0))
  }

  #end(outcome: 'secure' | 'failed'): void {
    this.outcome ??= outcome
    this.#wake()
  }
}
