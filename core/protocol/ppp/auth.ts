/** What PAP, CHAP and later methods share: the state of either side, and what the link is told. */
import { encodeText } from '../../wire/ppp-auth.ts'
import type { EndReason, LastWord, LinkAuthMethod, ProofData } from '../outputs.ts'
import type { LinkEnv } from './link-env.ts'

/** What one octet can count. */
export const MAX_FIELD_BYTES = 255

/** Of what a peer said, without telling it. */
export interface Fingerprint {
  readonly salt: Uint8Array
  readonly digest: Uint8Array
}

/** The peer proves itself to us. */
export interface ProofState {
  readonly method: LinkAuthMethod
  /** PAP: of the peer's last request. CHAP: of our challenge. */
  identifier: number
  challenge?: Uint8Array | undefined
  transmissions: number
  /** The proof was handed to the hooks: what comes later is a repetition. */
  heard: boolean
  /** PAP: tells a repetition of the last request from the next one. */
  fingerprint?: Fingerprint | undefined
  /** What the last round was answered with: another round is awaited, or being decided on. */
  reply?: string | Uint8Array | undefined
  verdict?: ({ readonly accepted: boolean } & LastWord) | undefined
}

/** We prove ourselves to the peer. The secret is asked for when it is needed and never kept. */
export interface LoginState {
  readonly method: LinkAuthMethod
  /** PAP: of our last request. CHAP: of the peer's challenge. */
  identifier: number
  challenge?: Uint8Array | undefined
  peerName?: string | undefined
  /** CHAP: our answer to `challenge`. */
  response?: Uint8Array | undefined
  transmissions: number
  /** The next message needs the secret. */
  due: boolean
  askId?: number | undefined
  accepted: boolean
}

export interface AuthSides {
  readonly proof?: ProofState | undefined
  readonly login?: LoginState | undefined
}

export type AuthNews =
  /** The peer's proof, for the hooks. */
  | { readonly kind: 'evidence'; readonly user: string; readonly proof: ProofData }
  /** `login.due`: the peer waits for our proof. */
  | { readonly kind: 'login-due' }
  | { readonly kind: 'login-accepted' }
  | { readonly kind: 'failed'; readonly reason: EndReason }

/** One authentication method, both sides. Packets for a side that is not in `sides` are dropped. */
export interface AuthProtocol {
  readonly protocol: number
  /** The side that proves itself speaks first. */
  readonly claimantBegins: boolean
  receive(sides: AuthSides, env: LinkEnv, payload: Uint8Array): AuthNews | undefined
  /** Sends our challenge, or repeats it. False: nothing to send. */
  challenge(proof: ProofState, env: LinkEnv): boolean
  /** The next round: sends `proof.reply`, where the method carries text, and awaits another proof. */
  goOn(proof: ProofState, env: LinkEnv): void
  /** Sends the verdict, or repeats it. */
  tell(proof: ProofState, env: LinkEnv): void
  /** Sends our proof. */
  prove(login: LoginState, env: LinkEnv, secret: string): EndReason | undefined
  /** No answer came: repeats our proof, or sets `due` where that needs the secret. */
  repeat(login: LoginState, env: LinkEnv): void
}

export function createProof(method: LinkAuthMethod): ProofState {
  return { method, identifier: 0, transmissions: 0, heard: false }
}

export function createLogin(method: LinkAuthMethod, due: boolean): LoginState {
  return { method, identifier: 0, transmissions: 0, due, accepted: false }
}

/** The text of a verdict, as long as any method can carry. */
export function verdictMessage(text = ''): Uint8Array {
  return encodeText(text).subarray(0, MAX_FIELD_BYTES)
}

/** RFC 3145 cause 16: bad name, password or secret. */
export function refusedByPeer(message: string): EndReason {
  return { cause: 'auth-failed', pppCause: 16, text: message || 'the peer refused our name or password' }
}
