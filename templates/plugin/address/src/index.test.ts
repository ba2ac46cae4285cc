import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressAllocatorContract, aSession, loadPlugin, startPlugin } from 'burrow/testing'
import plugin from './index.ts'

const options = { range: '10.99.0.2-10.99.0.5' }

addressAllocatorContract({
  name: 'my-plugin',
  capacity: 4,
  make: (t, shared) => startPlugin(t, plugin, { options, ...(shared && { shared }) }),
})

test('the first address is leased first', async t => {
  const pool = await startPlugin(t, plugin, { options })
  const lease = await pool.assign(aSession(), { user: 'hb@hb' })
  assert.equal(typeof lease === 'object' && lease.value, '10.99.0.2')
})

test('options without a range are refused', async () => {
  await assert.rejects(loadPlugin(plugin), { code: 'PLUGIN_OPTIONS' })
})
