/** `burrow try` without a server: the plugins of a config in the command's own process, without root. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { configFolder } from '../support/config-folder.ts'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'
import { onTerminal } from '../support/terminal.ts'

const asRoot = process.geteuid?.() === 0
/** Whoever runs the test, the command may do nothing special. */
const POWERLESS = asRoot ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : []
const LIST = `
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
  - accounting-file: { file: accounting.jsonl }
`
const LOCAL = `
  - auth-local: { users: [{ user: hb@hb, password: admin@123, zone: dmz }] }${LIST}`

/** Asks for a second answer, and shows whatever it is given. */
const OTP = `import { definePlugin, z } from 'burrow'
export default definePlugin({
  name: 'otp',
  config: z.strictObject({}),
  setup({ hooks }) {
    hooks.authenticate.tap('otp', ({ user, round }) =>
      round === 0 ? { kind: 'continue', reply: 'Your code?', state: { not: 'shown' } } : { kind: 'accept', user })
  },
})
`

function scene(t: TestContext, plugins = LOCAL) {
  const folder = configFolder(t, {
    'burrow.yaml': `controlSocket: ./none.sock\nplugins:${plugins}`,
    'otp.mjs': OTP,
    right: 'admin@123\n',
  })
  const tryOut = (password: string, ...args: readonly string[]) =>
    run(
      [...POWERLESS, ...BURROW, 'try', '-u', 'hb@hb', '-c', folder.config, '--password-env', 'P', ...args],
      {
        env: { P: password },
        cwd: folder.path,
      },
    )
  return { folder, tryOut }
}

test('the right password is let in: trail, grant, address and policy, and nothing is left behind', async t => {
  const { folder, tryOut } = scene(t)
  const { code, stdout, stderr } = await tryOut('admin@123', '--method', 'pap', '--peer', '192.0.2.7')
  assert.equal(code, 0, stderr)
  const asked = `the plugins of ${folder.config}, here: no server serves ${folder.at('none.sock')}`
  assert.match(stdout, new RegExp(`^asked +${asked}$`, 'm'))
  assert.match(stdout, /^user +hb@hb, by pap, from 192\.0\.2\.7$/m)
  assert.match(stdout, /^\d\d:\d\d:\d\d\.\d{3} +authenticate +auth-local +accept +\d+\.\d$/m)
  assert.match(stdout, /^zone: dmz$/m)
  assert.match(stdout, /^172\.16\.1\.2, of address-pool$/m)
  assert.match(stdout, /^users-to-intranet +from-session +permit$/m)
  assert.match(stdout, /^hb@hb would be let in, as 172\.16\.1\.2\.$/m)
  assert.doesNotMatch(stdout + stderr, /admin@123/)
  assert.ok(!existsSync(folder.at('accounting.jsonl')), 'who only observes is not started')
})

test('a wrong password has the exit code of a refusal, and names who refused it', async t => {
  const { code, stdout, stderr } = await scene(t).tryOut('guess#123', '--method', 'chap')
  assert.equal(code, 4)
  assert.match(stdout, /authenticate +auth-local +reject +[\d.]+ +wrong password$/m)
  assert.match(
    stderr,
    /^burrow: TRY_REFUSED: hb@hb would be refused in authenticate by auth-local \(reject\): wrong/m,
  )
  assert.doesNotMatch(stdout + stderr, /guess#123/)
})

test('as JSON it is one object, with who answered', async t => {
  const { folder, tryOut } = scene(t)
  const { code, stdout } = await tryOut('admin@123', '--json', '--method', 'mschapv2')
  assert.equal(code, 0)
  const result = JSON.parse(stdout)
  assert.match(result.answeredBy, new RegExp(`the plugins of ${folder.config}`))
  assert.equal(result.outcome, 'accept')
  assert.equal(result.lease.value, '172.16.1.2')
  assert.match(result.notes[0], /mschapv2/)
})

test('a password comes from a file, and from nowhere else unasked', async t => {
  const { folder } = scene(t)
  const words = [...BURROW, 'try', '-u', 'hb@hb', '-c', folder.config]
  const right = await run([...words, '--password-file', folder.at('right')], { cwd: folder.path })
  assert.equal(right.code, 0, right.stderr)
  const missing = await run(words, { cwd: folder.path })
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /^burrow: CREDENTIALS_MISSING/)
  for (const args of [[], ['--method', 'md4'], ['--peer', 'here']]) {
    const { code } = await run([...BURROW, 'try', ...(args.length === 0 ? [] : ['-u', 'x']), ...args])
    assert.equal(code, 2, args.join(' '))
  }
})

test('without a terminal the reply of an exchange is shown, and that nobody can answer it', async t => {
  const { tryOut } = scene(t, `\n  - ./otp.mjs${LIST}`)
  const { code, stdout, stderr } = await tryOut('admin@123', '--method', 'pap')
  assert.equal(code, 2)
  assert.match(stdout, /^the peer is told: Your code\?$/m)
  assert.match(stderr, /^burrow: CREDENTIALS_MISSING: there is no answer to "Your code\?"/m)
  const json = await tryOut('admin@123', '--method', 'pap', '--json')
  assert.equal(JSON.parse(json.stdout).outcome, 'continue')
  assert.doesNotMatch(json.stdout, /shown/)
})

test('on a terminal the password and the next answer are asked for, and neither is shown', async t => {
  const { folder } = scene(t, `\n  - ./otp.mjs${LIST}`)
  const words = [...BURROW, 'try', '-u', 'hb@hb', '--method', 'pap', '-c', folder.config]
  const terminal = onTerminal(t, words, { cwd: folder.path })
  await terminal.shows('password of hb@hb: ')
  terminal.type('admin@123\r')
  await terminal.shows('answer to "Your code?": ')
  terminal.type('471147\r')
  await terminal.shows('hb@hb would be let in, as 172.16.1.2.')
  assert.equal(await terminal.code, 0)
  assert.doesNotMatch(terminal.shown(), /admin@123|471147/)
})

test('the page names the options that there are', async () => {
  const page = readFileSync(join(ROOT, 'docs/finding-out.md'), 'utf8')
  const [, ofTry = ''] = page.split('## What would become of this login')
  const named = new Set(ofTry.match(/`-(?:-[a-z-]+|c)\b/g)?.map(text => text.slice(1)))
  const { stdout } = await run([...BURROW, 'try', '--help'])
  const there = new Set([...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option))
  for (const option of ['--help', '--json', '--config']) there.delete(option)
  named.delete('-c')
  assert.deepEqual(named, there)
})

test('a wrong config is its own error, and a socket that is named must have a server', async t => {
  const { folder, tryOut } = scene(t)
  const nobody = await tryOut('admin@123', '--socket', folder.at('none.sock'))
  assert.equal(nobody.code, 1)
  assert.match(nobody.stderr, /^burrow: CONTROL_SOCKET/m)
  folder.write({ 'burrow.yaml': 'plugins:\n  - auth-locl' })
  const { code, stderr } = await tryOut('admin@123')
  assert.equal(code, 3)
  assert.match(stderr, /^burrow: PLUGIN_UNKNOWN: .*burrow\.yaml:3/m)
})
