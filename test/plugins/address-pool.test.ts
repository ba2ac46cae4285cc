import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { BurrowError } from '../../core/errors.ts'
import type { Grant, SessionInfo } from '../../core/protocol/outputs.ts'
import { addressAllocatorContract } from '../../core/testing/contracts/address-allocator.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aSession } from '../../core/testing/samples.ts'
import { AddressSet } from '../../plugins/address-pool/address-set.ts'
import addressPool from '../../plugins/address-pool/index.ts'
import { gate } from '../support/gate.ts'

/** The pool of the reference: 99 addresses. */
const REFERENCE = { pools: { main: { ranges: ['172.16.1.2-172.16.1.100'] } } }
const HB: Grant = { user: 'hb@hb', address: '172.16.1.51' }

const start = (t: TestContext, options: object = REFERENCE, server = new FakeServer()) =>
  startPlugin(t, addressPool, { options, server })

addressAllocatorContract({
  name: 'address-pool',
  // Eight addresses in two ranges, less the gateway and one excluded.
  make: (t, shared) =>
    startPlugin(t, addressPool, {
      options: {
        pools: { main: { ranges: ['172.16.1.0-172.16.1.3', '172.16.2.8/30'], exclude: ['172.16.1.3'] } },
      },
      ...(shared === undefined ? {} : { shared }),
    }),
  capacity: 4,
})

async function dial(plugin: Harness, grant: Grant, session = aSession()): Promise<string> {
  const lease = await plugin.assign(session, grant)
  assert.ok(typeof lease === 'object', `refused: ${lease}`)
  return lease.value
}

async function refusal(plugin: Harness, grant: Grant, session = aSession()): Promise<string> {
  const reason = await plugin.assign(session, grant)
  assert.equal(typeof reason, 'string')
  return reason as string
}

async function all(plugin: Harness, grant: Partial<Grant> = {}): Promise<readonly string[]> {
  const given: string[] = []
  for (let index = 0; index < 300; index++) {
    const lease = await plugin.assign(aSession(), { user: `user${index}`, ...grant })
    if (typeof lease !== 'object') return given
    given.push(lease.value)
  }
  throw new Error('the pool does not end')
}

test('the reference pool gives its 99 addresses in order and then refuses, naming pool and size', async t => {
  const plugin = await start(t)
  const given = await all(plugin)
  assert.deepEqual(
    given,
    Array.from({ length: 99 }, (_, index) => `172.16.1.${index + 2}`),
  )
  const reason = await refusal(plugin, { user: 'late' })
  assert.match(reason, /"main".*99/)
})

test('a user with a static address gets it out of the middle of the pool, and nobody else does', async t => {
  const plugin = await start(t)
  assert.equal(await dial(plugin, HB), '172.16.1.51')
  const others = await all(plugin)
  assert.equal(others.length, 98)
  assert.ok(!others.includes('172.16.1.51'))
})

test('a static address may lie outside of all pools', async t => {
  const plugin = await start(t)
  assert.equal(await dial(plugin, { user: 'site', address: '10.9.9.9' }), '10.9.9.9')
})

test('excluded addresses are given only to users whose grant names them', async t => {
  const plugin = await start(t, {
    pools: { main: { ranges: ['172.16.1.2-172.16.1.9'], exclude: ['172.16.1.4/31', '172.16.1.9'] } },
  })
  const given = await all(plugin)
  assert.deepEqual(
    given,
    [2, 3, 6, 7, 8].map(host => `172.16.1.${host}`),
  )
  assert.equal(await dial(plugin, { user: 'hb@hb', address: '172.16.1.4' }), '172.16.1.4')
})

test('the gateway and the edges of a prefix are nobody’s; a range has no edges', async t => {
  const plugin = await start(t, {
    pools: { net: { ranges: ['172.16.1.0/29'] }, pair: { ranges: ['10.0.0.0/31', '10.0.0.2/32'] } },
  })
  assert.deepEqual(
    await all(plugin, { pool: 'net' }),
    [2, 3, 4, 5, 6].map(host => `172.16.1.${host}`),
  )
  assert.deepEqual(await all(plugin, { pool: 'pair' }), ['10.0.0.0', '10.0.0.1', '10.0.0.2'])
})

