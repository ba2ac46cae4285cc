/**
 * Zones of interfaces with real packets: by nftables, and by rules of routing where that is missing; with the data plane's own filter, and with
 * policy-nftables. What passes is the same.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
const HB = '172.16.1.51'
/** Behind `inside`, which is trust. */
const WEB = '192.168.1.1'
/** Routed over `inside`, and later over `lab`. */
const MOVING = '10.5.0.1'
/** Behind `lab`, which is a zone of its own, and behind `wild`, which is in no zone. */
const LAB = '192.168.2.1'
const WILD = '192.168.3.1'

/** Of the pool, and nobody's. */
const FORGED = '172.16.1.60'

const skip = skipWithout('peers')

/** What `burrow` finds in its PATH: everything but `nft`, and `ip` as a test wants it. */
function pathWithout(t: TestContext, ip?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-path-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync('/usr/bin/setpriv', join(bin, 'setpriv'))
  if (ip === undefined) symlinkSync('/bin/ip', join(bin, 'ip'))
  else writeFileSync(join(bin, 'ip'), ip, { mode: 0o755 })
  return bin
}

interface Scene {
  readonly zones: string
  readonly more?: string
  readonly path?: string
}

const RULES = `rules: [
      { name: l2tp, from: untrust, to: local, action: permit },
      { name: out, from: dmz, to: trust, action: permit },
      { name: in, from: trust, to: dmz, action: permit },
      { name: users, from: dmz, to: dmz, action: permit },
      { name: ping the lab, from: dmz, to: lab, service: ping, action: permit } ]`
const WITH_ADDRESSES = `zones: { trust: { interfaces: [inside], addresses: [192.168.1.0/24, 10.5.0.0/16] }, lab: { interfaces: [lab], addresses: [192.168.2.0/24] } }`
const BY_ROUTES = 'zones: { trust: { interfaces: [inside] }, lab: { interfaces: [lab] } }'

function world(t: TestContext) {
  const [server, client, inside, lab, wild] = [
    makeNetns(t),
    makeNetns(t),
    makeNetns(t),
    makeNetns(t),
    makeNetns(t),
  ]
  joinByVeth(
    { netns: server, device: 'outside', address: `${LNS}/24` },
    { netns: client, device: 'outside', address: '2.2.2.100/24' },
  )
  for (const [device, netns, net, host] of [
    ['inside', inside, '192.168.1', WEB],
    ['lab', lab, '192.168.2', LAB],
    ['wild', wild, '192.168.3', WILD],
  ] as const) {
    joinByVeth(
      { netns: server, device, address: `${net}.254/24` },
      { netns, device: 'outside', address: `${host}/24` },
    )
    netns.ip(`route add default via ${net}.254`)
  }
  // Forgery is what the zones are for: nothing else is to stop it.
  for (const device of ['all', 'default', 'inside', 'lab', 'wild'])
    server.exec('sysctl', '-qw', `net.ipv4.conf.${device}.rp_filter=0`)
  inside.ip(`addr add ${MOVING}/32 dev outside`)
  server.ip(`route add 10.5.0.0/16 via ${WEB}`)
  for (const netns of [lab, wild])
    netns.ip(...[WEB, MOVING, FORGED].map(address => `addr add ${address}/32 dev lo`))
  return { server, client, inside, lab, wild }
}

function configured(t: TestContext, { zones, more = '' }: Pick<Scene, 'zones' | 'more'>) {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-zones-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'burrow.yaml')
  const write = (text: string, rules = RULES) =>
    writeFileSync(
      config,
      `listen: [${LNS}]
gatewayAddress: 172.16.1.1
manageKernel: true
controlSocket: ${join(folder, 'control.sock')}
plugins:
  - auth-local:
      users: [ { user: hb@hb, password: ${PASSWORD}, address: ${HB} } ]
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { ${text}, ${rules} }
${more}`,
      { mode: 0o600 },
    )
  write(zones)
  return { config, write, socket: join(folder, 'control.sock') }
}

async function scene(t: TestContext, { path, ...setting }: Scene) {
  const hosts = world(t)
  const { server, client } = hosts
  const files = configured(t, setting)
  const lns = burrow(['serve', '-c', files.config], {
    netns: server.name,
    ...(path === undefined ? {} : { env: { PATH: path } }),
  })
  t.after(() => lns.end('SIGTERM', START_MS))
  await lns.says(/Burrow listens/, START_MS)
  const routes = ['192.168.0.0/16', '10.5.0.0/16'].flatMap(route => ['--route', route])
  const hb = burrow(['connect', LNS, '--user', 'hb@hb', '--password-env', 'P', ...routes], {
    netns: client.name,
    env: { P: PASSWORD },
  })
  t.after(() => hb.end('SIGKILL'))
  await hb.says(/^up: /m, START_MS)
  return { ...hosts, ...files, lns, hb }
}

