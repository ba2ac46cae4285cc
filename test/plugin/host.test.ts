import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BurrowError, type ErrorCode } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import { capability, definePlugin, type PluginInstance, z } from '../../core/index.ts'
import { type BootReport, PluginHost } from '../../core/plugin/host.ts'
import type { LoadedPlugin } from '../../core/plugin/load.ts'
import type { AnyPlugin, PluginContext, ServerView } from '../../core/plugin/plugin.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import type { Lease, SessionInfo } from '../../core/protocol/outputs.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.ts'
import { gate } from '../support/gate.ts'

const FILE = '/etc/burrow.yaml'
const USERS = capability<ReadonlyMap<string, string>>('users')
const SINKS = capability<string>('sinks', 'many')
const LEASE: Lease = { owner: 'pool', kind: 'ipv4', value: '172.16.1.51', id: 'l1' }
const GRANT = { user: 'hb@hb' }
const SESSION = { id: 'a1' } as SessionInfo

/** The nth plugin of a list stands on line n * 10 of the config. */
const listed = (...plugins: readonly AnyPlugin[]): readonly LoadedPlugin[] =>
  plugins.map((plugin, index) => ({
    id: plugin.name,
    plugin,
    options: {},
    place: { file: FILE, line: (index + 1) * 10, plugin: plugin.name },
  }))

function scene(shared?: SharedResources) {
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const random = { bytes: () => new Uint8Array(), uint16: () => 0, uint32: () => 0 }
  const server = { exposed: false } as ServerView
  const parts = { clock, log, random, server, configDir: '/etc', ...(shared === undefined ? {} : { shared }) }
  return {
    clock,
    lines,
    host: (...plugins: readonly AnyPlugin[]) => new PluginHost(listed(...plugins), parts),
  }
}

const plain = (name: string, instance: PluginInstance = {}) =>
  definePlugin({ name, config: z.strictObject({}), setup: () => instance })

const caught = async (run: () => unknown): Promise<BurrowError> => {
  try {
    await run()
  } catch (error) {
    assert.ok(error instanceof BurrowError, `no coded error: ${error}`)
    return error
  }
  assert.fail('nothing was thrown')
}

const expectError = (error: BurrowError, code: ErrorCode, line: number, plugin: string) => {
  assert.deepEqual({ code: error.code, ...error.place }, { code, file: FILE, line, plugin })
}

const users = definePlugin({
  name: 'users-file',
  provides: [USERS],
  config: z.strictObject({}),
  setup({ provide }) {
    provide(USERS, new Map([['hb@hb', 'admin@123']]))
    return {}
  },
})
const auth = definePlugin({
  name: 'auth',
  requires: [USERS],
  config: z.strictObject({}),
  setup({ hooks }, _options, directory) {
    hooks.authenticate.tap('auth', ({ user }) =>
      directory.has(user) ? { kind: 'accept', user } : { kind: 'reject', reason: 'unknown' },
    )
  },
})

test('a plugin gets the values of the capabilities that it requires', async () => {
  const host = scene().host(users, auth)
  const call = { session: SESSION, user: 'hb@hb', proof: {} as never, round: 0 }
  assert.deepEqual(await host.hooks.ask('authenticate', new Inquiry(), call), {
    kind: 'accept',
    user: 'hb@hb',
  })
})

test('a capability of arity many is the list of all providers, in order, and may be empty', () => {
  const sink = (name: string) =>
    definePlugin({
      name,
      provides: [SINKS],
      config: z.strictObject({}),
      setup({ provide }) {
        provide(SINKS, name)
      },
    })
  const got: unknown[] = []
  const reader = (name: string) =>
    definePlugin({
      name,
      requires: [SINKS],
      config: z.strictObject({}),
      setup(_context, _options, sinks) {
        got.push(sinks)
      },
    })
  scene().host(sink('a'), sink('b'), reader('all'))
  scene().host(reader('none'))
  assert.deepEqual(got, [['a', 'b'], []])
})

