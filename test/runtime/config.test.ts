import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { describeError } from '../../core/cli/report.ts'
import { BurrowError, type ErrorCode } from '../../core/errors.ts'
import { capability, definePlugin, z } from '../../core/index.ts'
import type { AnyPlugin } from '../../core/plugin/plugin.ts'
import { DEFAULT_L2TP } from '../../core/protocol/config.ts'
import { type LoadedConfig, loadConfig } from '../../core/runtime/config-file.ts'
import { type ImportPlugin, importPlugin } from '../../core/runtime/node/import-plugin.ts'
import { endpointConfig, isExposed } from '../../core/runtime/server-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'burrow-config-'))
after(() => rmSync(folder, { recursive: true }))

const USERS = capability<string>('users')
const PLUGINS: Readonly<Record<string, AnyPlugin>> = {
  users: definePlugin({
    name: 'users',
    provides: [USERS],
    config: z.strictObject({ realm: z.string().default('hb'), cacheS: z.number().int().min(1).default(60) }),
    setup() {},
  }),
  auth: definePlugin({
    name: 'auth',
    requires: [USERS],
    config: z.strictObject({
      servers: z.array(z.strictObject({ host: z.string(), sharedSecret: z.string().min(8) })).default([]),
    }),
    setup() {},
  }),
}

const importOurs: ImportPlugin = async (name, origin) => PLUGINS[name] ?? importPlugin(name, origin)

const file = join(folder, 'burrow.yaml')
function load(text: string, mode = 0o600): Promise<LoadedConfig> {
  writeFileSync(file, text)
  chmodSync(file, mode)
  return loadConfig(file, importOurs)
}

async function problems(text: string): Promise<readonly BurrowError[]> {
  const error = await load(text).then(
    () => assert.fail('no error'),
    error => error,
  )
  assert.ok(error instanceof BurrowError, inspect(error))
  for (const { place } of [error, ...error.also]) assert.equal(place.file, file)
  return [error, ...error.also]
}

/** Each problem as `CODE line`. */
const brief = (errors: readonly BurrowError[]) => errors.map(({ code, place }) => `${code} ${place.line}`)

const LEAST = 'gatewayAddress: 172.16.1.1\n'

test('the least config is a gateway address; the rest has defaults', async () => {
  const { server, secrets, plugins, warnings, dir } = await load(LEAST)
  assert.deepEqual(server.listen, [{ address: '127.0.0.1', port: 1701 }])
  assert.deepEqual([secrets, plugins, warnings, dir], [[], [], [], folder])
  const endpoint = endpointConfig(server, secrets)
  assert.deepEqual(endpoint.l2tp, DEFAULT_L2TP)
  assert.equal(endpoint.ppp.localAddress, '172.16.1.1')
  assert.deepEqual(endpoint.ppp.demandAuth, ['chap-md5', 'pap'])
})

test('every option reaches the endpoint', async () => {
  const { server } = await load(`
hostName: lns-1
gatewayAddress: 172.16.1.1
tunnel: { helloIdleMs: 5000, receiveWindow: 8 }
ppp: { mruBytes: 1500, auth: [pap], dns: [192.168.1.1], echoIntervalMs: 0, echoFailures: 2 }
tun: { clampMss: false }
`)
  const { hostName, l2tp, ppp } = endpointConfig(server, [])
  assert.equal(hostName, 'lns-1')
  assert.deepEqual(l2tp, { ...DEFAULT_L2TP, helloIdleMs: 5000, receiveWindow: 8, clampMss: false })
  const { mruBytes, demandAuth, dns, echo, authName } = ppp
  assert.deepEqual(
    { mruBytes, demandAuth, dns, echo, authName },
    {
      mruBytes: 1500,
      demandAuth: ['pap'],
      dns: ['192.168.1.1'],
      echo: { intervalMs: 0, failures: 2 },
      authName: 'lns-1',
    },
  )
})

for (const [text, address, port] of [
  ['192.0.2.1', '192.0.2.1', 1701],
  ['192.0.2.1:1702', '192.0.2.1', 1702],
  ['0.0.0.0', '0.0.0.0', 1701],
  ['127.0.0.1:0', '127.0.0.1', 0],
] as const) {
  test(`listen takes ${text}`, async () => {
    const { server } = await load(`${LEAST}listen: ['${text}']`)
    assert.deepEqual(server.listen, [{ address, port }])
  })
}

