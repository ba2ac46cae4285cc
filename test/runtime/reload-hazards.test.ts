/** What could go wrong beside a reload: other people of the same name, verifiers that are down, sinks with other options, bad timing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin, z } from 'burrow'
import { startMemoryLns } from 'burrow/testing'

const ANN = { user: 'ann', password: 'pw-of-ann', from: '198.51.100.1' }
const POOL = 'address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }'
const ZONES = 'policy-zones: { zones: { trust: [192.168.1.0/24] } }'
const AUTH = 'auth-local: { users: [{ user: ann, password: pw-of-ann }] }'
const yaml = (...plugins: readonly string[]) =>
  `listen: [2.2.2.2]\ngatewayAddress: 172.16.1.1\nplugins:\n${plugins.map(line => `  - ${line}\n`).join('')}`

test('somebody of the same name in another deployment is somebody else: who moves there by a reload is ended', async t => {
  const two = (hq: string, branches: string) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - deployment: { name: hq, when: { peer: ${hq} }, plugins: [${AUTH}] }
  - deployment: { name: branches, when: { peer: ${branches} }, plugins: [${AUTH}] }
  - ${POOL}
  - ${ZONES}
`
  const lns = await startMemoryLns(t, { yaml: two('198.51.100.0/24', '203.0.113.0/24') })
  const ann = await lns.dialUp(ANN)
  const { enforced } = await lns.reload(two('192.0.2.0/24', '198.51.100.0/24'), { enforce: true })
  assert.deepEqual(enforced, { stayed: 0, ended: 1, unclear: 0 })
  await lns.clock.settled('the end', ann.ended)
})

test('users of a verifier that is down stay, also where it passes on', async t => {
  let isDown = false
  const far = definePlugin({
    name: 'far',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authenticate.tap('far', ({ user, proof }) =>
        proof.verify('pw-of-ann') ? { kind: 'accept', user } : undefined,
      )
      hooks.revalidate.tap('far', () =>
        isDown ? { kind: 'unavailable', reason: 'it is down' } : { kind: 'accept' },
      )
    },
  })
  for (const onUnavailable of ['reject', 'next']) {
    isDown = false
    const text = yaml(`far: { onUnavailable: ${onUnavailable} }`, POOL, ZONES)
    const lns = await startMemoryLns(t, { yaml: text, plugins: [far] })
    await lns.dialUp(ANN)
    assert.deepEqual((await lns.reload(undefined, { enforce: true })).enforced?.unclear, 0)
    isDown = true
    const { enforced } = await lns.reload(undefined, { enforce: true })
    assert.deepEqual(enforced, { stayed: 1, ended: 0, unclear: 1 }, onUnavailable)
  }
})

const sink = (told: string[]) =>
  definePlugin({
    name: 'sink',
    config: z.strictObject({ to: z.string() }),
    setup({ hooks }, { to }) {
      hooks.sessionUp.tap('s', ({ session }) => void told.push(`${to}: start ${session.user}`))
      hooks.sessionDown.tap('s', ({ session }) => void told.push(`${to}: stop ${session.user}`))
    },
  })

test('a sink with other options is another sink: each sees whole sessions', async t => {
  const told: string[] = []
  const to = (name: string) => yaml(AUTH, POOL, ZONES, `sink: { to: ${name} }`)
  const lns = await startMemoryLns(t, { yaml: to('a'), plugins: [sink(told)] })
  const ann = await lns.dialUp(ANN)
  await lns.reload(to('b'), { enforce: true })
  await ann.hangUp()
  assert.deepEqual(told.sort(), ['a: start ann', 'a: stop ann', 'b: start ann', 'b: stop ann'])
})

/** Takes a second, of virtual time, for each tunnel when it is told to. */
const gatekeeper = () => {
  const gate = { isSlow: false, asked: 0 }
  const plugin = definePlugin({
    name: 'gatekeeper',
    config: z.strictObject({}),
    setup({ hooks, clock }) {
      hooks.admitTunnel.tapPromise('g', async () => {
        gate.asked++
        if (gate.isSlow) await new Promise<void>(resolve => clock.setTimer(1_000, resolve))
        return undefined
      })
    },
  })
  return { plugin, gate }
}

