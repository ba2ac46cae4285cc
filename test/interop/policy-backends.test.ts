/**
 * The policy of the reference, cell by cell with real packets, by either backend: the data plane's own filter, and nftables. One suite: what
 * passes and what does not is the same.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { skipWithout } from '../setup/peers.ts'
import { burrow } from '../support/burrow.ts'
import { joinByVeth, makeNetns, type Netns } from '../support/netns.ts'
import { run } from '../support/processes.ts'
import { until } from '../support/until.ts'

const START_MS = 20_000
const PASSWORD = 'admin@123'
const LNS = '2.2.2.2'
const WEB = '192.168.1.1'
const GATEWAY = '192.168.1.254'
/** Of no zone: untrust. */
const OUTSIDER = '203.0.113.7'
const PORT = 8080
/** How long an answer that must not come is waited for. */
const SILENCE_MS = 400

const BACKENDS = [
  { name: 'the data plane', plugin: '' },
  { name: 'nftables', plugin: '  - policy-nftables: { checkS: 1 }\n' },
] as const

async function scene(t: TestContext, plugin: string, rules = '') {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-policy-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [server, client, other, inside] = [makeNetns(t), makeNetns(t), makeNetns(t), makeNetns(t)]
  joinByVeth(
    { netns: server, device: 'outside', address: `${LNS}/24` },
    { netns: client, device: 'outside', address: '2.2.2.100/24' },
  )
  joinByVeth(
    { netns: server, device: 'outside2', address: '2.2.3.2/24' },
    { netns: other, device: 'outside', address: '2.2.3.100/24' },
  )
  other.ip(`route add ${LNS}/32 via 2.2.3.2`)
  joinByVeth(
    { netns: server, device: 'inside', address: `${GATEWAY}/24` },
    { netns: inside, device: 'outside', address: `${WEB}/24` },
  )
  // Behind the same wire, and in no zone.
  inside.ip(`addr add ${OUTSIDER}/32 dev outside`, `route add default via ${GATEWAY}`)
  server.ip(`route add ${OUTSIDER}/32 via ${WEB}`)
  const config = join(folder, 'burrow.yaml')
  const socket = join(folder, 'control.sock')
  writeFileSync(
    config,
    `listen: [${LNS}]
gatewayAddress: 172.16.1.1
manageKernel: true
controlSocket: ${socket}
plugins:
  - auth-local:
      users:
        - { user: hb@hb, password: ${PASSWORD}, address: 172.16.1.51 }
        - { user: guest@hb, password: ${PASSWORD}, address: 172.16.1.52 }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: {${rules}}
${plugin}`,
    { mode: 0o600 },
  )
  const lns = burrow(['serve', '-c', config], { netns: server.name })
  t.after(() => lns.end('SIGTERM', START_MS))
  await lns.says(/Burrow listens/, START_MS)
  const dial = async (netns: Netns, user: string) => {
    const words = [
      '--user',
      user,
      '--password-env',
      'P',
      '--route',
      '192.168.1.0/24',
      '--route',
      `${OUTSIDER}/32`,
    ]
    const call = burrow(['connect', LNS, ...words, '--route', '172.16.1.0/24'], {
      netns: netns.name,
      env: { P: PASSWORD },
    })
    t.after(() => call.end('SIGKILL'))
    await call.says(/^up: /m, START_MS)
    return call
  }
  const hb = await dial(client, 'hb@hb')
  return { folder, config, socket, server, client, other, inside, lns, dial, hb }
}

const pings = async (from: Netns, to: string, source?: string) =>
  (
    await run(['ping', '-n', '-c1', '-W1', ...(source === undefined ? [] : ['-I', source]), to], {
      netns: from.name,
    })
  ).code === 0

/** Whether a TCP connection to a server that listens there comes up, and carries something. */
async function overTcp(from: Netns, at: Netns, to: string, source?: string): Promise<boolean | 'refused'> {
  const server = createServer(socket => socket.end('hello'))
  await at.inside(() => new Promise<void>(resolve => server.listen(PORT, to, resolve)))
  try {
    return await from.inside(
      () =>
        new Promise<boolean | 'refused'>(resolve => {
          const socket = connect({ host: to, port: PORT, ...(source && { localAddress: source }) })
          const end = (result: boolean | 'refused') => {
            socket.destroy()
            resolve(result)
          }
          socket.on('data', () => end(true))
          socket.on('error', error =>
            end('code' in error && error.code === 'ECONNREFUSED' ? 'refused' : false),
          )
          socket.setTimeout(SILENCE_MS, () => end(false))
        }),
    )
  } finally {
    server.close()
  }
}

/** Whether a datagram arrives, and its answer too. */
async function overUdp(from: Netns, at: Netns, to: string, source?: string): Promise<boolean> {
  const [server, client] = [createSocket('udp4'), createSocket('udp4')]
  try {
    await at.inside(() => new Promise<void>(resolve => server.bind(PORT, to, resolve)))
    await from.inside(() => new Promise<void>(resolve => client.bind(0, source, resolve)))
    server.on('message', (message, { port, address }) => server.send(message, port, address))
    return await new Promise<boolean>(resolve => {
      client.on('message', () => resolve(true))
      client.send('hello', PORT, to, () => setTimeout(() => resolve(false), SILENCE_MS))
    })
  } finally {
    server.close()
    client.close()
  }
}