for (const text of [
  'localhost',
  '192.0.2.256',
  '192.0.2.1:65536',
  '192.0.2.1:',
  'fe80::1',
  'fe80::1%eth0',
  '[2001:db8::1]:65536',
  '::1:',
  '',
]) {
  test(`listen refuses "${text}" and names it with its line`, async () => {
    const [error, ...more] = await problems(`${LEAST}listen:\n  - 127.0.0.1\n  - '${text}'`)
    assert.deepEqual(brief([error, ...more].filter(one => one !== undefined)), ['CONFIG_INVALID 4'])
    assert.ok(error?.message.includes(`listen[1] is "${text}"`), error?.message)
  })
}

test('other hosts reach everything but loopback', () => {
  const exposed = (...addresses: string[]) => isExposed(addresses.map(address => ({ address, port: 1701 })))
  assert.deepEqual(
    [
      exposed('127.0.0.1'),
      exposed('127.0.0.1', '127.1.2.3'),
      exposed('0.0.0.0'),
      exposed('127.0.0.1', '192.0.2.1'),
    ],
    [false, false, true, true],
  )
})

test('every problem is told at once, each at its line with its value and what was expected', async () => {
  const errors = await problems(`
hostname: lns
gatewayAddress: 172.16.1.256
ppp:
  mruBytes: big
  auth:
    - chap-md5
    - mschap
tunnel: { maxTunnels: 70000 }
plugins:
  - users:
      cacheS: 0
      relm: hb
  - nosuch
`)
  assert.deepEqual(brief(errors), [
    'CONFIG_INVALID 2',
    'CONFIG_INVALID 3',
    'CONFIG_INVALID 5',
    'CONFIG_INVALID 8',
    'CONFIG_INVALID 9',
    'PLUGIN_OPTIONS 12',
    'PLUGIN_OPTIONS 13',
    'PLUGIN_UNKNOWN 14',
  ])
  const text = errors.map(({ message }) => message)
  for (const [index, pattern] of [
    [0, /unknown option hostname; did you mean "hostName"\?/],
    [1, /gatewayAddress is "172\.16\.1\.256": expected an IPv4 address/],
    [2, /ppp\.mruBytes is "big": expected number/],
    [3, /ppp\.auth\[1\] is "mschap": .*chap-md5.*pap/],
    [4, /tunnel\.maxTunnels is 70000: .*65535/],
    [5, /cacheS is 0: .*1/],
    [6, /unknown option relm; did you mean "realm"\?/],
    [7, /no plugin "nosuch"/],
  ] as const) {
    assert.match(text[index] ?? '', pattern)
  }
  assert.equal(errors[5]?.place.plugin, 'users')
})

test('the command line shows every problem with its place and what to do', async () => {
  const [first, ...also] = await problems('gatewayAddress: x\nhostName: 7\n')
  assert.ok(first !== undefined && also.length === 1)
  const shown = describeError(first)
  for (const line of [1, 2]) assert.ok(shown.includes(`(${file}:${line})`), shown)
  assert.equal(shown.match(/to mend it:/g)?.length, 2)
})

test('an unknown option that resembles none lists those that there are', async () => {
  const [error] = await problems(`${LEAST}tun: { frobnicate: 1 }`)
  assert.match(error?.message ?? '', /unknown option tun\.frobnicate; known here: name, mtuBytes, clampMss/)
})

test('a missing value is named at the line of what it is missing from', async () => {
  const errors = await problems(`
listen: [127.0.0.1]
gatewayAddress: 172.16.1.1
secrets:
  - peerHostName: lac
    secret: s3cret
`)
  assert.deepEqual(brief(errors), ['CONFIG_INVALID 5'])
  assert.match(errors[0]?.message ?? '', /secrets\[0\]\.name is missing: expected string/)
})

test('an empty file lacks the gateway address', async () => {
  assert.deepEqual(brief(await problems('')), ['CONFIG_INVALID 1'])
})

for (const text of ['just text', '- a list', '42']) {
  test(`a file that holds ${text} is no config`, async () => {
    assert.deepEqual(brief(await problems(text)), ['CONFIG_INVALID 1'])
  })
}

