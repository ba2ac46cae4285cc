/**
 * CHAP with either algorithm, both sides (RFC 1994, RFC 2759). The verifier repeats its challenge, the claimant its response. Where an exchange
 * goes on over several rounds, each has a new challenge; a challenge has no room for text, so the reply is not shown.
 */
import { type ChapPacket, decodeChap, decodeText, encodeChap, encodeText } from '../../wire/ppp-auth.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { EndReason } from '../outputs.ts'
import {
  type AuthNews,
  type AuthProtocol,
  type LoginState,
  MAX_FIELD_BYTES,
  type ProofState,
  refusedByPeer,
  verdictMessage,
} from './auth.ts'
import { algorithmOf } from './chap-algorithms.ts'
import { dropped, type LinkEnv } from './link-env.ts'

const CHALLENGE_BYTES = 16

const REFLECTED: EndReason = {
  cause: 'auth-failed',
  pppCause: 16,
  text: 'CHAP: the peer sent our own challenge back, to have it answered for itself',
}

const IMPOSTOR: EndReason = {
  cause: 'auth-failed',
  pppCause: 16,
  text: 'MS-CHAPv2: the peer accepts us, but does not know our password itself: it may be an impostor',
}

export const CHAP: AuthProtocol = {
  protocol: PPP.CHAP,
  claimantBegins: false,

  receive({ proof, login }, env, payload) {
    const packet = decodeChap(payload)
    if (packet === undefined) return dropped(env, 'ppp-malformed')
    if (packet.kind === 'response')
      return proof ? hearResponse(proof, env, packet) : dropped(env, 'ppp-auth-not-negotiated')
    if (login === undefined) return dropped(env, 'ppp-auth-not-negotiated')
    if (!('message' in packet)) return hearChallenge(login, proof, env, packet)
    if (login.response === undefined || packet.identifier !== login.identifier)
      return dropped(env, 'ppp-stale')
    const message = decodeText(packet.message)
    const algorithm = algorithmOf(login)
    if (packet.kind === 'failure')
      return { kind: 'failed', reason: refusedByPeer(algorithm.refusal(message)) }
    return algorithm.isProven(login, message)
      ? { kind: 'login-accepted' }
      : { kind: 'failed', reason: IMPOSTOR }
  },

  challenge(proof, env) {
    if (proof.challenge === undefined) {
      proof.challenge = env.random.bytes(CHALLENGE_BYTES)
      proof.identifier = (proof.reply === undefined ? env.random.uint16() : proof.identifier + 1) & 0xff
    }
    proof.transmissions++
    const { identifier, challenge: value } = proof
    env.send(
      PPP.CHAP,
      encodeChap({ kind: 'challenge', identifier, value, name: encodeText(env.config.authName) }),
    )
    return true
  },

  /** What answers the old challenge is stale from now on. */
  goOn(proof) {
    proof.challenge = undefined
    proof.transmissions = 0
  },

  tell(proof, env) {
    const { identifier, challenge, verdict } = proof
    if (verdict === undefined) return
    const kind = verdict.accepted ? 'success' : 'failure'
    const message = verdictMessage(algorithmOf(proof)[kind](verdict, challenge))
    env.send(PPP.CHAP, encodeChap({ kind, identifier, message }))
  },

  prove(login, env, secret) {
    const { identifier, challenge } = login
    if (challenge === undefined) return undefined
    login.due = false
    login.transmissions = 1
    Object.assign(login, algorithmOf(login).respond(identifier, challenge, secret, env))
    sendResponse(login, env)
    return undefined
  },

  repeat(login, env) {
    login.transmissions++
    sendResponse(login, env)
  },
}

function hearResponse(
  proof: ProofState,
  env: LinkEnv,
  packet: Extract<ChapPacket, { kind: 'challenge' | 'response' }>,
): AuthNews | undefined {
  const { identifier, challenge } = proof
  if (challenge === undefined || packet.identifier !== identifier) {
    // A challenge of an earlier round came late, and took the peer back to it: it could not place our verdict.
    if (proof.heard && proof.reply !== undefined) CHAP.challenge(proof, env)
    return dropped(env, 'ppp-stale')
  }
  const { responseBytes, proof: proofOf } = algorithmOf(proof)
  if (packet.value.length !== responseBytes || packet.name.length > MAX_FIELD_BYTES)
    return dropped(env, 'ppp-malformed')
  if (proof.verdict !== undefined) CHAP.tell(proof, env)
  if (proof.heard) return undefined
  proof.heard = true
  const user = decodeText(packet.name)
  return {
    kind: 'evidence',
    user,
    proof: proofOf({ identifier, challenge, value: packet.value.slice(), user }),
  }
}

function hearChallenge(
  login: LoginState,
  proof: ProofState | undefined,
  env: LinkEnv,
  packet: Extract<ChapPacket, { kind: 'challenge' | 'response' }>,
): AuthNews | undefined {
  if (proof?.challenge?.join() === packet.value.join()) return { kind: 'failed', reason: REFLECTED }
  const { challengeBytes } = algorithmOf(login)
  if (challengeBytes !== undefined && packet.value.length !== challengeBytes)
    return dropped(env, 'ppp-malformed')
  const repeated = packet.identifier === login.identifier && login.challenge?.join() === packet.value.join()
  if (repeated && login.response !== undefined) {
    sendResponse(login, env)
    return undefined
  }
  login.identifier = packet.identifier
  login.challenge = packet.value.slice()
  login.peerName = decodeText(packet.name.subarray(0, MAX_FIELD_BYTES))
  login.response = undefined
  login.due = true
  return { kind: 'login-due' }
}

function sendResponse({ identifier, response: value }: LoginState, env: LinkEnv): void {
  if (value === undefined) return
  const name = encodeText(env.config.authAs?.user ?? '')
  env.send(PPP.CHAP, encodeChap({ kind: 'response', identifier, value, name }))
}
