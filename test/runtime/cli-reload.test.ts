/** `burrow reload` and SIGHUP at a server that runs as a process, with a client that stays in. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { BURROW } from '../support/burrow.ts'
import { makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { run, start } from '../support/processes.ts'
import { serverFiles } from '../support/server-files.ts'

const START_MS = 20_000

async function scene(t: TestContext) {
  const netns = makeNetns(t)
  const { config, controlSocket, passwordFile } = serverFiles(t)
  const burrow = (...args: readonly string[]) => start([...BURROW, ...args], { netns: netns.name })
  const server = burrow('serve', '-c', config)
  await server.says(/Burrow listens on .*/, START_MS)
  const client = burrow('connect', '127.0.0.1', '--user', 'hb@hb', '--password-file', passwordFile, '--json')
  const [up] = await client.says(/{"event":"up".*}/, START_MS)
  return {
    config,
    server,
    client,
    address: JSON.parse(up).localAddress as string,
    edit: (from: string, to: string) => {
      const text = readFileSync(config, 'utf8')
      assert.ok(text.includes(from))
      writeFileSync(config, text.replace(from, to))
    },
    reload: (...args: readonly string[]) => run([...BURROW, 'reload', '--socket', controlSocket, ...args]),
    sessions: async () => {
      const { stdout } = await run([...BURROW, 'sessions', '--socket', controlSocket, '--json'])
      return (JSON.parse(stdout) as { user: string; address: string }[]).map(({ address }) => address)
    },
  }
}

test('the config is read again at SIGHUP and by `burrow reload`; whoever is in stays in', {
  skip: skipWithoutNetns,
}, async t => {
  const { server, client, address, edit, reload, sessions } = await scene(t)
  edit('172.16.1.2-172.16.1.100', '172.16.9.2-172.16.9.100')
  process.kill(server.pid, 'SIGHUP')
  await server.says(/"generation":2.*"config reloaded"/, START_MS)
  assert.deepEqual(await sessions(), [address])

  edit('address-pool', 'address-poll')
  const refused = await reload()
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /^burrow: PLUGIN_UNKNOWN: .*address-pool.*burrow\.yaml:7/m)
  assert.match(server.stderr(), /PLUGIN_UNKNOWN.*the old one goes on/)
  assert.deepEqual(await sessions(), [address])

  edit('address-poll', 'address-pool')
  edit('user: hb@hb', 'user: other@hb')
  const { code, stdout } = await reload()
  assert.equal(code, 0)
  assert.match(stdout, /generation 3\n1 session of before go/)
  assert.deepEqual(await sessions(), [address])

  const enforced = await reload('--enforce', '--json')
  assert.deepEqual(JSON.parse(enforced.stdout).enforced, { stayed: 0, ended: 1, unclear: 0 })
  assert.equal((await client.ended).code, 1)
  assert.deepEqual(await sessions(), [])
  assert.equal((await server.end()).code, 0)
})
