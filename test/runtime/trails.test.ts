import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { NO_COUNTERS } from '../../core/flow.ts'
import type { TrailEntry } from '../../core/hooks/guard.ts'
import type { Ask, EndCause, Event, SessionInfo, TunnelInfo } from '../../core/protocol/outputs.ts'
import { describeEvent } from '../../core/runtime/event-log.ts'
import { Trails } from '../../core/runtime/trails.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { SESSION } from '../support/session.ts'

const HOUR_MS = 3_600_000

const session = (id: string, tunnel: TunnelInfo = SESSION.tunnel): SessionInfo => ({ ...SESSION, id, tunnel })
const entry = (more: Partial<TrailEntry> = {}): TrailEntry => ({
  hook: 'authenticate',
  plugin: 'auth-local',
  tap: 'auth-local',
  verdict: 'accept',
  ms: 1.25,
  ...more,
})
const asking = (id: string, user = 'hb@hb'): Extract<Ask, { kind: 'authenticate' }> => ({
  kind: 'authenticate',
  session: session(id),
  user,
  proof: { method: 'pap', password: 'x' },
})
const up = (id: string, user = 'hb@hb'): Event => ({
  kind: 'sessionUp',
  session: session(id),
  grant: { user },
  leases: [],
  network: { localAddress: '172.16.1.1', peerAddress: '172.16.1.2', dns: [], nbns: [], mtuBytes: 1400 },
  flowId: 1,
})
const down = (id: string, cause: EndCause, wasUp = false): Extract<Event, { kind: 'sessionDown' }> => ({
  kind: 'sessionDown',
  session: session(id),
  wasUp,
  leases: [],
  reason: { cause },
  counters: NO_COUNTERS,
  durationMs: 0,
})

/** Trails, and calls that go through them. */
function scene(limits: ConstructorParameters<typeof Trails>[1] = {}) {
  const clock = new VirtualClock()
  const trails = new Trails(clock, limits)
  const accept = (id: string, user = 'hb@hb') => {
    trails.asked(asking(id, user))
    trails.decided(asking(id, user), [entry()], { kind: 'accept', grant: { user } })
    trails.take(up(id, user))
  }
  const refuse = (id: string, user = 'hb@hb', reason = 'wrong password') => {
    trails.asked(asking(id, user))
    trails.decided(asking(id, user), [entry({ verdict: 'reject', reason })], { kind: 'deny', reason })
    return trails.take(down(id, 'auth-failed'))
  }
  const outcomes = (query: string) => trails.find(query).map(({ id, outcome }) => `${id} ${outcome}`)
  return { clock, trails, accept, refuse, outcomes }
}

test('a record tells who, from where, when, what was decided and what came of it', async () => {
  const { clock, trails } = scene()
  const { tunnel } = SESSION
  trails.asked({ kind: 'admitTunnel', tunnel })
  const admission = entry({ hook: 'admitTunnel', plugin: 'policy-zones', verdict: 'pass' })
  trails.decided({ kind: 'admitTunnel', tunnel }, [admission], { kind: 'accept' })
  await clock.advance(2000)
  trails.asked(asking('a1', 'HB@hb'))
  await clock.advance(10)
  assert.deepEqual(trails.find('hb@hb')[0]?.asking, { hook: 'authenticate', ms: 10 })
  trails.decided(asking('a1'), [entry()], { kind: 'accept', grant: { user: 'hb' } })
  trails.serve('a1', { generation: { number: 2 }, deployment: 'hq' })
  trails.take(up('a1', 'hb'))
  assert.equal(trails.find('hb')[0]?.outcome, 'up')
  trails.take(down('a1', 'idle-timeout', true))
  const known = {
    kind: 'call',
    id: 'a1',
    user: 'HB@hb',
    acceptedAs: 'hb',
    peer: '198.51.100.7:40000',
    host: 'phone',
    tunnel: '192.0.2.1/1',
    startedAt: '2026-01-01T00:00:02.000Z',
    endedAt: '2026-01-01T00:00:02.010Z',
    end: { cause: 'idle-timeout' },
    outcome: 'ended',
    entries: [{ ...entry(), afterMs: 8.75 }],
    dropped: 0,
    tunnelEntries: [{ ...admission, afterMs: -2001.25 }],
    generation: 2,
    deployment: 'hq',
  }
  for (const query of ['hb@hb', 'HB', 'a1', '198.51.100.7', '192.0.2.1/1'])
    assert.deepEqual(trails.find(query), [known], query)
  for (const query of ['b', '', 'phone', '198.51.100.70']) assert.deepEqual(trails.find(query), [], query)
})

