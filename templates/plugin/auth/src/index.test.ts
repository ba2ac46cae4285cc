import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authenticatorContract,
  FakeServer,
  loadPlugin,
  papProof,
  startMemoryLns,
  startPlugin,
} from 'burrow/testing'
import plugin from './index.ts'

const options = { users: { 'hb@hb': 'admin@123' } }

authenticatorContract({
  name: 'my-plugin',
  make: t => startPlugin(t, plugin, { options }),
  user: 'hb@hb',
  secret: 'admin@123',
  prove: papProof,
  unknown: 'pass',
})

test('options without users are refused', async () => {
  await assert.rejects(loadPlugin(plugin), { code: 'PLUGIN_OPTIONS' })
})

test('the password of the sample is refused where others can reach the server', async () => {
  const server = new FakeServer()
  server.exposed = true
  await assert.rejects(loadPlugin(plugin, { options, server }), { code: 'SAMPLE_USERS_EXPOSED' })
})

test('a user dials in, with the right password only', async t => {
  const lns = await startMemoryLns(t, {
    yaml: `
gatewayAddress: 10.99.0.1
plugins:
  - my-plugin: { users: { hb@hb: admin@123 } }
  - address-pool: { pools: { main: { ranges: [10.99.0.2-10.99.0.20] } } }
`,
    plugins: [plugin],
  })
  const call = await lns.dialUp({ user: 'hb@hb', password: 'admin@123' })
  assert.equal(call.address, '10.99.0.2')
  const refused = await lns.dial({ user: 'hb@hb', password: 'wrong' })
  assert.equal(refused.kind === 'refused' && refused.code, 'DIAL_AUTH')
})
