import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { BurrowError } from '../../core/errors.ts'
import { type Packet, passes, policyContract } from '../../core/testing/contracts/policy.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { type Harness, loadPlugin, setUpPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { aTunnel } from '../../core/testing/samples.ts'
import policyZones from '../../plugins/policy-zones/index.ts'

const INTRANET = { trust: ['192.168.1.0/24'] }
const USER = { user: 'hb@hb' }
const ADDRESS = '172.16.1.51'
const GUEST = '172.16.2.7'

/** With the pools `main` and `guests`. */
function server(): FakeServer {
  const made = new FakeServer()
  made.declarePool('main', [
    { address: '172.16.1.2', length: 31 },
    { address: '172.16.1.4', length: 30 },
    { address: '172.16.1.8', length: 29 },
    { address: '172.16.1.16', length: 28 },
    { address: '172.16.1.32', length: 27 },
    { address: '172.16.1.64', length: 27 },
    { address: '172.16.1.96', length: 30 },
    { address: '172.16.1.100', length: 32 },
  ])
  made.declarePool('guests', [{ address: '172.16.2.0', length: 24 }])
  return made
}

const start = (t: TestContext, options: object): Promise<Harness> =>
  startPlugin(t, policyZones, { options, server: server() })

/** The ends of a packet, by zone. */
const isPool = (address: string) => address.startsWith('172.16.')
const isIntranet = (address: string) => address.startsWith('192.168.1.')

const HOSTS = [
  ADDRESS,
  '172.16.1.2',
  '172.16.1.100',
  '172.16.1.101',
  GUEST,
  '192.168.1.1',
  '192.168.1.254',
  '192.168.2.1',
  '8.8.8.8',
  '2.2.2.2',
]

policyContract({
  name: 'policy-zones without options, which is the reference,',
  make: t => start(t, {}),
  makeUnstarted: () => setUpPlugin(policyZones, { server: server() }),
  grant: USER,
  address: ADDRESS,
  hosts: HOSTS,
  permitted: ({ direction, source, destination }) =>
    direction === 'from-session'
      ? isPool(source) && source !== '172.16.1.101' && isIntranet(destination)
      : isIntranet(source) && isPool(destination) && destination !== '172.16.1.101',
})

const OWN_RULES = {
  zones: { dmz: ['pool:main', '10.9.9.9'], guests: ['pool:guests'], ...INTRANET },
  rules: [
    { from: 'dmz', to: 'trust', destination: '192.168.1.254', action: 'deny' },
    { from: 'dmz', to: 'trust', service: ['tcp/22', 'tcp/80-443'], action: 'permit' },
    { from: 'trust', to: 'dmz', source: ['192.168.1.1', '192.168.1.8/29'], service: 'tcp', action: 'permit' },
    { from: 'dmz', to: 'guests', service: 'icmp', action: 'permit' },
    { from: 'guests', to: 'dmz', service: 'icmp', action: 'permit' },
    { from: 'dmz', to: 'dmz', destination: '172.16.1.2-172.16.1.9', action: 'permit' },
    { from: 'dmz', to: 'untrust', service: 'udp/53', action: 'permit' },
  ],
}

policyContract({
  name: 'policy-zones with rules of its own',
  make: t => start(t, OWN_RULES),
  makeUnstarted: () => setUpPlugin(policyZones, { options: OWN_RULES, server: server() }),
  grant: USER,
  address: ADDRESS,
  hosts: [...HOSTS, '10.9.9.9'],
  permitted: ({ direction, source, destination, protocol, port }) => {
    const zone = (address: string) => {
      if (isIntranet(address)) return 'trust'
      if (address === '10.9.9.9') return 'dmz'
      if (address === GUEST) return 'guests'
      return isPool(address) && address !== '172.16.1.101' ? 'dmz' : 'untrust'
    }
    const pair = `${zone(source)} ${zone(destination)}`
    // A session's packets have its own zone at its end; the other way is another session's business.
    if (!(direction === 'from-session' ? pair.startsWith('dmz') : pair.endsWith('dmz'))) return false
    if (pair === 'dmz trust') {
      return destination !== '192.168.1.254' && protocol === 6 && [22, 80, 443].includes(port)
    }
    if (pair === 'trust dmz') return source === '192.168.1.1' && protocol === 6
    if (pair === 'dmz guests' || pair === 'guests dmz') return protocol === 1
    if (pair === 'dmz dmz') return destination === '172.16.1.2'
    return pair === 'dmz untrust' && protocol === 17 && port === 53
  },
})

