import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { SharedResources } from '../../core/plugin/shared.ts'
import { addressAllocatorContract } from '../../core/testing/contracts/address-allocator.ts'
import { authenticatorContract } from '../../core/testing/contracts/authenticator.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { papProof } from '../../core/testing/proofs.ts'
import { anEnd, aSession } from '../../core/testing/samples.ts'
import hookHttp from '../../plugins/hook-http/index.ts'
import { gate } from '../support/gate.ts'
import { until } from '../support/until.ts'
import { answerLease, type Leases } from './programs/leases.ts'
import { type Answer, accept, codes, kindOf, login, service, start, status } from './programs/service.ts'

authenticatorContract({
  name: 'hook-http',
  make: async t => {
    const { url } = await service(t, ({ user, proof }) => {
      if (user !== 'hb@hb') return {}
      return proof?.password === 's3cret'
        ? { kind: 'accept', user }
        : { kind: 'reject', reason: 'bad credentials' }
    })
    return start(t, url)
  },
  user: 'hb@hb',
  secret: 's3cret',
  prove: papProof,
  unknown: 'pass',
})

const leasesOf = new WeakMap<SharedResources, Leases>()

addressAllocatorContract({
  name: 'hook-http with an allocator behind it',
  capacity: 4,
  make: async (t, shared) => {
    const leases = (shared && leasesOf.get(shared)) ?? {}
    if (shared !== undefined) leasesOf.set(shared, leases)
    const { url } = await service(t, call => answerLease(leases, 4, call))
    const options = { url, hooks: ['assignAddress'], connections: 1 }
    return startPlugin(t, hookHttp, { options, ...(shared === undefined ? {} : { shared }) })
  },
})

test('a call is a POST of JSON with the headers of the options, and its id as Idempotency-Key', async t => {
  const { url, calls } = await service(t, accept)
  const plugin = await start(t, url, { headers: { Authorization: 'Bearer abc', 'X-Site': 'one' } })
  assert.deepEqual((await login(plugin)).verdict, { kind: 'accept', user: 'hb@hb' })
  const [{ call, request } = assert.fail()] = calls
  assert.equal(request.method, 'POST')
  assert.equal(request.url, '/burrow?token=in-the-query')
  const { headers } = request
  assert.deepEqual(
    [headers.authorization, headers['x-site'], headers['content-type'], headers.accept],
    ['Bearer abc', 'one', 'application/json', 'application/json'],
  )
  assert.equal(headers['idempotency-key'], call.id)
  assert.equal(call.proof?.password, 'hunter2')
})

test('no secret of the options or of a call gets into a log, a fault or a trail', async t => {
  const { url } = await service(t, (_, response, { headers }) => {
    response.setHeader('content-type', 'application/json').end(`no JSON: hunter2 ${headers.authorization}`)
  })
  const plugin = await start(t, url, { headers: { Authorization: 'Bearer abc' }, breakerFailures: 1 })
  const said = await login(plugin)
  await plugin.host.stop()
  const text = inspect([said, plugin.log, plugin.faults], { depth: 12 })
  for (const secret of ['hunter2', 'Bearer', 'in-the-query']) assert.ok(!text.includes(secret), text)
})

for (const [what, answer, code] of [
  ['status 500', status(500), 'HOOK_FAILED'],
  ['status 401', status(401), 'HOOK_FAILED'],
  [
    'no JSON',
    (_, response) => void response.setHeader('content-type', 'application/json').end('{'),
    'HOOK_ANSWER',
  ],
  ['no content type', (_, response) => void response.end('{"kind":"accept","user":"x"}'), 'HOOK_ANSWER'],
  ['a body that is too long', () => ({ kind: 'reject', reason: 'x'.repeat(2000) }), 'HOOK_ANSWER'],
] as const satisfies readonly (readonly [string, Answer, string])[]) {
  test(`a service that answers with ${what} is a fault: ${code}, and is not asked again`, async t => {
    const { url, calls } = await service(t, answer)
    const plugin = await start(t, url, { maxResponseBytes: 1000 })
    assert.equal(await kindOf(login(plugin)), 'unavailable')
    assert.deepEqual(codes(plugin), [code])
    assert.equal(calls.length, 1)
  })
}

