import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import type { Proof } from '../../core/hooks/views.ts'
import { authenticatorContract } from '../../core/testing/contracts/authenticator.ts'
import { type Harness, loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, papProof } from '../../core/testing/proofs.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import hookExec from '../../plugins/hook-exec/index.ts'
import { Lines } from '../../plugins/hook-exec/lines.ts'
import { secretsOf, without } from '../../plugins/hook-exec/runner.ts'
import { isAlive } from '../support/processes.ts'
import { until } from '../support/until.ts'

const ACCEPT = `echo '{"kind":"accept","user":"hb@hb"}'`

/** A shell script, which gets the folder of the config as its first argument. */
async function script(t: TestContext, text: string, more: object = {}) {
  const folder = aFolder(t)
  const command = ['/bin/sh', '-c', text, 'sh', folder]
  const options = { command, hooks: ['authenticate'], ...more }
  const plugin = await startPlugin(t, hookExec, { options, configDir: folder })
  const file = (name: string) => join(folder, name)
  return { plugin, file, folder }
}

const faultCode = ({ faults }: Harness) => (faults.at(-1)?.error as BurrowError | undefined)?.code
const login = (plugin: Harness, inquiry = new Inquiry()) =>
  plugin.authenticate('hb@hb', papProof('pw'), { inquiry })

/** The process ids that a script wrote down, one a line, when there are `count`. */
const pidsIn = (file: string, count: number) =>
  until(`${count} process ids`, () => {
    const pids = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number) : []
    return pids.length === count && pids
  })
const gone = (pids: readonly number[]) => until('the end of the processes', () => !pids.some(isAlive))

/** A program that keeps a directory of one user, for PAP: grep compares whole lines, and none is a pattern. */
const DIRECTORY = `
call=$(cat)
case $call in
  *'"user":"hb@hb"'*) ;;
  *) exit 0 ;;
esac
case $call in
  *'"proof":{"method":"pap","password":"s3cret word"}'*) ${ACCEPT} ;;
  *) echo '{"kind":"reject","reason":"bad credentials"}' ;;
esac`

authenticatorContract({
  name: 'hook-exec with a process for each call',
  make: async t => (await script(t, DIRECTORY)).plugin,
  user: 'hb@hb',
  secret: 's3cret word',
  prove: papProof,
  unknown: 'pass',
})

test('a program is given the call on its standard input, as one line of JSON', async t => {
  const { plugin, file } = await script(t, `cat > "$1/call"; ${ACCEPT}`)
  const session = aSession()
  const proof: Proof = chapProof('secret')
  await plugin.host.hooks.ask('authenticate', new Inquiry(), { session, user: 'hb@hb', proof, round: 0 })
  const text = readFileSync(file('call'), 'utf8')
  assert.equal(text.indexOf('\n'), text.length - 1)
  const { challenge, response, identifier } = proof.chap() ?? assert.fail()
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  const { id, ...request } = JSON.parse(text)
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.deepEqual(request, {
    v: 1,
    hook: 'authenticate',
    session,
    user: 'hb@hb',
    round: 0,
    proof: { method: 'chap-md5', identifier, challenge: hex(challenge), response: hex(response) },
  })
})

for (const [answers, text, verdict] of [
  ['accept', ACCEPT, { kind: 'accept', user: 'hb@hb' }],
  ['reject', `echo '{"kind":"reject","reason":"no"}'`, { kind: 'reject', reason: 'no' }],
  ['unavailable', `echo '{"kind":"unavailable","reason":"no db"}'`, { kind: 'unavailable', reason: 'no db' }],
  ['nothing', 'exit 0', undefined],
  ['null', 'echo null', undefined],
  ['an empty object', 'echo "{}"', undefined],
  ['without reading its input', `exec 0<&-; ${ACCEPT}`, { kind: 'accept', user: 'hb@hb' }],
] as const) {
  test(`a program may answer: ${answers}`, async t => {
    const { plugin } = await script(t, text)
    assert.deepEqual((await login(plugin)).verdict, verdict)
    assert.deepEqual(plugin.faults, [])
  })
}

for (const [what, text, code] of [
  ['ends with another status than 0', `${ACCEPT}; exit 3`, 'HOOK_FAILED'],
  ['is killed', `${ACCEPT}; kill -9 $$`, 'HOOK_FAILED'],
  ['answers no JSON', 'sed s/^.//', 'HOOK_ANSWER'],
  ['answers without an end', 'yes', 'HOOK_ANSWER'],
  ['answers two values', `${ACCEPT}; ${ACCEPT}`, 'HOOK_ANSWER'],
] as const) {
  test(`a program that ${what} is a fault: ${code}`, async t => {
    const { plugin } = await script(t, text, { maxOutputBytes: 4096 })
    const { verdict } = await login(plugin)
    assert.equal(verdict?.kind, 'unavailable')
    assert.equal(faultCode(plugin), code)
    assert.ok(!inspect(plugin.faults, { depth: 9 }).includes('"pw"'))
  })
}

