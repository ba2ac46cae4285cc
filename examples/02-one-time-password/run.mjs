// Dials the config beside it in memory: the right code, the same code again, a wrong one, none, a wrong password.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { inScope, startMemoryLns } from 'burrow/testing'

/** What an authenticator app shows (RFC 6238), for the seed of burrow.yaml. */
function appShows(wallTimeMs) {
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(wallTimeMs / 30_000)))
  const hash = createHmac('sha1', '12345678901234567890').update(step).digest()
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

await inScope(async t => {
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const dial = async (what, password) => {
    const call = await lns.dial({ user: 'hb@hb', password })
    const why = lns.log.findLast(({ message }) => message.startsWith('user refused'))
    console.log(
      what.padEnd(22),
      call.kind === 'up' ? `in, as ${call.address}` : `refused: ${why?.fields.reason}`,
    )
    return call.kind
  }
  const code = appShows(lns.clock.wallTimeMs())
  assert.equal(await dial('password and code', `admin@123${code}`), 'up')
  assert.equal(await dial('the same code again', `admin@123${code}`), 'refused')
  await lns.clock.advance(60_000)
  assert.equal(await dial('a code that is over', `admin@123${code}`), 'refused')
  assert.equal(await dial('no code', 'admin@123'), 'refused')
  const next = appShows(lns.clock.wallTimeMs())
  assert.equal(await dial('a wrong password', `admin@124${next}`), 'refused')
  assert.equal(await dial('the next code', `admin@123${next}`), 'up')
})
