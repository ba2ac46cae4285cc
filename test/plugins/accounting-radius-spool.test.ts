/** The spool of accounting-radius on disk: crashes at every octet, damage, files that are written anew. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { aFolder } from '../../core/testing/samples.ts'
import { frameOf, framesIn } from '../../plugins/accounting-radius/frame.ts'
import {
  type AccountingRecord,
  headOf,
  markBytes,
  recordBytes,
  recordOf,
  restated,
} from '../../plugins/accounting-radius/record.ts'
import { content, Disk, entryOf, LIMITS, openSpool, record, recordFiles, told } from '../support/spool.ts'

test('frames are read back, whatever their payload', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), payloads => {
      const { frames, end, damagedOctets } = framesIn(
        Buffer.concat(payloads.map(one => frameOf(Buffer.from(one)))),
      )
      assert.deepEqual(
        frames.map(({ payload }) => [...payload]),
        payloads.map(one => [...one]),
      )
      assert.equal(
        end,
        payloads.reduce((sum, { length }) => sum + length + 12, 0),
      )
      assert.equal(damagedOctets, 0)
    }),
  )
})

test('an octet that changed costs the frame that it is in, and no other', () => {
  const payloads = ['one', 'two', 'three'].map(text => Buffer.from(text))
  const frames = payloads.map(frameOf)
  const whole = Buffer.concat(frames)
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole)
    damaged.writeUInt8((damaged[at] ?? 0) ^ 0x10, at)
    const hit = [0, 1, 2].find(index => at < Buffer.concat(frames.slice(0, index + 1)).length) ?? 0
    const read = framesIn(damaged)
    assert.deepEqual(
      read.frames.map(({ payload }) => payload.toString()),
      ['one', 'two', 'three'].filter((_, index) => index !== hit),
      `octet ${at}`,
    )
    assert.equal(read.damagedOctets + whole.length - read.end, frames[hit]?.length)
  }
})

test('noise is no frame', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), noise => {
      assert.deepEqual(framesIn(Buffer.from(noise)).frames, [])
    }),
  )
})

test('records keep every kind of value', () => {
  const attributes = [
    { name: 'text', value: 'a"\u0000\u{1f600}' },
    { name: 'number', value: 2 ** 32 - 1 },
    { name: 'integer', value: 2n ** 64n - 1n },
    { name: 'octets', value: Uint8Array.of(0, 255), tag: 0 },
  ]
  const made = { event: 'stop', session: 'a\n"', atMs: 1.5, attributes } as const
  const bytes = recordBytes(7, made)
  assert.deepEqual(recordOf(bytes), made)
  const again = restated(bytes, { done: 1, spent: 0 })
  assert.deepEqual(recordOf(again), made)
  assert.deepEqual([headOf(again)?.seq, again.length], [7, bytes.length])
  assert.deepEqual({ ...headOf(bytes), done: 1, spent: 0 }, headOf(again))
  for (const nothing of ['{', '']) {
    assert.equal(headOf(Buffer.from(nothing)), undefined)
    assert.equal(recordOf(Buffer.from(nothing)), undefined)
  }
  assert.equal(recordOf(markBytes('done', 7)), undefined)
})

type Step =
  | { readonly kind: 'put'; readonly session: number; readonly end: boolean }
  | { readonly kind: 'settle'; readonly pick: number }

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('put' as const), session: fc.nat(2), end: fc.boolean() }),
    fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(100) }),
  ),
  { maxLength: 10 },
)

/** What must be there at a moment, told apart from the spool. */
class Model {
  readonly pending = new Map<number, string>()
  readonly open = new Map<string, { seq: number; text: string }>()
  #seq = 0

  next({ kind, ...step }: Step): { record: AccountingRecord } | { seq: number } | undefined {
    if (kind === 'settle') {
      const seqs = [...this.pending.keys()]
      const seq = seqs[(step as { pick: number }).pick % Math.max(1, seqs.length)]
      if (seq === undefined) return undefined
      this.pending.delete(seq)
      return { seq }
    }
    const { session, end } = step as { session: number; end: boolean }
    const id = `s${session}`
    const event = this.open.has(id) ? (end ? 'stop' : 'interim') : 'start'
    const seq = ++this.#seq
    const made = record(event, id, seq)
    this.pending.set(seq, told(made))
    if (event === 'stop') this.open.delete(id)
    else this.open.set(id, { seq, text: told(made) })
    return { record: made }
  }

  get content() {
    const open = [...this.open.values()].sort((a, b) => a.seq - b.seq).map(({ text }) => text)
    return { pending: [...this.pending.values()], open }
  }
}

