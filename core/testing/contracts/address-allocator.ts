/** What every plugin that answers `assignAddress` must do. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Inquiry } from '../../hooks/guard.ts'
import { SharedResources } from '../../plugin/shared.ts'
import type { AddressKind, Lease, SessionInfo } from '../../protocol/outputs.ts'
import { fastCheck } from '../fast-check.ts'
import type { Harness } from '../plugin-harness.ts'
import { aSession } from '../samples.ts'
import { settle } from '../virtual-clock.ts'

/** An allocator to hold to the contract. */
export interface AllocatorSubject {
  /** Stands in the name of each test. */
  readonly name: string
  /**
   * A new one, loaded and started (`startPlugin`), with `capacity` free addresses for any user. `shared` is what the
   * generation of the config before it has left open: pass it on.
   */
  readonly make: (t: TestContext, shared?: SharedResources) => Promise<Harness>
  /** At least 4. */
  readonly capacity: number
  /** What it gives out. Default: IPv4 addresses. */
  readonly address?: AddressKind
}

/**
 * Registers what every plugin that answers `assignAddress` must do, as tests of `node:test`:
 *
 * - an address is leased to one session at a time, under an id that no other lease has, and a refusal means that all are
 *   leased: whatever the order of calls and hang-ups;
 * - `releaseLease` frees the address, and does nothing where it comes twice or late, even when another session has the
 *   address by then: the server releases what it is not sure about;
 * - a lease that comes after the call ended is the server's to release: nothing may be lost with it;
 * - `resumeLease` claims a lease again after a restart, twice if need be, and says false where another holds the address;
 * - in a dry run (`call.dryRun`) it answers as ever, and nothing is leased after the release, nor has any session ended;
 * - two generations of the config, which share `PluginContext.shared`, never lease one address twice.
 *
 * Needs fast-check.
 *
 *     addressAllocatorContract({
 *       name: 'my-pool with four addresses',
 *       capacity: 4,
 *       make: (t, shared) =>
 *         startPlugin(t, myPool, { options: { first: '10.0.0.1', last: '10.0.0.4' }, ...(shared && { shared }) }),
 *     })
 */
export function addressAllocatorContract({ name, make, capacity, address = 'ipv4' }: AllocatorSubject): void {
  const assign = (plugin: Harness, session: SessionInfo, user: string, inquiry?: Inquiry) =>
    plugin.assign(session, { user }, inquiry, address)
  const leaseAll = async (plugin: Harness, count: number): Promise<readonly Lease[]> => {
    const leases: Lease[] = []
    for (let index = 0; index < count; index++) {
      const lease = await assign(plugin, aSession(), `number ${index}`)
      assert.ok(typeof lease === 'object', `number ${index} of ${count}: ${lease}`)
      leases.push(lease)
    }
    return leases
  }

  test(`${name} never leases an address twice, and refuses only when all are leased`, async t => {
    const fc = await fastCheck()
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
          const lease = await assign(plugin, session, `user${one.dial}`)
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
    const next = await assign(plugin, aSession(), 'next')
    assert.ok(typeof next === 'object' && next.value === old.value)
    await plugin.releaseLease(old)
    assert.equal(typeof (await assign(plugin, aSession(), 'one too many')), 'string')
  })

  test(`${name} releases what it leased to a call that ended meanwhile`, async t => {
    const plugin = await make(t)
    const inquiry = plugin.inquiry({ address })
    const asked = assign(plugin, aSession(), 'gone', inquiry)
    inquiry.withdraw()
    assert.equal(typeof (await asked), 'string')
    await settle()
    await leaseAll(plugin, capacity)
  })

  test(`${name} takes its leases again after a restart, and does not give them to others`, async t => {
    const before = await make(t)
    const session = aSession({ user: 'hb@hb' })
    const lease = await assign(before, session, 'hb@hb')
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

  test(`${name} changes nothing in a dry run`, async t => {
    const plugin = await make(t)
    const [live] = await leaseAll(plugin, 1)
    for (let run = 0; run < capacity * 2; run++) {
      const lease = await assign(plugin, aSession(), `try ${run}`, plugin.inquiry({ dryRun: true, address }))
      assert.ok(typeof lease === 'object' && lease.value !== live?.value, String(lease))
      await plugin.releaseLease(lease)
    }
    assert.deepEqual(plugin.server.ended, [])
    await leaseAll(plugin, capacity - 1)
    const refused = await assign(plugin, aSession(), 'try', plugin.inquiry({ dryRun: true, address }))
    assert.equal(typeof refused, 'string')
  })

  test(`${name} shares its leases with the next generation of the config`, async t => {
    const shared = new SharedResources()
    const old = await make(t, shared)
    const mine = await leaseAll(old, 3)
    const next = await make(t, shared)
    const theirs = await leaseAll(next, capacity - 3)
    assert.equal(new Set(values([...mine, ...theirs])).size, capacity)
    assert.equal(typeof (await assign(next, aSession(), 'one too many')), 'string')
    for (const lease of mine) await old.releaseLease(lease)
    assert.deepEqual(values(await leaseAll(next, 3)), values(mine))
  })
}

const values = (leases: readonly Lease[]) => leases.map(({ value }) => value).sort()