test('broken YAML names the line and does not quote the file', async () => {
  for (const [text, line] of [
    [`${LEAST}ppp: { auth: [pap`, 2],
    [`${LEAST}gatewayAddress: 10.0.0.1`, 2],
    [`${LEAST}secrets:\n\t- hunter2`, 3],
    [`${LEAST}secrets: *hunter2`, 2],
    [`${LEAST}secrets: "x" hunter2`, 2],
    [`${LEAST}secrets: |hunter2\n  x`, 2],
    [`${LEAST}secrets: [x]\n]hunter2`, 3],
    [`${LEAST}secrets: !a!hunter2 x`, 2],
    [`${LEAST}secrets: "\\hunter2"`, 2],
  ] as const) {
    const errors = await problems(text)
    assert.equal(errors[0]?.code, 'CONFIG_SYNTAX', text)
    assert.equal(errors[0]?.place.line, line, text)
    assert.ok(!inspect(errors.map(({ message }) => message)).includes('hunter2'), text)
  }
})

test('aliases that blow up or contain themselves are refused', async () => {
  assert.equal((await problems('plugins: &a [*a]'))[0]?.code, 'CONFIG_SYNTAX')
  const bombs = Array.from({ length: 9 }, (_, i) => `b${i + 1}: &b${i + 1} [${`*b${i}, `.repeat(9)}]`)
  assert.equal((await problems(`b0: &b0 [x]\n${bombs.join('\n')}`))[0]?.code, 'CONFIG_SYNTAX')
})

test('a file that is not there or cannot be read is named', async () => {
  for (const path of [join(folder, 'nosuch.yaml'), folder]) {
    await assert.rejects(
      () => loadConfig(path),
      (error: BurrowError) => error.code === 'CONFIG_NOT_FOUND' && error.place.file === path,
    )
  }
})

test('secrets come inline, from a file beside the config, or from the environment', async () => {
  writeFileSync(join(folder, 'tunnel.secret'), 'from-file\nmore\n', { mode: 0o600 })
  process.env.BURROW_TEST_SECRET = 'from-env'
  const { secrets, warnings } = await load(`${LEAST}
secrets:
  - { name: a, secret: inline, peerHostName: lac }
  - { name: b, secretFile: tunnel.secret }
  - { name: c, secretEnv: BURROW_TEST_SECRET }
`)
  assert.deepEqual(secrets, [
    { name: 'a', secret: 'inline', peerHostName: 'lac' },
    { name: 'b', secret: 'from-file' },
    { name: 'c', secret: 'from-env' },
  ])
  assert.deepEqual(warnings, [])
})

test('a secret that is not where the config says is an error at that line', async () => {
  writeFileSync(join(folder, 'empty.secret'), '\n', { mode: 0o600 })
  const errors = await problems(`${LEAST}secrets:
  - name: a
    secretFile: nosuch.secret
  - name: b
    secretEnv: BURROW_NO_SUCH_VARIABLE
  - name: c
    secretFile: empty.secret
`)
  assert.deepEqual(brief(errors), [
    'CONFIG_SECRET_MISSING 4',
    'CONFIG_SECRET_MISSING 6',
    'CONFIG_SECRET_MISSING 8',
  ])
})

test('a secret in two places, or in none, is an error at its entry', async () => {
  const errors = await problems(`${LEAST}secrets:
  - { name: a, secret: hunter2, secretEnv: HOME }
  - { name: b }
`)
  assert.deepEqual(brief(errors), ['CONFIG_INVALID 3', 'CONFIG_INVALID 4'])
})

test('files that hold secrets and can be read by others are warned of', async () => {
  const secretFile = join(folder, 'open.secret')
  writeFileSync(secretFile, 's3cret')
  chmodSync(secretFile, 0o640)
  const inline = `${LEAST}secrets:\n  - { name: a, secret: inline }\n`
  const { warnings } = await load(`${inline}  - { name: b, secretFile: open.secret }`, 0o644)
  assert.deepEqual(
    warnings.map(text => text.split(' ', 1)[0]),
    [file, secretFile],
  )
  assert.deepEqual((await load(inline, 0o600)).warnings, [])
  const ofPlugin = `${LEAST}plugins:\n  - users\n  - auth: { servers: [{ host: x, sharedSecret: hunter2hunter2 }] }`
  assert.equal((await load(ofPlugin, 0o644)).warnings.length, 1)
  assert.deepEqual((await load(LEAST, 0o644)).warnings, [])
})

