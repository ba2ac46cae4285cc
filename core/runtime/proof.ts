import { constantTimeEqual, md5 } from '../crypto.ts'
import type { Proof } from '../hooks/views.ts'
import type { ProofData } from '../protocol/outputs.ts'

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
    const clear = Buffer.from(secret)
    if (data.method === 'pap') return constantTimeEqual(Buffer.from(data.password), clear)
    // RFC 1994 4.1: a hash over Identifier, secret and Challenge.
    return constantTimeEqual(md5(Uint8Array.of(data.identifier), clear, data.challenge), data.response)
  }

  password(): string | undefined {
    return this.#data.method === 'pap' ? this.#data.password : undefined
  }

  chap(): ReturnType<Proof['chap']> {
    if (this.#data.method !== 'chap-md5') return undefined
    const { identifier, challenge, response } = this.#data
    return { identifier, challenge: challenge.slice(), response: response.slice() }
  }

  toJSON(): { readonly method: string } {
    return { method: this.method }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Proof(${this.method})`
  }
}
