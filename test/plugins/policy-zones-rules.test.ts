/** What rules of policy-zones can say beyond zones and addresses, and how they are shown. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AclRule } from '../../core/flow.ts'
import { passes } from '../../core/testing/contracts/policy.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { type Harness, startPlugin } from '../../core/testing/plugin-harness.ts'
import { anEnd, aSession, aTunnel } from '../../core/testing/samples.ts'
import policyZones from '../../plugins/policy-zones/index.ts'
import { isWithin, Window, weekTime } from '../../plugins/policy-zones/schedule.ts'

const ADDRESS = '172.16.1.51'
const INSIDE = '192.168.1.1'
const USER = { user: 'hb@hb' }
const TRUST = { trust: ['192.168.1.0/24'] }

function server(): FakeServer {
  const made = new FakeServer()
  made.declarePool('main', [{ address: '172.16.1.0', length: 24 }])
  return made
}

const start = (t: TestContext, options: object, on = server()) =>
  startPlugin(t, policyZones, { options, server: on })

async function rulesOf(plugin: Harness, grant: Parameters<Harness['policy']>[0] = USER) {
  const policy = await plugin.policy(grant, [ADDRESS])
  assert.ok(!('kind' in policy), JSON.stringify(policy))
  return policy.rules
}

/** Without names and prefixes, which other tests look at. */
const bare = (rules: readonly AclRule[]) =>
  rules.map(({ name: _, source: __, destination: ___, direction: ____, ...rest }) => rest)

const out = { from: 'dmz', to: 'trust', action: 'permit' }

test('services are names, ports, types of ICMP and protocols; one line for the ports of each protocol', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    services: { desktop: ['rdp', 'tcp/5900-5903'] },
    rules: [{ ...out, service: ['ping', 'http', 'desktop', 'gre', 'ip/112', 'icmp/13'] }],
  })
  assert.deepEqual(bare(await rulesOf(plugin)), [
    {
      action: 'permit',
      protocol: 6,
      destinationPorts: [
        { from: 80, to: 80 },
        { from: 3389, to: 3389 },
        { from: 5900, to: 5903 },
      ],
    },
    { action: 'permit', protocol: 17, destinationPorts: [{ from: 3389, to: 3389 }] },
    { action: 'permit', protocol: 1, icmpTypes: [8], icmpv6Types: [128] },
    { action: 'permit', protocol: 47 },
    { action: 'permit', protocol: 112 },
    { action: 'permit', protocol: 1, icmpTypes: [13], icmpv6Types: [] },
  ])
})

test('sets name addresses once for many rules and zones', async t => {
  const plugin = await start(t, {
    zones: { trust: ['set:servers', '10.0.0.0/8'] },
    sets: { servers: ['192.168.1.1', '192.168.1.8-192.168.1.9'] },
    rules: [{ ...out, destination: 'set:servers' }],
  })
  const rules = await rulesOf(plugin)
  const to = (destination: string) =>
    passes(rules, { direction: 'from-session', source: ADDRESS, destination, protocol: 17, port: 1 })
  assert.deepEqual(['192.168.1.1', '192.168.1.9', '192.168.1.10', '10.1.1.1'].map(to), [
    true,
    true,
    false,
    false,
  ])
})

test('rules count for users, groups and realms, and sessions for whom the same count share one list', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    rules: [
      { ...out, name: 'alice', users: ['alice@a', 'bob'] },
      { ...out, name: 'staff', groups: 'Staff' },
      { ...out, name: 'realm a', realms: ['A', 'b'] },
      { ...out, name: 'everybody' },
    ],
  })
  const names = async (grant: Parameters<Harness['policy']>[0]) =>
    (await rulesOf(plugin, grant)).map(({ name }) => name)
  assert.deepEqual(await names({ user: 'alice@a' }), ['alice', 'realm a', 'everybody'])
  assert.deepEqual(await names({ user: 'carol', groups: ['other', 'staff'] }), ['staff', 'everybody'])
  assert.deepEqual(await names({ user: 'B\\carol' }), ['realm a', 'everybody'])
  assert.deepEqual(await names({ user: 'carol@c', groups: [] }), ['everybody'])
  assert.equal(await rulesOf(plugin, { user: 'x' }), await rulesOf(plugin, { user: 'y' }), 'one and the same')
})