test('no error quotes a secret, wherever it was written', async () => {
  const SECRET = 'hunter2hunter2'
  const cases = [
    `secrets:\n  - { name: a, secret: [${SECRET}] }`,
    `secrets:\n  - ${SECRET}`,
    `secrets: ${SECRET}`,
    `secrets:\n  - { name: a, secretEnv: X, secret: ${SECRET} }`,
    `secrets:\n  - { name: a, secret: { ${SECRET}: 1 } }`,
    `plugins:\n  - users\n  - auth: { servers: [{ host: 1, sharedSecret: [${SECRET}] }] }`,
    `plugins:\n  - users\n  - auth: { servers: [{ host: x, sharedSecret: hunter }] }`,
  ]
  for (const text of cases) {
    const errors = await problems(LEAST + text)
    const [first] = errors
    assert.ok(first !== undefined)
    const shown = errors.map(
      error => describeError(error, true) + inspect(error, { depth: 8 }) + JSON.stringify(error),
    )
    assert.ok(!shown.join('\n').includes('hunter'), `${text}\n${shown}`)
  }
})

test('plugins come in order with checked options, defaults and lines', async () => {
  const { plugins } = await load(`${LEAST}
plugins:
  - users:
      realm: example
  - auth:
  `)
  assert.deepEqual(
    plugins.map(({ plugin, options, place }) => [plugin.name, options, place]),
    [
      ['users', { realm: 'example', cacheS: 60 }, { file, line: 4, plugin: 'users' }],
      ['auth', { servers: [] }, { file, line: 6, plugin: 'auth' }],
    ],
  )
})

test('onUnavailable is taken off every plugin’s options', async () => {
  const { plugins } = await load(`${LEAST}plugins:\n  - users: { onUnavailable: next, realm: x }\n  - auth`)
  assert.deepEqual(
    plugins.map(({ options, onUnavailable }) => [options, onUnavailable]),
    [
      [{ realm: 'x', cacheS: 60 }, 'next'],
      [{ servers: [] }, undefined],
    ],
  )
  const errors = await problems(`${LEAST}plugins:\n  - users:\n      onUnavailable: maybe`)
  assert.deepEqual(brief(errors), ['CONFIG_INVALID 4'])
})

for (const [what, list, code, line] of [
  ['options that are not indented', '  - users:\n    realm: x', 'CONFIG_INVALID', 4],
  ['options that are no mapping', '  - users: x', 'CONFIG_INVALID', 3],
  ['an entry that is a number', '  - users\n  - 7', 'CONFIG_INVALID', 4],
  ['a plugin twice', '  - users\n  - users', 'PLUGIN_CONFLICT', 4],
  ['a requirement below', '  - auth\n  - users', 'PLUGIN_ORDER', 3],
  ['a requirement that is missing', '  - auth', 'PLUGIN_REQUIRES', 3],
  [
    'a provider with wrong options, and nothing else,',
    '  - users: { cacheS: 0 }\n  - auth',
    'PLUGIN_OPTIONS',
    3,
  ],
  ['a path where no file is', '  - ../nosuch/plugin.mjs', 'PLUGIN_MODULE', 3],
  ['a list that is none', '  users: {}', 'CONFIG_INVALID', 2],
] as const satisfies readonly (readonly [string, string, ErrorCode, number])[]) {
  test(`in the plugin list, ${what} is ${code} at its line`, async () => {
    assert.deepEqual(brief(await problems(`${LEAST}plugins:\n${list}`)), [`${code} ${line}`])
  })
}

test('a misspelt plugin is guessed', async () => {
  const [error] = await problems(`${LEAST}plugins:\n  - adress-pool`)
  assert.match(error?.message ?? '', /did you mean "address-pool"\?/)
})

test('a control socket is relative to the folder of the config, as every path is', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'burrow.yaml')
  writeFileSync(file, 'gatewayAddress: 172.16.1.1\ncontrolSocket: run/burrow.sock\n')
  assert.equal((await loadConfig(file)).server.controlSocket, join(folder, 'run/burrow.sock'))
})
