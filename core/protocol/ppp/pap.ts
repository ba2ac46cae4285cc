/** PAP, both sides (RFC 1334 2). The claimant repeats; the verifier asks the hooks once and repeats its verdict. */
import { decodePap, decodeText, encodePap, encodeText } from '../../wire/ppp-auth.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import { type AuthProtocol, MAX_FIELD_BYTES, refusedByPeer, verdictMessage } from './auth.ts'
import { dropped } from './link-env.ts'

export const PAP: AuthProtocol = {
  protocol: PPP.PAP,
  claimantBegins: true,

  receive({ proof, login }, env, payload) {
    const packet = decodePap(payload)
    if (packet === undefined) return dropped(env, 'ppp-malformed')
    if (packet.kind === 'request') {
      if (proof === undefined) return dropped(env, 'ppp-auth-not-negotiated')
      // The verdict answers the peer's last request: each repetition has an identifier of its own.
      proof.identifier = packet.identifier
      if (proof.verdict !== undefined) PAP.tell(proof, env)
      if (proof.heard) return undefined
      proof.heard = true
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
