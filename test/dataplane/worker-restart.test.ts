import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { COLUMN } from '../../core/dataplane/counters.ts'
import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { Engine } from '../../core/dataplane/engine.ts'
import { createEngineMemory } from '../../core/dataplane/engine-memory.ts'
import type { DatagramPort } from '../../core/dataplane/ports.ts'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import { Restarts, SUPERVISION, type Supervision } from '../../core/dataplane/worker-restarts.ts'
import type { AclRule, Flow } from '../../core/flow.ts'
import { linuxKernel } from '../../core/runtime/node/linux-kernel.ts'
import { decodeHeader } from '../../core/wire/l2tp-header.ts'
import {
  counters,
  flowOf,
  fromInside,
  fromSession,
  INSIDE,
  innerAddress,
  PERMIT_ALL,
  toInside,
} from '../contracts/data-plane-bench.ts'
import { makePeer } from '../contracts/udp-peer.ts'
import { udp } from '../support/ip-packets.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { openPacketSocket } from '../support/packet-socket.ts'
import { until } from '../support/until.ts'
import { watchWorkers, workerThat, workerThatFails } from '../support/workers.ts'

const skip = skipWithoutNetns
const LNS = { address: '127.0.0.1', port: 1701 }
const TUN = { name: 'bt0', mtuBytes: 1500 }
/** Less patient than outside of tests: a hung worker is noticed in half a second. */
const HASTY = { lookEveryMs: 50, firstDelayMs: 1 }
const NEEDS = { sequence: true, shaping: false, mss: true, nat: false }
const OUT_ONLY: readonly AclRule[] = [{ action: 'permit', direction: 'from-session', name: 'out' }]

const isStage = (event: DataPlaneEvent) => event.kind === 'stage'

/** Flow 0 of a peer on the real worker in a namespace, where `sabotage` happens whenever `fail` is called. */
async function openScene(
  t: TestContext,
  sabotage = '',
  more: Partial<Flow> = {},
  supervision: Partial<Supervision> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-worker-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'fail')
  const netns = makeNetns(t)
  const workers = watchWorkers(t)
  const plane = createWorkerDataPlane(
    { listen: [LNS], tun: TUN },
    { entry: workerThatFails(file, sabotage), supervision: { ...HASTY, ...supervision } },
  )
  const events: DataPlaneEvent[] = []
  plane.onEvent(event => events.push(event))
  await netns.inside(() => plane.start())
  t.after(() => plane.stop())
  await netns.inside(() =>
    linuxKernel.configureTun(TUN.name, {
      address: '192.168.1.254',
      mtuBytes: TUN.mtuBytes,
      routes: [],
      ipv6: false,
    }),
  )
  const device = openPacketSocket(netns, TUN.name)
  t.after(() => device.close())
  const peer = await makePeer(t, netns, LNS.address)
  const path = { local: LNS, remote: peer.address }
  await plane.setPolicy('dmz', OUT_ONLY)
  await plane.upsert([flowOf(0, path, { needs: NEEDS, ...more })])
  const out: Uint8Array[] = []
  const packetsOut = (count: number) =>
    until(`${count} packets out of the TUN`, () => {
      out.push(...device.take())
      return out.length >= count
    })
  const stages = () => events.filter(isStage).map(({ state }) => state)
  return {
    plane,
    events,
    stages,
    workers,
    netns,
    device,
    peer,
    path,
    out,
    packetsOut,
    fail: () => writeFileSync(file, ''),
    restarted: (times = 1) =>
      until(`restart ${times}`, () => stages().length === 1 + 2 * times && stages().at(-1) === 'up'),
  }
}

const question = (n: number, sourcePort: number) =>
  toInside(n, {
    payload: udp({ source: innerAddress(n), destination: INSIDE, sourcePort, destinationPort: 53 }),
  })
const answer = (n: number, destinationPort: number) =>
  fromInside(n, {
    payload: udp({ source: INSIDE, destination: innerAddress(n), sourcePort: 53, destinationPort }),
  })

type Scene = Awaited<ReturnType<typeof openScene>>

const WAYS: readonly { name: string; reason: RegExp; sabotage: string; fail: (scene: Scene) => void }[] = [
  {
    name: 'throws',
    reason: /out of luck/,
    sabotage: "throw new Error('out of luck')",
    fail: ({ fail }) => fail(),
  },
  { name: 'exits', reason: /ended by itself/, sabotage: 'process.exit(0)', fail: ({ fail }) => fail() },
  { name: 'hangs', reason: /hung for 500 ms/, sabotage: 'for (;;);', fail: ({ fail }) => fail() },
  {
    name: 'is terminated',
    reason: /ended by itself/,
    sabotage: '',
    fail: ({ workers }) => void workers.at(-1)?.terminate(),
  },
]