test('a packet of one user to another passes only where both ends permit it', async t => {
  const plugin = await start(t, OWN_RULES)
  const rulesOf = async (zone: string, address: string) => {
    const policy = await plugin.policy({ ...USER, zone }, [address])
    assert.ok(!('kind' in policy))
    return policy.rules
  }
  const ping = { source: ADDRESS, destination: GUEST, protocol: 1, port: 0 }
  assert.ok(passes(await rulesOf('dmz', ADDRESS), { ...ping, direction: 'from-session' }))
  assert.ok(passes(await rulesOf('guests', GUEST), { ...ping, direction: 'to-session' }))
  const web: Packet = { ...ping, direction: 'from-session', protocol: 6, port: 80 }
  assert.ok(!passes(await rulesOf('guests', GUEST), { ...web, source: GUEST, destination: '192.168.1.1' }))
})

test('a session whose address is not of its zone is denied', async t => {
  const plugin = await start(t, OWN_RULES)
  for (const [zone, address, isIn] of [
    ['dmz', ADDRESS, true],
    ['dmz', '10.9.9.9', true],
    ['dmz', '172.16.1.101', false],
    ['dmz', GUEST, false],
    ['guests', GUEST, true],
    ['guests', ADDRESS, false],
    ['trust', ADDRESS, false],
    ['trust', '192.168.1.77', true],
    ['untrust', ADDRESS, false],
  ] as const) {
    const policy = await plugin.policy({ ...USER, zone }, [address])
    assert.equal(!('kind' in policy), isIn, `${zone} ${address}`)
  }
})

const FILTERED = {
  zones: INTRANET,
  rules: [
    { from: 'dmz', to: 'trust', filter: 'blocked', action: 'deny' },
    { from: 'dmz', to: 'trust', filter: 'admins', service: 'ssh', action: 'permit' },
    { from: 'dmz', to: 'trust', service: 'http', action: 'permit' },
  ],
}

test('a rule with a filter counts for sessions that are granted it, and no others', async t => {
  const plugin = await start(t, FILTERED)
  const ports = async (grant: { filter?: string }) => {
    const policy = await plugin.policy({ ...USER, ...grant }, [ADDRESS])
    assert.ok(!('kind' in policy))
    const to = {
      source: ADDRESS,
      destination: '192.168.1.1',
      protocol: 6,
      direction: 'from-session',
    } as const
    return [22, 80].filter(port => passes(policy.rules, { ...to, port }))
  }
  assert.deepEqual(await ports({}), [80])
  assert.deepEqual(await ports({ filter: 'admins' }), [22, 80])
  assert.deepEqual(await ports({ filter: 'blocked' }), [])
})

test('a filter that nobody keeps to is denied; one that led to a zone, or to rules of another plugin, is kept', async t => {
  const plugin = await start(t, FILTERED)
  const kindOf = async (...asked: Parameters<Harness['policy']>) => {
    const policy = await plugin.policy(...asked)
    return 'kind' in policy ? policy.reason : 'rules'
  }
  const grant = { ...USER, filter: 'gold' }
  assert.equal(await kindOf(grant, [ADDRESS]), 'no rule has the filter "gold"')
  assert.equal(await kindOf({ ...grant, zone: 'dmz' }, [ADDRESS]), 'rules')
  const before = [{ action: 'deny', direction: 'to-session', name: 'gold' }] as const
  assert.equal(await kindOf(grant, [ADDRESS], before), 'rules')
})

async function admission(plugin: Harness, remote: string, local = '2.2.2.2', port = 1701) {
  const { verdict, trail } = await plugin.admitTunnel(
    aTunnel({ local: { address: local, port }, remote: { address: remote, port: 50_000 } }),
  )
  assert.equal(trail.length, 1)
  return verdict?.kind ?? 'pass'
}

