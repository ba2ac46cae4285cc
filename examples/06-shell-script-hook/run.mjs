// A peer that may dial, one that may not, and what the script wrote down.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aFolder, inScope, startMemoryLns } from 'burrow/testing'

await inScope(async t => {
  const file = join(aFolder(t), 'sessions.jsonl')
  process.env.SESSIONS_FILE = file
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const user = { user: 'hb@hb', password: 'admin@123' }
  const denied = await lns.dial({ ...user, from: '203.0.113.66' })
  console.log('203.0.113.66', denied.kind, denied.kind === 'refused' ? denied.message : '')
  assert.equal(denied.kind, 'refused')
  const call = await lns.dialUp({ ...user, from: '203.0.113.7' })
  console.log('203.0.113.7 ', 'in, as', call.address)
  await call.hangUp()
  await lns.stop()
  const told = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  for (const { hook, session } of told) console.log('guard.sh saw', hook, session.user)
  assert.deepEqual(
    told.map(({ hook }) => hook),
    ['sessionUp', 'sessionDown'],
  )
})
