import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOOKS } from '../../core/hooks/hooks.ts'
import type { AuthenticateCall, AuthenticateVerdict } from '../../core/hooks/views.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { SESSION } from '../support/session.ts'
import { EVENT, GRANT, LOGIN, never, POLICY, scene, verdictsOf } from './scene.ts'

test('taps are asked in the order in which they were registered, until one answers', async () => {
  const { hooks, by, inquiry } = scene()
  const asked: string[] = []
  const tap = (plugin: string, verdict: AuthenticateVerdict | undefined) =>
    by(plugin).authenticate.tapPromise(plugin, async () => {
      asked.push(plugin)
      return verdict
    })
  tap('first', undefined)
  tap('second', { kind: 'reject', reason: 'bad credentials' })
  tap('third', { kind: 'accept', user: 'hb@hb' })
  assert.deepEqual(await hooks.ask('authenticate', inquiry, LOGIN), {
    kind: 'reject',
    reason: 'bad credentials',
  })
  assert.deepEqual(asked, ['first', 'second'])
  assert.equal(inquiry.answeredBy, 'second')
  assert.deepEqual(
    inquiry.trail.map(({ plugin, verdict, reason }) => [plugin, verdict, reason]),
    [
      ['first', 'pass', undefined],
      ['second', 'reject', 'bad credentials'],
    ],
  )
})

test('a slow tap that answers in time is waited for, and its time is in the trail', async () => {
  const { clock, hooks, by, inquiry } = scene()
  by('slow').authenticate.tapPromise('slow', ({ user }) => {
    return new Promise(resolve => clock.setTimer(9_999, () => resolve({ kind: 'accept', user })))
  })
  const verdict = hooks.ask('authenticate', inquiry, LOGIN)
  await clock.advance(9_999)
  assert.deepEqual(await verdict, { kind: 'accept', user: 'hb@hb' })
  assert.equal(inquiry.trail[0]?.ms, 9_999)
})

test('nobody answers: a first-answer hook gives undefined, a waterfall its value', async () => {
  const { hooks, inquiry } = scene()
  assert.equal(await hooks.ask('authenticate', inquiry, LOGIN), undefined)
  assert.equal(await hooks.refine('authorize', inquiry, GRANT, { session: SESSION }), GRANT)
  assert.deepEqual(inquiry.trail, [])
})

test('a waterfall hands each tap what the one before made of it', async () => {
  const { hooks, by, inquiry } = scene()
  by('a').authorize.tap('a', grant => ({ ...grant, pool: 'staff' }))
  by('b').authorize.tapPromise('b', async () => undefined)
  by('c').authorize.tapPromise('c', async grant => ({ ...grant, zone: `${grant.pool}-zone` }))
  assert.deepEqual(await hooks.refine('authorize', inquiry, GRANT, { session: SESSION }), {
    user: 'hb@hb',
    pool: 'staff',
    zone: 'staff-zone',
  })
  assert.deepEqual(verdictsOf(inquiry), ['a changed', 'b pass', 'c changed'])
})

test('after a denial no other tap of a waterfall is asked', async () => {
  const { hooks, by, inquiry } = scene()
  by('a').decidePolicy.tap('a', () => ({ kind: 'deny', reason: 'closed at night' }))
  by('b').decidePolicy.tap('b', () => assert.fail('asked after a denial'))
  const call = { session: SESSION, grant: GRANT, leases: [] }
  assert.deepEqual(await hooks.refine('decidePolicy', inquiry, POLICY, call), {
    kind: 'deny',
    reason: 'closed at night',
  })
  assert.deepEqual(verdictsOf(inquiry), ['a deny'])
})

