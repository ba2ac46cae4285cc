import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { BurrowError } from '../../core/errors.ts'
import { Inquiry } from '../../core/hooks/guard.ts'
import { definePlugin, passwordProof, USERS, z } from '../../core/index.ts'
import { authenticatorContract, workOf } from '../../core/testing/contracts/authenticator.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { startMemoryLns } from '../../core/testing/memory-lns.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { aFolder, aSession } from '../../core/testing/samples.ts'
import authLocal from '../../plugins/auth-local/index.ts'
import { hashPassword, parsePasswordHash } from '../../plugins/auth-local/password-hash.ts'

/** The weakest cost that is accepted: a millisecond. */
const CHEAP = { ln: 10, r: 1, p: 1, keyBytes: 32 }
const PASSWORD = 'admin@123'
const HASH = await hashPassword(PASSWORD, CHEAP)
const clear = { user: 'hb@hb', password: PASSWORD }
const hashed = { user: 'hb@hb', passwordHash: HASH }
const someoneHashed = { user: 'other', passwordHash: HASH }

const start = (t: TestContext, options: object) => startPlugin(t, authLocal, { options })

for (const [name, users, prove, unknown] of [
  ['auth-local with a clear password and PAP', [clear], papProof, 'pass'],
  ['auth-local with a clear password and CHAP', [clear], chapProof, 'pass'],
  ['auth-local with a clear password and MS-CHAPv2', [clear], mschapv2Proof, 'pass'],
  ['auth-local with a password hash and PAP', [hashed], papProof, 'reject'],
  ['auth-local with a clear password among hashes and PAP', [clear, someoneHashed], papProof, 'pass'],
] as const) {
  const options = { users, unknownUser: unknown === 'pass' ? 'next' : 'reject' }
  authenticatorContract({
    name,
    make: t => start(t, options),
    user: 'hb@hb',
    secret: PASSWORD,
    prove,
    unknown,
    ...(users[0] === hashed ? { makeUnavailable: busy } : {}),
  })
}

/** Its one slot for hashes is taken, and nobody may wait. */
async function busy(t: TestContext, onUnavailable?: 'reject' | 'next') {
  const options = { users: [hashed], hashesAtOnce: 1, hashesWaiting: 0 }
  const setting = onUnavailable === undefined ? { options } : { options, onUnavailable }
  const plugin = await startPlugin(t, authLocal, setting)
  const slot = plugin.authenticate('hb@hb', papProof(PASSWORD))
  return { plugin, repair: async () => void (await slot) }
}

function usersFile(t: TestContext, text: string, mode = 0o600): { configDir: string; file: string } {
  const configDir = aFolder(t)
  const file = join(configDir, 'users.yaml')
  writeFileSync(file, text)
  chmodSync(file, mode)
  return { configDir, file }
}

const FROM_FILE = { usersFile: 'users.yaml' }

test('a users file beside the config gives its users with everything they are granted', async t => {
  const { configDir } = usersFile(
    t,
    `
- user: hb@hb
  password: admin@123
  address: 172.16.1.51
  pool: staff
  zone: guests
  dns: [192.168.1.53, 192.168.1.54]
  nbns: [192.168.1.55]
  sessionTimeoutS: 3600
  idleTimeoutS: 600
  interimIntervalS: 0
  sample: true
`,
  )
  const plugin = await startPlugin(t, authLocal, { options: FROM_FILE, configDir })
  assert.deepEqual((await plugin.authenticate('hb@hb', papProof(PASSWORD))).verdict, {
    kind: 'accept',
    user: 'hb@hb',
    grant: {
      address: '172.16.1.51',
      pool: 'staff',
      zone: 'guests',
      dns: ['192.168.1.53', '192.168.1.54'],
      nbns: ['192.168.1.55'],
      sessionTimeoutS: 3600,
      idleTimeoutS: 600,
      interimIntervalS: 0,
    },
  })
  assert.deepEqual(plugin.log, [])
})

