import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureLedger, type LedgerOptions } from '../../core/runtime/failure-ledger.ts'
import { DEFAULT_THROTTLE, Throttle, type ThrottleOptions, type Turn } from '../../core/runtime/throttle.ts'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.ts'

const { user: USER, source: SOURCE } = DEFAULT_THROTTLE

function scene(options: ThrottleOptions = DEFAULT_THROTTLE) {
  const clock = new VirtualClock()
  const throttle = new Throttle(clock, options)
  const enter = (source: string, user: string) => throttle.enter(source, user, () => {})
  /** One attempt from its start to its end; tells how long it waited. */
  const attempt = async (source: string, user: string, correct: boolean | undefined) => {
    const entered = clock.now()
    let turn: Turn | 'full' | 'withdrawn' | undefined
    void enter(source, user).then(given => {
      turn = given
    })
    await clock.until('a turn', () => turn !== undefined)
    const waitedMs = clock.now() - entered
    assert.ok(typeof turn === 'object', `no turn: ${turn}`)
    turn.done(correct)
    return waitedMs
  }
  return { clock, throttle, enter, attempt }
}

/** Attempts that come from a new source each, so that only the user's failures count. */
const sources = function* () {
  for (let n = 0; ; n++) yield `198.51.100.${n}`
}

test('a first attempt waits for nothing', async () => {
  const { clock, attempt } = scene()
  assert.equal(await attempt('198.51.100.7', 'hb@hb', true), 0)
  assert.equal(clock.pending, 0)
})

test('the wait of a user grows with each failure, from any source, up to a small cap', async () => {
  const { attempt } = scene()
  const waits: number[] = []
  const from = sources()
  for (let n = 0; n < 10; n++) waits.push(await attempt(from.next().value ?? '', 'hb@hb', false))
  assert.deepEqual(waits, [0, 0, 0, 250, 500, 1000, 2000, 3000, 3000, 3000])
})

test('however many guess at a user, the right password gets in within the cap', async () => {
  const { clock, enter, attempt } = scene()
  const from = sources()
  for (let n = 0; n < 40; n++) await attempt(from.next().value ?? '', 'hb@hb', false)
  // Others go on guessing while the owner waits.
  const guessing = Array.from({ length: 40 }, () =>
    enter(from.next().value ?? '', 'hb@hb').then(turn => {
      if (typeof turn === 'object') turn.done(false)
    }),
  )
  const waitedMs = await attempt('203.0.113.9', 'hb@hb', true)
  assert.ok(waitedMs <= USER.longestDelayMs, `${waitedMs}`)
  await clock.advance(USER.longestDelayMs)
  await Promise.all(guessing)
})

test('a user is recognised whatever the case of the name', async () => {
  const { attempt } = scene()
  const from = sources()
  for (const name of ['hb@hb', 'HB@hb', 'Hb@hb']) await attempt(from.next().value ?? '', name, false)
  assert.equal(await attempt(from.next().value ?? '', 'hB@HB', false), USER.firstDelayMs)
})

test('another user of another source waits for nothing', async () => {
  const { attempt } = scene()
  for (let n = 0; n < 10; n++) await attempt('198.51.100.7', 'hb@hb', false)
  assert.equal(await attempt('203.0.113.9', 'eve@hb', true), 0)
})

test('a success ends the wait of its user', async () => {
  const { attempt } = scene()
  const from = sources()
  for (let n = 0; n < 6; n++) await attempt(from.next().value ?? '', 'hb@hb', false)
  assert.ok((await attempt(from.next().value ?? '', 'hb@hb', true)) > 0)
  for (let n = 0; n < 3; n++) assert.equal(await attempt(from.next().value ?? '', 'hb@hb', false), 0)
})

test('failures are forgotten with time', async () => {
  const { clock, attempt } = scene()
  const from = sources()
  for (let n = 0; n < 8; n++) await attempt(from.next().value ?? '', 'hb@hb', false)
  await clock.advance(USER.forgetMs * 8)
  for (let n = 0; n < 3; n++) assert.equal(await attempt(from.next().value ?? '', 'hb@hb', false), 0)
})

