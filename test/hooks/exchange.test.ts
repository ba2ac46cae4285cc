/** Rounds of an authentication, and chains of authenticators, at the hooks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inquiry } from '../../core/hooks/guard.ts'
import { HOOKS } from '../../core/hooks/hooks.ts'
import type { AuthenticateCall, AuthenticateVerdict } from '../../core/hooks/views.ts'
import type { AuthExchange } from '../../core/protocol/outputs.ts'
import { authenticated, beginRound, provedRight } from '../../core/runtime/authentication.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { LOGIN, never, scene, verdictsOf } from './scene.ts'

const CONTINUE: AuthenticateVerdict = { kind: 'continue', reply: 'code?', state: { step: 1 } }
const ROUND_2: AuthExchange = { plugin: 'otp', user: 'hb@hb', state: '{"step":1}', round: 1 }

/** The second round of what `otp` began. */
const secondRound = (inquiry: Inquiry) => ({ ...LOGIN, ...beginRound(inquiry, ROUND_2) })

test('the first round has number 0 and no state', () => {
  const inquiry = new Inquiry()
  assert.deepEqual(beginRound(inquiry, undefined), { round: 0 })
  assert.equal(inquiry.only, undefined)
})

test('a continue goes to the core with the plugin that gave it, its state as text', async () => {
  const { hooks, by, inquiry } = scene()
  by('first').authenticate.tap('first', () => undefined)
  by('otp').authenticate.tap('otp', () => CONTINUE)
  by('behind').authenticate.tap('behind', () => assert.fail('asked after a verdict'))
  const verdict = await hooks.ask('authenticate', inquiry, LOGIN)
  assert.deepEqual(authenticated(inquiry, verdict, LOGIN.proof), {
    kind: 'continue',
    plugin: 'otp',
    reply: 'code?',
    state: '{"step":1}',
  })
  assert.deepEqual(verdictsOf(inquiry), ['first pass', 'otp continue'])
})

test('the next round is asked of the plugin that went on alone: of others not even the trail tells', async () => {
  const { hooks, by, inquiry } = scene()
  let seen: AuthenticateCall | undefined
  for (const other of ['before', 'behind'])
    by(other).authenticate.tap(other, () => ({ kind: 'accept', user: 'root' }))
  by('otp').authenticate.tap('otp', call => {
    seen = call
    return undefined
  })
  by('last').authenticate.tap('last', () => ({ kind: 'accept', user: 'root' }))
  assert.equal(await hooks.ask('authenticate', inquiry, secondRound(inquiry)), undefined)
  assert.deepEqual(verdictsOf(inquiry), ['otp pass'])
  assert.deepEqual([seen?.round, seen?.state], [1, { step: 1 }])
  assert.ok(Object.isFrozen(seen?.state))
})

test('a plugin that does not go on, and one that is not there any more, are denials with different reasons', async () => {
  const reasons = []
  for (const plugin of ['otp', 'other']) {
    const { hooks, by, inquiry } = scene()
    by(plugin).authenticate.tap(plugin, () => undefined)
    const told = authenticated(
      inquiry,
      await hooks.ask('authenticate', inquiry, secondRound(inquiry)),
      LOGIN.proof,
    )
    assert.equal(told.kind, 'deny')
    reasons.push(told.reason)
  }
  assert.equal(new Set(reasons).size, 2)
  for (const reason of reasons) assert.match(reason, /otp/)
})

for (const [what, tap] of [
  ['throws', () => Promise.reject(new Error('boom'))],
  ['hangs', never],
  ['is unavailable', async () => ({ kind: 'unavailable', reason: 'no server' })],
] as const satisfies readonly (readonly [string, () => Promise<AuthenticateVerdict>])[]) {
  test(`a plugin that ${what} in the second round is unavailable, and none is asked in its place`, async () => {
    const { clock, hooks, by, inquiry } = scene()
    const owner = { plugin: 'otp', onUnavailable: 'next' } as const
    hooks.ownedBy(owner).authenticate.tapPromise('otp', tap)
    by('behind').authenticate.tap('behind', () => ({ kind: 'accept', user: 'root' }))
    const verdict = hooks.ask('authenticate', inquiry, secondRound(inquiry))
    await clock.advance(HOOKS.authenticate.deadlineMs)
    assert.equal((await verdict)?.kind, 'unavailable')
    assert.deepEqual(verdictsOf(inquiry), ['otp unavailable'])
    assert.equal(authenticated(inquiry, await verdict, LOGIN.proof).kind, 'deny')
    assert.equal(clock.pending, 0)
  })
}

test('a withdrawal in the second round aborts its tap', async () => {
  const { clock, hooks, by, inquiry } = scene()
  let signal: AbortSignal | undefined
  by('otp').authenticate.tapPromise('otp', call => {
    signal = call.signal
    return never()
  })
  const verdict = hooks.ask('authenticate', inquiry, secondRound(inquiry))
  await settle()
  inquiry.withdraw()
  assert.equal((await verdict)?.kind, 'unavailable')
  assert.deepEqual([signal?.aborted, clock.pending], [true, 0])
})