for (const { name, reason, sabotage, fail } of WAYS)
  test(`a worker that ${name} is followed by one that goes on where it was`, { skip }, async t => {
    const scene = await openScene(t, sabotage)
    const { plane, events, peer, path, device, packetsOut, restarted } = scene
    await plane.upsert([flowOf(1, path, { zone: 'bare' }), flowOf(2, path)])
    await plane.upsert([flowOf(3, path, { zone: 'bare' })])
    await plane.setFlowPolicy(3, 1, PERMIT_ALL)
    await plane.setLocalPrefixes([{ address: '192.168.1.254', length: 32 }])
    await plane.setFlowPolicy(2, 1, PERMIT_ALL)
    await plane.remove([{ id: 2, generation: 1 }])
    await plane.upsert([flowOf(2, path, { generation: 5, localTunnelId: 77, zone: 'bare' })])
    peer.send(LNS, fromSession(0, question(0, 4000)))
    await packetsOut(1)
    device.inject(answer(0, 4000))
    await until('the answer', () => peer.received.length === 1)
    const before = counters(plane, 0)

    fail(scene)
    await restarted()
    const [up, down, again] = events.filter(isStage)
    assert.deepEqual(up, { kind: 'stage', stage: 'worker', state: 'up' })
    assert.equal(down?.state, 'down')
    assert.match(down?.reason ?? '', reason)
    assert.deepEqual({ ...down, state: 'up' }, again)
    assert.equal(plane.totals().restarts, 1)
    assert.deepEqual(counters(plane, 0), before, 'what was counted is still counted')

    device.inject(answer(0, 4000))
    await until('the answer in the midst of a conversation', () => peer.received.length === 2)
    device.inject(answer(0, 4001))
    await until('what nobody asked for is refused', () => counters(plane, 0).drops.policy === 1n)
    const order = peer.received.map(({ bytes }) => {
      const decoded = decodeHeader(bytes)
      return decoded.kind === 'data' ? decoded.header.sequence?.ns : undefined
    })
    assert.deepEqual(order, [0, 1], 'the sequence goes on')
    peer.send(LNS, fromSession(1, toInside(1)))
    await until('a zone without rules', () => counters(plane, 1).drops.policy === 1n)
    peer.send(LNS, fromSession(2, toInside(2)))
    peer.send(LNS, fromSession(0, toInside(0, { destination: '192.168.1.254' })))
    await until('this host', () => counters(plane, 0).drops['local-destination'] === 1n)
    assert.equal(plane.totals().drops['unknown-flow'], 1n)
    peer.send(LNS, fromSession(3, toInside(3)))
    await packetsOut(2)
    await plane.upsert([flowOf(2, path, { generation: 4, localTunnelId: 78 })])
    peer.send(LNS, fromSession(0, question(0, 4000)))
    await packetsOut(3)
    const [last, older, own] = await plane.remove([
      { id: 0, generation: 1 },
      { id: 2, generation: 4 },
      { id: 2, generation: 5 },
    ])
    assert.deepEqual(
      [last?.packetsIn, last?.packetsOut, last?.drops],
      [2n, 2n, { policy: 1n, 'local-destination': 1n }],
    )
    assert.deepEqual([older?.packetsIn, own?.packetsIn], [0n, 0n])
    assert.deepEqual(counters(plane, 0).packetsIn, 0n)
  })

test('commands that no worker has done are done by the next, in order, and answered once', {
  skip,
}, async t => {
  const { plane, workers, path, peer, packetsOut, restarted } = await openScene(t)
  peer.send(LNS, fromSession(0, toInside(0)))
  await packetsOut(1)
  void workers[0]?.terminate()
  const done: string[] = []
  const asked = [
    plane.setPolicy('bare', PERMIT_ALL).then(() => done.push('policy')),
    plane.upsert([flowOf(1, path, { zone: 'bare' })]).then(() => done.push('upsert')),
    plane.remove([{ id: 0, generation: 1 }]).then(([last]) => done.push(`removed ${last?.packetsIn}`)),
  ]
  await restarted()
  await Promise.all(asked)
  assert.deepEqual(done, ['policy', 'upsert', 'removed 1'])
  peer.send(LNS, fromSession(1, toInside(1)))
  await packetsOut(2)
})

test('control messages are told once, whether they came before a failure, during it or after', {
  skip,
}, async t => {
  const { plane, events, peer, fail, restarted } = await openScene(t, "throw new Error('out of luck')")
  const message = (n: number) => Uint8Array.of(0xc8, 0x02, 0, 12, 0, 1, 0, 0, n >> 8, n, 0, 0)
  const sent = 300
  for (let n = 0; n < sent; n++) {
    peer.send(LNS, message(n))
    if (n === 100) fail()
  }
  await restarted()
  const told = () => events.flatMap(event => (event.kind === 'datagram' ? [event.bytes] : []))
  await until('all of them', () => told().length >= sent)
  assert.deepEqual(
    told().map(bytes => ((bytes[8] ?? 0) << 8) | (bytes[9] ?? 0)),
    Array.from({ length: sent }, (_, n) => n),
  )
  assert.equal(plane.totals().notHandedUp, 0n)
})

