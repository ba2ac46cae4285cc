/** What every plugin that answers `authenticate` must do. */
import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { HOOKS } from '../../hooks/hooks.ts'
import type { Proof } from '../../hooks/views.ts'
import { mschapv2SuccessOf } from '../../runtime/proof.ts'
import type { Harness } from '../plugin-harness.ts'
import { eapProof } from '../proofs.ts'
import { settle } from '../virtual-clock.ts'

/** An authenticator to hold to the contract. */
export interface AuthenticatorSubject {
  /** Stands in the name of each test. */
  readonly name: string
  /** A new one, loaded and started (`startPlugin`), that knows `user`. */
  readonly make: (t: TestContext) => Promise<Harness>
  /** A user that it knows. */
  readonly user: string
  /** With a letter and no capital at its end, so that it can be written in other ways. */
  readonly secret: string
  /** The proof that a peer who knows `secret` gives: `papProof`, `chapProof` or `mschapv2Proof`. */
  readonly prove: (secret: string) => Proof
  /** Whether an unknown user is passed on to the next plugin or refused. */
  readonly unknown: 'pass' | 'reject'
  /**
   * One that cannot ask its verifier (a directory that is gone, a queue that is full), with `onUnavailable` as given.
   * Absent: it always can.
   */
  readonly makeUnavailable?: (
    t: TestContext,
    onUnavailable?: 'reject' | 'next',
  ) => Promise<UnavailableAuthenticator>
  /** One whose verifier takes the question and never answers. Absent: it has none that could. */
  readonly makeHung?: (t: TestContext) => Promise<Harness>
}

/** An authenticator without its verifier. */
export interface UnavailableAuthenticator {
  /** The authenticator, started. */
  readonly plugin: Harness
  /** Gives it back. Absent: it cannot be had again. */
  readonly repair?: () => void | Promise<void>
}

const WRONG = 'not the secret, and never in a log 7f3a'

/**
 * Registers what every plugin that answers `authenticate` must do, as tests of `node:test`:
 *
 * - it accepts who knows the secret, under the user's own name, and rejects every other secret, however near;
 * - with `mschapv2Proof`: its acceptance proves us to the peer too;
 * - a name alone, which is all that EAP begins with, lets nobody in: it passes EAP on, refuses it or goes on with a Request;
 * - it knows no user whom it does not know: other letters, a blank, a name out of JavaScript;
 * - an unknown user costs the same work as a wrong password (`workOf`), so that time does not tell who exists;
 * - it lets go when the call ends, and leaves no timer;
 * - no secret is in its verdicts, its trail or its log;
 * - with `makeUnavailable`: where it cannot tell, it answers `unavailable` by itself, to a right proof and to a wrong one: not
 *   `reject` (the user did nothing wrong), not "not mine" (a dead directory must not open the next), and no fault. Then the
 *   call ends, without `onUnavailable` and with `reject`, and the next plugin is asked with `next`. With its verifier back it
 *   accepts again;
 * - with `makeHung`: it gives up by itself before its hook's deadline, or at least when that aborts its `signal`.
 *
 *     authenticatorContract({
 *       name: 'my-auth with PAP',
 *       make: t => startPlugin(t, myAuth, { options: { realm: 'hb' } }),
 *       user: 'hb@hb',
 *       secret: 'admin@123',
 *       prove: papProof,
 *       unknown: 'pass',
 *     })
 */