test('an address of the host itself is never leased', async t => {
  const server = new FakeServer()
  server.own = ['172.16.1.3']
  const plugin = await start(t, { pools: { main: { ranges: ['172.16.1.2-172.16.1.4'] } } }, server)
  assert.deepEqual(await all(plugin), ['172.16.1.2', '172.16.1.4'])
})

for (const [what, address] of [
  ['the gateway', '172.16.1.1'],
  ['an address of the host', '2.2.2.2'],
  ['the broadcast address of a prefix', '10.0.0.255'],
  ['multicast', '224.0.0.5'],
  ['loopback', '127.0.0.9'],
  ['no address', '172.16.1'],
] as const) {
  test(`a static address that is ${what} is refused`, async t => {
    const plugin = await start(t, { pools: { main: { ranges: ['10.0.0.0/24'] } } })
    assert.match(await refusal(plugin, { user: 'hb@hb', address }), new RegExp(address))
  })
}

test('a grant chooses a pool by name; others use the default pool, or the first', async t => {
  const pools = { first: { ranges: ['10.0.1.5'] }, second: { ranges: ['10.0.2.5'] } }
  const plain = await start(t, { pools })
  assert.equal(await dial(plain, { user: 'a' }), '10.0.1.5')
  assert.equal(await dial(plain, { user: 'b', pool: 'second' }), '10.0.2.5')
  const chosen = await start(t, { pools, defaultPool: 'second' })
  assert.equal(await dial(chosen, { user: 'a' }), '10.0.2.5')
})

test('a pool that is not here is refused, or left to the next plugin', async t => {
  const refusing = await start(t)
  assert.match(await refusal(refusing, { user: 'a', pool: 'staff' }), /"staff".*main/)
  const passing = await start(t, { ...REFERENCE, unknownPool: 'next' })
  assert.equal(await passing.assign(aSession(), { user: 'a', pool: 'staff' }), undefined)
})

test('a user finds the last address again while it is free, and another when it is not', async t => {
  const plugin = await start(t)
  const session = aSession()
  const mine = await dial(plugin, { user: 'hb@hb' }, session)
  await dial(plugin, { user: 'other' })
  await plugin.server.hangUp(session.key)
  assert.equal(await dial(plugin, { user: 'hb@hb' }), mine)
  assert.notEqual(await dial(plugin, { user: 'hb@hb' }), mine, 'a second session of the same user')
})

test('an address that was just freed is given to another only after all that were free longer', async t => {
  const plugin = await start(t)
  const session = aSession()
  const mine = await dial(plugin, { user: 'hb@hb' }, session)
  await plugin.server.hangUp(session.key)
  const others = await all(plugin)
  assert.equal(others.length, 99)
  assert.equal(others.at(-1), mine)
})

test('only so many users are remembered, and none with stickyUsers: 0', async t => {
  for (const [stickyUsers, isRemembered] of [
    [2, [false, true, true]],
    [0, [false, false, false]],
  ] as const) {
    const plugin = await start(t, { ...REFERENCE, stickyUsers })
    const before: string[] = []
    for (const user of ['a', 'b', 'c']) {
      const session = aSession()
      before.push(await dial(plugin, { user }, session))
      await plugin.server.hangUp(session.key)
    }
    // Backwards, so that no new memory pushes out one that is still to be asked.
    const after: string[] = []
    for (const user of ['c', 'b', 'a']) after.unshift(await dial(plugin, { user }))
    assert.deepEqual(
      after.map((address, index) => address === before[index]),
      isRemembered,
    )
  }
})

