/** What tells the algorithms of CHAP apart: MD5 (RFC 1994) and MS-CHAPv2 (RFC 2759). */
import { constantTimeEqual, md5, ntPasswordHash } from '../../crypto.ts'
import { encodeText } from '../../wire/ppp-auth.ts'
import type { AuthMethod, LastWord, ProofData } from '../outputs.ts'
import type { LoginState } from './auth.ts'
import type { LinkEnv } from './link-env.ts'
import { authenticatorResponse, proveByMschapv2, withoutDomain } from './mschapv2.ts'

/** A response of the peer, as long as its algorithm has it. */
interface ChapResponse {
  readonly identifier: number
  readonly challenge: Uint8Array
  readonly value: Uint8Array
  readonly user: string
}

interface ChapAlgorithm {
  /** Of a challenge that we answer; undefined: any. */
  readonly challengeBytes?: number
  readonly responseBytes: number
  proof(response: ChapResponse): ProofData
  /** Our answer to a challenge. */
  respond(
    identifier: number,
    challenge: Uint8Array,
    secret: string,
    env: LinkEnv,
  ): Required<Pick<LoginState, 'response' | 'expected'>>
  /** Whether the Success that the peer answers with comes from one who knows our password. */
  isProven(login: LoginState, message: string): boolean
  /** A Failure, for people. */
  refusal(message: string): string
  /** The message of our Success. */
  success(word: LastWord): string
  /** The message of our Failure. */
  failure(word: LastWord, challenge: Uint8Array | undefined): string
}

const MD5: ChapAlgorithm = {
  responseBytes: 16,
  proof: ({ identifier, challenge, value: response }) => ({
    method: 'chap-md5',
    identifier,
    challenge,
    response,
  }),
  respond: (identifier, challenge, secret) => ({
    response: md5(Uint8Array.of(identifier), encodeText(secret), challenge),
    expected: undefined,
  }),
  isProven: () => true,
  refusal: message => message,
  success: ({ message = '' }) => message,
  failure: ({ message = '' }) => message,
}

/** Where the parts of a response stand (RFC 2759 4). Eight reserved octets and the flags carry nothing: whatever they hold is taken. */
const PEER_CHALLENGE_BYTES = 16
const NT_RESPONSE_AT = 24
const NT_RESPONSE_BYTES = 24
/** `S=` and 40 digits. */
const AUTHENTICATOR_RESPONSE_LENGTH = 42

const WRONG = 691
/** RFC 2759 6. */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [646, 'not at this time of day'],
  [647, 'the account is disabled'],
  [648, 'the password has expired, and cannot be changed here'],
  [649, 'the account may not dial in'],
  [WRONG, 'wrong name or password'],
  [709, 'the password could not be changed'],
])

const MSCHAPV2: ChapAlgorithm = {
  challengeBytes: 16,
  responseBytes: 49,
  proof: ({ identifier, challenge: authenticatorChallenge, value, user }) => ({
    method: 'mschapv2',
    identifier,
    userName: withoutDomain(user),
    authenticatorChallenge,
    peerChallenge: value.slice(0, PEER_CHALLENGE_BYTES),
    ntResponse: value.slice(NT_RESPONSE_AT, NT_RESPONSE_AT + NT_RESPONSE_BYTES),
  }),
  respond(identifier, authenticatorChallenge, secret, { random, config }) {
    const peerChallenge = random.bytes(PEER_CHALLENGE_BYTES)
    const challenges = { identifier, authenticatorChallenge, peerChallenge }
    const proof = proveByMschapv2(config.authAs?.user ?? '', secret, challenges)
    const response = new Uint8Array(this.responseBytes)
    response.set(peerChallenge)
    response.set(proof.ntResponse, NT_RESPONSE_AT)
    return { response, expected: authenticatorResponse(ntPasswordHash(secret), proof) }
  },
  isProven({ expected }, message) {
    const said = message.slice(0, AUTHENTICATOR_RESPONSE_LENGTH).toUpperCase()
    return expected !== undefined && constantTimeEqual(encodeText(said), encodeText(expected))
  },
  refusal: refusalOf,
  success: ({ mschapv2 = '', message = '' }) =>
    mschapv2.includes(' M=') ? mschapv2 : `${mschapv2} M=${message}`,
  // No other try and no change of the password, whatever the verifier would allow: the link ends with it.
  failure({ mschapv2 = '', message = '' }, challenge = new Uint8Array()) {
    const { code, text } = failureOf(mschapv2)
    const shown = text ?? (code === WRONG ? message : (FAILURES.get(code) ?? message))
    return `E=${code} R=0 C=${Buffer.from(challenge).toString('hex').toUpperCase()} V=3 M=${shown}`
  },
}

/** A Failure of MS-CHAPv2, for people. */
export function refusalOf(message: string): string {
  const { code, text } = failureOf(message)
  return [FAILURES.get(code) ?? `error ${code}`, text]
    .filter(part => part !== undefined && part !== '')
    .join(': ')
}

/** `E=691 R=0 C=... V=3 M=...`; peers leave out what they like. */
function failureOf(message: string): { readonly code: number; readonly text: string | undefined } {
  const code = /^E=(\d{1,10})/.exec(message)?.[1]
  return { code: code === undefined ? WRONG : Number(code), text: / M=(.*)$/s.exec(message)?.[1] }
}

/** By what LCP agreed on. */
export const algorithmOf = ({ method }: { readonly method: AuthMethod }): ChapAlgorithm =>
  method === 'mschapv2' ? MSCHAPV2 : MD5
