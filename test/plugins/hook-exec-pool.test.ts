import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { SharedResources } from '../../core/plugin/shared.ts'
import { addressAllocatorContract } from '../../core/testing/contracts/address-allocator.ts'
import { authenticatorContract } from '../../core/testing/contracts/authenticator.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { papProof } from '../../core/testing/proofs.ts'
import { aFolder, aSession } from '../../core/testing/samples.ts'
import { settle } from '../../core/testing/virtual-clock.ts'
import hookExec from '../../plugins/hook-exec/index.ts'
import { ROOT } from '../support/imports.ts'
import { isAlive } from '../support/processes.ts'
import { until } from '../support/until.ts'

const program = (name: string, ...args: readonly string[]) => [
  process.execPath,
  join(ROOT, 'dist/test/plugins/programs', `${name}.js`),
  ...args,
]

const start = (t: TestContext, more: object = {}) =>
  startPlugin(t, hookExec, {
    options: {
      command: program('puppet'),
      mode: 'pooled',
      processes: 1,
      callsPerProcess: 8,
      hooks: ['authenticate'],
      ...more,
    },
    configDir: ROOT,
  })

const login = (plugin: Harness, user: string, inquiry = new Inquiry()) =>
  plugin.authenticate(user, papProof('pw'), { inquiry })
const userOf = async (asked: ReturnType<typeof login>) => {
  const { verdict } = await asked
  return verdict?.kind === 'accept' ? verdict.user : verdict?.kind
}
const pidOf = async (plugin: Harness) => Number(await userOf(login(plugin, 'pid')))
const codes = ({ faults }: Harness) => faults.map(({ error }) => (error as BurrowError).code)

const USERS = `while read -r call; do
  id=\${call#*'"id":"'}; id=\${id%%'"'*}
  case $call in
    *'"user":"hb@hb"'*'"password":"s3cret word"}'*) verdict='{"kind":"accept","user":"hb@hb"}' ;;
    *'"user":"hb@hb"'*) verdict='{"kind":"reject","reason":"bad credentials"}' ;;
    *) verdict=null ;;
  esac
  echo "{\\"id\\":\\"$id\\",\\"verdict\\":$verdict}"
done`

authenticatorContract({
  name: 'hook-exec with processes that stay',
  make: t => start(t, { command: ['/bin/sh', '-c', USERS], processes: 2, callsPerProcess: 1 }),
  user: 'hb@hb',
  secret: 's3cret word',
  prove: papProof,
  unknown: 'pass',
})

const files = new WeakMap<SharedResources, string>()

addressAllocatorContract({
  name: 'hook-exec with an allocator in another process',
  capacity: 4,
  make: async (t, shared) => {
    const file = (shared && files.get(shared)) ?? join(aFolder(t), 'leases')
    if (shared !== undefined) files.set(shared, file)
    const options = {
      command: program('allocator', file, '4'),
      mode: 'pooled',
      processes: 1,
      hooks: ['assignAddress'],
    }
    return startPlugin(t, hookExec, {
      options,
      configDir: ROOT,
      ...(shared === undefined ? {} : { shared }),
    })
  },
})

test('several calls are in hand of one process at once, and it may answer them in any order', async t => {
  const plugin = await start(t)
  const order: string[] = []
  const asked = ['hold', 'hold', 'release'].map(async (user, index) => {
    const answer = await userOf(login(plugin, user))
    order.push(`${index} ${answer}`)
  })
  await Promise.all(asked)
  assert.deepEqual(order, ['2 release', '1 hold', '0 hold'])
  assert.deepEqual(plugin.faults, [])
})

