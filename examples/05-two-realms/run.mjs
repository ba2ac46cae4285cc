// One ann in each realm: who she is, which address she gets and what she reaches depend on the realm alone.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { inScope, startMemoryLns } from 'burrow/testing'

await inScope(async t => {
  const lns = await startMemoryLns(t, { config: fileURLToPath(new URL('burrow.yaml', import.meta.url)) })
  const hq = await lns.dialUp({ user: 'ann@hb', password: 'ann@123', from: '198.51.100.1' })
  const lab = await lns.dialUp({ user: 'ann@lab', password: 'other@123', from: '198.51.100.2' })
  for (const call of [hq, lab]) {
    const reaches = []
    for (const host of ['192.168.1.1', '10.1.1.1']) if (await call.reaches(host)) reaches.push(host)
    console.log(call.user.padEnd(8), call.address.padEnd(12), `reaches ${reaches}`)
    assert.deepEqual(reaches, [call === hq ? '192.168.1.1' : '10.1.1.1'])
  }
  assert.ok(hq.address.startsWith('172.16.1.') && lab.address.startsWith('172.16.2.'))
  const stranger = await lns.dial({ user: 'ann@lab', password: 'ann@123' })
  console.log('ann@lab ', 'with the password of the other realm:', stranger.kind)
  assert.equal(stranger.kind, 'refused')
})
