/** What the pages say is true: the plugin of the README works as it stands there, and every link leads somewhere. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { AnyPlugin } from '../core/plugin/plugin.ts'
import { createProof } from '../core/runtime/proof.ts'
import { startPlugin } from '../core/testing/plugin-harness.ts'
import { ROOT } from './support/imports.ts'
import { run } from './support/processes.ts'

const read = (page: string) => readFileSync(join(ROOT, page), 'utf8')
const COMPILE_MS = 60_000

test('the plugin of the README compiles against the public surface and authenticates', async t => {
  const [, source, another] = /```ts\n([\s\S]*?)```([\s\S]*```ts)?/.exec(read('README.md')) ?? []
  assert.ok(source !== undefined && another === undefined, 'the README has one ts block')
  const plugin = await startPlugin(t, await compiled(t, source), { options: { realm: 'hb' } })
  const login = async (user: string, password: string) =>
    (await plugin.authenticate(user, createProof({ method: 'pap', password }))).verdict?.kind

  assert.equal(await login('hb@hb', secretOf(source)), 'accept')
  assert.equal(await login('hb@hb', 'wrong'), 'reject')
  assert.equal(await login('hb@elsewhere', secretOf(source)), undefined, 'another plugin is asked')
  assert.deepEqual(plugin.faults, [])
})

test('the code of the page on testing compiles as it stands there, and its tests pass', async t => {
  const folder = scratch(t)
  const blocks = [...read('docs/testing-plugins.md').matchAll(/```ts\n([\s\S]*?)```/g)]
  const files = blocks.map(([, source = '']) => {
    const name =
      /^\/\/ ([\w-]+(?:\.test)?)\.ts\n/.exec(source)?.[1] ?? assert.fail(`which file is this? ${source}`)
    writeFileSync(join(folder, `${name}.ts`), source)
    return name
  })
  await compile(folder)
  const tests = files.filter(name => name.endsWith('.test')).map(name => join(folder, 'out', `${name}.js`))
  assert.ok(tests.length > 2)
  // Within a test, node:test would take these for its own and run none.
  const env = { NODE_TEST_CONTEXT: undefined }
  const { code, stdout } = await run([process.execPath, '--test', '--test-reporter=tap', ...tests], {
    deadlineMs: COMPILE_MS,
    env,
  })
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^# pass [1-9]\d$/m)
})

test('every relative link of the pages leads to a file', () => {
  const links = pages().flatMap(page =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => ({ page, target: target.replace(/#.*$/, '') }))
      .filter(({ target }) => target !== '' && !/^[a-z]+:/.test(target)),
  )
  assert.ok(links.length > 0)
  const broken = links.filter(({ page, target }) => !existsSync(join(ROOT, dirname(page), target)))
  assert.deepEqual(broken, [])
})

test('every path from the checkout that a page names is there', () => {
  const named = pages().flatMap(page =>
    [...read(page).matchAll(/`((?:core|examples|plugins|test|tools)\/[\w./-]+)`/g)].map(([, path = '']) => ({
      page,
      path,
    })),
  )
  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter(({ path }) => !existsSync(join(ROOT, path))),
    [],
  )
})

function pages(): readonly string[] {
  const tracked = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  return tracked.split('\n').filter(page => page !== '')
}

const secretOf = (source: string) => /verify\('([^']+)'\)/.exec(source)?.[1] ?? assert.fail('no secret in it')

async function compiled(t: Scope, source: string): Promise<AnyPlugin> {
  const folder = scratch(t)
  writeFileSync(join(folder, 'plugin.ts'), source)
  await compile(folder)
  const module = await import(pathToFileURL(join(folder, 'out', 'plugin.js')).href)
  return module.default
}

interface Scope {
  after(remove: () => void): void
}

/** Below the checkout, where `burrow` is this package itself, as it is for its own plugins. */
function scratch(t: Scope): string {
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'dist', 'page-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

async function compile(folder: string): Promise<void> {
  const options = { rootDir: '.', outDir: 'out', incremental: false, tsBuildInfoFile: null }
  const config = { extends: '../../tsconfig.json', compilerOptions: options, include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules', 'typescript-7', 'bin', 'tsc')
  const { code, stdout } = await run([process.execPath, tsc, '-p', folder], { deadlineMs: COMPILE_MS })
  assert.equal(code, 0, stdout)
}
