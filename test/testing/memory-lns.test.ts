/** The in-memory LNS and its scripted clients, as the tests of a plugin use them. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { type AuthenticateVerdict, definePlugin, type Proof, type SessionInfo, z } from 'burrow'
import { ipv4Packet, startMemoryLns } from 'burrow/testing'

const HB = { user: 'hb@hb', password: 'admin@123' }
/** Of admin@123, at the default cost: some 100 ms. */
const HASH = '$scrypt$ln=15,r=8,p=1$hMzBKJ9G0BNSaLyg/rEMxw$oeDZQlHQzgZZc+HQ5bIytjWfNsyFXfWeu8WGMEJtcls'

type Answer = AuthenticateVerdict | undefined

/** A plugin that authenticates as a test says. */
const authenticator = (
  decide: (user: string, proof: Proof, signal: AbortSignal) => Answer | Promise<Answer>,
  name = 'own-auth',
) =>
  definePlugin({
    name,
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authenticate.tapPromise(name, async ({ user, proof, signal }) => decide(user, proof, signal))
    },
  })

const accept = (user: string): Answer => ({ kind: 'accept', user })

for (const method of ['pap', 'chap'] as const) {
  test(`without a config it serves the reference scenario: ${method}`, async t => {
    const lns = await startMemoryLns(t)
    const call = await lns.dialUp({ ...HB, method })
    assert.equal(call.address, '172.16.1.51')
    assert.equal(call.gatewayAddress, '172.16.1.1')
    assert.ok(await call.reaches('192.168.1.1'))
    assert.ok(await call.reaches('192.168.1.1', { protocol: 'tcp', port: 80 }))
    assert.ok(await lns.reaches(call, '192.168.1.1', { protocol: 'udp', port: 53 }))
    assert.ok(!(await call.reaches('8.8.8.8')), 'no zone')
    assert.ok(!(await call.reaches('192.168.1.1', { source: '172.16.1.52' })), 'spoofed')
    assert.ok(!(await lns.reaches(call, '8.8.8.8')))
    assert.deepEqual(
      lns.sessions().map(({ user, address, peer }) => [user, address, peer.split(':')[0]]),
      [['hb@hb', '172.16.1.51', '198.51.100.7']],
    )
    await call.hangUp()
    assert.deepEqual(lns.sessions(), [])
    assert.deepEqual(
      lns.events.map(({ kind }) => kind),
      ['tunnelUp', 'sessionUp', 'sessionDown', 'tunnelDown'],
    )
  })
}

test('packets are seen on either side as they are', async t => {
  const lns = await startMemoryLns(t)
  const call = await lns.dialUp(HB)
  const out = ipv4Packet({ source: call.address, destination: '192.168.1.1', protocol: 'udp', port: 9 })
  const back = ipv4Packet({ source: '192.168.1.1', destination: call.address })
  assert.ok(await call.reaches('192.168.1.1'))
  assert.deepEqual(lns.received(), [], 'what was looked for is not left behind')
  await call.send(out, out)
  await lns.send(back)
  assert.deepEqual(lns.received(), [out, out])
  assert.deepEqual(call.received(), [back])
  assert.deepEqual(lns.received(), [])
})

test('a refusal tells what the client was told, and the log why', async t => {
  const lns = await startMemoryLns(t)
  const call = await lns.dial({ ...HB, password: 'wrong', method: 'pap' })
  assert.equal(call.kind, 'refused')
  assert.equal(call.code, 'DIAL_AUTH')
  assert.equal(call.reason.cause, 'auth-failed')
  assert.equal(lns.log.find(({ fields }) => fields.user === 'hb@hb')?.fields.reason, 'wrong password')
  await assert.rejects(lns.dialUp({ ...HB, password: 'wrong' }), /DIAL_AUTH/)
  assert.deepEqual(lns.sessions(), [])
})

test('many clients dial at once, from one address and from many', async t => {
  const everybody = authenticator(accept)
  const lns = await startMemoryLns(t, { plugins: [everybody] })
  const names = Array.from({ length: 20 }, (_, index) => index)
  const calls = await Promise.all(
    names.map(index =>
      lns.dialUp({ user: `user${index}`, password: 'any', from: `198.51.100.${index % 3}`, method: 'pap' }),
    ),
  )
  assert.equal(new Set(calls.map(({ address }) => address)).size, names.length)
  assert.deepEqual(
    await Promise.all(calls.map(call => call.reaches('192.168.1.1'))),
    names.map(() => true),
  )
  await Promise.all(calls.map(call => call.hangUp()))
  assert.deepEqual(lns.sessions(), [])
})

