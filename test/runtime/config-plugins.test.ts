/** Plugins from outside of the tree: files and npm packages, in JavaScript and TypeScript, and how they fail. */
import assert from 'node:assert/strict'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ConfigFolder, configFolder, pluginSource } from '../support/config-folder.ts'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'
import { until } from '../support/until.ts'

const NATIVE = Boolean((process.features as { typescript?: unknown }).typescript)
const TYPESCRIPT = `import { definePlugin, z } from 'burrow'
import { name } from './name.ts'
interface Options { readonly digits: number }

export default definePlugin({ name, config: z.strictObject({ digits: z.number().default(6) }), setup(_, { digits }: Options) { return { stop: () => void digits } } })
`
const NAME = "export const name: string = 'from-typescript'\n"

/** A process of its own, as an operator starts it: what transpiles stays in a process for good. */
const check = (config: string, burrow = join(ROOT, 'dist/core/cli/main.js')) =>
  run([process.execPath, burrow, 'check', '-c', config], { deadlineMs: 30_000 })

/** The message of the one problem. */
async function messageOf(folder: ConfigFolder): Promise<string> {
  const [problem, another] = await folder.problems()
  assert.equal(another, undefined)
  return problem?.message ?? ''
}

test('a file is named relative to the file that lists it, or absolutely; its schema checks its options', async t => {
  const folder = configFolder(t, {
    'own/deep.mjs': pluginSource('deep', '', 'z.strictObject({ digits: z.number().default(6) })'),
    'own/list.yaml': '- ./deep.mjs: { digits: 8 }\n- ../up.mjs',
    'up.mjs': pluginSource('up'),
    'cjs.cjs':
      'const { definePlugin, z } = require("burrow")\nmodule.exports = { name: "cjs", config: { safeParse: data => ({ success: true, data }) }, setup() {} }'.replace(
        /^.*\n/,
        '',
      ),
  })
  folder.write({
    'burrow.yaml': `plugins:\n  - !include own/list.yaml\n  - ${folder.at('cjs.cjs')}: { any: 1 }`,
  })
  const { plugins, warnings } = await folder.load()
  assert.deepEqual(
    plugins.map(({ id, options }) => [id, options]),
    [
      ['deep', { digits: 8 }],
      ['up', {}],
      ['cjs', { any: 1 }],
    ],
  )
  assert.deepEqual(warnings, [])
  folder.write({ 'own/list.yaml': '- ./deep.mjs:\n    digits: 8\n    digit: 7' })
  assert.deepEqual(await folder.faults(), ['PLUGIN_OPTIONS own/list.yaml:3'])
})

for (const [what, name, manifest, entry] of [
  ['without a manifest entry', 'burrow-plugin-x', {}, 'index.js'],
  ['with main', 'burrow-plugin-x', { main: './lib/main.js' }, 'lib/main.js'],
  ['with exports', '@acme/burrow-otp', { exports: './lib/main.js', main: './nosuch.js' }, 'lib/main.js'],
  [
    'with conditions',
    '@acme/burrow-otp',
    {
      exports: {
        './sub': './sub.js',
        '.': { require: './no.cjs', import: { types: './x.d.ts', default: './a.js' } },
      },
    },
    'a.js',
  ],
  ['with alternatives', 'x', { exports: [{ require: './no.cjs' }, './a.js'] }, 'a.js'],
] as const) {
  test(`an npm package ${what} is loaded from the folder of the config or above`, async t => {
    const home = `node_modules/${name}`
    const folder = configFolder(t, {
      'burrow.yaml': `plugins: ["${name}"]`,
      [`${home}/package.json`]: JSON.stringify({ name, type: 'module', ...manifest }),
      [`${home}/${entry}`]: pluginSource('from-npm'),
    })
    assert.deepEqual(
      (await folder.load()).plugins.map(({ id }) => id),
      ['from-npm'],
    )
    mkdirSync(folder.at('a/b'), { recursive: true })
    folder.write({ 'a/b/burrow.yaml': `gatewayAddress: 172.16.1.1\nplugins: ["${name}"]` })
    const { code, stdout } = await check(folder.at('a/b/burrow.yaml'))
    assert.equal(code, 0)
    assert.match(stdout, /^1 +from-npm/m)
  })
}

