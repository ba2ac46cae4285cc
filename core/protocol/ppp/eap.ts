/**
 * EAP, both sides (RFC 3748). As authenticator it asks for the identity and passes Responses and Requests between the peer and
 * the plugin that speaks the method, one at a time, repeating the last Request until it is answered. As peer it knows the methods of
 * eap-claims.ts, and declines others.
 */
import { decodeEap, EAP_TYPE, type EapPacket, encodeEap } from '../../wire/eap.ts'
import { decodeText, encodeText } from '../../wire/ppp-auth.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { EndReason } from '../outputs.ts'
import {
  type AuthNews,
  type AuthProtocol,
  createLogin,
  type LoginState,
  MAX_FIELD_BYTES,
  type ProofState,
  refusedByPeer,
} from './auth.ts'
import { CLAIMS, type Claim } from './eap-claims.ts'
import { DEFAULT_MRU_BYTES } from './lcp.ts'
import { dropped, type LinkEnv } from './link-env.ts'

type Message = Extract<EapPacket, { type: number }>

const NOTHING = new Uint8Array()
/** Of whom no answer is awaited. */
const NOBODY = createLogin('eap', false)
/** Code, identifier and length; then comes the type. */
const HEADER_BYTES = 4

const REFLECTED: EndReason = {
  cause: 'auth-failed',
  pppCause: 16,
  text: 'EAP: the peer sent our own challenge back, to have it answered for itself',
}

export const EAP: AuthProtocol = {
  protocol: PPP.EAP,
  claimantBegins: false,

  receive({ proof, login }, env, payload) {
    if (payload.length > DEFAULT_MRU_BYTES) return dropped(env, 'ppp-oversized')
    const packet = decodeEap(payload)
    if (packet === undefined) return dropped(env, 'ppp-malformed')
    if (packet.kind === 'response')
      return proof ? hearResponse(proof, env, packet) : dropped(env, 'ppp-auth-not-negotiated')
    if (login === undefined) return dropped(env, 'ppp-auth-not-negotiated')
    return packet.kind === 'request' ? hearRequest(login, proof, env, packet) : hearEnd(login, env, packet)
  },

  challenge(proof, env) {
    if (proof.transmissions === 0 && proof.reply === undefined) proof.identifier = env.random.uint16() & 0xff
    proof.transmissions++
    env.send(PPP.EAP, requestOf(proof))
    return true
  },

  /** What answers the old Request is stale from now on. */
  goOn(proof) {
    proof.identifier = requestOf(proof)[1] ?? 0
    proof.transmissions = 0
  },

  tell({ identifier, verdict }, env) {
    if (verdict === undefined) return
    const kind = verdict.accepted ? 'success' : 'failure'
    env.send(PPP.EAP, verdict.eap ?? encodeEap({ kind, identifier }))
  },

  prove(login, env, secret) {
    const request = login.challenge === undefined ? undefined : decodeEap(login.challenge)
    const claim = request !== undefined && 'type' in request ? CLAIMS.get(request.type) : undefined
    if (claim === undefined || request === undefined || !('type' in request)) return undefined
    const proof = claim.prove(request.data, login.identifier, secret, env)
    if (proof === undefined) return undefined
    login.due = false
    login.transmissions = 1
    login.expected = proof.expected
    login.response = response(login.identifier, claim.type, proof.data)
    env.send(PPP.EAP, login.response)
    return undefined
  },

  /** A Response is never repeated by itself (4.1): the other end repeats its Request. */
  repeat(login) {
    login.transmissions++
  },
}

/** The end of EAP is said once and may be lost: whoever begins to negotiate the network has let us in (RFC 3748 4.2). */
export function isAcceptedOtherwise(login: LoginState | undefined): boolean {
  return login?.method === 'eap' && isProven(login) && !login.accepted
}

function requestOf({ identifier, reply }: ProofState): Uint8Array {
  if (reply instanceof Uint8Array) return reply
  return encodeEap({ kind: 'request', identifier, type: EAP_TYPE.IDENTITY, data: NOTHING })
}

