/** MD5, which RADIUS is made of: without an object for each digest, which costs more than the digest. */
import { hash } from 'node:crypto'

const BLOCK_BYTES = 64
const INNER = 0x36
const OUTER = 0x5c

export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  return hash('md5', Buffer.concat(parts), 'buffer')
}

/** HMAC-MD5 (RFC 2104). */
export function hmacMd5(key: Uint8Array, text: Uint8Array): Uint8Array {
  const short = key.length > BLOCK_BYTES ? md5(key) : key
  return md5(padded(short, OUTER), md5(padded(short, INNER), text))
}

function padded(key: Uint8Array, octet: number): Uint8Array {
  const pad = new Uint8Array(BLOCK_BYTES).fill(octet)
  for (const [at, own] of key.entries()) pad[at] = own ^ octet
  return pad
}
