/**
 * PAP, both sides (RFC 1334 2). The claimant repeats; the verifier asks the hooks once and repeats its verdict.
 *
 * An exchange of several rounds goes on by Naks: the message is the reply, and the peer's next request the next round.
 * Repetitions have identifiers of their own (2.2.1), so a request with the same name and password as the last is taken
 * for one, and gets the same Nak: a user who answers twice in a row with the same words is not heard twice. What needs
 * that, "repeat your new PIN", does not work with PAP. Many clients give up at the first Nak.
 */
import { constantTimeEqual, sha256 } from '../../crypto.ts'
import { decodePap, decodeText, encodePap, encodeText, type PapPacket } from '../../wire/ppp-auth.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import {
  type AuthProtocol,
  type Fingerprint,
  MAX_FIELD_BYTES,
  refusedByPeer,
  verdictMessage,
} from './auth.ts'
import { dropped } from './link-env.ts'

const SALT_BYTES = 16

export const PAP: AuthProtocol = {
  protocol: PPP.PAP,
  claimantBegins: true,

  receive({ proof, login }, env, payload) {
    const packet = decodePap(payload)
    if (packet === undefined) return dropped(env, 'ppp-malformed')
    if (packet.kind === 'request') {
      if (proof === undefined) return dropped(env, 'ppp-auth-not-negotiated')
      const fingerprint = fingerprintOf(packet, proof.fingerprint?.salt ?? env.random.bytes(SALT_BYTES))
      const repeated = proof.fingerprint && constantTimeEqual(proof.fingerprint.digest, fingerprint.digest)
      const deciding = proof.heard && proof.verdict === undefined
      // Of an earlier round, late: what is being decided on is another request.
      if (deciding && proof.reply !== undefined && !repeated) return dropped(env, 'ppp-stale')
      // The verdict answers the peer's last request: each repetition has an identifier of its own.
      proof.identifier = packet.identifier
      if (proof.verdict !== undefined) PAP.tell(proof, env)
      if (proof.heard) return undefined
      if (repeated) {
        PAP.goOn(proof, env)
        return undefined
      }
      proof.heard = true
      proof.fingerprint = fingerprint
      const password = decodeText(packet.password)
      return { kind: 'evidence', user: decodeText(packet.user), proof: { method: 'pap', password } }
    }
    if (login === undefined) return dropped(env, 'ppp-auth-not-negotiated')
    const age = (login.identifier - packet.identifier) & 0xff
    if (login.accepted || age >= login.transmissions) return dropped(env, 'ppp-stale')
    if (packet.kind === 'ack') return { kind: 'login-accepted' }
    return { kind: 'failed', reason: refusedByPeer(decodeText(packet.message)) }
  },

  challenge: () => false,

  goOn({ identifier, reply }, env) {
    const message = verdictMessage(typeof reply === 'string' ? reply : '')
    env.send(PPP.PAP, encodePap({ kind: 'nak', identifier, message }))
  },

  tell({ identifier, verdict }, env) {
    if (verdict === undefined) return
    const message = verdictMessage(verdict.message)
    env.send(PPP.PAP, encodePap({ kind: verdict.accepted ? 'ack' : 'nak', identifier, message }))
  },

  prove(login, env, secret) {
    const user = env.config.authAs?.user ?? ''
    const fields = { user: encodeText(user), password: encodeText(secret) }
    if (fields.user.length > MAX_FIELD_BYTES || fields.password.length > MAX_FIELD_BYTES)
      return { cause: 'auth-failed', text: `PAP: name and password hold ${MAX_FIELD_BYTES} octets at most` }
    login.due = false
    login.transmissions++
    login.identifier = (login.identifier + 1) & 0xff
    env.send(PPP.PAP, encodePap({ kind: 'request', identifier: login.identifier, ...fields }))
    return undefined
  },

  repeat(login) {
    login.due = true
  },
}

/** The password itself is kept nowhere. */
function fingerprintOf(
  { user, password }: Extract<PapPacket, { kind: 'request' }>,
  salt: Uint8Array,
): Fingerprint {
  return { salt, digest: sha256(salt, Uint8Array.of(user.length), user, password) }
}