for (const [what, first] of [
  ['says that it is unavailable', async () => ({ kind: 'unavailable', reason: 'no server' }) as const],
  ['fails', () => Promise.reject(new Error('boom'))],
  ['hangs', never],
] as const) {
  for (const onUnavailable of ['reject', 'next', undefined] as const) {
    const goesOn = onUnavailable === 'next'
    test(`an authenticator that ${what} with onUnavailable ${onUnavailable} ${goesOn ? 'is followed' : 'is the last'}`, async () => {
      const { clock, hooks, by, inquiry } = scene()
      const owner = { plugin: 'radius', ...(onUnavailable === undefined ? {} : { onUnavailable }) }
      hooks.ownedBy(owner).authenticate.tapPromise('radius', first)
      by('local').authenticate.tapPromise('local', async ({ user, signal }: AuthenticateCall) => {
        assert.equal(signal.aborted, false)
        return { kind: 'accept', user }
      })
      const verdict = hooks.ask('authenticate', inquiry, LOGIN)
      await clock.advance(HOOKS.authenticate.deadlineMs)
      assert.equal((await verdict)?.kind, goesOn ? 'accept' : 'unavailable')
      assert.deepEqual(
        verdictsOf(inquiry),
        goesOn ? ['radius unavailable', 'local accept'] : ['radius unavailable'],
      )
    })
  }
}

test('after a withdrawal the next authenticator is not asked, whatever onUnavailable says', async () => {
  const { hooks, by, inquiry } = scene()
  let asked = false
  hooks.ownedBy({ plugin: 'radius', onUnavailable: 'next' }).authenticate.tapPromise('radius', never)
  by('local').authenticate.tap('local', () => {
    asked = true
    return undefined
  })
  const verdict = hooks.ask('authenticate', inquiry, LOGIN)
  await settle()
  inquiry.withdraw()
  assert.equal((await verdict)?.kind, 'unavailable')
  assert.equal(asked, false)
})

test('observers run side by side; one that hangs, throws or rejects neither stops nor outlasts the others', async () => {
  const { clock, hooks, by, faults } = scene()
  const seen: string[] = []
  by('hangs').tunnelUp.tapPromise('hangs', never)
  by('throws').tunnelUp.tap('throws', () => {
    throw new Error('boom')
  })
  by('rejects').tunnelUp.tapPromise('rejects', () => Promise.reject(new Error('boom')))
  by('good').tunnelUp.tapPromise('good', async ({ tunnel }) => {
    seen.push(tunnel.peerHostName)
  })
  let told = false
  void hooks.tell('tunnelUp', EVENT).then(() => {
    told = true
  })
  await settle()
  assert.deepEqual(seen, ['phone'])
  assert.equal(told, false)
  await clock.advance(HOOKS.tunnelUp.deadlineMs)
  assert.equal(told, true)
  assert.deepEqual(
    faults.map(({ plugin, kind }) => `${plugin} ${kind}`),
    ['throws threw', 'rejects threw', 'hangs late'],
  )
  assert.equal(clock.pending, 0)
})

test('the order of hooks names plugin and tap', () => {
  const { hooks, by } = scene()
  by('radius').authenticate.tapPromise('pap', never)
  by('local').authenticate.tapPromise('users', never)
  assert.deepEqual(hooks.order().find(({ hook }) => hook === 'authenticate')?.taps, [
    { plugin: 'radius', tap: 'pap' },
    { plugin: 'local', tap: 'users' },
  ])
  assert.deepEqual(
    hooks.order().map(({ hook }) => hook),
    Object.keys(HOOKS),
  )
})

test('the hooks that a plugin gets are frozen, and it cannot push in front of others', async () => {
  const { hooks, by, inquiry } = scene()
  const mine = by('b')
  assert.ok(Object.isFrozen(mine) && Object.values(mine).every(Object.isFrozen))
  by('a').admitTunnel.tap('a', () => ({ kind: 'deny', reason: 'first' }))
  const pushy = { name: 'b', stage: -10, before: 'a' } as unknown as string
  assert.throws(() => mine.admitTunnel.tap(pushy, () => ({ kind: 'accept' })))
  assert.equal((await hooks.ask('admitTunnel', inquiry, EVENT))?.kind, 'deny')
})