test('an answer that the hook does not know is for the guard to refuse', async t => {
  const { plugin } = await script(t, `echo '{"kind":"welcome"}'`)
  assert.equal((await login(plugin)).verdict?.kind, 'unavailable')
  assert.equal(plugin.faults[0]?.kind, 'nonsense')
})

test('a program that hangs is a fault at its timeout, and ends with all that it started', async t => {
  const { plugin, file } = await script(t, 'sleep 1000 & echo $! > "$1/pids"; echo $$ >> "$1/pids"; wait', {
    timeoutMs: 700,
  })
  const asked = login(plugin)
  const pids = await pidsIn(file('pids'), 2)
  await plugin.clock.advance(699)
  assert.deepEqual(pids.map(isAlive), [true, true])
  await plugin.clock.advance(1)
  assert.equal((await asked).verdict?.kind, 'unavailable')
  assert.equal(faultCode(plugin), 'HOOK_TIMEOUT')
  await gone(pids)
})

test('a program that minds no SIGTERM is killed a second later, and what it started too', async t => {
  const stubborn = `trap '' TERM; (trap '' TERM; echo $$ > /dev/null; while :; do sleep 1000; done) & echo $! > "$1/pids"
    echo $$ >> "$1/pids"; while :; do sleep 1000; done`
  const { plugin, file } = await script(t, stubborn, { timeoutMs: 100 })
  const asked = login(plugin)
  const pids = await pidsIn(file('pids'), 2)
  await plugin.clock.advance(100)
  await asked
  await plugin.clock.advance(999)
  assert.deepEqual(pids.map(isAlive), [true, true])
  await plugin.clock.advance(1)
  await gone(pids)
})

test('what a program leaves running in its group ends with it, and does not hold up its answer', async t => {
  const { plugin, file } = await script(t, `sleep 1000 & echo $! > "$1/pids"; ${ACCEPT}`)
  assert.equal((await login(plugin)).verdict?.kind, 'accept')
  await gone(await pidsIn(file('pids'), 1))
})

test('the program of a call that ended is ended', async t => {
  const { plugin, file } = await script(t, 'echo $$ > "$1/pids"; exec sleep 1000')
  const inquiry = new Inquiry()
  const asked = login(plugin, inquiry)
  const pids = await pidsIn(file('pids'), 1)
  inquiry.withdraw()
  assert.equal((await asked).verdict?.kind, 'unavailable')
  await gone(pids)
})

test('stop ends every program, and leaves no process and no timer behind', async t => {
  const { plugin, file } = await script(t, 'echo $$ >> "$1/pids"; exec sleep 1000', { processes: 3 })
  const asked = [1, 2, 3, 4].map(() => login(plugin))
  const pids = await pidsIn(file('pids'), 3)
  await plugin.host.stop()
  assert.deepEqual(pids.map(isAlive), [false, false, false])
  const ends = await Promise.all(asked)
  assert.deepEqual(
    ends.map(({ verdict }) => verdict?.kind),
    Array(4).fill('unavailable'),
  )
  await until('no timer', () => plugin.clock.pending === 0)
})

test('so many programs run at once, so many calls wait, and the next one fails at once', async t => {
  const gated = `echo $$ >> "$1/pids"; while ! [ -e "$1/go" ]; do sleep 0.01; done; ${ACCEPT}`
  const { plugin, file } = await script(t, gated, { processes: 2, waitingCalls: 1 })
  const asked = [1, 2, 3].map(() => login(plugin))
  await pidsIn(file('pids'), 2)
  assert.equal((await login(plugin)).verdict?.kind, 'unavailable')
  assert.equal(faultCode(plugin), 'HOOK_BUSY')
  writeFileSync(file('go'), '')
  for (const { verdict } of await Promise.all(asked)) assert.equal(verdict?.kind, 'accept')
  assert.equal((await pidsIn(file('pids'), 3)).length, 3)
})

