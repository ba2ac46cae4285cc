/** What whoever has no checkout gets: the packed Burrow makes a plugin, which installs, compiles, passes its test and serves. */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { burrowSource } from '../core/cli/burrow-source.ts'
import { aFolder } from '../core/testing/samples.ts'
import { BURROW } from './support/burrow.ts'
import { ROOT } from './support/imports.ts'
import { makeNetns, skipWithoutNetns } from './support/netns.ts'
import { packBurrow, shell } from './support/packed.ts'
import { run, start } from './support/processes.ts'

const START_MS = 60_000
const HOOKS = ['auth', 'accounting', 'policy', 'address'] as const

test('a plugin made by the packed Burrow installs, compiles under strict, passes its test, and serves', {
  skip: skipWithoutNetns,
}, async t => {
  const { folder, tarball, files } = await packBurrow(t)

  const rooms = new Set(files.map(path => path.split('/').slice(0, 2).join('/')))
  for (const needed of ['dist/core', 'dist/plugins', 'examples/01-reference', 'templates/plugin', 'LICENSE'])
    assert.ok(rooms.has(needed), `${needed} is packed`)
  assert.ok(files.includes('templates/plugin/common/gitignore'))
  const strange = files.filter(path => /^(?:test|tools|node_modules|dist\/(?!core\/|plugins\/))/.test(path))
  assert.deepEqual(strange, [])

  const leadsNowhere = files
    .filter(path => path.endsWith('.md'))
    .flatMap(page =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(
        ([, to = '']) => ({ page, to: posix.join(posix.dirname(page), to) }),
      ),
    )
    .filter(({ to }) => !files.some(path => path === to || path.startsWith(`${to}/`)))
    // Each habit names its test there, and the page says where the tests are.
    .filter(({ page, to }) => !(page === 'docs/clients.md' && to.startsWith('test/')))
  assert.deepEqual(
    leadsNowhere,
    [{ page: 'README.md', to: 'test/README.md' }],
    'the page that README.md says is for a checkout',
  )

  await shell('npx burrow plugin new otp', folder)
  const otp = join(folder, 'otp')
  const { devDependencies } = JSON.parse(readFileSync(join(otp, 'package.json'), 'utf8'))
  assert.equal(devDependencies.burrow, `file:${tarball}`, 'the same package again, whatever the registry has')
  await shell('npm install', otp)
  await shell('npm run build', otp)
  const { stdout } = await shell('npm test', otp)
  assert.match(stdout, /pass [1-9]/)
  assert.match(stdout, /fail 0/)
  const check = await shell('npx burrow check -c burrow.yaml --json', otp)
  assert.deepEqual(
    JSON.parse(check.stdout).plugins.map(({ name }: { readonly name: string }) => name),
    ['otp', 'address-pool'],
  )

  const { name: netns } = makeNetns(t)
  // Not through npx, which keeps a signal to itself.
  const command = join(otp, 'node_modules', '.bin', 'burrow')
  const server = start([command, 'serve', '-c', 'burrow.yaml'], { netns, cwd: otp })
  t.after(() => server.end('SIGTERM', START_MS))
  await server.says(/Burrow listens on 127\.0\.0\.1:1701/, START_MS)
  const dial = (password: string) => {
    const words = [
      'npx',
      'burrow',
      'connect',
      '127.0.0.1',
      '--user',
      'hb@hb',
      '--password-env',
      'PASSWORD',
      '--once',
    ]
    return run(words, { netns, cwd: otp, env: { PASSWORD: password }, deadlineMs: START_MS })
  }
  const welcome = await dial('admin@123')
  assert.equal(welcome.code, 0, welcome.stderr)
  assert.match(welcome.stdout, /up: 10\.99\.0\.2 -> 10\.99\.0\.1/)
  assert.equal((await dial('wrong')).code, 4, 'the new plugin refuses')
  assert.match(server.stderr(), /wrong password/, 'and says why')
})

test('what is packed is built from the sources of now, and holds nothing of those before', async t => {
  const copy = aFolder(t)
  const listed = await shell('git ls-files --cached --others --exclude-standard', ROOT)
  for (const path of listed.stdout.split('\n').filter(path => existsSync(join(ROOT, path)) && path !== ''))
    cpSync(join(ROOT, path), join(copy, path))
  // With the stamp of this lock file among them: nothing is installed anew.
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules', name), join(copy, 'node_modules', name))
  mkdirSync(join(copy, 'dist', 'core'), { recursive: true })
  writeFileSync(join(copy, 'dist', 'core', 'stale.js'), '')
  const { stdout } = await shell('npm pack --json --dry-run --ignore-scripts=false', copy)
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')))
  const paths = files.map(({ path }: { readonly path: string }) => path)
  assert.ok(paths.includes('dist/core/cli/main.js'))
  assert.ok(!paths.includes('dist/core/stale.js'))
})