test('a call is found by the first digits of its id, and the newest comes first', async () => {
  const { clock, refuse, outcomes } = scene()
  for (const id of ['abcd01', 'abcd02', 'abce03']) {
    refuse(id)
    await clock.advance(1)
  }
  assert.deepEqual(outcomes('abcd'), ['abcd02 refused', 'abcd01 refused'])
  assert.deepEqual(outcomes('abc'), [])
  assert.deepEqual(outcomes('abce03'), ['abce03 refused'])
})

test('a tunnel that was refused has a record of its own, also when its key is taken again', () => {
  const { trails, outcomes } = scene()
  const { tunnel } = SESSION
  for (const peerHostName of ['first', 'second']) {
    const ask: Ask = { kind: 'admitTunnel', tunnel: { ...tunnel, peerHostName } }
    trails.asked(ask)
    trails.decided(ask, [entry({ hook: 'admitTunnel', verdict: 'deny' })], {
      kind: 'deny',
      reason: peerHostName,
    })
    trails.take({ kind: 'tunnelDown', tunnel, wasUp: false, reason: { cause: 'not-admitted' } })
  }
  assert.deepEqual(outcomes('198.51.100.7'), ['192.0.2.1/1 refused', '192.0.2.1/1 refused'])
  assert.deepEqual(
    new Set(trails.find('192.0.2.1/1').map(({ refusal }) => refusal?.reason)),
    new Set(['first', 'second']),
  )
})

test('a call that nobody decided on is known too, as failed or refused after its cause', () => {
  const { trails, outcomes } = scene()
  trails.take(down('a', 'peer-hangup'))
  trails.take(down('b', 'no-resources'))
  assert.deepEqual(new Set(outcomes('198.51.100.7')), new Set(['a failed', 'b refused']))
})

test('a later yes takes back an earlier no of the same decision', () => {
  const { trails, refuse } = scene()
  trails.asked(asking('a'))
  trails.decided(asking('a'), [], { kind: 'deny', reason: 'no' })
  trails.decided(asking('a'), [], { kind: 'accept', grant: { user: 'hb' } })
  assert.equal(trails.find('hb')[0]?.refusal, undefined)
  refuse('b', 'other')
  assert.deepEqual(trails.find('other')[0]?.refusal, { by: 'authenticate', reason: 'wrong password' })
})

test('what is gone is known for an hour, and for how long is told', async () => {
  const { clock, trails, accept, refuse, outcomes } = scene()
  accept('live', 'live')
  refuse('a', 'a')
  await clock.advance(HOUR_MS - 1)
  assert.deepEqual(outcomes('a'), ['a refused'])
  assert.equal(trails.knownSinceMs(), Date.UTC(2026, 0, 1))
  await clock.advance(1)
  assert.deepEqual(outcomes('a'), [])
  await clock.advance(HOUR_MS)
  assert.deepEqual(outcomes('live'), ['live up'])
  assert.equal(trails.knownSinceMs(), Date.UTC(2026, 0, 1, 1))
  assert.equal(trails.size, 1)
})

test('endless refused calls push out refused calls only, and how far memory goes back is told', async () => {
  const { clock, trails, accept, refuse, outcomes } = scene({ mostRefusedCalls: 10 })
  accept('live', 'live')
  accept('ended', 'ended')
  trails.take(down('ended', 'peer-hangup', true))
  for (let n = 0; n < 100; n++) {
    refuse(`r${n}`, 'guesser')
    await clock.advance(1000)
  }
  assert.deepEqual(outcomes('live'), ['live up'])
  assert.deepEqual(outcomes('ended'), ['ended ended'])
  assert.equal(outcomes('guesser').length, 10)
  assert.equal(outcomes('guesser')[0], 'r99 refused')
  assert.equal(trails.knownSinceMs(), Date.UTC(2026, 0, 1, 0, 0, 89))
})

