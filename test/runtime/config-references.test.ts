/** References and includes of a config, and what becomes of the secrets behind them. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { describeError } from '../../core/cli/report.ts'
import { type BurrowError, ERRORS } from '../../core/errors.ts'
import { checkedYaml, z } from '../../core/index.ts'
import { configFolder, pluginSource } from '../support/config-folder.ts'

process.env.BURROW_TEST_REALM = 'from-env'
process.env.BURROW_TEST_EMPTY = ''

test('a variable, the first line of a file, and another file stand where they are named', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': `
hostName: !env BURROW_TEST_REALM
secrets: !include parts/secrets.yaml
tun: { name: !file name.txt }
plugins:
  - auth-local: { users: !include parts/users.yaml }
`,
    'name.txt': 'burrow7\nmore\n',
    'parts/secrets.yaml':
      '- { name: a, secret: !file tunnel.secret }\n- { name: b, secretFile: tunnel.secret }\n',
    'parts/tunnel.secret': 's3cret-of-tunnel\n',
    'parts/users.yaml': '- { user: hb, password: hunter2hunter2 }',
  })
  const { server, secrets, plugins, files } = await folder.load()
  assert.equal(server.hostName, 'from-env')
  assert.equal(server.tun.name, 'burrow7')
  assert.deepEqual(
    secrets.map(({ secret }) => secret),
    ['s3cret-of-tunnel', 's3cret-of-tunnel'],
  )
  assert.deepEqual(
    plugins.map(({ options }) => (options as { users: unknown }).users),
    [[{ user: 'hb', password: 'hunter2hunter2' }]],
  )
  assert.deepEqual(files, ['burrow.yaml', 'parts/secrets.yaml', 'parts/users.yaml'].map(folder.at))
})

test('an included list is spliced into a list, in its place, with the lines of its own file', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': `plugins:
  - address-pool: { pools: { main: { ranges: [172.16.1.2] } } }
  - !include more.yaml
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
  - !include one.yaml
`,
    'more.yaml': '# two of them\n- auth-local: { users: [] }\n- !include evenmore.yaml\n',
    'evenmore.yaml': '- ./a.mjs\n',
    'one.yaml': '\naccounting-file:\n  file: a.jsonl\n',
    'a.mjs': pluginSource('a'),
  })
  const { plugins } = await folder.load()
  assert.deepEqual(
    plugins.map(({ id, place }) => `${id} ${place.file}:${place.line}`),
    [
      `address-pool ${folder.at('burrow.yaml')}:3`,
      `auth-local ${folder.at('more.yaml')}:2`,
      `a ${folder.at('evenmore.yaml')}:1`,
      `policy-zones ${folder.at('burrow.yaml')}:5`,
      `accounting-file ${folder.at('one.yaml')}:2`,
    ],
  )
})

test('what is wrong in an included file is told with that file and line, the main file first', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': `plugins: !include plugins.yaml\nppp: !include ppp.yaml\nhostname: x\n`,
    'plugins.yaml': '- auth-local:\n    users: []\n    nosuch: 1\n- nosuch-plugin\n',
    'ppp.yaml': '\nmruBytes: 7\n',
  })
  assert.deepEqual(await folder.faults(), [
    'CONFIG_INVALID burrow.yaml:4',
    'PLUGIN_OPTIONS plugins.yaml:3',
    'PLUGIN_UNKNOWN plugins.yaml:4',
    'CONFIG_INVALID ppp.yaml:2',
  ])
})

for (const [what, files, faults] of [
  [
    'a variable, a file and an include that are missing or empty',
    {
      'burrow.yaml': `hostName: !env BURROW_TEST_NOSUCH
defaultZone: !env BURROW_TEST_EMPTY
secrets:
  - { name: a, secret: !file nosuch.secret }
  - { name: b, secret: !file empty.secret }
plugins:
  - !include nosuch.yaml
`,
      'empty.secret': '\nsecond line\n',
    },
    [
      'CONFIG_SECRET_MISSING burrow.yaml:2',
      'CONFIG_SECRET_MISSING burrow.yaml:3',
      'CONFIG_SECRET_MISSING burrow.yaml:5',
      'CONFIG_SECRET_MISSING burrow.yaml:6',
      'CONFIG_NOT_FOUND burrow.yaml:8',
    ],
  ],
  [
    'a reference that is missing in an included file',
    { 'burrow.yaml': 'ppp: !include ppp.yaml', 'ppp.yaml': '\n\nauth: !env BURROW_TEST_NOSUCH' },
    ['CONFIG_SECRET_MISSING ppp.yaml:3'],
  ],
  [
    'a circle of includes',
    {
      'burrow.yaml': 'ppp: !include a.yaml',
      'a.yaml': '\nx: !include b.yaml',
      'b.yaml': '\n\ny: !include a.yaml',
    },
    ['CONFIG_INCLUDE b.yaml:3'],
  ],
  [
    'a file that includes itself',
    { 'burrow.yaml': 'ppp: !include burrow.yaml' },
    ['CONFIG_INCLUDE burrow.yaml:2'],
  ],
  ['a tag that is unknown', { 'burrow.yaml': 'hostName: !evn HOME' }, ['CONFIG_SYNTAX burrow.yaml:2']],
  ['a reference to a list', { 'burrow.yaml': 'hostName: !env [HOME]' }, ['CONFIG_SYNTAX burrow.yaml:2']],
  ['a reference to nothing', { 'burrow.yaml': 'hostName: !env' }, ['CONFIG_SYNTAX burrow.yaml:2']],
  ['a reference as a key', { 'burrow.yaml': '? !env HOME\n: x' }, ['CONFIG_SYNTAX burrow.yaml:2']],
  [
    'broken YAML in an included file',
    { 'burrow.yaml': 'ppp: !include ppp.yaml', 'ppp.yaml': 'auth: [pap]\nauth: [pap]' },
    ['CONFIG_SYNTAX ppp.yaml:2'],
  ],
  [
    'a value that a reference stands for and the schema refuses',
    { 'burrow.yaml': 'ppp:\n  mruBytes: !env BURROW_TEST_REALM' },
    ['CONFIG_INVALID burrow.yaml:3'],
  ],
] as const satisfies readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[]) {
  test(`${what}: each at its file and line`, async t => {
    assert.deepEqual(await configFolder(t, files).faults(), faults)
  })
}

test('includes stand eight deep inside of one another, and no deeper', async t => {
  const nested = (depth: number) => {
    const names = Array.from({ length: depth }, (_, index) => `${index + 1}.yaml`)
    const files = names.map((name, index) => [name, `!include ${names[index + 1] ?? 'last.yaml'}`])
    return configFolder(t, {
      'burrow.yaml': 'ppp: !include 1.yaml',
      ...Object.fromEntries(files),
      'last.yaml': '{}',
    })
  }
  assert.equal((await nested(7).load()).files.length, 9)
  assert.deepEqual(await nested(8).faults(), ['CONFIG_INCLUDE 8.yaml:1'])
})

test('includes without number are refused', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': `plugins:\n${'  - !include many.yaml\n'.repeat(20)}`,
    'many.yaml': '- !include one.yaml\n'.repeat(20),
    'one.yaml': '[]',
  })
  const faults = await folder.faults()
  assert.ok(faults.every(fault => /^CONFIG_INCLUDE (?:burrow|many)\.yaml:\d+$/.test(fault)))
})

test('in a file of a plugin’s own a reference is an error, not a password', () => {
  assert.throws(
    () => checkedYaml('/etc/users.yaml', '\npassword: !env HOME', z.unknown(), 'USERS_FILE'),
    ({ code, place }: BurrowError) => code === 'USERS_FILE' && place.line === 2,
  )
})

test('no error quotes what a reference stands for', async t => {
  process.env.BURROW_TEST_SECRET = 'hunter2\\hunter2'
  const folder = configFolder(t, {
    'burrow.yaml': `
listen: [!env BURROW_TEST_SECRET]
gatewayAddress: !file open.txt
secrets: !env BURROW_TEST_SECRET
ppp: { mruBytes: !env BURROW_TEST_SECRET }
plugins:
  - ./picky.mjs: { realm: !env BURROW_TEST_SECRET, onUnavailable: next }
  - auth-local: { users: [], onUnavailable: !env BURROW_TEST_SECRET }
  - auth-local: !env BURROW_TEST_SECRET
  - !env BURROW_TEST_SECRET
  - address-pool: { pools: { main: { ranges: [!file open.txt] } } }
  - deployment: { name: !env BURROW_TEST_SECRET, plugins: [auth-local] }
`,
    'open.txt': `hunter2${'x'.repeat(200)}`,
    'picky.mjs': pluginSource(
      'picky',
      '',
      'z.strictObject({ realm: z.string().superRefine((text, c) => c.addIssue("no realm " + text + " here")) })',
    ),
  })
  const problems = await folder.problems()
  assert.ok(problems.length >= 10, String(problems.length))
  const shown = problems
    .map(error => describeError(error) + inspect(error.message) + JSON.stringify(error))
    .join('\n')
  assert.ok(!shown.includes('hunter2'), shown)
  assert.match(shown, /no realm !env BURROW_TEST_SECRET here/)
  assert.match(shown, /ppp\.mruBytes is "!env BURROW_TEST_SECRET"/)
})

test('who holds a secret is warned of when others can read it, file by file', async t => {
  const folder = configFolder(t, {
    'burrow.yaml':
      'secrets:\n  - { name: a, secret: !file a.secret }\n  - !include inline.yaml\nplugins: [!include marked.yaml]',
    'a.secret': 's3cret',
    'inline.yaml': '- { name: b, secret: inline }',
    'marked.yaml': './marked.mjs: { nonce: open-to-all }',
    'marked.mjs': pluginSource('marked', '', 'z.strictObject({ nonce: z.string().meta({ secret: true }) })'),
  })
  assert.deepEqual((await folder.load()).warnings, [])
  for (const name of ['burrow.yaml', 'a.secret', 'inline.yaml', 'marked.yaml'])
    chmodSync(folder.at(name), 0o644)
  const { warnings } = await folder.load()
  assert.deepEqual(
    warnings.map(text => text.split(' ', 1)[0]),
    [folder.at('a.secret'), folder.at('inline.yaml'), folder.at('marked.yaml')],
  )
})

test('each remedy reads as an instruction', () => {
  const instructions =
    /^(?:mend|name|use|take|give|change|create|copy|put|move|keep|find|run|set|make|load|stop|listen|see|check|read|report|install|ask)\b/
  const others = Object.entries(ERRORS).filter(
    ([code, text]) => /^(?:CONFIG|PLUGIN|DEPLOYMENT)_/.test(code) && !instructions.test(text),
  )
  assert.deepEqual(others, [])
})

test('a config that others can write is warned of, included files too', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins: !include more.yaml', 'more.yaml': '[]' })
  assert.deepEqual((await folder.load()).warnings, [])
  chmodSync(folder.at('more.yaml'), 0o666)
  const { warnings } = await folder.load()
  assert.equal(warnings.length, 1)
  assert.ok(warnings[0]?.includes(folder.at('more.yaml')))
})