test('who dialled least recently is forgotten first', async t => {
  const plugin = await start(t, { ...REFERENCE, stickyUsers: 2 })
  const dialAndEnd = async (user: string) => {
    const session = aSession()
    const address = await dial(plugin, { user }, session)
    await plugin.server.hangUp(session.key)
    return address
  }
  const first = await dialAndEnd('a')
  await dialAndEnd('b')
  await dialAndEnd('a')
  await dialAndEnd('c')
  assert.equal(await dialAndEnd('a'), first)
})

test('a user without a name is neither remembered nor taken for the one who had his address', async t => {
  const plugin = await start(t)
  const session = aSession()
  const first = await dial(plugin, { user: '' }, session)
  await plugin.server.hangUp(session.key)
  assert.notEqual(await dial(plugin, { user: '' }), first)
  await dial(plugin, { user: '', address: '10.9.9.9' })
  assert.match(await refusal(plugin, { user: '', address: '10.9.9.9' }), /in use/)
})

test('a user who dials again replaces the old session, and the log says so', async t => {
  const plugin = await start(t)
  const old = aSession()
  await dial(plugin, HB, old)
  assert.equal(await dial(plugin, HB), '172.16.1.51')
  assert.deepEqual(
    plugin.server.ended.map(({ key, cause }) => [key, cause]),
    [[old.key, 'replaced']],
  )
  const [line] = plugin.log
  assert.deepEqual(
    [line?.level, line?.fields.user, line?.fields.address, line?.fields.id],
    ['info', 'hb@hb', '172.16.1.51', old.id],
  )
})

test('with onStaticInUse: refuse the old session stays and the new one is refused', async t => {
  const plugin = await start(t, { ...REFERENCE, onStaticInUse: 'refuse' })
  await dial(plugin, HB)
  assert.match(await refusal(plugin, HB), /same user/)
  assert.deepEqual(plugin.server.ended, [])
})

test('another user with the same static address is refused, and is told who holds it', async t => {
  const plugin = await start(t)
  await dial(plugin, HB)
  assert.match(await refusal(plugin, { user: 'eve', address: '172.16.1.51' }), /"hb@hb".*exclude/)
  assert.deepEqual(plugin.server.ended, [])
})

test('an old session that does not end keeps its address', async t => {
  const server = new FakeServer()
  server.beforeEnd = () => Promise.reject(new Error('its peer is dead'))
  const plugin = await start(t, REFERENCE, server)
  await dial(plugin, HB)
  assert.match(await refusal(plugin, HB), /its peer is dead/)
})

test('a lease that is just being given or freed is not mistaken for a session that can be ended', async t => {
  const plugin = await start(t)
  const session = aSession()
  await dial(plugin, HB, session)
  // The session is gone and its key taken by another call, while its lease is not yet released.
  plugin.server.book.remove(session)
  plugin.server.book.note(aSession({ key: session.key }))
  assert.match(await refusal(plugin, HB), /changing hands/)
  assert.deepEqual(plugin.server.ended, [])
})

test('of two who wait for the same old session to end, one gets the address', async t => {
  const server = new FakeServer()
  const { opened, open } = gate()
  server.beforeEnd = () => opened
  const plugin = await start(t, REFERENCE, server)
  await dial(plugin, HB)
  const both = Promise.all([plugin.assign(aSession(), HB), plugin.assign(aSession(), HB)])
  open()
  const leased = (await both).filter(lease => typeof lease === 'object')
  assert.equal(leased.length, 1)
})

test('a call that ends while it waits for the old session claims nothing', async t => {
  const server = new FakeServer()
  const { opened, open } = gate()
  server.beforeEnd = () => opened
  const plugin = await start(t, REFERENCE, server)
  await dial(plugin, HB)
  const inquiry = plugin.inquiry()
  const asked = plugin.assign(aSession(), HB, inquiry)
  inquiry.withdraw()
  await asked
  open()
  await opened
  assert.equal(await dial(plugin, { ...HB, user: 'another' }), '172.16.1.51')
})

