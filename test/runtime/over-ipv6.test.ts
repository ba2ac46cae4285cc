/** L2TP over IPv6: one server for both families, and calls of both that reach the same intranet. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { burrow } from '../support/burrow.ts'
import { HEADQUARTERS, headquarters } from '../support/headquarters.ts'
import { skipWithoutNetns } from '../support/netns.ts'
import { run } from '../support/processes.ts'

const START_MS = 20_000
const LNS = { ipv4: HEADQUARTERS.lns, ipv6: '2001:db8:2::2' } as const
const { web: WEB, password: PASSWORD } = HEADQUARTERS

test('a server on :: and 0.0.0.0 is dialled over both, and each call reaches the intranet in packets as large as they may be', {
  skip: skipWithoutNetns,
}, async t => {
  const { server, client, controlSocket: socket, serve } = headquarters(t)
  server.ip(`addr add ${LNS.ipv6}/64 dev outside nodad`)
  client.ip('addr add 2001:db8:2::100/64 dev outside nodad')
  const lns = await serve(`listen: ["::", 0.0.0.0]
plugins:
  - auth-local: { users: [{ user: hb@hb, password: ${PASSWORD} }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones:
`)
  await lns.says(/Burrow listens on \[::\]:1701\/udp, 0\.0\.0\.0:1701\/udp/)
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