test('calls go to the process with most room, and wait when there is none', async t => {
  const plugin = await start(t, { processes: 2, callsPerProcess: 2, waitingCalls: 1 })
  const held = [1, 2, 3, 4].map(() => login(plugin, 'hold'))
  const waiting = login(plugin, 'somebody')
  assert.equal(await userOf(login(plugin, 'one too many')), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_BUSY'])
  await plugin.host.stop()
  for (const one of [...held, waiting]) assert.equal(await userOf(one), 'unavailable')
})

test('a process stays from call to call', async t => {
  const plugin = await start(t)
  const pid = await pidOf(plugin)
  assert.equal(await pidOf(plugin), pid)
  assert.ok(isAlive(pid))
  await plugin.host.stop()
  assert.ok(!isAlive(pid))
  assert.equal(plugin.clock.pending, 0)
})

for (const [what, user, code] of [
  ['a process that dies', 'crash', 'HOOK_FAILED'],
  ['a process that says what is no JSON', 'garbage', 'HOOK_ANSWER'],
  ['a process that answers without an id', 'unnamed', 'HOOK_ANSWER'],
  ['a process that answers without an end', 'huge', 'HOOK_ANSWER'],
] as const) {
  test(`${what} fails the calls that it has in hand, and another takes its place`, async t => {
    const plugin = await start(t, { processes: 2, callsPerProcess: 3, maxOutputBytes: 4096 })
    // In turns: the first process gets both that fail.
    const [broken, spared, also] = ['hold', 'hold', user].map(one => login(plugin, one))
    assert.equal(await userOf(also ?? assert.fail()), 'unavailable')
    assert.equal(await userOf(broken ?? assert.fail()), 'unavailable')
    assert.deepEqual(codes(plugin), [code, code])
    assert.ok(!inspect(plugin.faults, { depth: 9 }).includes('hunter2'))
    await until('its end', () => plugin.log.length === 1)
    const restartMs = Number(plugin.log[0]?.fields.restartMs)
    assert.ok(restartMs >= 50 && restartMs <= 100, String(restartMs))

    const release = login(plugin, 'release')
    assert.equal(await userOf(spared ?? assert.fail()), 'hold')
    await release
    await plugin.clock.advance(restartMs)
    const pids = await Promise.all([login(plugin, 'pid'), login(plugin, 'pid')].map(userOf))
    assert.notEqual(pids[0], pids[1])
  })
}

test('a program that dies again and again is started ever more slowly, at last twice a minute', async t => {
  const folder = aFolder(t)
  const command = ['/bin/sh', '-c', 'echo >> "$0/starts"; exit 1', folder]
  const plugin = await start(t, { command })
  for (let ends = 1; ends <= 12; ends++) {
    await until(`end ${ends}`, () => plugin.log.length === ends)
    const restartMs = Number(plugin.log[ends - 1]?.fields.restartMs)
    const longestMs = Math.min(30_000, 100 * 2 ** (ends - 1))
    assert.ok(restartMs >= longestMs / 2 && restartMs <= longestMs, `${ends}: ${restartMs}`)
    await plugin.clock.advance(restartMs - 1)
    assert.equal(readFileSync(join(folder, 'starts'), 'utf8').length, ends)
    await plugin.clock.advance(1)
  }
})

test('a call waits for a process that is on its way', async t => {
  const plugin = await start(t)
  assert.equal(await userOf(login(plugin, 'crash')), 'unavailable')
  await until('its end', () => plugin.log.length === 1)
  const asked = login(plugin, 'somebody')
  await plugin.clock.advance(100)
  assert.equal(await userOf(asked), 'somebody')
})

test('a process that lets a call hang gets no more, and ends when the others are answered', async t => {
  const plugin = await start(t, { timeoutMs: 1000 })
  const pid = await pidOf(plugin)
  const hung = login(plugin, 'hold')
  await plugin.clock.advance(600)
  const other = login(plugin, 'hold')
  await plugin.clock.advance(400)
  assert.equal(await userOf(hung), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_TIMEOUT'])
  assert.ok(isAlive(pid))

  const next = login(plugin, 'pid')
  await plugin.clock.advance(600)
  assert.equal(await userOf(other), 'unavailable')
  await until('its end', () => !isAlive(pid) && plugin.log.length === 1)
  await plugin.clock.advance(100)
  assert.notEqual(await userOf(next), String(pid))
})

test('a call that ended harms no other of its process', async t => {
  const plugin = await start(t)
  const inquiry = new Inquiry()
  const ended = login(plugin, 'hold', inquiry)
  const other = login(plugin, 'hold')
  inquiry.withdraw()
  assert.equal(await userOf(ended), 'unavailable')
  assert.equal(await userOf(login(plugin, 'release')), 'release')
  assert.equal(await userOf(other), 'hold')
  await until('no timer', () => plugin.clock.pending === 0)
  assert.deepEqual(plugin.faults, [])
})

test('a call that waits for a process leaves the queue when it ends', async t => {
  const plugin = await start(t, { callsPerProcess: 1, waitingCalls: 1 })
  const held = login(plugin, 'hold')
  const inquiry = new Inquiry()
  const ended = login(plugin, 'nobody', inquiry)
  inquiry.withdraw()
  assert.equal(await userOf(ended), 'unavailable')
  const waiting = login(plugin, 'somebody')
  await settle()
  assert.deepEqual(codes(plugin), [])
  await plugin.host.stop()
  await Promise.all([held, waiting])
})

test('a process may say that it failed, or answer what nobody asked', async t => {
  const plugin = await start(t)
  assert.equal(await userOf(login(plugin, 'sorry')), 'unavailable')
  assert.deepEqual(codes(plugin), ['HOOK_FAILED'])
  assert.match(String(plugin.faults[0]?.error), /the database is away/)
  assert.equal(await userOf(login(plugin, 'pass')), undefined)
  assert.equal(await userOf(login(plugin, 'stranger')), 'stranger')
})

test('no password of a call gets into the log with standard error', async t => {
  const plugin = await start(t)
  await plugin.authenticate('leak', papProof('hunter2'))
  await until('a line', () => plugin.log.length === 1)
  assert.match(String(plugin.log[0]?.fields.text), /"user":"leak".*"password":"\*\*\*"/)
})

test('no password of many calls in hand gets into the log, nor when they have ended', async t => {
  const plugin = await start(t, { callsPerProcess: 100 })
  const held = Array.from({ length: 60 }, (_, index) =>
    plugin.authenticate('hold', papProof(`secret-${index}-`)),
  )
  for (const [lines, user] of ['spill', 'release', 'spill'].entries()) {
    assert.equal(await userOf(plugin.authenticate(user, papProof(`secret-of-${user}`))), user)
    if (user === 'spill') await until('a line', () => plugin.log.length === Math.ceil((lines + 1) / 2))
  }
  await Promise.all(held)
  assert.deepEqual(
    plugin.log.map(({ fields }) => fields.text),
    [61, 63].map(calls => `all: ${Array(calls).fill('***').join(' ')}`),
  )
})

test('observers are told and wait for the answer, whatever it says', async t => {
  const folder = aFolder(t)
  const file = join(folder, 'events')
  const told = `while read -r event; do
    id=\${event#*'"id":"'}; id=\${id%%'"'*}; echo "$event" >> "$0"; echo "{\\"id\\":\\"$id\\",\\"verdict\\":[1]}"
  done`
  const plugin = await start(t, { command: ['/bin/sh', '-c', told, file], hooks: ['tunnelUp'] })
  await plugin.host.hooks.tell('tunnelUp', { tunnel: aSession().tunnel })
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).tunnel.peerHostName, 'LAC')
  assert.deepEqual(plugin.faults, [])
})

