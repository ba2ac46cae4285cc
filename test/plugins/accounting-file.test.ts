import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import { accountingSinkContract, type KeptRecord } from '../../core/testing/contracts/accounting-sink.ts'
import { memoryLog } from '../../core/testing/log.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.ts'
import accountingFile from '../../plugins/accounting-file/index.ts'
import { type Files, type OpenFile, RecordFile } from '../../plugins/accounting-file/record-file.ts'
import { gate } from '../support/gate.ts'
import { MUCH_TRAFFIC } from '../support/traffic.ts'

const NAME = 'sessions.jsonl'

async function start(t: TestContext, more: object = {}): Promise<{ plugin: Harness; path: string }> {
  const configDir = aFolder(t)
  const plugin = await startPlugin(t, accountingFile, { options: { file: NAME, ...more }, configDir })
  return { plugin, path: join(configDir, NAME) }
}

const lines = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
const records = (path: string) => lines(path).map(line => JSON.parse(line) as Record<string, unknown>)

for (const sync of ['never', 'each']) {
  accountingSinkContract({
    name: `accounting-file with sync: ${sync}`,
    make: async t => {
      const { plugin, path } = await start(t, { sync })
      return { plugin, records: async () => records(path) as unknown as KeptRecord[] }
    },
    makeBroken: t => startPlugin(t, accountingFile, { options: { file: '/dev/full', sync } }),
  })
}

const session = aSession({ user: 'hb@hb', id: '00112233445566ff' })
const end = anEnd(session, {
  grant: { user: 'hb@hb' },
  counters: MUCH_TRAFFIC,
  durationMs: 61_234.5678,
  reason: { cause: 'peer-hangup', text: 'bye', resultCode: 1 },
})

test('the records tell who, from where, with which address, when, how much, how long and why', async t => {
  const { plugin, path } = await start(t)
  const { hooks } = plugin.host
  await hooks.tell('sessionUp', end)
  await plugin.clock.advance(1000)
  await hooks.tell('sessionUpdate', end)
  await hooks.tell('sessionDown', end)
  const who = {
    session: '00112233445566ff',
    user: 'hb@hb',
    peerAddress: '1.1.1.1',
    peerPort: 50_000,
    address: '172.16.1.51',
  }
  const usage = {
    durationS: 61.235,
    octetsIn: 4_294_967_301,
    octetsOut: 9_007_199_254_740_991,
    packetsIn: 12,
    packetsOut: 34,
  }
  assert.deepEqual(records(path), [
    { time: '2026-01-01T00:00:00.000Z', event: 'start', ...who },
    { time: '2026-01-01T00:00:01.000Z', event: 'interim', ...who, ...usage },
    { time: '2026-01-01T00:00:01.000Z', event: 'stop', ...who, ...usage, cause: 'peer-hangup', text: 'bye' },
  ])
})

test('text of a peer cannot act on a terminal or forge a record', async t => {
  const { plugin, path } = await start(t)
  const text = 'a"}\n{"event":"stop"\u001b[2J\u202e\u2028\u200b\u{e0001}\ud800\u0085\u007f'
  const forged = { ...end, reason: { cause: 'peer-hangup', text } as const }
  await plugin.host.hooks.tell('sessionDown', forged)
  assert.deepEqual(
    records(path).map(record => record.text),
    [text],
  )
  assert.match(readFileSync(path, 'latin1'), /^[ -~]*\n$/)
})

test('the file is for its owner alone, and one that others can read is a warning', async t => {
  const { plugin, path } = await start(t)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(plugin.log, [])

  const configDir = aFolder(t)
  writeFileSync(join(configDir, NAME), '')
  chmodSync(join(configDir, NAME), 0o644)
  const wide = await startPlugin(t, accountingFile, { options: { file: NAME }, configDir })
  assert.deepEqual(
    wide.log.map(({ level, fields }) => [level, fields.file]),
    [['warn', join(configDir, NAME)]],
  )
})

test('records are appended to what is there, below a line that a crash left unfinished', async t => {
  const configDir = aFolder(t)
  const path = join(configDir, NAME)
  const append = async () => {
    const plugin = await loadPlugin(accountingFile, { options: { file: NAME }, configDir })
    await plugin.host.start()
    await plugin.host.hooks.tell('sessionUp', end)
    await plugin.host.stop()
  }
  await append()
  appendFileSync(path, '{"event":"st')
  await append()
  await append()
  const [first, torn, second, third, ...more] = lines(path)
  assert.equal(torn, '{"event":"st')
  for (const line of [first, second, third]) assert.equal(JSON.parse(line ?? '').event, 'start')
  assert.deepEqual(more, [])
})

