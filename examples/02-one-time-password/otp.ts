/**
 * A second factor on top of the users of another plugin: the password is followed by the six digits of an authenticator app
 * (TOTP, RFC 6238). Every client can do that, for it is one password to it; it must be PAP, inside of IPsec.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { definePlugin, passwordProof, USERS, z } from 'burrow'

const STEP_MS = 30_000
const DIGITS = 6
/** Clocks differ, and typing takes time: the code before and the one after are taken, too. */
const STEPS = [-1, 0, 1] as const

export default definePlugin({
  name: 'otp',
  requires: [USERS],
  config: z.strictObject({
    seeds: z
      .record(
        z.string(),
        z.string().regex(/^(?:[0-9a-f]{2}){16,64}$/, 'expected 16 to 64 octets in hexadecimal'),
      )
      .meta({ secret: true })
      .describe('The seed of each user; users without one are refused.'),
  }),
  setup({ hooks, clock, shared }, { seeds }, directories) {
    const bySeed = new Map(Object.entries(seeds))
    /** The last step of each user whose code was taken: a code opens the door once. Kept over reloads. */
    const spent = shared('spent', () => new Map<string, number>())

    hooks.authenticate.tapPromise('otp', async ({ user, proof, signal, dryRun }) => {
      const typed = proof.password()
      if (typed === undefined) return { kind: 'reject', reason: 'a one-time code needs PAP' }
      const password = passwordProof(typed.slice(0, -DIGITS))
      for (const directory of directories) {
        const verdict = await directory.verify(user, password, signal)
        if (verdict === undefined) continue
        if (verdict.kind !== 'accept') return verdict
        const step = matchingStep(bySeed.get(user), typed.slice(-DIGITS), clock.wallTimeMs())
        if (step === undefined) return { kind: 'reject', reason: 'wrong one-time code' }
        if (step <= (spent.get(user) ?? 0)) return { kind: 'reject', reason: 'one-time code used before' }
        if (!dryRun) spent.set(user, step)
        return verdict
      }
      return undefined
    })
  },
})

/** The step whose code this is, of those around `nowMs`. */
function matchingStep(seed: string | undefined, code: string, nowMs: number): number | undefined {
  if (seed === undefined) return undefined
  const now = Math.floor(nowMs / STEP_MS)
  return STEPS.map(offset => now + offset).find(step => isSame(codeOf(seed, step), code))
}

/** The code of a step (RFC 4226 5.3). */
export function codeOf(seed: string, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac('sha1', Buffer.from(seed, 'hex')).update(counter).digest()
  const offset = hash.readUInt8(hash.length - 1) & 0xf
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS).padStart(DIGITS, '0')
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}
