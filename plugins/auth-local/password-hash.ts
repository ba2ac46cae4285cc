/** scrypt password hashes in the PHC string format: $scrypt$ln=LOG2_N,r=R,p=P$SALT$KEY, base64 without padding. */
import { randomBytes, scrypt } from 'node:crypto'

export interface HashCost {
  /** log2 of N, the number of blocks. */
  readonly ln: number
  readonly r: number
  readonly p: number
  readonly keyBytes: number
}

export interface PasswordHash extends HashCost {
  readonly salt: Uint8Array
  readonly key: Uint8Array
}

/** 32 MiB and about 100 ms. */
const DEFAULT_COST: HashCost = { ln: 15, r: 8, p: 1, keyBytes: 32 }
const SALT_BYTES = 16
/** Beyond this a handful of logins would take the memory of the host. */
const MOST_MEMORY_BYTES = 256 * 2 ** 20

const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln, r, p, saltText = '', keyText = ''] = FORMAT.exec(text) ?? []
  const salt = Buffer.from(saltText, 'base64')
  const key = Buffer.from(keyText, 'base64')
  const hash = { ln: Number(ln), r: Number(r), p: Number(p), keyBytes: key.length, salt, key }
  const sane = hash.ln >= 10 && hash.r >= 1 && hash.p >= 1 && memoryBytes(hash) <= MOST_MEMORY_BYTES
  return sane ? hash : undefined
}

/** The line for `passwordHash` in a users file. */
export async function hashPassword(password: string, cost: HashCost = DEFAULT_COST): Promise<string> {
  if (!isHashable(password)) throw new RangeError('the password is empty or holds a NUL')
  const salt = randomBytes(SALT_BYTES)
  const key = await deriveKey(password, salt, cost)
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${base64(salt)}$${base64(key)}`
}

/** scrypt keys an HMAC with the password, and HMAC takes "secret" and "secret\0" for the same key. */
export const isHashable = (password: string): boolean => password !== '' && !password.includes('\0')

export function deriveKey(
  password: string,
  salt: Uint8Array,
  { ln, r, p, keyBytes }: HashCost,
): Promise<Uint8Array> {
  const options = { N: 2 ** ln, r, p, maxmem: 2 * MOST_MEMORY_BYTES }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, options, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}

export function sameCost(a: HashCost, b: HashCost): boolean {
  return a.ln === b.ln && a.r === b.r && a.p === b.p && a.keyBytes === b.keyBytes
}

const memoryBytes = ({ ln, r, p }: HashCost) => 128 * r * (2 ** ln + p)
