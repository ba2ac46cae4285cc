/** What MS-CHAPv2 proves with (RFC 2759 8), without its packets. `ntHash` is `ntPasswordHash` of the password. */
import { desEncrypt, md4, ntPasswordHash, sha1 } from '../../crypto.ts'
import { encodeText } from '../../wire/ppp-auth.ts'
import type { Mschapv2Proof } from '../outputs.ts'

/** Both challenges and the name: what a response answers. */
export type Mschapv2Challenges = Pick<Mschapv2Proof, 'userName' | 'authenticatorChallenge' | 'peerChallenge'>

const MAGIC_SERVER_TO_CLIENT = encodeText('Magic server to client signing constant')
const MAGIC_MORE_ITERATIONS = encodeText('Pad to make it do more than one iteration')
const RESPONSE_KEY_BYTES = 21

/** 24 octets (8.1): what a peer answers that knows the password. */
export function mschapv2Response(ntHash: Uint8Array, challenges: Mschapv2Challenges): Uint8Array {
  const keys = new Uint8Array(RESPONSE_KEY_BYTES)
  keys.set(ntHash)
  const block = challengeHash(challenges)
  return Uint8Array.from([0, 7, 14].flatMap(at => [...desEncrypt(block, keys.subarray(at, at + 7))]))
}

/** `S=` and 40 digits (8.7): shows the peer that we know the password as well. */
export function authenticatorResponse(ntHash: Uint8Array, proof: Omit<Mschapv2Proof, 'method'>): string {
  const digest = sha1(md4(ntHash), proof.ntResponse, MAGIC_SERVER_TO_CLIENT)
  const signature = sha1(digest, challengeHash(proof), MAGIC_MORE_ITERATIONS)
  return `S=${Buffer.from(signature).toString('hex').toUpperCase()}`
}

/** The proof of a peer that calls itself `user`, perhaps with a domain, and knows `password`. */
export function proveByMschapv2(
  user: string,
  password: string,
  challenges: Pick<Mschapv2Proof, 'identifier' | 'authenticatorChallenge' | 'peerChallenge'>,
): Mschapv2Proof {
  const hashed = { ...challenges, userName: withoutDomain(user) }
  return { method: 'mschapv2', ...hashed, ntResponse: mschapv2Response(ntPasswordHash(password), hashed) }
}

/** `DOMAIN\user` is hashed as `user` (4). */
export function withoutDomain(user: string): string {
  return user.slice(user.lastIndexOf('\\') + 1)
}

/** 8 octets (8.2). */
function challengeHash({ peerChallenge, authenticatorChallenge, userName }: Mschapv2Challenges): Uint8Array {
  return sha1(peerChallenge, authenticatorChallenge, encodeText(userName)).subarray(0, 8)
}
