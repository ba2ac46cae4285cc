// Two users come, send, and go, one of them twice; then the totals of each.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aFolder, inScope, startMemoryLns } from 'burrow/testing'

await inScope(async t => {
  const file = join(aFolder(t), 'totals.json')
  process.env.TOTALS_FILE = file
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const visit = async (user, password, packets) => {
    const call = await lns.dialUp({ user, password })
    for (let sent = 0; sent < packets; sent++)
      assert.ok(await call.reaches('192.168.1.1', { protocol: 'tcp', port: 80 }))
    await lns.clock.advance(60_000)
    await call.hangUp()
  }
  await visit('hb@hb', 'admin@123', 3)
  await visit('ann@hb', 'ann@123', 1)
  await visit('hb@hb', 'admin@123', 2)
  await lns.stop()
  const totals = JSON.parse(readFileSync(file, 'utf8'))
  console.table(totals)
  assert.deepEqual([totals['hb@hb'].sessions, totals['ann@hb'].sessions], [2, 1])
  assert.equal(totals['hb@hb'].octetsIn, 5 * totals['ann@hb'].octetsIn)
  assert.ok(totals['hb@hb'].seconds >= 120)
})
