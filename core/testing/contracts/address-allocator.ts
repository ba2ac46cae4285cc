/** What every plugin that answers `assignAddress` must do. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { SharedResources } from '../../plugin/shared.ts'
import type { Lease, SessionInfo } from '../../protocol/outputs.ts'
import type { Harness } from '../plugin-harness.ts'
import { aSession } from '../samples.ts'
import { settle } from '../virtual-clock.ts'

export interface AllocatorSubject {
  readonly name: string
  /** Loaded and started, with `capacity` free addresses; stopped by whoever made it. */
  readonly make: (t: TestContext, shared?: SharedResources) => Promise<Harness>
  readonly capacity: number
}

export function addressAllocatorContract({ name, make, capacity }: AllocatorSubject): void {
  test(`${name} never leases an address twice, and refuses only when all are leased`, async t => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ dial: fc.nat(capacity * 2) }) },
      { weight: 2, arbitrary: fc.record({ hangUp: fc.nat() }) },
    )
    const property = fc.asyncProperty(fc.array(step, { maxLength: capacity * 6 }), async steps => {
      const plugin = await make(t)
      const live: { readonly session: SessionInfo; readonly lease: Lease }[] = []
      for (const one of steps) {
        if ('dial' in one) {
          const session = aSession()
          const lease = await plugin.assign(session, { user: `user${one.dial}` })
          assert.equal(typeof lease === 'object', live.length < capacity, String(lease))
          if (typeof lease === 'object') live.push({ session, lease })
        } else if (live.length > 0) {
          const [gone] = live.splice(one.hangUp % live.length, 1)
          if (gone !== undefined) await plugin.server.hangUp(gone.session.key)
        }
        assert.equal(new Set(live.map(({ lease }) => lease.value)).size, live.length)
        assert.equal(new Set(live.map(({ lease }) => lease.id)).size, live.length)
      }
    })
    await fc.assert(property, { numRuns: 50 })
  })

  test(`${name} gives every address again after all were released`, async t => {
    const plugin = await make(t)
    const first = await leaseAll(plugin, capacity)
    for (const lease of first) await plugin.releaseLease(lease)
    const again = await leaseAll(plugin, capacity)
    assert.deepEqual(values(again), values(first))
  })

  test(`${name} takes a second release of a lease for nothing, even when another has the address by then`, async t => {
    const plugin = await make(t)
    const leases = await leaseAll(plugin, capacity)
    const [old] = leases
    assert.ok(old)
    await plugin.releaseLease(old)
    await plugin.releaseLease(old)
    const next = await plugin.assign(aSession(), { user: 'next' })
    assert.ok(typeof next === 'object' && next.value === old.value)
    await plugin.releaseLease(old)
    assert.equal(typeof (await plugin.assign(aSession(), { user: 'one too many' })), 'string')
  })

  test(`${name} releases what it leased to a call that ended meanwhile`, async t => {
    const plugin = await make(t)
    const inquiry = plugin.inquiry()
    const asked = plugin.assign(aSession(), { user: 'gone' }, inquiry)
    inquiry.withdraw()
    assert.equal(typeof (await asked), 'string')
    await settle()
    await leaseAll(plugin, capacity)
  })

  test(`${name} takes its leases again after a restart, and does not give them to others`, async t => {
    const before = await make(t)
    const session = aSession({ user: 'hb@hb' })
    const lease = await before.assign(session, { user: 'hb@hb' })
    assert.ok(typeof lease === 'object')

    const after = await make(t)
    const grant = { user: 'hb@hb' }
    assert.equal(await after.resumeLease(lease, session, grant), true)
    assert.equal(await after.resumeLease(lease, session, grant), true, 'a second time')
    const others = await leaseAll(after, capacity - 1)
    assert.ok(!values(others).includes(lease.value))
    await after.releaseLease(lease)
    await leaseAll(after, 1)
  })

  test(`${name} does not take a lease again whose address another holds`, async t => {
    const before = await make(t)
    const [lease] = await leaseAll(before, 1)
    const after = await make(t)
    await leaseAll(after, capacity)
    assert.ok(lease)
    assert.equal(await after.resumeLease(lease, aSession({ user: 'late' }), { user: 'late' }), false)
  })

  test(`${name} shares its leases with the next generation of the config`, async t => {
    const shared = new SharedResources()
    const old = await make(t, shared)
    const mine = await leaseAll(old, 3)
    const next = await make(t, shared)
    const theirs = await leaseAll(next, capacity - 3)
    assert.equal(new Set(values([...mine, ...theirs])).size, capacity)
    assert.equal(typeof (await next.assign(aSession(), { user: 'one too many' })), 'string')
    for (const lease of mine) await old.releaseLease(lease)
    assert.deepEqual(values(await leaseAll(next, 3)), values(mine))
  })
}

async function leaseAll(plugin: Harness, count: number): Promise<readonly Lease[]> {
  const leases: Lease[] = []
  for (let index = 0; index < count; index++) {
    const lease = await plugin.assign(aSession(), { user: `number ${index}` })
    assert.ok(typeof lease === 'object', `number ${index} of ${count}: ${lease}`)
    leases.push(lease)
  }
  return leases
}

const values = (leases: readonly Lease[]) => leases.map(({ value }) => value).sort()
