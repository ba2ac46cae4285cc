// Staff and a contractor, at night and by day; the contractor's session ends with the day.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { inScope, startMemoryLns } from 'burrow/testing'

const HOUR_MS = 3_600_000

await inScope(async t => {
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const time = () => new Date(lns.clock.wallTimeMs()).toUTCString().slice(0, 22)
  const dial = async (user, password) => {
    const call = await lns.dial({ user, password })
    const why = lns.log.findLast(({ message }) => message.startsWith('user refused'))
    console.log(time(), user.padEnd(7), call.kind === 'up' ? 'in' : `refused: ${why?.fields.reason}`)
    return call
  }
  const ann = await dial('ann@hb', 'ann@123')
  assert.equal(ann.kind, 'up')
  assert.ok((await ann.reaches('192.168.1.1')) && (await ann.reaches('192.168.1.80')))
  assert.equal((await dial('eve@hb', 'eve@123')).kind, 'refused')
  assert.equal((await dial('hb@hb', 'admin@123')).kind, 'refused')

  await lns.clock.advance(17 * HOUR_MS)
  const eve = await dial('eve@hb', 'eve@123')
  assert.equal(eve.kind, 'up')
  assert.ok(!(await eve.reaches('192.168.1.1')) && (await eve.reaches('192.168.1.80')))
  const { cause } = await lns.clock.settled('the end of the day', eve.ended, 2 * HOUR_MS)
  console.log(time(), 'eve@hb ', `ended: ${cause}`)
  assert.equal(lns.events.findLast(({ kind }) => kind === 'sessionDown').reason.cause, 'session-timeout')
  assert.deepEqual(
    lns.sessions().map(({ user }) => user),
    ['ann@hb'],
  )
})
