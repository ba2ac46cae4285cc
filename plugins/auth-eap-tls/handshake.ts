/** A TLS server whose records travel by hand: what comes is given to it, and what it writes is taken. */
import type { X509Certificate } from 'node:crypto'
import { Duplex } from 'node:stream'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'

export type Progress =
  /** To be told to the peer; empty: there is nothing to say. */
  | { readonly kind: 'flight'; readonly bytes: Uint8Array; readonly certificate: X509Certificate | undefined }
  | { readonly kind: 'failed'; readonly reason: string }

/** RFC 9190 2.5: with TLS 1.3 the peer is told by this that there is no more. */
const COMMITMENT = Buffer.of(0)
/** TLS computes at once, and what it writes passes through streams: turns of the loop, and no time. */
const FIRST_TURNS = 64
const SETTLING_TURNS = 4

export class Handshake {
  readonly #wire: Duplex
  readonly #server: ReturnType<typeof createServer>
  #written: Buffer[] = []
  #secured: TLSSocket | undefined
  #failure: string | undefined

  constructor(options: TlsOptions) {
    this.#wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#written.push(chunk)
        done()
      },
    })
    this.#wire.on('error', () => {})
    // A server of its own for each: which connection an event of a server is about, it does not tell of streams.
    this.#server = createServer({ ...options, requestCert: true, rejectUnauthorized: false }, secured => {
      secured.on('error', error => this.#fail(inWords(error)))
      if (!secured.authorized) return this.#fail(whyNot(secured))
      this.#secured = secured
      if (secured.getProtocol() === 'TLSv1.3') secured.write(COMMITMENT)
    })
    this.#server.on('tlsClientError', error => this.#fail(inWords(error)))
    this.#server.emit('connection', this.#wire)
  }

  /** Gives TLS what came, and resolves to what it makes of that. */
  async hear(bytes: Uint8Array): Promise<Progress> {
    this.#wire.push(bytes)
    for (let turn = 0; turn < FIRST_TURNS && !this.#hasNews; turn++) await nextTurn()
    for (let turn = 0; turn < SETTLING_TURNS; turn++) await nextTurn()
    if (!this.#hasNews) this.#fail('the message of the peer is not complete')
    if (this.#failure !== undefined) return { kind: 'failed', reason: this.#failure }
    const certificate = this.#secured?.getPeerX509Certificate()
    return { kind: 'flight', bytes: Buffer.concat(this.#written.splice(0)), certificate }
  }

  get #hasNews(): boolean {
    return this.#written.length > 0 || this.#failure !== undefined || this.#secured !== undefined
  }

  close(): void {
    this.#fail('given up')
    this.#secured?.destroy()
    this.#wire.destroy()
    this.#server.close()
  }

  #fail(reason: string): void {
    this.#failure ??= reason
  }
}

/** OpenSSL says more than people want to know, but in `reason`. */
const inWords = (error: Error & { readonly reason?: string }): string => error.reason ?? error.message

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

function whyNot(secured: TLSSocket): string {
  return secured.getPeerX509Certificate() === undefined
    ? 'the peer shows no certificate'
    : `its certificate is not accepted: ${secured.authorizationError}`
}
