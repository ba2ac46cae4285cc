/** ipsec-strongswan: what charon is told to have, over reloads and restarts, and what is wrong with a config. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { definePlugin, IPSEC_SECRETS, type IpsecSecret, z } from '../../core/index.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { Charon } from '../../plugins/ipsec-strongswan/charon.ts'
import ipsec from '../../plugins/ipsec-strongswan/index.ts'
import type { Item } from '../../plugins/ipsec-strongswan/load.ts'
import { sectionOf, type ViciMessage } from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { CA_PEM, SERVER_KEY, SERVER_PEM } from '../support/certificates.ts'
import { FakeCharon } from '../support/fake-charon.ts'
import { around, scene } from '../support/ipsec-scene.ts'
import { until } from '../support/until.ts'

test('charon is told of connections, keys, certificates and the shunt as VICI has them', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-ipsec-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [ca, cert, key] = [CA_PEM, SERVER_PEM, SERVER_KEY]
  for (const [name, pem] of Object.entries({ ca, cert, key }))
    writeFileSync(join(folder, `${name}.pem`), pem, { mode: 0o600 })
  const { charon, plugin } = await scene(
    t,
    {
      dropClear: true,
      secrets: [{ psk: 'for one', peers: ['1.1.1.1', '10.0.0.0/8'] }, { psk: 'for all' }],
      certificates: [{ certFile: 'cert.pem', keyFile: 'key.pem' }],
      caFiles: ['ca.pem'],
      connections: [
        { name: 'phones', ike: '1', ikeProposals: ['aes256-sha1-modp1024'], espProposals: ['aes128-sha1'] },
        {
          name: 'offices',
          ike: '2',
          mode: 'tunnel',
          auth: 'certificate',
          localId: 'vpn.example.com',
          forceUdp: true,
        },
      ],
    },
    { configDir: folder },
  )
  const told = JSON.parse(JSON.stringify(charon.told)) as { command: string; message: ViciMessage }[]
  assert.deepEqual(
    told.map(({ command }) => command),
    ['load-key', 'load-cert', 'load-shared', 'load-shared', 'load-conn', 'load-conn', 'load-conn'],
  )
  assert.deepEqual(told[0]?.message, { type: 'any', data: key })
  assert.deepEqual(told[1]?.message, { type: 'X509', flag: 'CA', data: ca })
  assert.deepEqual(told[2]?.message, {
    id: 'burrow-psk-0',
    type: 'IKE',
    data: 'for one',
    owners: ['1.1.1.1', '10.0.0.0/8'],
  })
  assert.deepEqual(told[3]?.message, { id: 'burrow-psk-1', type: 'IKE', data: 'for all' })
  assert.deepEqual(told[4]?.message, {
    'burrow-phones': {
      version: '1',
      proposals: ['aes256-sha1-modp1024'],
      encap: 'no',
      mobike: 'no',
      dpd_delay: '30s',
      keyingtries: '0',
      local: { auth: 'psk' },
      remote: { auth: 'psk' },
      children: {
        l2tp: {
          mode: 'transport',
          local_ts: ['dynamic[udp/1701]'],
          remote_ts: ['dynamic[udp]'],
          esp_proposals: ['aes128-sha1'],
          start_action: 'none',
          close_action: 'none',
          dpd_action: 'clear',
        },
      },
    },
  })
  const offices = sectionOf(told[5]?.message['burrow-offices'])
  assert.equal(offices.encap, 'yes')
  assert.deepEqual(offices.local, { auth: 'pubkey', id: 'vpn.example.com', certs: [cert] })
  assert.deepEqual(offices.remote, { auth: 'pubkey', cacerts: [ca] })
  // charon takes a connection without addresses for one with everybody: its shunts are with nobody.
  const clear = sectionOf(told[6]?.message['burrow-clear-l2tp'])
  assert.deepEqual(clear.remote_addrs, ['127.0.0.1'])
  assert.equal(sectionOf(sectionOf(clear.children)['burrow-clear-l2tp']).mode, 'drop')
  await plugin.host.stop()
  assert.deepEqual(
    charon.told.slice(7).map(({ command }) => command),
    ['unload-conn', 'unload-conn', 'unload-conn', 'unload-shared', 'unload-shared'],
  )
})

test('a reload loads what is new, unloads what is gone, and touches nothing else', async t => {
  const charon = new FakeCharon(t)
  await charon.start()
  const setting = { shared: new SharedResources(), server: new FakeServer(), clock: new VirtualClock() }
  const options = (psk: string, names: readonly string[]) => ({
    secrets: [{ psk }],
    connections: names.map(name => ({ name })),
  })
  const first = await around(t, charon, options('one', ['a', 'b']), setting)
  const told = () =>
    charon.told
      .splice(0)
      .map(({ command, message }) => `${command} ${message.id ?? message.name ?? Object.keys(message)[0]}`)
  assert.deepEqual(told(), ['load-shared burrow-psk-0', 'load-conn burrow-a', 'load-conn burrow-b'])
  const second = await around(t, charon, options('two', ['b', 'c']), setting)
  assert.deepEqual(told(), ['unload-conn burrow-a', 'load-shared burrow-psk-0', 'load-conn burrow-c'])
  await first.plugin.host.stop()
  assert.deepEqual(told(), [])
  // One that does not come up leaves charon as it was.
  charon.answer = ({ command, message }) =>
    command === 'load-conn' && 'burrow-d' in message
      ? { success: 'no', errmsg: 'no such proposal' }
      : undefined
  await assert.rejects(around(t, charon, options('three', ['b', 'd']), setting), { code: 'IPSEC_CONFIG' })
  assert.equal(charon.clients, 1)
  const after = told()
  assert.ok(after.includes('load-conn burrow-c') && after.includes('load-shared burrow-psk-0'), after.join())
  await second.plugin.host.stop()
})

test('of two plugins on one charon each has its own loaded, and takes its own back', async t => {
  const charon = new FakeCharon(t)
  await charon.start()
  const clock = new VirtualClock()
  const made = new Charon({ socket: charon.socket, timeoutMs: 1000, clock, log: memoryLog().log })
  const itemOf = (id: string): Item => ({ id, kind: 'shared', message: { id } })
  const one = { id: 'hq/ipsec', items: () => [itemOf('hq')] }
  const two = { id: 'branch/ipsec', items: () => [itemOf('branch')] }
  await made.use(one)
  await made.use(two)
  const told = () => charon.told.splice(0).map(({ command, message }) => `${command} ${message.id}`)
  assert.deepEqual(told(), ['load-shared hq', 'load-shared branch'])
  await made.leave(two)
  assert.deepEqual(told(), ['unload-shared branch'])
  await made.close()
  assert.deepEqual(told(), ['unload-shared hq'])
})

test('keys of another plugin are loaded, and looked for again; what it throws leaves those of before', async t => {
  let secrets: readonly IpsecSecret[] | Error | 'hangs' = [
    { psk: 'of a directory', peers: ['hb@example.com'] },
  ]
  const directory = definePlugin({
    name: 'directory',
    provides: [IPSEC_SECRETS],
    config: z.strictObject({}),
    setup({ provide }) {
      provide(IPSEC_SECRETS, {
        async list() {
          if (secrets instanceof Error) throw secrets
          if (secrets === 'hangs') return new Promise(() => {})
          return secrets
        },
      })
    },
  })
  const { charon, clock } = await scene(t, {}, { before: [directory] })
  const owners = () => charon.told.map(({ command, message }) => `${command} ${message.owners ?? message.id}`)
  assert.deepEqual(owners(), ['load-shared hb@example.com'])
  secrets = new Error('the directory is away')
  await clock.advance(60_000)
  secrets = 'hangs'
  await clock.advance(70_000)
  secrets = [{ psk: 'another', peers: ['ann@example.com'] }]
  await until('the next look', async () => {
    await clock.advance(1000)
    return charon.told.length > 1
  })
  assert.deepEqual(owners().slice(1), ['load-shared ann@example.com'])
})

test('where charon is not there, the server does not start, and says what to do', async t => {
  const charon = new FakeCharon(t)
  await assert.rejects(startPlugin(t, ipsec, { options: { socket: charon.socket } }), {
    code: 'IPSEC_CHARON',
  })
})

test('`check` opens nothing, and reads the files', async t => {
  const charon = new FakeCharon(t)
  const { socket } = charon
  await loadPlugin(ipsec, { options: { socket } })
  const missing = { socket, caFiles: ['no-such.pem'] }
  await assert.rejects(loadPlugin(ipsec, { options: missing }), { code: 'IPSEC_CONFIG' })
})

const WRONG: readonly (readonly [string, object])[] = [
  ['two connections of one name', { connections: [{ name: 'a' }, { name: 'a' }] }],
  ['certificates that are not there', { connections: [{ name: 'a', auth: 'certificate' }] }],
]
for (const [what, options] of WRONG) {
  test(`${what} is an error of the config`, async () => {
    await assert.rejects(loadPlugin(ipsec, { options }), { code: 'IPSEC_CONFIG' })
  })
}
