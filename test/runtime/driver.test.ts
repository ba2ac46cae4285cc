/** How the driver moves inputs in and outputs out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TunnelInfo } from '../../core/protocol/outputs.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import { FLOW, PATH, SESSION, scene, transmit, UP } from '../support/driver-scene.ts'

test('outputs are performed in the order in which the core put them out', async () => {
  const { told, put, script, datagram } = scene()
  script.onDatagram = () => put(transmit(1), { kind: 'withdraw', askId: 4 }, transmit(2))
  datagram(0)
  assert.deepEqual(told, ['send 1', 'withdraw 4', 'send 2'])
})

test('a verdict that is ready at once is handed in after the outputs before it', () => {
  const { told, answers, ask, put, script } = scene()
  ask(1, 'authenticate')
  script.onAnswer = () => put(transmit(9))
  answers.get(1)?.({ kind: 'deny', reason: 'bad credentials' })
  assert.deepEqual(told, ['ask 1 authenticate', 'verdict 1 deny', 'send 9'])
})

test('a throw inside the core is logged and loses that datagram only', () => {
  const { told, lines, put, script, datagram } = scene()
  script.onDatagram = ([first]) => {
    if (first === 1) throw new Error('boom')
    put(transmit(2))
  }
  datagram(1)
  datagram(2)
  assert.deepEqual(told, ['send 2'])
  assert.deepEqual(
    lines.map(line => line.level),
    ['error'],
  )
})

test("one timer follows the core's next timeout", async () => {
  const { told, clock, script, driver } = scene()
  script.nextTimeout = 500
  driver.act(() => {})
  driver.act(() => {})
  assert.equal(clock.pending, 1)
  script.nextTimeout = 200
  driver.act(() => {})
  assert.equal(clock.pending, 1)
  await clock.advance(1000)
  assert.deepEqual(told, ['timeout at 200'])
  assert.equal(clock.pending, 0)
})

test('a flow gets its policy after it is installed, and its last counters go back to the core', async () => {
  const { told, put, driver } = scene()
  driver.act(() =>
    put(
      { kind: 'flow', op: 'upsert', flow: FLOW, policy: { zone: 'dmz', rules: [] } },
      { kind: 'flow', op: 'remove', flowId: FLOW.id, generation: FLOW.generation },
    ),
  )
  await settle()
  assert.deepEqual(told, ['upsert 5', 'policy 5', 'remove 5', 'removed 5/1 in=300'])
})

test('a flow that the data plane refuses ends its session', async () => {
  const { told, script, put, driver } = scene()
  script.upsert = () => Promise.reject(new Error('full'))
  driver.act(() => put({ kind: 'flow', op: 'upsert', flow: FLOW, policy: { zone: 'dmz', rules: [] } }))
  await settle()
  assert.deepEqual(told, ['upsert 5', `hang up ${SESSION.key} no-resources`])
})

test('a data plane that loses the counters does not leave the session hanging', async () => {
  const { told, lines, script, put, driver } = scene()
  script.remove = () => Promise.reject(new Error('worker died'))
  driver.act(() => put({ kind: 'flow', op: 'remove', flowId: 5, generation: 1 }))
  await settle()
  assert.deepEqual(told, ['remove 5', 'removed 5/1 in=0'])
  assert.equal(lines[0]?.level, 'error')
})

test('a flood of refused input becomes a few lines and a count', async () => {
  const { bounded, lines, clock, emit } = scene()
  for (let i = 0; i < 1000; i++) emit({ kind: 'drop', path: PATH, reason: 'bad-length' })
  assert.equal(lines.length, 5)
  await clock.advance(10_000)
  assert.equal(lines.length, 6)
  assert.equal(lines[5]?.fields.times, 995)
  assert.deepEqual([...bounded.counts().values()], [1000])
})

test('a peer that opens and closes tunnels fills no log, unless it knows a tunnel secret', async () => {
  const { lines, clock, emit } = scene()
  const cycle = (tunnel: TunnelInfo) => {
    emit({ kind: 'tunnelUp', tunnel })
    emit({ kind: 'tunnelDown', tunnel, wasUp: true, reason: { cause: 'peer-hangup' } })
  }
  for (let i = 0; i < 1000; i++) cycle(SESSION.tunnel)
  assert.equal(lines.length, 10)
  assert.ok(lines.every(({ level }) => level === 'info'))
  await clock.advance(10_000)
  assert.deepEqual(
    lines.slice(10).map(({ fields }) => fields.times),
    [995, 995],
  )
  for (let i = 0; i < 20; i++) cycle({ ...SESSION.tunnel, secretName: 'corporate' })
  assert.equal(lines.length, 12 + 40)
})

test('what every healthy network does is no warning', () => {
  const { lines, emit } = scene()
  emit({ kind: 'drop', path: PATH, reason: 'duplicate' })
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['debug'],
  )
})

test('a dropped packet is logged with the user whose session it came from', () => {
  const { lines, emit, hear } = scene()
  emit(UP)
  hear({ kind: 'drop', reason: 'spoofed-source', flowId: FLOW.id, source: '10.0.0.9' })
  const { level, fields } = lines.at(-1) ?? {}
  assert.deepEqual([level, fields?.user, fields?.source], ['warn', 'hb@hb', '10.0.0.9'])
})

test('a data plane that fails is told to whoever can stop the server, one that is started anew is logged', () => {
  const { told, lines, hear } = scene()
  const stage = { kind: 'stage', stage: 'worker' } as const
  hear({ ...stage, state: 'up' })
  hear({ ...stage, state: 'down', reason: 'out of memory' })
  hear({ ...stage, state: 'up', reason: 'out of memory' })
  assert.deepEqual(told, [])
  hear({ ...stage, state: 'failed', reason: 'the device was deleted', code: 'TUN_GONE' })
  assert.deepEqual(told, ['TUN_GONE: the device was deleted'])
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields?.reason]),
    [
      ['info', undefined],
      ['warn', 'out of memory'],
      ['info', 'out of memory'],
      ['error', 'the device was deleted'],
    ],
  )
})

test('a trace that fails loses the trace only', () => {
  const { told, put, script, datagram } = scene({
    trace: () => {
      throw new Error('disk full')
    },
  })
  script.onDatagram = () => put(transmit(1))
  datagram(0)
  assert.deepEqual(told, ['send 1'])
})
