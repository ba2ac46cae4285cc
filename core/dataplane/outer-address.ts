/**
 * Addresses of the datagrams themselves, in columns. One of IPv4 is a signed number. One of IPv6 is four words, and beside them a number
 * that stands for it where one will do: a hash table, a first comparison. The words decide.
 */
import { BurrowError } from '../errors.ts'
import { parseIpv4 } from '../wire/ip.ts'
import { formatIpv6, parseIpv6 } from '../wire/ipv6.ts'

export const WORDS = 4

/** An address of either family. */
export interface OuterAddress {
  readonly number: number
  /** Of IPv6. */
  readonly words: Int32Array | undefined
}

/** Throws FLOW_REFUSED. */
export function outerAddress(text: string): OuterAddress {
  const number = parseIpv4(text)
  if (number !== undefined) return { number, words: undefined }
  const words = ipv6Words(text)
  if (words === undefined) throw new BurrowError('FLOW_REFUSED', `${text} is no address`)
  return { number: foldWords(words, 0), words }
}

export function ipv6Words(text: string): Int32Array | undefined {
  const bytes = parseIpv6(text)
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Int32Array.from({ length: WORDS }, (_, word) => view.getInt32(4 * word))
}

export function wordsText(words: Int32Array, at: number): string {
  const view = new DataView(new ArrayBuffer(4 * WORDS))
  for (let word = 0; word < WORDS; word++) view.setInt32(4 * word, words[at + word] ?? 0)
  return formatIpv6(new Uint8Array(view.buffer))
}

/** What stands for the address of which the words are at `at`. */
export function foldWords(words: Int32Array, at: number): number {
  const network = foldNetwork(words, at)
  const host = Math.imul(words[at + 2] ?? 0, 0x27d4eb2f) ^ Math.imul(words[at + 3] ?? 0, 0x165667b1)
  return network ^ host ^ (host >>> 13)
}

/** What stands for its /64: whoever has one address of it has them all. */
export function foldNetwork(words: Int32Array, at: number): number {
  const mixed = Math.imul(words[at] ?? 0, 0x9e3779b1) ^ Math.imul(words[at + 1] ?? 0, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}

export function sameWords(a: Int32Array, at: number, b: Int32Array, bt: number): boolean {
  return a[at] === b[bt] && a[at + 1] === b[bt + 1] && a[at + 2] === b[bt + 2] && a[at + 3] === b[bt + 3]
}

export function copyWords(from: Int32Array, at: number, to: Int32Array, bt: number): void {
  for (let word = 0; word < WORDS; word++) to[bt + word] = from[at + word] ?? 0
}
