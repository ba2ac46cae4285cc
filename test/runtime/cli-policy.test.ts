/** `burrow policy` without a server: the plugins of a config in the command's own process, without root. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { configFolder } from '../support/config-folder.ts'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'

const ZONES = `
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:`

function scene(t: TestContext, plugins = ZONES) {
  const folder = configFolder(t, { 'burrow.yaml': `controlSocket: ./none.sock\nplugins:${plugins}\n` })
  return (...words: readonly string[]) =>
    run([...BURROW, 'policy', ...words, '-c', folder.config], { cwd: folder.path })
}

const packet = (src: string, dst: string, app: string) => ['--src', src, '--dst', dst, '--app', app]

test('the table of the reference is printed as the reference has it, and what is left is denied', async t => {
  const { code, stdout, stderr } = await scene(t)('show')
  assert.equal(code, 0, stderr)
  const lines = stdout.split('\n').map(line => line.trim().split(/ {2,}/))
  assert.deepEqual(lines.slice(0, 5), [
    ['RULE', 'FROM', 'TO', 'SOURCE', 'DESTINATION', 'SERVICE', 'ACTION', 'IF'],
    ['l2tp', 'untrust', 'local', 'any', 'own-address', 'any', 'permit'],
    ['users-to-intranet', 'dmz', 'trust', 'pool', 'any', 'any', 'permit'],
    ['intranet-to-users', 'trust', 'dmz', 'any', 'pool', 'any', 'permit'],
    ['any', 'any', 'any', 'any', 'any', 'deny'],
  ])
})

test('a packet is judged, with the rule that decides; a refusal has the exit code of one', async t => {
  const policy = scene(t)
  const permitted = await policy(
    'test',
    '--from',
    'dmz',
    '--to',
    'trust',
    ...packet('172.16.1.51', '192.168.1.1', 'tcp/80'),
  )
  assert.equal(permitted.code, 0, permitted.stderr)
  assert.equal(permitted.stdout, 'permit: rule "users-to-intranet" permits it (policy-zones)\n')
  const refused = await policy('test', ...packet('172.16.1.51', '8.8.8.8', 'dns'))
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /^burrow: POLICY_REFUSES: no rule from dmz to untrust matches/)
  const json = await policy('test', '--json', ...packet('8.8.8.8', '172.16.1.51', 'ping'))
  assert.equal(json.code, 4)
  assert.deepEqual(JSON.parse(json.stdout), [
    {
      plugin: 'policy-zones',
      action: 'deny',
      reason: 'no rule from untrust to dmz matches, so it is denied',
      passed: [],
    },
  ])
})

test('a question that makes no sense, and a config without such a table, are told', async t => {
  const wrong = await scene(t)('test', '--from', 'trust', ...packet('172.16.1.51', '192.168.1.1', 'http'))
  assert.equal(wrong.code, 3)
  assert.match(wrong.stderr, /POLICY_INVALID: 172\.16\.1\.51 is no address of zone trust, it is in dmz/)
  const none = scene(t, '\n  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }')
  assert.match((await none('show')).stdout, /no plugin of this config decides on policy by a table/)
  assert.equal((await none('test', ...packet('1.1.1.1', '2.2.2.2', 'http'))).code, 2)
})

test('the config of the page on zones is in order, and says what its table says', async t => {
  const page = readFileSync(join(ROOT, 'docs/zones.md'), 'utf8')
  const [, source = assert.fail('no config')] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
  const folder = configFolder(t, {
    'burrow.yaml': `controlSocket: ./none.sock\n${source}`,
    'users.yaml': '- { user: hb@hb, password: admin@123 }\n',
  })
  const ask = (...words: readonly string[]) => run([...BURROW, ...words, '-c', folder.config])
  const checked = await ask('check')
  assert.equal(checked.code, 0, checked.stderr)
  for (const [from, to, app, permitted] of [
    ['172.16.1.51', '192.168.1.1', 'http', true],
    ['192.168.1.1', '172.16.1.51', 'http', true],
    ['172.16.1.51', '172.16.1.1', 'http', false],
    ['172.16.1.51', '8.8.8.8', 'http', false],
    ['8.8.8.8', '172.16.1.51', 'http', false],
  ] as const) {
    const { code, stderr } = await ask('policy', 'test', ...packet(from, to, app))
    assert.equal(code, permitted ? 0 : 4, `${from} to ${to}: ${stderr}`)
  }
})

test('check warns of interfaces of zones that are not there, and tells the line of one in two zones', async t => {
  const zones = (lab: string) => ({
    'burrow.yaml': `plugins:${ZONES}
      zones:
        trust: { interfaces: [nowhere1] }
        lab: { interfaces: [${lab}] }\n`,
  })
  const checked = async (lab: string) => run([...BURROW, 'check', '-c', configFolder(t, zones(lab)).config])
  const inOrder = await checked('nowhere2')
  assert.equal(inOrder.code, 0, inOrder.stderr)
  assert.match(inOrder.stdout, /^warning: zone trust: there is no interface nowhere1 yet$/m)
  assert.match(inOrder.stdout, /^warning: zone lab: there is no interface nowhere2 yet$/m)
  const twice = await checked('nowhere1')
  assert.equal(twice.code, 3)
  const line = readFileSync(configFolder(t, zones('nowhere1')).config, 'utf8')
    .split('\n')
    .findIndex(text => text.includes('lab:'))
  assert.match(
    twice.stderr,
    new RegExp(
      `^burrow: POLICY_INVALID: zones\\.lab\\.interfaces.*in zone trust already.*burrow\\.yaml:${line + 1}, plugin policy-zones`,
    ),
  )
})
