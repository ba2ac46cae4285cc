/** accounting-radius, through the real client, into the detail file of the real FreeRADIUS. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { type Harness, loadPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import type { VirtualClock } from '../../core/testing/virtual-clock.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { type DetailRecord, type Freeradius, startFreeradius } from '../support/freeradius.ts'
import { start } from '../support/processes.ts'
import { radiusClientWith, serverOptions } from '../support/radius-client.ts'
import { MUCH_TRAFFIC } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('radius')
const PROGRAM = fileURLToPath(new URL('./programs/spooling-server.js', import.meta.url))
/** A dead server is found out sooner than an operator would want it. */
const QUICK = {
  retransmitMs: 100,
  longestRetransmitMs: 400,
  probeMs: 100,
  longestProbeIntervalMs: 200,
  timeoutMs: 1000,
}

function clientOptions(server: Freeradius) {
  return { servers: [serverOptions(server, QUICK)], nasIdentifier: 'burrow', nasIpAddress: '192.0.2.7' }
}

async function load(t: TestContext, server: Freeradius, configDir = aFolder(t)): Promise<Harness> {
  const plugin = await loadPlugin(accountingRadius, {
    options: { spool: 'spool' },
    configDir,
    before: [radiusClientWith(clientOptions(server))],
    clock: nodeClock as unknown as VirtualClock,
  })
  t.after(() => plugin.host.stop())
  return plugin
}

const session = aSession({ user: 'hb@hb', id: '00112233445566ff', calledNumber: '5551' })
const end = anEnd(session, {
  grant: { user: 'hb@hb', classes: ['00ff', '61'] },
  counters: MUCH_TRAFFIC,
  durationMs: 61_734.5678,
  reason: { cause: 'idle-timeout' },
})

const statuses = (server: Freeradius) =>
  server.detail().map(record => `${record['Acct-Status-Type']} ${record['Acct-Session-Id'] ?? ''}`.trim())

/** What FreeRADIUS adds by itself, and what differs by the moment. */
function told(record: DetailRecord): Record<string, readonly string[]> {
  const { 'Event-Timestamp': at, ...rest } = record
  const seconds = (Date.now() - Date.parse(at?.[0] ?? '')) / 1000
  assert.ok(seconds >= 0 && seconds < 30, `Event-Timestamp ${at}`)
  const added = /^(Timestamp|Tmp-.*|Packet-.*|FreeRADIUS-.*|Acct-Unique-Session-Id|Message-Authenticator)$/
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !added.test(name)))
}

test('FreeRADIUS reads Accounting-On, Start, Interim-Update, Stop and Accounting-Off as they are meant', {
  skip,
}, async t => {
  const server = await startFreeradius(t)
  const plugin = await load(t, server)
  await plugin.host.start()
  await plugin.tell('sessionUp', end)
  await plugin.tell('sessionUpdate', end)
  await plugin.tell('sessionDown', end)
  await plugin.host.stop()
  assert.deepEqual(plugin.log, [])
  const nas = { 'NAS-Identifier': ['burrow'], 'NAS-IP-Address': ['192.0.2.7'] }
  const common = {
    'Acct-Session-Id': ['00112233445566ff'],
    'User-Name': ['hb@hb'],
    'Service-Type': ['Framed-User'],
    'Framed-Protocol': ['PPP'],
    'Framed-IP-Address': ['172.16.1.51'],
    'Acct-Authentic': ['RADIUS'],
    Class: ['0x00ff', '0x61'],
    ...nas,
    'NAS-Port-Type': ['Virtual'],
    'Called-Station-Id': ['5551'],
    'Calling-Station-Id': ['1.1.1.1'],
    'Acct-Delay-Time': ['0'],
  }
  const usage = {
    'Acct-Session-Time': ['61'],
    'Acct-Input-Octets': ['5'],
    'Acct-Input-Gigawords': ['1'],
    'Acct-Input-Packets': ['12'],
    'Acct-Output-Octets': ['4294967295'],
    'Acct-Output-Gigawords': ['2097151'],
    'Acct-Output-Packets': ['34'],
  }
  const expected = [
    { 'Acct-Status-Type': ['Accounting-On'], ...nas, 'Acct-Delay-Time': ['0'] },
    { 'Acct-Status-Type': ['Start'], ...common },
    { 'Acct-Status-Type': ['Interim-Update'], ...common, ...usage },
    { 'Acct-Status-Type': ['Stop'], ...common, ...usage, 'Acct-Terminate-Cause': ['Idle-Timeout'] },
    { 'Acct-Status-Type': ['Accounting-Off'], ...nas, 'Acct-Delay-Time': ['0'] },
  ]
  const records = server.detail().map(told)
  assert.equal(records.length, expected.length)
  for (const [index, wanted] of expected.entries()) {
    const record = records[index] ?? {}
    const own = Object.keys(wanted)
    assert.deepEqual(Object.fromEntries(own.map(name => [name, record[name]])), wanted)
    // Of a session, where and how it came in stands there, too; of the server, nothing else.
    const more = Object.keys(record).filter(name => !own.includes(name))
    const tunnel = /^(NAS-Port|NAS-Port-Id|Tunnel-.*|Acct-Tunnel-Connection|Connect-Info)$/
    assert.deepEqual(
      more.filter(name => !('Acct-Session-Id' in wanted && tunnel.test(name))),
      [],
    )
  }
})

