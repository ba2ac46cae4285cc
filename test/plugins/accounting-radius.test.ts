/** What accounting-radius tells a server, and when. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import { accountingSinkContract } from '../../core/testing/contracts/accounting-sink.ts'
import { startMemoryLns } from '../../core/testing/memory-lns.ts'
import {
  type Harness,
  loadPlugin,
  type PluginSetting,
  startPlugin,
} from '../../core/testing/plugin-harness.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import { TERMINATE_CAUSES } from '../../plugins/accounting-radius/causes.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import { AccountingServer, type Told } from '../support/accounting-server.ts'
import { until } from '../support/until.ts'

const STATUS = { Start: 'start', 'Interim-Update': 'interim', Stop: 'stop' } as const

async function start(
  t: TestContext,
  server = new AccountingServer(),
  { options = {}, ...setting }: PluginSetting = {},
): Promise<{ plugin: Harness; server: AccountingServer; folder: string }> {
  const configDir = setting.configDir ?? aFolder(t)
  const plugin = await startPlugin(t, accountingRadius, {
    ...setting,
    options: { spool: 'spool', ...(options as object) },
    configDir,
    before: [server.plugin],
  })
  return { plugin, server, folder: join(configDir, 'spool') }
}

const isOfSession = ({ status }: Told) => status in STATUS
const ofSessions = (server: AccountingServer) => server.taken.filter(isOfSession)

/** What of a server that takes everything the records are, once it has them all. */
async function kept(server: AccountingServer, records: number) {
  await until('the records to be delivered', () => ofSessions(server).length >= records)
  return ofSessions(server)
}

for (const sync of ['never', 'each']) {
  accountingSinkContract({
    name: `accounting-radius with sync: ${sync}`,
    make: async t => {
      const { plugin, server } = await start(t, undefined, { options: { sync } })
      return {
        plugin,
        records: async () =>
          (await kept(server, server.due)).map(record => ({
            event: STATUS[record.status as keyof typeof STATUS],
            session: record.session,
            user: String(record.one('User-Name')),
            octetsIn: Number(record.one('Acct-Input-Octets') ?? 0),
          })),
      }
    },
    makeBroken: async t => {
      const server = new AccountingServer()
      server.takes = () => false
      const { plugin } = await start(t, server, { options: { sync } })
      const handle = await open(aFolder(t))
      t.mock.method(Object.getPrototypeOf(handle), 'write', async () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      })
      await handle.close()
      return plugin
    },
  })
}

const session = aSession({ user: 'hb@hb', id: '00112233445566ff' })
const end = anEnd(session, {
  grant: { user: 'hb@hb', classes: ['00ff', '', '61', '00ff'] },
  counters: {
    packetsIn: 2n ** 32n + 12n,
    octetsIn: 2n ** 32n + 5n,
    packetsOut: 34n,
    octetsOut: 2n ** 53n - 1n,
    drops: {},
  },
  durationMs: 61_734.5678,
  reason: { cause: 'idle-timeout', text: 'bye' },
})

test('the records tell who, with which address, since when, how much, how long and why', async t => {
  const { plugin, server } = await start(t)
  await plugin.tell('sessionUp', end)
  // It is on its way, and time must not pass for it.
  await kept(server, 1)
  await plugin.clock.advance(1999)
  await plugin.tell('sessionUpdate', end)
  await plugin.tell('sessionDown', end)
  const [up, update, down, ...more] = await kept(server, 3)
  assert.deepEqual(more, [])
  const plain = (told: Told | undefined) =>
    told?.attributes.map(({ name, value, tag }) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
      ...(tag === undefined ? [] : [tag]),
    ])
  const head = (status: string, at: string) => [
    ['Acct-Status-Type', status],
    ['Event-Timestamp', Date.parse(at) / 1000],
    ['Acct-Session-Id', '00112233445566ff'],
    ['User-Name', 'hb@hb'],
    ['Service-Type', 'Framed-User'],
    ['Framed-Protocol', 'PPP'],
    ['Framed-IP-Address', '172.16.1.51'],
    ['Acct-Authentic', 'RADIUS'],
  ]
  const usage = [
    ['Acct-Session-Time', 61],
    ['Acct-Input-Octets', 5],
    ['Acct-Input-Gigawords', 1],
    ['Acct-Input-Packets', 12],
    ['Acct-Output-Octets', 2 ** 32 - 1],
    ['Acct-Output-Gigawords', 2 ** 21 - 1],
    ['Acct-Output-Packets', 34],
  ]
  const tail = [
    ['Class', '00ff'],
    ['Class', '61'],
    ['Class', '00ff'],
    ['NAS-Identifier', 'burrow'],
    ['NAS-Port-Type', 'Virtual'],
    ['Tunnel-Client-Endpoint', '1.1.1.1', 1],
    ['Acct-Delay-Time', 0],
  ]
  assert.deepEqual(plain(up), [...head('Start', '2026-01-01T00:00:00Z'), ...tail])
  assert.deepEqual(plain(update), [...head('Interim-Update', '2026-01-01T00:00:01Z'), ...usage, ...tail])
  assert.deepEqual(plain(down), [
    ...head('Stop', '2026-01-01T00:00:01Z'),
    ...usage,
    ['Acct-Terminate-Cause', 'Idle-Timeout'],
    ...tail,
  ])
})

