/** "Why was this user refused?", asked of a server in memory. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { definePlugin, z } from '../../core/index.ts'
import { answerOf } from '../../core/runtime/explain.ts'
import type { TrailRecord } from '../../core/runtime/trail-record.ts'
import { type AnyPlugin, startMemoryLns } from '../../core/testing/index.ts'

const HB = { user: 'hb@hb', password: 'admin@123' }

function serve(t: TestContext, ...plugins: readonly AnyPlugin[]) {
  return startMemoryLns(t, { plugins })
}

test('a refused call is explained by user, id, its first digits and address, after it is gone', async t => {
  const lns = await serve(t)
  await lns.dial({ ...HB, password: 'guess#123', method: 'pap' })
  const [record] = lns.explain('HB@HB')
  assert.ok(record)
  assert.equal(record.outcome, 'refused')
  assert.equal(record.user, 'hb@hb')
  assert.equal(record.acceptedAs, undefined)
  assert.equal(record.end?.cause, 'auth-failed')
  assert.equal(record.generation, 1)
  assert.deepEqual(record.refusal, { by: 'authenticate', reason: 'wrong password' })
  assert.match(record.answer, /hb@hb was refused in authenticate by auth-local \(reject\): wrong password/)
  assert.ok(record.tunnelEntries.some(({ hook }) => hook === 'admitTunnel'))
  assert.equal(record.entries.at(-1)?.plugin, 'auth-local')
  for (const query of [record.id, record.id.slice(0, 6), '198.51.100.7'])
    assert.deepEqual(lns.explain(query), [record])
  assert.doesNotMatch(inspect([record, lns.log], { depth: 9 }), /guess#123/)
})

test('a call that is up, and has ended, is explained, and its trail is in the log', async t => {
  const lns = await serve(t)
  const call = await lns.dialUp(HB)
  const [live] = lns.explain('hb@hb')
  assert.equal(live?.outcome, 'up')
  assert.match(live?.answer ?? '', /is up: auth-local accepted the user/)
  await call.hangUp()
  const [ended] = lns.explain(live?.id ?? '')
  assert.equal(ended?.outcome, 'ended')
  const line = lns.log.find(({ message }) => message === 'session down')
  const trail = line?.fields.trail as readonly string[]
  assert.deepEqual(
    trail.map(text => text.replace(/ [\d.]+ms$/, '')),
    ended?.entries.map(({ hook, plugin, verdict }) => `${hook} ${plugin} ${verdict}`),
  )
  assert.ok(trail.some(text => text.startsWith('authenticate auth-local accept')))
})

test('a call that hung up while a plugin decided shows who was being asked, live and after', async t => {
  const slow = definePlugin({
    name: 'slow',
    config: z.strictObject({}),
    setup: ({ hooks }) => void hooks.authenticate.tapPromise('slow', () => new Promise(() => {})),
  })
  const lns = await serve(t, slow)
  const placed = lns.place(HB)
  await lns.clock.until('the plugin is asked', () => lns.sessions().some(({ phase }) => phase !== ''))
  await lns.clock.advance(2000)
  const [asking] = lns.explain('hb@hb')
  assert.equal(asking?.asking?.hook, 'authenticate')
  placed.hangUp()
  await lns.clock.settled('the call is over', placed.outcome)
  await lns.clock.advance(5000)
  const [record] = lns.explain('hb@hb')
  assert.equal(record?.outcome, 'failed')
  assert.deepEqual(record?.entries.map(({ plugin, verdict, reason }) => [plugin, verdict, reason]).at(-1), [
    'slow',
    'unavailable',
    'the call ended',
  ])
  assert.match(record?.answer ?? '', /the last that was asked is slow in authenticate/)
})

test('a refused tunnel is explained by the address of its peer', async t => {
  const gate = definePlugin({
    name: 'gate',
    config: z.strictObject({}),
    setup: ({ hooks }) =>
      void hooks.admitTunnel.tap('gate', () => ({ kind: 'deny', reason: 'closed today' })),
  })
  const lns = await serve(t, gate)
  await lns.dial(HB)
  const [record] = lns.explain('198.51.100.7')
  assert.deepEqual([record?.kind, record?.outcome], ['tunnel', 'refused'])
  assert.match(record?.answer ?? '', /refused in admitTunnel by gate \(deny\): closed today/)
})

test('who is not known gets a code, and hears how far memory goes back', async t => {
  const lns = await serve(t)
  assert.throws(() => lns.explain('nobody'), { code: 'TRAIL_NOT_FOUND', message: /since 2026-01-01T00:00:0/ })
  assert.throws(() => lns.explain(''), { code: 'USAGE' })
})

test('where every plugin passed, or none was asked, the sentence says so', () => {
  const record: TrailRecord = {
    kind: 'call',
    id: 'a1',
    user: 'ada',
    peer: '192.0.2.1:1701',
    host: 'phone',
    tunnel: '192.0.2.2/1',
    startedAt: '2026-01-01T00:00:00.000Z',
    outcome: 'refused',
    end: { cause: 'auth-failed' },
    refusal: { by: 'authenticate', reason: 'no plugin knows this user' },
    entries: [],
    dropped: 0,
    tunnelEntries: [],
  }
  assert.match(
    answerOf(record),
    /ada was refused in authenticate, where no plugin was asked: no plugin knows/,
  )
  const passed = {
    hook: 'authenticate',
    plugin: 'one',
    tap: 't',
    verdict: 'pass',
    ms: 0,
    afterMs: 0,
  } as const
  assert.match(
    answerOf({ ...record, entries: [passed] }),
    /in authenticate, where one \(t\) passed: no plugin/,
  )
  const entries = [
    { ...passed, verdict: 'unavailable' },
    { ...passed, plugin: 'two', verdict: 'reject' },
  ]
  assert.match(answerOf({ ...record, entries }), /in authenticate by two \(t\) \(reject\): no plugin/)
  const { refusal: _, ...own } = record
  assert.match(answerOf({ ...own, end: { cause: 'no-resources' } }), /by the server itself: no-resources/)
})