for (const { name, plugin } of BACKENDS) {
  test(`${name}: the reference's table, cell by cell`, { skip: skipWithout('peers') }, async t => {
    const { client, other, inside, server, socket, dial, hb } = await scene(t, plugin)
    const HB = '172.16.1.51'
    /** From, at, the address that is asked, and whether it passes. Untrust to local is the call itself. */
    const cells: readonly (readonly [string, Netns, Netns, string, boolean, string?])[] = [
      ['dmz to trust', client, inside, WEB, true],
      ['trust to dmz', inside, client, HB, true, WEB],
      ['dmz to untrust', client, inside, OUTSIDER, false],
      ['untrust to dmz', inside, client, HB, false, OUTSIDER],
      ['dmz to local, inside', client, server, GATEWAY, false],
      ['dmz to local, outside', client, server, '2.2.3.2', false],
    ]
    for (const [what, from, at, to, passes, source] of cells) {
      assert.equal(await pings(from, to, source), passes, `${what}: icmp`)
      assert.equal(await overTcp(from, at, to, source), passes, `${what}: tcp`)
      assert.equal(await overUdp(from, at, to, source), passes, `${what}: udp`)
    }
    const guest = await dial(other, 'guest@hb')
    assert.equal(await pings(client, '172.16.1.52'), false, 'user to user')
    assert.equal(await overTcp(other, client, HB), false, 'and back')
    assert.ok(await pings(other, WEB), 'each of them reaches the intranet')
    assert.equal((await guest.end()).code, 0)
    assert.ok(await pings(client, WEB), 'what is over takes nothing along')
    const shown = await burrow(['policy', 'show', '--json', '--socket', socket], { netns: server.name }).ended
    const { tables, unmatched } = JSON.parse(shown.stdout)
    const [, out, back] = tables[0].rules
    assert.ok(out.hits.packets >= 5 && out.hits.octets >= 5 * 28, shown.stdout)
    assert.ok(back.hits.packets >= 3 && unmatched.packets >= 4, shown.stdout)
    assert.equal((await hb.end()).code, 0)
  })

  test(`${name}: what is permitted one way is answered, what is rejected is told, and rules change under a live session`, {
    skip: skipWithout('peers'),
  }, async t => {
    const first = `rules: [
      { from: untrust, to: local, action: permit },
      { name: web, from: dmz, to: trust, service: tcp/${PORT}, action: permit },
      { name: host, from: dmz, to: local, service: udp/${PORT}, action: permit },
      { name: no, from: dmz, to: trust, service: udp, action: reject } ]`
    const { client, inside, server, config, socket } = await scene(t, plugin, first)
    const HB = '172.16.1.51'
    assert.equal(await overTcp(client, inside, WEB), true, 'its answers come')
    assert.equal(await overTcp(inside, client, HB, WEB), false, 'nobody else may begin')
    assert.equal(await pings(client, WEB), false)
    assert.equal(await overUdp(client, server, GATEWAY), true, 'this host, where a rule names it')
    assert.equal(await overTcp(client, server, GATEWAY), false)
    const refused = run(['socat', '-t', '1', '-', `UDP:${WEB}:${PORT}`], { netns: client.name, input: 'x' })
    assert.match((await refused).stderr, /refused|prohibited|No route|denied/i, 'ICMP tells it')

    const { readFileSync } = await import('node:fs')
    writeFileSync(config, readFileSync(config, 'utf8').replace(`tcp/${PORT}`, 'ping'))
    const reloaded = await burrow(['reload', '--enforce', '--socket', socket], { netns: server.name }).ended
    assert.equal(reloaded.code, 0, reloaded.stderr)
    assert.equal(await overTcp(client, inside, WEB), false, 'the session is the same')
    assert.equal(await pings(client, WEB), true)
  })
}

test('nftables: a table that somebody changed is mended, and nothing is left at the end', {
  skip: skipWithout('peers'),
}, async t => {
  const { client, server, lns } = await scene(t, BACKENDS[1].plugin)
  const nft = (...words: readonly string[]) => run(['nft', ...words], { netns: server.name })
  assert.ok(await pings(client, WEB))
  assert.equal((await nft('delete', 'table', 'inet', 'burrow_burrow0')).code, 0)
  await lns.says(/somebody changed the table of nftables/)
  assert.ok(await pings(client, WEB))
  assert.equal(await pings(client, OUTSIDER), false)
  assert.equal((await nft('flush', 'chain', 'inet', 'burrow_burrow0', 'forward')).code, 0)
  await until('the chain is back', async () => !(await pings(client, OUTSIDER)))
  assert.equal((await lns.end('SIGTERM', START_MS)).code, 0)
  assert.doesNotMatch((await nft('list', 'tables')).stdout, /burrow/)
})