test('a users file that others can read is a warning', async t => {
  const { configDir, file } = usersFile(t, '- {user: a, password: b}', 0o640)
  const plugin = await startPlugin(t, authLocal, { options: FROM_FILE, configDir })
  assert.deepEqual(
    plugin.log.map(({ level, fields }) => [level, fields.file, fields.mode]),
    [['warn', file, '0640']],
  )
})

/** Text of a users file, and the code and line of each error. */
const WRONG_FILES: readonly (readonly [name: string, text: string, ...lines: number[]])[] = [
  ['no list', 'users: []', 1],
  ['bad YAML', '- user: a\n  password: "b\n', 3],
  ['a duplicate', '- {user: a, password: b}\n- {user: c, password: d}\n- {user: a, password: e}', 3],
  ['an unknown key', '- user: a\n  password: b\n  adress: 10.0.0.1', 3],
  ['a bad address', '- user: a\n  password: b\n  address: 10.0.0.256', 3],
  ['a bad DNS server', '- user: a\n  password: b\n  dns:\n    - 10.0.0.1\n    - dns.example', 5],
  ['three DNS servers', '- user: a\n  password: b\n  dns: [10.0.0.1, 10.0.0.2, 10.0.0.3]', 3],
  ['no password', '- user: b\n  password: c\n- user: a', 3],
  ['both kinds of password', `- user: a\n  password: b\n  passwordHash: "${HASH}"`, 1],
  ['an empty password', '- user: a\n  password: ""', 2],
  ['an empty name', '- user: ""\n  password: b', 1],
  ['a password that YAML takes for a number', '- user: a\n  password: 123456', 2],
  ['a hash of another kind', '- user: a\n  passwordHash: $2b$10$abcdefghijklmnopqrstuv', 2],
  ['a timeout of no time', '- user: a\n  password: b\n  sessionTimeoutS: 0', 3],
  ['several', '- user: a\n  password: ""\n- user: b\n  password: c\n  zone: 7', 2, 5],
]

for (const [name, text, ...lines] of WRONG_FILES) {
  test(`a users file with ${name} is refused at its line`, async t => {
    const { configDir, file } = usersFile(t, text)
    await assert.rejects(loadPlugin(authLocal, { options: FROM_FILE, configDir }), (error: BurrowError) => {
      assert.deepEqual(
        [error, ...error.also].map(({ code, place }) => [code, place.file, place.line]),
        lines.map(line => ['USERS_FILE', file, line]),
      )
      return true
    })
  })
}

test('an error in a users file does not show a password', async t => {
  const { configDir } = usersFile(t, '- user: a\n  password: [hunter2]\n- user: b\n  password: hunter3: x\n')
  await assert.rejects(loadPlugin(authLocal, { options: FROM_FILE, configDir }), (error: BurrowError) => {
    assert.equal(error.code, 'USERS_FILE')
    assert.doesNotMatch([error, ...error.also].map(({ message }) => message).join(), /hunter/)
    return true
  })
})

test('a users file that is not there is refused', async t => {
  const missing = loadPlugin(authLocal, { options: FROM_FILE, configDir: aFolder(t) })
  await assert.rejects(missing, { code: 'USERS_FILE' })
})

test('users of the file and of the config are one directory, in which each stands once', async t => {
  const { configDir } = usersFile(t, '- {user: a, password: b}\n- {user: c, password: d}')
  const both = { ...FROM_FILE, users: [{ user: 'e', password: 'f' }] }
  const plugin = await startPlugin(t, authLocal, { options: both, configDir })
  assert.equal((await plugin.authenticate('a', papProof('b'))).verdict?.kind, 'accept')
  assert.equal((await plugin.authenticate('e', papProof('f'))).verdict?.kind, 'accept')

  const twice = loadPlugin(authLocal, {
    options: { ...FROM_FILE, users: [{ user: 'c', password: 'f' }] },
    configDir,
  })
  await assert.rejects(twice, ({ code, place }: BurrowError) => code === 'USERS_FILE' && place.line === 2)
})

