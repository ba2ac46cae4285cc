/** What every plugin that keeps accounting records must do. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fastCheck } from '../fast-check.ts'
import type { Harness } from '../plugin-harness.ts'
import { anEnd, aSession, NO_TRAFFIC } from '../samples.ts'

/** What a sink has kept of one thing that it was told. */
export interface KeptRecord {
  /** Which record it is. */
  readonly event: 'start' | 'interim' | 'stop'
  /** `SessionInfo.id`. */
  readonly session: string
  /** As the peer wrote it, octet for octet. */
  readonly user: string
  /** From the user to us (`FlowCounters.octetsIn`); absent in a start record. */
  readonly octetsIn?: number
}

/** An accounting sink to hold to the contract. */
export interface AccountingSubject {
  /** Stands in the name of each test. */
  readonly name: string
  /** A new one, loaded and started (`startPlugin`), that has kept nothing. `records`: what it has kept since, in order. */
  readonly make: (t: TestContext) => Promise<{
    /** The sink, started. */
    readonly plugin: Harness
    /** What it has kept by now, in order. */
    readonly records: () => Promise<readonly KeptRecord[]>
  }>
  /** One that is started, and whose records cannot be kept anywhere: the disk is full, the server gone. */
  readonly makeBroken: (t: TestContext) => Promise<Harness>
}

/** What the server tells of one session, one after the other. */
async function live(plugin: Harness, user: string, updates: number): Promise<string> {
  const session = aSession({ user })
  const at = (octetsIn: number) =>
    anEnd(session, { grant: { user }, counters: { ...NO_TRAFFIC, octetsIn: BigInt(octetsIn) } })
  await plugin.tell('sessionUp', at(0))
  for (let update = 1; update <= updates; update++) await plugin.tell('sessionUpdate', at(update))
  await plugin.tell('sessionDown', at(updates + 1))
  return session.id
}

/**
 * Registers what every plugin that keeps accounting records must do, as tests of `node:test`:
 *
 * - a session's start, updates and stop are kept once each and in order, with many sessions at a time: money hangs on it;
 * - when `sessionDown` returns, the stop record is kept: the address may go to the next one then;
 * - a user may be called anything, and is kept as such;
 * - what cannot be kept is an error in the log, and neither throws nor waits: no session depends on its bill.
 *
 * Needs fast-check.
 */
export function accountingSinkContract({ name, make, makeBroken }: AccountingSubject): void {
  test(`${name} keeps every session's start, updates and stop, once each and in order`, async t => {
    const fc = await fastCheck()
    const sessions = fc.array(fc.nat(5), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(sessions, async updatesOf => {
        const { plugin, records } = await make(t)
        const ids = await Promise.all(
          updatesOf.map((updates, index) => live(plugin, `user${index}`, updates)),
        )
        const kept = await records()
        assert.equal(
          kept.length,
          updatesOf.reduce((sum, updates) => sum + updates + 2, 0),
        )
        for (const [index, id] of ids.entries()) {
          const updates = updatesOf[index] ?? 0
          const own = kept.filter(({ session }) => session === id)
          assert.deepEqual(
            own.map(({ event, user, octetsIn }) => [event, user, octetsIn ?? 0]),
            [
              ['start', `user${index}`, 0],
              ...Array.from({ length: updates }, (_, at) => ['interim', `user${index}`, at + 1]),
              ['stop', `user${index}`, updates + 1],
            ],
          )
        }
      }),
      { numRuns: 15 },
    )
  })

  test(`${name} has the stop record when it says that it saw the end`, async t => {
    const { plugin, records } = await make(t)
    const id = await live(plugin, 'hb@hb', 0)
    assert.ok((await records()).some(({ event, session }) => event === 'stop' && session === id))
  })

  test(`${name} keeps whatever a peer calls itself`, async t => {
    const fc = await fastCheck()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }), async user => {
        const { plugin, records } = await make(t)
        await live(plugin, user, 0)
        assert.deepEqual(
          (await records()).map(record => record.user),
          [user, user],
        )
      }),
      { numRuns: 25 },
    )
  })

  test(`${name} holds up no session when its records cannot be kept, and says so in the log`, async t => {
    const plugin = await makeBroken(t)
    await live(plugin, 'hb@hb', 3)
    assert.equal(plugin.clock.now(), 0)
    assert.deepEqual(plugin.faults, [])
    assert.ok(plugin.log.some(({ level }) => level === 'error'))
  })
}
