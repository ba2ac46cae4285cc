/** IPv6 prefixes out of address-pool. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AddressKind, Grant } from '../../core/protocol/outputs.ts'
import { addressAllocatorContract } from '../../core/testing/contracts/address-allocator.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aSession } from '../../core/testing/samples.ts'
import addressPool from '../../plugins/address-pool/index.ts'

const POOLS = { pools: { main: { ranges: ['172.16.1.2-172.16.1.100'] } } }
const LINKS = {
  links: { prefixes: ['2001:db8:1:8::/63', '2001:db8:2::/63'] },
  others: { prefixes: ['2001:db8:3::/62'] },
}
const NETS = { nets: { prefixes: ['2001:db8:a000::/54'] } }
const OPTIONS = { ...POOLS, prefixPools: LINKS, delegatedPools: NETS }

const start = (t: TestContext, options: object = OPTIONS, server = new FakeServer()) =>
  startPlugin(t, addressPool, { options, server })

for (const address of ['ipv6-prefix', 'delegated-prefix'] as const)
  addressAllocatorContract({
    name: `address-pool with a ${address}`,
    make: (t, shared) =>
      startPlugin(t, addressPool, { options: OPTIONS, ...(shared === undefined ? {} : { shared }) }),
    capacity: 4,
    address,
  })

async function assign(
  plugin: Harness,
  grant: Grant,
  kind: AddressKind = 'ipv6-prefix',
  session = aSession(),
) {
  const lease = await plugin.assign(session, grant, undefined, kind)
  return typeof lease === 'object' ? lease.value : (lease ?? 'nothing')
}

test('prefixes come out of the first pool of their kind, in order, or out of the one that a grant names', async t => {
  const plugin = await start(t)
  const given: string[] = []
  for (const user of ['a', 'b', 'c', 'd', 'e']) given.push(await assign(plugin, { user }))
  assert.deepEqual(given.slice(0, 4), [
    '2001:db8:1:8::/64',
    '2001:db8:1:9::/64',
    '2001:db8:2::/64',
    '2001:db8:2:1::/64',
  ])
  assert.match(given[4] ?? '', /pool "links" is exhausted: all of its 4 prefixes/)
  assert.equal(await assign(plugin, { user: 'f', ipv6Pool: 'others' }), '2001:db8:3::/64')
  assert.match(
    await assign(plugin, { user: 'g', ipv6Pool: 'nets' }),
    /no pool of prefixes "nets" .*links, others/,
  )
  assert.equal(await assign(plugin, { user: 'a' }, 'delegated-prefix'), '2001:db8:a000::/56')
  assert.equal(await assign(plugin, { user: 'b' }, 'delegated-prefix'), '2001:db8:a000:100::/56')
})

test('without pools a session does without, unless its grant names a prefix', async t => {
  const plugin = await start(t, POOLS)
  for (const kind of ['ipv6-prefix', 'delegated-prefix'] as const) {
    assert.equal(await assign(plugin, { user: 'a' }, kind), 'nothing')
    const grant = { user: 'b', ipv6Prefix: '2001:db8:9::/64', delegatedPrefix: '2001:DB8:8::/48' }
    const value = kind === 'ipv6-prefix' ? '2001:db8:9::/64' : '2001:db8:8::/48'
    assert.equal(await assign(plugin, grant, kind), value)
  }
})

test('a user has the prefix of last time, where it is free', async t => {
  const plugin = await start(t)
  const session = aSession()
  const lease = await plugin.assign(session, { user: 'a' }, undefined, 'ipv6-prefix')
  assert.ok(typeof lease === 'object')
  assert.equal(await assign(plugin, { user: 'b' }), '2001:db8:1:9::/64')
  await plugin.releaseLease(lease)
  assert.equal(await assign(plugin, { user: 'c' }), '2001:db8:2::/64')
  assert.equal(await assign(plugin, { user: 'a' }), '2001:db8:1:8::/64')
})

test('what is static is nobody else’s, whatever its length', async t => {
  const plugin = await start(t)
  // It lies across both prefixes of the first block.
  assert.equal(await assign(plugin, { user: 'site', ipv6Prefix: '2001:db8:1:8::/63' }), '2001:db8:1:8::/63')
  assert.equal(await assign(plugin, { user: 'a' }), '2001:db8:2::/64')
  assert.match(
    await assign(plugin, { user: 'b', ipv6Prefix: '2001:db8:2::/48' }),
    /the static prefix 2001:db8:2::\/48 is in use by user "a"/,
  )
  assert.match(
    await assign(plugin, { user: 'b', ipv6Prefix: '2001:db8:1:9::/64' }),
    /is in use by user "site"/,
  )
})

test('a user who dials again ends his old session, where the config does not say otherwise', async t => {
  const grant = { user: 'site', ipv6Prefix: '2001:db8:9::/64' }
  for (const onStaticInUse of ['replace', 'refuse']) {
    const plugin = await start(t, { ...POOLS, onStaticInUse })
    assert.equal(await assign(plugin, grant), '2001:db8:9::/64')
    const again = await assign(plugin, grant)
    if (onStaticInUse === 'replace') assert.equal(again, '2001:db8:9::/64')
    else assert.match(again, /in use by another session of the same user/)
    assert.equal(plugin.server.ended.length, onStaticInUse === 'replace' ? 1 : 0)
  }
})

test('a prefix with an address of this host is not given out', async t => {
  const server = new FakeServer()
  server.own = ['192.0.2.1', '2001:db8:1:8::1']
  const plugin = await start(t, OPTIONS, server)
  assert.equal(await assign(plugin, { user: 'a' }), '2001:db8:1:9::/64')
  const grant = { user: 'b', ipv6Prefix: '2001:db8:1:8::/64' }
  assert.match(await assign(plugin, grant), /holds an address of this host/)
})

test('a lease is not resumed that the config would not give', async t => {
  const plugin = await start(t)
  const session = aSession({ user: 'a' })
  const lease = (value: string) => ({ owner: 'address-pool', kind: 'ipv6-prefix', value, id: 'x' }) as const
  const resume = (value: string, grant: Grant) => plugin.resumeLease(lease(value), session, grant)
  assert.equal(await resume('2001:db8:1:8::/64', { user: 'a' }), true)
  assert.equal(await resume('2001:db8:7::/64', { user: 'a' }), false)
  assert.equal(await resume('2001:db8:1::/48', { user: 'a' }), false)
  assert.equal(await resume('2001:db8:7::/64', { user: 'a', ipv6Prefix: '2001:db8:7::/64' }), true)
  assert.equal(await resume('2001:db8:1:9::/64', { user: 'a', ipv6Prefix: '2001:db8:6::/64' }), false)
})

test('the pools are declared, for policies', async t => {
  const { server } = await start(t)
  assert.deepEqual([...server.pools().keys()], ['main', 'links', 'others', 'nets'])
  assert.deepEqual(server.pools().get('nets'), [{ address: '2001:db8:a000::', length: 54 }])
})

for (const [what, options, message] of [
  ['a name twice', { delegatedPools: { main: NETS.nets } }, /a name that no other pool has/],
  [
    'a prefix twice',
    { delegatedPools: { nets: { prefixes: ['2001:db8:1::/48'] } } },
    /links" has some of them/,
  ],
  [
    'prefixes that do not fit',
    { prefixPools: { links: { prefixes: ['2001:db8::/65'] } } },
    /that \/64 fits into/,
  ],
  ['too many', { prefixPools: { links: { prefixes: ['2001:db8::/47'] } } }, /at most 65536 prefixes/],
  ['host bits', { prefixPools: { links: { prefixes: ['2001:db8::1/48'] } } }, /without host bits/],
] as const)
  test(`does not load with ${what}: POOL_INVALID`, async () => {
    await assert.rejects(loadPlugin(addressPool, { options: { ...OPTIONS, ...options } }), (error: Error) => {
      assert.match(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error), message)
      return true
    })
  })