for (const [name, options] of [
  ['neither a file nor users', {}],
  ['a user twice', { users: [clear, clear] }],
  ['an unknown option', { usersfile: 'users.yaml' }],
  ['another word for unknownUser', { users: [], unknownUser: 'ignore' }],
  ['no hash at once', { users: [], hashesAtOnce: 0 }],
  ['a negative number of waiting logins', { users: [], hashesWaiting: -1 }],
] as const) {
  test(`options with ${name} are refused`, async () => {
    await assert.rejects(loadPlugin(authLocal, { options }), { code: 'PLUGIN_OPTIONS' })
  })
}

test('sample users are refused where other hosts can reach the server, and only there', async t => {
  const { configDir, file } = usersFile(
    t,
    '- {user: a, password: b}\n- user: hb@hb\n  password: admin@123\n  sample: true',
  )
  const server = new FakeServer()
  await loadPlugin(authLocal, { options: FROM_FILE, configDir, server })
  server.exposed = true
  const exposed = loadPlugin(authLocal, { options: FROM_FILE, configDir, server })
  await assert.rejects(exposed, (error: BurrowError) => {
    assert.deepEqual([error.code, error.place.file, error.place.line], ['SAMPLE_USERS_EXPOSED', file, 2])
    return true
  })
  const inline = { users: [{ ...clear, sample: true }] }
  await assert.rejects(loadPlugin(authLocal, { options: inline, server }), { code: 'SAMPLE_USERS_EXPOSED' })
})

for (const [name, prove] of [
  ['CHAP', chapProof],
  ['MS-CHAPv2', mschapv2Proof],
] as const) {
  test(`${name} with a user who has only a hash is rejected with the reason, after the same work`, async t => {
    const plugin = await start(t, { users: [hashed] })
    const { verdict } = await plugin.authenticate('hb@hb', prove(PASSWORD))
    assert.equal(verdict?.kind, 'reject')
    assert.match(verdict.reason, /passwordHash/)
    const unknown = await workOf(plugin, 'nobody', prove(PASSWORD))
    assert.deepEqual(await workOf(plugin, 'hb@hb', prove(PASSWORD)), unknown)
  })
}

test('a live session may stay while its user is listed, with the grant of a login; of others nothing is said', async t => {
  const granted = { pool: 'staff', dns: ['192.168.1.53'], sessionTimeoutS: 60 }
  const users = [{ ...clear, ...granted }, someoneHashed]
  const plugin = await start(t, { users, unknownUser: 'reject' })
  const stays = (user: string) =>
    plugin.host.hooks.ask('revalidate', new Inquiry(), { session: aSession(), user, grant: { user } })
  assert.deepEqual(await stays('hb@hb'), { kind: 'accept', grant: granted })
  assert.deepEqual(await stays('other'), { kind: 'accept', grant: {} })
  for (const gone of ['', 'nobody', 'HB@hb', '__proto__']) assert.equal(await stays(gone), undefined)
})

test('an empty password is refused whoever the user is', async t => {
  const plugin = await start(t, { users: [clear] })
  for (const user of ['hb@hb', 'nobody']) {
    assert.equal((await plugin.authenticate(user, papProof(''))).verdict?.kind, 'reject')
  }
})

test('hashes of several costs are all verified, and an unknown user costs one of each', async t => {
  const dearer = await hashPassword('other', { ...CHEAP, ln: 11 })
  const plugin = await start(t, { users: [hashed, { user: 'b', passwordHash: dearer }] })
  assert.equal((await plugin.authenticate('hb@hb', papProof(PASSWORD))).verdict?.kind, 'accept')
  assert.equal((await plugin.authenticate('b', papProof('other'))).verdict?.kind, 'accept')
  assert.equal((await plugin.authenticate('b', papProof(PASSWORD))).verdict?.kind, 'reject')
})

