/** MD5, which RADIUS is made of. */
import { createHash } from 'node:crypto'

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('md5')
  for (const part of parts) digest.update(part)
  return digest.digest()
}
