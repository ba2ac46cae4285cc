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
    serve: async (...args: readonly string[]) => {
      const server = burrow('serve', '-c', config, ...args)
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
    explain: (...args: readonly string[]) => run([...BURROW, 'explain', '--socket', controlSocket, ...args]),
    tryOut: (password: string, ...args: readonly string[]) =>
      run([...BURROW, 'try', '-c', config, '-u', 'hb@hb', '--password-env', 'P', ...args], {
        env: { P: password },
      }),
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

test('either end takes the data plane that it is told to take, and says which', {
  skip: skipWithoutNetns,
}, async t => {
  const { serve, connect, netns } = scene(t)
  for (const [name, told] of [
    ['batches', /"stage":"worker","offloads":"none","msg":"data plane up"/],
    ['dgram', /"stage":"dgram","offloads":"none","msg":"data plane up"/],
    ['offloads-tcp', /"stage":"worker","offloads":"udp-gro udp-gso tun-tcp","msg":"data plane up"/],
  ] as const) {
    const server = await serve('--dataplane', name)
    assert.match(server.stderr(), told)
    const client = connect('--dataplane', name)
    await client.says(/{"event":"up".*}/, START_MS)
    assert.equal((await client.end()).code, 0)
    assert.equal((await server.end()).code, 0)
  }
  const unknown = await run([...BURROW, 'serve', '--dataplane', 'nonsense'], { netns: netns.name })
  assert.notEqual(unknown.code, 0)
  assert.match(unknown.stderr, /offloads, offloads-tcp, batches, dgram/)
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

test('why a call was let in or refused is explained, and a login is tried on the side', {
  skip: skipWithoutNetns,
}, async t => {
  const { serve, connect, explain, tryOut, sessions, netns, records } = scene(t)
  const server = await serve()
  const nobody = await explain('hb@hb')
  assert.equal(nobody.code, 1)
  assert.match(nobody.stderr, /^burrow: TRAIL_NOT_FOUND: .*"hb@hb".* since \d{4}-/m)

  await run([...BURROW, 'connect', '127.0.0.1', '--user', 'hb@hb', '--password-env', 'P', '--auth', 'pap'], {
    netns: netns.name,
    env: { P: 'guess#123' },
  })
  const refused = await explain('HB@hb')
  assert.equal(refused.code, 0)
  assert.match(refused.stdout, /^call +[0-9a-f]{16}: refused\nuser +hb@hb\nfrom +127\.0\.0\.1:\d+/)
  assert.match(refused.stdout, /authenticate +auth-local +reject +[\d.]+ +wrong password/)
  assert.match(refused.stdout, /refused in authenticate by auth-local \(reject\): wrong password\.$/m)
  assert.match(server.stderr(), /"trail":\["admitSession|"trail":\["authenticate auth-local reject/)

  const client = connect()
  await client.says(/"up"/, START_MS)
  const before = JSON.parse((await sessions('--json')).stdout)
  const right = await tryOut('admin@123')
  assert.equal(right.code, 0, right.stderr)
  assert.match(right.stdout, /^asked +the server behind .*control\.sock$/m)
  assert.match(right.stdout, /would be let in, as 172\.16\.1\.3\.$/m)
  assert.equal((await tryOut('guess#123', '--method', 'pap')).code, 4)
  const after = JSON.parse((await sessions('--json')).stdout)
  assert.deepEqual(
    after.map(({ id }: { id: string }) => id),
    before.map(({ id }: { id: string }) => id),
  )
  const { records: explained, found } = JSON.parse((await explain(before[0].id.slice(0, 8), '--json')).stdout)
  assert.deepEqual([found, explained[0].id, explained[0].outcome], [1, before[0].id, 'up'])
  assert.equal(JSON.parse((await explain('127.0.0.1', '--json', '--all')).stdout).found, 2)
  assert.equal(records().length, 1, 'one start')
  await client.end()
  const { stdout, stderr } = await server.end()
  assert.doesNotMatch(stdout + stderr, /guess#123|admin@123/)
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