test('a plugin by its name wins over a package of that name', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins: [auth-local: { users: [] }]',
    'node_modules/auth-local/package.json': '{}',
    'node_modules/auth-local/index.js': 'throw new Error("not me")',
  })
  assert.equal((await folder.load()).plugins.length, 1)
})

for (const [what, entry, source, code, says] of [
  ['is not there', './nosuch.mjs', '', 'PLUGIN_MODULE', /nosuch\.mjs.*ENOENT/],
  ['is a folder', './', '', 'PLUGIN_MODULE', /cannot be read/],
  ['is no name', '"no such"', '', 'PLUGIN_UNKNOWN', /"no such"/],
  ['is installed nowhere', 'burrow-plugin-nosuch', '', 'PLUGIN_UNKNOWN', /nor an npm package/],
  ['is misspelt', 'adress-pool', '', 'PLUGIN_UNKNOWN', /did you mean "address-pool"\?/],
  [
    'throws at import',
    './a.mjs',
    "\n\nthrow new Error('no such token')",
    'PLUGIN_MODULE',
    /a\.mjs:3: no such token$/,
  ],
  ['throws what is no error', './a.mjs', "throw 'tantrum'", 'PLUGIN_MODULE', /tantrum/],
  [
    'is no JavaScript',
    './a.mjs',
    'export default {\n  a b\n}',
    'PLUGIN_MODULE',
    /a\.mjs:2: Unexpected identifier/,
  ],
  [
    'imports broken JavaScript',
    './a.mjs',
    "import './b.mjs'",
    'PLUGIN_MODULE',
    /a\.mjs, or a module that it imports/,
  ],
  [
    'imports what is not there',
    './a.mjs',
    "import 'nosuch'",
    'PLUGIN_MODULE',
    /Cannot find package 'nosuch'/,
  ],
  [
    'has no default export',
    './a.mjs',
    'export const plugin = {}',
    'PLUGIN_MODULE',
    /exports no plugin.*default export/,
  ],
  ['exports a function', './a.mjs', 'export default () => {}', 'PLUGIN_MODULE', /definePlugin/],
  ['exports a plugin without a name', './a.mjs', pluginSource(''), 'PLUGIN_MODULE', /`name`/],
  [
    'exports a plugin that is called deployment',
    './a.mjs',
    pluginSource('deployment'),
    'PLUGIN_MODULE',
    /`name`/,
  ],
  ['exports a plugin without a schema', './a.mjs', pluginSource('a', '', '{}'), 'PLUGIN_MODULE', /`config`/],
  [
    'exports a plugin without setup',
    './a.mjs',
    pluginSource('a').replace('setup() {}', ''),
    'PLUGIN_MODULE',
    /`setup`/,
  ],
] as const) {
  test(`a plugin that ${what} is ${code} at its line`, async t => {
    const folder = configFolder(t, {
      'burrow.yaml': `plugins:\n  - ${entry}`,
      'a.mjs': source,
      'b.mjs': 'a b',
    })
    assert.deepEqual(await folder.faults(), [`${code} burrow.yaml:3`])
    const [problem] = await folder.problems()
    assert.match(problem?.message ?? '', says)
    assert.equal(problem?.place.plugin, entry.replaceAll('"', ''))
    assert.doesNotMatch(problem?.message ?? '', /\?content=/)
  })
}

test('a server serves on while Node is asked for the place of a syntax error', async t => {
  // In place of Node: it tells the place when the event loop of this process has turned.
  const node = `#!/bin/sh
exec >&2; cd "\${0%/*}"; : > asked
for turn in $(seq 1000); do [ -e go ] && break; sleep 0.01; done
echo "$2:7"; echo "SyntaxError: Unexpected identifier 'b'"`
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [./a.mjs]', 'a.mjs': 'a b' })
  folder.write({ node }, 0o755)
  const { execPath } = process
  process.execPath = folder.at('node')
  t.after(() => {
    process.execPath = execPath
  })
  const problems = folder.problems()
  await until('the question', () => existsSync(folder.at('asked')))
  folder.write({ go: '' })
  assert.match((await problems)[0]?.message ?? '', /a\.mjs:7: Unexpected identifier/)
})