test('with the rules of the reference every untrusted peer may dial any address of this host', async t => {
  const plugin = await start(t, { zones: INTRANET })
  for (const remote of ['1.1.1.1', '127.0.0.1', '255.255.255.255', '2001:db8::1', '::1']) {
    assert.equal(await admission(plugin, remote), 'pass', remote)
  }
  assert.equal(await admission(plugin, '1.1.1.1', '2001:db8::2'), 'pass')
  for (const inside of ['192.168.1.7', ADDRESS]) {
    assert.equal(await admission(plugin, inside), 'deny', inside)
  }
})

test('rules to local choose peers, own addresses and ports, in order', async t => {
  const plugin = await start(t, {
    zones: INTRANET,
    rules: [
      { from: 'untrust', to: 'local', source: '1.1.1.128/25', action: 'deny' },
      {
        from: 'untrust',
        to: 'local',
        source: ['1.1.0.0/16'],
        destination: '2.2.2.2',
        service: 'udp/1700-1701',
        action: 'permit',
      },
      { from: 'trust', to: 'local', source: '192.168.1.7', action: 'permit' },
    ],
  })
  assert.equal(await admission(plugin, '1.1.1.1'), 'pass')
  assert.equal(await admission(plugin, '1.1.1.129'), 'deny')
  assert.equal(await admission(plugin, '1.2.1.1'), 'deny')
  assert.equal(await admission(plugin, '1.1.1.1', '2.2.2.3'), 'deny')
  assert.equal(await admission(plugin, '1.1.1.1', '2.2.2.2', 1700), 'pass')
  assert.equal(await admission(plugin, '1.1.1.1', '2.2.2.2', 1699), 'deny')
  assert.equal(await admission(plugin, '1.1.1.1', '2.2.2.2', 1702), 'deny')
  assert.equal(await admission(plugin, '2001:db8::1'), 'deny')
  assert.equal(await admission(plugin, '192.168.1.7'), 'pass')
  assert.equal(await admission(plugin, '192.168.1.8'), 'deny')
})

test('without a rule to local nobody may dial, nor before the start', async t => {
  assert.equal(await admission(await start(t, { zones: INTRANET, rules: [] }), '1.1.1.1'), 'deny')
  const unstarted = await setUpPlugin(policyZones, { options: { zones: INTRANET }, server: server() })
  assert.equal(await admission(unstarted, '1.1.1.1'), 'deny')
})

test('a refusal names the rule, or the zones that no rule joins', async t => {
  const plugin = await start(t, {
    zones: INTRANET,
    rules: [{ name: 'no scanners', from: 'untrust', to: 'local', source: '6.6.6.6', action: 'deny' }],
  })
  const reason = async (remote: string) => {
    const path = { local: { address: '2.2.2.2', port: 1701 }, remote: { address: remote, port: 1 } }
    return (await plugin.admitTunnel(aTunnel(path))).trail[0]?.reason ?? ''
  }
  assert.match(await reason('6.6.6.6'), /"no scanners".*6\.6\.6\.6.*2\.2\.2\.2:1701/)
  assert.match(await reason('192.168.1.1'), /from trust to local/)
})

const permit = (more: object) => ({ zones: INTRANET, rules: [{ action: 'permit', ...more }] })
const inward = (more: object) => permit({ from: 'dmz', to: 'trust', ...more })
const dial = (more: object) => permit({ from: 'untrust', to: 'local', ...more })