test('after the file was moved away or removed, the next record goes to a new one', async t => {
  const { plugin, path } = await start(t)
  const { hooks } = plugin.host
  await hooks.tell('sessionUp', end)
  renameSync(path, `${path}.1`)
  await hooks.tell('sessionUpdate', end)
  rmSync(path)
  await hooks.tell('sessionDown', end)
  assert.deepEqual(
    [`${path}.1`, path].map(file => records(file).map(({ event }) => event)),
    [['start'], ['stop']],
  )
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('two generations of the config write to one file', async t => {
  const configDir = aFolder(t)
  const setting = { options: { file: NAME }, configDir, shared: new SharedResources() }
  const old = await loadPlugin(accountingFile, setting)
  await old.host.start()
  const next = await startPlugin(t, accountingFile, setting)
  await old.host.hooks.tell('sessionUp', end)
  await next.host.hooks.tell('sessionUp', end)
  await old.host.stop()
  await next.host.hooks.tell('sessionDown', end)
  assert.deepEqual(
    records(join(configDir, NAME)).map(({ event }) => event),
    ['start', 'start', 'stop'],
  )
})

for (const [name, file, prepare] of [
  ['in a folder that is not there', 'missing/sessions.jsonl', () => {}],
  ['that is a folder', 'folder', (dir: string) => mkdirSync(join(dir, 'folder'))],
] as const) {
  test(`a file ${name} is refused before anything starts`, async t => {
    const configDir = aFolder(t)
    prepare(configDir)
    await assert.rejects(
      loadPlugin(accountingFile, { options: { file }, configDir }),
      (error: BurrowError) => {
        assert.deepEqual([error.code, error.place.file], ['ACCOUNTING_FILE', join(configDir, file)])
        return true
      },
    )
  })
}

test('a file that cannot be opened fails the start', async t => {
  const configDir = aFolder(t)
  const plugin = await loadPlugin(accountingFile, {
    options: { file: 'later/sessions.jsonl' },
    configDir,
  }).catch((error: BurrowError) => error.code)
  assert.equal(plugin, 'ACCOUNTING_FILE')
  mkdirSync(join(configDir, 'later'))
  const checked = await loadPlugin(accountingFile, { options: { file: 'later/sessions.jsonl' }, configDir })
  rmSync(join(configDir, 'later'), { recursive: true })
  await assert.rejects(checked.host.start(), { code: 'ACCOUNTING_FILE' })
})

for (const [name, options] of [
  ['no file', {}],
  ['an empty file name', { file: '' }],
  ['another word for sync', { file: NAME, sync: 'sometimes' }],
  ['no waiting records', { file: NAME, waitingRecords: 0 }],
  ['an unknown option', { file: NAME, rotate: true }],
] as const) {
  test(`options with ${name} are refused`, async () => {
    await assert.rejects(loadPlugin(accountingFile, { options }), { code: 'PLUGIN_OPTIONS' })
  })
}

/** One file on a disk of which `room` octets are left; everything is done at once, so virtual time is enough. */
class SmallDisk implements Files {
  room = Number.POSITIVE_INFINITY
  syncs = 0
  closed = 0
  /** Writes wait for it. */
  spin: Promise<void> = Promise.resolve()
  #content = Buffer.alloc(0)

  async stat() {
    return { dev: 1, ino: 1, size: this.#content.length, mode: 0o100600 }
  }

  async open(): Promise<OpenFile> {
    const file = {
      stat: () => this.stat(),
      read: async (buffer: Buffer, _offset: number, length: number, from: number) => {
        this.#content.copy(buffer, 0, from, from + length)
        return { buffer, bytesRead: length }
      },
      write: async (bytes: Buffer, offset: number) => {
        await this.spin
        if (this.room === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
        const some = bytes.subarray(offset, offset + this.room)
        this.room -= some.length
        this.#content = Buffer.concat([this.#content, some])
        return { bytesWritten: some.length }
      },
      datasync: async () => {
        this.syncs++
      },
      close: async () => {
        this.closed++
      },
    }
    return file as unknown as OpenFile
  }

  get lines(): readonly string[] {
    return this.#content
      .toString()
      .split('\n')
      .filter(line => line !== '')
  }
}

async function onSmallDisk({ sync = false, waitingRecords = 100 } = {}) {
  const disk = new SmallDisk()
  const clock = new VirtualClock()
  const { log, lines: logged } = memoryLog()
  const file = new RecordFile({ path: '/a/file', sync, waitingRecords, clock, log, files: disk })
  await file.open()
  return { file, disk, clock, logged }
}

const RECORDS = ['first', 'second', 'third']

test('wherever the disk ends, no record is lost or written twice; one that was cut is written again', async () => {
  const octets = RECORDS.join('\n').length + 1
  for (let room = 0; room <= octets; room++) {
    for (let more = 1; more <= octets; more++) {
      const { file, disk, clock } = await onSmallDisk()
      disk.room = room
      await Promise.all(RECORDS.map(line => file.append(`${line}\n`)))
      disk.room += more
      await clock.advance(1000)
      disk.room = Number.POSITIVE_INFINITY
      await clock.advance(2000)
      const fragments = disk.lines.filter(line => !RECORDS.includes(line))
      const whole = disk.lines.filter(line => RECORDS.includes(line))
      assert.deepEqual(whole, RECORDS, `${room} and ${more} octets: ${disk.lines}`)
      assert.ok(fragments.length <= 2)
    }
  }
})

test('while the file cannot be written it is tried again later and later, each time with a line in the log', async () => {
  const { file, disk, clock, logged } = await onSmallDisk()
  disk.room = 0
  await file.append('first\n')
  await clock.advance(190_000)
  await file.append('second\n')
  assert.deepEqual(
    logged.map(({ level, fields }) => [level, fields.retryMs]),
    [1, 2, 4, 8, 16, 32, 60, 60, 60].map(seconds => ['error', seconds * 1000]),
  )
  disk.room = Number.POSITIVE_INFINITY
  await clock.advance(60_000)
  assert.deepEqual(disk.lines, ['first', 'second'])
  assert.equal(logged.at(-1)?.level, 'warn')
  assert.equal(clock.pending, 0)
  await file.append('third\n')
  assert.deepEqual(disk.lines, ['first', 'second', 'third'])
})

test('beyond waitingRecords the oldest are lost, and the log says how many', async () => {
  const { file, disk, clock, logged } = await onSmallDisk({ waitingRecords: 2 })
  disk.room = 0
  for (const line of ['a\n', 'b\n', 'c\n', 'd\n']) await file.append(line)
  disk.room = Number.POSITIVE_INFINITY
  await clock.advance(1000)
  assert.deepEqual(disk.lines, ['c', 'd'])
  assert.deepEqual([logged.at(-1)?.level, logged.at(-1)?.fields.lost], ['warn', 2])
  disk.room = 0
  await file.append('e\n')
  assert.equal(logged.at(-1)?.fields.lost, 0, 'counted anew')
})

test('what cannot be written before the end is told as lost, and nothing stays armed', async () => {
  const { file, disk, clock, logged } = await onSmallDisk()
  disk.room = 0
  await Promise.all([file.append('a\n'), file.append('b\n')])
  await file.close()
  assert.deepEqual([logged.at(-1)?.level, logged.at(-1)?.fields.lost], ['error', 2])
  assert.equal(clock.pending, 0)
})

test('drain waits for a write that is under way', async () => {
  const { file, disk } = await onSmallDisk()
  const { opened, open: letWrite } = gate()
  disk.spin = opened
  void file.append('a\n')
  await settle()
  const drained = file.drain()
  letWrite()
  await drained
  assert.deepEqual(disk.lines, ['a'])
})

test('close writes what waits at once, says nothing when nothing is lost, and closes the file', async () => {
  const { file, disk, clock, logged } = await onSmallDisk()
  disk.room = 0
  await file.append('a\n')
  disk.room = Number.POSITIVE_INFINITY
  await file.close()
  assert.equal(clock.pending, 0)
  assert.deepEqual(disk.lines, ['a'])
  assert.equal(disk.closed, 1)
  assert.deepEqual(
    logged.map(({ level }) => level),
    ['error', 'warn'],
  )
})

test('to stop with nothing left to write touches no file', async t => {
  const configDir = aFolder(t)
  const plugin = await loadPlugin(accountingFile, { options: { file: NAME }, configDir })
  await plugin.host.start()
  rmSync(join(configDir, NAME))
  await plugin.host.stop()
  assert.equal(existsSync(join(configDir, NAME)), false)
  assert.deepEqual(plugin.log, [])
})

for (const [sync, waits] of [
  ['each', 1],
  ['never', 0],
] as const) {
  test(`the option sync: ${sync} waits for the disk ${waits} times for a record`, async t => {
    const { plugin, path } = await start(t, { sync })
    const handle = await open(path)
    const datasync = t.mock.method(Object.getPrototypeOf(handle), 'datasync')
    await handle.close()
    await plugin.host.hooks.tell('sessionUp', end)
    assert.equal(datasync.mock.callCount(), waits)
  })
}

test('with sync: each a record is on the disk before it is done; many at once share one wait', async () => {
  const { file, disk } = await onSmallDisk({ sync: true, waitingRecords: 1000 })
  await file.append('a\n')
  assert.equal(disk.syncs, 1)
  await Promise.all(Array.from({ length: 100 }, () => file.append('b\n')))
  assert.equal(disk.lines.length, 101)
  assert.ok(disk.syncs <= 4, `${disk.syncs} waits for 100 records`)
})

test('without it nobody waits for the disk', async () => {
  const { file, disk } = await onSmallDisk()
  await file.append('a\n')
  assert.equal(disk.syncs, 0)
})