test('a source that tries many names is slowed down too, up to its cap', async () => {
  const { attempt } = scene()
  const waits: number[] = []
  for (let n = 0; n < 12; n++) waits.push(await attempt('198.51.100.7', `user-${n}`, false))
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 250, 500, 1000, 2000, 2000, 2000])
})

test('a source that logs in with an account of its own in between guesses no faster', async () => {
  const { clock, attempt } = scene()
  for (let n = 0; n < 12; n++) await attempt('198.51.100.7', `user-${n}`, false)
  const started = clock.now()
  for (let n = 0; n < 10; n++) {
    await attempt('198.51.100.7', 'own', true)
    await attempt('198.51.100.7', `victim-${n}`, false)
  }
  assert.ok(clock.now() - started >= 10 * SOURCE.longestDelayMs)
})

test('a source that failed often is verified one after the other, and a right password gets its turn', async () => {
  const { clock, enter, attempt } = scene()
  for (let n = 0; n < 8; n++) await attempt('198.51.100.7', `user-${n}`, false)
  let verifying = 0
  let most = 0
  const guess = async (user: string) => {
    const turn = await enter('198.51.100.7', user)
    assert.ok(typeof turn === 'object')
    verifying++
    most = Math.max(most, verifying)
    await new Promise<void>(resolve => clock.setTimer(100, resolve))
    verifying--
    turn.done(user === 'owner')
    return clock.now()
  }
  const started = clock.now()
  const guesses = ['a', 'b', 'c', 'd', 'owner', 'e'].map(guess)
  let ownerAt: number | undefined
  void guesses[4]?.then(at => {
    ownerAt = at
  })
  await clock.until('the owner is in', () => ownerAt !== undefined)
  await clock.advance(10_000)
  await Promise.all(guesses)
  assert.equal(most, 1)
  assert.ok((ownerAt ?? Number.POSITIVE_INFINITY) - started <= 5 * (SOURCE.longestDelayMs + 100))
})

test('a burst from a fresh source is verified a few at a time, so that it cannot outrun its own failures', async () => {
  const { clock, enter } = scene()
  const turns: Turn[] = []
  for (let n = 0; n < 60; n++) {
    void enter('198.51.100.7', `user-${n}`).then(turn => typeof turn === 'object' && turns.push(turn))
  }
  await settle()
  assert.equal(turns.length, DEFAULT_THROTTLE.atOnce)
  for (const turn of turns.splice(0)) turn.done(false)
  await settle()
  assert.equal(turns.length, SOURCE.free)
  for (const turn of turns.splice(0)) turn.done(false)
  await clock.advance(SOURCE.longestDelayMs)
  assert.equal(turns.length, 1)
})

test('an access concentrator whose users all log in at once, with right passwords, gets every one in', async () => {
  const { clock, enter } = scene()
  let verified = 0
  const logins = Array.from({ length: 1000 }, async (_, n) => {
    const turn = await enter('198.51.100.7', `user-${n}`)
    assert.ok(typeof turn === 'object', `${turn}`)
    await new Promise<void>(resolve => clock.setTimer(50, resolve))
    turn.done(true)
    verified++
  })
  await clock.until('all are in', () => verified === logins.length)
  assert.ok(clock.now() <= (1000 / DEFAULT_THROTTLE.atOnce + 1) * 50, `${clock.now()} ms`)
  await Promise.all(logins)
})

test('beyond its queue a source is refused, and no other source notices', async () => {
  const { enter, attempt } = scene()
  const { atOnce, mostWaiting } = DEFAULT_THROTTLE
  const answers: unknown[] = []
  for (let n = 0; n < atOnce + mostWaiting + 3; n++) {
    void enter('198.51.100.7', `user-${n}`).then(answer => answers.push(answer))
  }
  await settle()
  assert.equal(answers.filter(answer => answer === 'full').length, 3)
  assert.equal(await attempt('203.0.113.9', 'hb@hb', true), 0)
})

