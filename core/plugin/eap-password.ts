/**
 * The methods of EAP that need nothing but a password (RFC 3748 5.4 MD5-Challenge, and EAP-MSCHAPv2), as a server speaks them: for plugins
 * that know the passwords of their users, or hashes of them. What is to be remembered between two rounds is data that the core keeps.
 */
import { constantTimeEqual, md5, ntPasswordHash } from '../crypto.ts'
import type { Json } from '../hooks/views.ts'
import type { Random } from '../ports.ts'
import type { EapProof } from '../protocol/outputs.ts'
import { authenticatorResponse, mschapv2Response, withoutDomain } from '../protocol/ppp/mschapv2.ts'
import { decodeEap, EAP_TYPE, encodeEap } from '../wire/eap.ts'
import { decodeEapMschapv2, EAP_MSCHAPV2, encodeEapMschapv2 } from '../wire/eap-mschapv2.ts'
import { decodeText, encodeText } from '../wire/ppp-auth.ts'

/** A method by its name. */
export type EapPasswordMethod = 'mschapv2' | 'md5'

/** What is known of a user: either will do for MSCHAPv2, the password alone for MD5. */
export interface EapSecret {
  /** In clear text. */
  readonly password?: string
  /** MD4 of the password in UTF-16, 16 octets. */
  readonly ntHash?: Uint8Array
}

/** One round. */
export interface EapRound {
  /** As `proof.eap()` gives it. */
  readonly proof: Pick<EapProof, 'packet'>
  /** As the hook was given it: absent in the first round. */
  readonly state?: Json
  /** Of the user who is named. */
  readonly secret: EapSecret
  /** First choice first; a peer may ask for another of them. */
  readonly methods: readonly EapPasswordMethod[]
  /** For challenges. */
  readonly random: Pick<Random, 'bytes'>
  /** What we call ourselves to the peer. */
  readonly serverName: string
}

/** The user is who it says. */
export interface EapRight {
  /** Tells it from other verdicts. */
  readonly kind: 'right'
}

/** What `authenticate` answers where the proof is wrong. */
export interface EapWrong {
  /** Tells it from other verdicts. */
  readonly kind: 'reject'
  /** For log and trail. */
  readonly reason: string
}

/** What `authenticate` answers between two rounds. */
export interface EapGoesOn {
  /** Tells it from other verdicts. */
  readonly kind: 'continue'
  /** The next Request. */
  readonly eap: Uint8Array
  /** For the next round. */
  readonly state: Json
}

/** What a round comes to: right once the peer has proved itself, and has heard that we know the password too. */
export type EapPasswordVerdict = EapRight | EapWrong | EapGoesOn

const TYPES: Readonly<Record<EapPasswordMethod, number>> = {
  mschapv2: EAP_MSCHAPV2,
  md5: EAP_TYPE.MD5_CHALLENGE,
}
const CHALLENGE_BYTES = 16
const NO_METHOD = 'the peer has none of the methods of EAP that this user can be verified by'
const OUT_OF_TURN = 'the peer answers what was not asked'

interface Kept {
  readonly method: EapPasswordMethod
  /** Hex. */
  readonly challenge: string
  /** It has proved itself, and was told our proof. */
  readonly proven: boolean
}

/** Answers a packet of a peer that says who it is, or goes on. */
export function answerEapPassword(round: EapRound): EapPasswordVerdict {
  const packet = decodeEap(round.proof.packet)
  if (packet?.kind !== 'response') return reject(OUT_OF_TURN)
  const { type, data, identifier } = packet
  const able = round.methods.filter(method => canVerify(method, round.secret))
  const kept = keptOf(round.state)
  if (kept === undefined) return challenge(round, able[0], identifier)
  if (type === EAP_TYPE.NAK)
    return challenge(
      round,
      able.find(method => method !== kept.method && data.includes(TYPES[method])),
      identifier,
    )
  if (type !== TYPES[kept.method]) return reject(OUT_OF_TURN)
  const expected = Uint8Array.from(Buffer.from(kept.challenge, 'hex'))
  return kept.method === 'md5'
    ? judgeMd5(round, data, identifier, expected)
    : judgeMschapv2(round, kept, data, identifier, expected)
}

const canVerify = (method: EapPasswordMethod, { password, ntHash }: EapSecret): boolean =>
  password !== undefined || (method === 'mschapv2' && ntHash !== undefined)

function challenge(
  { random, serverName }: EapRound,
  method: EapPasswordMethod | undefined,
  answered: number,
): EapPasswordVerdict {
  if (method === undefined) return reject(NO_METHOD)
  const value = random.bytes(CHALLENGE_BYTES).slice()
  const identifier = (answered + 1) & 0xff
  const name = encodeText(serverName)
  const data =
    method === 'md5'
      ? Uint8Array.of(value.length, ...value, ...name)
      : encodeEapMschapv2({ kind: 'challenge', identifier, challenge: value, name })
  const kept: Kept = { method, challenge: Buffer.from(value).toString('hex'), proven: false }
  return goOn(identifier, method, data, kept)
}

function judgeMd5(
  { secret }: EapRound,
  data: Uint8Array,
  identifier: number,
  expected: Uint8Array,
): EapPasswordVerdict {
  const [length = 0] = data
  const digest = md5(Uint8Array.of(identifier), encodeText(secret.password ?? ''), expected)
  const isRight = length === digest.length && constantTimeEqual(data.subarray(1, 1 + length), digest)
  return isRight && secret.password !== undefined ? { kind: 'right' } : reject('wrong password')
}

function judgeMschapv2(
  { secret }: EapRound,
  kept: Kept,
  data: Uint8Array,
  answered: number,
  authenticatorChallenge: Uint8Array,
): EapPasswordVerdict {
  const packet = decodeEapMschapv2(data)
  if (kept.proven)
    return packet?.kind === 'success-noted' ? { kind: 'right' } : reject('the peer does not take our proof')
  if (packet?.kind !== 'response') return reject(OUT_OF_TURN)
  const { identifier, peerChallenge, ntResponse } = packet
  const ntHash = secret.ntHash ?? ntPasswordHash(secret.password ?? '')
  const challenges = {
    userName: withoutDomain(decodeText(packet.name)),
    authenticatorChallenge,
    peerChallenge,
  }
  // No Failure of the method: a peer that need not answer it could guess without being counted.
  if (!constantTimeEqual(mschapv2Response(ntHash, challenges), ntResponse)) return reject('wrong password')
  const proof = { ...challenges, identifier, ntResponse }
  const message = encodeText(`${authenticatorResponse(ntHash, proof)} M=OK`)
  const next = (answered + 1) & 0xff
  const success = encodeEapMschapv2({ kind: 'success', identifier, message })
  return goOn(next, 'mschapv2', success, { ...kept, proven: true })
}

function goOn(
  identifier: number,
  method: EapPasswordMethod,
  data: Uint8Array,
  kept: Kept,
): EapPasswordVerdict {
  const eap = encodeEap({ kind: 'request', identifier, type: TYPES[method], data })
  return { kind: 'continue', eap, state: { ...kept } }
}

function keptOf(state: Json | undefined): Kept | undefined {
  return typeof state === 'object' && state !== null && 'method' in state
    ? (state as unknown as Kept)
    : undefined
}

const reject = (reason: string): EapPasswordVerdict => ({ kind: 'reject', reason })