test('a config names plugins of ours and of the test, with options, secrets and files beside it', async t => {
  const greeting = definePlugin({
    name: 'greeting',
    config: z.strictObject({ dns: z.string() }),
    setup({ hooks }, { dns }) {
      hooks.authorize.tap('greeting', grant => ({ ...grant, dns: [dns] }))
    },
  })
  const lns = await startMemoryLns(t, {
    yaml: `
listen: [203.0.113.1, 203.0.113.2:1702]
gatewayAddress: 10.0.0.1
secrets: [{ name: branches, secretFile: secret }]
plugins:
  - auth-local: { usersFile: users.yaml }
  - greeting: { dns: 9.9.9.9 }
  - address-pool: { pools: { main: { ranges: [10.0.0.0/24] } } }
`,
    files: { secret: 'between us\n', 'users.yaml': '- { user: ann, password: right horse }\n' },
    plugins: [greeting],
  })
  const ann = { user: 'ann', password: 'right horse' }
  const call = await lns.dialUp({ ...ann, tunnelSecret: 'between us', to: '203.0.113.2' })
  assert.deepEqual(call.dns, ['9.9.9.9'])
  const stranger = await lns.dial({ ...ann, tunnelSecret: 'something else' })
  assert.equal(stranger.kind === 'refused' && stranger.code, 'DIAL_AUTH')
  assert.throws(() => lns.place({ ...ann, to: '203.0.113.9' }), RangeError)
})

test('the config of an example is served as it is', async t => {
  const config = new URL('../../../examples/01-reference/burrow.yaml', import.meta.url).pathname
  const seen: string[] = []
  const silent = definePlugin({
    name: 'accounting-file',
    config: z.looseObject({}),
    setup({ hooks }) {
      hooks.sessionDown.tap('seen', ({ session }) => void seen.push(session.user ?? ''))
    },
  })
  const lns = await startMemoryLns(t, { config, plugins: [silent] })
  const call = await lns.dialUp(HB)
  assert.ok(await call.reaches('192.168.1.7'))
  await call.hangUp()
  assert.deepEqual(seen, ['hb@hb'], 'the plugin of the test stood in for the one of the same name')
})

test('what is wrong with a config is the error of `burrow serve`', async t => {
  const yaml = (plugin: string) => `gatewayAddress: 10.0.0.1\nplugins:\n  - ${plugin}\n`
  await assert.rejects(startMemoryLns(t, { yaml: yaml('auth-locl') }), { code: 'PLUGIN_UNKNOWN' })
  await assert.rejects(startMemoryLns(t, { yaml: yaml('auth-local: { user: x }') }), {
    code: 'PLUGIN_OPTIONS',
  })
  const demanding = definePlugin({
    name: 'demanding',
    config: z.strictObject({ realm: z.string() }),
    setup() {},
  })
  await assert.rejects(startMemoryLns(t, { plugins: [demanding] }), { code: 'PLUGIN_OPTIONS' })
})

test('a client that hangs up during the decision aborts it, and leaves nothing', async t => {
  let aborted: AbortSignal | undefined
  const slow = authenticator(
    (_user, _proof, signal) =>
      new Promise<Answer>(resolve => {
        aborted = signal
        signal.addEventListener('abort', () => resolve(undefined))
      }),
  )
  const lns = await startMemoryLns(t, { plugins: [slow] })
  const placed = lns.place({ ...HB, password: 'wrong' })
  await lns.clock.until('the plugin is asked', () => aborted !== undefined)
  placed.hangUp()
  const outcome = await lns.clock.settled('the call is over', placed.outcome)
  assert.equal(outcome.kind === 'refused' && outcome.reason.cause, 'local-hangup')
  assert.equal(aborted?.aborted, true)
  await lns.clock.advance(1000)
  assert.deepEqual(lns.sessions(), [])
})

test('a client that keeps its password back is waited for, and not for ever', async t => {
  const asked: string[] = []
  const watching = authenticator(user => {
    asked.push(user)
    return undefined
  })
  const lns = await startMemoryLns(t, { plugins: [watching] })
  for (const method of ['pap', 'chap'] as const) {
    const placed = lns.place({ ...HB, method, holdPassword: true })
    await lns.clock.advance(2000)
    assert.deepEqual(asked.splice(0), [])
    placed.authenticate()
    const call = await lns.clock.settled('the call', placed.outcome)
    assert.deepEqual([call.kind, asked.splice(0)], ['up', ['hb@hb']])
    if (call.kind === 'up') await call.hangUp()
  }
  const never = lns.place({ ...HB, holdPassword: true })
  const outcome = await lns.clock.settled('the server gives up', never.outcome)
  assert.equal(outcome.kind, 'refused')
  assert.deepEqual(asked, [])
})

