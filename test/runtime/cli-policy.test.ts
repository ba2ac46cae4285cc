/** `burrow policy` without a server: the plugins of a config in the command's own process, without root. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { configFolder } from '../support/config-folder.ts'
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
