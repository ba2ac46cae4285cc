/** Zones of interfaces: what the options may say, what the kernel is asked to keep to, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BurrowError } from '../../core/errors.ts'
import type { Prefix } from '../../core/flow.ts'
import type { InterfaceWays } from '../../core/plugin/interfaces.ts'
import { passes } from '../../core/testing/contracts/policy.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { anEnd, aSession } from '../../core/testing/samples.ts'
import { Options } from '../../plugins/policy-zones/config.ts'
import policyZones from '../../plugins/policy-zones/index.ts'
import { routedBy } from '../../plugins/policy-zones/interfaces.ts'
import { Zones } from '../../plugins/policy-zones/zones.ts'

const POOL: readonly Prefix[] = [{ address: '172.16.1.0', length: 24 }]
const ADDRESS = '172.16.1.51'
const USER = { user: 'hb@hb' }

function server(): FakeServer {
  const made = new FakeServer()
  made.declarePool('main', POOL)
  return made
}

const trust = (zone: object, more: object = {}) => ({ zones: { trust: zone, ...more } })

const WRONG: readonly (readonly [name: string, options: object, code: string, path: string])[] = [
  ['no interface', trust({ interfaces: [] }), 'PLUGIN_OPTIONS', 'zones.trust.interfaces'],
  ['a name that is none', trust({ interfaces: ['eth 1'] }), 'PLUGIN_OPTIONS', 'zones.trust.interfaces.0'],
  ['another option', trust({ interfaces: ['eth1'], prefixes: [] }), 'PLUGIN_OPTIONS', 'zones.trust.prefixes'],
  ['no interfaces at all', trust({ addresses: ['10.0.0.0/8'] }), 'PLUGIN_OPTIONS', 'zones.trust.interfaces'],
  [
    'addresses that are none',
    trust({ interfaces: ['eth1'], addresses: ['10.0.0.1/8'] }),
    'POLICY_INVALID',
    'zones.trust.addresses.0',
  ],
  [
    'an unknown set',
    trust({ interfaces: ['eth1'], addresses: ['set:x'] }),
    'POLICY_INVALID',
    'zones.trust.addresses',
  ],
  [
    'an interface in two zones',
    trust({ interfaces: ['eth1'] }, { lab: { interfaces: ['eth2', 'eth1'] } }),
    'POLICY_INVALID',
    'zones.lab.interfaces.1',
  ],
  ['one twice', trust({ interfaces: ['eth1', 'eth1'] }), 'POLICY_INVALID', 'zones.trust.interfaces.1'],
  [
    'interfaces beside a pool',
    trust(['10.0.0.0/8'], { dmz: { interfaces: ['eth1'], addresses: ['pool'] } }),
    'POLICY_INVALID',
    'zones.dmz.interfaces',
  ],
  [
    'interfaces beside a pool of a set',
    {
      ...trust(['10.0.0.0/8'], { x: { interfaces: ['eth1'], addresses: ['set:all'] } }),
      sets: { all: ['pool'] },
    },
    'POLICY_INVALID',
    'zones.x.interfaces',
  ],
  [
    'untrust with addresses',
    trust(['10.0.0.0/8'], { untrust: { interfaces: ['eth0'], addresses: ['1.0.0.0/8'] } }),
    'POLICY_INVALID',
    'zones.untrust',
  ],
  [
    'interfaces of local',
    trust(['10.0.0.0/8'], { local: { interfaces: ['lo'] } }),
    'POLICY_INVALID',
    'zones.local',
  ],
  // Only the server tells:
  ['the interface of sessions', trust({ interfaces: ['burrow0'] }), 'POLICY_INVALID', ''],
]

for (const [name, options, code, path] of WRONG)
  test(`options with ${name} are refused where they stand`, async () => {
    await assert.rejects(loadPlugin(policyZones, { options, server: server() }), (error: BurrowError) => {
      assert.deepEqual([error.code, error.place.file], [code, `config at ${path}`], error.message)
      return true
    })
  })

const texts = (list: readonly Prefix[] = []) => list.map(({ address, length }) => `${address}/${length}`)
const asked = (fake: FakeServer) => [...fake.kept.values()].flat()

test('without interfaces the kernel is asked for nothing', async t => {
  const fake = server()
  await startPlugin(t, policyZones, { options: trust(['10.0.0.0/8']), server: fake })
  assert.deepEqual(asked(fake), [])
})

test('behind an interface are the addresses of its zone, behind others those of zones without, and pools behind none', async t => {
  const fake = server()
  const plugin = await startPlugin(t, policyZones, {
    options: {
      zones: {
        trust: { interfaces: ['eth1', 'eth2'], addresses: ['192.168.0.0/16', '2001:db8::/32'] },
        old: ['10.0.0.0/8'],
        untrust: { interfaces: ['eth0'] },
      },
      rules: [],
    },
    server: fake,
  })
  const [ways, ...more] = asked(fake)
  assert.ok(ways !== undefined && more.length === 0)
  assert.deepEqual(Object.keys(ways.named).sort(), ['eth0', 'eth1', 'eth2'])
  assert.deepEqual(texts(ways.named.eth1), ['192.168.0.0/16', '2001:db8::/32'])
  assert.deepEqual(ways.named.eth2, ways.named.eth1)
  assert.deepEqual(texts(ways.others), ['10.0.0.0/8'])
  assert.ok(texts(ways.named.eth0).includes('8.0.0.0/7'), String(texts(ways.named.eth0)))
  assert.ok(!texts(ways.named.eth0).some(text => text.startsWith('172.16.1.')))
  await plugin.host.stop()
  assert.deepEqual(asked(fake), [], 'it lets go')
})

const ROUTED = {
  zones: { trust: { interfaces: ['eth1'] }, lab: { interfaces: ['eth2'] } },
  rules: [
    { from: 'dmz', to: 'trust', action: 'permit' },
    { from: 'dmz', to: 'lab', service: 'icmp', action: 'permit' },
  ],
}
const net = (address: string, length = 16): Prefix => ({ address, length })
const to = (destination: string, protocol = 6) =>
  ({ direction: 'from-session', source: ADDRESS, destination, protocol, port: 80 }) as const

test('a zone without addresses has what is routed over its interfaces, and no more', async t => {
  const fake = server()
  fake.reach = {
    eth1: [net('10.1.0.0'), net('10.3.0.0'), net('172.16.1.0', 24)],
    eth2: [net('10.2.0.0'), net('10.3.0.0')],
    eth9: [net('10.4.0.0')],
  }
  const plugin = await startPlugin(t, policyZones, { options: ROUTED, server: fake })
  const policy = await plugin.policy(USER, [ADDRESS])
  assert.ok(!('kind' in policy))
  const permitted = ['10.1.0.1', '10.2.0.1', '10.3.0.1', '10.4.0.1', '172.16.1.9'].filter(destination =>
    passes(policy.rules, to(destination)),
  )
  assert.deepEqual(permitted, ['10.1.0.1'], 'what two zones share, and a pool, is of neither')
  assert.ok(passes(policy.rules, to('10.2.0.1', 1)))
  assert.deepEqual(texts(asked(fake)[0]?.named.eth1), ['10.1.0.0/16'])
})

test('when routes change, sessions are told before the kernel lets through what is of another zone', async t => {
  const fake = server()
  fake.reach = { eth1: [net('10.1.0.0'), net('10.5.0.0')], eth2: [net('10.2.0.0')] }
  const plugin = await startPlugin(t, policyZones, { options: ROUTED, server: fake })
  const session = aSession()
  const steps: string[] = []
  const record = (what: string) => {
    const both = asked(fake)
    steps.push(`${what}: ${both.map(ways => texts(ways.named.eth2).join(' ')).join(' and ')}`)
  }
  fake.decideRegrant = () => {
    record('regrant')
    return 'changed'
  }
  fake.up = [
    {
      session,
      grant: USER,
      leases: [],
    } as never,
  ]
  await fake.route({ eth1: [net('10.1.0.0')], eth2: [net('10.2.0.0'), net('10.5.0.0')] })
  record('after')
  assert.deepEqual(steps, [
    'regrant: 10.2.0.0/16 and 10.2.0.0/16 10.5.0.0/16',
    'after: 10.2.0.0/16 10.5.0.0/16',
  ])
  const policy = await plugin.policy(USER, [ADDRESS])
  assert.ok(!('kind' in policy))
  assert.ok(!passes(policy.rules, to('10.5.0.1')))
  assert.ok(passes(policy.rules, to('10.5.0.1', 1)))
  await fake.route(fake.reach)
  assert.equal(steps.length, 2, 'the same routes are no change')
})

test('while a login that began before may still come up, what is of another zone passes nowhere', async t => {
  const fake = server()
  fake.reach = { eth1: [net('10.5.0.0')] }
  const plugin = await startPlugin(t, policyZones, { options: ROUTED, server: fake })
  const session = aSession()
  const decide = (decided = session) =>
    plugin.host.hooks.refine(
      'decidePolicy',
      plugin.inquiry(),
      { zone: 'dmz', rules: [] },
      {
        session: decided,
        grant: USER,
        leases: [{ owner: 'pool', kind: 'ipv4', value: ADDRESS, id: ADDRESS }],
      },
    )
  await decide()
  await fake.route({ eth2: [net('10.5.0.0')] })
  await plugin.clock.advance(5000)
  assert.equal(asked(fake).length, 2)
  await plugin.tell('sessionUp', { ...anEnd(session), grant: USER })
  assert.deepEqual(fake.regranted, [{ key: session.key, change: {} }], 'it is decided on again')
  await plugin.clock.advance(1000)
  assert.deepEqual(asked(fake).length, 1)

  await decide(aSession())
  await fake.route({ eth1: [net('10.5.0.0')] })
  await plugin.clock.advance(200_000)
  assert.equal(asked(fake).length, 2)
  await plugin.clock.advance(200_000)
  assert.equal(asked(fake).length, 1, 'it never came up')
})

test('a session that may not have its address any more ends', async t => {
  const fake = server()
  fake.reach = { eth1: [net('10.5.0.0')] }
  await startPlugin(t, policyZones, { options: ROUTED, server: fake })
  const session = aSession()
  fake.up = [{ ...anEnd(session), grant: USER } as never]
  fake.decideRegrant = () => ({ denied: 'no address of its zone' })
  await fake.route({})
  assert.deepEqual(fake.ended, [{ key: session.key, cause: 'admin-reset', text: 'no address of its zone' }])
})

test('what the kernel does not keep to ends the start', async t => {
  const fake = server()
  fake.beforeKeep = async () => {
    throw new Error('no')
  }
  await assert.rejects(startPlugin(t, policyZones, { options: ROUTED, server: fake }))
})

test('a check warns of what is not there, and of a host without nftables', async () => {
  const fake = server()
  const zones = { trust: { interfaces: ['eth1', 'eth7'] } }
  fake.interfaceProblem = 'the program nft is missing'
  const { log } = await loadPlugin(policyZones, { options: { zones }, server: fake })
  const warnings = log.filter(({ level }) => level === 'warn').map(({ message }) => message)
  assert.deepEqual(warnings, [
    'zone trust: there is no interface eth7 yet',
    'zones of interfaces are kept by rules of routing in the place of nftables: the program nft is missing',
  ])
})

test('of any zones, what fits is what comes by an interface of its own zone: neither the address nor the interface alone', () => {
  const names = ['a', 'b', 'c'] as const
  const devices = ['eth0', 'eth1', 'eth2', 'eth3'] as const
  const zone = fc.record({
    hasAddresses: fc.boolean(),
    takes: fc.subarray([...devices]),
  })
  const zones = fc.tuple(zone, zone, zone, fc.boolean())
  const reach = fc.array(fc.constantFrom(...devices), { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(zones, reach, fc.nat(7), fc.constantFrom(...devices), (made, routes, block, device) => {
      // Zone i lists 10.i.0.0/16; 10.(4+j).0.0/16 is routed over the device that `routes` has at j.
      const taken = new Set<string>()
      const options: Record<string, unknown> = {}
      const interfacesOf = new Map<string, readonly string[]>()
      const listed = new Map<string, boolean>()
      for (const [index, name] of names.entries()) {
        const { hasAddresses, takes } = made[index] as {
          readonly hasAddresses: boolean
          readonly takes: readonly string[]
        }
        const interfaces = takes.filter(one => !taken.has(one))
        for (const one of interfaces) taken.add(one)
        interfacesOf.set(name, interfaces)
        listed.set(name, hasAddresses || interfaces.length === 0)
        const addresses = [`10.${index}.0.0/16`]
        options[name] =
          interfaces.length === 0 ? addresses : { interfaces, ...(hasAddresses ? { addresses } : {}) }
      }
      const left = devices.filter(one => !taken.has(one))
      const untrust = made[3] ? left : []
      if (untrust.length > 0) options.untrust = { interfaces: untrust }
      interfacesOf.set('untrust', untrust)
      const { zones: parsed } = Options.parse({ zones: options, rules: [] })
      const over: Record<string, Prefix[]> = {}
      for (const [index, one] of routes.entries()) {
        over[one] ??= []
        over[one].push(net(`10.${4 + index}.0.0`))
      }
      const read = new Zones(parsed, new Map([['main', POOL]]), {}, routedBy(parsed, over))
      const ways = read.ways()

      const zoneOfAddress = (): string => {
        if (block < names.length && listed.get(names[block] ?? '')) return names[block] ?? ''
        const way = routes[block - 4]
        return (
          names.find(name => !listed.get(name) && interfacesOf.get(name)?.includes(way ?? '')) ?? 'untrust'
        )
      }
      const home = zoneOfAddress()
      const own = interfacesOf.get(home) ?? []
      const named = [...interfacesOf.values()].flat()
      const wanted = own.length > 0 ? own.includes(device) : !named.includes(device)
      if (named.length === 0) assert.equal(ways, undefined)
      else assert.equal(isBehind(ways, device, block), wanted, `${home} ${device} 10.${block}`)
      assert.equal(read.zoneOf(`10.${block}.0.1`), home)
    }),
    { numRuns: 500 },
  )
})

function isBehind(ways: InterfaceWays | undefined, device: string, block: number): boolean {
  const list = ways?.named[device] ?? ways?.others ?? []
  const address = 10 * 2 ** 24 + block * 2 ** 16 + 1
  return list.some(({ address: text, length }) => {
    const parts = text.split('.').map(Number)
    if (parts.length !== 4) return false
    const first = parts.reduce((number, part) => number * 256 + part, 0)
    return first <= address && address < first + 2 ** (32 - length)
  })
}