test('a requirement that nobody provides names the plugin and its line', async () => {
  const error = await caught(() => scene().host(plain('first'), auth))
  expectError(error, 'PLUGIN_REQUIRES', 20, 'auth')
  assert.match(error.message, /"users"/)
})

test('a requirement that is provided further down names both lines', async () => {
  const error = await caught(() => scene().host(auth, users))
  expectError(error, 'PLUGIN_ORDER', 10, 'auth')
  assert.match(error.message, /"users-file" \(\/etc\/burrow.yaml:20\)/)
})

test('a provider of many below its reader is an error too', async () => {
  const reader = definePlugin({ name: 'reader', requires: [SINKS], config: z.strictObject({}), setup() {} })
  const sink = definePlugin({ name: 'sink', provides: [SINKS], config: z.strictObject({}), setup() {} })
  expectError(await caught(() => scene().host(reader, sink)), 'PLUGIN_ORDER', 10, 'reader')
})

test('two providers of a single capability, and a plugin listed twice, are errors', async () => {
  const other = { ...users, name: 'users-ldap' }
  expectError(await caught(() => scene().host(users, other)), 'PLUGIN_CONFLICT', 20, 'users-ldap')
  const twice = await caught(() => scene().host(users, plain('between'), users))
  expectError(twice, 'PLUGIN_CONFLICT', 30, 'users-file')
  assert.deepEqual(twice.also, [])
})

test('all that does not fit together is told at once', async () => {
  const error = await caught(() => scene().host(auth, users, { ...users, name: 'users-ldap' }))
  expectError(error, 'PLUGIN_ORDER', 10, 'auth')
  assert.deepEqual(
    error.also.map(({ code, place }) => [code, place.line]),
    [['PLUGIN_CONFLICT', 30]],
  )
})

for (const [what, setup] of [
  [
    'throws',
    () => {
      throw new Error('no such zone')
    },
  ],
  ['does not provide what it declares', () => {}],
  [
    'provides twice',
    ({ provide }: PluginContext) => {
      provide(USERS, new Map())
      provide(USERS, new Map())
    },
  ],
  [
    'provides what it does not declare',
    ({ provide }: PluginContext) => {
      provide(USERS, new Map())
      provide(SINKS, 'x')
    },
  ],
] as const) {
  test(`a setup that ${what} is an error that names plugin and line`, async () => {
    const bad = { name: 'bad', provides: [USERS], config: z.strictObject({}), setup } as unknown as AnyPlugin
    expectError(await caught(() => scene().host(plain('good'), bad)), 'PLUGIN_SETUP', 20, 'bad')
  })
}

test("a plugin's own coded error keeps its code and gets the plugin's line", async () => {
  const bad = plain('bad', {
    start: () => {
      throw new BurrowError('POOL_INVALID', 'no such prefix')
    },
  })
  expectError(await caught(() => scene().host(plain('good'), bad).start()), 'POOL_INVALID', 20, 'bad')
})

test('a setup that returns a promise is told to open things at the start', async () => {
  const bad = { ...plain('bad'), setup: async () => {} } as unknown as AnyPlugin
  const error = await caught(() => scene().host(plain('good'), bad))
  expectError(error, 'PLUGIN_SETUP', 20, 'bad')
  assert.match(error.message, /start\(\)/)
})

test("a plugin's own coded error that names another file, and no line in it, tells the plugin's line beside it", async () => {
  const bad = plain('bad', {
    start: () => {
      throw new BurrowError('ACCOUNTING_FILE', 'no such folder', { file: '/var/log/acct' })
    },
  })
  const error = await caught(() => scene().host(bad).start())
  assert.deepEqual(error.place, { file: '/var/log/acct', plugin: 'bad', listedAt: `${FILE}:10` })
})

test("a plugin's own coded error that names another file keeps that place", async () => {
  const bad = plain('bad', {
    start: () => {
      throw new BurrowError('USERS_FILE', 'no password', { file: '/etc/users.yaml', line: 3 })
    },
  })
  const error = await caught(() => scene().host(bad).start())
  assert.deepEqual(error.place, { file: '/etc/users.yaml', line: 3, plugin: 'bad' })
})

