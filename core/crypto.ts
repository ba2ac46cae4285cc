/** Pure hashes and comparisons. No randomness: that comes through the Random port. */
import { createHash, hash, timingSafeEqual } from 'node:crypto'

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('md5')
  for (const part of parts) digest.update(part)
  return new Uint8Array(digest.digest())
}

/** Compares in a time that depends on neither content nor the place of a difference; lengths are hashed away. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  const digest = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer')
  return timingSafeEqual(digest(a), digest(b)) && a.length === b.length
}
