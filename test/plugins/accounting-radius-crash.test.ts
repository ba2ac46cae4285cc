/** accounting-radius over crashes: a Start that was sent is always followed by one Stop, and nothing is lost. */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { SharedResources } from '../../core/plugin/shared.ts'
import { type MemoryLns, startMemoryLns } from '../../core/testing/memory-lns.ts'
import { loadPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import { AccountingServer, type Told } from '../support/accounting-server.ts'
import { start } from '../support/processes.ts'
import { until } from '../support/until.ts'

const PROGRAM = fileURLToPath(new URL('./programs/spooling-server.js', import.meta.url))
const OPTIONS = { spool: 'spool', maxSpoolBytes: 2 ** 20 }

/** What a server is told when Burrow is started again, and stopped. */
async function startAgain(configDir: string): Promise<AccountingServer> {
  const server = new AccountingServer()
  const setting = { options: OPTIONS, configDir, before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  await plugin.host.stop()
  return server
}

/** The lines of one kind, without that word. */
const said = (output: string, kind: string): readonly string[] =>
  output
    .split('\n')
    .slice(0, -1)
    .filter(line => line.startsWith(`${kind} `))
    .map(line => line.slice(kind.length + 1))

for (const takes of ['takes', 'silent'] as const) {
  test(`a server that is killed while it spools loses nothing: servers are ${takes}`, async t => {
    for (const records of [1, 30, 400]) {
      const configDir = aFolder(t)
      const program = start([process.execPath, PROGRAM, configDir, takes])
      await until('records', () => said(program.stdout(), 'kept').length >= records, 30_000, program.stderr)
      await assert.rejects(startAgain(configDir), { code: 'ACCOUNTING_SPOOL' }, 'while it lives')
      const { stdout } = await program.end('SIGKILL')
      const kept = said(stdout, 'kept')
      const taken = said(stdout, 'taken')
      const begun = said(stdout, 'begun').map(line => line.replace('Start ', ''))

      const server = await startAgain(configDir)
      const told = server.taken.filter(({ session }) => session !== '')
      const lineOf = (one: Told) => `${one.status} ${one.session} ${one.one('Acct-Input-Octets') ?? 0}`
      // What a server took just before the kill may be told again.
      const order = [...new Set([...taken, ...told.map(lineOf)])]
      for (const id of begun) {
        const shape = order
          .filter(line => line.split(' ')[1] === id)
          .map(line => line.split(' ')[0])
          .join(' ')
        if (kept.includes(`Start ${id}`)) assert.match(shape, /^Start( Interim-Update)* Stop$/, id)
        else assert.match(shape, /^(Start Stop)?$/, id)
        const stop = told.findLast(one => one.session === id && one.status === 'Stop')
        const died = stop?.one('Acct-Terminate-Cause') === 'NAS-Reboot'
        if (kept.includes(`Stop ${id}`)) assert.ok(!died, `${id} had ended`)
        if (!died) continue
        const octets = kept.filter(line => line.startsWith(`Interim-Update ${id} `)).length
        const known = Number(stop?.one('Acct-Input-Octets'))
        // The last record may have been written, but not acknowledged.
        assert.ok(known === octets || known === octets + 1, `${known} of ${octets}`)
      }
      for (const session of new Set(told.map(one => one.session)))
        assert.ok(begun.includes(session), 'invented')
      assert.deepEqual(server.order.slice(-2), ['Accounting-On', 'Accounting-Off'])
      const twice = told.filter(one => taken.includes(lineOf(one))).length
      assert.ok(twice <= 64, `${twice} told twice`)
    }
  })
}

test('a session that died with us gets a Stop of what is known of it, before Accounting-On', async t => {
  const configDir = aFolder(t)
  const before = new AccountingServer()
  const setting = { options: OPTIONS, configDir, shared: new SharedResources(), before: [before.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  const grant = { user: 'hb@hb', classes: ['aa', 'bb'] }
  const counters = { packetsIn: 3n, octetsIn: 2n ** 33n, packetsOut: 4n, octetsOut: 5n, drops: {} }
  const told = (id: string) => anEnd(aSession({ id }), { grant, counters, durationMs: 60_000 })
  for (const id of ['a', 'b', 'c']) await plugin.tell('sessionUp', told(id))
  await plugin.clock.advance(60_000)
  await plugin.tell('sessionUpdate', told('b'))
  await plugin.tell('sessionDown', told('c'))
  await until('all of it', () => before.taken.length === 6)
  // Its marks are on the disk when a later record is.
  await plugin.tell('sessionUpdate', told('b'))
  await until('the last one', () => before.taken.length === 7)
  const crashed = aFolder(t)
  const isRecord = (path: string) => !path.includes('lock')
  cpSync(join(configDir, 'spool'), join(crashed, 'spool'), { recursive: true, filter: isRecord })
  await plugin.host.stop()

  const server = await startAgain(crashed)
  const stops = server.taken
    .filter(({ status }) => status === 'Stop')
    .toSorted((one, other) => one.session.localeCompare(other.session))
  const names = [
    'Acct-Session-Id',
    'Acct-Terminate-Cause',
    'Acct-Session-Time',
    'Acct-Input-Octets',
    'Acct-Input-Gigawords',
    'Acct-Output-Packets',
    'Event-Timestamp',
    'User-Name',
    'Framed-IP-Address',
  ]
  const began = Date.parse('2026-01-01T00:00:00Z') / 1000
  assert.deepEqual(
    stops.map(stop => names.map(name => stop.one(name))),
    [
      ['a', 'NAS-Reboot', 0, 0, 0, 0, began, 'hb@hb', '172.16.1.51'],
      ['b', 'NAS-Reboot', 60, 0, 2, 4, began + 60, 'hb@hb', '172.16.1.51'],
    ],
  )
  for (const stop of stops) {
    assert.deepEqual(stop.all('Class'), [Uint8Array.of(0xaa), Uint8Array.of(0xbb)])
    assert.deepEqual(stop.all('NAS-Identifier'), ['burrow'])
  }
  assert.deepEqual(server.order.slice(2), ['Accounting-On', 'Accounting-Off'])
})

const YAML = `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
interimIntervalS: 20
plugins:
  - radius-client: {}
  - accounting-radius: { spool: spool }
  - auth-local: { users: [{ user: hb@hb, password: admin@123 }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`
const USER = { user: 'hb@hb', password: 'admin@123' }

type Ending =
  | 'hangs up'
  | 'is cut'
  | 'dies while it logs in'
  | 'gives up while it logs in'
  | 'is wrong'
  | 'stays'

async function place(lns: MemoryLns, ending: Ending): Promise<void> {
  if (ending === 'is wrong') {
    assert.equal((await lns.dial({ ...USER, password: 'no' })).kind, 'refused')
  } else if (ending === 'dies while it logs in' || ending === 'gives up while it logs in') {
    const placed = lns.place({ ...USER, holdPassword: true })
    await lns.clock.advance(500)
    placed.authenticate()
    if (ending.startsWith('dies')) placed.cut()
    else placed.hangUp()
    await lns.clock.settled('the call', placed.outcome)
  } else {
    const call = await lns.dialUp(USER)
    if (ending === 'hangs up') await call.hangUp()
    else if (ending === 'is cut') call.cut()
  }
}

test('however calls end, each that came up has one Start and one Stop, and no other has either', async t => {
  const ending = fc.constantFrom<Ending>(
    'hangs up',
    'is cut',
    'dies while it logs in',
    'gives up while it logs in',
    'is wrong',
    'stays',
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(ending, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (endings, silent) => {
        const server = new AccountingServer()
        const lns = await startMemoryLns(t, { yaml: YAML, plugins: [server.plugin] })
        await lns.clock.until('Accounting-On', () => server.taken.length === 1)
        if (silent) server.takes = () => false
        await Promise.all(endings.map(one => place(lns, one)))
        await lns.clock.advance(50_000)
        server.takes = () => true
        // Those that were cut are noticed by now, the others end with the server.
        await lns.clock.advance(150_000)
        await lns.stop()
        const ups = lns.events.flatMap(event => (event.kind === 'sessionUp' ? event.session.id : []))
        const sessions = server.taken.map(({ session }) => session).filter(session => session !== '')
        assert.deepEqual([...new Set(sessions)].toSorted(), ups.toSorted())
        for (const id of ups) {
          const own = server.taken.filter(({ session }) => session === id).map(({ status }) => status)
          assert.match(own.join(' '), /^Start( Interim-Update)* Stop$/)
        }
        assert.equal(server.order.at(-1), 'Accounting-Off')
      },
    ),
    { numRuns: 12 },
  )
})