test('standard error goes to the log, a bounded number of lines, and no password of the call with it', async t => {
  const talkative = `call=$(cat); echo "$call" >&2; head -c 100000 /dev/zero | tr '\\0' x >&2
    echo >&2; for i in $(seq 200); do echo line $i >&2; done; printf end >&2; ${ACCEPT}`
  const { plugin } = await script(t, talkative)
  const password = 'quo"te pass'
  const { verdict } = await plugin.authenticate('hb@hb', papProof(password))
  assert.equal(verdict?.kind, 'accept')
  const texts = plugin.log.map(({ fields }) => String(fields.text))
  assert.equal(texts.length, 20)
  assert.match(texts[0] ?? '', /"password":"\*\*\*"/)
  assert.equal(texts[1], 'x'.repeat(4096))
  assert.equal(texts[2], 'line 1')
  await plugin.clock.advance(10_000)
  assert.equal(plugin.log.length, 21)
  assert.equal(plugin.log.at(-1)?.fields.text, 'end')
  assert.ok(!inspect(plugin.log, { depth: 9 }).includes('te pass'))
})

test('a program gets the variables that are named for it, and none other of Burrow', async t => {
  process.env.BURROW_TEST_SECRET = 'hidden'
  process.env.BURROW_TEST_SHOWN = 'shown'
  t.after(() => {
    delete process.env.BURROW_TEST_SECRET
    delete process.env.BURROW_TEST_SHOWN
  })
  const { plugin, file } = await script(t, 'env > "$1/env"', {
    env: { TOKEN: 'given' },
    inheritEnv: ['PATH', 'BURROW_TEST_SHOWN', 'BURROW_TEST_NOT_THERE'],
  })
  await login(plugin)
  const names = readFileSync(file('env'), 'utf8')
    .split('\n')
    .map(line => line.split('=')[0])
  const ofShell = ['PWD', 'OLDPWD', 'SHLVL', '_', '']
  assert.deepEqual(names.filter(name => !ofShell.includes(name ?? '')).sort(), [
    'BURROW_TEST_SHOWN',
    'PATH',
    'TOKEN',
  ])
})

test('a program runs in cwd, and is found beside the config or in PATH', async t => {
  const folder = aFolder(t)
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'hook'), '#!/bin/sh\npwd > where\n')
  chmodSync(join(folder, 'hook'), 0o755)
  for (const more of [
    { command: ['./hook'] },
    { command: ['hook'], env: { PATH: `${folder}:/usr/bin:/bin` } },
  ]) {
    const options = { hooks: ['authenticate'], cwd: 'data', ...more }
    const plugin = await startPlugin(t, hookExec, { options, configDir: folder })
    await login(plugin)
    assert.equal(readFileSync(join(folder, 'data', 'where'), 'utf8').trim(), join(folder, 'data'))
  }
})

test('a program that everybody can change is refused, and one that its group can is warned of', async t => {
  const folder = aFolder(t)
  writeFileSync(join(folder, 'hook'), '#!/bin/sh\n')
  const options = { hooks: ['authenticate'], command: ['./hook'] }
  for (const [mode, warnings] of [
    [0o755, 0],
    [0o775, 1],
  ] as const) {
    chmodSync(join(folder, 'hook'), mode)
    const plugin = await loadPlugin(hookExec, { options, configDir: folder })
    assert.equal(plugin.log.length, warnings)
  }
  chmodSync(join(folder, 'hook'), 0o757)
  await assert.rejects(loadPlugin(hookExec, { options, configDir: folder }), (error: BurrowError) => {
    assert.deepEqual([error.code, error.place.file], ['HOOK_EXEC', 'config at '])
    return true
  })
})

for (const [what, options, code, at] of [
  ['a program that is not there', { command: ['./nothing'] }, 'HOOK_EXEC', ''],
  ['a program that is not in PATH', { command: ['no such program'] }, 'HOOK_EXEC', ''],
  ['a program that may not be run', { command: ['./plain'] }, 'HOOK_EXEC', ''],
  ['a folder as program', { command: ['/tmp'] }, 'HOOK_EXEC', ''],
  ['a cwd that is not there', { command: ['/bin/sh'], cwd: 'nowhere' }, 'HOOK_EXEC', ''],
  ['no program', { command: [] }, 'PLUGIN_OPTIONS', 'command.0'],
  ['NUL in an argument', { command: ['/bin/sh', 'a\0'] }, 'PLUGIN_OPTIONS', 'command.1'],
  ['a hook that is none', { command: ['/bin/sh'], hooks: ['authentify'] }, 'PLUGIN_OPTIONS', 'hooks.0'],
  ['a hook twice', { command: ['/bin/sh'], hooks: ['sessionUp', 'sessionUp'] }, 'PLUGIN_OPTIONS', 'hooks'],
  [
    'calls of a process that has one',
    { command: ['/bin/sh'], callsPerProcess: 2 },
    'PLUGIN_OPTIONS',
    'callsPerProcess',
  ],
  [
    'a pool that is none',
    { command: ['/bin/sh'], pools: { a: ['10.0.0.1/8'] } },
    'POOL_INVALID',
    'pools.a.0',
  ],
] as const) {
  test(`does not start with ${what}: ${code}`, async t => {
    const folder = aFolder(t)
    writeFileSync(join(folder, 'plain'), 'text')
    await assert.rejects(
      loadPlugin(hookExec, { options: { hooks: ['authenticate'], ...options }, configDir: folder }),
      (error: BurrowError) => {
        assert.equal(error.code, code)
        assert.equal(error.place.plugin, 'hook-exec')
        assert.equal(error.place.file, `config at ${at}`)
        return true
      },
    )
  })
}

