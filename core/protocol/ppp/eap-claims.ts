/** The methods of EAP by which we prove ourselves to a peer, first choice first. */
import { constantTimeEqual, md5, ntPasswordHash } from '../../crypto.ts'
import { EAP_TYPE } from '../../wire/eap.ts'
import { decodeEapMschapv2, EAP_MSCHAPV2, encodeEapMschapv2 } from '../../wire/eap-mschapv2.ts'
import { decodeText, encodeText } from '../../wire/ppp-auth.ts'
import type { EndReason } from '../outputs.ts'
import { type LoginState, refusedByPeer } from './auth.ts'
import { refusalOf } from './chap-algorithms.ts'
import type { LinkEnv } from './link-env.ts'
import { authenticatorResponse, proveByMschapv2 } from './mschapv2.ts'

/** What a Request of a method comes to. */
export type Heard =
  | { readonly kind: 'challenge'; readonly challenge: Uint8Array }
  /** The data to answer with. */
  | { readonly kind: 'answer'; readonly data: Uint8Array; readonly failure?: EndReason }
  | { readonly kind: 'failed'; readonly reason: EndReason }

export interface Claim {
  readonly type: number
  /** Undefined: it cannot be read, or has no place here. */
  hear(data: Uint8Array, login: LoginState): Heard | undefined
  /** Our answer to a challenge: its data, and what the peer must answer in its turn. */
  prove(
    data: Uint8Array,
    identifier: number,
    secret: string,
    env: LinkEnv,
  ): { readonly data: Uint8Array; readonly expected?: string } | undefined
}

const PEER_CHALLENGE_BYTES = 16
/** `S=` and 40 digits. */
const AUTHENTICATOR_RESPONSE_LENGTH = 42

const IMPOSTOR: EndReason = {
  cause: 'auth-failed',
  pppCause: 16,
  text: 'EAP-MSCHAPv2: the peer accepts us, but does not know our password itself: it may be an impostor',
}

const ourName = ({ config }: LinkEnv): Uint8Array => encodeText(config.authAs?.user ?? '')

/** RFC 3748 5.4: as CHAP. */
const MD5: Claim = {
  type: EAP_TYPE.MD5_CHALLENGE,
  hear(data) {
    const challenge = challengeOfMd5(data)
    return challenge && { kind: 'challenge', challenge }
  },
  prove(data, identifier, secret, env) {
    const challenge = challengeOfMd5(data)
    if (challenge === undefined) return undefined
    const digest = md5(Uint8Array.of(identifier), encodeText(secret), challenge)
    return { data: Uint8Array.of(digest.length, ...digest, ...ourName(env)) }
  },
}

/** A name may follow the value. */
function challengeOfMd5(data: Uint8Array): Uint8Array | undefined {
  const [length = 0] = data
  return length > 0 && length < data.length ? data.subarray(1, 1 + length) : undefined
}

const MSCHAPV2: Claim = {
  type: EAP_MSCHAPV2,
  hear(data, login) {
    const packet = decodeEapMschapv2(data)
    if (packet?.kind === 'challenge') return { kind: 'challenge', challenge: packet.challenge }
    if (login.response === undefined) return undefined
    if (packet?.kind === 'success') {
      if (!isExpected(login, decodeText(packet.message))) return { kind: 'failed', reason: IMPOSTOR }
      login.expected = undefined
      return { kind: 'answer', data: encodeEapMschapv2({ kind: 'success-noted' }) }
    }
    if (packet?.kind !== 'failure') return undefined
    const failure = refusedByPeer(refusalOf(decodeText(packet.message)))
    return { kind: 'answer', data: encodeEapMschapv2({ kind: 'failure-noted' }), failure }
  },
  prove(data, _identifier, secret, env) {
    const packet = decodeEapMschapv2(data)
    if (packet?.kind !== 'challenge') return undefined
    const { identifier, challenge: authenticatorChallenge } = packet
    const peerChallenge = env.random.bytes(PEER_CHALLENGE_BYTES)
    const challenges = { identifier, authenticatorChallenge, peerChallenge }
    const proof = proveByMschapv2(env.config.authAs?.user ?? '', secret, challenges)
    return {
      data: encodeEapMschapv2({ kind: 'response', ...proof, name: ourName(env) }),
      expected: authenticatorResponse(ntPasswordHash(secret), proof),
    }
  },
}

/** What was proven before is asked about again when our answer was lost. */
function isExpected({ expected }: LoginState, message: string): boolean {
  const said = message.slice(0, AUTHENTICATOR_RESPONSE_LENGTH).toUpperCase()
  return expected === undefined || constantTimeEqual(encodeText(said), encodeText(expected))
}

export const CLAIMS: ReadonlyMap<number, Claim> = new Map([MSCHAPV2, MD5].map(claim => [claim.type, claim]))