test('logins wait for a hash in turn; beyond the limit the plugin says that it is unavailable', async t => {
  const plugin = await start(t, { users: [hashed], hashesAtOnce: 1, hashesWaiting: 2 })
  const login = (inquiry = new Inquiry()) => plugin.authenticate('hb@hb', papProof(PASSWORD), { inquiry })
  const gone = new Inquiry()
  const logins = [login(), login(gone), login(), login()]
  // The one that hung up makes room.
  gone.withdraw()
  await Promise.resolve()
  const verdicts = (await Promise.all(logins)).map(({ verdict }) => verdict?.kind)
  assert.deepEqual(verdicts, ['accept', 'unavailable', 'accept', 'unavailable'])
  assert.equal((await login()).verdict?.kind, 'accept')
})

test('hash-password prints a hash of the default cost, and nothing without a password', () => {
  const script = fileURLToPath(new URL('../../plugins/auth-local/hash-password.js', import.meta.url))
  const run = (input: string) => spawnSync(process.execPath, [script], { input, encoding: 'utf8' })
  const { stdout, status } = run('admin@123\nignored\n')
  assert.equal(status, 0)
  const { ln, r, p } = parsePasswordHash(stdout.trimEnd()) ?? {}
  assert.deepEqual({ ln, r, p }, { ln: 15, r: 8, p: 1 })
  for (const input of ['', '\n', 'a\0b\n']) assert.equal(run(input).status, 1)
})

test('a hash is accepted only in its own format, within sane costs', () => {
  const good = '$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2E$uB8jYmVO0tPNMFRLMlcdBqy1v4tqWnW0V1Ewqgf5Yvk'
  assert.ok(parsePasswordHash(good))
  for (const bad of [
    '',
    'admin@123',
    good.slice(1),
    `${good}=`,
    `${good}\n`,
    good.replace('ln=15', 'ln=9'),
    good.replace('ln=15', 'ln=19'),
    good.replace('r=8', 'r=0'),
    good.replace('p=1', 'p=0'),
    good.replace('$c2FsdHNhbHRzYWx0c2E', '$'),
    good.slice(0, -30),
  ]) {
    assert.equal(parsePasswordHash(bad), undefined, bad)
  }
})

test('a directory that serves plugins answers no login, and verifies for a plugin that requires users', async t => {
  const seen: unknown[] = []
  const second = definePlugin({
    name: 'second-factor',
    requires: [USERS],
    config: z.strictObject({}),
    setup({ hooks }, _options, directories) {
      hooks.authenticate.tapPromise('second', async ({ user, proof, signal }) => {
        for (const directory of directories) seen.push(await directory.verify(user, proof, signal))
        const password = passwordProof((proof.password() ?? '').replace(/-code$/, ''))
        return directories[0]?.verify(user, password, signal)
      })
    },
  })
  const yaml = (serves: string) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - auth-local: { serves: ${serves}, users: [{ user: hb@hb, password: ${PASSWORD}, pool: main }] }
  - second-factor
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.9] } } }
  - policy-zones
`
  const lns = await startMemoryLns(t, { yaml: yaml('plugins'), plugins: [second] })
  const call = await lns.dialUp({ user: 'hb@hb', password: `${PASSWORD}-code`, method: 'pap' })
  assert.deepEqual(seen, [{ kind: 'reject', reason: 'wrong password' }])
  await call.hangUp()
  const other = await startMemoryLns(t, { yaml: yaml('logins'), plugins: [second] })
  assert.equal(
    (await other.dial({ user: 'hb@hb', password: `${PASSWORD}-code`, method: 'pap' })).kind,
    'refused',
  )
  assert.equal(seen.length, 1, 'it was not asked')
})