test('an observer is told, and nothing that it prints is read', async t => {
  const { plugin, file } = await script(t, 'cat > "$1/event"; yes | head -c 100000', {
    hooks: ['sessionDown'],
    maxOutputBytes: 64,
  })
  const end = anEnd(aSession(), {
    counters: { packetsIn: 2n ** 40n, octetsIn: 1n, packetsOut: 0n, octetsOut: 0n, drops: { policy: 3n } },
  })
  await plugin.host.hooks.tell('sessionDown', end)
  const { counters, hook } = JSON.parse(readFileSync(file('event'), 'utf8'))
  assert.equal(hook, 'sessionDown')
  assert.deepEqual(counters, {
    packetsIn: 2 ** 40,
    octetsIn: 1,
    packetsOut: 0,
    octetsOut: 0,
    drops: { policy: 3 },
  })
  assert.deepEqual(plugin.faults, [])
})

test('an observer that hangs is a fault at its deadline, however long its timeout', async t => {
  const { plugin, file } = await script(t, 'echo $$ > "$1/pids"; exec sleep 1000', {
    hooks: ['sessionUp'],
    timeoutMs: 60_000,
  })
  const told = plugin.host.hooks.tell('sessionUp', anEnd(aSession()))
  const pids = await pidsIn(file('pids'), 1)
  await plugin.clock.advance(5000)
  await told
  assert.equal(faultCode(plugin), 'HOOK_TIMEOUT')
  await gone(pids)
})

test('what proves a user, by whatever method, is kept out of the log', () => {
  const masked = (proof: object) => secretsOf({ v: 1, id: 'x', hook: 'authenticate', proof })
  assert.deepEqual(masked({ method: 'pap', password: 'a"b' }), ['a"b', 'a\\"b'])
  assert.deepEqual(masked({ method: 'pap', password: '' }), [])
  assert.deepEqual(
    new Set(masked({ method: 'chap-md5', identifier: 1, challenge: '00', response: 'aa' })),
    new Set(['aa']),
  )
  assert.deepEqual(
    new Set(masked({ method: 'mschapv2', peerChallenge: '00', ntResponse: 'bb' })),
    new Set(['bb']),
  )
  assert.deepEqual(secretsOf({ v: 1, id: 'x', hook: 'tunnelUp' }), [])
})

for (const [what, line, whole, expected] of [
  ['a whole one', 'say hunter2 hunter hunt', true, 'say *** *** hunt'],
  ['one cut within a secret', 'say hunter2 hunt', false, 'say *** '],
  ['one cut within a character of a secret', 'say p\ufffd', false, 'say '],
  ['one that only ends like a secret', 'say hunt, unter', false, 'say hunt, unter'],
  ['one cut within a repetition', 'say ababab', false, 'say '],
] as const) {
  test(`a line of standard error loses the secrets in it: ${what}`, () => {
    assert.equal(without(line, ['hunter', 'hunter2', 'p\u00e4ss', 'abababc'], whole), expected)
  })
}

test('a line of standard error that is cut within the password shows no part of it', async t => {
  const { plugin } = await script(t, `cat > /dev/null; printf '%4090ssecret word\\n' '' >&2; ${ACCEPT}`)
  await plugin.authenticate('hb@hb', papProof('secret word'))
  assert.equal(plugin.log[0]?.fields.text, ' '.repeat(4090))
})

test('lines come whole whatever the pieces are, and long ones cut', () => {
  const lines: [string, boolean][] = []
  const reader = new Lines(8, (line, whole) => lines.push([line, whole]))
  for (const piece of ['a\nb', 'c\n\n1234567', '8\n123456789 and more', ' and more\n', '€', '\nend']) {
    for (const byte of Buffer.from(piece)) reader.push(Buffer.of(byte))
    reader.push(Buffer.alloc(0))
  }
  reader.push(Buffer.from('\n123456789\nx\n'))
  reader.end()
  assert.deepEqual(lines, [
    ['a', true],
    ['bc', true],
    ['', true],
    ['12345678', true],
    ['12345678', false],
    ['€', true],
    ['end', true],
    ['12345678', false],
    ['x', true],
  ])
})