/** Options, the code of their error, and where it stands in the config. */
const WRONG: readonly (readonly [name: string, options: object, code: string, path: string])[] = [
  ['a prefix with host bits', { zones: { trust: ['192.168.1.1/24'] } }, 'POLICY_INVALID', 'zones.trust.0'],
  ['a zone of any', { zones: { trust: ['any'] } }, 'POLICY_INVALID', 'zones.trust'],
  ['a zone of own-address', { zones: { trust: ['own-address'] } }, 'POLICY_INVALID', 'zones.trust'],
  ['zone untrust', { zones: { ...INTRANET, untrust: ['1.0.0.0/8'] } }, 'POLICY_INVALID', 'zones.untrust'],
  ['zone local', { zones: { ...INTRANET, local: ['2.2.2.2'] } }, 'POLICY_INVALID', 'zones.local'],
  ['the rules of the reference and no trust', { zones: {} }, 'POLICY_INVALID', 'zones'],
  ['an unknown zone', inward({ to: 'turst' }), 'POLICY_INVALID', 'rules.0.to'],
  ['another unknown zone', inward({ from: 'dnz' }), 'POLICY_INVALID', 'rules.0.from'],
  ['a rule from local to no sessions', inward({ from: 'local' }), 'POLICY_INVALID', 'rules.0.to'],
  ['a source that is no address', inward({ source: 'intranet' }), 'POLICY_INVALID', 'rules.0.source'],
  ['one such in a list', inward({ source: ['any', 'x'] }), 'POLICY_INVALID', 'rules.0.source.1'],
  ['own-address as source', inward({ source: 'own-address' }), 'POLICY_INVALID', 'rules.0.source'],
  ['own-address elsewhere', inward({ destination: 'own-address' }), 'POLICY_INVALID', 'rules.0.destination'],
  ['the pool as own address', dial({ destination: 'pool' }), 'POLICY_INVALID', 'rules.0.destination'],
  ['L2TP over tcp', dial({ service: 'tcp' }), 'POLICY_INVALID', 'rules.0.service'],
  ['L2TP by a name', dial({ service: 'dns' }), 'POLICY_INVALID', 'rules.0.service'],
  ['ports of gre', inward({ service: 'gre/80' }), 'POLICY_INVALID', 'rules.0.service'],
  ['ports backwards', inward({ service: 'tcp/90-80' }), 'POLICY_INVALID', 'rules.0.service'],
  ['a port too large', inward({ service: 'tcp/1-70000' }), 'POLICY_INVALID', 'rules.0.service'],
  ['a port that is none', inward({ service: ['tcp/80', 'tcp/x'] }), 'POLICY_INVALID', 'rules.0.service.1'],
  ['a type of ICMP that is none', inward({ service: 'icmp/pong' }), 'POLICY_INVALID', 'rules.0.service'],
  ['a protocol that is none', inward({ service: 'ip/256' }), 'POLICY_INVALID', 'rules.0.service'],
  ['an unknown service', inward({ service: 'gopher' }), 'POLICY_INVALID', 'rules.0.service'],
  [
    'services of services',
    { zones: INTRANET, services: { web: ['http', 'other'] } },
    'POLICY_INVALID',
    'services.web',
  ],
  ['an unknown set', inward({ source: 'set:servers' }), 'POLICY_INVALID', 'rules.0.source'],
  ['a zone of such a set', { zones: { trust: ['set:servers'] } }, 'POLICY_INVALID', 'zones.trust'],
  ['a set of sets', { zones: INTRANET, sets: { all: ['set:all'] } }, 'POLICY_INVALID', 'sets.all'],
  ['a time that is none', inward({ time: 'Mon-Fri 8-18' }), 'POLICY_INVALID', 'rules.0.time'],
  ['an hour that is none', inward({ time: '24:00-08:00' }), 'POLICY_INVALID', 'rules.0.time'],
  ['a day that is none', inward({ time: 'Mon-Fry' }), 'POLICY_INVALID', 'rules.0.time'],
  [
    'a time zone that is none',
    { zones: INTRANET, timeZone: 'Europe/Bielefeld' },
    'POLICY_INVALID',
    'timeZone',
  ],
  ['users who dial', dial({ users: 'hb@hb' }), 'POLICY_INVALID', 'rules.0.users'],
  ['another action', inward({ action: 'log' }), 'PLUGIN_OPTIONS', 'rules.0.action'],
  ['an unknown option', inward({ form: 'dmz' }), 'PLUGIN_OPTIONS', 'rules.0.form'],
  // Only the pools tell:
  ['a pool that is not there', inward({ source: 'pool:staff' }), 'POLICY_INVALID', ''],
  ['a zone of such a pool', { zones: { ...INTRANET, dmz: ['pool:staff'] }, rules: [] }, 'POLICY_INVALID', ''],
  [
    'a zone of such a pool among others',
    { zones: { dmz: ['pool', 'pool:x'] }, rules: [] },
    'POLICY_INVALID',
    '',
  ],
  ['a source outside its zone', inward({ source: '10.0.0.0/8' }), 'POLICY_INVALID', ''],
  [
    'a destination outside its zone',
    inward({ destination: ['192.168.1.0/25', '10.0.0.1'] }),
    'POLICY_INVALID',
    '',
  ],
  ['a dialling pool', dial({ source: 'pool' }), 'POLICY_INVALID', ''],
  ['a filter of who dials', dial({ filter: 'x' }), 'POLICY_INVALID', 'rules.0.filter'],
  ['overlapping zones', { zones: { trust: ['192.168.1.0/24', '172.16.1.50'] } }, 'POLICY_INVALID', ''],
  ['a pool in two zones', { zones: { ...INTRANET, guests: ['pool:guests'] } }, 'POLICY_INVALID', ''],
]