test('a thousand flows are there again', { skip }, async t => {
  const { plane, workers, path, peer, packetsOut, restarted } = await openScene(t)
  await plane.upsert(Array.from({ length: 1000 }, (_, n) => flowOf(1 + n, path)))
  await workers[0]?.terminate()
  await restarted()
  for (const n of [0, 1, 500, 1000]) peer.send(LNS, fromSession(n, toInside(n)))
  await packetsOut(4)
})

test('it is stopped while it has no worker, and while that hangs', { skip }, async t => {
  const hung = await openScene(t, 'for (;;);')
  hung.fail()
  await hung.plane.stop()
  assert.deepEqual(hung.stages(), ['up'])

  const { plane, stages, workers, path } = await openScene(t, '', {}, { firstDelayMs: 60_000 })
  await workers.at(-1)?.terminate()
  await until('the failure', () => stages().at(-1) === 'down')
  const asked = assert.rejects(plane.upsert([flowOf(1, path)]), { code: 'DATA_PLANE_DOWN' })
  const removal = plane.remove([{ id: 0, generation: 1 }])
  await plane.stop()
  await asked
  assert.deepEqual((await removal)[0]?.packetsIn, 0n)
  assert.deepEqual(stages(), ['up', 'down'])
})

test('one that fails again and again is given up, with a code, and what it counted is handed over', async () => {
  const plane = createWorkerDataPlane(
    { listen: [{ address: '127.0.0.1', port: 0 }], tun: undefined },
    {
      supervision: { ...HASTY, mostRestarts: 3 },
      entry: workerThat(`
        import { workerData } from 'node:worker_threads'
        workerData.port.postMessage({ kind: 'up' })
        workerData.port.on('message', () => { throw new Error('out of luck') })`),
    },
  )
  const events: DataPlaneEvent[] = []
  plane.onEvent(event => events.push(event))
  await plane.start()
  const asked = assert.rejects(plane.setPolicy('dmz', []), { code: 'DATA_PLANE_DOWN' })
  const removal = plane.remove([{ id: 0, generation: 1 }])
  await asked
  assert.equal((await removal)[0]?.packetsIn, 0n)
  const stages = events.filter(isStage)
  assert.deepEqual(
    stages.map(({ state }) => state).filter(state => state !== 'up'),
    ['down', 'down', 'down', 'failed'],
  )
  assert.equal(stages.at(-1)?.code, 'DATA_PLANE_DOWN')
  assert.equal(plane.totals().restarts, 3)
  await plane.stop()
})

test('an engine that takes over has what the one before ended without telling, and nothing of what it told', () => {
  const sizes = { maxFlows: 4, connections: 64 }
  const memory = createEngineMemory(sizes)
  const socket: DatagramPort = {
    bound: LNS,
    receive: () => false,
    send: () => {},
    sendOne: () => true,
    shedOpenings: () => {},
    close: () => {},
  }
  const makeEngine = () =>
    new Engine({ ...sizes, memory, mtuBytes: 1500, sockets: [socket], tun: undefined, up: () => true })
  const path = { local: LNS, remote: { address: '127.0.0.1', port: 9 } }
  const [told, untold] = [flowOf(0, path), flowOf(1, path)]
  const keys = [told, untold].map(({ id, generation }) => ({ id, generation }))
  const before = makeEngine()
  before.apply({ kind: 'upsert', flows: [told, untold] })
  for (const { id } of keys) before.counters.add(id, COLUMN.packetsIn, 7)
  before.apply({ kind: 'remove', flows: keys })
  const after = makeEngine()
  after.apply({ kind: 'resume', flows: [untold] })
  const counts = () => after.apply({ kind: 'remove', flows: keys }).map(({ packetsIn }) => packetsIn)
  assert.deepEqual(counts(), [0n, 7n])
  assert.deepEqual(counts(), [0n, 0n])
  after.apply({ kind: 'upsert', flows: [told, { ...untold, generation: 2 }] })
  assert.deepEqual(
    [0, 1].map(id => after.counters.read(id).packetsIn),
    [0n, 0n],
  )
})

test('restarts come later and later, and after some in a window there are no more', () => {
  const restarts = new Restarts(SUPERVISION)
  const delays = [0, 1, 2, 3, 4, 5].map(second => restarts.afterFailure(second * 1000))
  assert.deepEqual(delays, [50, 100, 200, 400, 800, undefined])
  assert.equal(restarts.count, 5)
  assert.equal(restarts.afterFailure(60_000), 800, 'the first has passed')
  assert.equal(restarts.afterFailure(180_000), 50)
})
