/** Live sessions that a plugin grants something else, and users who may have so many sessions; in whole servers in memory. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type AclRule, definePlugin, type Grant, type GrantChange, type PluginContext, z } from 'burrow'
import { type MemoryLns, startMemoryLns } from 'burrow/testing'
import { ipv4 } from '../support/ip-packets.ts'

const HEAD = `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
interimIntervalS: 0
plugins:
  - operator: {}
`
const YAML = `${HEAD}
  - auth-local: { users: [{ user: ann, password: pw-of-ann }, { user: bob, password: pw-of-bob }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
`
const ANN = { user: 'ann', password: 'pw-of-ann', from: '198.51.100.1' }
const SERVER_BEHIND = '192.168.1.1'
const ALL: readonly AclRule[] = [
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
]
const ZONES = new Map([
  ['dmz', ALL],
  ['guests', []],
])

/** A server, and an operator inside of it who grants `grant` to everybody at their login. */
async function started(
  t: TestContext,
  { grant = {}, yaml = YAML }: { grant?: Partial<Grant>; yaml?: string },
) {
  let context: PluginContext | undefined
  const told: string[] = []
  const script = {
    policy: async (): Promise<undefined | { kind: 'deny'; reason: string }> => undefined,
    authorize: async (): Promise<void> => {},
  }
  const operator = definePlugin({
    name: 'operator',
    config: z.strictObject({}),
    setup(given) {
      context = given
      const { hooks } = given
      hooks.authorize.tapPromise('operator', async before => {
        await script.authorize()
        return { ...before, ...grant }
      })
      hooks.decidePolicy.tapPromise('zones', async ({ zone }) => {
        const refusal = await script.policy()
        const rules = ZONES.get(zone)
        return (
          refusal ?? (rules === undefined ? { kind: 'deny', reason: `no zone ${zone}` } : { zone, rules })
        )
      })
      hooks.sessionUpdate.tap('operator', update => void told.push(`update ${update.grant.zone}`))
      hooks.sessionDown.tap('operator', end => void told.push(`${end.reason.cause} ${end.grant.zone}`))
    },
  })
  const lns = await startMemoryLns(t, { yaml, plugins: [operator] })
  const { server } = context ?? assert.fail()
  const regrant = (change: GrantChange, key = server.sessions()[0]?.session.key ?? '') =>
    lns.clock.settled('the grant is decided on', server.regrant(key, change))
  return { lns, server, script, told, regrant }
}

test('a plugin sees who is up, with grant, leases, addresses and counters', async t => {
  const { lns, server } = await started(t, { grant: { sessionTimeoutS: 3600 } })
  assert.deepEqual(server.sessions(), [])
  const ann = await lns.dialUp(ANN)
  assert.ok(await ann.reaches(SERVER_BEHIND))
  await lns.clock.advance(5000)
  const [up] = server.sessions()
  assert.equal(up?.session.user, 'ann')
  assert.deepEqual(up?.grant, { user: 'ann', sessionTimeoutS: 3600 })
  assert.deepEqual(
    up?.leases.map(({ value }) => value),
    [ann.address],
  )
  assert.equal(up?.network.peerAddress, ann.address)
  assert.equal(up?.counters.packetsIn, 1n)
  assert.ok((up?.durationMs ?? 0) >= 5000)
  await ann.hangUp()
  assert.deepEqual(server.sessions(), [])
})

test('a change is decided on, takes effect at once, is told to observers and drops nothing', async t => {
  const { lns, regrant, server, told } = await started(t, { grant: { idleTimeoutS: 3600 } })
  const ann = await lns.dialUp(ANN)
  assert.ok(await ann.reaches(SERVER_BEHIND))
  assert.equal(await regrant({ zone: 'guests', interimIntervalS: 60, idleTimeoutS: undefined }), 'changed')
  assert.ok(!(await ann.reaches(SERVER_BEHIND)), 'guests reach nothing')
  await lns.clock.advance(70_000)
  assert.deepEqual(told, ['update guests'])
  assert.deepEqual(server.sessions()[0]?.grant, { user: 'ann', zone: 'guests', interimIntervalS: 60 })
  assert.equal(await regrant({ zone: 'dmz' }), 'changed')
  assert.ok(await ann.reaches(SERVER_BEHIND))
  const [trail] = lns.explain('ann')
  assert.equal(
    trail?.entries.filter(({ hook, plugin }) => hook === 'decidePolicy' && plugin === 'operator').length,
    3,
  )
  await lns.clock.advance(3_600_000)
  assert.equal(lns.sessions().length, 1, 'the idle timeout was taken away')
})

test('rates come and go with a live session, and its counters go on', async t => {
  const { lns, regrant, server } = await started(t, { grant: { upRateBps: 8000 } })
  const ann = await lns.dialUp(ANN)
  const packets = Array.from({ length: 10 }, () =>
    ipv4({ source: ann.address, destination: SERVER_BEHIND, payload: new Uint8Array(980) }),
  )
  const passed = async () => {
    const before = server.sessions()[0]?.counters.packetsIn ?? 0n
    await ann.send(...packets)
    return Number((server.sessions()[0]?.counters.packetsIn ?? 0n) - before)
  }
  assert.equal(await passed(), 3)
  assert.equal(server.sessions()[0]?.counters.drops['over-rate'], 7n)
  assert.equal(await regrant({ upRateBps: undefined, downRateBps: 8000 }), 'changed')
  assert.equal(await passed(), 10)
  assert.equal(server.sessions()[0]?.counters.packetsIn, 13n)
  assert.equal(server.sessions()[0]?.counters.drops['over-rate'], 7n)
})

