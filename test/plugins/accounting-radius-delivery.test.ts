/** How accounting-radius brings records to servers: in order, over outages, past records that no server takes. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { OutsideWork } from '../../core/testing/outside-work.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import { AccountingServer, type Told } from '../support/accounting-server.ts'
import { gate } from '../support/gate.ts'
import { until } from '../support/until.ts'

async function start(t: TestContext, server: AccountingServer, options: object = {}, configDir = aFolder(t)) {
  const clock = diskClock(t)
  const setting = { options: { spool: 'spool', ...options }, configDir, before: [server.plugin], clock }
  return startPlugin(t, accountingRadius, setting)
}

/** Stands still while the disk works. */
function diskClock(t: TestContext): VirtualClock {
  const outside = new OutsideWork(0)
  t.after(() => outside.close())
  return new VirtualClock(outside.settled)
}

async function passUntil(plugin: Harness, what: string, done: () => boolean, stepMs = 1000): Promise<void> {
  await until(what, async () => {
    await plugin.clock.advance(stepMs)
    return done()
  })
}

const up = (id: string) => anEnd(aSession({ id }))
const at = (id: string, octetsIn: bigint) =>
  anEnd(aSession({ id }), {
    counters: { packetsIn: 0n, octetsIn, packetsOut: 0n, octetsOut: 0n, drops: {} },
  })

test('whatever the servers take and when, each session is told once, in order', async t => {
  const event = fc.constantFrom('takes', 'silent', 'update', 'minute', 'end', 'begin')
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 25 }), fc.nat(), async (script, seed) => {
      const server = new AccountingServer()
      const plugin = await start(t, server, { inFlight: 4 })
      const live: string[] = []
      const begun: string[] = []
      let octets = 0n
      for (const [index, step] of script.entries()) {
        const id = live[(seed + index) % Math.max(1, live.length)]
        if (step === 'takes') server.takes = () => true
        else if (step === 'silent') server.takes = () => false
        else if (step === 'minute') await plugin.clock.advance(60_000)
        else if (step === 'begin') {
          const made = `s${begun.length}`
          begun.push(made)
          live.push(made)
          await plugin.tell('sessionUp', up(made))
        } else if (id !== undefined) {
          octets++
          await plugin.tell(step === 'end' ? 'sessionDown' : 'sessionUpdate', at(id, octets))
          if (step === 'end') live.splice(live.indexOf(id), 1)
        }
      }
      server.takes = () => true
      for (const id of live) await plugin.tell('sessionDown', at(id, ++octets))
      const ends = () => server.taken.filter(({ status }) => status === 'Stop').length
      await passUntil(plugin, 'every Stop', () => server.taken.length > 0 && ends() === begun.length, 60_000)
      assert.equal(server.taken[0]?.status, 'Accounting-On')
      for (const id of begun) {
        const own = server.taken.filter(({ session }) => session === id)
        assert.match(own.map(({ status }) => status).join(' '), /^Start( Interim-Update)* Stop$/)
        const counts = own.slice(1).map(told => Number(told.one('Acct-Input-Octets')))
        assert.deepEqual(
          counts,
          counts.toSorted((a, b) => a - b),
        )
      }
      assert.ok(server.mostInFlight <= 4)
      assert.deepEqual(plugin.faults, [])
    }),
    { numRuns: 20 },
  )
})

test('many sessions are told at a time, but inFlight at most, and one record of each', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server, { inFlight: 8 })
  await until('Accounting-On', () => server.taken.length === 1)
  const { opened, open } = gate()
  server.takes = () => opened.then(() => true)
  const ids = Array.from({ length: 50 }, (_, index) => `s${index}`)
  await Promise.all(
    ids.flatMap(id => [plugin.tell('sessionUp', up(id)), plugin.tell('sessionDown', at(id, 1n))]),
  )
  await until('all that may be on their way', () => server.inFlight === 8)
  assert.deepEqual(new Set(server.asked.slice(1).map(({ session }) => session)).size, 8)
  assert.equal(server.inFlight, 8)
  open()
  await until('every record', () => server.taken.length === 101)
  assert.equal(server.mostInFlight, 8)
})