test('a module that never finishes loading is the named culprit', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins: [./a.mjs]',
    'a.mjs': 'await new Promise(() => {})',
  })
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const faults = folder.faults()
  t.mock.timers.tick(10_000)
  assert.deepEqual(await faults, ['PLUGIN_TIMEOUT burrow.yaml:2'])
})

test('a package whose manifest is broken is PLUGIN_MODULE at its line', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [x]', 'node_modules/x/package.json': '{' })
  assert.deepEqual(await folder.faults(), ['PLUGIN_MODULE burrow.yaml:2'])
})

test('two plugins of one name, from wherever, are a conflict at the second', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins:\n  - ./a.mjs\n  - auth-local: { users: [] }\n  - ./b.mjs\n  - ./c.mjs',
    'a.mjs': pluginSource('auth-local'),
    'b.mjs': pluginSource('same'),
    'c.mjs': pluginSource('same'),
  })
  assert.deepEqual(await folder.faults(), ['PLUGIN_CONFLICT burrow.yaml:4', 'PLUGIN_CONFLICT burrow.yaml:6'])
})

for (const file of ['a.mjs', 'a.cjs', ...(NATIVE ? ['a.ts'] : [])]) {
  test(`${file} is loaded anew when its content has changed, and only then`, async t => {
    const folder = configFolder(t, { 'burrow.yaml': `plugins: [./${file}]` })
    const source = (name: string) =>
      `${file === 'a.cjs' ? 'module.exports =' : 'export default'} { name: '${name}', config: { safeParse: data => ({ success: true, data }) }, setup() {} }`
    const load = async (name: string) => {
      folder.write({ [file]: source(name) })
      const [first] = (await folder.load()).plugins
      assert.equal(first?.id, name)
      return first?.plugin
    }
    const first = await load('one')
    await load('two')
    assert.equal((await load('one')).name, first?.name)
  })
}

test('a link to a plugin file is that file: it imports from its own place, and is loaded anew', async t => {
  const elsewhere = configFolder(t, {})
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [./a.mjs, ./b.cjs]' })
  rmSync(folder.at('node_modules'), { recursive: true })
  for (const name of ['a.mjs', 'b.cjs']) symlinkSync(elsewhere.at(name), folder.at(name))
  for (const version of ['1', '2']) {
    elsewhere.write({
      'a.mjs': pluginSource(`a${version}`),
      'b.cjs': `module.exports = { name: 'b${version}', config: { safeParse: data => ({ success: true, data }) }, setup() {} }`,
    })
    const { plugins } = await folder.load()
    assert.deepEqual(
      plugins.map(({ id }) => id),
      [`a${version}`, `b${version}`],
    )
  }
})

test('a plugin file that everybody can write is refused, and one of a group is warned of', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [./a.mjs]' })
  folder.write({ 'a.mjs': pluginSource('a') }, 0o666)
  assert.deepEqual(await folder.faults(), ['PLUGIN_MODULE burrow.yaml:2'])
  chmodSync(folder.at('a.mjs'), 0o664)
  const twice = ['a', 'b'].map(
    name => `  - deployment: { name: ${name}, when: { realm: x }, plugins: [./a.mjs] }`,
  )
  folder.write({ 'burrow.yaml': `plugins:\n${twice.join('\n')}` })
  const { warnings } = await folder.load()
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /chmod g-w/)
  chmodSync(folder.at('a.mjs'), 0o644)
  assert.deepEqual((await folder.load()).warnings, [])
})

test('TypeScript needs a transpiler where Node does not run it', {
  skip: NATIVE && 'this Node does',
}, async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins:\n  - ./a.ts\n  - ./b.mjs',
    'a.ts': TYPESCRIPT,
    'name.ts': NAME,
    'b.mjs': "import './name.ts'",
  })
  assert.deepEqual(await folder.faults(), [
    'PLUGIN_TYPESCRIPT burrow.yaml:3',
    'PLUGIN_TYPESCRIPT burrow.yaml:4',
  ])
})

test('TypeScript runs as it is where Node runs it', { skip: !NATIVE && 'this Node does not' }, async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [./a.ts]', 'a.ts': TYPESCRIPT, 'name.ts': NAME })
  assert.deepEqual(
    (await folder.load()).plugins.map(({ id }) => id),
    ['from-typescript'],
  )
})

