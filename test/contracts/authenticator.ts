/** What every plugin that answers `authenticate` must do. */
import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { Proof } from '../../core/hooks/views.ts'
import type { Harness } from '../support/plugin-harness.ts'
import { until } from '../support/until.ts'

export interface AuthenticatorSubject {
  readonly name: string
  /** Loaded and started; stopped by whoever made it. */
  readonly make: (t: import('node:test').TestContext) => Promise<Harness>
  /** A user, and the proof that a peer who knows `secret` gives. */
  readonly user: string
  readonly secret: string
  readonly prove: (secret: string) => Proof
  /** Whether an unknown user is passed on or refused. */
  readonly unknown: 'pass' | 'reject'
}

const WRONG = 'not the secret, and never in a log 7f3a'

export function authenticatorContract(subject: AuthenticatorSubject): void {
  const { name, make, user, secret, prove, unknown } = subject

  test(`${name} accepts a user who knows the secret, under the user's name`, async t => {
    const { verdict } = await (await make(t)).authenticate(user, prove(secret))
    assert.equal(verdict?.kind, 'accept')
    assert.equal(verdict.user, user)
  })

  test(`${name} rejects whatever is not the secret`, async t => {
    const plugin = await make(t)
    for (const wrong of [WRONG, `${secret} `, secret.slice(0, -1), secret.toUpperCase(), `${secret}\0`]) {
      const { verdict } = await plugin.authenticate(user, prove(wrong))
      assert.equal(verdict?.kind, 'reject', wrong)
    }
  })

  test(`${name} never accepts a user whom it does not know`, async t => {
    const plugin = await make(t)
    for (const stranger of ['', 'nobody', `${user} `, user.toUpperCase(), '__proto__', 'constructor']) {
      const { trail } = await plugin.authenticate(stranger, prove(secret))
      assert.deepEqual(
        trail.map(({ verdict }) => verdict),
        [unknown],
        stranger,
      )
    }
  })

  test(`${name} does the same work for an unknown user as for a wrong password`, async t => {
    const plugin = await make(t)
    const wrong = await workOf(plugin, user, prove(WRONG))
    assert.deepEqual(await workOf(plugin, 'nobody', prove(WRONG)), wrong)
    assert.deepEqual(await workOf(plugin, 'nobody', prove(secret)), wrong)
    assert.notDeepEqual(wrong, [], 'no work was seen')
  })

  test(`${name} lets go when the call ends`, async t => {
    const plugin = await make(t)
    const inquiry = new Inquiry()
    const asked = plugin.authenticate(user, prove(secret), inquiry)
    inquiry.withdraw()
    await asked
    await until('the end of what it began', () => plugin.clock.pending === 0)
    assert.equal((await plugin.authenticate(user, prove(secret))).verdict?.kind, 'accept')
  })

  test(`${name} never tells a secret in a verdict, a trail or the log`, async t => {
    const plugin = await make(t)
    const said = [
      await plugin.authenticate(user, prove(secret)),
      await plugin.authenticate(user, prove(WRONG)),
      await plugin.authenticate('nobody', prove(WRONG)),
    ]
    const text = inspect([said, plugin.log, plugin.faults], { depth: 12 })
    assert.ok(!text.includes(secret) && !text.includes(WRONG), text)
  })
}

/** The comparisons, the uses of the proof, and the jobs of the crypto thread pool that one attempt costs. */
export async function workOf(plugin: Harness, user: string, proof: Proof): Promise<readonly string[]> {
  const work: string[] = []
  const hook = createHook({
    init: (_id, type) => {
      if (/^(SCRYPT|PBKDF2|HASH|SIGN|DERIVEBITS)/.test(type)) work.push(type)
    },
  })
  const counted: Proof = {
    method: proof.method,
    verify: candidate => {
      work.push('verify')
      return proof.verify(candidate)
    },
    // Whoever lets another verify hands the proof on.
    password: () => {
      work.push('password')
      return proof.password()
    },
    chap: () => {
      work.push('chap')
      return proof.chap()
    },
  }
  hook.enable()
  try {
    await plugin.authenticate(user, counted)
  } finally {
    hook.disable()
  }
  return work
}
