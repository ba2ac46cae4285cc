/** L2TP over IPv6: one server for both families, and calls of both that reach the same intranet. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { burrow } from '../support/burrow.ts'
import { joinByVeth, makeNetns, skipWithoutNetns } from '../support/netns.ts'
import { run } from '../support/processes.ts'

const START_MS = 20_000
const LNS = { ipv4: '2.2.2.2', ipv6: '2001:db8:2::2' } as const
const WEB = '192.168.1.1'
const PASSWORD = 'admin@123'

test('a server on :: and 0.0.0.0 is dialled over both, and each call reaches the intranet in packets as large as they may be', {
  skip: skipWithoutNetns,
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-over-ipv6-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [server, client, inside] = [makeNetns(t), makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: server, device: 'outside', address: `${LNS.ipv4}/24` },
    { netns: client, device: 'outside', address: '2.2.2.100/24' },
  )
  server.ip(`addr add ${LNS.ipv6}/64 dev outside nodad`)
  client.ip('addr add 2001:db8:2::100/64 dev outside nodad')
  joinByVeth(
    { netns: server, device: 'inside', address: '192.168.1.254/24' },
    { netns: inside, device: 'outside', address: `${WEB}/24` },
  )
  inside.ip('route add default via 192.168.1.254')
  const socket = join(folder, 'control.sock')
  const config = join(folder, 'burrow.yaml')
  writeFileSync(
    config,
    `listen: ["::", 0.0.0.0]
gatewayAddress: 172.16.1.1
manageKernel: true
controlSocket: ${socket}
plugins:
  - auth-local: { users: [{ user: hb@hb, password: ${PASSWORD} }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
`,
    { mode: 0o600 },
  )
  const lns = burrow(['serve', '-c', config], { netns: server.name })
  t.after(() => lns.end('SIGTERM', START_MS))
  await lns.says(/Burrow listens on \[::\]:1701\/udp, 0\.0\.0\.0:1701\/udp/, START_MS)
  const env = { P: PASSWORD }
  const words = ['--user', 'hb@hb', '--password-env', 'P', '--route', '192.168.1.0/24']

  for (const [address, peer] of [
    [LNS.ipv6, /\[2001:db8:2::100\]:\d+/],
    [`[${LNS.ipv6}]:1701`, /\[2001:db8:2::100\]:\d+/],
    [LNS.ipv4, /2\.2\.2\.100:\d+/],
  ] as const) {
    const call = burrow(['connect', address, ...words], { netns: client.name, env })
    t.after(() => call.end('SIGKILL'))
    await call.says(/^up: /m, START_MS)
    const ping = ['ping', '-n', '-c2', '-i0.2', '-w5', '-M', 'do', '-s', '1372', WEB]
    const { code, stdout } = await run(ping, { netns: client.name })
    assert.equal(code, 0, stdout)
    const sessions = await burrow(['sessions', '--socket', socket], { netns: server.name }).ended
    assert.match(sessions.stdout, peer)
    assert.equal((await call.end()).code, 0)
  }
  const table = await burrow(['policy', 'show', '--json', '--socket', socket], { netns: server.name }).ended
  const [{ rules }] = JSON.parse(table.stdout).tables
  assert.deepEqual(
    rules.map(({ name, decided, hits }: { name: string; decided?: number; hits?: object }) => [
      name,
      decided ?? hits,
    ]),
    [
      ['l2tp', 3],
      ['users-to-intranet', { packets: 12, octets: 12 * 1400 }],
      ['intranet-to-users', { packets: 0, octets: 0 }],
    ],
    'answers count under the rule that permitted the question',
  )
  const { code, stderr } = await burrow(['connect', 'fe80::1', ...words], { netns: client.name, env }).ended
  assert.equal(code, 2)
  assert.match(stderr, /none of a link alone/)
})