test('the named transpiler loads TypeScript, what Node’s own types cannot say too, with its imports', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'transpiler: esbuild\nplugins: [./a.ts, ./enum.mts]',
    'a.ts': TYPESCRIPT,
    'name.ts': NAME,
    'enum.mts': `enum Kind { One = 'enumerated' }\n${pluginSource('').replace("''", 'Kind.One')}`,
  })
  const { code, stdout, stderr } = await check(folder.config)
  assert.equal(stderr, '')
  assert.equal(code, 0)
  assert.match(stdout, /1 +from-typescript.*\n2 +enumerated/)
  assert.match(stdout, /^transpiler +esbuild$/m)
})

test('a fault in transpiled TypeScript names the line of the source', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'transpiler: esbuild\nplugins:\n  - ./throws.ts\n  - ./syntax.ts',
    'throws.ts': "interface A {\n  b: string\n}\n\n// why\nthrow new Error('boom' as string)\n",
    'syntax.ts': 'const a: string = 1\n\nexport default {\n  a b\n}\n',
  })
  const { code, stderr } = await check(folder.config)
  assert.equal(code, 3)
  assert.match(stderr, /PLUGIN_MODULE: .*throws\.ts:6: boom .*burrow\.yaml:4, plugin \.\/throws\.ts/)
  assert.match(stderr, /PLUGIN_MODULE: .*syntax\.ts:4: .*burrow\.yaml:5, plugin \.\/syntax\.ts/)
})

test('a transpiler that is unknown is an error at its line', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: []\ntranspiler: babel' })
  assert.deepEqual(await folder.faults(), ['CONFIG_INVALID burrow.yaml:3'])
})

/** Puts a copy of this Burrow, without what only its tests need, where the plugins of a folder find it. */
function copyBurrow(folder: ConfigFolder): string {
  const home = folder.at('node_modules/burrow')
  rmSync(home)
  cpSync(join(ROOT, 'dist', 'core'), join(home, 'dist', 'core'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(home, 'package.json'))
  mkdirSync(join(home, 'node_modules'))
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!/esbuild|^\./.test(name))
      symlinkSync(join(ROOT, 'node_modules', name), join(home, 'node_modules', name))
  return join(home, 'dist', 'core', 'cli', 'main.js')
}

test('a transpiler that is not installed is an error at the plugin that needs it', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'transpiler: esbuild\nplugins:\n  - ./a.ts',
    'a.ts': TYPESCRIPT,
    'name.ts': NAME,
  })
  const { code, stderr } = await check(folder.config, copyBurrow(folder))
  assert.equal(code, 3)
  assert.match(
    stderr,
    /^burrow: PLUGIN_TYPESCRIPT: .*"esbuild" is not installed.*burrow\.yaml:4, plugin \.\/a\.ts/,
  )
})

test('a plugin that finds no Burrow is told where to install it', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: [./a.mjs]', 'a.mjs': pluginSource('a') })
  rmSync(folder.at('node_modules'), { recursive: true })
  assert.deepEqual(await folder.faults(), ['PLUGIN_MODULE burrow.yaml:2'])
  const message = await messageOf(folder)
  assert.ok(message.includes(`npm pack\` makes of Burrow in ${folder.path}`), message)
  assert.doesNotMatch(message, /npm install burrow/, 'which the registry has of somebody else')
})

test('a plugin with another copy of Burrow works, is warned of, and its coded errors keep their codes', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins: [./a.mjs: { pool: x }]',
    'a.mjs': `import { BurrowError, definePlugin, z } from 'burrow'
export default definePlugin({ name: 'a', config: z.strictObject({ pool: z.string() }), setup() {
  return { check() { throw new BurrowError('POOL_INVALID', 'no such pool') } }
} })`,
  })
  copyBurrow(folder)
  const { warnings } = await folder.load()
  assert.match(warnings.join(), /another copy of Burrow/)
  const { code, stderr } = await check(folder.config)
  assert.equal(code, 3)
  assert.match(stderr, /^burrow: POOL_INVALID: no such pool \(.*burrow\.yaml:2, plugin a\)/)
})
