import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFlowSlots, flowOwner, releaseFlowSlot, takeFlowSlot } from '../../core/protocol/flow-slots.ts'

test('a flow gets the smallest free id, with a generation that no former owner had', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 200 }), choices => {
      const slots = createFlowSlots()
      const live = new Map<number, { owner: string; generation: number }>()
      const seen = new Set<string>()
      for (const [turn, choice] of choices.entries()) {
        const [id] = [...live.keys()].slice(choice)
        if (choice < 4 && id !== undefined) {
          releaseFlowSlot(slots, id)
          live.delete(id)
        } else {
          const owner = `session ${turn}`
          const taken = takeFlowSlot(slots, owner)
          let smallest = 0
          while (live.has(smallest)) smallest++
          assert.equal(taken.id, smallest)
          assert.ok(!seen.has(`${taken.id}/${taken.generation}`))
          seen.add(`${taken.id}/${taken.generation}`)
          live.set(taken.id, { owner, generation: taken.generation })
        }
        for (const [each, { owner, generation }] of live)
          assert.equal(flowOwner(slots, each, generation), owner)
        assert.equal(slots.taken, live.size)
      }
    }),
  )
})

test('a former generation has no owner', () => {
  const slots = createFlowSlots()
  const first = takeFlowSlot(slots, 'first')
  releaseFlowSlot(slots, first.id)
  const second = takeFlowSlot(slots, 'second')
  assert.equal(second.id, first.id)
  assert.equal(flowOwner(slots, first.id, first.generation), undefined)
  assert.equal(flowOwner(slots, second.id, second.generation), 'second')
})