test('a plugin made from a checkout is built with that checkout', async t => {
  const dir = join(aFolder(t), 'otp')
  const made = await run([...BURROW, 'plugin', 'new', 'otp', '--dir', dir])
  assert.equal(made.code, 0, made.stderr)
  const { devDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(join(dir, 'package.json'), 'utf8'),
  )
  assert.equal(devDependencies.burrow, `file:${realpathSync(ROOT)}`)
  assert.deepEqual(peerDependenciesMeta, { burrow: { optional: true } }, 'npm never looks for it by itself')
})

const SOURCES: readonly (readonly [
  what: string,
  manifest: object,
  at: string,
  source: (folder: string) => string | undefined,
])[] = [
  ['a path of the project', { dependencies: { burrow: 'file:b.tgz' } }, '', folder => `file:${folder}/b.tgz`],
  ['a path elsewhere', { devDependencies: { burrow: 'file:/opt/b.tgz' } }, '', () => 'file:/opt/b.tgz'],
  ['another spec', { dependencies: { burrow: 'github:acme/burrow' } }, '', () => 'github:acme/burrow'],
  ['what pnpm keeps', { dependencies: { burrow: 'file:b' } }, '.pnpm/b/node_modules', dir => `file:${dir}/b`],
  ['nothing of the project', { dependencies: { other: '^1.0.0' } }, '', () => undefined],
]

for (const [what, manifest, at, source] of SOURCES) {
  test(`an installed Burrow comes from where its project says: ${what}`, t => {
    const folder = aFolder(t)
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    assert.equal(burrowSource(join(folder, 'node_modules', at, 'burrow')), source(folder))
  })
}

for (const hook of HOOKS) {
  test(`the template of ${hook} is a package of its name, and its tests pass`, async t => {
    const folder = aFolder(t)
    const dir = join(folder, 'made')
    const made = await run([...BURROW, 'plugin', 'new', '@acme/burrow-x', '--hook', hook, '--dir', dir])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).name, '@acme/burrow-x')
    const texts = readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter(path => /\.(?:ts|yaml|md)$/.test(path))
      .map(path => readFileSync(join(dir, path), 'utf8'))
    assert.ok(texts.some(text => text.includes("name: 'burrow-x'")))
    assert.deepEqual(
      texts.filter(text => /my-p|\{\{/.test(text)),
      [],
      'no placeholder is left',
    )
    // The sources that it is made of, as this checkout has built them.
    const built = join(ROOT, 'dist', 'templates', 'plugin', hook, 'src', 'index.test.js')
    const tested = await shell(`${process.execPath} --test ${built}`, dir)
    assert.match(tested.stdout, /pass [1-9]/)
  })
}

const REFUSED: readonly (readonly [what: string, args: readonly string[]])[] = [
  ['capitals', ['OTP']],
  ['a path', ['../otp']],
  ['a number to YAML', ['1e3']],
  ['a plugin of ours', ['auth-local']],
  ['a plugin of ours in a scope', ['@acme/auth-local']],
  ['a module of Node', ['http']],
  ['a word of the config', ['deployment']],
  ['a name beyond the length of npm', [`o${'t'.repeat(214)}`]],
  ['a name that no server loads', [`o${'t'.repeat(64)}`]],
  ['no such hook', ['otp', '--hook', 'dns']],
  ['a folder with something in it', ['otp', '--dir', 'full']],
  ['a file', ['otp', '--dir', 'full/mine']],
]

for (const [what, args] of REFUSED) {
  test(`plugin new refuses ${what}, and writes nothing`, async t => {
    const cwd = aFolder(t)
    mkdirSync(join(cwd, 'full'))
    writeFileSync(join(cwd, 'full', 'mine'), 'mine')
    const { code, stderr } = await run([...BURROW, 'plugin', 'new', ...args], { cwd })
    assert.equal(code, 2)
    assert.match(stderr, /^burrow: USAGE: /)
    assert.deepEqual(readdirSync(cwd, { recursive: true }).sort(), ['full', 'full/mine'])
    assert.equal(readFileSync(join(cwd, 'full', 'mine'), 'utf8'), 'mine')
  })
}
