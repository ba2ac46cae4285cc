/** Deployments in the plugin list, and how the plugins of a list fit together. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFolder, pluginSource } from '../support/config-folder.ts'

const capabilities = (provides: readonly string[], requires: readonly string[], arity = 'one') => {
  const list = (names: readonly string[]) => names.map(name => `capability('${name}', '${arity}')`).join(', ')
  return `provides: [${list(provides)}], requires: [${list(requires)}],`
}
const provider = (name: string, ...provides: readonly string[]) =>
  pluginSource(name, capabilities(provides, []))
const FILES = {
  'users.mjs': provider('users', 'users'),
  'ldap.mjs': provider('ldap', 'users'),
  'auth.mjs': pluginSource('auth', capabilities([], ['users'])),
  'reader.mjs': pluginSource('reader', capabilities([], ['sinks'], 'many')),
  'sink.mjs': pluginSource('sink', capabilities(['sinks'], [], 'many')),
  'loop-a.mjs': pluginSource('loop-a', capabilities(['a'], ['c'])),
  'loop-b.mjs': pluginSource('loop-b', capabilities(['b'], ['a'])),
  'loop-c.mjs': pluginSource('loop-c', capabilities(['c'], ['b'])),
  'self.mjs': pluginSource('self', capabilities(['self'], ['self'])),
  'needs-b.mjs': pluginSource('needs-b', capabilities([], ['b'])),
}

const TWO_REALMS = `secrets: [{ name: branch, secret: !env PATH }]
plugins:
  - ./sink.mjs
  - deployment:
      name: hq
      when: { realm: [HB, ""], peer: 10.0.0.0/8, hostName: "Branch-*", secret: branch }
      plugins:
        - ./users.mjs
        - ./auth.mjs: { onUnavailable: next }
  - deployment:
      name: guests
      plugins: !include guests.yaml
  - ./reader.mjs
`

test('deployments become a flat list with identities, in order, with their conditions', async t => {
  const folder = configFolder(t, {
    ...FILES,
    'burrow.yaml': TWO_REALMS,
    'guests.yaml': '- ./ldap.mjs\n- ./auth.mjs',
  })
  const { plugins, deployments, warnings } = await folder.load()
  assert.deepEqual(
    plugins.map(({ id, deployment, onUnavailable, place }) => [id, deployment, onUnavailable, place.line]),
    [
      ['sink', undefined, undefined, 4],
      ['hq/users', 'hq', undefined, 9],
      ['hq/auth', 'hq', 'next', 10],
      ['guests/ldap', 'guests', undefined, 1],
      ['guests/auth', 'guests', undefined, 2],
      ['reader', undefined, undefined, 14],
    ],
  )
  assert.equal(plugins[2]?.place.plugin, 'hq/auth')
  assert.deepEqual(deployments, [
    {
      name: 'hq',
      when: {
        realm: ['hb', ''],
        peer: [{ first: 0x0a00_0000, last: 0x0aff_ffff, prefixLength: 8 }],
        hostName: ['branch-*'],
        secret: ['branch'],
      },
      place: { file: folder.config, line: 5 },
    },
    { name: 'guests', when: {}, place: { file: folder.config, line: 11 } },
  ])
  assert.deepEqual(warnings, [])
})

test('a deployment below one that takes every call is warned of, at its line', async t => {
  const group = (name: string, when = '{}') =>
    `  - deployment: { name: ${name}, when: ${when}, plugins: [./users.mjs] }\n`
  const folder = configFolder(t, {
    ...FILES,
    'burrow.yaml': `plugins:\n${group('a', '{ realm: hb }')}${group('b')}${group('c', '{ peer: 10.0.0.1 }')}`,
  })
  const { warnings } = await folder.load()
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /"c" \(.*burrow\.yaml:5\).*"b" \(.*burrow\.yaml:4\)/)
})

/** Lists below `plugins:`, which is line 2. */
const FAULTS: readonly (readonly [what: string, list: string, faults: readonly string[]])[] = [
  [
    'two deployments of one name',
    '- deployment: { name: a, plugins: [./sink.mjs] }\n- deployment:\n    name: a\n    plugins: [./sink.mjs]',
    // And so the plugin is there twice.
    ['DEPLOYMENT_INVALID 5'],
  ],
  [
    'a secret that is not listed',
    '- deployment:\n    name: a\n    when:\n      secret: [nosuch]\n    plugins: [./sink.mjs]',
    ['DEPLOYMENT_INVALID 6'],
  ],
  ['a deployment without plugins', '- deployment:\n    name: a\n    plugins: []', ['DEPLOYMENT_INVALID 5']],
  ['a deployment that lists none', '- deployment:\n    name: a', ['DEPLOYMENT_INVALID 3']],
  [
    'a deployment inside of another',
    '- deployment:\n    name: a\n    plugins:\n      - ./sink.mjs\n      - deployment: { name: b, plugins: [./sink.mjs] }',
    ['DEPLOYMENT_INVALID 7'],
  ],
  ['a name that is none', '- deployment:\n    name: a/b\n    plugins: [./sink.mjs]', ['CONFIG_INVALID 4']],
  [
    'a condition that is unknown',
    '- deployment:\n    name: a\n    when: { realms: x }\n    plugins: [./sink.mjs]',
    ['CONFIG_INVALID 5'],
  ],
  [
    'an address that is none',
    '- deployment:\n    name: a\n    when:\n      peer: [10.0.0.0/8, 10.0.0.1/8]\n    plugins: [./sink.mjs]',
    ['CONFIG_INVALID 6'],
  ],
  ['the word alone', '- deployment', ['CONFIG_INVALID 3']],
  [
    'two of its plugins',
    '- deployment:\n    name: a\n    plugins:\n      - ./sink.mjs\n      - ./sink.mjs',
    ['PLUGIN_CONFLICT 7'],
  ],
  [
    'wrong options inside',
    '- deployment:\n    name: a\n    plugins:\n      - ./sink.mjs:\n          x: 1',
    ['PLUGIN_OPTIONS 7'],
  ],
  ['a requirement that is missing', '- ./auth.mjs', ['PLUGIN_REQUIRES 3']],
  ['a requirement below', '- ./auth.mjs\n- ./users.mjs', ['PLUGIN_ORDER 3']],
  ['two providers of a single one', '- ./users.mjs\n- ./ldap.mjs', ['PLUGIN_CONFLICT 4']],
  ['a provider of many below its reader', '- ./reader.mjs\n- ./sink.mjs', ['PLUGIN_ORDER 3']],
  [
    'a requirement that only a deployment provides',
    '- deployment: { name: a, plugins: [./users.mjs] }\n- ./auth.mjs\n- deployment:\n    name: b\n    plugins:\n      - ./auth.mjs',
    ['PLUGIN_REQUIRES 4', 'PLUGIN_REQUIRES 8'],
  ],
  [
    'a requirement that is provided below, outside',
    '- deployment:\n    name: a\n    plugins:\n      - ./auth.mjs\n- ./users.mjs',
    ['PLUGIN_ORDER 6'],
  ],
  [
    'a provider outside and another inside',
    '- ./users.mjs\n- deployment:\n    name: a\n    plugins:\n      - ./ldap.mjs',
    ['PLUGIN_CONFLICT 7'],
  ],
  [
    'a single one from one plugin, inside and outside',
    '- deployment:\n    name: a\n    plugins: [./users.mjs]\n- ./users.mjs',
    ['PLUGIN_CONFLICT 6'],
  ],
  ['a cycle of three', '- ./loop-a.mjs\n- ./loop-b.mjs\n- ./loop-c.mjs', ['PLUGIN_CYCLE 3']],
  [
    'a cycle of three, in another order',
    '- ./sink.mjs\n- ./loop-c.mjs\n- ./loop-a.mjs\n- ./loop-b.mjs',
    ['PLUGIN_CYCLE 4'],
  ],
  ['a plugin that requires itself', '- ./sink.mjs\n- ./self.mjs', ['PLUGIN_CYCLE 4']],
  [
    'a cycle, and beside it a wrong order',
    '- ./needs-b.mjs\n- ./loop-a.mjs\n- ./loop-b.mjs\n- ./loop-c.mjs',
    ['PLUGIN_ORDER 3', 'PLUGIN_CYCLE 4'],
  ],
  [
    'a cycle in a deployment',
    '- deployment:\n    name: a\n    plugins: [./loop-a.mjs, ./loop-b.mjs, ./loop-c.mjs]',
    ['PLUGIN_CYCLE 5'],
  ],
]
for (const [what, list, faults] of FAULTS) {
  test(`${what}: told at its line`, async t => {
    const text = `plugins:\n${list.replace(/^/gm, '  ')}`
    const folder = configFolder(t, { ...FILES, 'burrow.yaml': text })
    assert.deepEqual(
      await folder.faults(),
      faults.map(fault => fault.replace(' ', ' burrow.yaml:')),
    )
  })
}

