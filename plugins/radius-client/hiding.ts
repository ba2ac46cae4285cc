/** Values under the shared secret: User-Password (RFC 2865 5.2), salted ones (RFC 2868 3.5, 2548 2.4.2), Ascend's. */
import { md5 } from './digest.ts'
import { joined } from './packet.ts'

const BLOCK_BYTES = 16
export const LONGEST_PASSWORD_BYTES = 128
/** The length octet in front of a salted value, filled up to blocks, must fit an attribute with tag and salt. */
export const LONGEST_SALTED_BYTES = 239
const SALT_BYTES = 2

export interface Hiding {
  readonly secret: Uint8Array
  /** Of the request, in both directions; all zero where that is a digest of the packet itself. */
  readonly authenticator: Uint8Array
  /** A number of 16 bits that no other value of the packet has. */
  readonly nextSalt: () => number
}

/** `encrypt=N` of a dictionary. Both ways give undefined where lengths are not right. */
export interface HidingMethod {
  readonly hide: (clear: Uint8Array, hiding: Hiding) => Uint8Array | undefined
  readonly reveal: (hidden: Uint8Array, hiding: Hiding) => Uint8Array | undefined
  /** Whether what is revealed ends in zeroes that only fill up the block. */
  readonly padded: boolean
}

export const HIDING: Readonly<Record<1 | 2 | 3, HidingMethod>> = {
  1: { hide: hidePassword, reveal: revealPassword, padded: true },
  2: { hide: hideSalted, reveal: revealSalted, padded: false },
  3: { hide: hideAscend, reveal: revealAscend, padded: true },
}

function hidePassword(clear: Uint8Array, { secret, authenticator }: Hiding): Uint8Array | undefined {
  if (clear.length > LONGEST_PASSWORD_BYTES) return undefined
  return chained(filledUp(clear, BLOCK_BYTES), secret, authenticator, 'hide')
}

function revealPassword(hidden: Uint8Array, { secret, authenticator }: Hiding): Uint8Array | undefined {
  if (hidden.length > LONGEST_PASSWORD_BYTES || !isWholeBlocks(hidden)) return undefined
  return chained(hidden, secret, authenticator, 'reveal')
}

function hideSalted(clear: Uint8Array, { secret, authenticator, nextSalt }: Hiding): Uint8Array | undefined {
  if (clear.length > LONGEST_SALTED_BYTES) return undefined
  const number = nextSalt() | 0x8000
  const salt = Uint8Array.of(number >> 8, number & 0xff)
  const counted = joined([Uint8Array.of(clear.length), clear])
  return joined([
    salt,
    chained(filledUp(counted, BLOCK_BYTES), secret, joined([authenticator, salt]), 'hide'),
  ])
}

/** The high bit of the salt is not asked for: it proves nothing, and the packet is proven already. */
function revealSalted(value: Uint8Array, { secret, authenticator }: Hiding): Uint8Array | undefined {
  const salt = value.subarray(0, SALT_BYTES)
  const hidden = value.subarray(SALT_BYTES)
  if (!isWholeBlocks(hidden)) return undefined
  const [length = 0, ...clear] = chained(hidden, secret, joined([authenticator, salt]), 'reveal')
  return length > clear.length ? undefined : Uint8Array.from(clear.slice(0, length))
}

/** One block, and the secret behind the authenticator. */
function hideAscend(clear: Uint8Array, { secret, authenticator }: Hiding): Uint8Array | undefined {
  if (clear.length > BLOCK_BYTES) return undefined
  return exclusiveOr(filledUp(clear, BLOCK_BYTES), md5(authenticator, secret))
}

function revealAscend(hidden: Uint8Array, { secret, authenticator }: Hiding): Uint8Array | undefined {
  return hidden.length === BLOCK_BYTES ? exclusiveOr(hidden, md5(authenticator, secret)) : undefined
}

/** Each block is masked by a digest of the secret and the hidden block before it, the first by one of `start`. */
function chained(
  bytes: Uint8Array,
  secret: Uint8Array,
  start: Uint8Array,
  direction: 'hide' | 'reveal',
): Uint8Array {
  const done = new Uint8Array(bytes.length)
  let before = start
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES)
    const masked = exclusiveOr(block, md5(secret, before))
    done.set(masked, at)
    before = direction === 'hide' ? masked : block
  }
  return done
}

function isWholeBlocks(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length % BLOCK_BYTES === 0
}

/** With zeroes to whole blocks, one at least. */
function filledUp(bytes: Uint8Array, blockBytes: number): Uint8Array {
  const filled = new Uint8Array(Math.max(1, Math.ceil(bytes.length / blockBytes)) * blockBytes)
  filled.set(bytes)
  return filled
}

function exclusiveOr(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  const masked = new Uint8Array(bytes)
  for (let at = 0; at < masked.length; at++) masked[at] = (masked[at] ?? 0) ^ (mask[at] ?? 0)
  return masked
}