test('for the throttle a continue is neither right nor wrong', () => {
  const verdicts: readonly (AuthenticateVerdict | undefined)[] = [
    { kind: 'accept', user: 'u' },
    { kind: 'reject', reason: 'r' },
    undefined,
    { kind: 'unavailable', reason: 'r' },
    CONTINUE,
  ]
  assert.deepEqual(
    verdicts.map(verdict => provedRight(new Inquiry(), verdict)),
    [true, false, false, undefined, undefined],
  )
})

class Step {
  readonly step = 1
}
const LOOP: { self?: unknown } = {}
LOOP.self = LOOP
/** Two octets of JSON are its quotes. */
const text = (octets: number) => 'x'.repeat(octets - 2)

for (const [what, state] of [
  ['none', undefined],
  ['a function', () => {}],
  ['a function deep inside', { a: [{ b: () => {} }] }],
  ['a loop', LOOP],
  ['a Map', new Map([['step', 1]])],
  ['a Date deep inside', { at: new Date(0) }],
  ['octets', { bytes: Uint8Array.of(1) }],
  ['an object of a class', new Step()],
  ['a promise', Promise.resolve(1)],
  ['a symbol', Symbol('x')],
  ['a big integer', 1n],
  ['no number', Number.NaN],
  ['something undefined inside', { a: undefined }],
  ['4097 octets', text(4097)],
  ['4096 letters of two octets', 'é'.repeat(2048)],
] as const) {
  test(`a state that is ${what} is nonsense, and the fault of the plugin`, async () => {
    const { faults, hooks, by, inquiry } = scene()
    by('otp').authenticate.tap('otp', () => ({ kind: 'continue', reply: '', state: state as never }))
    assert.equal((await hooks.ask('authenticate', inquiry, LOGIN))?.kind, 'unavailable')
    assert.deepEqual(
      faults.map(({ plugin, kind }) => `${plugin} ${kind}`),
      ['otp nonsense'],
    )
  })
}

for (const state of [null, 0, -1.5, '', true, [], {}, [1, [2, { a: null }]], { $bytes: '00' }, text(4096)]) {
  test(`a state comes back as it was: ${JSON.stringify(state).slice(0, 20)}`, async () => {
    const { faults, hooks, by, inquiry } = scene()
    by('otp').authenticate.tap('otp', () => ({ kind: 'continue', reply: '', state }))
    const told = authenticated(inquiry, await hooks.ask('authenticate', inquiry, LOGIN), LOGIN.proof)
    assert.ok(told.kind === 'continue', told.kind)
    assert.deepEqual(beginRound(new Inquiry(), { ...ROUND_2, ...told }).state, state)
    assert.deepEqual(faults, [])
  })
}

test('a continue without a reply is nonsense', async () => {
  const { faults, hooks, by, inquiry } = scene()
  by('otp').authenticate.tap('otp', () => ({ kind: 'continue', state: 1 }) as never)
  assert.equal((await hooks.ask('authenticate', inquiry, LOGIN))?.kind, 'unavailable')
  assert.equal(faults.length, 1)
})

/** Three authenticators; the first two say that they are unavailable, the last knows everybody. */
for (const [first, second, expected] of [
  ['next', 'next', ['one unavailable', 'two unavailable', 'three accept']],
  ['next', 'reject', ['one unavailable', 'two unavailable']],
  ['next', undefined, ['one unavailable', 'two unavailable']],
  ['reject', 'next', ['one unavailable']],
  [undefined, 'next', ['one unavailable']],
] as const) {
  test(`of three authenticators two are unavailable, onUnavailable ${first} and ${second}: ${expected.at(-1)}`, async () => {
    const { hooks, by, inquiry } = scene()
    for (const [plugin, onUnavailable] of [
      ['one', first],
      ['two', second],
    ] as const) {
      const owner = { plugin, ...(onUnavailable === undefined ? {} : { onUnavailable }) }
      hooks.ownedBy(owner).authenticate.tap(plugin, () => ({ kind: 'unavailable', reason: plugin }))
    }
    by('three').authenticate.tap('three', ({ user }) => ({ kind: 'accept', user }))
    const verdict = await hooks.ask('authenticate', inquiry, LOGIN)
    assert.deepEqual(verdictsOf(inquiry), expected)
    assert.equal(verdict?.kind, expected.at(-1)?.split(' ')[1])
    assert.equal(inquiry.answeredBy, expected.at(-1)?.split(' ')[0])
  })
}

test('when all are unavailable and each passes on, the user is refused and has not failed', async () => {
  const { hooks, inquiry } = scene()
  for (const plugin of ['one', 'two'])
    hooks
      .ownedBy({ plugin, onUnavailable: 'next' })
      .authenticate.tap(plugin, () => ({ kind: 'unavailable', reason: plugin }))
  assert.equal(await hooks.ask('authenticate', inquiry, LOGIN), undefined)
  assert.deepEqual(verdictsOf(inquiry), ['one unavailable', 'two unavailable'])
  const told = authenticated(inquiry, undefined, LOGIN.proof)
  assert.ok(told.kind === 'deny' && /one, two/.test(told.reason))
  assert.equal(provedRight(inquiry, undefined), undefined)
})
