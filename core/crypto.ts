/** Pure hashes and comparisons. No randomness: that comes through the Random port. */
import { createCipheriv, createHash, hash, timingSafeEqual, X509Certificate } from 'node:crypto'
// @ts-expect-error -- it ships no types; `md4Of` below is what is used of it.
import jsMd4 from 'js-md4'

/** Not called itself: on Node it would ask OpenSSL, which has no MD4 any more. Its methods are JavaScript. */
const md4Of: { array(bytes: Uint8Array): readonly number[] } = jsMd4

/** Throws where a PEM begins with no certificate. */
export function checkCertificate(pem: string): void {
  void new X509Certificate(pem)
}

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  return digestOf('md5', parts)
}

export function sha1(...parts: readonly Uint8Array[]): Uint8Array {
  return digestOf('sha1', parts)
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digestOf('sha256', parts)
}

export function md4(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(md4Of.array(bytes))
}

/** 16 octets, MD4 of the password in UTF-16LE (RFC 2759 8.3): as good as the password for whoever has it. */
export function ntPasswordHash(password: string): Uint8Array {
  return md4(Buffer.from(password, 'utf16le'))
}

/** DES of one block of 8 octets, under a key of 7 without its parity bits (RFC 2759 8.6). */
export function desEncrypt(block: Uint8Array, key: Uint8Array): Uint8Array {
  const bits = BigInt(`0x${Buffer.from(key).toString('hex')}`)
  const expanded = Array.from({ length: 8 }, (_, at) => Number((bits >> BigInt(49 - 7 * at)) & 0x7fn) << 1)
  // OpenSSL 3 has single DES no more; triple DES with one key thrice is the same.
  const cipher = createCipheriv('des-ede3', Uint8Array.from([...expanded, ...expanded, ...expanded]), null)
  cipher.setAutoPadding(false)
  return new Uint8Array(Buffer.concat([cipher.update(block), cipher.final()]))
}

/** Compares in a time that depends on neither content nor the place of a difference; lengths are padded or hashed away. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  const same = a.length <= PADDED_BYTES && b.length <= PADDED_BYTES ? equalPadded(a, b) : equalHashed(a, b)
  return same && a.length === b.length
}

/** As long as the longest password of PAP, whose length is one octet (RFC 1334 2.2.1), and every response. */
const PADDED_BYTES = 256
const padded = { a: new Uint8Array(PADDED_BYTES), b: new Uint8Array(PADDED_BYTES) }

function equalPadded(a: Uint8Array, b: Uint8Array): boolean {
  padded.a.set(a)
  padded.b.set(b)
  const same = timingSafeEqual(padded.a, padded.b)
  // They were secrets, and the next may be shorter.
  padded.a.fill(0)
  padded.b.fill(0)
  return same
}

function equalHashed(a: Uint8Array, b: Uint8Array): boolean {
  const digest = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer')
  return timingSafeEqual(digest(a), digest(b))
}

function digestOf(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash(algorithm)
  for (const part of parts) digest.update(part)
  return new Uint8Array(digest.digest())
}
