import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'node:test'
import type { DataPlaneEvent } from '../../core/dataplane/data-plane.ts'
import { TunDevice } from '../../core/dataplane/tun/tun-device.ts'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import { flowOf } from '../contracts/data-plane-bench.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { until } from '../support/until.ts'
import { workerThat } from '../support/workers.ts'

const skip = skipWithoutNetns
const LOOPBACK = { address: '127.0.0.1', port: 1701 }
const TUN = { name: 'bt0', mtuBytes: 1500 }
const PATH = { local: LOOPBACK, remote: { address: '127.0.0.1', port: 9 } }
const ENTRY = new URL('../../core/dataplane/worker-client.js', import.meta.url)

/** A program that starts a data plane, and what it does then; prints the code of an error. */
function program(then: string): readonly string[] {
  const script = `
    import(${JSON.stringify(ENTRY.href)}).then(async ({ createWorkerDataPlane }) => {
      const plane = createWorkerDataPlane({ listen: [${JSON.stringify(LOOPBACK)}], tun: ${JSON.stringify(TUN)} })
      await plane.start()
      ${then}
    }).catch(error => console.log(error.code))`
  return ['-e', script]
}

test('a port that is taken is told with the program that has it, and nothing stays open', {
  skip,
}, async t => {
  const netns = makeNetns(t)
  const other = createSocket('udp4')
  t.after(() => other.close())
  await netns.inside(async () => {
    other.bind(1702, '127.0.0.1')
    await once(other, 'listening')
  })
  const listen = [LOOPBACK, { address: '127.0.0.1', port: 1702 }]
  await assert.rejects(
    netns.inside(() => createWorkerDataPlane({ listen, tun: TUN }).start()),
    (error: Error & { code?: string }) =>
      error.code === 'PORT_IN_USE' &&
      error.message.includes('1702') &&
      error.message.includes(`pid ${process.pid}`),
  )
  const plane = createWorkerDataPlane({ listen: [LOOPBACK], tun: TUN })
  await netns.inside(() => plane.start())
  await plane.stop()
})

test('an address of another host, or of nothing, is not local', { skip }, async () => {
  for (const address of ['192.0.2.200', '2001:db8::200', 'localhost'])
    await assert.rejects(createWorkerDataPlane({ listen: [{ address, port: 0 }], tun: undefined }).start(), {
      code: 'ADDRESS_NOT_LOCAL',
    })
})

test('port 0 takes a free port and says which', async () => {
  const plane = createWorkerDataPlane({ listen: [{ address: '127.0.0.1', port: 0 }], tun: undefined })
  assert.equal(plane.bound.length, 0)
  await plane.start()
  assert.ok((plane.bound[0]?.port ?? 0) > 0)
  await plane.stop()
})

test('a device that another program has, or that no device can be called, is refused', { skip }, async t => {
  const netns = makeNetns(t)
  const tun = netns.inside(() => TunDevice.open(TUN.name))
  t.after(() => tun.close())
  const start = (name: string) =>
    netns.inside(() => createWorkerDataPlane({ listen: [LOOPBACK], tun: { ...TUN, name } }).start())
  await assert.rejects(start(TUN.name), { code: 'TUN_IN_USE' })
  for (const name of ['a/b', 'sixteen-letters-', '', 'bt%d'])
    await assert.rejects(start(name), { code: 'NETWORK_SETUP' }, name)
})

test('without root it is NO_ROOT, without /dev/net/tun NO_TUN', { skip }, () => {
  const run = (...command: readonly string[]) => {
    const [name = '', ...args] = [...command, process.execPath, ...program('await plane.stop()')]
    return spawnSync(name, args, { encoding: 'utf8' }).stdout.trim()
  }
  assert.equal(run('setpriv', '--bounding-set=-all', '--inh-caps=-all'), 'NO_ROOT')
  assert.equal(
    run('unshare', '-mn', 'sh', '-c', 'ip link set lo up; mount -t tmpfs none /dev/net && exec "$0" "$@"'),
    'NO_TUN',
  )
})

