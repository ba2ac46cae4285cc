import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadPlugin, type Packet, passes, startMemoryLns, startPlugin } from 'burrow/testing'
import plugin from './index.ts'

const options = { network: '192.168.1.0/24' }
const packet: Packet = {
  direction: 'from-session',
  source: '10.99.0.2',
  destination: '192.168.1.1',
  protocol: 6,
  port: 443,
}

test('the service is reached, and nothing else', async t => {
  const policy = await (await startPlugin(t, plugin, { options })).policy({ user: 'hb@hb' }, ['10.99.0.2'])
  assert.ok('rules' in policy)
  assert.ok(passes(policy.rules, packet))
  assert.ok(!passes(policy.rules, { ...packet, port: 22 }))
  assert.ok(!passes(policy.rules, { ...packet, destination: '192.168.2.1' }))
})

test('options without a network are refused', async () => {
  await assert.rejects(loadPlugin(plugin), { code: 'PLUGIN_OPTIONS' })
})

test('a packet of a session comes through to the service', async t => {
  const lns = await startMemoryLns(t, {
    yaml: `
gatewayAddress: 10.99.0.1
plugins:
  - auth-local: { usersFile: users.yaml }
  - address-pool: { pools: { main: { ranges: [10.99.0.2-10.99.0.20] } } }
  - my-plugin: { network: 192.168.1.0/24 }
`,
    files: { 'users.yaml': '- { user: hb@hb, password: admin@123 }\n' },
    plugins: [plugin],
  })
  const call = await lns.dialUp({ user: 'hb@hb', password: 'admin@123' })
  assert.ok(await call.reaches('192.168.1.1', { protocol: 'tcp', port: 443 }))
  assert.ok(!(await call.reaches('192.168.1.1', { protocol: 'tcp', port: 22 })))
})
