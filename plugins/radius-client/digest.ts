/**
 * MD5 (RFC 1321) and HMAC-MD5 (RFC 2104), which RADIUS is made of: five digests a login, each of a hundred octets. In JavaScript, since a
 * call into OpenSSL costs several times what such a digest takes, and a host in FIPS mode has no MD5 to call.
 */
import { takeBlock } from './md5-block.ts'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 16
const LENGTH_BYTES = 8
const INNER = 0x36
const OUTER = 0x5c

const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476].map(word => word | 0)

/** What is digested is laid out here, little-endian as the words are. */
let bytes = new Uint8Array(0)
let words = new Int32Array(0)
const state = new Int32Array(4)
const stateBytes = new Uint8Array(state.buffer)

/** 16 octets, of the parts one after the other. */
export function md5(...parts: readonly Uint8Array[]): Uint8Array {
  state.set(START)
  return digest(parts, 0)
}

/** Of both pads of a key: the state that a digest has after it. */
interface Pads {
  readonly inner: Int32Array
  readonly outer: Int32Array
}

const padsOf = new WeakMap<Uint8Array, Pads>()

/** 16 octets, of the parts one after the other. What a key costs is paid once for each array that holds one: it is not to be changed. */
export function hmacMd5(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  let pads = padsOf.get(key)
  if (pads === undefined) {
    const short = key.length > BLOCK_BYTES ? md5(key) : key
    pads = { inner: afterPad(short, INNER), outer: afterPad(short, OUTER) }
    padsOf.set(key, pads)
  }
  state.set(pads.inner)
  const inner = digest(parts, BLOCK_BYTES)
  state.set(pads.outer)
  return digest([inner], BLOCK_BYTES)
}

function afterPad(key: Uint8Array, octet: number): Int32Array {
  reserve(BLOCK_BYTES)
  bytes.fill(octet, 0, BLOCK_BYTES)
  for (const [at, own] of key.entries()) bytes[at] = own ^ octet
  state.set(START)
  takeBlock(state, words, 0)
  bytes.fill(0, 0, BLOCK_BYTES)
  return state.slice()
}

/** Goes on from `state`, which has taken so many octets. */
function digest(parts: readonly Uint8Array[], takenBytes: number): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const padded = Math.ceil((length + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES
  reserve(padded)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  bytes[at] = 0x80
  // No text here is so long that its bits fill more than the low word.
  words[padded / 4 - 2] = 8 * (takenBytes + length)
  for (let block = 0; block < padded / 4; block += 16) takeBlock(state, words, block)
  // It was a secret, in part, and the next is laid out on zeroes.
  bytes.fill(0, 0, padded)
  return stateBytes.slice(0, DIGEST_BYTES)
}

function reserve(length: number): void {
  if (length <= bytes.length) return
  bytes = new Uint8Array(2 * length)
  words = new Int32Array(bytes.buffer)
}
