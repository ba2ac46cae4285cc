/** Proofs against what a directory lets us read: clear text, or the NT hash. */
import type { Proof } from 'burrow'
import type { Entry } from './entry.ts'

export interface SecretAttributes {
  readonly clearTextAttribute: string | undefined
  readonly ntHashAttribute: string | undefined
}

/** How it went, in words for the trail. */
export type Verified = { readonly right: boolean; readonly text: string }

const NT_HASH_BYTES = 16
/** slapd's own mark for clear text (RFC 2307 5.3 has the others). */
const CLEAR_TEXT = /^\{CLEARTEXT\}/i
const HASHED = /^\{[A-Z0-9-]+\}/i

/** One comparison whatever the entry holds, or holds not. `nobodys` fits no password. */
export function verifySecret(
  proof: Proof,
  entry: Entry | undefined,
  { clearTextAttribute, ntHashAttribute }: SecretAttributes,
  nobodys: Uint8Array,
): Verified {
  if (proof.method === 'mschapv2' && ntHashAttribute !== undefined) {
    const hash = ntHash(entry?.values(ntHashAttribute)[0])
    if (hash !== undefined || clearTextAttribute === undefined) {
      const right = proof.verifyNtHash(hash ?? nobodys) && hash !== undefined
      return hash === undefined ? { right, text: `no NT hash in ${ntHashAttribute}` } : verified(right)
    }
  }
  const stored = clearTextAttribute === undefined ? undefined : clearText(entry, clearTextAttribute)
  const right = proof.verify(stored ?? Buffer.from(nobodys).toString('hex')) && stored !== undefined
  return stored === undefined
    ? { right, text: `no password in clear text in ${clearTextAttribute}` }
    : verified(right)
}

const verified = (right: boolean): Verified => ({ right, text: right ? 'proof verified' : 'wrong password' })

function ntHash(value: string | Buffer | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string')
    return value.length === NT_HASH_BYTES ? value : hexHash(value.toString('latin1'))
  return hexHash(value)
}

const hexHash = (text: string): Uint8Array | undefined =>
  /^[0-9a-f]{32}$/i.test(text) ? Buffer.from(text, 'hex') : undefined

function clearText(entry: Entry | undefined, attribute: string): string | undefined {
  const [value = ''] = entry?.texts(attribute) ?? []
  const clear = value.replace(CLEAR_TEXT, '')
  return clear === '' || (clear === value && HASHED.test(value)) ? undefined : clear
}