test('a lease is not taken again when its address has left the pool or has become our own', async t => {
  const before = await start(t)
  const session: SessionInfo = aSession({ user: 'a' })
  const lease = await before.assign(session, { user: 'a' })
  assert.ok(typeof lease === 'object')
  const elsewhere = await start(t, { pools: { main: { ranges: ['10.0.0.0/24'] } } })
  assert.equal(await elsewhere.host.resumeLease(lease, session, { user: 'a' }), false)
  const renamed = await start(t, { pools: { other: REFERENCE.pools.main } })
  assert.equal(await renamed.host.resumeLease(lease, session, { user: 'a', pool: 'main' }), false)
  const server = new FakeServer()
  server.own = [lease.value]
  const ours = await start(t, REFERENCE, server)
  assert.equal(await ours.host.resumeLease(lease, session, { user: 'a' }), false)
})

test('a session that lives on after a restart can be replaced by its user like any other', async t => {
  const before = await start(t)
  const session = aSession({ user: HB.user })
  const lease = await before.assign(session, HB)
  assert.ok(typeof lease === 'object')
  const after = await start(t)
  assert.equal(await after.host.resumeLease(lease, session, HB), true)
  after.server.book.note(session)
  after.server.hold(session, lease)
  assert.equal(await dial(after, HB), HB.address)
  assert.deepEqual(
    after.server.ended.map(({ key }) => key),
    [session.key],
  )
})

test('a pool may be as large as a whole /8', async t => {
  const plugin = await start(t, { pools: { main: { ranges: ['10.0.0.0/8'] } } })
  assert.equal(await dial(plugin, { user: 'a' }), '10.0.0.1')
})

test('the pools are declared to the server as prefixes, excluded addresses included', async t => {
  const { server } = await start(t, {
    pools: { main: { ranges: ['172.16.1.2-172.16.1.6'], exclude: ['172.16.1.5'] } },
  })
  assert.deepEqual(
    [...server.pools()].map(([name, prefixes]) => [
      name,
      ...prefixes.map(prefix => `${prefix.address}/${prefix.length}`),
    ]),
    [['main', '172.16.1.2/31', '172.16.1.4/31', '172.16.1.6/32']],
  )
})

const pool = (ranges: readonly string[], exclude: readonly string[] = []) => ({
  pools: { main: { ranges, exclude } },
})

/** Options, the code of their error, and where it is. */
const WRONG: readonly (readonly [string, object, string, string])[] = [
  ['host bits', pool(['10.0.0.1/24']), 'POOL_INVALID', 'pools.main.ranges.0'],
  ['a zone id', pool(['10.0.0.1', '10.0.0.2%eth0']), 'POOL_INVALID', 'pools.main.ranges.1'],
  ['a range backwards', pool(['10.0.0.9-10.0.0.1']), 'POOL_INVALID', 'pools.main.ranges.0'],
  ['IPv6', pool(['2001:db8::/64']), 'POOL_INVALID', 'pools.main.ranges.0'],
  ['overlapping ranges', pool(['10.0.0.0/24', '10.0.0.200']), 'POOL_INVALID', 'pools.main.ranges.1'],
  [
    'overlapping pools',
    { pools: { a: { ranges: ['10.0.0.0/24'] }, b: { ranges: ['10.1.0.0/24', '10.0.0.128-10.0.1.3'] } } },
    'POOL_INVALID',
    'pools.b.ranges.1',
  ],
  ['loopback addresses', pool(['127.0.0.0/24']), 'POOL_INVALID', 'pools.main.ranges.0'],
  ['multicast addresses', pool(['223.255.255.0-224.0.0.5']), 'POOL_INVALID', 'pools.main.ranges.0'],
  ['an exclusion elsewhere', pool(['10.0.0.0/24'], ['10.0.1.1']), 'POOL_INVALID', 'pools.main.exclude.0'],
  ['too many addresses', pool(['10.0.0.0/8', '11.0.0.1']), 'POOL_INVALID', 'pools'],
  ['an unknown default pool', { ...REFERENCE, defaultPool: 'mian' }, 'POOL_INVALID', 'defaultPool'],
  ['no pool', { pools: {} }, 'PLUGIN_OPTIONS', 'pools'],
  ['no pools at all', {}, 'PLUGIN_OPTIONS', 'pools'],
  ['a pool without ranges', pool([]), 'PLUGIN_OPTIONS', 'pools.main.ranges'],
  [
    'a pool with a strange name',
    { pools: { 'a b': { ranges: ['10.0.0.1'] } } },
    'PLUGIN_OPTIONS',
    'pools.a b',
  ],
  ['an unknown option', { ...REFERENCE, sticky: true }, 'PLUGIN_OPTIONS', 'sticky'],
  [
    'another word for onStaticInUse',
    { ...REFERENCE, onStaticInUse: 'share' },
    'PLUGIN_OPTIONS',
    'onStaticInUse',
  ],
  ['another word for unknownPool', { ...REFERENCE, unknownPool: 'any' }, 'PLUGIN_OPTIONS', 'unknownPool'],
  ['a negative number of users', { ...REFERENCE, stickyUsers: -1 }, 'PLUGIN_OPTIONS', 'stickyUsers'],
]