export function authenticatorContract(subject: AuthenticatorSubject): void {
  const { name, make, user, secret, prove, unknown, makeUnavailable, makeHung } = subject

  test(`${name} accepts a user who knows the secret, under the user's name`, async t => {
    const proof = prove(secret)
    const { verdict } = await (await make(t)).authenticate(user, proof)
    assert.equal(verdict?.kind, 'accept')
    assert.equal(verdict.user, user)
    if (proof.method === 'mschapv2')
      assert.match(verdict.mschapv2Success ?? mschapv2SuccessOf(proof) ?? '', /^S=/)
  })

  test(`${name} lets nobody in for the name that EAP begins with`, async t => {
    const plugin = await make(t)
    const { verdict } = await plugin.authenticate(user, eapProof(user))
    if (verdict?.kind === 'continue') assert.ok(verdict.eap !== undefined, 'it goes on with a Request')
    else assert.notEqual(verdict?.kind, 'accept')
    assert.deepEqual(plugin.faults, [])
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
    const inquiry = plugin.inquiry()
    const asked = plugin.authenticate(user, prove(secret), { inquiry })
    inquiry.withdraw()
    await asked
    await letGo(plugin)
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

  if (makeUnavailable !== undefined) unavailableContract(subject, makeUnavailable)

  if (makeHung !== undefined)
    test(`${name} is unavailable when its verifier does not answer, and lets go`, async t => {
      const plugin = await makeHung(t)
      const asked = plugin.authenticate(user, prove(secret))
      const { verdict } = await answered(plugin, asked)
      assert.equal(verdict?.kind, 'unavailable')
      await settle()
      assert.equal(plugin.clock.pending, 0)
    })
}

/** Longer than the deadline of the hook, in virtual time. */
const DEADLINE_MS = 2 * HOOKS.authenticate.deadlineMs
/** How long a verifier on this machine may take, in real time. */
const PATIENCE_MS = 1000
const POLL_MS = 5

/** Waits in real time first, for a plugin that asks a real verifier; then in virtual time, for one that waits by the clock. */
async function answered<T>(plugin: Harness, asked: Promise<T>): Promise<T> {
  const soon = new AbortController()
  await Promise.race([asked, sleep(PATIENCE_MS, undefined, soon).catch(() => {})])
  soon.abort()
  return plugin.clock.settled('an answer', asked, DEADLINE_MS)
}

/** Of its timers; a verifier on this machine may have to be told first. */
async function letGo(plugin: Harness): Promise<void> {
  const deadline = AbortSignal.timeout(PATIENCE_MS)
  while (plugin.clock.pending > 0 && !deadline.aborted) await sleep(POLL_MS)
  assert.equal(plugin.clock.pending, 0)
}

function unavailableContract(
  { name, user, secret, prove }: AuthenticatorSubject,
  make: NonNullable<AuthenticatorSubject['makeUnavailable']>,
): void {
  const goesOn = { reject: 'unavailable', next: undefined } as const
  for (const onUnavailable of [undefined, 'reject', 'next'] as const) {
    const how = onUnavailable === undefined ? 'without onUnavailable' : `with onUnavailable: ${onUnavailable}`
    test(`${name} says that it is unavailable, ${how}`, async t => {
      const { plugin } = await make(t, onUnavailable)
      // Both at once: what keeps it from its verifier need not last.
      const asked = [secret, WRONG].map(one => plugin.authenticate(user, prove(one)))
      for (const { verdict, trail } of await answered(plugin, Promise.all(asked))) {
        assert.equal(verdict?.kind, goesOn[onUnavailable ?? 'reject'])
        assert.deepEqual(
          trail.map(entry => entry.verdict),
          ['unavailable'],
        )
        const [{ reason = '' } = {}] = trail
        assert.ok(reason !== '' && !reason.includes(secret), 'it says why, without the secret')
      }
      assert.deepEqual(plugin.faults, [], 'it answered by itself')
    })
  }

  test(`${name} accepts again when its verifier is back`, async t => {
    const { plugin, repair } = await make(t)
    if (repair === undefined) return t.skip('it cannot be had back')
    await answered(plugin, plugin.authenticate(user, prove(secret)))
    await repair()
    const { verdict } = await answered(plugin, plugin.authenticate(user, prove(secret)))
    assert.equal(verdict?.kind, 'accept')
  })
}

/**
 * What one attempt costs: its comparisons (`Proof.verify`) and its jobs in the thread pool (hashes), in order. Two attempts
 * that must not be told apart by their time must cost the same.
 */
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
    verifyNtHash: hash => {
      work.push('verify')
      return proof.verifyNtHash(hash)
    },
    mschapv2: () => {
      work.push('mschapv2')
      return proof.mschapv2()
    },
    eap: () => {
      work.push('eap')
      return proof.eap()
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
