/** The plan that `burrow check` prints, and what it must not print. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hooksOf } from '../../core/cli/plan.ts'
import { BURROW } from '../support/burrow.ts'
import { type ConfigFolder, configFolder, pluginSource } from '../support/config-folder.ts'
import { run } from '../support/processes.ts'

const FILES = {
  'burrow.yaml': `secrets:
  - { name: branch, secret: !file branch.secret }
  - { name: other, secret: written-in-the-clear }
plugins:
  - ./moves.mjs:
      realm: !env BURROW_TEST_MOVED
      password: !env BURROW_TEST_PASSWORD
      seeds: { totp: seed-of-the-otp, count: 8675309 }
      plain: hb
  - deployment:
      name: hq
      when: { realm: hb, peer: [10.0.0.0/8, 192.0.2.1, 192.0.2.7-192.0.2.9], hostName: Branch-*, secret: branch }
      plugins: !include hq.yaml
  - deployment: { name: rest, plugins: [accounting-file: { file: a.jsonl }] }
`,
  'hq.yaml':
    '- ./users.mjs: { onUnavailable: next }\n- auth-local: { users: [{ user: hb, password: admin@123 }] }',
  'branch.secret': 'secret-of-the-branch\n',
  'users.mjs': pluginSource('users', "provides: [capability('users')],").replace(
    'setup() {}',
    "setup({ provide }) { provide(capability('users'), 1) }",
  ),
  'moves.mjs': pluginSource(
    'moves',
    "requires: [capability('sinks', 'many')],",
    `z.strictObject({
  realm: z.string(), password: z.string(), plain: z.string(),
  seeds: z.record(z.string(), z.union([z.string(), z.number()])).meta({ secret: true }),
}).transform(({ realm, password, plain, seeds }) => ({
  plain, greeting: 'Bearer ' + realm, pair: [realm, { deep: password }], [password]: 1, shown: seeds.totp, called: Number(seeds.count),
}))`,
  ),
}
const SECRETS =
  /secret-of-the-branch|written-in-the-clear|moved-elsewhere|hunter2hunter2|seed-of-the-otp|8675309|admin@123/
const ENV = { BURROW_TEST_MOVED: 'moved-elsewhere', BURROW_TEST_PASSWORD: 'hunter2hunter2' }

const check = async (folder: ConfigFolder, ...options: readonly string[]) => {
  const { code, stdout, stderr } = await run([...BURROW, 'check', '-c', folder.config, ...options], {
    env: ENV,
  })
  assert.equal(stderr, '')
  assert.equal(code, 0)
  assert.doesNotMatch(stdout, SECRETS)
  return stdout
}

test('check prints deployments with their conditions, and plugins with identity, file and line', async t => {
  const folder = configFolder(t, FILES)
  const text = await check(folder)
  const lines = [
    /^hq +11 +realm hb, hostName branch-\*, secret branch, peer 10\.0\.0\.0\/8 or 192\.0\.2\.1 or 192\.0\.2\.7-192\.0\.2\.9$/m,
    /^rest +15 +every call$/m,
    /^1 +moves +6 +sinks +-$/m,
    new RegExp(`^2 +hq/users +${folder.at('hq.yaml')}:1 +- +users$`, 'm'),
    new RegExp(`^3 +hq/auth-local +${folder.at('hq.yaml')}:2 +- +users$`, 'm'),
    /^4 +rest\/accounting-file +15 /m,
    new RegExp(`^includes +${folder.at('hq.yaml')}$`, 'm'),
    /^HOOK +ASKED IN THIS ORDER IN hq$/m,
  ]
  for (const line of lines) assert.match(text, line)
})

test('check shows a reference as it is written, wherever a schema moved what it stands for', async t => {
  const text = await check(configFolder(t, FILES))
  const options = [
    '    plain: hb',
    '    greeting: Bearer !env BURROW_TEST_MOVED',
    '      - "!env BURROW_TEST_MOVED"',
    '      - deep: "!env BURROW_TEST_PASSWORD"',
    '    "!env BURROW_TEST_PASSWORD": 1',
    '    password: "!env BURROW_TEST_PASSWORD"',
    '    onUnavailable: next',
    '    shown: "***"',
    '    called: "***"',
    '      totp: "***"',
  ]
  for (const line of options) assert.ok(text.split('\n').includes(line), `${line}\n${text}`)
})

test('check --json says the same as data', async t => {
  const folder = configFolder(t, FILES)
  const plan = JSON.parse(await check(folder, '--json'))
  assert.deepEqual(plan.files, [folder.config, folder.at('hq.yaml')])
  assert.deepEqual(plan.server.secrets, [
    { name: 'branch', secret: '!file branch.secret' },
    { name: 'other', secret: '***' },
  ])
  assert.deepEqual(
    plan.deployments.map(({ name, when, place }: { name: string; when: object; place: object }) => [
      name,
      when,
      place,
    ]),
    [
      [
        'hq',
        {
          realm: ['hb'],
          hostName: ['branch-*'],
          secret: ['branch'],
          peer: ['10.0.0.0/8', '192.0.2.1', '192.0.2.7-192.0.2.9'],
        },
        { file: folder.config, line: 11 },
      ],
      ['rest', {}, { file: folder.config, line: 15 }],
    ],
  )
  const { options, ...planned } = plan.plugins[1]
  assert.deepEqual(options, {})
  assert.deepEqual(planned, {
    id: 'hq/users',
    name: 'users',
    deployment: 'hq',
    onUnavailable: 'next',
    place: { file: folder.at('hq.yaml'), line: 1, plugin: 'hq/users' },
    requires: [],
    provides: ['users'],
  })
  assert.equal(plan.plugins[0].options.realm, '!env BURROW_TEST_MOVED')
})

test('the hooks of a deployment are those of its plugins and of the ones outside, in order', () => {
  const tap = (plugin: string) => ({ plugin, tap: plugin })
  const [outside, hq, guests] = [tap('accounting'), tap('hq/auth'), tap('guests/auth')]
  const hooks = [{ hook: 'authenticate', taps: [hq, outside, guests] }] as const
  const taps = (deployment?: string) => hooksOf(hooks, deployment).flatMap(one => one.taps)
  assert.deepEqual(taps(), [outside])
  assert.deepEqual(taps('hq'), [hq, outside])
  assert.deepEqual(taps('guests'), [outside, guests])
})

test('what a plugin says of its options, in an error or a warning, is shown without secrets', async t => {
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins:\n  - ./says.mjs: { token: !env BURROW_TEST_MOVED }',
    'says.mjs': pluginSource('says', '', 'z.strictObject({ token: z.string() })').replace(
      'setup() {}',
      "setup({ log }, { token }) { return { check() { log.warn({}, 'with ' + token) } } }",
    ),
  })
  assert.match(await check(folder), /warning: with !env BURROW_TEST_MOVED/)
  folder.write({
    'says.mjs': pluginSource('says', '', 'z.strictObject({ token: z.string() })').replace(
      'setup() {}',
      "setup(_, { token }) { return { check() { throw new Error('no ' + token) } } }",
    ),
  })
  const { code, stderr } = await run([...BURROW, 'check', '-c', folder.config], {
    env: ENV,
    deadlineMs: 30_000,
  })
  assert.equal(code, 1)
  assert.match(stderr, /^burrow: PLUGIN_START: no !env BURROW_TEST_MOVED \(.*burrow\.yaml:3, plugin says\)/)
})

test('each error of a plugin gets its line in the config', async t => {
  const errors = "new BurrowError('POOL_INVALID', 'one'), new BurrowError('POOL_INVALID', 'two')"
  const folder = configFolder(t, {
    'burrow.yaml': 'plugins:\n  - ./says.mjs',
    'says.mjs': `import { BurrowError, throwProblems } from 'burrow'
${pluginSource('says').replace('setup() {}', `setup: () => ({ check() { throwProblems([${errors}]) } })`)}`,
  })
  const { code, stderr } = await run([...BURROW, 'check', '-c', folder.config], { deadlineMs: 30_000 })
  assert.equal(code, 3)
  for (const what of ['one', 'two'])
    assert.match(
      stderr,
      new RegExp(`^burrow: POOL_INVALID: ${what} \\(.*burrow\\.yaml:3, plugin says\\)`, 'm'),
    )
})

test('a wrong config is told by check with code, file, line and remedy', async t => {
  const folder = configFolder(t, { 'burrow.yaml': 'plugins:\n  - ./a.mjs', 'a.mjs': 'a b' })
  const { code, stdout, stderr } = await run([...BURROW, 'check', '-c', folder.config], {
    deadlineMs: 30_000,
  })
  assert.equal(code, 3)
  assert.equal(stdout, '')
  assert.match(
    stderr,
    /^burrow: PLUGIN_MODULE: .*a\.mjs:1.*\(.*burrow\.yaml:3, plugin \.\/a\.mjs\)\n {2}to mend it: \w/,
  )
})