test('a tunnel that ends while it is looked at keeps no generation alive', async t => {
  const { plugin, gate } = gatekeeper()
  const stopped: string[] = []
  const life = definePlugin({
    name: 'life',
    config: z.strictObject({ of: z.string() }),
    setup: (_context, { of }) => ({ stop: () => void stopped.push(of) }),
  })
  const of = (name: string) => yaml('gatekeeper', AUTH, POOL, ZONES, `life: { of: ${name} }`)
  const lns = await startMemoryLns(t, { yaml: of('first'), plugins: [plugin, life] })
  const ann = await lns.dialUp(ANN)
  Object.assign(gate, { isSlow: true, asked: 0 })
  const reloaded = lns.reload(of('second'), { enforce: true })
  await lns.clock.until('the tunnel is looked at', () => gate.asked > 0)
  await Promise.all([ann.hangUp(), reloaded])
  gate.isSlow = false
  await lns.clock.advance(60_000)
  await lns.reload(of('third'))
  await lns.clock.advance(60_000)
  assert.deepEqual(stopped, ['first', 'second'])
})

test('a call that comes up while others are looked at passes on once', async t => {
  const { plugin, gate } = gatekeeper()
  const told: string[] = []
  const to = (name: string) => yaml('gatekeeper', AUTH, POOL, ZONES, `sink: { to: ${name} }`)
  const lns = await startMemoryLns(t, { yaml: to('a'), plugins: [plugin, sink(told)] })
  const first = []
  for (let host = 10; host < 16; host++) first.push(await lns.dialUp({ ...ANN, from: `198.51.100.${host}` }))
  const late = lns.place({ ...ANN, from: '198.51.100.2', holdPassword: true })
  await lns.clock.advance(5_000)
  Object.assign(gate, { isSlow: true, asked: 0 })
  const reloaded = lns.reload(to('b'), { enforce: true })
  await lns.clock.until('a tunnel is looked at', () => gate.asked > 0)
  late.authenticate()
  await lns.clock.until('it is up', () => lns.events.filter(({ kind }) => kind === 'sessionUp').length === 7)
  assert.ok(gate.asked < 7, 'in the middle of the look at tunnels')
  await reloaded
  await lns.clock.advance(1_000)
  for (const call of first) await call.hangUp()
  const second = await lns.clock.settled('the late call', late.outcome)
  assert.ok(second.kind === 'up')
  await second.hangUp()
  const count = (what: string) => told.filter(line => line === what).length
  assert.deepEqual(
    ['a: start ann', 'a: stop ann', 'b: start ann', 'b: stop ann'].map(count),
    [7, 7, 7, 7],
    told.join(', '),
  )
})

test('a server that is stopped while it reloads closes what the reload has opened', async t => {
  const told: string[] = []
  let onStart: () => void = () => {}
  const slow = definePlugin({
    name: 'slow',
    config: z.strictObject({ of: z.string() }),
    setup: ({ clock }, { of }) => ({
      start() {
        if (of === 'first') return undefined
        onStart()
        return new Promise<void>(resolve => clock.setTimer(3_000, resolve))
      },
      stop: () => void told.push(`stop ${of}`),
    }),
  })
  const of = (name: string) => yaml(AUTH, POOL, ZONES, `slow: { of: ${name} }`)
  const lns = await startMemoryLns(t, { yaml: of('first'), plugins: [slow] })
  let stopping: Promise<void> | undefined
  onStart = () => {
    stopping = lns.stop()
  }
  assert.equal(await lns.reload(of('second')).catch(error => error.code), 'RELOAD_STOPPING')
  await stopping
  assert.deepEqual(told, ['stop second', 'stop first'])
})

test('no secret that the config refers to is told at the boot, by a plugin that fails, nor in its log', async t => {
  const talks = definePlugin({
    name: 'talks',
    config: z.strictObject({ word: z.string(), fails: z.boolean() }),
    setup({ log, hooks }, { word, fails }) {
      if (fails) throw new Error(`cannot use ${word}`)
      log.warn({ word, error: new Error(`odd: ${word}`) }, `the word is ${word}`)
      hooks.admitTunnel.tap('t', () => {
        throw new Error(`no ${word}`, { cause: new Error(word) })
      })
    },
  })
  const files = { word: 'hunter2hunter2\n' }
  const text = (fails: boolean) => yaml(`talks: { word: !file word, fails: ${fails} }`)
  const boot = startMemoryLns(t, { yaml: text(true), files, plugins: [talks] })
  await assert.rejects(boot, error => {
    assert.ok(
      error instanceof Error &&
        !JSON.stringify([error.message, error.stack, String(error.cause)]).includes('hunter2'),
    )
    return true
  })
  const lns = await startMemoryLns(t, { yaml: text(false), files, plugins: [talks] })
  assert.equal((await lns.dial(ANN)).kind, 'refused')
  const { inspect } = await import('node:util')
  const said = inspect(lns.log, { depth: 10 })
  assert.ok(said.includes('the word is !file word') && !said.includes('hunter2'), said)
})
