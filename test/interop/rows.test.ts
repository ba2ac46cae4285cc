/** The rows of `npm run interop` that each test run plays: every method as it comes, of either side. radius-login.test.ts has EAP-TLS. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { AS_IT_COMES, cellsOf, ROW_COUNT, ROWS } from './rows.ts'
import { setScene } from './scene.ts'

test('no row is there twice, and none is missing', () => {
  const names = new Set(ROWS.map(row => cellsOf(row).join(' ')))
  assert.deepEqual([names.size, ROWS.length], [ROW_COUNT, ROW_COUNT])
})

test('xl2tpd and pppd, with each method', {
  skip: skipWithout('peers') || skipWithout('dissector'),
  concurrency: 2,
}, async t => {
  const rows = ROWS.filter(row => row.variant.what === AS_IT_COMES && row.method.name !== 'EAP-TLS by RADIUS')
  assert.equal(rows.length, 13)
  const scene = await setScene(t, rows)
  await Promise.all(
    scene.lanes.map(async lane => {
      for (const row of lane.rows)
        await t.test(
          `${row.peer} as ${row.as} with ${row.method.name}: logs in, pings, fetches the page, hangs up`,
          () => lane.play(row),
        )
    }),
  )
  await scene.end()
})