test('nothing overtakes Accounting-On', async t => {
  const server = new AccountingServer()
  const { opened, open } = gate()
  server.takes = () => opened.then(() => true)
  const plugin = await start(t, server)
  await plugin.tell('sessionUp', up('a'))
  await settle(20)
  assert.deepEqual(
    server.asked.map(({ status }) => status),
    ['Accounting-On'],
  )
  open()
  await until('both', () => server.taken.length === 2)
})

test('while no server answers it is asked with one record, later and later, and says so once a minute', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server)
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = () => false
  const times: number[] = []
  server.takes = () => {
    times.push(plugin.clock.now())
    return false
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(id => plugin.tell('sessionUp', up(id))))
  // Those that were written before the first of them failed.
  await until('the first tries', () => times.length > 0)
  await settle(20)
  const first = times.length
  assert.ok(first <= 4, `${first} first tries`)
  await plugin.clock.advance(600_000)
  const later = times.slice(first)
  const pauses = later.map((time, index) => Math.round(time - (later[index - 1] ?? 0)))
  for (const [index, pause] of pauses.entries()) {
    const plain = Math.min(60_000, 1000 * 2 ** index)
    assert.ok(pause >= plain && pause <= plain * 1.2, `try ${index} after ${pause} ms`)
  }
  assert.ok(later.length > 8 && later.length < 20, `${later.length} tries in 10 minutes`)
  const errors = plugin.log.filter(({ level }) => level === 'error').length
  assert.ok(errors >= 8 && errors <= 22, `${errors} errors in 10 minutes`)
  server.takes = () => true
  await passUntil(plugin, 'all to be taken', () => server.taken.length === 5)
  assert.deepEqual(server.order.slice(1).toSorted(), ['Start a', 'Start b', 'Start c', 'Start d'])
  assert.ok(plugin.log.some(({ message }) => message.includes('again')))
})

test('a record is sent when it is in the spool, and not before, whatever else wakes the sender', async t => {
  const server = new AccountingServer()
  const configDir = aFolder(t)
  const plugin = await start(t, server, {}, configDir)
  await until('Accounting-On', () => server.taken.length === 1)
  const inSpool = () => {
    const folder = join(configDir, 'spool')
    const files = readdirSync(folder).filter(name => name.endsWith('.records'))
    return files.map(name => readFileSync(join(folder, name), 'latin1')).join('')
  }
  const early: string[] = []
  server.takes = told => {
    if (!inSpool().includes(told.session)) early.push(told.session)
    return true
  }
  const ids = Array.from({ length: 300 }, (_, index) => `session-${index}`)
  await Promise.all(ids.map(id => plugin.tell('sessionUp', up(id))))
  await until('all to be taken', () => server.taken.length === 1 + ids.length)
  await plugin.host.stop()
  assert.deepEqual(early, [])
})

test('a record that waited tells how long, and when it happened', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server)
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = () => false
  await plugin.tell('sessionUp', up('a'))
  await until('a try', () => server.asked.length === 2)
  await settle(20)
  server.takes = () => true
  const since = plugin.clock.now()
  await passUntil(plugin, 'it to be taken', () => server.taken.length === 2)
  const passedS = Math.floor((plugin.clock.now() - since) / 1000)
  const [first, again] = server.asked.slice(1)
  assert.equal(first?.one('Acct-Delay-Time'), 0)
  const delayS = Number(again?.one('Acct-Delay-Time'))
  assert.ok(delayS >= 1 && delayS <= passedS, `${delayS} s of ${passedS} s`)
  for (const name of ['Event-Timestamp', 'Acct-Session-Id'])
    assert.deepEqual(first?.one(name), again?.one(name), name)
})