test('a body without an end is cut off', async t => {
  const { url, sockets } = await service(t, (_, response) => {
    response.setHeader('content-type', 'application/json')
    const more = () => void (response.destroyed || response.write('x'.repeat(65_536), more))
    more()
  })
  const plugin = await start(t, url)
  assert.equal(await kindOf(login(plugin)), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_ANSWER'])
  await until('the end of the connection', () => sockets.size === 0)
})

test('a redirect is not followed: a password goes where the operator said, and nowhere else', async t => {
  const elsewhere = await service(t, accept)
  for (const code of [301, 302, 303, 307, 308]) {
    const { url } = await service(
      t,
      (_, response) => void response.writeHead(code, { location: elsewhere.url }).end(),
    )
    const plugin = await start(t, url)
    assert.equal(await kindOf(login(plugin)), 'unavailable')
    assert.deepEqual(codes(plugin), ['HOOK_FAILED'])
  }
  assert.equal(elsewhere.calls.length, 0)
})

for (const [what, answer] of [
  ['204', status(204)],
  ['an empty body', status(200)],
  ['null', () => null],
  ['{}', () => ({})],
] as const satisfies readonly (readonly [string, Answer])[]) {
  test(`a service passes with ${what}`, async t => {
    const { url } = await service(t, answer)
    const plugin = await start(t, url)
    assert.equal(await kindOf(login(plugin)), undefined)
    assert.deepEqual(plugin.faults, [])
  })
}

test('observers are told, and nothing that comes back is read', async t => {
  const { url, calls } = await service(t, (_, response) => void response.end('<html>thanks</html>'))
  const plugin = await start(t, url, { hooks: ['sessionDown'] })
  await plugin.host.hooks.tell('sessionDown', anEnd(aSession()))
  assert.equal(calls[0]?.call.hook, 'sessionDown')
  assert.deepEqual(plugin.faults, [])
})

test('calls one after the other share a connection; many at once have so many as allowed, and the rest wait or fail', async t => {
  const { opened, open } = gate()
  const { url, calls, connections } = await service(t, async call => {
    if (call.user === 'held') await opened
    return accept(call)
  })
  const plugin = await start(t, url, { connections: 2, waitingCalls: 1 })
  for (let index = 0; index < 5; index++) assert.equal(await kindOf(login(plugin)), 'accept')
  assert.equal(connections(), 1)

  const held = [1, 2, 3].map(() => kindOf(login(plugin, 'held')))
  await until('both', () => calls.length === 7)
  assert.equal(await kindOf(login(plugin, 'one too many')), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_BUSY'])
  open()
  assert.deepEqual(await Promise.all(held), ['accept', 'accept', 'accept'])
  assert.equal(connections(), 2)
})

test('an answer of no use keeps its connection', async t => {
  const { url, connections } = await service(
    t,
    (_, response) => void response.writeHead(404).end('no such page'),
  )
  const plugin = await start(t, url)
  await login(plugin)
  await login(plugin)
  assert.equal(connections(), 1)
})

test('the request of a call that ended is cancelled', async t => {
  const { url, calls, sockets } = await service(t, () => undefined)
  const plugin = await start(t, url)
  const inquiry = new Inquiry()
  const asked = login(plugin, 'hb@hb', inquiry)
  await until('the request', () => calls.length === 1)
  inquiry.withdraw()
  assert.equal(await kindOf(asked), 'unavailable')
  await until('the end of the connection', () => sockets.size === 0)
  assert.equal(plugin.clock.pending, 0)
})

test('stop cancels every request, and closes every connection', async t => {
  const { url, calls, sockets } = await service(t, call => (call.user === 'held' ? undefined : accept(call)))
  const plugin = await start(t, url, { connections: 2 })
  const asked = ['held', 'held', 'waits'].map(user => kindOf(login(plugin, user)))
  await until('the requests', () => calls.length === 2)
  await plugin.host.stop()
  assert.deepEqual(await Promise.all(asked), Array(3).fill('unavailable'))
  await until('the end of the connections', () => sockets.size === 0)
  assert.equal(plugin.clock.pending, 0)
})

test('a lease that is released after the stop fails at once, and opens no connection', async t => {
  const { url, calls, connections } = await service(t, () => null)
  const plugin = await start(t, url)
  await plugin.host.stop()
  const lease = { owner: 'hook-http', kind: 'ipv4', value: '10.0.0.9', id: 'nine' } as const
  await assert.rejects(plugin.releaseLease(lease), { code: 'HOOK_FAILED' })
  assert.deepEqual([calls.length, connections()], [0, 0])
})

test('a lease that comes after its call ended is released', async t => {
  const { opened, open } = gate()
  const { url, calls } = await service(t, async call => {
    if (call.hook === 'assignAddress') await opened
    return call.hook === 'assignAddress' ? { kind: 'lease', value: '10.0.0.9', id: 'nine' } : null
  })
  const plugin = await start(t, url, { hooks: ['assignAddress'] })
  const inquiry = plugin.inquiry()
  const asked = plugin.assign(aSession(), { user: 'hb@hb' }, inquiry)
  await until('the call', () => calls.length === 1)
  inquiry.withdraw()
  assert.equal(typeof (await asked), 'string')
  open()
  await until('the release', () => calls.length === 2)
  assert.deepEqual(calls[1]?.call.lease, { kind: 'ipv4', value: '10.0.0.9', id: 'nine' })
})

for (const [what, options, at, code] of [
  ['passwords in clear text to another host', { url: 'http://192.0.2.1/' }, 'url', 'HOOK_HTTP'],
  ['a name that only looks like this host', { url: 'http://127.0.0.1.example.net/' }, 'url', 'HOOK_HTTP'],
  ['another scheme', { url: 'ftp://127.0.0.1/' }, 'url', 'HOOK_HTTP'],
  ['no URL', { url: 'hooks' }, 'url', 'HOOK_HTTP'],
  ['credentials in the url', { url: 'https://user:pw@127.0.0.1/' }, 'url', 'HOOK_HTTP'],
  ['a certificate without its key', { url: 'https://127.0.0.1/', certFile: 'a' }, 'certFile', 'HOOK_HTTP'],
  ['certificates without https', { url: 'http://127.0.0.1/', caFile: 'a' }, 'caFile', 'HOOK_HTTP'],
  [
    'a header of its own',
    { url: 'https://a/', headers: { 'Content-Length': '1' } },
    'headers.Content-Length',
    'PLUGIN_OPTIONS',
  ],
  ['two headers in one', { url: 'https://a/', headers: { A: 'b\r\nC: d' } }, 'headers.A', 'PLUGIN_OPTIONS'],
] as const) {
  test(`does not start with ${what}: ${code}`, async () => {
    const options_ = { hooks: ['authenticate'], ...options }
    await assert.rejects(loadPlugin(hookHttp, { options: options_ }), (error: BurrowError) => {
      assert.deepEqual([error.code, error.place.file], [code, `config at ${at}`])
      assert.ok(!error.message.includes('C: d') && !error.message.includes('pw@'), error.message)
      return true
    })
  })
}

test('http is for this host itself, or where the operator says that clear text is right', async () => {
  for (const options of [
    { url: 'http://localhost:1/' },
    { url: 'http://127.1.2.3:1/' },
    { url: 'http://[::1]:1/' },
    { url: 'http://192.0.2.1/', allowClearText: true },
    { url: 'https://192.0.2.1/' },
  ]) {
    await loadPlugin(hookHttp, { options: { hooks: ['authenticate'], ...options } })
  }
})
