/** What a peer proves itself with. */
import { md5 } from '../crypto.ts'
import type { Proof } from '../hooks/views.ts'
import { proveByMschapv2 } from '../protocol/ppp/mschapv2.ts'
import { createNodeRandom } from '../runtime/node/random.ts'
import { createProof, passwordProof } from '../runtime/proof.ts'

const CHALLENGE_BYTES = 16
const random = createNodeRandom()

/** The proof of a peer that sends `password` with PAP (RFC 1334). */
export const papProof = (password: string): Proof => passwordProof(password)

/** The proof of a peer that knows `secret` and answers a random challenge with CHAP-MD5 (RFC 1994 4.1). */
export function chapProof(secret: string): Proof {
  const challenge = random.bytes(CHALLENGE_BYTES)
  const identifier = random.uint16() & 0xff
  const response = md5(Uint8Array.of(identifier), new TextEncoder().encode(secret), challenge)
  return createProof({ method: 'chap-md5', identifier, challenge, response })
}

/** The proof of a peer that knows `password` and answers random challenges with MS-CHAPv2 (RFC 2759). */
export function mschapv2Proof(password: string, user = 'hb@hb'): Proof {
  const challenges = {
    authenticatorChallenge: random.bytes(CHALLENGE_BYTES),
    peerChallenge: random.bytes(CHALLENGE_BYTES),
  }
  return createProof(proveByMschapv2(user, password, challenges))
}
