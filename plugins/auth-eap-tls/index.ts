/** Lets users in by a certificate: EAP-TLS (RFC 5216), and with TLS 1.3 (RFC 9190). */
import { randomBytes, type X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TlsOptions } from 'node:tls'
import {
  type AuthenticateCall,
  type AuthenticateVerdict,
  BurrowError,
  definePlugin,
  type Json,
  readTlsFiles,
  splitUser,
  type TimerHandle,
} from 'burrow'
import { namesOf } from './certificate.ts'
import { Options } from './config.ts'
import { EAP_TLS, Fragments, START } from './fragments.ts'
import { Handshake } from './handshake.ts'

const NAME = 'auth-eap-tls'
const CODE = 'EAP_TLS_CONFIG'
const REQUEST = 1
const NAK = 3
const TYPE_AT = 4
const DATA_AT = 5

interface Conversation {
  readonly tls: Handshake
  readonly fragments: Fragments
  readonly deadline: TimerHandle
  /** Whose certificate was shown to be right; the peer has yet to take our last word. */
  certificate?: X509Certificate
}

export default definePlugin({
  name: NAME,
  config: Options,
  setup({ hooks, log, clock, configDir }, options) {
    const { names, identity, realms, handshakes, handshakeMs, minVersion, crlFile } = options
    let tls: TlsOptions | undefined
    const conversations = new Map<string, Conversation>()

    const load = () => {
      const files = readTlsFiles(options, { configDir, log, code: CODE })
      const crl = crlFile === undefined ? {} : { crl: readCrl(resolve(configDir, crlFile)) }
      tls = { ...files, ...crl, minVersion }
    }

    const end = (id: string) => {
      const conversation = conversations.get(id)
      conversations.delete(id)
      conversation?.deadline.cancel()
      conversation?.tls.close()
    }

    const begin = (given: TlsOptions, answered: number): AuthenticateVerdict => {
      if (conversations.size >= handshakes)
        return { kind: 'unavailable', reason: `${handshakes} handshakes are under way; see handshakes` }
      const id = randomBytes(16).toString('hex')
      const deadline = clock.setTimer(handshakeMs, () => end(id))
      conversations.set(id, { tls: new Handshake(given), fragments: new Fragments(), deadline })
      return goOn(id, answered, START)
    }

    const proceed = async (
      id: string,
      { user, mtuBytes }: { readonly user: string; readonly mtuBytes: number },
      packet: Uint8Array,
    ): Promise<AuthenticateVerdict> => {
      const conversation = conversations.get(id)
      if (conversation === undefined)
        return reject('the handshake is not known: it took too long, or this server was started anew')
      const answered = packet[1] ?? 0
      if (packet[TYPE_AT] === NAK) return reject('the peer has no EAP-TLS, or no certificate for it')
      if (packet[TYPE_AT] !== EAP_TLS) return reject('the peer answers what was not asked')
      const arrived = conversation.fragments.hear(packet.subarray(DATA_AT), mtuBytes)
      if (arrived.kind === 'wrong') return reject(arrived.reason)
      if (arrived.kind === 'answer') return goOn(id, answered, arrived.data)
      const { certificate } = conversation
      if (certificate !== undefined)
        return arrived.bytes.length === 0
          ? admit(user, certificate)
          : reject('the peer does not take our last word')
      if (arrived.bytes.length === 0) return reject('the peer has nothing to say')
      const progress = await conversation.tls.hear(arrived.bytes)
      if (progress.kind === 'failed') return reject(`TLS: ${progress.reason}`)
      if (progress.certificate !== undefined) conversation.certificate = progress.certificate
      return goOn(id, answered, conversation.fragments.say(progress.bytes, mtuBytes))
    }

    const admit = (user: string, certificate: X509Certificate): AuthenticateVerdict => {
      const own = namesOf(certificate, names)
      const name = identity === 'any' ? own[0] : own.find(one => one.toLowerCase() === user.toLowerCase())
      if (name !== undefined) return { kind: 'accept', user: name }
      return reject(
        own.length === 0
          ? `the certificate has no name of a user (${names.join(', ')})`
          : `the certificate is of ${own.join(', ')}`,
      )
    }

    hooks.authenticate.tapPromise(NAME, async (call: AuthenticateCall) => {
      const said = call.proof.eap()
      if (said === undefined || !isServed(call.user, realms)) return undefined
      if (tls === undefined) return { kind: 'unavailable', reason: 'the certificates are not read yet' }
      const id = idOf(call.state)
      if (id === undefined) return begin(tls, said.packet[1] ?? 0)
      const verdict = await proceed(id, { user: call.user, mtuBytes: said.mtuBytes }, said.packet)
      if (verdict.kind !== 'continue') end(id)
      return verdict
    })

    return {
      check: load,
      start: load,
      verifies: () => ['eap'],
      stop() {
        for (const id of [...conversations.keys()]) end(id)
      },
    }
  },
})

const isServed = (user: string, realms: readonly string[] | undefined): boolean =>
  realms === undefined || realms.some(realm => realm.toLowerCase() === splitUser(user)?.realm.toLowerCase())

function readCrl(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new BurrowError(CODE, (cause as Error).message, { file }, { cause })
  }
}

const idOf = (state: Json | undefined): string | undefined =>
  typeof state === 'object' && state !== null && 'id' in state ? String(state.id) : undefined

function goOn(id: string, answered: number, data: Uint8Array): AuthenticateVerdict {
  const length = DATA_AT + data.length
  const head = [REQUEST, (answered + 1) & 0xff, length >> 8, length & 0xff, EAP_TLS]
  return { kind: 'continue', eap: Uint8Array.from([...head, ...data]), state: { id } }
}

const reject = (reason: string): AuthenticateVerdict => ({ kind: 'reject', reason })
