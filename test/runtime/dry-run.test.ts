/** What would become of a login, asked of a server in memory: `burrow try` without the command. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { definePlugin, type Hooks, tapJson, z } from '../../core/index.ts'
import { PluginHost } from '../../core/plugin/host.ts'
import { dryRun } from '../../core/runtime/dry-run.ts'
import { Generations } from '../../core/runtime/generations.ts'
import {
  FakeServer,
  memoryLog,
  SeededRandom,
  settle,
  startMemoryLns,
  VirtualClock,
} from '../../core/testing/index.ts'

const HB = { user: 'hb@hb', password: 'admin@123' }

const plugin = (name: string, tap: (hooks: Hooks) => void) =>
  definePlugin({ name, config: z.strictObject({}), setup: ({ hooks }) => tap(hooks) })

const serve = (t: TestContext, ...taps: readonly ((hooks: Hooks) => void)[]) =>
  startMemoryLns(t, { plugins: taps.map((tap, index) => plugin(`p${index}`, tap)) })

for (const method of ['pap', 'chap', 'mschapv2'] as const) {
  test(`the right password by ${method} shows the trail, the grant, the address and the policy`, async t => {
    const lns = await serve(t)
    const result = await lns.dryRun({ ...HB, method, peer: '198.51.100.7' })
    assert.equal(result.outcome, 'accept')
    assert.deepEqual(
      result.entries.map(({ hook, plugin, verdict }) => `${hook} ${plugin} ${verdict}`),
      [
        'admitTunnel policy-zones pass',
        'authenticate auth-local accept',
        'assignAddress address-pool lease',
        'decidePolicy policy-zones changed',
      ],
    )
    assert.deepEqual(result.grant, { user: 'hb@hb', address: '172.16.1.51' })
    assert.deepEqual(result.lease, { owner: 'address-pool', kind: 'ipv4', value: '172.16.1.51' })
    assert.equal(result.policy?.zone, 'dmz')
    assert.equal(result.notes.length, method === 'mschapv2' ? 1 : 0)
    assert.doesNotMatch(inspect([result, lns.log], { depth: 9 }), /admin@123/)
  })

  test(`a wrong password by ${method} is refused, and slows nobody down`, async t => {
    const lns = await serve(t)
    for (let run = 0; run < 20; run++) {
      const startedAt = lns.clock.now()
      const { outcome, refusal, lease, answer } = await lns.dryRun({ ...HB, password: 'guess#1', method })
      assert.deepEqual([outcome, lease], ['refuse', undefined])
      assert.deepEqual(refusal, { by: 'authenticate', reason: 'wrong password' })
      assert.match(answer, /would be refused in authenticate by auth-local \(reject\): wrong password/)
      assert.equal(lns.clock.now(), startedAt)
    }
    const { entries } = await lns.dryRun({ ...HB, method })
    assert.ok(!entries.some(({ tap }) => tap === 'throttle'))
  })
}

test('nothing changes: no lease, no session, no record, no trail, and observers hear nothing', async t => {
  const told: string[] = []
  const observe = (hooks: Hooks) => {
    for (const hook of ['tunnelUp', 'tunnelDown', 'sessionUp', 'sessionUpdate', 'sessionDown'] as const)
      hooks[hook].tap('observer', () => void told.push(hook))
  }
  const lns = await serve(t, observe)
  const call = await lns.dialUp(HB)
  const before = inspect([lns.sessions(), told, lns.events.length, lns.kernelLog])
  const [record] = lns.explain('hb@hb')
  const result = await lns.dryRun(HB)
  assert.equal(result.outcome, 'accept')
  const lease = result.entries.find(({ verdict }) => verdict === 'lease')
  assert.match(lease?.reason ?? '', new RegExp(`session ${record?.id} .* would be ended`))
  assert.equal(inspect([lns.sessions(), told, lns.events.length, lns.kernelLog]), before)
  assert.equal(lns.explain('hb@hb').length, 1)
  assert.ok(await call.reaches('192.168.1.1'))
  assert.equal(lns.log.filter(({ message }) => message.startsWith('a login was tried')).length, 1)
})

test('the plugins of before a reload are kept while a login is being tried, and no longer', async () => {
  const clock = new VirtualClock()
  const { log } = memoryLog()
  const random = new SeededRandom(1)
  let answer = () => {}
  const slow = plugin('slow', hooks =>
    hooks.admitSession.tapPromise('slow', () => new Promise(resolve => (answer = () => resolve(undefined)))),
  )
  const generation = (number: number) => {
    const loaded = [{ plugin: slow, options: {}, id: 'slow', place: {} }]
    const host = new PluginHost(loaded, { clock, log, random, configDir: '/', server: new FakeServer() })
    return { number, host, deployments: [], defaultZone: 'dmz', interimIntervalS: 0 }
  }
  const unused: number[] = []
  const generations = new Generations(generation(1), ({ number }) => unused.push(number))
  const localAddressFor = async () => ({ address: '2.2.2.2', port: 1701 })
  const methods = ['pap'] as const
  const tried = dryRun({ generations, clock, random, log, methods, ipv6: false, localAddressFor }, HB)
  await settle()
  generations.begin(generation(2))
  assert.deepEqual(unused, [])
  answer()
  const result = await tried
  assert.deepEqual([result.outcome, result.generation], ['refuse', 1])
  assert.deepEqual(unused, [1])
})

test('taps are told, and what one leases for real is released at once', async t => {
  const seen: unknown[] = []
  const leased: string[] = []
  const allocator = definePlugin({
    name: 'allocator',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.admitTunnel.tap(
        'a',
        ({ dryRun, tunnel }) => void seen.push(dryRun, tunnel.peerHostName, tunnel.secretName),
      )
      hooks.admitSession.tap('a', ({ dryRun, session }) => void seen.push(dryRun, session.calledNumber))
      hooks.assignAddress.tap('a', ({ dryRun, session }) => {
        seen.push(dryRun, session.id.startsWith('dry-run-'))
        leased.push('172.16.1.77')
        return { kind: 'lease', value: '172.16.1.77', id: '1' }
      })
      hooks.decidePolicy.tap('a', () => ({ kind: 'deny', reason: 'closed' }))
      return { releaseLease: ({ value }) => void leased.splice(leased.indexOf(value), 1) }
    },
  })
  const lns = await startMemoryLns(t, { plugins: [allocator] })
  const result = await lns.dryRun({ ...HB, hostName: 'branch-1', secretName: 'branch', calledNumber: '42' })
  assert.deepEqual(seen, [true, 'branch-1', 'branch', true, '42', true, true])
  assert.deepEqual(leased, [])
  assert.equal(result.outcome, 'refuse')
  assert.equal(result.lease?.value, '172.16.1.77')
  assert.deepEqual(result.refusal, { by: 'decidePolicy', reason: 'closed' })
  seen.length = 0
  await lns.dial(HB)
  assert.ok(seen.includes(false) && !seen.includes(true), 'a real call is none')
})

test('who is asked in JSON is told as well, and hears nothing of it with a real call', async t => {
  const told: unknown[] = []
  const program = definePlugin({
    name: 'program',
    config: z.strictObject({}),
    setup: context =>
      tapJson(context, 'program', { hooks: ['authorize'], pools: {} }, async ({ request }) => {
        told.push(request.dryRun)
        return null
      }),
  })
  const lns = await startMemoryLns(t, { plugins: [program] })
  await lns.dryRun(HB)
  await lns.dialUp(HB)
  assert.deepEqual(told, [true, undefined])
})

test('a tunnel or call that would not be admitted ends there', async t => {
  const lns = await serve(t, hooks => {
    hooks.admitTunnel.tap('gate', ({ tunnel }) =>
      tunnel.path.remote.address === '192.0.2.66' ? { kind: 'deny', reason: 'not you' } : undefined,
    )
    hooks.admitSession.tap('gate', ({ session }) =>
      session.calledNumber === '66' ? { kind: 'deny', reason: 'not there' } : undefined,
    )
  })
  const tunnel = await lns.dryRun({ ...HB, peer: '192.0.2.66' })
  assert.deepEqual(tunnel.refusal, { by: 'admitTunnel', reason: 'not you' })
  const call = await lns.dryRun({ ...HB, calledNumber: '66' })
  assert.deepEqual(call.refusal, { by: 'admitSession', reason: 'not there' })
  assert.deepEqual(
    [...tunnel.entries, ...call.entries].map(({ hook, plugin, verdict }) => `${hook} ${plugin} ${verdict}`),
    ['admitTunnel p0 deny', 'admitTunnel p0 pass', 'admitTunnel policy-zones pass', 'admitSession p0 deny'],
  )
})

test('an exchange of several rounds goes on with what the user says next', async t => {
  const lns = await serve(t, hooks => {
    hooks.authenticate.tap('code', ({ user, proof, round, state }) => {
      if (round === 0) return { kind: 'continue', reply: 'Your code?', state: { for: user } }
      assert.deepEqual(state, { for: user })
      return proof.password() === '4711#'
        ? { kind: 'accept', user }
        : { kind: 'reject', reason: 'wrong code' }
    })
  })
  const first = await lns.dryRun({ ...HB, method: 'pap' })
  assert.deepEqual([first.outcome, first.message], ['continue', 'Your code?'])
  assert.match(first.answer, /p0 would ask hb@hb for more/)
  const { continued } = first
  assert.ok(continued)
  const said = (password: string) => lns.dryRun({ user: 'hb@hb', password, method: 'pap', continued })
  assert.equal((await said('4711#')).outcome, 'accept')
  assert.deepEqual((await said('1#')).refusal, { by: 'authenticate', reason: 'wrong code' })
})

test('a plugin that hangs costs its deadline, and one that tells the password is not repeated', async t => {
  const lns = await serve(t, hooks =>
    hooks.admitSession.tap('a', () => ({ kind: 'deny', reason: 'saw admin@123' })),
  )
  const { refusal } = await lns.dryRun({ ...HB, method: 'chap' })
  assert.equal(refusal?.reason, 'saw ***')
  const slow = await serve(t, hooks => hooks.authenticate.tapPromise('a', () => new Promise(() => {})))
  const late = await slow.dryRun(HB)
  assert.equal(late.outcome, 'refuse')
  assert.equal(late.entries.at(-1)?.ms, 45_000)
})

test('the deployment that would take the call is asked, and named', async t => {
  const lns = await startMemoryLns(t, {
    yaml: `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - deployment:
      name: hq
      when: { realm: hb }
      plugins:
        - auth-local: { users: [{ user: hb@hb, password: admin@123 }] }
        - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.9] } } }
  - auth-local: { users: [{ user: eve, password: admin@124 }] }
`,
  })
  const result = await lns.dryRun(HB)
  assert.deepEqual(
    [result.outcome, result.deployment, result.lease?.owner],
    ['accept', 'hq', 'hq/address-pool'],
  )
  const other = await lns.dryRun({ user: 'eve', password: 'admin@124' })
  assert.deepEqual(
    [other.outcome, other.deployment, other.refusal?.by],
    ['refuse', undefined, 'assignAddress'],
  )
})

test('EAP takes more than a password: it is refused by name, and passed over where the config asks for it first', async t => {
  const config = (auth: string) => `
gatewayAddress: 172.16.1.1
ppp: { auth: [${auth}] }
plugins:
  - auth-local: { users: [{ user: hb@hb, password: admin@123 }] }
`
  const refused = { code: 'USAGE', message: /EAP.*real client/ }
  const both = await startMemoryLns(t, { yaml: config('eap, mschapv2') })
  await assert.rejects(both.dryRun({ ...HB, method: 'eap' }), refused)
  assert.equal((await both.dryRun(HB)).method, 'mschapv2')
  await assert.rejects((await startMemoryLns(t, { yaml: config('eap') })).dryRun(HB), refused)
})

test('arguments that are none are USAGE, and none of their values is told', async t => {
  const lns = await serve(t)
  const wrong: readonly object[] = [
    { ...HB, peer: 'admin@123' },
    { ...HB, method: 'admin@123' },
    { ...HB, password: { admin: 'admin@123' } },
    { ...HB, more: 'admin@123' },
    { user: 'admin@123' },
  ]
  for (const args of wrong) {
    await assert.rejects(lns.dryRun(args as typeof HB), (error: Error) => {
      assert.equal('code' in error && error.code, 'USAGE')
      assert.doesNotMatch(error.message, /admin@123/)
      return true
    })
  }
})