test('a client that vanishes is noticed by its silence', async t => {
  const ended: string[] = []
  const sink = definePlugin({
    name: 'sink',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.sessionDown.tap('sink', ({ reason }) => void ended.push(reason.cause))
    },
  })
  const lns = await startMemoryLns(t, { plugins: [sink] })
  const call = await lns.dialUp(HB)
  call.cut()
  assert.equal(lns.sessions().length, 1)
  await lns.clock.until('the server notices', () => lns.sessions().length === 0, 300_000)
  assert.deepEqual(ended, ['retransmit-exhausted'], 'a HELLO that nobody acknowledged')
  const placed = lns.place(HB)
  placed.cut()
  const outcome = await lns.clock.settled('the client gives up', placed.outcome)
  assert.equal(outcome.kind === 'refused' && outcome.code, 'DIAL_TIMEOUT')
})

test('the server is stopped, started and crashed under its clients', async t => {
  const lns = await startMemoryLns(t)
  const first = await lns.dialUp(HB)
  await lns.stop()
  assert.equal((await lns.clock.settled('the end', first.ended)).cause, 'peer-hangup')
  await lns.start()
  const second = await lns.dialUp({ ...HB, from: '198.51.100.8' })
  assert.ok(await lns.reaches(second, '192.168.1.1'))
  await lns.crash()
  assert.deepEqual(lns.sessions(), [])
  await lns.start()
  assert.notEqual((await lns.clock.settled('the end', second.ended)).cause, 'peer-hangup')
  assert.ok(await (await lns.dialUp({ ...HB, from: '198.51.100.9' })).reaches('192.168.1.1'))
})

test('virtual time waits for a file, a hash, a program and another server, and for nothing that is not there', async t => {
  const server = createServer((_request, response) => setTimeout(() => response.end('yes'), 100))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const outside = authenticator(async user => {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', 'console.log("yes")'])
    const answer = await (await fetch(`http://127.0.0.1:${port}`)).text()
    return stdout.trim() === 'yes' && answer === 'yes' ? accept(user) : undefined
  })
  const lns = await startMemoryLns(t, { plugins: [outside] })
  await lns.dialUp({ user: 'anyone', password: 'any' })
  assert.ok(lns.clock.now() < 1000, `${lns.clock.now()} virtual ms`)

  const hashed = await startMemoryLns(t, {
    yaml: `
gatewayAddress: 10.0.0.1
ppp: { auth: [pap] }
plugins:
  - auth-local: { users: [{ user: hb@hb, passwordHash: "${HASH}" }] }
  - address-pool: { pools: { main: { ranges: [10.0.0.0/24] } } }
  - policy-zones
  - accounting-file: { file: records.jsonl, sync: each }
`,
  })
  await (await hashed.dialUp(HB)).hangUp()
  assert.ok(hashed.clock.now() < 1000, `${hashed.clock.now()} virtual ms`)
  assert.deepEqual(
    hashed.log.filter(({ level }) => level === 'error' || level === 'warn').map(({ message }) => message),
    [],
  )

  const startedAt = performance.now()
  const hung = await startMemoryLns(t, {
    plugins: [authenticator(() => new Promise<Answer>(() => {}))],
    patienceMs: 60_000,
  })
  assert.equal((await hung.dial(HB)).kind, 'refused')
  assert.ok(hung.clock.now() >= 45_000, 'the deadline of the plugin passed')
  assert.ok(performance.now() - startedAt < 10_000, 'in no time')
})

test('a plugin that waits for a connection without end is waited for, and then given up', async t => {
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const waiting = authenticator(async (user, _proof, signal) => {
    await fetch(`http://127.0.0.1:${port}`, { signal }).catch(() => {})
    return accept(user)
  })
  const lns = await startMemoryLns(t, { plugins: [waiting], patienceMs: 50 })
  assert.equal((await lns.dial(HB)).kind, 'refused')
  assert.ok(lns.clock.now() >= 45_000, 'the deadline of the plugin passed')
})

test('a plugin may ask the server about the sessions that are in', async t => {
  let sessionsOf: (user: string) => readonly SessionInfo[] = () => []
  const asking = definePlugin({
    name: 'asking',
    config: z.strictObject({}),
    setup({ server }) {
      sessionsOf = user => server.sessionsOf(user)
    },
  })
  const lns = await startMemoryLns(t, { plugins: [asking] })
  const call = await lns.dialUp(HB)
  assert.equal(sessionsOf('hb@hb').length, 1)
  await call.hangUp()
  assert.equal(sessionsOf('hb@hb').length, 0)
})