for (const [name, options, code, path] of WRONG) {
  test(`options with ${name} are refused where they stand`, async () => {
    await assert.rejects(loadPlugin(addressPool, { options }), (error: BurrowError) => {
      assert.deepEqual([error.code, error.place.file], [code, `config at ${path}`], error.message)
      return true
    })
  })
}

test('an address set finds the first missing address as a plain set does', () => {
  const near = fc.integer({ min: 0xffff - 70, max: 0x1_0000 + 70 })
  fc.assert(
    fc.property(fc.array(fc.tuple(near, fc.boolean()), { maxLength: 300 }), near, near, (steps, a, b) => {
      const set = new AddressSet()
      const model = new Set<number>()
      for (const [address, isIn] of steps) {
        if (isIn) set.add(address)
        else set.delete(address)
        if (isIn) model.add(address)
        else model.delete(address)
      }
      let expected: number | undefined
      for (let at = b; at >= a; at--) if (!model.has(at)) expected = at
      assert.equal(set.firstMissing(a, b), expected)
    }),
  )
})

test('an address set reaches from the first to the last address', () => {
  const set = new AddressSet()
  const last = 0xffff_ffff
  assert.equal(set.firstMissing(last, last), last)
  for (const address of [0, last, last - 1]) set.add(address)
  assert.equal(set.firstMissing(last - 1, last), undefined)
  assert.equal(set.firstMissing(0, last), 1)
})

test('a dry run tells the address and takes nothing: no turn, no sticky memory, no session of the user', async t => {
  const plugin = await start(t)
  const ask = async (grant: Grant) => {
    const inquiry = plugin.inquiry({ dryRun: true })
    const lease = await plugin.assign(aSession(), grant, inquiry)
    return [typeof lease === 'object' ? lease.value : lease, inquiry.trail[0]?.reason] as const
  }
  assert.deepEqual(await ask({ user: 'ada' }), ['172.16.1.2', undefined])
  assert.deepEqual(await ask({ user: 'bob' }), ['172.16.1.2', undefined])
  const eve = aSession()
  assert.equal(await dial(plugin, { user: 'eve' }, eve), '172.16.1.2')
  await plugin.server.hangUp(eve.key)
  assert.equal(await dial(plugin, { user: 'ada' }), '172.16.1.3', 'not what the dry run told')
  const session = aSession()
  await dial(plugin, HB, session)
  const [value, reason] = await ask(HB)
  assert.equal(value, '172.16.1.51')
  assert.match(reason ?? '', new RegExp(`session ${session.id} .* would be ended`))
  assert.deepEqual(plugin.server.ended, [])
  const [taken] = await ask({ user: 'ada', address: '172.16.1.51' })
  assert.match(taken ?? '', /in use by user "hb@hb"/)
})