function hearResponse(proof: ProofState, env: LinkEnv, packet: Message): AuthNews | undefined {
  if (packet.identifier !== proof.identifier) return dropped(env, 'ppp-stale')
  if (proof.verdict !== undefined) EAP.tell(proof, env)
  if (proof.heard) return undefined
  const asked = requestOf(proof)[HEADER_BYTES] ?? 0
  // Only a method can be declined (5.3.1); who it declines is the plugin's affair.
  const declined = packet.type === EAP_TYPE.NAK && asked > EAP_TYPE.NAK
  if (packet.type !== asked && !declined) return dropped(env, 'ppp-malformed')
  if (proof.identity === undefined && packet.data.length > MAX_FIELD_BYTES)
    return dropped(env, 'ppp-malformed')
  proof.identity ??= decodeText(packet.data)
  proof.heard = true
  const { identity, mtuBytes } = proof
  return {
    kind: 'evidence',
    user: identity,
    proof: { method: 'eap', identity, packet: encodeEap(packet), mtuBytes },
  }
}

function hearRequest(
  login: LoginState,
  proof: ProofState | undefined,
  env: LinkEnv,
  packet: Message,
): AuthNews | undefined {
  const { identifier, type } = packet
  const claim = CLAIMS.get(type)
  if (claim !== undefined) return hearClaim(claim, login, proof, env, packet)
  login.identifier = identifier
  login.transmissions = 1
  // What is the same whenever it is asked.
  const answer =
    type === EAP_TYPE.IDENTITY
      ? response(identifier, type, ourName(env))
      : type === EAP_TYPE.NOTIFICATION
        ? response(identifier, type, NOTHING)
        : response(identifier, EAP_TYPE.NAK, Uint8Array.from(CLAIMS.keys()))
  env.send(PPP.EAP, answer)
  return undefined
}

function hearClaim(
  claim: Claim,
  login: LoginState,
  proof: ProofState | undefined,
  env: LinkEnv,
  packet: Message,
): AuthNews | undefined {
  const heard = claim.hear(packet.data, login)
  if (heard === undefined) return dropped(env, 'ppp-malformed')
  if (heard.kind === 'failed') return heard
  const { identifier } = packet
  if (heard.kind === 'answer') {
    login.identifier = identifier
    login.response = response(identifier, claim.type, heard.data)
    env.send(PPP.EAP, login.response)
    return heard.failure && { kind: 'failed', reason: heard.failure }
  }
  if (heard.challenge.join() === challengeIn(proof?.reply)?.join())
    return { kind: 'failed', reason: REFLECTED }
  const request = encodeEap(packet)
  const repeated = login.challenge?.join() === request.join()
  login.identifier = identifier
  if (repeated && login.response !== undefined) {
    env.send(PPP.EAP, login.response)
    return undefined
  }
  login.challenge = request
  login.response = undefined
  login.expected = undefined
  login.due = true
  return { kind: 'login-due' }
}

/** Proved, and where the method has the peer prove itself as well, that is done. */
const isProven = ({ response: ours, expected }: LoginState): boolean =>
  ours !== undefined && expected === undefined

/** A Success counts once we have proved ourselves, a Failure at any time. */
function hearEnd(login: LoginState, env: LinkEnv, { kind, identifier }: EapPacket): AuthNews | undefined {
  const answered = kind === 'success' ? isProven(login) : login.transmissions > 0
  // It has the number of what it answers (4.2); pppd gives it the next.
  if (!answered || ((identifier - login.identifier) & 0xff) > 1) return dropped(env, 'ppp-stale')
  return kind === 'success' ? { kind: 'login-accepted' } : { kind: 'failed', reason: refusedByPeer('') }
}

/** That of a Request of ours, of whichever method. */
function challengeIn(request: Uint8Array | string | undefined): Uint8Array | undefined {
  const packet = request instanceof Uint8Array ? decodeEap(request) : undefined
  if (packet === undefined || !('type' in packet)) return undefined
  const heard = CLAIMS.get(packet.type)?.hear(packet.data, NOBODY)
  return heard?.kind === 'challenge' ? heard.challenge : undefined
}

const ourName = ({ config }: LinkEnv): Uint8Array => encodeText(config.authAs?.user ?? '')

function response(identifier: number, type: number, data: Uint8Array): Uint8Array {
  return encodeEap({ kind: 'response', identifier, type, data })
}
