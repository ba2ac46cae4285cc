import type { TrailEntry } from '../hooks/guard.ts'
import type { ProofData } from '../protocol/outputs.ts'

const SHORTEST = 6
/** A password that is a plain word stands in honest reasons too ("wrong password"): masking it there would tell it. */
const PLAIN_WORD = /^[a-z ]*$/i

/** `text`, a reason of a plugin, without the password that the peer sent in the clear. */
export function withoutPassword(text: string, proof: ProofData): string {
  if (proof.method !== 'pap' || !text.includes(proof.password)) return text
  const { password } = proof
  return password.length < SHORTEST || PLAIN_WORD.test(password) ? text : text.replaceAll(password, '***')
}

export function entriesWithoutPassword<E extends TrailEntry>(
  entries: readonly E[],
  proof: ProofData,
): readonly E[] {
  return entries.map(entry => {
    const reason = entry.reason === undefined ? undefined : withoutPassword(entry.reason, proof)
    return reason === undefined || reason === entry.reason ? entry : { ...entry, reason }
  })
}
