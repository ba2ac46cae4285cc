/** `burrow connect` where it meets a person, and a network. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { joinByVeth, makeNetns, type Netns, skipWithoutNetns } from '../support/netns.ts'
import { start } from '../support/processes.ts'
import { serverFiles } from '../support/server-files.ts'
import { onTerminal } from '../support/terminal.ts'

const START_MS = 20_000

async function serve(netns: Netns, config: string) {
  const server = start([...BURROW, 'serve', '-c', config], { netns: netns.name })
  await server.says(/Burrow listens/, START_MS)
  return server
}

test('the password is asked for on the terminal and not shown there', { skip: skipWithoutNetns }, async t => {
  const netns = makeNetns(t)
  const server = await serve(netns, serverFiles(t).config)
  const terminal = onTerminal(t, [...BURROW, 'connect', '127.0.0.1', '--user', 'hb@hb', '--once'], {
    netns: netns.name,
  })
  await terminal.shows('password of hb@hb: ')
  terminal.type('wrong\u0015admin@12\u007f23\r')
  await terminal.shows('up: 172.16.1.2')
  assert.equal(await terminal.code, 0)
  assert.doesNotMatch(terminal.shown(), /admin|wrong/)
  await server.end()
})

test('Ctrl-C at the prompt gives up', { skip: skipWithoutNetns }, async t => {
  const netns = makeNetns(t)
  const terminal = onTerminal(t, [...BURROW, 'connect', '127.0.0.1', '--user', 'hb@hb'], {
    netns: netns.name,
  })
  await terminal.shows('password of hb@hb: ')
  terminal.type('adm\u0003')
  assert.equal(await terminal.code, 2)
  assert.match(terminal.shown(), /burrow: CREDENTIALS_MISSING/)
})

test('everything is routed into the tunnel but the tunnel itself, and put back at the end', {
  skip: skipWithoutNetns,
}, async t => {
  const [lns, client] = [makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: lns, device: 'outside', address: '2.2.2.2/24' },
    { netns: client, device: 'outside', address: '2.2.2.100/24' },
  )
  client.ip('route add default via 2.2.2.1')
  const before = client.exec('ip', 'route')
  const { config, passwordFile } = serverFiles(t, { listen: '2.2.2.2' })
  const server = await serve(lns, config)
  const words = [
    'connect',
    '2.2.2.2',
    '--user',
    'hb@hb',
    '--password-file',
    passwordFile,
    '--route',
    'default',
  ]
  const connection = start([...BURROW, ...words], { netns: client.name })
  await connection.says(/^up: /m, START_MS)
  assert.match(client.exec('ip', 'route', 'get', '8.8.8.8'), /dev burrow1/)
  assert.match(client.exec('ip', 'route', 'get', '2.2.2.2'), /dev outside/)
  assert.equal((await connection.end()).code, 0)
  assert.equal(client.exec('ip', 'route'), before)
  await server.end()
})

const HALF_IPSEC: readonly (readonly [what: string, words: readonly string[]])[] = [
  ['a key and a certificate', ['--ipsec-psk-env', 'PSK', '--ipsec-cert', 'client.pem']],
  ['a certificate without its key', ['--ipsec-cert', 'client.pem']],
  ['an identity that nothing proves', ['--ipsec-id', 'me']],
  ['a version of IKE that is none', ['--ipsec-psk-env', 'PSK', '--ipsec-ike', '3']],
]
for (const [what, words] of HALF_IPSEC) {
  test(`IPsec by ${what} is a usage error, before anybody is asked for a password`, {
    skip: skipWithoutNetns,
  }, async () => {
    const command = [...BURROW, 'connect', '127.0.0.1', '--user', 'hb@hb', ...words]
    const { code, stderr } = await start(command, { env: { PSK: 'secret' } }).ended
    assert.equal(code, 2)
    assert.match(stderr, /^burrow: USAGE: /)
  })
}

test('where there is no charon, a call inside of IPsec is not placed, and what to do is said', {
  skip: skipWithoutNetns,
}, async t => {
  const netns = makeNetns(t)
  const server = await serve(netns, serverFiles(t).config)
  const words = ['--user', 'hb@hb', '--password-env', 'SECRET', '--ipsec-psk-env', 'SECRET']
  const command = [...BURROW, 'connect', '127.0.0.1', ...words, '--ipsec-socket', '/nowhere/charon.vici']
  const { code, stderr } = await start(command, { netns: netns.name, env: { SECRET: 'admin@123' } }).ended
  assert.notEqual(code, 0)
  assert.match(stderr, /burrow: IPSEC_CHARON: [^\n]*\/nowhere\/charon\.vici[^\n]*\n.*strongswan-swanctl/)
  assert.doesNotMatch(server.stdout() + server.stderr(), /tunnel/)
  await server.end()
})
