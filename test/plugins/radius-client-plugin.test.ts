/** The plugin: its options, what it keeps over a reload, and UDP as it is. */
import assert from 'node:assert/strict'
import { createSocket, type RemoteInfo } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { BurrowError } from '../../core/errors.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import { loadPlugin } from '../../core/testing/plugin-harness.ts'
import type { TestScope } from '../../core/testing/scope.ts'
import radiusClient from '../../plugins/radius-client/index.ts'
import { CA_PEM, CLIENT_PEM, SERVER_KEY } from '../support/certificates.ts'
import { pap, startRadiusClient } from '../support/radius-client.ts'
import { codec, SECRET } from '../support/radius-scene.ts'
import { until } from '../support/until.ts'

const SERVER = { address: '192.0.2.1', secret: 'a-secret' }
const PEMS = { caFile: 'ca.pem', certFile: 'client.pem', keyFile: 'other.key' }

for (const [what, options, code, path] of [
  ['no server', {}, 'RADIUS_SERVER', 'servers'],
  [
    'servers and pools',
    { servers: [SERVER], pools: [{ name: 'a', servers: [SERVER] }] },
    'RADIUS_SERVER',
    'servers',
  ],
  [
    'a name over UDP',
    { servers: [{ ...SERVER, address: 'radius.example' }] },
    'RADIUS_SERVER',
    'servers.0.address',
  ],
  ['no secret over UDP', { servers: [{ address: '192.0.2.1' }] }, 'RADIUS_SERVER', 'servers.0.secret'],
  ['one address twice', { servers: [SERVER, SERVER] }, 'RADIUS_SERVER', 'servers.1.name'],
  [
    'TLS without files',
    { servers: [{ address: 'a.example', transport: 'tls' }] },
    'RADIUS_SERVER',
    'servers.0.tls',
  ],
  ['a port of TLS over UDP', { servers: [{ ...SERVER, port: 2083 }] }, 'RADIUS_SERVER', 'servers.0.port'],
  ['what is no option', { servers: [{ ...SERVER, colour: 'red' }] }, 'PLUGIN_OPTIONS', 'servers.0'],
] as const)
  test(`${what}: refused where it stands`, async () => {
    await assert.rejects(loadPlugin(radiusClient, { options }), (error: BurrowError) => {
      assert.equal(error.code, code)
      assert.match(error.place.file ?? '', new RegExp(`at ${path}`))
      return true
    })
  })

test('files of TLS that are not there, or do not fit together, are named', async t => {
  const configDir = mkdtempSync(join(tmpdir(), 'burrow-radius-'))
  t.after(() => rmSync(configDir, { recursive: true }))
  const options = { servers: [{ address: 'a.example', transport: 'tls', tls: PEMS }] }
  const refused = async (file: string) => {
    const error: BurrowError = await loadPlugin(radiusClient, { options, configDir }).then(
      () => assert.fail(),
      problem => problem,
    )
    assert.equal(error.code, 'RADIUS_SERVER')
    assert.equal(error.place.file, join(configDir, file))
  }
  await refused('ca.pem')
  writeFileSync(join(configDir, 'ca.pem'), CA_PEM)
  writeFileSync(join(configDir, 'client.pem'), CLIENT_PEM)
  writeFileSync(join(configDir, 'other.key'), SERVER_KEY)
  await refused('other.key')
})

interface UdpServer {
  readonly options: Readonly<Record<string, unknown>>
  /** Ports that requests came from. */
  readonly from: Set<number>
}

/** Answers everything on one port, probes too; `before` is called first. */
async function udpServer(
  t: TestScope,
  before: (reply: Uint8Array, from: RemoteInfo) => void = () => {},
  address = '127.0.0.1',
): Promise<UdpServer> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  t.after(() => new Promise<void>(done => socket.close(() => done())))
  const from = new Set<number>()
  socket.on('message', (bytes, remote) => {
    const decoded = codec.decodeRequest(bytes, SECRET)
    if (decoded.kind === 'drop') return
    from.add(remote.port)
    const code = decoded.message.code === 'Accounting-Request' ? 'Accounting-Response' : 'Access-Accept'
    const reply = codec.encodeReply({ code, attributes: [] }, decoded, SECRET)
    before(reply, remote)
    socket.send(reply, remote.port, remote.address)
  })
  await new Promise<void>(done => socket.bind(0, address, done))
  const { port } = socket.address()
  return { options: { address, authPort: port, acctPort: port, secret: SECRET }, from }
}