for (const [late, makeLate] of [
  ['its call ended', async (_: Harness, inquiry: Inquiry) => inquiry.withdraw()],
  ['the timeout', async ({ clock }: Harness) => clock.advance(1000)],
] as const) {
  test(`a lease that comes after ${late} is released`, async t => {
    const folder = aFolder(t)
    const slow = `while read -r call; do
      id=\${call#*'"id":"'}; id=\${id%%'"'*}; echo "$call" >> "$0/calls"
      while ! [ -e "$0/go" ]; do sleep 0.01; done
      echo "{\\"id\\":\\"$id\\",\\"verdict\\":{\\"kind\\":\\"lease\\",\\"value\\":\\"10.0.0.9\\",\\"id\\":\\"nine\\"}}"
    done`
    const plugin = await start(t, {
      command: ['/bin/sh', '-c', slow, folder],
      hooks: ['assignAddress'],
      timeoutMs: 1000,
    })
    const calls = (count: number) =>
      until(`call ${count}`, () => {
        const file = join(folder, 'calls')
        const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
        return lines.length === count && lines.map(line => JSON.parse(line))
      })
    const inquiry = plugin.inquiry()
    const asked = plugin.assign(aSession(), { user: 'hb@hb' }, inquiry)
    await calls(1)
    await makeLate(plugin, inquiry)
    assert.equal(typeof (await asked), 'string')
    writeFileSync(join(folder, 'go'), '')
    const { hook, lease } = (await calls(2))[1]
    assert.deepEqual([hook, lease], ['releaseLease', { kind: 'ipv4', value: '10.0.0.9', id: 'nine' }])
    await until('no timer', () => plugin.clock.pending === 0)
  })
}

test('the pools that a program assigns out of are declared for policies', async t => {
  const plugin = await start(t, { hooks: ['assignAddress'], pools: { main: ['10.0.0.0/24', '10.1.0.1'] } })
  assert.deepEqual(plugin.server.pools().get('main'), [
    { address: '10.0.0.0', length: 24 },
    { address: '10.1.0.1', length: 32 },
  ])
})

test('a program that the system cannot run stops the start: HOOK_EXEC', async t => {
  const folder = aFolder(t)
  writeFileSync(join(folder, 'hook'), '#!/no/such/interpreter\n')
  chmodSync(join(folder, 'hook'), 0o755)
  const options = { command: ['./hook'], hooks: ['authenticate'], mode: 'pooled' }
  const plugin = await loadPlugin(hookExec, { options, configDir: folder })
  await assert.rejects(plugin.host.start(), { code: 'HOOK_EXEC' })
  assert.equal(plugin.clock.pending, 0)
})
