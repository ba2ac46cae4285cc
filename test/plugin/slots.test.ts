import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Abandonable } from '../../core/hooks/abandonment.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import { Slots } from '../../core/plugin/slots.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { LOGIN, scene } from '../hooks/scene.ts'
import { gate } from '../support/gate.ts'

/** Something that waits in a queue, and how it is given up. */
interface Caller {
  readonly call: Abandonable
  readonly leave: () => void
}

const bySignal = (): Caller => {
  const abort = new AbortController()
  return { call: abort, leave: () => abort.abort() }
}

/** A login as a tap is given it, told by its signal only if somebody reads that. */
const asked = (giveUp: (inquiry: Inquiry, { clock }: ReturnType<typeof scene>) => void) => (): Caller => {
  const set = scene()
  const inquiry = new Inquiry()
  let call: Abandonable | undefined
  set.by('plugin-x').authenticate.tapPromise('tap', given => {
    call = given
    return new Promise(() => {})
  })
  void set.hooks.ask('authenticate', inquiry, LOGIN)
  assert.ok(call)
  return { call, leave: () => giveUp(inquiry, set) }
}

const CALLERS = {
  'its signal aborts': bySignal,
  'its call is withdrawn': asked(inquiry => inquiry.withdraw()),
  'its deadline passes': asked((_, { clock }) => clock.advance(60_000)),
}

for (const [how, caller] of Object.entries(CALLERS))
  test(`slots run so many jobs at once in order, and none of who left the queue, when ${how}`, async () => {
    const slots = new Slots(2, 3)
    const gates = [gate(), gate(), gate(), gate(), gate()]
    const callers = gates.map(caller)
    const started: number[] = []
    const results = gates.map(({ opened }, index) =>
      slots.run(callers[index]?.call ?? assert.fail(), async () => {
        started.push(index)
        await opened
        return index
      }),
    )
    await settle()
    assert.deepEqual(started, [0, 1])
    assert.equal(await slots.run(caller().call, async () => 'one too many'), 'full')
    callers[3]?.leave()
    assert.equal(await results[3], 'aborted')
    gates[1]?.open()
    await settle()
    assert.deepEqual(started, [0, 1, 2])
    // Whoever has had its turn is out of the queue: nothing of it may leave in another's place.
    callers[2]?.leave()
    for (const { open } of gates) open()
    assert.deepEqual(await Promise.all(results), [0, 1, 2, 'aborted', 4])
    assert.equal(await slots.run(callers[3]?.call ?? assert.fail(), async () => 'late'), 'aborted')
    assert.equal(await slots.run(caller().call, async () => 'next'), 'next')
  })
