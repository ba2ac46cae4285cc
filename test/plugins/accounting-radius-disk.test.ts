/** accounting-radius on a disk that is full or failing, and in a spool that is. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aFolder } from '../../core/testing/samples.ts'
import { framesIn } from '../../plugins/accounting-radius/frame.ts'
import { content, entryOf, onDisk, openSpool, record, recordFiles } from '../support/spool.ts'
import { until } from '../support/until.ts'

test('wherever the disk ends, no record is lost, and each stands there once', async t => {
  const sessions = ['a', 'b', 'c']
  for (let room = 0; room <= 330; room += 3) {
    const { folder, disk, spool, clock, lines } = await onDisk(t)
    disk.room = room
    await Promise.all(sessions.map(session => spool.put(record('start', session), false)))
    assert.deepEqual((await content(spool)).pending, ['start a 0', 'start b 0', 'start c 0'])
    disk.room = Number.POSITIVE_INFINITY
    await clock.advance(1000)
    await spool.close()
    const levels = lines.map(({ level }) => level)
    assert.ok(levels.length === 0 || (levels[0] === 'error' && levels.at(-1) === 'warn'), `${levels}`)
    const frames = recordFiles(folder).flatMap(name => framesIn(readFileSync(join(folder, name))).frames)
    assert.equal(frames.length, 3)
    const { spool: again } = await openSpool(folder)
    assert.deepEqual((await content(again)).pending, ['start a 0', 'start b 0', 'start c 0'])
    await again.close()
  }
})

test('while the disk is full it is tried again later and later, each time with an error in the log', async t => {
  const { disk, spool, clock, lines } = await onDisk(t)
  disk.room = 0
  await spool.put(record('start', 'a'), false)
  const delays = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(seconds => seconds * 1000)
  for (const [index, delayMs] of delays.entries()) {
    await until('another try', () => lines.length > index)
    await clock.advance(delayMs - 1)
    await spool.put(record('interim', 'a'), false)
    assert.equal(lines.length, index + 1)
    await clock.advance(1)
  }
  assert.deepEqual(
    lines.slice(0, delays.length).map(({ level, fields }) => [level, fields.retryMs]),
    delays.map(delayMs => ['error', delayMs]),
  )
  await until('the last try', () => lines.length > delays.length)
  disk.room = Number.POSITIVE_INFINITY
  await clock.advance(60_000)
  await until('the record to be written', () => lines.at(-1)?.level === 'warn')
  await spool.close()
  assert.equal(clock.pending, 0)
})

test('what the disk took of a batch before it failed does not come back below what is written there later', async t => {
  const { folder, disk, spool, clock } = await onDisk(t)
  const puts = ['a', 'b', 'c', 'd'].map(session => spool.put(record('stop', session), false))
  await puts[0]
  // The first goes alone, the others together; all are of one length.
  const octets = readFileSync(join(folder, '00000001.records')).length
  disk.room = 2.5 * octets
  await Promise.all(puts)
  for (const seq of [2, 3]) spool.settle(entryOf(spool, seq))
  disk.room = Number.POSITIVE_INFINITY
  await clock.advance(1000)
  await spool.close()
  const { spool: again } = await openSpool(folder)
  assert.deepEqual((await content(again)).pending, ['stop a 0', 'stop d 0'])
  await again.close()
})

test('a Stop that was delivered from memory is not told again after a crash', async t => {
  const { folder, disk, spool, clock } = await onDisk(t)
  await spool.put(record('start', 'a'), false)
  spool.settle(entryOf(spool, 1))
  disk.room = 0
  await spool.put(record('interim', 'a'), false)
  await spool.put(record('stop', 'a'), false)
  spool.settle(entryOf(spool, 2))
  spool.settle(entryOf(spool, 3))
  disk.room = Number.POSITIVE_INFINITY
  await clock.advance(1000)
  await spool.close()
  const { spool: again } = await openSpool(folder)
  assert.deepEqual(await content(again), { pending: [], open: [] })
  await again.close()
})

test('a session is remembered by what is on the disk until a later record is there', async t => {
  const { folder, disk, spool } = await onDisk(t)
  await spool.put(record('start', 'a'), false)
  spool.settle(entryOf(spool, 1))
  disk.room = 0
  await spool.put(record('interim', 'a', 1), false)
  await spool.put(record('stop', 'a', 2), false)
  const crashed = aFolder(t)
  cpSync(folder, crashed, { recursive: true })
  const { spool: again } = await openSpool(crashed)
  assert.deepEqual((await content(again)).open, ['start a 0'])
  await again.close()
  await spool.close()
})

test('what waits in memory for a full disk is bounded: Interims go first, Stops last', async t => {
  const { disk, spool, lines } = await onDisk(t, { waitingRecords: 100 })
  disk.room = 0
  for (let session = 0; session < 60; session++)
    for (const event of ['start', 'interim', 'stop'] as const)
      await spool.put(record(event, `${session}`), false)
  const { pending } = await content(spool)
  const count = (event: string) => pending.filter(text => text.startsWith(event)).length
  assert.ok(pending.length <= 100 && pending.length > 90, `${pending.length}`)
  assert.equal(count('stop'), 60)
  assert.ok(count('interim') <= 1, `${count('interim')} Interims`)
  assert.equal(spool.lost, 180 - pending.length)
  assert.ok(lines.some(({ message }) => message.includes('are lost')))
  await spool.close()
})

test('when the spool is full, the oldest Interims are given up first and Stops last; the folder stays bounded', async t => {
  const { folder, spool, clock, lines } = await onDisk(t, { maxSpoolBytes: 64 * 1024 })
  const size = () =>
    recordFiles(folder).reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0)
  let most = 0
  for (let session = 0; session < 400; session++) {
    for (const event of ['start', 'interim', 'stop'] as const)
      await spool.put(record(event, `${session}`), false)
    most = Math.max(most, size())
  }
  const { pending } = await content(spool)
  assert.ok(most <= 66 * 1024, `${most} octets`)
  // Somewhat more than needed is given up at a time.
  assert.ok(pending.filter(text => text.startsWith('interim')).length < 10)
  const starts = pending.filter(text => text.startsWith('start'))
  const stops = pending.filter(text => text.startsWith('stop'))
  assert.ok(stops.length > 300, `${stops.length} Stops`)
  assert.equal(pending.length + spool.lost, 1200)
  const newest = Array.from({ length: starts.length }, (_, index) => `start ${400 - starts.length + index} 0`)
  assert.deepEqual(starts, newest)
  assert.ok(starts.length < 60, `${starts.length} Starts`)
  const errors = lines.filter(({ level }) => level === 'error').map(({ message }) => message)
  assert.deepEqual(errors, [
    'the spool of accounting records fills up',
    'accounting records are lost: the spool is full',
  ])
  await clock.advance(60_000)
  assert.match(lines.at(-1)?.message ?? '', /are lost.* times more in 60 s/)
  await spool.close()
  assert.equal(clock.pending, 0)
  const { spool: again } = await openSpool(folder)
  assert.deepEqual((await content(again)).pending, pending)
  await again.close()
})

test('when live sessions alone fill the spool, the oldest lose their Stop after a crash', async t => {
  const { folder, spool } = await onDisk(t, { maxSpoolBytes: 64 * 1024 })
  for (let session = 0; session < 1000; session++) {
    await spool.put(record('start', `${session}`), false)
    const entry = spool.book.newest()
    if (entry !== undefined) spool.settle(entry)
  }
  await spool.close()
  const octets = recordFiles(folder).reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0)
  assert.ok(octets <= 66 * 1024, `${octets} octets`)
  const { spool: again } = await openSpool(folder)
  const { open } = await content(again)
  assert.ok(open.length > 200 && open.length < 1000, `${open.length} sessions`)
  assert.equal(open.at(-1), 'start 999 0')
  await again.close()
})

for (const [sync, waits] of [
  ['each', 1],
  ['never', 0],
] as const) {
  test(`sync: ${sync} waits for the disk ${waits} times for a record`, async t => {
    const { disk, spool } = await onDisk(t, { sync })
    await spool.put(record('start', 'a'), false)
    assert.equal(disk.syncs, waits)
    await spool.close()
  })
}

test('with sync: each the many records of one moment share few waits', async t => {
  const { disk, spool } = await onDisk(t, { sync: 'each' })
  await Promise.all(
    Array.from({ length: 100 }, (_, session) => spool.put(record('start', `${session}`), false)),
  )
  assert.ok(disk.syncs <= 4, `${disk.syncs} waits`)
  await spool.close()
})