for (const [how, gone, back] of [
  ['is killed and started again', (one: Freeradius) => one.kill(), (one: Freeradius) => one.restart()],
  ['hangs and wakes up', async (one: Freeradius) => one.pause(), async (one: Freeradius) => one.resume()],
] as const) {
  test(`FreeRADIUS ${how}: everything is delivered, in order`, { skip }, async t => {
    const server = await startFreeradius(t)
    const plugin = await load(t, server)
    await plugin.host.start()
    const ids = Array.from({ length: 30 }, (_, index) => `session ${index}`)
    const of = (id: string) => anEnd(aSession({ id }))
    for (const id of ids.slice(0, 10)) await plugin.tell('sessionUp', of(id))
    await until('the first records', () => server.detail().length === 11)
    await gone(server)
    for (const id of ids.slice(10, 20)) await plugin.tell('sessionUp', of(id))
    for (const id of ids.slice(0, 20)) await plugin.tell('sessionUpdate', of(id))
    for (const id of ids.slice(0, 15)) await plugin.tell('sessionDown', of(id))
    await until('the outage to be noticed', () =>
      plugin.log.some(({ message }) => message.startsWith('no server takes accounting records')),
    )
    for (const id of ids.slice(20)) await plugin.tell('sessionUp', of(id))
    await back(server)
    const stops = () => statuses(server).filter(line => line.startsWith('Stop')).length
    await until('the Stops', () => stops() === 15, 60_000)
    for (const id of ids.slice(15)) await plugin.tell('sessionDown', of(id))
    await plugin.host.stop()
    const lines = statuses(server)
    assert.equal(lines[0], 'Accounting-On')
    assert.equal(lines.at(-1), 'Accounting-Off')
    for (const id of ids) {
      const own = lines.filter(line => line.endsWith(` ${id}`)).map(line => line.split(' ')[0])
      // One that was answered while the server died may be told twice, with another Acct-Delay-Time.
      const once = own.filter((status, index) => status !== own[index - 1])
      assert.match(once.join(' '), /^Start( Interim-Update)? Stop$/, id)
    }
    const delays = server.detail().map(record => Number(record['Acct-Delay-Time']?.[0]))
    assert.ok(delays.some(delayS => delayS >= 1))
  })
}

test('Burrow is killed while FreeRADIUS is away: after both are back each session is whole', {
  skip,
}, async t => {
  const server = await startFreeradius(t)
  const configDir = aFolder(t)
  const program = start([process.execPath, PROGRAM, configDir, JSON.stringify(clientOptions(server))])
  const delivered = (status: string) => statuses(server).filter(line => line.startsWith(status)).length
  await until('records in the detail file', () => delivered('Stop') >= 20, 30_000, program.stderr)
  await server.kill()
  const before = program.stdout().length
  await until('records that wait', () => program.stdout().length > before + 10_000, 30_000, program.stderr)
  const { stdout } = await program.end('SIGKILL')
  await server.restart()
  const plugin = await load(t, server, configDir)
  await plugin.host.start()
  // Four seconds are enough for some hundred records.
  await until('Accounting-On', () => delivered('Accounting-On') === 2, 60_000)
  await plugin.host.stop()
  const kept = stdout.split('\n').slice(0, -1)
  const begun = kept.filter(line => line.startsWith('kept Start ')).map(line => line.split(' ')[2])
  assert.ok(begun.length > 30)
  const lines = statuses(server)
  assert.equal(lines.at(-1), 'Accounting-Off')
  for (const id of begun) {
    const own = lines.filter(line => line.endsWith(` ${id}`)).map(line => line.split(' ')[0])
    const once = own.filter((status, index) => status === 'Interim-Update' || own.indexOf(status) === index)
    assert.match(once.join(' '), /^Start( Interim-Update)* Stop( Interim-Update)*$/, id)
  }
  const died = server.detail().filter(record => record['Acct-Terminate-Cause']?.[0] === 'NAS-Reboot')
  assert.ok(died.length > 0 && died.length <= 20, `${died.length} died`)
})
