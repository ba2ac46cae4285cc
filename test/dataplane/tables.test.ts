import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { COLUMN, Counters, dropColumn, NO_FLOW } from '../../core/dataplane/counters.ts'
import { PairTable } from '../../core/dataplane/pair-table.ts'
import { PrefixTable } from '../../core/dataplane/prefix-table.ts'
import { NO_COUNTERS } from '../../core/flow.ts'
import { ipv4Mask } from '../../core/wire/ip.ts'

test('a pair table holds what a map holds, through any additions and deletions', () => {
  const key = fc.tuple(fc.constantFrom(0, -1, 1, 0x7fffffff), fc.integer({ min: -40, max: 40 }))
  const step = fc.record({ key, value: fc.nat(), remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), steps => {
      const table = new PairTable()
      const model = new Map<string, number>()
      for (const {
        key: [a, b],
        value,
        remove,
      } of steps) {
        if (remove) table.delete(a, b)
        else table.set(a, b, value)
        if (remove) model.delete(`${a}/${b}`)
        else model.set(`${a}/${b}`, value)
      }
      assert.equal(table.size, model.size)
      for (const {
        key: [a, b],
      } of steps)
        assert.equal(table.get(a, b), model.get(`${a}/${b}`) ?? -1)
    }),
    { numRuns: 300 },
  )
})

test('the longest prefix is that of a search through all', () => {
  const prefix = fc
    .tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.nat(32))
    .map(([address, length]) => ({ address: address & ipv4Mask(length), length }))
  const near = fc.tuple(prefix, fc.nat(32)).map(([{ address }, bit]) => address ^ (bit === 32 ? 0 : 1 << bit))
  const step = fc.record({ prefix, value: fc.nat(), remove: fc.nat(3).map(n => n === 0) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(near, { maxLength: 20 }), (steps, others) => {
      const table = new PrefixTable()
      const model = new Map<string, (typeof steps)[number]>()
      for (const entry of steps) {
        const { address, length } = entry.prefix
        if (entry.remove) table.delete(address, length)
        else table.set(address, length, entry.value)
        if (entry.remove) model.delete(`${address}/${length}`)
        else model.set(`${address}/${length}`, entry)
      }
      for (const address of [...others, ...steps.map(entry => entry.prefix.address)]) {
        const holding = [...model.values()].filter(
          entry => (address & ipv4Mask(entry.prefix.length)) === entry.prefix.address,
        )
        const longest = holding.sort((a, b) => b.prefix.length - a.prefix.length)[0]
        assert.equal(table.lookup(address), longest?.value ?? -1)
      }
    }),
  )
})

function makeCounters() {
  const memory = new SharedArrayBuffer(Counters.bytesFor(2))
  return { counters: new Counters(memory), reader: new Counters(memory) }
}

test('a counter goes on beyond 32 bits, and keeps to its own row and column', () => {
  const { counters, reader } = makeCounters()
  counters.begin(0, 5)
  counters.begin(1, 0)
  for (let i = 0; i < 5; i++) counters.add(0, COLUMN.octetsIn, 0xffff_fff0)
  counters.add(1, COLUMN.octetsIn, 1)
  counters.add(0, dropColumn('send-failed'), 1)
  counters.add(NO_FLOW, COLUMN.notHandedUp, 3)
  assert.deepEqual(reader.read(0), {
    ...NO_COUNTERS,
    octetsIn: 5n * 0xffff_fff0n,
    drops: { 'send-failed': 1n },
  })
  assert.deepEqual(reader.read(1), { ...NO_COUNTERS, octetsIn: 1n })
  assert.deepEqual(reader.totals(), { drops: {}, handedUp: 0n, notHandedUp: 3n })
})

test('a row belongs to one generation from its beginning to its end', () => {
  const { counters } = makeCounters()
  assert.deepEqual(counters.end(0, 0), NO_COUNTERS)
  counters.begin(0, 0)
  counters.add(0, COLUMN.packetsOut, 7)
  assert.deepEqual(counters.end(0, 1), NO_COUNTERS)
  assert.equal(counters.end(0, 0).packetsOut, 7n)
  assert.equal(counters.end(0, 0).packetsOut, 0n)
  assert.equal(counters.read(0).packetsOut, 0n)
  counters.add(0, COLUMN.packetsOut, 1)
  counters.begin(0, 1)
  assert.equal(counters.read(0).packetsOut, 0n)
})
