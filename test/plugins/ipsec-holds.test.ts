/** ipsec-strongswan: while a tunnel is protected, nothing between its two ends goes in the clear, whatever becomes of its SA. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { sectionOf } from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { aSa, FakeCharon } from '../support/fake-charon.ts'
import { around, from, GRACE_MS, keyed, scene, seen, tied } from '../support/ipsec-scene.ts'
import { until } from '../support/until.ts'

const holdOf = (peer: string, pid: number | undefined = process.pid) =>
  `burrow-hold-${pid}-2.2.2.2.1701-${peer}`

const conns = ({ told }: FakeCharon): readonly string[] =>
  told
    .filter(({ command }) => command.endsWith('-conn'))
    .map(({ command, message }) => `${command} ${message.name ?? Object.keys(message)[0]}`)

test('a tunnel is let in when charon holds what is in the clear, and is held to the port of L2TP', async t => {
  const { charon } = await tied(t)
  const hold = holdOf('1.1.1.1')
  assert.deepEqual(conns(charon), [`load-conn ${hold}`])
  const { children, remote_addrs: peers } = sectionOf(charon.told[0]?.message[hold])
  assert.deepEqual(peers, ['127.0.0.1'], 'nobody does IKE with a shunt')
  assert.deepEqual(JSON.parse(JSON.stringify(sectionOf(children)[hold])), {
    mode: 'drop',
    local_ts: ['2.2.2.2/32[udp/1701]'],
    remote_ts: ['1.1.1.1/32[udp]'],
    start_action: 'trap',
  })
})

test('the tunnels between two ends share it; it goes with the last of them', async t => {
  const made = await tied(t)
  const { charon, server, admit } = made
  await admit(keyed('second', from('1.1.1.1', 1702)))
  assert.deepEqual(conns(charon), [`load-conn ${holdOf('1.1.1.1')}`])
  const [first] = server.liveTunnels
  server.liveTunnels = server.liveTunnels.filter(tunnel => tunnel !== first)
  await seen(made)
  assert.equal(conns(charon).length, 1)
  server.liveTunnels = []
  await seen(made)
  await until('the end of the hold', () => conns(charon)[1] === `unload-conn ${holdOf('1.1.1.1')}`)
})

test('another port of ours is held beside it', async t => {
  const { charon, admit } = await tied(t)
  charon.sas = [aSa(), aSa({ ike: '2', child: '2', 'local-ts': ['2.2.2.2/32[udp/1702]'] })]
  const path = { ...from('1.1.1.1'), local: { address: '2.2.2.2', port: 1702 } }
  assert.equal((await admit(keyed('second', path))).kind, 'passed on')
  assert.deepEqual(conns(charon), [
    `load-conn ${holdOf('1.1.1.1')}`,
    `load-conn burrow-hold-${process.pid}-2.2.2.2.1702-1.1.1.1`,
  ])
})

test('it stays while the SA is gone and the tunnel is not', async t => {
  const made = await tied(t)
  const { charon, server, clock } = made
  charon.change([], 'child-updown', aSa())
  await seen(made)
  await clock.advance(GRACE_MS - 1000)
  assert.equal(conns(charon).length, 1)
  await clock.advance(1000)
  assert.equal(server.droppedTunnels.length, 1)
  server.liveTunnels = []
  await seen(made)
  await until('the end of the hold', () => conns(charon)[1] === `unload-conn ${holdOf('1.1.1.1')}`)
})

test('whoever cannot be held is not let in', async t => {
  const { charon, admit } = await scene(t)
  charon.sas = [aSa()]
  charon.answer = ({ command }) =>
    command === 'load-conn' ? { success: 'no', errmsg: 'no such mode' } : undefined
  assert.equal((await admit()).kind, 'deny')
  charon.answer = () => undefined
  assert.equal((await admit(keyed('again', from('1.1.1.1')))).kind, 'passed on')
  assert.equal(conns(charon).at(-1), `load-conn ${holdOf('1.1.1.1')}`)
})

const NOT_HELD = [
  ['where the clear is let in', { require: false }],
  ['where all of it is dropped', { dropClear: true }],
] as const
for (const [what, options] of NOT_HELD)
  test(`nothing is held ${what}`, async t => {
    const { charon } = await tied(t, options)
    assert.ok(!conns(charon).some(text => text.includes('burrow-hold')))
  })

test('a charon that comes anew is told what is held; when the server stops, nothing is', async t => {
  const { charon, clock, plugin } = await tied(t)
  const hold = holdOf('1.1.1.1')
  await charon.stop()
  await until('the loss to be seen', () => plugin.log.some(({ level }) => level === 'error'))
  await charon.start()
  await until('charon to be told', async () => {
    await clock.advance(50)
    return conns(charon).length === 2
  })
  assert.deepEqual(conns(charon), [`load-conn ${hold}`, `load-conn ${hold}`])
  await plugin.host.stop()
  assert.deepEqual(conns(charon).slice(2), [`unload-conn ${hold}`])
})

test('what charon will not let go of is no reason not to start', async t => {
  const charon = new FakeCharon(t)
  const { pid: dead } = spawnSync(process.execPath, ['--version'])
  charon.conns = [holdOf('9.9.9.9', dead)]
  charon.answer = ({ command }) => (command === 'unload-conn' ? { success: 'no' } : undefined)
  await charon.start()
  await around(t, charon, {}, {})
  assert.equal(conns(charon).length, 1)
})

test('what a Burrow left that is dead is unloaded; of one that lives, and of others, nothing is', async t => {
  const charon = new FakeCharon(t)
  const { pid: dead } = spawnSync(process.execPath, ['--version'])
  const left = holdOf('9.9.9.9', dead)
  charon.conns = [left, holdOf('9.9.9.9', process.ppid), holdOf('9.9.9.9', 1), 'burrow-phones', 'office']
  await charon.start()
  await around(t, charon, {}, {})
  assert.deepEqual(conns(charon), [`unload-conn ${left}`])
})
