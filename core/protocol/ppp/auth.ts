/** What PAP, CHAP and later methods share: the state of either side, and what the link is told. */
import { encodeText } from '../../wire/ppp-auth.ts'
import type { AuthMethod, EndReason, LastWord, ProofData } from '../outputs.ts'
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
  readonly method: AuthMethod
  /** PAP: of the peer's last request. CHAP: of our challenge. EAP: of our last Request. */
  identifier: number
  challenge?: Uint8Array | undefined
  /** EAP: what the peer calls itself. */
  identity?: string | undefined
  /** EAP: the largest packet that the link carries. */
  readonly mtuBytes: number
  transmissions: number
  /** The proof was handed to the hooks: what comes later is a repetition. */
  heard: boolean
  /** PAP: tells a repetition of the last request from the next one. */
  fingerprint?: Fingerprint | undefined
  /** What the last round was answered with, text or the next Request: another round is awaited, or being decided on. */
  reply?: string | Uint8Array | undefined
  verdict?: ({ readonly accepted: boolean } & LastWord) | undefined
}

/** We prove ourselves to the peer. The secret is asked for when it is needed and never kept. */
export interface LoginState {
  readonly method: AuthMethod
  /** PAP: of our last request. CHAP: of the peer's challenge. EAP: of the last Request that we answered. */
  identifier: number
  /** CHAP: the peer's. EAP: the Request that holds it. */
  challenge?: Uint8Array | undefined
  peerName?: string | undefined
  /** CHAP, EAP: our answer to `challenge`. */
  response?: Uint8Array | undefined
  /** MS-CHAPv2: what the peer must prove itself with when it accepts `response`. */
  expected?: string | undefined
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
  /** Sends our challenge or Request, or repeats it. False: nothing to send. */
  challenge(proof: ProofState, env: LinkEnv): boolean
  /** The next round: makes `proof.reply` known, where the method carries it, and awaits another proof. */
  goOn(proof: ProofState, env: LinkEnv): void
  /** Sends the verdict, or repeats it. */
  tell(proof: ProofState, env: LinkEnv): void
  /** Sends our proof. */
  prove(login: LoginState, env: LinkEnv, secret: string): EndReason | undefined
  /** No answer came: repeats our proof, or sets `due` where that needs the secret. */
  repeat(login: LoginState, env: LinkEnv): void
}

export function createProof(method: AuthMethod, mtuBytes: number): ProofState {
  return { method, identifier: 0, mtuBytes, transmissions: 0, heard: false }
}

export function createLogin(method: AuthMethod, due: boolean): LoginState {
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
