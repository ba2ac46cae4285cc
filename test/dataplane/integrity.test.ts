/** What goes through a session is what comes out, however bad the line; `npm run bench -- integrity` plays it with 1 GB. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithoutNetns } from '../support/netns.ts'
import { openBadWay } from '../support/transfer.ts'

const BYTES = 16 << 20
const BAD = { loss: 0.01, duplication: 0.01, reordering: 0.02, corruption: 0 }

for (const ports of [undefined, 'batches'] as const) {
  const name = ports ?? 'fastest ports'

  test(`every octet arrives, each way, over a line that loses, repeats and reorders; no checksum is wrong: ${name}`, {
    skip: skipWithoutNetns,
  }, async t => {
    const way = await openBadWay(t, BAD, ports)
    for (const direction of ['up', 'down'] as const) {
      const { sent, received } = await way.transfer(direction, BYTES)
      assert.equal(received, sent, direction)
    }
    const { lost, duplicated, reordered } = await way.report()
    for (const count of [lost, duplicated, reordered]) assert.ok(count > 10)
    assert.equal(way.badChecksums(), 0)
  })

  test(`what a line spoils never passes for right, and the kernel at the end finds it: ${name}`, {
    skip: skipWithoutNetns,
  }, async t => {
    const way = await openBadWay(t, { ...BAD, corruption: 0.01 }, ports)
    for (const direction of ['up', 'down'] as const) {
      const { sent, received } = await way.transfer(direction, BYTES / 4)
      assert.equal(received, sent, direction)
    }
    const { spoiled } = await way.report()
    assert.ok(spoiled > 10)
    // Some may be on their way still.
    assert.ok(way.badChecksums() > spoiled / 2, `${way.badChecksums()} of ${spoiled}`)
  })
}