test('a verifier that was unavailable is no failure of the user', async () => {
  const { attempt } = scene()
  for (let n = 0; n < 20; n++) assert.equal(await attempt('198.51.100.7', 'hb@hb', undefined), 0)
})

test('an attempt that is withdrawn while it waits leaves its place, its slot and its timer', async () => {
  const { clock, throttle, enter, attempt } = scene({ ...DEFAULT_THROTTLE, atOnce: 1, placeMs: 120_000 })
  for (let n = 0; n < 8; n++) await attempt('198.51.100.7', 'hb@hb', false)
  const withdrawals: (() => void)[] = []
  const doomed = ['delayed', 'queued'].map(() =>
    throttle.enter('198.51.100.7', 'hb@hb', withdraw => withdraw !== undefined && withdrawals.push(withdraw)),
  )
  const last = enter('198.51.100.7', 'hb@hb')
  for (const withdraw of withdrawals.reverse()) withdraw()
  assert.deepEqual(await Promise.all(doomed), ['withdrawn', 'withdrawn'])
  // The delay of the last one.
  assert.equal(clock.pending, 1)
  await clock.advance(USER.longestDelayMs)
  const turn = await last
  assert.ok(typeof turn === 'object')
  let next = false
  const after = enter('198.51.100.7', 'hb@hb').then(given => {
    next = true
    return given
  })
  await clock.advance(60_000)
  assert.equal(next, false)
  turn.done(true)
  const given = await after
  assert.ok(typeof given === 'object')
  given.done(true)
  assert.equal(clock.pending, 0)
})

test('what is remembered is bounded: the key that failed least recently goes first', () => {
  const clock = new VirtualClock()
  const options: LedgerOptions = { ...USER, free: 0, mostKeys: 100 }
  const ledger = new FailureLedger(clock, options)
  for (let n = 0; n < 100; n++) ledger.fail(`user-${n}`)
  ledger.fail('user-0')
  ledger.fail('one more')
  assert.equal(ledger.size, 100)
  assert.ok(ledger.delayMs('user-0') > 0)
  assert.equal(ledger.delayMs('user-1'), 0)
})

test('attempts that a slow server verifies hold up no other of their source', async () => {
  const { clock, enter } = scene()
  const turns: Turn[] = []
  for (let n = 0; n < 40; n++) {
    void enter('198.51.100.7', `user-${n}`).then(turn => typeof turn === 'object' && turns.push(turn))
  }
  await clock.advance(DEFAULT_THROTTLE.placeMs - 1)
  assert.equal(turns.length, DEFAULT_THROTTLE.atOnce)
  await clock.advance(1)
  assert.equal(turns.length, 2 * DEFAULT_THROTTLE.atOnce)
  // Places that were given up are not given up again: two are free, of those that still hold one.
  for (const turn of turns.slice(0, DEFAULT_THROTTLE.atOnce)) turn.done(true)
  await settle()
  assert.equal(turns.length, 2 * DEFAULT_THROTTLE.atOnce)
  for (const turn of turns.slice(-2)) turn.done(true)
  await settle()
  assert.equal(turns.length, 2 * DEFAULT_THROTTLE.atOnce + 2)
  await clock.advance(DEFAULT_THROTTLE.placeMs)
  assert.equal(turns.length, 40)
  for (const turn of turns.slice(DEFAULT_THROTTLE.atOnce)) turn.done(true)
  assert.equal(clock.pending, 0)
})

test('a guesser whose guesses a slow server verifies holds up no other of its source for longer than a place', async () => {
  const { clock, enter, attempt } = scene()
  for (let n = 0; n < SOURCE.free; n++) await attempt('198.51.100.7', `user-${n}`, false)
  void enter('198.51.100.7', 'guessed')
  const started = clock.now()
  await attempt('198.51.100.7', 'owner', true)
  assert.ok(clock.now() - started <= 2 * SOURCE.longestDelayMs + DEFAULT_THROTTLE.placeMs)
})
