/** The peer's side of each kind of proof, for logins without a peer: dry runs and tests. */
import { md5 } from '../crypto.ts'
import type { Random } from '../ports.ts'
import type { AuthMethod, ProofData } from '../protocol/outputs.ts'
import { proveByMschapv2 } from '../protocol/ppp/mschapv2.ts'

const CHALLENGE_BYTES = 16

type Prove = (user: string, password: string, random: Random) => ProofData

/** The methods that take one message. */
export type SingleProof = Exclude<AuthMethod, 'eap'>

/** What a peer that knows the password proves itself with, where a challenge is needed to a random one. */
export const PROVE: Readonly<Record<SingleProof, Prove>> = {
  pap: (_user, password) => ({ method: 'pap', password }),
  'chap-md5': (_user, password, random) => {
    const identifier = random.uint16() & 0xff
    const challenge = random.bytes(CHALLENGE_BYTES)
    // RFC 1994 4.1.
    const response = md5(Uint8Array.of(identifier), new TextEncoder().encode(password), challenge)
    return { method: 'chap-md5', identifier, challenge, response }
  },
  mschapv2: (user, password, random) =>
    proveByMschapv2(user, password, {
      identifier: random.uint16() & 0xff,
      authenticatorChallenge: random.bytes(CHALLENGE_BYTES),
      peerChallenge: random.bytes(CHALLENGE_BYTES),
    }),
}
