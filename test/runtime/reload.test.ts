/** A server that reads its config again while calls live, come and go; through the public surface alone. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BurrowError, definePlugin, type ErrorCode, z } from 'burrow'
import { type MemoryLns, startMemoryLns } from 'burrow/testing'

interface Setting {
  readonly users?: string
  readonly pool?: string
  readonly zones?: string
  readonly rules?: string
  readonly head?: string
  readonly more?: string
}

const USERS = '[{ user: ann, password: pw-of-ann }, { user: bob, password: pw-of-bob }]'

const yaml = ({
  users = USERS,
  pool = '172.16.1.2-172.16.1.100',
  zones = 'trust: [192.168.1.0/24]',
  rules = '',
  head = '',
  more = '',
}: Setting = {}) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
${head}
plugins:
  - auth-local: { users: ${users} }
  - address-pool: { pools: { main: { ranges: [${pool}] } } }
  - policy-zones: { zones: { ${zones} }${rules} }
${more}`

const ANN = { user: 'ann', password: 'pw-of-ann', from: '198.51.100.1' }
const BOB = { user: 'bob', password: 'pw-of-bob', from: '198.51.100.2' }

const started = (t: TestContext, setting?: Setting) => startMemoryLns(t, { yaml: yaml(setting) })

async function refused(run: Promise<unknown>): Promise<BurrowError> {
  try {
    await run
  } catch (error) {
    assert.ok(error instanceof BurrowError, String(error))
    return error
  }
  assert.fail('it was not refused')
}

test('what begins after a reload is served by the new config, what lives goes on', async t => {
  const lns = await started(t)
  const ann = await lns.dialUp(ANN)
  const { generation, untouched } = await lns.reload(
    yaml({ users: '[{ user: bob, password: new-pw-of-bob }]', pool: '172.16.2.2-172.16.2.9' }),
  )
  assert.deepEqual({ generation, untouched }, { generation: 2, untouched: 1 })
  assert.ok(await ann.reaches('192.168.1.1'), 'a user who is listed no more goes on')
  assert.equal((await lns.dial({ ...ANN, from: '198.51.100.9' })).kind, 'refused')
  assert.equal((await lns.dial(BOB)).kind, 'refused', 'the old password')
  const bob = await lns.dialUp({ ...BOB, password: 'new-pw-of-bob' })
  assert.match(bob.address, /^172\.16\.2\./)
  assert.ok(await bob.reaches('192.168.1.1'))
  assert.ok(await lns.reaches(ann, '192.168.1.1'))
  await ann.hangUp()
  assert.deepEqual(
    lns.sessions().map(({ user }) => user),
    ['bob'],
  )
})

for (const [what, text, code, line] of [
  ['is no YAML', 'plugins: [', 'CONFIG_SYNTAX', 1],
  ['has an unknown option', yaml({ head: 'nonsense: 1' }), 'CONFIG_INVALID', 4],
  ['has an unknown plugin', yaml({ more: '  - auth-locul' }), 'PLUGIN_UNKNOWN', 9],
  [
    'has a plugin twice',
    yaml({ more: '  - address-pool: { pools: { x: { ranges: [10.0.0.1] } } }' }),
    'PLUGIN_CONFLICT',
    9,
  ],
  ['names a pool that nobody declares', yaml({ zones: 'trust: ["pool:none"]' }), 'POLICY_INVALID', 8],
  ['listens elsewhere', yaml().replace('2.2.2.2', '3.3.3.3'), 'RELOAD_RESTART', 2],
  ['has another gateway', yaml().replace('172.16.1.1\n', '172.16.1.254\n'), 'RELOAD_RESTART', 3],
  ['has another device', yaml({ head: 'tun: { name: other0 }' }), 'RELOAD_RESTART', 4],
] as const satisfies readonly (readonly [string, string, ErrorCode, number])[]) {
  test(`a config that ${what} is refused at its line, and the old one goes on`, async t => {
    const lns = await started(t)
    const ann = await lns.dialUp(ANN)
    const error = await refused(lns.reload(text))
    assert.deepEqual([error.code, error.place.file, error.place.line], [code, lns.configFile, line])
    assert.ok(await ann.reaches('192.168.1.1'))
    assert.ok(await (await lns.dialUp(BOB)).reaches('192.168.1.1'))
    assert.equal((await lns.reload(yaml())).generation, 2, 'a good one is taken afterwards')
  })
}

test('a plugin that does not start leaves the old generation as it was, what they share included', async t => {
  const told: string[] = []
  let broken = false
  const port = definePlugin({
    name: 'port',
    config: z.strictObject({}),
    setup({ shared }) {
      const held = shared(
        'port',
        () => told.push('open'),
        () => void told.push('close'),
      )
      return {
        start() {
          told.push(`start ${held}`)
          if (broken) throw new Error('no more')
        },
        stop: () => void told.push('stop'),
      }
    },
  })
  const lns = await startMemoryLns(t, { yaml: yaml({ more: '  - port' }), plugins: [port] })
  const ann = await lns.dialUp(ANN)
  broken = true
  assert.deepEqual((await refused(lns.reload())).code, 'PLUGIN_START')
  broken = false
  assert.deepEqual(told, ['open', 'start 1', 'start 1', 'stop'])
  await lns.reload()
  await ann.hangUp()
  await lns.clock.advance(60_000)
  await lns.stop()
  assert.deepEqual(told.slice(4), ['start 1', 'stop', 'stop', 'close'])
})

test('no address is given twice while pools change and calls come and go', async t => {
  const pools = ['172.16.1.2-172.16.1.6', '172.16.1.4-172.16.1.9', '172.16.1.2-172.16.1.9']
  const users = Array.from({ length: 10 }, (_, i) => `{ user: u${i}, password: secret-${i} }`)
  const setting = (pool = pools[0]) => yaml({ users: `[${users}]`, ...(pool === undefined ? {} : { pool }) })
  const lns = await startMemoryLns(t, { yaml: setting() })
  const live = new Map<number, Awaited<ReturnType<MemoryLns['dialUp']>>>()
  // A fixed walk: every user comes and goes many times, over reloads of either kind.
  for (let step = 0; step < 120; step++) {
    const user = (step * 7) % 10
    const call = live.get(user)
    if (step % 8 === 5) {
      const { enforced } = await lns.reload(setting(pools[step % 3]), { enforce: step % 16 === 5 })
      assert.equal(enforced !== undefined, step % 16 === 5)
      const in_ = new Set(lns.sessions().map(({ address }) => address))
      for (const [key, { address }] of live) if (!in_.has(address)) live.delete(key)
    } else if (call === undefined) {
      const dialled = await lns.dial({
        user: `u${user}`,
        password: `secret-${user}`,
        from: `198.51.100.${user}`,
      })
      if (dialled.kind === 'up') live.set(user, dialled)
    } else {
      live.delete(user)
      await call.hangUp()
    }
    const addresses = lns.sessions().map(({ address }) => address)
    assert.equal(new Set(addresses).size, addresses.length, `step ${step}: ${addresses}`)
    assert.equal(addresses.length, live.size)
  }
  for (const call of live.values()) await call.hangUp()
  await lns.reload(setting(pools[2]))
  const all = []
  for (let user = 0; user < 8; user++)
    all.push(await lns.dialUp({ user: `u${user}`, password: `secret-${user}`, from: `198.51.100.${user}` }))
  assert.equal(new Set(all.map(({ address }) => address)).size, 8, 'every address is free again')
})

test('with --enforce, who may not stay is ended, and nobody else', async t => {
  const lns = await started(t)
  const [ann, bob] = [await lns.dialUp(ANN), await lns.dialUp(BOB)]
  const { enforced } = await lns.reload(yaml({ users: '[{ user: bob, password: other }]' }), {
    enforce: true,
  })
  assert.deepEqual(enforced, { stayed: 1, ended: 1, unclear: 0 })
  const { cause } = await lns.clock.settled('the end', ann.ended)
  assert.equal(cause, 'peer-hangup')
  const down = lns.events.filter(event => event.kind === 'sessionDown')
  assert.deepEqual(
    down.map(({ session, reason }) => [session.user, reason.cause]),
    [['ann', 'admin-reset']],
  )
  assert.ok(await bob.reaches('192.168.1.1'))
})

test('with --enforce, an address that the new pools would not give is no right to stay', async t => {
  const lns = await started(t)
  const ann = await lns.dialUp(ANN)
  const { enforced } = await lns.reload(yaml({ pool: '10.0.0.1-10.0.0.9' }), { enforce: true })
  assert.deepEqual(enforced, { stayed: 0, ended: 1, unclear: 0 })
  await lns.clock.settled('the end', ann.ended)
  assert.match((await lns.dialUp(ANN)).address, /^10\.0\.0\./)
})

const PRINTER =
  ', rules: [{ from: untrust, to: local, action: permit }, { from: dmz, to: trust, destination: 192.168.1.9, action: permit }]'

test('live sessions keep their rules, and get the new ones without a drop with --enforce', async t => {
  const lns = await started(t)
  const ann = await lns.dialUp(ANN)
  await lns.reload(yaml({ rules: PRINTER }))
  assert.ok(await ann.reaches('192.168.1.1'))
  const bob = await lns.dialUp(BOB)
  assert.ok(!(await bob.reaches('192.168.1.1')))
  assert.ok(await bob.reaches('192.168.1.9'))
  const { enforced } = await lns.reload(undefined, { enforce: true })
  assert.deepEqual(enforced, { stayed: 2, ended: 0, unclear: 0 })
  assert.ok(!(await ann.reaches('192.168.1.1')))
  assert.ok(await ann.reaches('192.168.1.9'))
  assert.equal(lns.events.filter(({ kind }) => kind === 'sessionUp').length, 2)
  assert.equal(lns.events.filter(({ kind }) => kind === 'sessionDown').length, 0)
})

test('with --enforce, the limits of a changed grant count from the beginning of the session', async t => {
  const lns = await started(t)
  const ann = await lns.dialUp(ANN)
  await lns.clock.advance(50_000)
  const users = '[{ user: ann, password: pw-of-ann, sessionTimeoutS: 60 }]'
  await lns.reload(yaml({ users }), { enforce: true })
  await lns.clock.advance(8_000)
  assert.equal(lns.sessions().length, 1)
  await lns.clock.advance(8_000)
  assert.equal(lns.sessions().length, 0)
  await ann.hangUp()
})

test('tunnels keep the secret that opened them; with --enforce those of another secret end', async t => {
  const secret = (text: string) => yaml({ head: `secrets: [{ name: branch, secret: ${text} }]` })
  const lns = await startMemoryLns(t, { yaml: secret('first-secret') })
  const ann = await lns.dialUp({ ...ANN, tunnelSecret: 'first-secret' })
  await lns.reload(secret('second-secret'))
  assert.ok(await ann.reaches('192.168.1.1'))
  assert.equal((await lns.dial({ ...BOB, tunnelSecret: 'first-secret' })).kind, 'refused')
  const bob = await lns.dialUp({ ...BOB, tunnelSecret: 'second-secret' })
  const { enforced } = await lns.reload(undefined, { enforce: true })
  assert.deepEqual(enforced, { stayed: 1, ended: 1, unclear: 0 })
  await lns.clock.settled('the end', ann.ended)
  assert.ok(await bob.reaches('192.168.1.1'))
})

/** Keeps what it is told, under the name of the option. */
const journal = (records: string[]) =>
  definePlugin({
    name: 'journal',
    config: z.strictObject({ label: z.string().default('j') }),
    setup({ hooks }, { label }) {
      hooks.sessionUp.tap('j', ({ session }) => void records.push(`${label} start ${session.user}`))
      hooks.sessionDown.tap('j', ({ session }) => void records.push(`${label} stop ${session.user}`))
    },
  })

