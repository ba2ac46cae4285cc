/** The command line as a person or a script meets it: the real program, its exit status and its streams. */
import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'burrow-cli-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0
function file(text: string, mode = 0o600): string {
  const path = join(folder, `${files++}.yaml`)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const burrow = (...args: readonly string[]) => run([...BURROW, ...args])
const asRoot = process.geteuid?.() === 0

const CONFIG = `
gatewayAddress: 172.16.1.1
secrets:
  - { name: shared, secret: between us }
plugins:
  - auth-local:
      users:
        - { user: hb@hb, password: admin@123 }
  - address-pool:
      pools: { main: { ranges: [172.16.1.2-172.16.1.100] } }
`

const USAGE: readonly (readonly [what: string, args: readonly string[]])[] = [
  ['an unknown command', ['dig']],
  ['an unknown option', ['serve', '--fast']],
  ['no user', ['connect', '127.0.0.1']],
  ['no address', ['connect', '--user', 'x']],
  ['a port that is none', ['connect', '127.0.0.1:99999', '--user', 'x']],
  ['a method that is none', ['connect', '127.0.0.1', '--user', 'x', '--auth', 'md4']],
  ['a route that is none', ['connect', '127.0.0.1', '--user', 'x', '--route', '10.0.0.0/33']],
  ['an MTU that is none', ['connect', '127.0.0.1', '--user', 'x', '--mtu', '9000']],
]
for (const [what, args] of USAGE) {
  test(`${what} is a usage error, in one line with its remedy`, async () => {
    const { code, stdout, stderr } = await burrow(...args)
    assert.equal(code, 2)
    assert.match(stderr, /^burrow: USAGE: .*\n {2}to mend it: .*\n$/)
    assert.equal(stdout, '')
  })
}

test('help lists the commands and the exit codes', async () => {
  const { code, stdout } = await burrow('--help')
  assert.equal(code, 0)
  for (const word of ['serve', 'connect', 'sessions', 'check', 'demo', 'Exit codes'])
    assert.ok(stdout.includes(word), word)
})

test('no command at all prints the help and fails', async () => {
  const { code, stderr } = await burrow()
  assert.equal(code, 2)
  assert.match(stderr, /^Usage: burrow/)
})

test('a config that is not there is told by its name', async () => {
  const { code, stderr } = await burrow('check', '-c', join(folder, 'none.yaml'))
  assert.equal(code, 3)
  assert.match(stderr, /^burrow: CONFIG_NOT_FOUND: .*none\.yaml/)
})

test('every fault of a config is told at its line, without a stack', async () => {
  const path = file('gatewayAddress: 172.16.1\nplugins:\n  - auth-locla\n')
  const { code, stderr } = await burrow('check', '-c', path)
  assert.equal(code, 3)
  assert.match(stderr, new RegExp(`^burrow: CONFIG_INVALID: .*${path}:1`, 'm'))
  assert.match(stderr, new RegExp(`^burrow: PLUGIN_UNKNOWN: .*${path}:3`, 'm'))
  assert.doesNotMatch(stderr, /^\s+at /m)
})

test('--debug adds the stack', async () => {
  const { stderr } = await burrow('--debug', 'check', '-c', join(folder, 'none.yaml'))
  assert.match(stderr, /^\s+at /m)
})

test('check prints plugins and hooks in their order, and no secret', async () => {
  const { code, stdout } = await burrow('check', '-c', file(CONFIG))
  assert.equal(code, 0)
  assert.match(stdout, /1 +auth-local.*\n2 +address-pool/)
  assert.match(stdout, /^authenticate +auth-local/m)
  assert.match(stdout, /- 172\.16\.1\.2-172\.16\.1\.100/)
  assert.match(stdout, /^assignAddress +address-pool/m)
  assert.match(stdout, /^tunnel secrets +shared/m)
  assert.doesNotMatch(stdout, /admin@123|between us/)
})

test('check --json says the same as data, and no secret', async () => {
  const { stdout } = await burrow('check', '--json', '-c', file(CONFIG))
  const { plugins, server } = JSON.parse(stdout)
  assert.deepEqual(
    plugins.map(({ name }: { name: string }) => name),
    ['auth-local', 'address-pool'],
  )
  assert.deepEqual(server.listen, [{ address: '127.0.0.1', port: 1701 }])
  assert.deepEqual(server.secrets, [{ name: 'shared', secret: '***' }])
  assert.doesNotMatch(stdout, /admin@123|between us/)
})

test('check warns of a config with secrets that others can read', async () => {
  const { code, stdout } = await burrow('check', '-c', file(CONFIG, 0o644))
  assert.equal(code, 0)
  assert.match(stdout, /warning: .*chmod 600/)
})

test('check --schema prints a JSON Schema that knows the plugins', async () => {
  const { stdout } = await burrow('check', '--schema')
  const schema = JSON.parse(stdout)
  assert.ok('gatewayAddress' in schema.properties)
  assert.match(stdout, /auth-local/)
})

test('without the right to make a TUN device, serve and connect say what is missing and how to go on', {
  skip: !asRoot && 'needs root to give the right up',
}, async () => {
  for (const args of [
    ['serve', '-c', file(CONFIG)],
    ['connect', '127.0.0.1', '--user', 'x'],
  ]) {
    const { code, stderr } = await run(['setpriv', '--bounding-set=-net_admin', ...BURROW, ...args])
    assert.equal(code, 1)
    assert.match(stderr, /^burrow: NO_ROOT: .*CAP_NET_ADMIN.*sudo npx burrow.*\n {2}to mend it: run as root/)
  }
})

test('a password is neither guessed nor taken from nowhere', { skip: !asRoot && 'needs root' }, async () => {
  const missing = await burrow('connect', '127.0.0.1', '--user', 'x')
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /^burrow: CREDENTIALS_MISSING/)
  for (const from of [
    ['--password-env', 'BURROW_TEST_UNSET'],
    ['--password-file', join(folder, 'no-such-file')],
  ]) {
    const { code, stderr } = await burrow('connect', '127.0.0.1', '--user', 'x', ...from)
    assert.equal(code, 2)
    assert.match(stderr, /^burrow: CREDENTIALS_MISSING/)
  }
})

test('sessions says when no server answers', async () => {
  const { code, stderr } = await burrow('sessions', '--socket', join(folder, 'none.sock'))
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: CONTROL_SOCKET/)
})

test('the command of a source tree that is not built says how to build it', async t => {
  const tree = mkdtempSync(join(tmpdir(), 'burrow-unbuilt-'))
  t.after(() => rmSync(tree, { recursive: true }))
  cpSync(join(ROOT, 'bin'), join(tree, 'bin'), { recursive: true })
  const { code, stderr } = await run([join(tree, 'bin', 'burrow.mjs'), 'check'])
  assert.equal(code, 1)
  assert.match(stderr, /npm run prepare:dist/)
})

test('the command of the package is the built one', async () => {
  const { code, stdout } = await run([join(ROOT, 'bin', 'burrow.mjs'), '--version'])
  assert.equal(code, 0)
  assert.equal(stdout.trim(), JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version)
})
