import assert from 'node:assert/strict'
import test from 'node:test'
import { UpBudget } from '../../core/dataplane/up-budget.ts'

/** How often it is allowed, of `attempts`. */
function allowed(attempts: number, attempt: () => boolean): number {
  let count = 0
  for (let i = 0; i < attempts; i++) if (attempt()) count++
  return count
}

test('a flow that floods has 32 in a window, and leaves the others theirs', () => {
  const budget = new UpBudget(100)
  assert.equal(
    allowed(1000, () => budget.takeForFlow(7)),
    32,
  )
  for (let flow = 8; flow < 71; flow++)
    assert.equal(
      allowed(40, () => budget.takeForFlow(flow)),
      32,
    )
  assert.equal(budget.takeForFlow(71), false, 'all flows together have 2048')
  budget.tick(99)
  assert.equal(budget.takeForFlow(7), false)
  budget.tick(100)
  assert.equal(
    allowed(1000, () => budget.takeForFlow(7)),
    32,
  )
})

test('a source that floods has half of what strangers have', () => {
  const budget = new UpBudget(1)
  assert.equal(
    allowed(5000, () => budget.takeForSource('unknown', 0x0a000001)),
    1024,
  )
  assert.equal(
    allowed(5000, () => budget.takeForSource('unknown', 0x0a000002)),
    1024,
  )
  assert.equal(budget.takeForSource('unknown', 0x0a000003), false)
  budget.tick(100)
  assert.equal(
    allowed(5000, () => budget.takeForSource('unknown', 0x0a000001)),
    1024,
  )
})

test('a source that floods with control messages, junk or not, leaves the others theirs', () => {
  const budget = new UpBudget(1)
  const flooded = allowed(100_000, () => budget.takeForSource('control', 0x0a000001))
  assert.equal(flooded, 1024)
  for (const source of [2, 3, 4])
    assert.equal(
      allowed(1000, () => budget.takeForSource('control', 0x0a000000 + source)),
      1000,
    )
  assert.ok(budget.takeForSource('unknown', 0x0a000001), 'what it sends beside has a share of its own')
})

test('whoever wants a tunnel takes nothing of those who have one, from however many addresses', () => {
  const budget = new UpBudget(1)
  let openings = 0
  for (let source = 0; source < 100_000; source++) if (budget.takeForSource('opening', source)) openings++
  assert.equal(openings, 512)
  assert.ok(budget.takeForSource('control', 1))
  budget.tick(100)
  assert.equal(
    allowed(5000, () => budget.takeForSource('opening', 7)),
    128,
  )
})

test('no kind takes of the share of another', () => {
  const budget = new UpBudget(1)
  for (const [kind, share] of Object.entries({
    control: 4096,
    opening: 512,
    flow: 2048,
    unknown: 2048,
    report: 16,
    icmp: 64,
  } as const))
    assert.equal(
      allowed(10_000, () => budget.take(kind as 'control')),
      share,
      kind,
    )
})
