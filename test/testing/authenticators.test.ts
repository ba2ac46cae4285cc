/** What becomes of a call whose authenticator hangs, throws, is slow, late or unavailable, or goes on, in a whole server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AuthenticateCall,
  type AuthenticateVerdict,
  type Clock,
  definePlugin,
  type Json,
  z,
} from 'burrow'
import { startMemoryLns } from 'burrow/testing'

const HB = { user: 'hb@hb', password: 'admin@123' }
/** Of the hook `authenticate`. */
const DEADLINE_MS = 45_000

type Answer = AuthenticateVerdict | undefined
type Decide = (call: AuthenticateCall, clock: Clock) => Answer | Promise<Answer>

const authenticator = (decide: Decide, name = 'own-auth') =>
  definePlugin({
    name,
    config: z.strictObject({}),
    setup({ hooks, clock }) {
      hooks.authenticate.tapPromise(name, async call => decide(call, clock))
    },
  })

/** In front of an auth-local that knows hb@hb. */
const yaml = (plugins: string) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
${plugins}
  - auth-local: { users: [{ user: hb@hb, password: admin@123 }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
`

const after = (clock: Clock, ms: number, answer: Answer) =>
  new Promise<Answer>(resolve => clock.setTimer(ms, () => resolve(answer)))
const accept = ({ user }: { readonly user: string }): Answer => ({ kind: 'accept', user })

/** The verdict of the one plugin, the right password of the next notwithstanding. */
async function dialled(t: import('node:test').TestContext, decide: Decide, option = '') {
  const lns = await startMemoryLns(t, {
    plugins: [authenticator(decide)],
    yaml: yaml(`  - own-auth: {${option}}`),
  })
  const call = await lns.dial(HB)
  const why = lns.log.find(({ message }) => message === 'user refused: authentication')?.fields.reason
  const told = lns.log.filter(({ level }) => level === 'error').map(({ message }) => message)
  return { lns, call: call.kind, why, told, tookMs: lns.clock.now() }
}

test('a hung authenticator: the call is refused at its deadline, and the log names the plugin', async t => {
  let signal: AbortSignal | undefined
  const { call, why, told, tookMs } = await dialled(t, asked => {
    signal = asked.signal
    return new Promise(() => {})
  })
  assert.equal(call, 'refused')
  assert.ok(tookMs >= DEADLINE_MS && tookMs < DEADLINE_MS + 2000, `${tookMs} ms`)
  assert.equal(signal?.aborted, true)
  assert.match(String(why), /own-auth/)
  assert.equal(told.length, 1)
})

test('a throwing authenticator: the call is refused at once, and the log names the plugin', async t => {
  const { call, why, told, tookMs } = await dialled(t, () => {
    throw new Error('no such table')
  })
  assert.equal(call, 'refused')
  assert.ok(tookMs < 2000, `${tookMs} ms`)
  assert.match(String(why), /own-auth/)
  assert.deepEqual(told, ['plugin own-auth failed in authenticate'])
})

test('a slow authenticator that answers in time: the call comes up, and nobody was asked twice', async t => {
  let asked = 0
  const { call, told, tookMs } = await dialled(t, (subject, clock) => {
    asked++
    return after(clock, DEADLINE_MS - 1, accept(subject))
  })
  assert.deepEqual([call, asked, told], ['up', 1, []])
  assert.ok(tookMs >= DEADLINE_MS - 1)
})

test('a late authenticator: what it accepts after its deadline lets nobody in', async t => {
  const { lns, call, told } = await dialled(t, (subject, clock) =>
    after(clock, DEADLINE_MS + 1, accept(subject)),
  )
  assert.equal(call, 'refused')
  await lns.clock.advance(60_000)
  assert.deepEqual(lns.sessions(), [])
  assert.equal(told.length, 1)
})

for (const [option, expected] of [
  ['', 'refused'],
  ['onUnavailable: reject', 'refused'],
  ['onUnavailable: next', 'up'],
] as const) {
  test(`an unavailable authenticator with {${option}}: the call of a user whom the next one knows is ${expected}`, async t => {
    const { call, why, told } = await dialled(t, () => ({ kind: 'unavailable', reason: 'no server' }), option)
    assert.deepEqual([call, why, told], [expected, expected === 'up' ? undefined : 'no server', []])
  })

  test(`of two that are unavailable, the last of them with {${option}}, the one behind decides no more than that`, async t => {
    const silent = ['one', 'two'].map(name =>
      authenticator(() => ({ kind: 'unavailable', reason: name }), name),
    )
    const list = `  - one: { onUnavailable: next }\n  - two: {${option}}`
    const lns = await startMemoryLns(t, { plugins: silent, yaml: yaml(list) })
    assert.equal((await lns.dial(HB)).kind, expected)
  })
}

/** Asks for as many rounds as there are, and keeps what it was asked with. */
function rounds(most: number, last: Decide) {
  const asked: { readonly round: number; readonly state: Json | undefined }[] = []
  const decide: Decide = (call, clock) => {
    asked.push({ round: call.round, state: call.state })
    if (!call.proof.verify(HB.password)) return { kind: 'reject', reason: `wrong in round ${call.round}` }
    if (call.round + 1 >= most) return last(call, clock)
    return { kind: 'continue', reply: 'once more', state: { seen: [...Array(call.round + 1).keys()] } }
  }
  return { asked, decide }
}

test('continue: four rounds of CHAP, each with the state of the one before, and the call comes up', async t => {
  const { asked, decide } = rounds(4, accept)
  const { call, told } = await dialled(t, decide)
  assert.deepEqual([call, told], ['up', []])
  assert.deepEqual(asked, [
    { round: 0, state: undefined },
    { round: 1, state: { seen: [0] } },
    { round: 2, state: { seen: [0, 1] } },
    { round: 3, state: { seen: [0, 1, 2] } },
  ])
})

test('continue: in later rounds no other plugin is asked, in front of it or behind', async t => {
  const others: string[] = []
  const other = (name: string) =>
    authenticator(({ round }) => {
      others.push(`${name} ${round}`)
      return round === 0 ? undefined : { kind: 'accept', user: 'root' }
    }, name)
  const { asked, decide } = rounds(3, () => undefined)
  const lns = await startMemoryLns(t, {
    plugins: [other('before'), authenticator(decide), other('behind')],
    yaml: yaml('  - before: {}\n  - own-auth: {}\n  - behind: {}'),
  })
  assert.equal((await lns.dial(HB)).kind, 'refused')
  assert.deepEqual([others, asked.length], [['before 0'], 3])
  const why = lns.log.find(({ message }) => message === 'user refused: authentication')?.fields.reason
  assert.match(String(why), /own-auth/)
})

for (const [what, last] of [
  ['throws', () => Promise.reject(new Error('boom'))],
  ['hangs', () => new Promise<never>(() => {})],
  ['is unavailable', () => ({ kind: 'unavailable', reason: 'gone' })],
  ['rejects', () => ({ kind: 'reject', reason: 'wrong code' })],
  ['goes on without end', ({ round }) => ({ kind: 'continue', reply: '', state: round })],
] as const satisfies readonly (readonly [string, Decide])[]) {
  test(`continue: a plugin that ${what} in a later round is not followed by the next, whatever onUnavailable says`, async t => {
    const { lns, call } = await dialled(t, rounds(2, last).decide, 'onUnavailable: next')
    assert.equal(call, 'refused')
    await lns.clock.advance(60_000)
    assert.deepEqual(lns.sessions(), [])
  })
}

test('continue: a wrong password in the first round is refused there', async t => {
  const { asked, decide } = rounds(3, accept)
  const lns = await startMemoryLns(t, { plugins: [authenticator(decide)] })
  assert.equal((await lns.dial({ ...HB, password: 'wrong' })).kind, 'refused')
  assert.equal(asked.length, 1)
})

test('continue: a client that hangs up in the second round aborts it, and leaves nothing', async t => {
  let signal: AbortSignal | undefined
  const second: Decide = call => {
    signal = call.signal
    return new Promise(() => {})
  }
  const lns = await startMemoryLns(t, { plugins: [authenticator(rounds(2, second).decide)] })
  const placed = lns.place(HB)
  await lns.clock.until('the second round is asked', () => signal !== undefined)
  placed.hangUp()
  await lns.clock.settled('the call is over', placed.outcome)
  await lns.clock.advance(1000)
  assert.equal(signal?.aborted, true)
  assert.deepEqual(lns.sessions(), [])
})

test('continue: a client of PAP that gives up at the first Nak is shown the reply', async t => {
  const { asked, decide } = rounds(3, accept)
  const lns = await startMemoryLns(t, { plugins: [authenticator(decide)] })
  const call = await lns.dial({ ...HB, method: 'pap' })
  assert.equal(call.kind, 'refused')
  assert.match(`${call.message} ${call.reason.text}`, /once more/)
  assert.equal(asked.length, 1)
})

test('continue: many rounds are no failures, so the next login of the user waits for nothing', async t => {
  const { decide } = rounds(10, accept)
  const lns = await startMemoryLns(t, { plugins: [authenticator(decide)] })
  await (await lns.dialUp(HB)).hangUp()
  const before = lns.clock.now()
  await lns.dialUp(HB)
  assert.ok(lns.clock.now() - before < 1000, `${lns.clock.now() - before} ms`)
})
