import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { SharedResources } from '../../core/plugin/shared.ts'
import { Breaker } from '../../plugins/hook-http/breaker.ts'
import hookHttp from '../../plugins/hook-http/index.ts'
import { addressAllocatorContract } from '../contracts/address-allocator.ts'
import { authenticatorContract } from '../contracts/authenticator.ts'
import { gate } from '../support/gate.ts'
import { anEnd, aSession, type Harness, loadPlugin, pap, startPlugin } from '../support/plugin-harness.ts'
import { until } from '../support/until.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { answerLease, type LeaseCall, type Leases } from './programs/leases.ts'

interface Call extends LeaseCall {
  readonly user?: string
  readonly proof?: { readonly password: string }
}
type Answer = (call: Call, response: ServerResponse, request: IncomingMessage) => unknown

/** A service on loopback; what `answer` returns is sent as JSON, unless it answered by itself. */
async function service(t: TestContext, answer: Answer) {
  const calls: { readonly call: Call; readonly request: IncomingMessage }[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server: Server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const call: Call = JSON.parse(text)
    calls.push({ call, request })
    const answered = await answer(call, response, request)
    if (response.headersSent || response.destroyed || answered === undefined) return
    response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(answered))
  })
  server.on('connection', socket => {
    connections++
    sockets.add(socket.on('close', () => sockets.delete(socket)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/burrow?token=in-the-query`,
    calls,
    sockets,
    connections: () => connections,
    server,
  }
}

const start = (t: TestContext, url: string, more: object = {}) =>
  startPlugin(t, hookHttp, { options: { url, hooks: ['authenticate'], ...more } })
const login = (plugin: Harness, user = 'hb@hb', inquiry?: Inquiry) =>
  plugin.authenticate(user, pap('hunter2'), inquiry)
const kindOf = async (asked: ReturnType<typeof login>) => (await asked).verdict?.kind
const codes = ({ faults }: Harness) => faults.map(({ error }) => (error as BurrowError).code)
const accept = ({ user }: Call) => ({ kind: 'accept', user })
/** Timers: the deadlines of the guard and of the call, and the pause before the next try. */
const PAUSING = 3
const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end()

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
  prove: pap,
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

for (const code of [502, 503, 504]) {
  test(`status ${code} is tried again after a moment, with the same id`, async t => {
    let failures = 2
    const { url, calls } = await service(t, (call, response) =>
      failures-- > 0 ? void response.writeHead(code).end() : accept(call),
    )
    const plugin = await start(t, url)
    const asked = login(plugin)
    await until('the pause', () => calls.length === 1 && plugin.clock.pending === PAUSING)
    await plugin.clock.advance(49)
    assert.equal(calls.length, 1)
    await plugin.clock.advance(51)
    await until('the next pause', () => calls.length === 2 && plugin.clock.pending === PAUSING)
    await plugin.clock.advance(200)
    assert.equal(await kindOf(asked), 'accept')
    assert.equal(new Set(calls.map(({ call }) => call.id)).size, 1)
    assert.equal(new Set(calls.map(({ request }) => request.headers['idempotency-key'])).size, 1)
    assert.deepEqual(plugin.faults, [])
  })
}

test('a connection that breaks is tried again, and after the last time it is a fault', async t => {
  const { url, calls } = await service(t, (_, response) => void response.destroy())
  const plugin = await start(t, url, { retries: 1 })
  const asked = login(plugin)
  await until('the pause', () => calls.length === 1 && plugin.clock.pending === PAUSING)
  await plugin.clock.advance(100)
  assert.equal(await kindOf(asked), 'unavailable')
  assert.equal(calls.length, 2)
  assert.deepEqual(codes(plugin), ['HOOK_FAILED'])
})

test('an answer that breaks off within its body is tried again', async t => {
  let first = true
  const { url } = await service(t, (call, response) => {
    if (!first) return accept(call)
    first = false
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
    response.write('{"kind":', () => response.destroy())
    return undefined
  })
  const plugin = await start(t, url)
  const asked = login(plugin)
  await until('the pause', () => plugin.clock.pending === PAUSING)
  await plugin.clock.advance(100)
  assert.equal(await kindOf(asked), 'accept')
})

test('no try is made after the deadline', async t => {
  const { url, calls } = await service(t, status(503))
  const plugin = await start(t, url, { timeoutMs: 40 })
  const asked = login(plugin)
  await until('the pause', () => calls.length === 1 && plugin.clock.pending === PAUSING)
  await plugin.clock.advance(40)
  assert.equal(await kindOf(asked), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_TIMEOUT'])
  assert.equal(plugin.clock.pending, 0)
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

test('a service that fails is left alone for a while, then tried by one call, and asked again when that went well', async t => {
  let well = false
  const { opened, open } = gate()
  const { url, calls } = await service(t, async (call, response) => {
    if (!well) return void response.writeHead(503).end()
    if (call.user === 'probe') await opened
    return accept(call)
  })
  const plugin = await start(t, url, { retries: 0, breakerFailures: 3, breakerOpenMs: 1000 })
  for (let index = 0; index < 4; index++) assert.equal(await kindOf(login(plugin)), 'unavailable')
  assert.equal(calls.length, 3)
  assert.deepEqual(codes(plugin), ['HOOK_FAILED', 'HOOK_FAILED', 'HOOK_FAILED', 'HOOK_BREAKER_OPEN'])
  assert.deepEqual(
    plugin.log.map(({ level }) => level),
    ['error'],
  )

  await plugin.clock.advance(1000)
  await login(plugin)
  await login(plugin)
  assert.equal(calls.length, 4, 'it failed again: left alone again, which is no news')
  assert.equal(plugin.log.length, 1)

  well = true
  await plugin.clock.advance(1000)
  const probe = kindOf(login(plugin, 'probe'))
  assert.equal(await kindOf(login(plugin)), 'unavailable', 'one call at a time')
  open()
  assert.equal(await probe, 'accept')
  assert.equal(await kindOf(login(plugin)), 'accept')
  assert.deepEqual(
    plugin.log.map(({ level }) => level),
    ['error', 'warn'],
  )
})

test('a call that waited for a connection fails at once when the service is left alone meanwhile', async t => {
  const { opened, open } = gate()
  const { url, calls } = await service(t, async (_, response) => {
    await opened
    response.writeHead(503).end()
  })
  const plugin = await start(t, url, { retries: 0, breakerFailures: 1, connections: 1 })
  const asked = [login(plugin), login(plugin)].map(kindOf)
  await until('the first', () => calls.length === 1)
  open()
  assert.deepEqual(await Promise.all(asked), ['unavailable', 'unavailable'])
  assert.deepEqual(codes(plugin), ['HOOK_FAILED', 'HOOK_BREAKER_OPEN'])
})

test('timeouts leave a service alone; answers of no use and calls that ended do not', async t => {
  const { url, calls } = await service(t, (call, response) => {
    if (call.user === 'odd') response.writeHead(500).end()
  })
  const plugin = await start(t, url, { retries: 0, breakerFailures: 1, timeoutMs: 100 })
  await login(plugin, 'odd')
  const inquiry = new Inquiry()
  const ended = login(plugin, 'ended', inquiry)
  await until('the request', () => calls.length === 2)
  inquiry.withdraw()
  await ended
  const late = login(plugin, 'late')
  await until('the request', () => calls.length === 3)
  await plugin.clock.advance(100)
  await late
  await login(plugin, 'refused')
  assert.deepEqual(codes(plugin), ['HOOK_FAILED', 'HOOK_TIMEOUT', 'HOOK_BREAKER_OPEN'])
})

test('a breaker counts failures in a row, and tries once more when the one that tried went away', async () => {
  const clock = new VirtualClock()
  const news: string[] = []
  const breaker = new Breaker({ clock, failures: 2, openMs: 10, onChange: state => news.push(state) })
  const pass = (health: 'well' | 'ill' | 'neither') => {
    const tell = breaker.enter()
    tell?.(health)
    return tell !== undefined
  }
  assert.deepEqual([pass('ill'), pass('well'), pass('ill'), pass('neither')], [true, true, true, true])
  const old = breaker.enter()
  assert.deepEqual([pass('ill'), pass('well')], [true, false])
  old?.('well')
  assert.ok(breaker.isOpen, 'a call from before says nothing')
  await clock.advance(10)
  assert.deepEqual([pass('neither'), pass('well'), pass('well')], [true, true, true])
  assert.deepEqual(news, ['open', 'closed'])
  const never = new Breaker({ clock, failures: 0, openMs: 10, onChange: () => assert.fail() })
  for (let index = 0; index < 5; index++) never.enter()?.('ill')
  assert.equal(never.isOpen, false)
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
