/** `burrow serve` and `burrow connect` as processes, in a network namespace. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { run, start } from '../support/processes.ts'
import { serverFiles } from '../support/server-files.ts'

const START_MS = 20_000

function scene(t: TestContext, options: Parameters<typeof serverFiles>[1] = {}) {
  const netns = makeNetns(t)
  const { config, controlSocket, passwordFile, records } = serverFiles(t, options)
  const burrow = (...args: readonly string[]) => start([...BURROW, ...args], { netns: netns.name })
  return {
    netns,
    records,
    serve: async () => {
      const server = burrow('serve', '-c', config)
      await server.says(
        /Burrow listens on .*\n.*npx burrow connect 127\.0\.0\.1 --user.*\n.*npx burrow sessions/,
        START_MS,
      )
      return server
    },
    tryToServe: () => burrow('serve', '-c', config).ended,
    connect: (...args: readonly string[]) =>
      burrow('connect', '127.0.0.1', '--user', 'hb@hb', '--password-file', passwordFile, '--json', ...args),
    sessions: (...args: readonly string[]) =>
      run([...BURROW, 'sessions', '--socket', controlSocket, ...args]),
  }
}

test('serve, connect, sessions, hang up, stop', { skip: skipWithoutNetns }, async t => {
  const { serve, connect, sessions, records } = scene(t)
  const server = await serve()
  assert.match((await sessions()).stdout, /^nobody is in/)
  const client = connect()
  const [up] = await client.says(/{"event":"up".*}/, START_MS)
  assert.equal(JSON.parse(up).localAddress, '172.16.1.2')
  const [row] = JSON.parse((await sessions('--json')).stdout)
  assert.deepEqual([row.user, row.address, row.phase], ['hb@hb', '172.16.1.2', 'established'])
  assert.match((await sessions()).stdout, /^hb@hb +172\.16\.1\.2 +127\.0\.0\.1:\d+/m)
  const hungUp = await client.end()
  assert.equal(hungUp.code, 0)
  assert.match(hungUp.stdout, /{"event":"down","cause":"local-hangup"/)
  const stopped = await server.end()
  assert.equal(stopped.code, 0)
  assert.deepEqual(
    records().map(({ event }) => event),
    ['start', 'stop'],
  )
})

test('a client ends with a code when the server stops', { skip: skipWithoutNetns }, async t => {
  const { serve, connect, records } = scene(t)
  const server = await serve()
  const client = connect()
  await client.says(/"up"/, START_MS)
  assert.equal((await server.end()).code, 0)
  const { code, stderr } = await client.ended
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: DIAL_FAILED/m)
  assert.equal(records().at(-1)?.cause, 'shutdown')
})

test('a wrong password has an exit code of its own', { skip: skipWithoutNetns }, async t => {
  const { serve, netns } = scene(t)
  const server = await serve()
  const { code, stderr } = await run(
    [...BURROW, 'connect', '127.0.0.1', '--user', 'hb@hb', '--password-env', 'WRONG'],
    {
      netns: netns.name,
      env: { WRONG: 'guess' },
    },
  )
  assert.equal(code, 4)
  assert.match(stderr, /^burrow: DIAL_AUTH/m)
  assert.match(server.stderr(), /"reason":"wrong password"/)
  await server.end()
})

test('a port in use is told, and nothing is left of the attempt', { skip: skipWithoutNetns }, async t => {
  const { serve, tryToServe, netns } = scene(t)
  const server = await serve()
  const { code, stderr } = await tryToServe()
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: PORT_IN_USE: .*1701/m)
  await server.end()
  assert.doesNotMatch(netns.exec('ip', 'link'), /burrow/)
  await (await serve()).end()
})

test('an address that is not ours is told', { skip: skipWithoutNetns }, async t => {
  const { code, stderr } = await scene(t, { listen: '192.0.2.9' }).tryToServe()
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: ADDRESS_NOT_LOCAL/m)
})

test('the sample users are not served where others can reach them', { skip: skipWithoutNetns }, async t => {
  const { code, stderr } = await scene(t, { listen: '0.0.0.0', sample: true }).tryToServe()
  assert.equal(code, 3)
  assert.match(stderr, /^burrow: SAMPLE_USERS_EXPOSED: .*burrow\.yaml:\d+/m)
})

test('a second signal ends at once, though a dead peer has not acknowledged', {
  skip: skipWithoutNetns,
}, async t => {
  const { serve, connect } = scene(t)
  const server = await serve()
  const client = connect()
  await client.says(/"up"/, START_MS)
  await client.end('SIGKILL')
  process.kill(server.pid, 'SIGTERM')
  await server.says(/stopping/)
  const signalledAt = performance.now()
  assert.equal((await server.end('SIGTERM')).code, 130)
  assert.ok(performance.now() - signalledAt < 2000)
})

test('nobody at the address is a timeout with its code', { skip: skipWithoutNetns }, async t => {
  const { code, stderr } = await scene(t).connect('--timeout', '1').ended
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: DIAL_TIMEOUT: .*127\.0\.0\.1:1701/m)
})