test('reject and log reach the data plane', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    rules: [
      { ...out, action: 'reject' },
      { ...out, log: true },
    ],
  })
  assert.deepEqual(bare(await rulesOf(plugin)), [{ action: 'reject' }, { action: 'permit', log: true }])
})

test('users reach this host by rules from their zone to local, and it them by rules from local', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    rules: [
      { name: 'l2tp', from: 'untrust', to: 'local', action: 'permit' },
      {
        name: 'dns',
        from: 'dmz',
        to: 'local',
        service: 'dns',
        destination: '192.168.1.254',
        action: 'permit',
      },
      { name: 'ping', from: 'local', to: 'dmz', source: 'own-address', service: 'ping', action: 'permit' },
    ],
  })
  const rules = await rulesOf(plugin)
  assert.ok(rules.every(({ host }) => host === true))
  assert.deepEqual(
    rules.map(({ name, direction, destination, source }) => [
      name,
      direction,
      source?.[0]?.address,
      destination?.[0]?.address,
    ]),
    [
      ['dns', 'from-session', '172.16.1.0', '192.168.1.254'],
      ['dns', 'from-session', '172.16.1.0', '192.168.1.254'],
      ['ping', 'to-session', undefined, '172.16.1.0'],
    ],
  )
  const inTunnel = aTunnel({
    local: { address: '2.2.2.2', port: 1701 },
    remote: { address: ADDRESS, port: 1 },
  })
  assert.equal((await plugin.admitTunnel(inTunnel)).verdict?.kind, 'deny', 'no tunnel in a tunnel')
})

test('times are of days, of hours, over midnight, and where the clocks are', () => {
  const within = (text: string, day: number, hours: number, minutes = 0) =>
    isWithin([Window.parse(text)], { day, minute: 60 * hours + minutes })
  assert.deepEqual(
    [0, 4, 5].map(day => within('Mon-Fri 08:00-18:00', day, 8)),
    [true, true, false],
  )
  assert.ok(!within('Mon-Fri 08:00-18:00', 0, 7, 59) && !within('Mon-Fri 08:00-18:00', 0, 18))
  assert.ok(within('Sat,Sun', 6, 23, 59) && !within('Sat,Sun', 0, 0))
  assert.deepEqual(
    [6, 0, 1, 2].map(day => within('Sun-Tue', day, 12)),
    [true, true, true, false],
  )
  assert.ok(within('Fri 22:00-06:00', 4, 23) && within('Fri 22:00-06:00', 5, 5, 59))
  assert.ok(!within('Fri 22:00-06:00', 5, 6) && !within('Fri 22:00-06:00', 4, 5))
  assert.ok(within('18:00-24:00', 3, 23, 59))
  const newYear = Date.UTC(2026, 0, 1)
  assert.deepEqual(weekTime(newYear, 'UTC'), { day: 3, minute: 0 })
  assert.deepEqual(weekTime(newYear, 'America/New_York'), { day: 2, minute: 19 * 60 })
  assert.deepEqual(weekTime(Date.UTC(2026, 6, 1), 'Europe/Berlin'), { day: 2, minute: 120 })
})

test('when other rules count, live sessions are decided on again at the minute', async t => {
  const on = server()
  const plugin = await start(
    t,
    {
      zones: TRUST,
      timeZone: 'UTC',
      rules: [
        { ...out, time: 'Thu 00:02-00:04' },
        { ...out, service: 'ping' },
      ],
    },
    on,
  )
  on.up = [anEnd(aSession({ key: 'a' }))]
  const count = async () => (await rulesOf(plugin)).length
  assert.equal(await count(), 1)
  await plugin.clock.advance(119_000)
  assert.deepEqual([await count(), on.regranted.length], [1, 0])
  await plugin.clock.advance(1000)
  assert.equal(await count(), 2)
  assert.deepEqual(on.regranted, [{ key: 'a', change: {} }])
  await plugin.clock.advance(120_000)
  assert.deepEqual([await count(), on.regranted.length], [1, 2])
  await plugin.host.stop()
  assert.equal(plugin.clock.pending, 0)
})

