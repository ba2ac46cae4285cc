import { constantTimeEqual, md5, ntPasswordHash } from '../crypto.ts'
import type { Proof } from '../hooks/views.ts'
import type { ProofData } from '../protocol/outputs.ts'
import { authenticatorResponse, mschapv2Response } from '../protocol/ppp/mschapv2.ts'

const NT_HASH_BYTES = 16

/** A proof that consists of a password in the clear: what is left of a longer one, for the directory that verifies it. */
export const passwordProof = (password: string): Proof => createProof({ method: 'pap', password })

/** A peer's proof as plugins see it; printed, logged or serialised it shows its method only. */
export function createProof(data: ProofData): Proof {
  return new HiddenProof(data)
}

/** `S=...` for a peer whose MS-CHAPv2 proof was found right by `verify` or `verifyNtHash`. */
export const mschapv2SuccessOf = (proof: Proof): string | undefined =>
  proof instanceof HiddenProof ? HiddenProof.successOf(proof) : undefined

class HiddenProof implements Proof {
  readonly #data: ProofData
  #success: string | undefined

  static successOf(proof: HiddenProof): string | undefined {
    return proof.#success
  }

  constructor(data: ProofData) {
    this.#data = data
  }

  get method(): ProofData['method'] {
    return this.#data.method
  }

  verify(secret: string): boolean {
    const data = this.#data
    if (data.method === 'eap') return false
    if (data.method === 'mschapv2') return this.verifyNtHash(ntPasswordHash(secret))
    const clear = Buffer.from(secret)
    if (data.method === 'pap') return constantTimeEqual(Buffer.from(data.password), clear)
    // RFC 1994 4.1: a hash over Identifier, secret and Challenge.
    return constantTimeEqual(md5(Uint8Array.of(data.identifier), clear, data.challenge), data.response)
  }

  verifyNtHash(hash: Uint8Array): boolean {
    const data = this.#data
    if (hash.length !== NT_HASH_BYTES) return false
    if (data.method === 'pap') return constantTimeEqual(ntPasswordHash(data.password), hash)
    if (data.method !== 'mschapv2') return false
    const right = constantTimeEqual(mschapv2Response(hash, data), data.ntResponse)
    // The hash itself, which is as good as the password, is not kept.
    if (right) this.#success = authenticatorResponse(hash, data)
    return right
  }

  password(): string | undefined {
    return this.#data.method === 'pap' ? this.#data.password : undefined
  }

  chap(): ReturnType<Proof['chap']> {
    if (this.#data.method !== 'chap-md5') return undefined
    const { identifier, challenge, response } = this.#data
    return { identifier, challenge: challenge.slice(), response: response.slice() }
  }

  mschapv2(): ReturnType<Proof['mschapv2']> {
    if (this.#data.method !== 'mschapv2') return undefined
    const { identifier, userName, authenticatorChallenge, peerChallenge, ntResponse } = this.#data
    return {
      identifier,
      userName,
      authenticatorChallenge: authenticatorChallenge.slice(),
      peerChallenge: peerChallenge.slice(),
      ntResponse: ntResponse.slice(),
    }
  }

  eap(): ReturnType<Proof['eap']> {
    if (this.#data.method !== 'eap') return undefined
    const { identity, packet, mtuBytes } = this.#data
    return { identity, packet: packet.slice(), mtuBytes }
  }

  toJSON(): { readonly method: string } {
    return { method: this.method }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Proof(${this.method})`
  }
}