test('who is not known to be authenticated by RADIUS is not said to be', async t => {
  const { plugin, server } = await start(t)
  await plugin.tell('sessionUp', anEnd(session))
  const [up] = await kept(server, 1)
  assert.deepEqual([up?.all('Acct-Authentic'), up?.all('Class')], [[], []])
})

test('every cause of an end has a cause of RFC 2866', async t => {
  const { plugin, server } = await start(t)
  const causes = Object.entries(TERMINATE_CAUSES)
  for (const [cause] of causes)
    await plugin.tell('sessionDown', anEnd(aSession(), { reason: { cause: cause as 'shutdown' } }))
  const told = (await kept(server, causes.length)).map(record => record.one('Acct-Terminate-Cause'))
  assert.deepEqual(told.toSorted(), causes.map(([, cause]) => cause).toSorted())
})

test('the page names the cause of RFC 2866 for each', () => {
  const page = readFileSync('plugins/accounting-radius/README.md', 'utf8')
  for (const [cause, told] of Object.entries(TERMINATE_CAUSES))
    assert.match(page, new RegExp(`^\\|.*\`${cause}\`.*\\| ${told} \\d+ \\|`, 'm'))
})

test('the records go to the pool that the options name', async t => {
  const { plugin, server } = await start(t, undefined, { options: { pool: 'billing' } })
  await plugin.tell('sessionUp', end)
  assert.deepEqual(
    (await kept(server, 1)).map(({ pool }) => pool),
    ['billing'],
  )
  assert.deepEqual(
    server.taken.map(({ pool }) => pool),
    ['billing', 'billing'],
  )
})

