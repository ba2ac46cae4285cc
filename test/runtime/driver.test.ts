import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataPlane, DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import type { Flow, FlowCounters } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import type { Answer, Event, Lease, Output, SessionInfo, Verdict } from '../../core/protocol/outputs.ts'
import { BoundedLog } from '../../core/runtime/bounded-log.ts'
import type { Decisions, DrivenEndpoint, Observed } from '../../core/runtime/driver.ts'
import { Driver } from '../../core/runtime/driver.ts'
import { gate } from '../support/gate.ts'
import { memoryLog } from '../support/log.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

const PATH: Path = {
  local: { address: '192.0.2.1', port: 1701 },
  remote: { address: '198.51.100.7', port: 40000 },
}
const TUNNEL = {
  key: '192.0.2.1/1',
  role: 'lns',
  path: PATH,
  localTunnelId: 1,
  peerTunnelId: 2,
  peerHostName: 'phone',
} as const
const SESSION: SessionInfo = {
  key: '192.0.2.1/1/81',
  id: 'a1',
  tunnel: TUNNEL,
  localSessionId: 81,
  peerSessionId: 77,
  callSerialNumber: 0,
}
const LEASE: Lease = { owner: 'address-pool', kind: 'ipv4', value: '172.16.1.51', id: 'l1' }
const GRANT = { user: 'hb@hb' }
const COUNTERS: FlowCounters = { packetsIn: 3n, octetsIn: 300n, packetsOut: 2n, octetsOut: 200n, drops: {} }
const FLOW: Flow = {
  id: 5,
  generation: 1,
  path: PATH,
  localTunnelId: 1,
  localSessionId: 81,
  peerTunnelId: 2,
  peerSessionId: 77,
  prefixes: [{ address: LEASE.value, length: 32 }],
  mtuBytes: 1400,
  zone: 'dmz',
  header: { length: true, acfc: false, pfc: false },
  needs: { sequence: false, shaping: false, mss: true, nat: false },
}
const UP: Event = {
  kind: 'sessionUp',
  session: SESSION,
  grant: GRANT,
  leases: [LEASE],
  network: { localAddress: '172.16.1.1', peerAddress: LEASE.value, dns: [], nbns: [], mtuBytes: 1400 },
  flowId: FLOW.id,
}
const DOWN: Event = {
  kind: 'sessionDown',
  session: SESSION,
  wasUp: true,
  grant: GRANT,
  leases: [LEASE],
  reason: { cause: 'peer-hangup' },
  counters: COUNTERS,
  durationMs: 5000,
}

/** An endpoint, a data plane and decisions that do what a test tells them, and write down what they are told. */
function scene({ interimIntervalS = 0 } = {}) {
  const told: string[] = []
  const outputs: Output[] = []
  const clock = new VirtualClock()
  const { log, lines } = memoryLog()
  const script = {
    onDatagram: (_bytes: Uint8Array): void => {},
    onAnswer: (_answer: Answer): void => {},
    onTell: async (_event: Observed): Promise<void> => {},
    upsert: async (): Promise<void> => {},
    remove: async (): Promise<readonly FlowCounters[]> => [COUNTERS],
    nextTimeout: undefined as number | undefined,
    quiet: true,
  }
  const endpoint: DrivenEndpoint = {
    handleDatagram: (_now, _path, bytes) => script.onDatagram(bytes),
    handleTimeout: now => {
      told.push(`timeout at ${now}`)
      script.nextTimeout = undefined
    },
    handleAnswer: (_now, answer) => {
      told.push(
        answer.kind === 'verdict'
          ? `verdict ${answer.askId} ${answer.verdict.kind}`
          : `removed ${answer.flowId}/${answer.generation} in=${answer.counters.octetsIn}`,
      )
      script.onAnswer(answer)
    },
    pollOutput: () => outputs.shift(),
    nextTimeout: () => script.nextTimeout,
    hangUp: (_now, key, { cause }) => told.push(`hang up ${key} ${cause}`),
    shutdown: () => told.push('shutdown'),
    isQuiet: () => script.quiet,
  }
  let listener: (event: DataPlaneEvent) => void = () => {}
  const dataPlane: DataPlane = {
    caps: { stages: ['script'], offloads: [] },
    upsert: async flows => {
      told.push(`upsert ${flows.map(flow => flow.id)}`)
      await script.upsert()
    },
    remove: flows => {
      told.push(`remove ${flows.map(flow => flow.id)}`)
      return script.remove()
    },
    readCounters: () => [COUNTERS],
    setFlowPolicy: async id => {
      told.push(`policy ${id}`)
    },
    setPolicy: async () => {},
    setLocalPrefixes: async () => {},
    send: (_path, bytes) => told.push(`send ${bytes.join()}`),
    onEvent: heard => {
      listener = heard
    },
    start: async () => {},
    stop: async () => {},
  }
  const answers = new Map<number, (verdict: Verdict) => void>()
  const decisions: Decisions = {
    ask: (askId, ask, answer) => {
      told.push(`ask ${askId} ${ask.kind}`)
      answers.set(askId, answer)
    },
    withdraw: askId => told.push(`withdraw ${askId}`),
    tell: async event => {
      told.push(`tell ${event.kind}`)
      await script.onTell(event)
      told.push(`told ${event.kind}`)
    },
    releaseLease: async lease => {
      told.push(`release ${lease.value}`)
    },
  }
  const bounded = new BoundedLog(log, clock)
  const driver = new Driver({ endpoint, dataPlane, decisions, clock, log, bounded, interimIntervalS })
  return {
    told,
    lines,
    clock,
    script,
    driver,
    bounded,
    answers,
    datagram: (...bytes: number[]) =>
      listener({ kind: 'datagram', path: PATH, bytes: Uint8Array.of(...bytes) }),
    put: (...more: Output[]) => outputs.push(...more),
    emit: (...events: Event[]) =>
      driver.act(() => outputs.push(...events.map(event => ({ kind: 'event', event }) as const))),
    ask: (askId: number, kind: 'authenticate' | 'assignAddress') => {
      const proof = { method: 'pap', password: 'x' } as const
      const ask =
        kind === 'authenticate'
          ? ({ kind, session: SESSION, user: 'hb@hb', proof } as const)
          : ({ kind, session: SESSION, grant: GRANT, address: 'ipv4' } as const)
      driver.act(() => outputs.push({ kind: 'ask', askId, ask }))
    },
  }
}

const transmit = (byte: number): Output => ({ kind: 'transmit', path: PATH, bytes: Uint8Array.of(byte) })

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

test("the grant's own interim interval goes before the configured one", async () => {
  const { told, clock, emit } = scene({ interimIntervalS: 60 })
  emit({ ...UP, grant: { ...GRANT, interimIntervalS: 10 } })
  await clock.advance(30_000)
  assert.equal(told.filter(line => line === 'tell sessionUpdate').length, 3)
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

test('a flood of refused input becomes a few lines and a count', async () => {
  const { bounded, lines, clock, emit } = scene()
  for (let i = 0; i < 1000; i++) emit({ kind: 'drop', path: PATH, reason: 'malformed' })
  assert.equal(lines.length, 5)
  await clock.advance(10_000)
  assert.equal(lines.length, 6)
  assert.equal(lines[5]?.fields.times, 995)
  assert.equal(bounded.counts().get('datagram ignored: malformed'), 1000)
})
