import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Timers } from '../../core/protocol/timers.ts'

type Step =
  | { readonly kind: 'set'; readonly name: string; readonly at: number }
  | { readonly kind: 'clear'; readonly name: string }
  | { readonly kind: 'take'; readonly now: number }
  | { readonly kind: 'restore' }

const name = fc.integer({ min: 0, max: 40 }).map(String)
const time = fc.integer({ min: 0, max: 60 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), name, at: time }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('clear' as const), name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), now: time }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restore' as const }) },
)

/** A list that is searched: slow and plainly right. */
class Model {
  entries: { name: string; at: number; order: number }[] = []
  #order = 0

  set(name: string, at: number): void {
    this.clear(name)
    this.entries.push({ name, at, order: this.#order++ })
  }

  clear(name: string): void {
    this.entries = this.entries.filter(entry => entry.name !== name)
  }

  first(): { name: string; at: number } | undefined {
    return [...this.entries].sort((a, b) => a.at - b.at || a.order - b.order)[0]
  }
}

test('deadlines expire in order of time, equal ones in the order in which they were set, restored or not', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      let timers = new Timers()
      const model = new Model()
      for (const each of steps) {
        if (each.kind === 'set') {
          timers.set(each.name, each.at)
          model.set(each.name, each.at)
        } else if (each.kind === 'clear') {
          timers.clear(each.name)
          model.clear(each.name)
        } else if (each.kind === 'take') {
          const first = model.first()
          const due = first !== undefined && first.at <= each.now ? first.name : undefined
          assert.equal(timers.takeDue(each.now), due)
          if (due !== undefined) model.clear(due)
        } else {
          const state = JSON.parse(JSON.stringify(timers.snapshot()))
          timers = new Timers()
          timers.restore(state)
        }
        assert.equal(timers.next(), model.first()?.at)
        assert.equal(timers.size, model.entries.length)
      }
    }),
    { numRuns: 300 },
  )
})

test('a deadline that is moved again and again leaves nothing behind', () => {
  const timers = new Timers()
  for (let at = 0; at < 100_000; at++) timers.set('hello', at)
  assert.equal(timers.size, 1)
  assert.deepEqual(timers.snapshot(), [['hello', 99_999]])
  assert.equal(timers.takeDue(99_998), undefined)
  assert.equal(timers.takeDue(99_999), 'hello')
  assert.equal(timers.next(), undefined)
})