test('a cycle names every plugin of it with its line, and none beside it', async t => {
  const folder = configFolder(t, {
    ...FILES,
    'burrow.yaml': 'plugins:\n  - ./loop-a.mjs\n  - ./sink.mjs\n  - ./loop-b.mjs\n  - ./loop-c.mjs',
  })
  const [{ message = '', place = {} } = {}] = await folder.problems()
  assert.equal(place.plugin, 'loop-a')
  for (const [name, line] of [
    ['loop-a', 3],
    ['loop-b', 5],
    ['loop-c', 6],
  ])
    assert.ok(message.includes(`"${name}" (${folder.config}:${line})`), message)
  assert.doesNotMatch(message, /sink/)
})

for (const [what, list] of [
  [
    'in several deployments',
    '- deployment: { name: a, plugins: [./users.mjs, ./auth.mjs] }\n- deployment: { name: b, plugins: [./users.mjs, ./auth.mjs] }',
  ],
  ['outside and inside', '- ./sink.mjs\n- deployment: { name: a, plugins: [./sink.mjs] }'],
  ['outside, for those inside', '- ./users.mjs\n- deployment: { name: a, plugins: [./auth.mjs] }'],
] as const) {
  test(`one plugin may serve ${what}`, async t => {
    const text = `plugins:\n${list.replace(/^/gm, '  ')}`
    await configFolder(t, { ...FILES, 'burrow.yaml': text }).load()
  })
}
