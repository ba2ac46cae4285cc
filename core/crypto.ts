/** Pure hashes and comparisons. No randomness: that comes through the Random port. */
import { createHash, timingSafeEqual } from 'node:crypto'

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** In hexadecimal. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Compares in a time that depends on neither content nor the place of a difference; lengths are hashed away. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  return timingSafeEqual(digest(a), digest(b)) && a.length === b.length
}
