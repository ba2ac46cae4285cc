/** What the driver makes of sessions: observers, leases, limits, the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Grant } from '../../core/protocol/outputs.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { DOWN, GRANT, LEASE, SESSION, scene, UP } from '../support/driver-scene.ts'
import { gate } from '../support/gate.ts'

test('a lease is released only after the observers saw the end, and they see it after the start', async () => {
  const { told, script, emit } = scene()
  const slow = gate()
  script.onTell = event => (event.kind === 'sessionUp' ? slow.opened : Promise.resolve())
  emit(UP, DOWN)
  await settle()
  assert.deepEqual(told, ['tell sessionUp'])
  slow.open()
  await settle()
  assert.deepEqual(told, [
    'tell sessionUp',
    'told sessionUp',
    'tell sessionDown',
    'told sessionDown',
    'release 172.16.1.51',
  ])
})

test('an observer that fails is logged and the lease is released all the same', async () => {
  const { told, lines, script, emit } = scene()
  script.onTell = () => Promise.reject(new Error('disk full'))
  emit(UP, DOWN)
  await settle()
  assert.ok(told.includes('release 172.16.1.51'))
  assert.deepEqual(
    lines.filter(line => line.level === 'error').map(line => line.fields.event),
    ['sessionUp', 'sessionDown'],
  )
})

test('a call that never came up is told to no observer, and its lease is released', async () => {
  const { told, emit } = scene()
  emit({ ...DOWN, wasUp: false, reason: { cause: 'ppp-failed' } })
  await settle()
  assert.deepEqual(told, ['release 172.16.1.51'])
})

test('updates come at the interval, and none while an observer still works on the last one', async () => {
  const { told, clock, script, emit } = scene({ interimIntervalS: 60 })
  emit(UP)
  await clock.advance(120_000)
  assert.equal(told.filter(line => line === 'tell sessionUpdate').length, 2)
  const slow = gate()
  script.onTell = () => slow.opened
  await clock.advance(300_000)
  assert.equal(told.filter(line => line === 'tell sessionUpdate').length, 3)
  slow.open()
  emit(DOWN)
  await settle()
  assert.equal(clock.pending, 0)
})

test('updates of sessions that came at once spread over a tenth of the interval on either side, each time anew', async () => {
  const { clock, script, emit } = scene({ interimIntervalS: 100, random: new SeededRandom(1) })
  const at = new Map<string, number[]>()
  script.onTell = async event => {
    if (event.kind === 'sessionUpdate')
      at.set(event.session.id, [...(at.get(event.session.id) ?? []), clock.now()])
  }
  const ids = Array.from({ length: 500 }, (_, index) => `session ${index}`)
  emit(...ids.map(id => ({ ...UP, session: { ...SESSION, id } })))
  await clock.advance(450_000)
  assert.equal(at.size, ids.length)
  const firsts = [...at.values()].map(([first = 0]) => first)
  for (const tenth of [90, 95, 100, 105]) {
    const within = firsts.filter(ms => ms >= tenth * 1000 && ms < (tenth + 5) * 1000).length
    assert.ok(within > 80 && within < 170, `${within} of 500 within 5 s from ${tenth} s`)
  }
  for (const updates of at.values()) {
    const periods = updates.map((ms, index) => ms - (updates[index - 1] ?? 0))
    assert.equal(new Set(periods).size, periods.length, 'each its own')
    for (const ms of periods) assert.ok(ms >= 90_000 && ms <= 110_000, `${ms} ms`)
  }
})

test("the grant's own interim interval goes before the configured one", async () => {
  const { told, clock, emit } = scene({ interimIntervalS: 60 })
  emit({ ...UP, grant: { ...GRANT, interimIntervalS: 10 } })
  await clock.advance(30_000)
  assert.equal(told.filter(line => line === 'tell sessionUpdate').length, 3)
})

test('a session that lasts as long as it may is ended', async () => {
  const { told, clock, emit } = scene()
  emit({ ...UP, grant: { ...GRANT, sessionTimeoutS: 60 } })
  await clock.advance(59_999)
  assert.ok(!told.some(line => line.startsWith('hang up')))
  await clock.advance(1)
  assert.equal(told.at(-1), `hang up ${SESSION.key} session-timeout`)
})

test('a session without traffic is ended, one with traffic is not', async () => {
  const { told, clock, script, emit } = scene()
  emit({ ...UP, grant: { ...GRANT, idleTimeoutS: 60 } })
  for (let minute = 0; minute < 5; minute++) {
    script.counters = { ...script.counters, packetsOut: script.counters.packetsOut + 1n }
    await clock.advance(59_000)
  }
  assert.ok(!told.some(line => line.startsWith('hang up')))
  await clock.advance(31_000)
  assert.equal(told.at(-1), `hang up ${SESSION.key} idle-timeout`)
})

const changed = (grant: Partial<Grant>) =>
  ({ kind: 'sessionChanged', session: SESSION, grant: { ...GRANT, ...grant }, leases: [LEASE] }) as const
const hangUps = (told: readonly string[]) => told.filter(line => line.startsWith('hang up'))

test('another session timeout counts from when the session came up; one that has passed ends it', async () => {
  const { told, clock, emit } = scene()
  emit({ ...UP, grant: { ...GRANT, sessionTimeoutS: 60 } })
  await clock.advance(50_000)
  emit(changed({ sessionTimeoutS: 100 }))
  await clock.advance(49_999)
  assert.deepEqual(hangUps(told), [])
  await clock.advance(1)
  assert.deepEqual(hangUps(told), [`hang up ${SESSION.key} session-timeout`])
  emit(changed({ sessionTimeoutS: 30 }))
  await clock.advance(0)
  assert.equal(hangUps(told).length, 2)
  emit(changed({}))
  await clock.advance(1_000_000)
  assert.equal(hangUps(told).length, 2, 'no timeout at all')
})

test('changes neither make an idle session look busy nor put off its updates', async () => {
  const { told, clock, emit } = scene({ interimIntervalS: 60 })
  emit({ ...UP, grant: { ...GRANT, idleTimeoutS: 300 } })
  for (let at = 0; at < 290; at += 10) {
    emit(changed({ idleTimeoutS: 300 + at }))
    await clock.advance(10_000)
  }
  assert.equal(told.filter(line => line === 'tell sessionUpdate').length, 4)
  assert.deepEqual(hangUps(told), [])
  emit(changed({ idleTimeoutS: 200 }))
  await clock.advance(50_000)
  assert.deepEqual(hangUps(told).slice(0, 1), [`hang up ${SESSION.key} idle-timeout`])
})

test('a user name counts only once it is proven', () => {
  const { driver, ask } = scene()
  ask(1, 'authenticate')
  assert.deepEqual(driver.book.ofUser('hb@hb'), [])
  ask(2, 'assignAddress')
  assert.deepEqual(
    driver.book.ofUser('hb@hb').map(session => session.id),
    ['a1'],
  )
})

test('a session holds its lease from the verdict until the lease is released', async () => {
  const { driver, answers, ask, emit } = scene()
  ask(2, 'assignAddress')
  answers.get(2)?.({ kind: 'accept', lease: LEASE })
  assert.equal(driver.book.holding(LEASE)?.id, 'a1')
  emit(UP, DOWN)
  await settle()
  assert.equal(driver.book.holding(LEASE), undefined)
  assert.deepEqual(driver.book.ofUser('hb@hb'), [])
})

test('ending a session resolves when its leases are released', async () => {
  const { driver, told, emit, script } = scene()
  emit(UP)
  await settle()
  let ended = false
  const end = driver.endSession(SESSION.key, 'replaced', 'dialled again').then(() => {
    ended = true
  })
  await settle()
  assert.equal(ended, false)
  script.onTell = async () => {}
  emit(DOWN)
  await end
  assert.deepEqual(told.slice(-2), ['told sessionDown', 'release 172.16.1.51'])
})

test('ending a session that does not go is an error at the deadline', async () => {
  const { driver, clock, emit } = scene()
  emit(UP)
  const end = assert.rejects(driver.endSession(SESSION.key, 'admin-reset', ''), { code: 'SESSION_STUCK' })
  await clock.advance(10_000)
  await end
})

test('stop waits until the core is quiet, the observers are done and the leases released', async () => {
  const { driver, told, script, emit, clock } = scene()
  emit(UP)
  script.quiet = false
  let stopped: boolean | undefined
  const stop = driver.stop(5000).then(inTime => {
    stopped = inTime
  })
  emit(DOWN)
  await settle()
  assert.equal(stopped, undefined)
  script.quiet = true
  driver.act(() => {})
  await stop
  assert.equal(stopped, true)
  assert.deepEqual(told.slice(-1), ['release 172.16.1.51'])
  assert.equal(clock.pending, 0)
})

test('stop gives up at its deadline', async () => {
  const { driver, script, clock, told, datagram } = scene()
  script.quiet = false
  const stop = driver.stop(5000)
  await clock.advance(5000)
  assert.equal(await stop, false)
  script.onDatagram = () => told.push('late datagram')
  datagram(1)
  assert.deepEqual(told, ['shutdown'])
})