test('every session has one start and one stop in each sink that saw it, whatever is reloaded', async t => {
  const records: string[] = []
  const plugins = [journal(records), { ...journal(records), name: 'second' }]
  const with_ = (...names: string[]) =>
    yaml({ more: names.map(name => `  - ${name}: { label: ${name} }`).join('\n') })
  const lns = await startMemoryLns(t, { yaml: with_('journal', 'second'), plugins })
  const ann = await lns.dialUp(ANN)
  await lns.reload(with_('second'))
  const bob = await lns.dialUp(BOB)
  assert.deepEqual(records.splice(0), ['journal start ann', 'second start ann', 'second start bob'])
  await lns.reload(with_('journal'), { enforce: true })
  assert.deepEqual(records.splice(0).sort(), ['journal start bob', 'second stop ann', 'second stop bob'])
  await ann.hangUp()
  await bob.hangUp()
  assert.deepEqual(records, ['journal stop ann', 'journal stop bob'])
})

test('generations are few: the sessions of the oldest pass on, and its plugins stop', async t => {
  const records: string[] = []
  const life = definePlugin({
    name: 'life',
    config: z.strictObject({ number: z.number() }),
    setup: (_context, { number }) => ({ stop: () => void records.push(`stop ${number}`) }),
  })
  const numbered = (number: number) => yaml({ more: `  - life: { number: ${number} }` })
  const lns = await startMemoryLns(t, { yaml: numbered(1), plugins: [life] })
  const calls = []
  for (let number = 1; number <= 6; number++) {
    if (number > 1) await lns.reload(numbered(number))
    const user = number % 2 === 0 ? ANN : BOB
    calls.push(await lns.dialUp({ ...user, from: `198.51.100.${number}` }))
  }
  await lns.clock.advance(0)
  assert.deepEqual(records, ['stop 1', 'stop 2'])
  for (const call of calls) assert.ok(await call.reaches('192.168.1.1'))
  assert.equal(new Set(calls.map(({ address }) => address)).size, 6)
  await calls[2]?.hangUp()
  await lns.clock.advance(60_000)
  assert.deepEqual(records, ['stop 1', 'stop 2', 'stop 3'])
  await lns.stop()
  assert.equal(new Set(records).size, 6)
})