const pings = async (from: Netns, to: string, source?: string) =>
  (
    await run(['ping', '-n', '-c1', '-W1', ...(source === undefined ? [] : ['-I', source]), to], {
      netns: from.name,
    })
  ).code === 0

/** Echo requests that came to a host. */
function received(by: Netns): number {
  const lines = by.exec('cat', '/proc/net/snmp').split('\n')
  const [names = '', values = ''] = lines.filter(line => line.startsWith('Icmp:'))
  return Number(values.split(' ')[names.split(' ').indexOf('InEchos')])
}

/** Whether a packet of this source reaches the client, answered or not. */
async function arrives(from: Netns, client: Netns, source: string): Promise<boolean> {
  const before = received(client)
  await pings(from, HB, source)
  return received(client) > before
}

const MEANS = [
  { name: 'nftables', zones: WITH_ADDRESSES },
  { name: 'nftables, by routes', zones: BY_ROUTES },
  { name: 'nftables, with policy-nftables', zones: WITH_ADDRESSES, more: '  - policy-nftables\n' },
  { name: 'nftables, by routes, with policy-nftables', zones: BY_ROUTES, more: '  - policy-nftables\n' },
  { name: 'rules of routing', zones: WITH_ADDRESSES, hidden: true },
  { name: 'rules of routing, by routes', zones: BY_ROUTES, hidden: true },
] as const

for (const means of MEANS) {
  const { name, zones } = means
  test(`${name}: what comes in and leaves by the interface of a zone is of that zone, and nothing else is`, {
    skip,
  }, async t => {
    const { server, client, inside, lab, wild, lns, hb } = await scene(t, {
      zones,
      ...('more' in means ? { more: means.more } : {}),
      ...('hidden' in means ? { path: pathWithout(t) } : {}),
    })
    assert.ok(await pings(client, WEB), 'dmz to trust')
    assert.ok(await pings(client, MOVING), 'dmz to trust, behind a router')
    assert.ok(await pings(inside, HB), 'trust to dmz')
    assert.ok(await pings(client, LAB), 'dmz to lab, and its answer')
    assert.ok(!(await pings(lab, HB)), 'lab to dmz')
    assert.ok(!(await pings(client, WILD)), 'dmz to an interface of no zone')
    for (const source of [WEB, MOVING, FORGED])
      for (const [whose, from] of [
        ['lab', lab],
        ['wild', wild],
      ] as const)
        assert.ok(!(await arrives(from, client, source)), `${source} forged from ${whose}`)
    assert.ok(await arrives(inside, client, WEB), 'which arrives where it may')

    // The same address out of another interface.
    server.ip(`route add ${WEB}/32 via ${WILD} dev wild`)
    const strays = received(wild)
    await until('the new way is found, and barred', async () => !(await pings(client, WEB)))
    assert.equal(received(wild), strays, 'trust by its address, and never sent elsewhere')
    server.ip(`route del ${WEB}/32`)
    await until('it is trust again', () => pings(client, WEB))

    assert.equal((await hb.end()).code, 0)
    assert.equal((await lns.end('SIGTERM', START_MS)).code, 0)
    assert.doesNotMatch(server.exec('nft', 'list', 'tables'), /burrow/)
    assert.equal(server.exec('ip', 'rule').trim().split('\n').length, 3, server.exec('ip', 'rule'))
    assert.equal(server.exec('ip', '-6', 'rule').trim().split('\n').length, 2)
    assert.doesNotMatch(server.exec('ip', 'route', 'show', 'table', 'all'), /prohibit/)
  })
}

test('nftables: an error of a router on the way comes through by what it is about', { skip }, async t => {
  const { client, inside, lab } = await scene(t, { zones: WITH_ADDRESSES })
  const ROUTER = '198.51.100.1'
  inside.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  inside.ip(
    `addr add ${ROUTER}/32 dev lo`,
    `route replace default via 192.168.1.254 src ${ROUTER}`,
    'route add unreachable 10.5.9.9/32',
  )
  const { stdout } = await run(['ping', '-n', '-c1', '-W1', '10.5.9.9'], { netns: client.name })
  assert.match(stdout, /From 198\.51\.100\.1 .*Unreachable/)
  lab.ip(`addr add ${ROUTER}/32 dev lo`)
  assert.ok(!(await arrives(lab, client, ROUTER)), 'what is no error does not')
  assert.ok(!(await arrives(inside, client, ROUTER)))
})

test('nftables: a table that somebody changed is mended, and one that a dead server left is replaced', {
  skip,
}, async t => {
  const { server, client, inside, wild, lns, hb, config, write } = await scene(t, { zones: WITH_ADDRESSES })
  const TABLE = 'burrow_zones.burrow0'
  server.exec('nft', 'flush', 'chain', 'inet', TABLE, 'forward')
  assert.ok(await arrives(wild, client, WEB), 'what the table is for')
  await lns.says(/somebody changed the table of nftables/)
  await until('it is mended', async () => !(await arrives(wild, client, WEB)))
  assert.ok(await pings(inside, HB))

  await lns.end('SIGKILL')
  await hb.end('SIGKILL')
  assert.match(server.exec('nft', 'list', 'tables'), /burrow_zones/)
  write('zones: { trust: [192.168.1.0/24], lab: [192.168.2.0/24] }')
  const next = burrow(['serve', '-c', config], { netns: server.name })
  t.after(() => next.end('SIGTERM', START_MS))
  await next.says(/Burrow listens/, START_MS)
  assert.doesNotMatch(server.exec('nft', 'list', 'tables'), /burrow_zones/)
})

