import { constantTimeEqual, md5, ntPasswordHash } from '../crypto.ts'
import type { Proof } from '../hooks/views.ts'
import type { ProofData } from '../protocol/outputs.ts'
import { mschapv2Response } from '../protocol/ppp/mschapv2.ts'

const NT_HASH_BYTES = 16

/** A proof that consists of a password in the clear: what is left of a longer one, for the directory that verifies it. */
export const passwordProof = (password: string): Proof => createProof({ method: 'pap', password })

/** A peer's proof as plugins see it; printed, logged or serialised it shows its method only. */
export function createProof(data: ProofData): Proof {
  return new HiddenProof(data)
}

class HiddenProof implements Proof {
  readonly #data: ProofData

  constructor(data: ProofData) {
    this.#data = data
  }

  get method(): ProofData['method'] {
    return this.#data.method
  }

  verify(secret: string): boolean {
    const data = this.#data
    if (data.method === 'mschapv2') return this.verifyNtHash(ntPasswordHash(secret))
    const clear = Buffer.from(secret)
    if (data.method === 'pap') return constantTimeEqual(Buffer.from(data.password), clear)
    // RFC 1994 4.1: a hash over Identifier, secret and Challenge.
    return constantTimeEqual(md5(Uint8Array.of(data.identifier), clear, data.challenge), data.response)
  }

  verifyNtHash(hash: Uint8Array): boolean {
    const data = this.#data
    if (hash.length !== NT_HASH_BYTES || data.method === 'chap-md5') return false
    if (data.method === 'pap') return constantTimeEqual(ntPasswordHash(data.password), hash)
    return constantTimeEqual(mschapv2Response(hash, data), data.ntResponse)
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
    const { userName, authenticatorChallenge, peerChallenge, ntResponse } = this.#data
    return {
      userName,
      authenticatorChallenge: authenticatorChallenge.slice(),
      peerChallenge: peerChallenge.slice(),
      ntResponse: ntResponse.slice(),
    }
  }

  toJSON(): { readonly method: string } {
    return { method: this.method }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Proof(${this.method})`
  }
}