test('a session timeout that has passed ends the session at once', async t => {
  const { lns, regrant, told } = await started(t, {})
  const ann = await lns.dialUp(ANN)
  await lns.clock.advance(60_000)
  assert.equal(await regrant({ sessionTimeoutS: 30, zone: 'guests' }), 'changed')
  await lns.clock.settled('the end', ann.ended)
  await lns.clock.advance(1000)
  assert.deepEqual(told, ['session-timeout guests'])
})

test('a policy that denies changes nothing, and nor does a change that is none', async t => {
  const { lns, regrant, script, server } = await started(t, {})
  const ann = await lns.dialUp(ANN)
  const before = server.sessions()[0]?.grant
  assert.deepEqual(await regrant({ zone: 'nowhere' }), { denied: 'no zone nowhere' })
  script.policy = async () => ({ kind: 'deny', reason: 'not today' })
  assert.deepEqual(await regrant({ zone: 'guests' }), { denied: 'not today' })
  assert.deepEqual(await regrant({ upRateBps: 0 }), { denied: 'the change is no part of a grant' })
  assert.deepEqual(server.sessions()[0]?.grant, before)
  assert.ok(await ann.reaches(SERVER_BEHIND))
})

test('of two changes at once neither is lost', async t => {
  const { lns, server } = await started(t, {})
  await lns.dialUp(ANN)
  const key = server.sessions()[0]?.session.key ?? ''
  const both = Promise.all([
    server.regrant(key, { zone: 'guests' }),
    server.regrant(key, { sessionTimeoutS: 900 }),
  ])
  assert.deepEqual(await lns.clock.settled('both', both), ['changed', 'changed'])
  assert.deepEqual(server.sessions()[0]?.grant, { user: 'ann', zone: 'guests', sessionTimeoutS: 900 })
})

test('a session that leaves while its new grant is decided on is gone, and so is one that never was', async t => {
  const { lns, script, server, regrant } = await started(t, {})
  const ann = await lns.dialUp(ANN)
  let decide = () => {}
  script.policy = () => new Promise(resolve => (decide = () => resolve(undefined)))
  const outcome = server.regrant(server.sessions()[0]?.session.key ?? '', { zone: 'guests' })
  await lns.clock.advance(0)
  await ann.hangUp()
  decide()
  assert.equal(await lns.clock.settled('the outcome', outcome), 'gone')
  assert.equal(await regrant({}, '2.2.2.2/1/1'), 'gone')
})

const codes = (calls: readonly { readonly kind: string }[]) => calls.map(({ kind }) => kind)
const refusals = (lns: MemoryLns) => lns.explain('ann').flatMap(({ refusal }) => refusal?.reason ?? [])
const ONE = { grant: { maxSessions: 1 } }

test('a user who has as many sessions as granted gets no more, others do; one that ends makes room', async t => {
  const { lns } = await started(t, ONE)
  const first = await lns.dialUp(ANN)
  assert.equal((await lns.dial({ ...ANN, from: '198.51.100.2' })).kind, 'refused')
  assert.deepEqual(refusals(lns), ['the user has 1 of 1 sessions'])
  await lns.dialUp({ user: 'bob', password: 'pw-of-bob', from: '198.51.100.3' })
  await first.hangUp()
  await lns.dialUp({ ...ANN, from: '198.51.100.2' })
})

test('of two logins at once, the first is let in and the other is not', async t => {
  const { lns, script } = await started(t, ONE)
  let waiting = 0
  let open = () => {}
  const gate = new Promise<void>(resolve => (open = resolve))
  script.authorize = () => {
    if (++waiting === 2) open()
    return gate
  }
  const calls = [lns.dial(ANN), lns.dial({ ...ANN, from: '198.51.100.2' })]
  assert.deepEqual(codes(await Promise.all(calls)).sort(), ['refused', 'up'])
  assert.equal(waiting, 2, 'both were decided on at once')
})

test('a dry run tells that the user has too many sessions, and takes the place of none', async t => {
  const { lns } = await started(t, ONE)
  const tried = async () => (await lns.dryRun({ user: 'ann', password: 'pw-of-ann' })).outcome
  assert.deepEqual([await tried(), await tried()], ['accept', 'accept'])
  await lns.dialUp(ANN)
  assert.equal(await tried(), 'refuse')
})

test('users of one name in two deployments have their own number of sessions', async t => {
  const users = 'auth-local: { users: [{ user: ann, password: pw-of-ann }] }'
  const yaml = `${HEAD}
  - deployment:
      name: one
      when: { peer: [198.51.100.1, 198.51.100.9] }
      plugins: [{ ${users} }, { address-pool: { pools: { one: { ranges: [172.16.1.2-172.16.1.9] } } } }]
  - deployment:
      name: two
      plugins: [{ ${users} }, { address-pool: { pools: { two: { ranges: [172.16.1.10-172.16.1.19] } } } }]
`
  const { lns } = await started(t, { ...ONE, yaml })
  await lns.dialUp(ANN)
  await lns.dialUp({ ...ANN, from: '198.51.100.2' })
  assert.equal((await lns.dial({ ...ANN, from: '198.51.100.9' })).kind, 'refused')
})