test('a reload keeps the socket of a server whose options stay, and no other', async t => {
  const { options, from } = await udpServer(t)
  const shared = new SharedResources()
  const first = await startRadiusClient(t, { servers: [options] }, { shared })
  assert.equal((await first.client.ask(pap('alice', 'pw'))).kind, 'reply')
  assert.equal(from.size, 1)
  const second = await startRadiusClient(t, { servers: [{ ...options, priority: 7 }] }, { shared })
  await first.plugin.host.stop()
  assert.equal((await second.client.ask(pap('alice', 'pw'))).kind, 'reply')
  assert.equal(from.size, 1)
  const third = await startRadiusClient(t, { servers: [{ ...options, timeoutMs: 5000 }] }, { shared })
  assert.equal((await third.client.ask(pap('alice', 'pw'))).kind, 'reply')
  assert.equal(from.size, 2)
  assert.equal(
    (await first.client.ask(pap('alice', 'pw'))).kind,
    'reply',
    'a call of the old config, while it lasts',
  )
  await second.plugin.host.stop()
  assert.deepEqual(await second.client.ask(pap('alice', 'pw')), {
    kind: 'unavailable',
    reason: 'the plugin is stopped',
  })
})

test('what comes from another port is dropped and said, even with the right octets', async t => {
  const stranger = createSocket('udp4')
  t.after(() => new Promise<void>(done => stranger.close(() => done())))
  const { options } = await udpServer(t, (reply, { port, address }) => stranger.send(reply, port, address))
  const { client, plugin } = await startRadiusClient(t, { servers: [options] })
  assert.equal((await client.ask(pap('alice', 'pw'))).kind, 'reply')
  const line = await until('a line', () => plugin.log.find(({ message }) => /wrong-source/.test(message)))
  assert.equal(line.fields.code, 'RADIUS_REPLY')
  assert.match(String(line.fields.from), /^127\.0\.0\.1 port \d+$/)
})

test('a server is known by its IPv6 address, however the config writes it', async t => {
  const { options } = await udpServer(t, () => {}, '::1')
  for (const address of ['::1', '0:0:0:0:0:0:0:1', '::0001', '::0.0.0.1']) {
    const { client } = await startRadiusClient(t, { servers: [{ ...options, address, timeoutMs: 2000 }] })
    assert.equal((await client.ask(pap('alice', 'pw'))).kind, 'reply', address)
  }
})

test('no secret and no password gets into a log or a reason', async t => {
  const { options } = await udpServer(t)
  const servers = [
    { ...options, secret: 'hunter2', timeoutMs: 300, probeMs: 50, requireMessageAuthenticator: false },
  ]
  const { client, plugin } = await startRadiusClient(t, { servers })
  const outcome = await client.ask(pap('alice', 'tr0ub4dor'))
  assert.equal(outcome.kind, 'unavailable')
  const text = inspect([outcome, plugin.log], { depth: 9 })
  assert.doesNotMatch(text, /hunter2|tr0ub4dor/)
})

test('a pool that is not there, and the pools that are', async t => {
  const { options } = await udpServer(t)
  const pools = [
    { name: 'staff', servers: [options] },
    { name: 'guests', servers: [options] },
  ]
  const { client } = await startRadiusClient(t, { pools })
  assert.deepEqual(client.pools, ['staff', 'guests'])
  assert.equal((await client.ask({ ...pap('alice', 'pw'), pool: 'guests' })).kind, 'reply')
  const outcome = await client.ask({ ...pap('alice', 'pw'), pool: 'others' })
  assert.deepEqual(outcome, { kind: 'unavailable', reason: 'there is no pool others' })
})