for (const [name, options, code, path] of WRONG) {
  test(`options with ${name} are refused where they stand`, async () => {
    const loaded = loadPlugin(policyZones, { options, server: server() })
    await assert.rejects(loaded, (error: BurrowError) => {
      assert.deepEqual([error.code, error.place.file], [code, `config at ${path}`], error.message)
      assert.deepEqual(error.also, [])
      return true
    })
  })
}

test('a zone of pools where no plugin gives out addresses is refused', async () => {
  const loaded = loadPlugin(policyZones, { options: { zones: INTRANET, rules: [] } })
  await assert.rejects(loaded, { code: 'POLICY_INVALID' })
})

test('a default zone of the server that is not here is refused', async () => {
  const elsewhere = server()
  elsewhere.defaultZone = 'clients'
  const loaded = loadPlugin(policyZones, { options: { zones: INTRANET }, server: elsewhere })
  await assert.rejects(loaded, ({ code, message }: BurrowError) => {
    return code === 'POLICY_INVALID' && message.includes('clients')
  })
})

test('ports reach from 0 to 65535', async t => {
  const plugin = await start(t, inward({ service: 'tcp/0-65535' }))
  const policy = await plugin.policy(USER, [ADDRESS])
  assert.ok(!('kind' in policy))
  assert.deepEqual(policy.rules[0]?.destinationPorts, [{ from: 0, to: 65_535 }])
})

test('zones and rules have IPv6 as well: pools, prefixes, and what is left over', async t => {
  const made = server()
  made.declarePool('links', [{ address: '2001:db8:1::', length: 48 }])
  const options = {
    zones: { trust: ['192.168.1.0/24', '2001:db8:ff::/64'] },
    rules: [
      { from: 'dmz', to: 'trust', source: 'pool:links', service: 'icmp', action: 'permit' },
      { from: 'trust', to: 'dmz', action: 'permit' },
      { from: 'dmz', to: 'untrust', destination: '2001:db8:2::/48', action: 'deny' },
      { from: 'dmz', to: 'untrust', service: 'tcp/443', action: 'permit' },
    ],
  }
  const plugin = await startPlugin(t, policyZones, { options, server: made })
  const outside = await plugin.policy(USER, [ADDRESS, '2001:db8::/47'])
  assert.ok('kind' in outside && /2001:db8::\/47 is no address of zone dmz/.test(outside.reason))
  const policy = await plugin.policy(USER, [ADDRESS, '2001:db8:1:7::/64'])
  assert.ok(!('kind' in policy))
  const own = '2001:db8:1:7::9'
  const inside = '2001:db8:ff::1'
  const out = (destination: string, protocol: number, port: number): Packet => ({
    direction: 'from-session',
    source: own,
    destination,
    protocol,
    port,
  })
  for (const [packet, passed] of [
    [out(inside, 58, -1), true],
    [out(inside, 6, 443), false],
    [{ ...out(own, 6, 80), direction: 'to-session', source: inside }, true],
    [{ ...out(own, 6, 80), direction: 'to-session', source: '2001:db8:fe::1' }, false],
    [out('2606:4700::1111', 6, 443), true],
    [out('2606:4700::1111', 6, 80), false],
    [out('2001:db8:2::1', 6, 443), false],
    [out('2001:db8:1:8::1', 6, 443), false],
  ] as const)
    assert.equal(passes(policy.rules, packet), passed, JSON.stringify(packet))
})

test('a prefix of IPv6 in two zones is a fault', async t => {
  const options = { zones: { trust: ['2001:db8::/32'], other: ['2001:db8:1::/48'] } }
  await assert.rejects(start(t, options), { code: 'POLICY_INVALID' })
})