test('wherever a crash cuts the spool, what was acknowledged is there, and nothing else', async t => {
  await fc.assert(
    fc.asyncProperty(steps, async script => {
      const folder = aFolder(t)
      const { spool } = await openSpool(folder)
      const model = new Model()
      const file = join(folder, '00000001.records')
      const size = () => (recordFiles(folder).length === 0 ? 0 : readFileSync(file).length)
      /** What must be there from that length of the file on. */
      const must = [{ octets: 0, content: model.content }]
      for (const step of script) {
        const next = model.next(step)
        if (next === undefined) continue
        if ('record' in next) await spool.put(next.record, false)
        else spool.settle(entryOf(spool, next.seq))
        await spool.drain()
        must.push({ octets: size(), content: model.content })
      }
      await spool.close()
      for (let octets = 0; octets <= size(); octets++) {
        const crashed = aFolder(t)
        if (size() > 0) {
          cpSync(folder, crashed, { recursive: true })
          truncateSync(join(crashed, '00000001.records'), octets)
        }
        const { spool: again } = await openSpool(crashed)
        const found = await content(again)
        const reached = must.findLastIndex(one => one.octets <= octets)
        // What came last before the cut may be there already.
        const allowed = must.slice(reached, reached + 2).map(one => one.content)
        assert.ok(
          allowed.some(one => isDeepEqual(one, found)),
          `cut at ${octets}: ${JSON.stringify(found)} is none of ${JSON.stringify(allowed)}`,
        )
        await again.close()
      }
    }),
    { numRuns: 6 },
  )
})

const isDeepEqual = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

test('a crash in the middle of a record is told, and the next records are whole', async t => {
  const folder = aFolder(t)
  const { spool } = await openSpool(folder)
  await spool.put(record('start', 'a'), false)
  // Longer than what comes next.
  await spool.put(record('start', 'b'.repeat(500)), false)
  await spool.close()
  const file = join(folder, '00000001.records')
  truncateSync(file, readFileSync(file).length - 3)
  const { spool: again, lines } = await openSpool(folder)
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields.file]),
    [['warn', '00000001.records']],
  )
  await again.put(record('start', 'c'), false)
  await again.close()
  const { spool: third, lines: quiet } = await openSpool(folder)
  assert.deepEqual(await content(third), {
    pending: ['start a 0', 'start c 0'],
    open: ['start a 0', 'start c 0'],
  })
  assert.deepEqual(quiet, [])
  await third.close()
})

test('damage in the middle costs one record and is an error in the log', async t => {
  const folder = aFolder(t)
  const { spool } = await openSpool(folder)
  for (const session of ['a', 'b', 'c']) await spool.put(record('start', session), false)
  await spool.close()
  const file = join(folder, '00000001.records')
  const bytes = readFileSync(file)
  bytes.writeUInt8(0, Math.floor(bytes.length / 2))
  writeFileSync(file, bytes)
  const { spool: again, lines } = await openSpool(folder)
  assert.deepEqual((await content(again)).pending, ['start a 0', 'start c 0'])
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['error'],
  )
  await again.close()
})

test('over many files, written anew again and again, nothing is lost, invented or told twice', async t => {
  const script = fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ kind: fc.constant('put' as const), session: fc.nat(30), end: fc.boolean() }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(100) }) },
    ),
    { minLength: 200, maxLength: 400 },
  )
  await fc.assert(
    fc.asyncProperty(script, fc.nat(3), async (all, restarts) => {
      const folder = aFolder(t)
      const model = new Model()
      // Sixteen records or so fill a file.
      const limits = { ...LIMITS, maxSpoolBytes: 64 * 2048 }
      let { spool } = await openSpool(folder, { limits })
      let begun = 1
      for (const [index, step] of all.entries()) {
        const next = model.next(step)
        if (next === undefined) continue
        if ('record' in next) await spool.put(next.record, false)
        else spool.settle(entryOf(spool, next.seq))
        if (restarts > 0 && index % 97 === 96) {
          await spool.close()
          assert.ok(recordFiles(folder).length < 60)
          ;({ spool } = await openSpool(folder, { limits }))
          begun++
          assert.deepEqual(await content(spool), model.content)
        }
      }
      assert.deepEqual(await content(spool), model.content)
      assert.equal(spool.lost, 0)
      await spool.close()
      const { spool: again } = await openSpool(folder, { limits })
      assert.deepEqual(await content(again), model.content)
      await again.close()
      assert.ok(begun >= 1)
    }),
    { numRuns: 25 },
  )
})

test('a crash while old files are written anew loses nothing', async t => {
  const folder = aFolder(t)
  const limits = { ...LIMITS, maxSpoolBytes: 64 * 1024 }
  const files = new Disk()
  const { spool } = await openSpool(folder, { limits, files })
  // A session that stays, and much that does not: its record must be carried from file to file.
  await spool.put(record('start', 'long'), false)
  const crashed: string[] = []
  files.before = () => {
    const copy = aFolder(t)
    cpSync(folder, copy, { recursive: true })
    crashed.push(copy)
  }
  for (let turn = 0; turn < 60; turn++) {
    await spool.put(record('start', `short ${turn}`), false)
    await spool.put(record('stop', `short ${turn}`), false)
    for (const entry of spool.book.live().filter(({ session }) => session !== 'long')) spool.settle(entry)
  }
  files.before = () => {}
  await spool.close()
  assert.ok(!recordFiles(folder).includes('00000001.records'), 'it was written anew')
  assert.ok(crashed.length > 100)
  for (const copy of crashed) {
    const { spool: again } = await openSpool(copy, { limits })
    const { open, pending } = await content(again)
    assert.equal(open.filter(text => text === 'start long 0').length, 1)
    assert.ok(pending.includes('start long 0'))
    await again.close()
  }
})