test('rules of routing that somebody changed are mended, and those that a dead server left are replaced', {
  skip,
}, async t => {
  const { server, client, inside, wild, lns, hb, config } = await scene(t, {
    zones: WITH_ADDRESSES,
    path: pathWithout(t),
  })
  const rules = () => server.exec('ip', 'rule')
  const before = rules()
  const [, table] = /iif inside lookup (\d+)/.exec(before) ?? []
  const [, others] = /^5240:.*lookup (\d+)/m.exec(before) ?? []
  server.ip(`rule add pref 5205 iif wild lookup ${others}`, 'rule del pref 5250')
  assert.ok(table !== undefined && (await arrives(wild, client, WEB)), 'what the rules are for')
  await lns.says(/somebody changed the rules of routing/)
  await until('they are mended', async () => !(await arrives(wild, client, WEB)))
  assert.equal(rules(), before)
  assert.ok(await pings(inside, HB))

  await lns.end('SIGKILL')
  await hb.end('SIGKILL')
  assert.equal(rules().replaceAll(' [detached]', ''), before.replaceAll(' [detached]', ''))
  const next = burrow(['serve', '-c', config], { netns: server.name })
  t.after(() => next.end('SIGTERM', START_MS))
  await next.says(/Burrow listens/, START_MS)
  assert.equal(server.exec('ip', 'rule').trim().split('\n').length, 3)
  assert.doesNotMatch(server.exec('ip', 'route', 'show', 'table', 'all'), /prohibit/)
})

for (const [name, hidden] of [
  ['nftables', false],
  ['rules of routing', true],
] as const)
  test(`${name}: what is routed over another interface is of another zone, for a live session too`, {
    skip,
  }, async t => {
    const { server, client, lab, lns } = await scene(t, {
      zones: BY_ROUTES,
      ...(hidden ? { path: pathWithout(t) } : {}),
    })
    assert.ok(await pings(client, MOVING))
    assert.ok(!(await arrives(lab, client, MOVING)))
    server.ip(`route replace 10.5.0.0/16 via ${LAB}`)
    await lns.says(/other addresses are routed over interfaces of zones/)
    await until('dmz to lab', () => pings(client, MOVING))
    assert.ok(!(await arrives(lab, client, MOVING)), 'lab to dmz: it is trust no more')
    server.ip(`route replace 10.5.0.0/16 via ${WEB}`)
    await until('it is trust again', () => pings(client, MOVING))
  })

test('where neither works, zones of interfaces are a boot error that tells why, and nothing is left', {
  skip,
}, async t => {
  const { server } = world(t)
  const { config } = configured(t, { zones: WITH_ADDRESSES })
  const path = pathWithout(
    t,
    `#!/bin/sh
case "$*" in
  *rule*) echo 'RTNETLINK answers: Operation not supported' >&2; exit 2 ;;
  -4\\ -batch*|-6\\ -batch*) echo 'RTNETLINK answers: Operation not supported' >&2; exit 2 ;;
esac
exec /bin/ip "$@"
`,
  )
  const { code, stderr } = await burrow(['serve', '-c', config], { netns: server.name, env: { PATH: path } })
    .ended
  assert.notEqual(code, 0)
  assert.match(stderr, /INTERFACE_ZONES/)
  assert.match(stderr, /nft is missing/)
  assert.match(stderr, /Operation not supported/)
  assert.doesNotMatch(server.exec('ip', 'link'), /burrow0/)
})

test('interfaces come and go with a reload', { skip }, async t => {
  const { server, client, wild, socket, write } = await scene(t, {
    zones: 'zones: { trust: [192.168.1.0/24, 10.5.0.0/16], lab: [192.168.2.0/24] }',
  })
  const reload = async () => {
    const { code, stderr } = await burrow(['reload', '--enforce', '--socket', socket], { netns: server.name })
      .ended
    assert.equal(code, 0, stderr)
  }
  assert.ok(await arrives(wild, client, WEB), 'by its address alone')
  write(WITH_ADDRESSES)
  await reload()
  assert.ok(!(await arrives(wild, client, WEB)))
  assert.ok(await pings(client, WEB))
  write('zones: { trust: [192.168.1.0/24], lab: [192.168.2.0/24] }')
  await reload()
  await until('the kernel keeps to it no more', async () => arrives(wild, client, WEB))
  assert.doesNotMatch(server.exec('nft', 'list', 'tables'), /burrow_zones/)
})