test('of the Interims of a session the newest is kept while no server answers, and none beside its Stop', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server)
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = () => false
  await plugin.tell('sessionUp', up('a'))
  await plugin.tell('sessionUp', up('b'))
  await until('an outage', () => plugin.log.some(({ level }) => level === 'error'))
  for (let octets = 1n; octets <= 20n; octets++)
    for (const id of ['a', 'b']) await plugin.tell('sessionUpdate', at(id, octets))
  await plugin.tell('sessionDown', at('b', 21n))
  server.takes = () => true
  await passUntil(plugin, 'the Stop', () => server.order.includes('Stop b'))
  await until('the Interim', () => server.taken.length === 5)
  const told = (id: string) =>
    server.taken
      .filter(({ session }) => session === id)
      .map(one => `${one.status} ${one.one('Acct-Input-Octets') ?? ''}`.trim())
  assert.deepEqual(told('a'), ['Start', 'Interim-Update 20'])
  assert.deepEqual(told('b'), ['Start', 'Stop 21'])
  await plugin.tell('sessionUpdate', at('a', 22n))
  await plugin.tell('sessionUpdate', at('a', 23n))
  await until('every Interim again', () => server.taken.length === 7)
})

test('a record that no server takes holds up its own session alone, and is given up after ten tries', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server)
  const isBad = (told: Told) => told.session === 'bad' && told.status === 'Start'
  const silence = () => new Promise<false>(resolve => plugin.clock.setTimer(5000, () => resolve(false)))
  server.takes = told => (isBad(told) ? silence() : true)
  await plugin.tell('sessionUp', up('bad'))
  await plugin.tell('sessionDown', at('bad', 5n))
  let others = 0
  while (!server.order.includes('Stop bad') && others < 1000) {
    await plugin.tell('sessionUp', up(`good ${others++}`))
    await plugin.clock.advance(1000)
  }
  assert.ok(server.order.includes('Stop bad'))
  assert.ok(!server.order.includes('Start bad'))
  assert.equal(server.taken.length, others + 2, 'nothing else waits')
  const tries = server.asked.filter(isBad).length
  assert.ok(tries >= 10 && tries <= 16, `${tries} tries`)
  assert.ok(plugin.log.some(({ level, message }) => level === 'error' && message.includes('are lost')))
})

test('behind a record that no server takes, another one shows that they are there', async t => {
  const server = new AccountingServer()
  const plugin = await start(t, server)
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = ({ session }) => session !== 'bad'
  await plugin.tell('sessionUp', up('bad'))
  await until('an outage', () => plugin.log.some(({ level }) => level === 'error'))
  await plugin.tell('sessionUp', up('good'))
  await passUntil(plugin, 'the good one', () => server.order.includes('Start good'))
})

test('at the end a dead server is tried once more, and what it does not take waits for the next start', async t => {
  const server = new AccountingServer()
  const configDir = aFolder(t)
  const setting = { options: { spool: 'spool' }, configDir, before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, setting)
  await plugin.host.start()
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = () => false
  await plugin.tell('sessionUp', up('a'))
  await plugin.tell('sessionDown', at('a', 5n))
  await plugin.host.stop()
  assert.equal(plugin.clock.pending, 0)
  assert.equal(plugin.clock.now(), 0)
  assert.ok(plugin.log.some(({ fields }) => fields.waiting === 3))
  server.takes = () => true
  await plugin.clock.advance(5000)
  assert.equal(server.taken.length, 1)

  const next = await start(t, server, {}, configDir)
  await until('all of it', () => server.taken.length === 5)
  const order = ['Accounting-On', 'Start a', 'Stop a', 'Accounting-Off', 'Accounting-On']
  assert.deepEqual(server.order, order)
  assert.ok(next.log.some(({ fields }) => fields.waiting === 3))
})

test('at the end a server that hangs is left after four seconds', async t => {
  const server = new AccountingServer()
  const setting = { options: { spool: 'spool' }, configDir: aFolder(t), before: [server.plugin] }
  const plugin = await loadPlugin(accountingRadius, { ...setting, clock: diskClock(t) })
  await plugin.host.start()
  await until('Accounting-On', () => server.taken.length === 1)
  server.takes = () => new Promise(() => {})
  await plugin.tell('sessionUp', up('a'))
  await until('a try', () => server.inFlight === 1)
  await plugin.clock.settled('the plugin has stopped', plugin.host.stop())
  assert.equal(plugin.clock.now(), 4000)
  assert.equal(server.inFlight, 0, 'the question was withdrawn')
  assert.equal(plugin.clock.pending, 0)
  assert.deepEqual(
    plugin.log.filter(({ message }) => message.includes('did not stop')),
    [],
  )
})
