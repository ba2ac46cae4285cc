import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Endpoint } from '../../core/protocol/endpoint.ts'
import type { Ask } from '../../core/protocol/outputs.ts'
import { fromJson, type Json, toJson } from '../../core/protocol/snapshot.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { LNS_CONFIG, Pair } from '../support/pair.ts'
import { Bench } from '../support/scripted-peer.ts'

const key = fc.string({ minLength: 1 }).filter(text => !text.startsWith('$') && text !== '__proto__')
const { tree } = fc.letrec(tie => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.string(),
    fc.bigInt(),
    fc.uint8Array({ maxLength: 20 }),
  ),
  tree: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('tree')), { maxLength: 4 })
      .map(entries => new Map(entries)),
  ),
}))

test('bytes, big integers and maps survive JSON, in their order', () => {
  fc.assert(
    fc.property(tree, value => {
      const back = fromJson<unknown>(JSON.parse(JSON.stringify(toJson(value))) as Json)
      assert.deepEqual(back, value)
      if (value instanceof Map && back instanceof Map) assert.deepEqual([...back.keys()], [...value.keys()])
    }),
  )
})

test('a property that is undefined is as good as absent', () => {
  assert.deepEqual(toJson({ here: 1, gone: undefined }), { here: 1 })
})

test('what is no data cannot become part of a snapshot', () => {
  for (const value of [() => 1, Symbol('s'), { deep: [() => 1] }])
    assert.throws(() => toJson(value), TypeError)
})

test('a snapshot of another version is refused', () => {
  const random = new SeededRandom(1)
  const snapshot = new Endpoint(LNS_CONFIG, random).snapshot() as Record<string, Json>
  assert.throws(() => Endpoint.restore({ ...snapshot, version: 999 }, LNS_CONFIG, random), RangeError)
})

test('a restored endpoint knows what was asked and not answered, and takes the answer', () => {
  const bench = new Bench({ decide: () => undefined })
  bench.peer().sccrq()
  const pending = bench.endpoint.pendingAsks()
  assert.deepEqual(
    pending.map(({ askId, ask }: { askId: number; ask: Ask }) => [askId, ask.kind]),
    [[1, 'admitTunnel']],
  )
  const text = JSON.stringify(bench.endpoint.snapshot())
  const restored = Endpoint.restore(JSON.parse(text) as Json, LNS_CONFIG, new SeededRandom(2))
  assert.deepEqual(restored.pendingAsks(), pending)
  restored.handleAnswer(0, { kind: 'verdict', askId: 1, verdict: { kind: 'accept' } })
  assert.equal(restored.pollOutput()?.kind, 'transmit')
  assert.deepEqual(restored.pendingAsks(), [])
})

test('outputs that nobody polled yet are part of a snapshot', () => {
  const endpoint = new Endpoint(LNS_CONFIG, new SeededRandom(1))
  const path = { local: { address: '2.2.2.2', port: 1701 }, remote: { address: '3.3.3.3', port: 1701 } }
  endpoint.handleDatagram(0, path, new Uint8Array(3))
  endpoint.handleDatagram(0, path, Uint8Array.of(0xc8, 3, 0, 12, 0, 0, 0, 0))
  endpoint.pollOutput()
  const restored = Endpoint.restore(endpoint.snapshot(), LNS_CONFIG, new SeededRandom(1))
  assert.deepEqual(restored.pollOutput(), {
    kind: 'event',
    event: { kind: 'drop', path, reason: 'l2tpv3' },
  })
  assert.equal(restored.pollOutput(), undefined)
})

test('a session goes on in a restored endpoint, and ends there with the same ids', () => {
  const pair = new Pair({ seed: 21 })
  pair.dial()
  pair.run(1000)
  const before = pair.lns.endpoint.sessions()
  pair.lns.restore()
  assert.deepEqual(pair.lns.endpoint.sessions(), before)
  pair.run(200_000)
  assert.deepEqual(pair.lns.endpoint.sessions(), before, 'echoes go on')
  pair.act(pair.client, (endpoint, now) => endpoint.shutdown(now))
  pair.run(400_000)
  assert.equal(pair.lns.eventsOf('sessionDown')[0]?.session.id, before[0]?.session.id)
  assert.ok(pair.lns.endpoint.isIdle())
})