test('entries are bounded: the oldest go and are counted, long reasons are cut', () => {
  const { trails } = scene({ mostEntries: 3 })
  trails.asked(asking('a'))
  for (const tap of ['1', '2', '3', '4', '5']) trails.decided(asking('a'), [entry({ tap })])
  const [record] = trails.find('hb@hb')
  assert.deepEqual(
    record?.entries.map(({ tap }) => tap),
    ['3', '4', '5'],
  )
  assert.equal(record?.dropped, 2)
  trails.decided(asking('a'), [entry({ reason: 'x'.repeat(1e6) })], { kind: 'deny', reason: 'y'.repeat(1e6) })
  const [cut] = trails.find('hb@hb')
  assert.equal(cut?.entries.at(-1)?.reason?.length, 256)
  assert.equal(cut?.refusal?.reason.length, 256)
})

test('whatever happens in whatever order, the caps hold and what lives is known', () => {
  const limits = { mostEndedCalls: 3, mostRefusedCalls: 4, mostEntries: 2 }
  const step = fc.record({
    what: fc.constantFrom('ask', 'decide', 'up', 'down'),
    id: fc.integer({ min: 0, max: 9 }).map(String),
    cause: fc.constantFrom<EndCause>('peer-hangup', 'auth-failed'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const { trails } = scene(limits)
      const live = new Set<string>()
      for (const { what, id, cause } of steps) {
        if (what === 'ask') trails.asked(asking(id))
        else if (what === 'decide')
          trails.decided(asking(id), [entry(), entry()], { kind: 'deny', reason: cause })
        else if (what === 'up') trails.take(up(id))
        else trails.take(down(id, cause))
        if (what === 'down') live.delete(id)
        else if (what !== 'decide') live.add(id)
        assert.ok(trails.size <= live.size + 7)
      }
      const found = trails.find('198.51.100.7')
      assert.deepEqual(
        new Set(found.filter(({ endedAt }) => endedAt === undefined).map(({ id }) => id)),
        live,
      )
      assert.ok(found.every(({ entries }) => entries.length <= 2))
    }),
  )
})

test('a hundred thousand refused calls, with reasons of a megabyte among them, stay below 32 MiB', () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const { trails } = scene()
  const hooks = ['admitSession', 'authenticate', 'authenticate', 'authenticate'] as const
  collect()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 1e5; n++) {
    const id = n.toString(16).padStart(16, '0')
    const ask = asking(id, `user${n}@${'realm'.repeat(8)}`)
    trails.asked(ask)
    const reason = n % 250 === 0 ? `${n}`.repeat(2e5) : `wrong password ${n}`
    trails.decided(
      ask,
      hooks.map(hook => entry({ hook, reason, ms: n + 0.5 })),
      { kind: 'deny', reason },
    )
    trails.take(down(id, 'auth-failed'))
  }
  collect()
  const grownBytes = process.memoryUsage().heapUsed - before
  assert.equal(trails.size, 8192)
  assert.ok(grownBytes < 32 * 2 ** 20, `${grownBytes} bytes`)
})

test("the line of a call's end holds what was decided", () => {
  const { refuse } = scene({ mostEntries: 2 })
  const line = describeEvent(down('a', 'auth-failed'), refuse('a'))
  assert.equal(line.message, 'call not set up')
  assert.deepEqual(line.fields.trail, ['authenticate auth-local reject 1.3ms: wrong password'])
  const entries = [{ ...entry({ plugin: 'burrow', tap: 'throttle', verdict: 'delay' }), afterMs: 0 }]
  assert.deepEqual(describeEvent(down('a', 'auth-failed'), { entries, dropped: 3 }).fields.trail, [
    '... 3 more',
    'authenticate burrow(throttle) delay 1.3ms',
  ])
  assert.equal('trail' in describeEvent(down('a', 'auth-failed')).fields, false)
})

test('what a LAC passed on of a login is told with the call', () => {
  const { trails, find } = passedOn('login')
  assert.equal(find('hb@hb')?.proxied, 'login')
  trails.take({ ...up('1'), session: { ...session('1') } } as Event)
  assert.equal(find('hb@hb')?.proxied, undefined, 'until the client negotiates anew')
})

function passedOn(proxied: 'lcp' | 'login') {
  const trails = new Trails(new VirtualClock())
  const ask = asking('1')
  trails.asked({ ...ask, session: { ...ask.session, proxied } })
  return { trails, find: (query: string) => trails.find(query)[0] }
}