const REFERENCE = [
  ['l2tp', 'untrust', 'local', 'any', 'own-address', 'any', 'permit'],
  ['users-to-intranet', 'dmz', 'trust', 'pool', 'any', 'any', 'permit'],
  ['intranet-to-users', 'trust', 'dmz', 'any', 'pool', 'any', 'permit'],
]

test('the table is that of the reference, and counts who dialled', async t => {
  const plugin = await start(t, {})
  const [{ table } = assert.fail()] = plugin.host.policyTables()
  assert.deepEqual(
    table
      .rows()
      .map(row => [row.name, row.from, row.to, row.source, row.destination, row.service, row.action]),
    REFERENCE,
  )
  await plugin.admitTunnel()
  assert.deepEqual(
    table.rows().map(({ decided }) => decided),
    [1, undefined, undefined],
  )
})

test('a rule shows for whom and when it counts, and no two rules have one name', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    timeZone: 'UTC',
    rules: [{ ...out, users: ['a', 'b'], groups: 'g', time: 'Mon 08:00-09:00', filter: 'f' }, out, out],
  })
  const [{ table } = assert.fail()] = plugin.host.policyTables()
  const [first, ...others] = table.rows()
  assert.equal(first?.condition, 'user a, b; group g; filter f; at Mon 08:00-09:00')
  assert.equal(first?.active, false)
  assert.deepEqual(
    [first, ...others].map(row => row?.name),
    ['dmz to trust', 'dmz to trust (2)', 'dmz to trust (3)'],
  )
})

test('the table answers for a packet: the rule that decides, and why those before it do not', async t => {
  const plugin = await start(t, {
    zones: TRUST,
    timeZone: 'UTC',
    rules: [
      { name: 'l2tp', from: 'untrust', to: 'local', action: 'permit' },
      { ...out, name: 'at night', time: '22:00-23:00' },
      { ...out, name: 'admins', groups: 'admins' },
      { ...out, name: 'one host', destination: '192.168.1.7' },
      { ...out, name: 'web', service: ['http', 'https'] },
      { ...out, name: 'no mail', service: 'smtp', action: 'reject' },
    ],
  })
  const [{ table } = assert.fail()] = plugin.host.policyTables()
  const ask = (service: string, more = {}) =>
    table.ask({ from: 'dmz', to: 'trust', source: ADDRESS, destination: INSIDE, service, ...more })
  assert.deepEqual(ask('tcp/443'), {
    action: 'permit',
    rule: 'web',
    reason: 'rule "web" permits it',
    passed: [
      { rule: 'at night', because: 'it does not count now, but at 22:00-23:00' },
      { rule: 'admins', because: 'it is for other sessions' },
      { rule: 'one host', because: 'destination 192.168.1.7' },
    ],
  })
  assert.equal(ask('tcp/25').action, 'reject')
  assert.equal(ask('tcp/80-81').reason, 'no rule from dmz to trust matches, so it is denied')
  assert.equal(ask('ping', { groups: ['admins'] }).rule, 'admins')
  const zonesOfTheirOwn = { source: '1.1.1.1', destination: '2.2.2.2', service: 'udp/1701' }
  assert.equal(table.ask(zonesOfTheirOwn).rule, 'l2tp')
  const invalid = { code: 'POLICY_INVALID' }
  assert.throws(() => ask('http', { source: '1.1.1.1' }), {
    ...invalid,
    message: /1\.1\.1\.1 is no address of zone dmz/,
  })
  assert.throws(() => ask('gopher/'), invalid)
  assert.throws(() => ask('nothing'), invalid)
  assert.throws(() => ask('http', { destination: 'example.org' }), invalid)
})