test('a call that is being set up keeps its config, and is looked at when it is up', async t => {
  const lns = await started(t)
  const [placed, other] = [
    lns.place({ ...ANN, holdPassword: true }),
    lns.place({ ...BOB, holdPassword: true }),
  ]
  await lns.clock.advance(5_000)
  assert.equal(lns.sessions().length, 2)
  await lns.reload(yaml({ users: '[{ user: bob, password: changed }]' }), { enforce: true })
  placed.authenticate()
  other.authenticate()
  assert.equal((await lns.clock.settled('ann', placed.outcome)).kind, 'up')
  const bob = await lns.clock.settled('bob', other.outcome)
  await lns.clock.advance(5_000)
  assert.deepEqual(
    lns.sessions().map(({ user }) => user),
    ['bob'],
  )
  assert.ok(bob.kind === 'up' && (await bob.reaches('192.168.1.1')))
})

test('users of an authenticator that cannot tell stay with --enforce, and are counted', async t => {
  const knows = definePlugin({
    name: 'knows',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authenticate.tap('k', ({ user, proof }) =>
        proof.verify('let-me-in') ? { kind: 'accept', user } : undefined,
      )
    },
  })
  const lns = await startMemoryLns(t, { yaml: yaml({ more: '  - knows' }), plugins: [knows] })
  const eve = await lns.dialUp({ user: 'eve', password: 'let-me-in' })
  const first = await lns.reload(undefined, { enforce: true })
  assert.deepEqual(first.enforced, { stayed: 1, ended: 0, unclear: 1 })
  const second = await lns.reload(yaml(), { enforce: true })
  assert.deepEqual(second.enforced, { stayed: 0, ended: 1, unclear: 0 }, 'nobody is left who knew the user')
  await lns.clock.settled('the end', eve.ended)
})