test('a process that exits without stopping it is gone at once', { skip }, t => {
  const netns = makeNetns(t)
  const started = performance.now()
  const run = (then: string) =>
    spawnSync('ip', ['netns', 'exec', netns.name, process.execPath, ...program(then)], { timeout: 10_000 })
  assert.equal(run('process.exit(3)').status, 3)
  assert.equal(run('setTimeout(() => { throw new Error() })').status, 1)
  assert.equal(run('await plane.stop()').status, 0)
  assert.ok(performance.now() - started < 9000)
})

test('a worker that is not started anew any more is told, and nobody waits for it', async () => {
  const plane = createWorkerDataPlane(
    { listen: [{ address: '127.0.0.1', port: 0 }], tun: undefined },
    {
      supervision: { mostRestarts: 0 },
      entry: workerThat(`
      import { workerData } from 'node:worker_threads'
      workerData.port.postMessage({ kind: 'up' })
      workerData.port.on('message', () => { throw new Error('out of luck') })`),
    },
  )
  const events: DataPlaneEvent[] = []
  plane.onEvent(event => events.push(event))
  await plane.start()
  const local = plane.bound[0] ?? LOOPBACK
  const flow = flowOf(0, { ...PATH, local })
  const pending = [plane.upsert([flow]), plane.setPolicy('dmz', [])]
  const removal = plane.remove([{ id: 0, generation: 1 }])
  for (const promise of pending) await assert.rejects(promise, { code: 'DATA_PLANE_DOWN' })
  assert.equal((await removal)[0]?.packetsIn, 0n)
  await until('the event', () => events.length === 2)
  assert.deepEqual(events, [
    { kind: 'stage', stage: 'worker', state: 'up' },
    {
      kind: 'stage',
      stage: 'worker',
      state: 'failed',
      reason: 'it failed 1 times within 60 s, the last time: out of luck',
      code: 'DATA_PLANE_DOWN',
    },
  ])
  await assert.rejects(plane.upsert([flow]), { code: 'DATA_PLANE_DOWN' })
  plane.send({ ...PATH, local }, Uint8Array.of(1))
  assert.equal(plane.totals().unsent, 0n, 'control messages can still say goodbye')
  await plane.stop()
  assert.equal(events.length, 2)
})

test('a worker that never comes up fails the start', async () => {
  for (const script of ['throw new Error("no")', 'process.exit(0)', 'syntax error']) {
    const plane = createWorkerDataPlane({ listen: [], tun: undefined }, { entry: workerThat(script) })
    await assert.rejects(plane.start(), { code: 'DATA_PLANE_DOWN' }, script)
    await plane.stop()
  }
})

test('a device that is deleted under it ends the stage with a code, and is not looked for again', {
  skip,
}, async t => {
  const netns = makeNetns(t)
  const plane = createWorkerDataPlane({ listen: [LOOPBACK], tun: TUN })
  const events: DataPlaneEvent[] = []
  plane.onEvent(event => events.push(event))
  await netns.inside(() => plane.start())
  t.after(() => plane.stop())
  netns.ip(`link del ${TUN.name}`)
  await until('the event', () => events.length === 2)
  const [, failed] = events
  assert.ok(failed?.kind === 'stage')
  assert.deepEqual([failed.state, failed.code], ['failed', 'TUN_GONE'])
  assert.equal(plane.totals().restarts, 0)
  await assert.rejects(plane.setPolicy('dmz', []), { code: 'DATA_PLANE_DOWN' })
  await plane.stop()
  assert.equal(events.length, 2)
})

test('what is asked before the start is done by it, and by a stop instead it is refused', async () => {
  const options = { listen: [{ address: '127.0.0.1', port: 0 }], tun: undefined }
  const plane = createWorkerDataPlane(options)
  const asked = plane.setPolicy('dmz', [])
  await plane.start()
  await asked
  await plane.stop()
  const unused = createWorkerDataPlane(options)
  const refused = assert.rejects(unused.setPolicy('dmz', []), { code: 'DATA_PLANE_DOWN' })
  await unused.stop()
  await refused
})
