import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/imports.ts'
import { run } from '../support/processes.ts'
import { type Kind, kindsOf, NEEDS } from './peers.ts'

/** What `skipWithout` says of each kind on a machine with this environment and no program at all. */
async function skips(env: NodeJS.ProcessEnv): Promise<Readonly<Record<Kind, string | false>>> {
  const module = JSON.stringify(join(ROOT, 'dist/test/setup/peers.js'))
  const script = `const { skipWithout } = await import(${module})
    process.env.PATH = '/nowhere'
    const kinds = ['network', 'peers', 'radius', 'directories', 'programs', 'dissector'].map(kind => [kind, skipWithout(kind)])
    console.log(JSON.stringify(Object.fromEntries(kinds)))`
  const clean = { CI: '', BURROW_TEST_PEERS: '', ...env }
  const { stdout, stderr } = await run([process.execPath, '--input-type=module', '-e', script], {
    env: clean,
  })
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}

test('what is missing skips a test and says what to install', async () => {
  const { network, peers, radius, directories, programs, dissector } = await skips({})
  assert.match(String(network), /iproute2/)
  assert.doesNotMatch(String(network), /xl2tpd/)
  assert.match(String(programs), /^not installed: python3 \(/)
  assert.match(String(dissector), /^not installed: iproute2 tshark \(/)
  assert.match(String(radius), /^not installed: freeradius freeradius-utils radsecproxy \(/)
  for (const [kind, skip] of Object.entries({ peers, directories }))
    for (const need of NEEDS.filter(
      need => !need.program.includes('/') && ['network', kind].includes(need.kind),
    ))
      assert.match(String(skip), new RegExp(`apt-get install .*${need.package}`))
})

test('in CI nothing is skipped for what is missing', async () => {
  assert.deepEqual(await skips({ CI: 'true' }), {
    network: false,
    peers: false,
    radius: false,
    directories: false,
    programs: false,
    dissector: false,
  })
})

test('who declines the real peers still has the rest', async () => {
  const { network, peers, radius, directories, programs, dissector } = await skips({
    CI: 'true',
    BURROW_TEST_PEERS: 'skip',
  })
  assert.deepEqual([network, programs, dissector], [false, false, false])
  for (const skip of [peers, radius, directories]) assert.equal(skip, 'BURROW_TEST_PEERS=skip')
})

test('test files get what they need, and no more', () => {
  const kinds = (folder: string) => kindsOf(readdirSync(join(ROOT, folder)).map(name => join(folder, name)))
  assert.deepEqual(kinds('test/wire'), [])
  assert.deepEqual(kinds('test/runtime'), ['network', 'dissector'])
  assert.deepEqual(kinds('test/interop'), ['network', 'peers', 'radius', 'directories', 'dissector'])
  assert.deepEqual(kindsOf(['test/interop/xl2tpd-lns.test.ts']), ['network', 'peers'])
  assert.deepEqual(kinds('test/support'), ['radius'])
  assert.deepEqual(kinds('test/plugins'), ['radius', 'directories', 'programs'])
  assert.deepEqual(kindsOf(['test/plugins/radius-client.test.ts']), ['radius'])
  assert.deepEqual(kindsOf(['test/plugins/auth-ldap.test.ts']), ['directories'])
  assert.deepEqual(kindsOf(['test/plugins/hook-pages.test.ts']), ['programs'])
})
