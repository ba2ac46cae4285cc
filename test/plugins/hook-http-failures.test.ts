import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inquiry } from '../../core/hooks/guard.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { Breaker } from '../../plugins/hook-http/breaker.ts'
import { gate } from '../support/gate.ts'
import { until } from '../support/until.ts'
import { accept, codes, kindOf, login, PAUSING, service, start, status } from './programs/service.ts'

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

test('a service that fails is left alone for a while, then tried by one call, and asked again when that went well', async t => {
  let well = false
  const { opened, open } = gate()
  const { url, calls } = await service(t, async (call, response) => {
    if (!well) return void response.writeHead(503).end()
    if (call.user === 'probe') await opened
    return accept(call)
  })
  const plugin = await start(t, url, { retries: 0, breakerFailures: 3, breakerOpenMs: 1000, connections: 1 })
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
  const { url, calls, sockets } = await service(t, (call, response) => {
    if (call.user === 'odd') response.writeHead(500).end()
  })
  const plugin = await start(t, url, { retries: 0, breakerFailures: 1, timeoutMs: 100 })
  await login(plugin, 'odd')
  const inquiry = new Inquiry()
  const ended = login(plugin, 'ended', inquiry)
  await until('the request', () => calls.length === 2)
  inquiry.withdraw()
  await ended
  await until('the end of the connection', () => sockets.size === 0)
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