test('Accounting-On comes before all else, and Accounting-Off after', async t => {
  const server = new AccountingServer()
  const configDir = aFolder(t)
  const setting = { options: { spool: 'spool' }, configDir, before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  await plugin.tell('sessionUp', end)
  await plugin.clock.advance(5000)
  await plugin.tell('sessionDown', end)
  await plugin.host.stop()
  const id = end.session.id
  assert.deepEqual(server.order, ['Accounting-On', `Start ${id}`, `Stop ${id}`, 'Accounting-Off'])
  assert.deepEqual(server.taken.at(0)?.attributes, [
    { name: 'Acct-Status-Type', value: 'Accounting-On' },
    { name: 'Event-Timestamp', value: Date.parse('2026-01-01T00:00:00Z') / 1000 },
    { name: 'NAS-Identifier', value: 'burrow' },
    { name: 'Acct-Delay-Time', value: 0 },
  ])
  assert.deepEqual(server.taken.at(-1)?.attributes, [
    { name: 'Acct-Status-Type', value: 'Accounting-Off' },
    { name: 'Event-Timestamp', value: Date.parse('2026-01-01T00:00:05Z') / 1000 },
    { name: 'NAS-Identifier', value: 'burrow' },
    { name: 'Acct-Delay-Time', value: 0 },
  ])
  assert.equal(plugin.clock.pending, 0)
  assert.deepEqual(plugin.log, [])
})

test('with onOff: false neither is sent', async t => {
  const server = new AccountingServer()
  const setting = { options: { spool: 's', onOff: false }, configDir: aFolder(t), before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  await plugin.tell('sessionUp', end)
  await plugin.tell('sessionDown', end)
  await plugin.host.stop()
  assert.deepEqual(server.order, [`Start ${end.session.id}`, `Stop ${end.session.id}`])
})

test('a reload keeps the spool, sends no Accounting-On, and the new servers are asked', async t => {
  const shared = new SharedResources()
  const setting = { options: { spool: 'spool' }, configDir: aFolder(t), shared }
  const [before, after] = [new AccountingServer(), new AccountingServer()]
  before.takes = ({ status }) => status === 'Accounting-On'
  const old = await loadPlugin(accountingRadius, { ...setting, before: [before.plugin] })
  await old.host.start()
  await until('Accounting-On', () => before.taken.length === 1)
  await old.tell('sessionUp', end)
  await until('a try', () => before.asked.length === 2)
  const next = await startPlugin(t, accountingRadius, {
    ...setting,
    clock: old.clock,
    before: [after.plugin],
  })
  await old.tell('sessionDown', end)
  await old.host.stop()
  const other = anEnd(aSession())
  await next.tell('sessionUp', other)
  await until('all of it', async () => {
    await next.clock.advance(1000)
    return after.taken.length === 3
  })
  assert.deepEqual(before.order, ['Accounting-On'])
  const { id } = end.session
  const own = after.order.filter(line => line.endsWith(id))
  assert.deepEqual(own, [`Start ${id}`, `Stop ${id}`])
  assert.ok(after.order.includes(`Start ${other.session.id}`))
  await next.tell('sessionDown', other)
})

test('a reload that fails gives the servers of before their work back', async t => {
  const shared = new SharedResources()
  const setting = { options: { spool: 'spool' }, configDir: aFolder(t), shared }
  const [before, after] = [new AccountingServer(), new AccountingServer()]
  const old = await startPlugin(t, accountingRadius, { ...setting, before: [before.plugin] })
  const next = await loadPlugin(accountingRadius, { ...setting, before: [after.plugin] })
  await next.host.start()
  await next.host.stop()
  await old.tell('sessionUp', end)
  await old.tell('sessionDown', end)
  await kept(before, 2)
  assert.deepEqual([before.taken.length, after.order], [3, []])
})

test('of two spools of one NAS identity one says Accounting-On and the last one Accounting-Off', async t => {
  const shared = new SharedResources()
  const server = new AccountingServer()
  const plugins = []
  for (const spool of ['one', 'two']) {
    const setting = { options: { spool }, configDir: aFolder(t), shared, before: [server.plugin] }
    const plugin = await loadPlugin(accountingRadius, setting)
    await plugin.host.start()
    plugins.push(plugin)
  }
  for (const plugin of plugins) await plugin.host.stop()
  assert.deepEqual(server.order, ['Accounting-On', 'Accounting-Off'])
})

test('a session whose accounting ends before it gets a Stop', async t => {
  const server = new AccountingServer()
  const setting = { options: { spool: 'spool' }, configDir: aFolder(t), before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  await plugin.tell('sessionUp', end)
  await plugin.tell('sessionUpdate', end)
  await plugin.host.stop()
  const stop = server.taken.at(-2)
  assert.deepEqual(
    ['Acct-Status-Type', 'Acct-Terminate-Cause', 'Acct-Session-Time', 'Acct-Input-Octets'].map(name =>
      stop?.one(name),
    ),
    ['Stop', 'Admin-Reboot', 61, 5],
  )
})

test('the spool is for its owner alone', async t => {
  const { plugin, folder } = await start(t)
  await plugin.tell('sessionUp', end)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  const files = readdirSync(folder).filter(name => name.endsWith('.records'))
  assert.deepEqual(
    files.map(name => statSync(join(folder, name)).mode & 0o777),
    [0o600],
  )
})

test('a spool that is in use is refused, and free again afterwards', async t => {
  const configDir = aFolder(t)
  const server = new AccountingServer()
  const setting = { options: { spool: 'spool' }, configDir, before: [server.plugin] }
  const one = await loadPlugin(accountingRadius, setting)
  await one.host.start()
  const two = await loadPlugin(accountingRadius, setting)
  await assert.rejects(two.host.start(), { code: 'ACCOUNTING_SPOOL' })
  await one.host.stop()
  const three = await loadPlugin(accountingRadius, setting)
  await three.host.start()
  await three.host.stop()
})

test('two plugins that name one spool are refused', async t => {
  const plugins = [new AccountingServer().plugin]
  const yaml = `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - radius-client: {}
  - accounting-radius: { spool: spool }
  - accounting-radius: { as: second, spool: spool }
`
  await assert.rejects(startMemoryLns(t, { yaml, plugins }), {
    code: 'ACCOUNTING_SPOOL',
    message: 'the plugins "accounting-radius" and "second" name the same spool',
  })
})

for (const [name, spool, prepare] of [
  ['in a folder that is not there', 'missing/spool', () => {}],
  ['that is a file', 'file', (dir: string) => writeFileSync(join(dir, 'file'), '')],
] as const) {
  test(`a spool ${name} is refused before anything starts`, async t => {
    const configDir = aFolder(t)
    prepare(configDir)
    const { plugin } = new AccountingServer()
    await assert.rejects(
      loadPlugin(accountingRadius, { options: { spool }, configDir, before: [plugin] }),
      ({ code, place }: BurrowError) => code === 'ACCOUNTING_SPOOL' && place.file === join(configDir, spool),
    )
  })
}

test('a pool that radius-client does not have is refused before anything starts', async t => {
  const { plugin } = new AccountingServer()
  const setting = { options: { spool: 'spool', pool: 'no such' }, configDir: aFolder(t), before: [plugin] }
  await assert.rejects(loadPlugin(accountingRadius, setting), { code: 'PLUGIN_OPTIONS' })
})

for (const [name, options] of [
  ['no spool', {}],
  ['an empty spool', { spool: '' }],
  ['another word for sync', { spool: 's', sync: 'sometimes' }],
  ['a spool smaller than a mebibyte', { spool: 's', maxSpoolBytes: 2 ** 20 - 1 }],
  ['nothing in flight', { spool: 's', inFlight: 0 }],
  ['no waiting records', { spool: 's', waitingRecords: 0 }],
  ['an unknown option', { spool: 's', rotate: true }],
] as const) {
  test(`options with ${name} are refused`, async () => {
    const { plugin } = new AccountingServer()
    await assert.rejects(loadPlugin(accountingRadius, { options, before: [plugin] }), {
      code: 'PLUGIN_OPTIONS',
    })
  })
}