/** Plugins that write down what happens to them. */
function chronicle() {
  const told: string[] = []
  const say = (text: string) => async () => {
    await settle(1)
    told.push(text)
  }
  const make = (name: string, more: PluginInstance = {}) =>
    plain(name, { start: say(`start ${name}`), stop: say(`stop ${name}`), ...more })
  return { told, make }
}

test('plugins start in order and stop in reverse, one after the other', async () => {
  const { told, make } = chronicle()
  const host = scene().host(make('a'), make('b'), make('c'))
  assert.deepEqual(told, [])
  await host.start()
  await host.stop()
  await host.stop()
  assert.deepEqual(told, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
})

test('a plugin that cannot start is named, and what was started is stopped', async () => {
  const { told, make } = chronicle()
  const bad = make('bad', { start: () => Promise.reject(new Error('port 1812 is taken')) })
  const error = await caught(() => scene().host(make('a'), bad, make('c')).start())
  expectError(error, 'PLUGIN_START', 20, 'bad')
  assert.match(error.message, /port 1812 is taken/)
  assert.deepEqual(told, ['start a', 'stop bad', 'stop a'])
})

test('a plugin that hangs at start is the named culprit at its deadline', async () => {
  const { clock, host } = scene()
  const { told, make } = chronicle()
  const failed = caught(() => host(make('a'), make('hung', { start: () => new Promise(() => {}) })).start())
  await clock.advance(10_000)
  expectError(await failed, 'PLUGIN_TIMEOUT', 20, 'hung')
  assert.deepEqual(told, ['start a', 'stop hung', 'stop a'])
  assert.equal(clock.pending, 0)
})

test('a plugin that hangs or fails at stop is logged by name and holds up nobody', async () => {
  const { clock, host, lines } = scene()
  const { told, make } = chronicle()
  const hung = make('hung', { stop: () => new Promise(() => {}) })
  const broken = make('broken', { stop: () => Promise.reject(new Error('boom')) })
  const made = host(make('a'), hung, broken)
  await made.start()
  const stopped = made.stop()
  await clock.advance(5_000)
  await stopped
  assert.equal(told.at(-1), 'stop a')
  assert.deepEqual(
    lines.map(({ fields }) => [
      (fields.error as BurrowError).code,
      (fields.error as BurrowError).place.plugin,
    ]),
    [
      ['PLUGIN_FAULT', 'broken'],
      ['PLUGIN_TIMEOUT', 'hung'],
    ],
  )
})

test('check lets every plugin look, starts none, and tells all that they found', async () => {
  const { told, make } = chronicle()
  const picky = (name: string) =>
    make(name, { check: () => Promise.reject(new BurrowError('POLICY_INVALID', `${name} objects`)) })
  const error = await caught(() => scene().host(picky('a'), make('b'), picky('c')).check())
  expectError(error, 'POLICY_INVALID', 10, 'a')
  assert.deepEqual(
    error.also.map(({ place }) => place.line),
    [30],
  )
  assert.deepEqual(told, [])
})

test('a lease goes back to the plugin that it names, and only there', async () => {
  const freed: string[] = []
  const pool = (name: string) =>
    plain(name, {
      releaseLease: ({ value }) => void freed.push(`${name} ${value}`),
      resumeLease: ({ value }, { id }) => value === LEASE.value && id === SESSION.id,
    })
  const host = scene().host(pool('other'), pool('pool'), plain('none'))
  await host.releaseLease(LEASE)
  assert.deepEqual(freed, ['pool 172.16.1.51'])
  assert.equal(await host.resumeLease(LEASE, SESSION, GRANT), true)
  assert.equal(await host.resumeLease({ ...LEASE, value: '172.16.1.52' }, SESSION, GRANT), false)
  for (const owner of ['gone', 'none'])
    assert.equal(await host.resumeLease({ ...LEASE, owner }, SESSION, GRANT), false)
})

test('a lease whose release fails, hangs or has no owner is an error that names the plugin', async () => {
  const { clock, host } = scene()
  const made = host(
    plain('fails', { releaseLease: () => Promise.reject(new Error('disk full')) }),
    plain('hangs', { releaseLease: () => new Promise(() => {}) }),
  )
  const release = (owner: string) => caught(() => made.releaseLease({ ...LEASE, owner }))
  expectError(await release('fails'), 'PLUGIN_FAULT', 10, 'fails')
  const hung = release('hangs')
  await clock.advance(5_000)
  expectError(await hung, 'PLUGIN_TIMEOUT', 20, 'hangs')
  assert.equal((await release('gone')).place.plugin, 'gone')
})

test('a resume that throws or hangs is a no', async () => {
  const { clock, host } = scene()
  const made = host(
    plain('fails', { resumeLease: () => Promise.reject(new Error('boom')) }),
    plain('hangs', { resumeLease: () => new Promise(() => {}) }),
  )
  assert.equal(await made.resumeLease({ ...LEASE, owner: 'fails' }, SESSION, GRANT), false)
  const hung = made.resumeLease({ ...LEASE, owner: 'hangs' }, SESSION, GRANT)
  await clock.advance(5_000)
  assert.equal(await hung, false)
})

test('a shared resource is made once, handed from generation to generation, and closed with the last', async () => {
  const told: string[] = []
  const user = (name: string) =>
    definePlugin({
      name,
      config: z.strictObject({}),
      setup: ({ shared }) => ({
        start() {
          const open = (key: string) =>
            shared(
              key,
              () => told.push(`open ${name} ${key}`),
              () => void told.push(`close ${name} ${key}`),
            )
          open('file')
          open('file')
          open('spool')
        },
      }),
    })
  const resources = new SharedResources()
  const old = scene(resources).host(user('a'), user('b'))
  await old.start()
  const next = scene(resources).host(user('a'))
  await next.start()
  assert.deepEqual(told, ['open a file', 'open a spool', 'open b file', 'open b spool'])
  await old.stop()
  assert.deepEqual(told.splice(0), [
    'open a file',
    'open a spool',
    'open b file',
    'open b spool',
    'close b spool',
    'close b file',
  ])
  await next.stop()
  assert.deepEqual(told, ['close a spool', 'close a file'])
})

test('a shared resource is closed after every plugin has stopped, and one that hangs does not stop the stop', async () => {
  const { clock, host, lines } = scene()
  const told: string[] = []
  const user = definePlugin({
    name: 'a',
    config: z.strictObject({}),
    setup: ({ shared }) => ({
      start: () =>
        void shared(
          'hangs',
          () => 1,
          () => new Promise(() => {}),
        ),
      stop: () => void told.push('stopped'),
    }),
  })
  const made = host(user)
  await made.start()
  const opened = gate()
  void made.stop().then(opened.open)
  await settle()
  assert.deepEqual(told, ['stopped'])
  await clock.advance(5_000)
  await opened.opened
  assert.equal(lines.length, 1)
})

test('the report names plugins with their lines and capabilities, and who taps each hook', () => {
  const report: BootReport = scene().host(users, auth).report()
  assert.deepEqual(report.plugins, [
    {
      id: 'users-file',
      name: 'users-file',
      place: { file: FILE, line: 10, plugin: 'users-file' },
      requires: [],
      provides: ['users'],
    },
    {
      id: 'auth',
      name: 'auth',
      place: { file: FILE, line: 20, plugin: 'auth' },
      requires: ['users'],
      provides: [],
    },
  ])
  assert.deepEqual(report.hooks.find(({ hook }) => hook === 'authenticate')?.taps, [
    { plugin: 'auth', tap: 'auth' },
  ])
})

test("a plugin's log lines carry its name", () => {
  const { host, lines } = scene()
  host(
    definePlugin({
      name: 'chatty',
      config: z.strictObject({}),
      setup({ log }) {
        log.info({ users: 3 }, 'ready')
      },
    }),
  )
  assert.deepEqual(lines, [{ level: 'info', message: 'ready', fields: { plugin: 'chatty', users: 3 } }])
})
