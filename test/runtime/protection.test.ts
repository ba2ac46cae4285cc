/** What a plugin vouches for as carrying a tunnel: where it is shown, and what its loss is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin, type ServerView, z } from '../../core/index.ts'
import { auth, pool, recorder } from '../support/little-plugins.ts'
import { memoryWorld } from '../support/memory-world.ts'

const PROTECTION = { protocol: 'IKEv1', cipher: 'ESP transport AES_GCM_16-256', identity: '10.0.0.7' }
const TEXT = 'IKEv1 ESP transport AES_GCM_16-256 as 10.0.0.7'

test('a protected tunnel says so in the log, in the table of sessions and to plugins; without it, it ends', async () => {
  let server: ServerView | undefined
  const guard = definePlugin({
    name: 'guard',
    config: z.strictObject({}),
    setup({ hooks, server: view }) {
      server = view
      hooks.admitTunnel.tap('guard', ({ tunnel }) => {
        view.protectTunnel(tunnel.key, PROTECTION)
        return undefined
      })
      hooks.admitSession.tap('guard', ({ session }) =>
        session.tunnel.protection?.identity === PROTECTION.identity
          ? undefined
          : { kind: 'deny', reason: 'not protected' },
      )
    },
  })
  const { records, plugin: observer } = recorder()
  const world = memoryWorld({ plugins: [guard, auth, pool(1).plugin, observer] })
  const lns = world.makeLns()
  await lns.start()
  const { ended } = await world.dialled('3.3.3.3')
  assert.deepEqual(
    lns.sessions().map(({ protection }) => protection),
    [TEXT],
  )
  const fields = (message: string) => world.lines.find(line => line.message === message)?.fields
  for (const message of ['tunnel up', 'session up']) assert.equal(fields(message)?.protection, TEXT)

  const [tunnel = assert.fail('no tunnel')] = server?.tunnels() ?? []
  assert.deepEqual(tunnel.protection, PROTECTION)
  assert.deepEqual(
    server?.tunnels(({ role }) => role === 'lac'),
    [],
  )
  server?.dropTunnel(tunnel.key, 'its IPsec SA is gone')
  await world.clock.advance(100)
  assert.equal(fields('session down')?.cause, 'protection-lost')
  assert.equal(fields('tunnel down')?.text, 'its IPsec SA is gone')
  assert.deepEqual(lns.sessions(), [])
  assert.ok(
    records.some(line => line.startsWith('stop hb@hb protection-lost')),
    records.join(),
  )
  // Nobody told the client: it finds out by itself.
  await world.clock.advance(180_000)
  assert.notEqual((await world.settled(ended)).cause, 'peer-hangup')
  await world.settled(lns.stop())
})
