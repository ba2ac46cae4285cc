import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { drawLadder, missingFrom, type Rung, referenceExchange } from '../../core/cli/demo/ladder.ts'
import { burrow } from '../support/burrow.ts'
import { skipWithoutNetns } from '../support/netns.ts'

const DEMO_MS = 60_000
const namespacesOf = (pid: number) =>
  existsSync('/run/netns') ? readdirSync('/run/netns').filter(name => name.startsWith(`burrow-${pid}-`)) : []

test('the demo plays the reference scenario, and leaves nothing', { skip: skipWithoutNetns }, async () => {
  const demo = burrow(['demo', '--json'])
  await demo.says(/everything is removed/, DEMO_MS)
  const { code, stdout } = await demo.ended
  assert.equal(code, 0, stdout)
  const { ok, steps, calls } = JSON.parse(stdout)
  assert.equal(ok, true)
  assert.ok(steps.length > 15)
  assert.deepEqual(
    calls.map(({ method }: { method: string }) => method),
    ['pap', 'chap'],
  )
  for (const { ladder, method } of calls)
    assert.equal(missingFrom(ladder, referenceExchange(method)), undefined)
  assert.doesNotMatch(stdout, /admin@123/)
  assert.deepEqual(namespacesOf(demo.pid), [])
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} in the middle of the demo leaves nothing`, { skip: skipWithoutNetns }, async () => {
    const demo = burrow(['demo'])
    await demo.says(/PAP: burrow connect/, DEMO_MS)
    assert.equal(namespacesOf(demo.pid).length, 3)
    assert.equal((await demo.end(signal)).code, 130)
    assert.deepEqual(namespacesOf(demo.pid), [])
  })
}

test('an exchange that lacks a message, or has it out of its place, is not the reference', () => {
  const rungs = referenceExchange('pap').map(
    ({ name, direction = 'to-lns' }): Rung => ({
      name,
      direction,
      details:
        'tunnel 0 session 0 Ns 0 Nr 0, assigned tunnel 1, assigned session 81, user hb@hb, MRU 1500, IP-Address 172.16.1.51',
      fields: { kind: 'unreadable', fault: 'bad-length', octets: 0 },
    }),
  )
  const expected = referenceExchange('pap')
  assert.equal(missingFrom(rungs, expected), undefined)
  for (const index of rungs.keys()) {
    const name = rungs[index]?.name
    assert.equal(missingFrom(rungs.toSpliced(index, 1), expected)?.name, name)
    const late = missingFrom([...rungs.toSpliced(index, 1), ...rungs.slice(index, index + 1)], expected)
    assert.equal(late === undefined, index === rungs.length - 1, name)
  }
  assert.match(drawLadder(rungs), /\| SCCRQ -+> \| {2}tunnel 0 session 0/)
})