test('the kernel routes the pools of now, and each address that lives outside of them', async t => {
  const lns = await started(t, { pool: '172.16.1.0/29' })
  const ann = await lns.dialUp(ANN)
  const before = lns.kernelLog.length
  await lns.reload(yaml({ pool: '10.9.0.0/24' }))
  await ann.hangUp()
  assert.deepEqual(lns.kernelLog.slice(before), [
    `add routes burrow0 10.9.0.0/24,${ann.address}/32`,
    'delete routes burrow0 172.16.1.0/29',
    `delete routes burrow0 ${ann.address}/32`,
  ])
})

test('reloads that come at once are made one after the other', async t => {
  const lns = await started(t)
  const reports = await Promise.all([lns.reload(), lns.reload(), lns.reload()])
  assert.deepEqual(
    reports.map(({ generation }) => generation),
    [2, 3, 4],
  )
})

test('what a plugin says of its options at a reload shows no secret that the config refers to', async t => {
  const told = definePlugin({
    name: 'told',
    config: z.strictObject({ word: z.string() }),
    setup: (_context, { word }) => ({
      start() {
        if (word !== 'harmless') throw new Error(`cannot start with ${word}`)
      },
    }),
  })
  const more = (word: string) => yaml({ more: `  - told: { word: ${word} }` })
  const lns = await startMemoryLns(t, {
    yaml: more('harmless'),
    files: { word: 'hunter2hunter2\n' },
    plugins: [told],
  })
  const error = await refused(lns.reload(more('!file word')))
  assert.equal(error.code, 'PLUGIN_START')
  assert.ok(!error.message.includes('hunter2') && error.message.includes('!file word'), error.message)
})

test('the trail of a call tells by which generation it is served, before and after it passed on', async t => {
  const lns = await started(t)
  const ann = await lns.dialUp(ANN)
  const generation = () => lns.explain('ann')[0]?.generation
  assert.equal(generation(), 1)
  await lns.reload()
  assert.equal(generation(), 1)
  await lns.reload(undefined, { enforce: true })
  assert.equal(generation(), 3)
  const revalidated = lns.explain('ann')[0]?.entries.filter(({ hook }) => hook === 'revalidate')
  assert.deepEqual(
    revalidated?.map(({ plugin, verdict }) => [plugin, verdict]),
    [['auth-local', 'accept']],
  )
  await ann.hangUp()
})
