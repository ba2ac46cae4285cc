/** What of a login goes to the server. */
import type { AuthenticateCall, AuthMethod, Proof, RadiusAttribute } from 'burrow'

/** RFC 2865 5.2 and 5: what the attributes hold. */
const MOST_PASSWORD_BYTES = 128
const MOST_NAME_BYTES = 253
const FLAGS = 0
/** Code, identifier, length, type, flags and TLS length (RFC 5216 3.1): FreeRADIUS takes Framed-MTU for what stands behind them. */
const TLS_HEAD_BYTES = 10
const RESERVED = new Uint8Array(8)

type Attributes = Readonly<Record<string, RadiusAttribute['value']>>

/** The attributes of a proof by its method, or why it cannot be right. */
const PROOFS: Readonly<Record<AuthMethod, (proof: Proof, isAnswer: boolean) => Attributes | string>> = {
  pap(proof, isAnswer) {
    const password = proof.password() ?? ''
    // Many a directory takes an empty password for a login without one.
    if (password === '' && !isAnswer) return 'empty password'
    // The padding is of NULs: a server could not tell them apart.
    if (password.includes('\0')) return 'a password with a NUL in it'
    if (Buffer.byteLength(password) > MOST_PASSWORD_BYTES)
      return `a password of more than the ${MOST_PASSWORD_BYTES} octets that RADIUS carries`
    return { 'User-Password': password }
  },
  'chap-md5'(proof) {
    const { identifier = 0, response = EMPTY, challenge = EMPTY } = proof.chap() ?? {}
    return { 'CHAP-Password': octets(identifier, response), 'CHAP-Challenge': challenge }
  },
  mschapv2(proof) {
    const said = proof.mschapv2()
    if (said === undefined) return 'no MS-CHAPv2 response'
    const { identifier, authenticatorChallenge, peerChallenge, ntResponse } = said
    return {
      'MS-CHAP-Challenge': authenticatorChallenge,
      'MS-CHAP2-Response': octets(identifier, [FLAGS], peerChallenge, RESERVED, ntResponse),
    }
  },
  eap(proof) {
    const said = proof.eap()
    if (said === undefined) return 'no EAP packet'
    return { 'EAP-Message': said.packet, 'Framed-MTU': said.mtuBytes - TLS_HEAD_BYTES }
  },
}

const EMPTY = new Uint8Array(0)

const octets = (first: number, ...rest: readonly ArrayLike<number>[]) =>
  Uint8Array.from([first, ...rest.flatMap(part => Array.from(part))])

/** Methods whose proof is made with the name in it, or that tell it once more: it must stay as the peer said it. */
const BOUND_TO_NAME: ReadonlySet<AuthMethod> = new Set(['mschapv2', 'eap'])

/** What the server is told first: who, and the proof. A text: why nobody need be asked. */
export function loginAttributes(
  { user, proof, round }: Pick<AuthenticateCall, 'user' | 'proof' | 'round'>,
  stripRealm: boolean,
): readonly RadiusAttribute[] | string {
  const attributes = PROOFS[proof.method](proof, round > 0)
  if (typeof attributes === 'string') return attributes
  const name = stripRealm && !BOUND_TO_NAME.has(proof.method) ? splitRealm(user).name : user
  if (name === '') return 'no user name'
  if (name.includes('\0') || Buffer.byteLength(name) > MOST_NAME_BYTES)
    return 'a user name that RADIUS does not carry'
  return Object.entries({ 'User-Name': name, ...attributes }).map(([key, value]) => ({ name: key, value }))
}

/** `USER@REALM` at the last @; '' where there is no realm. */
export function splitRealm(user: string): { readonly name: string; readonly realm: string } {
  const at = user.lastIndexOf('@')
  return at < 0 ? { name: user, realm: '' } : { name: user.slice(0, at), realm: user.slice(at + 1) }
}
