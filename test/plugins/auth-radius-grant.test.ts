/** What each attribute of an accept does to the grant, or why the session is refused for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aTunnel } from '../../core/testing/samples.ts'
import { HONOURED } from '../../plugins/auth-radius/honoured.ts'
import { TUNNEL_ATTRIBUTES } from '../../plugins/auth-radius/tunnel-fit.ts'
import { type Given, grants, ignores, judge, refuses, type Value } from '../support/grants.ts'

const tested = new Set<string>()
/** A test that is named after its attribute: the table of the README names it. */
function of(attribute: string, run: () => void): void {
  tested.add(attribute)
  test(`${attribute} in an accept`, run)
}

/** An attribute of which one value is granted, in a field. */
function single(attribute: string, field: string, good: Value, ...bad: readonly Value[]): void {
  const { unfit } = HONOURED[attribute] ?? {}
  of(attribute, () => {
    grants([[attribute, good]], { [field]: good })
    for (const value of bad)
      (unfit === 'refuse' ? refuses : ignores)([[attribute, value]], new RegExp(`^${attribute} `))
  })
}

of('Service-Type', () => {
  grants([['Service-Type', 2]], {})
  for (const other of [1, 3, 4, 5, 6, 7, 8, 17, 4711, 'Framed-User'])
    refuses([['Service-Type', other]], /^Service-Type/)
})

of('Framed-Protocol', () => {
  grants([['Framed-Protocol', 1]], {})
  for (const other of [0, 2, 6, 256]) refuses([['Framed-Protocol', other]], /^Framed-Protocol/)
})

of('Framed-IP-Address', () => {
  grants([['Framed-IP-Address', '172.16.1.51']], { address: '172.16.1.51' })
  grants([['Framed-IP-Address', '223.255.255.254']], { address: '223.255.255.254' })
  // The user, or we, select: it is for the pools.
  grants([['Framed-IP-Address', '255.255.255.255']], {})
  grants([['Framed-IP-Address', '255.255.255.254']], {})
  for (const bad of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.253', '10.0.0', new Uint8Array(3)])
    refuses([['Framed-IP-Address', bad]], /^Framed-IP-Address is not/)
})

of('Framed-IP-Netmask', () => {
  const at = (netmask: Value, address = '172.16.3.33'): Given => [
    ['Framed-IP-Netmask', netmask],
    ['Framed-IP-Address', address],
  ]
  grants(at('255.255.255.0'), { address: '172.16.3.33', routes: ['172.16.3.0/24'] })
  grants(at('255.255.255.252'), { address: '172.16.3.33', routes: ['172.16.3.32/30'] })
  grants(at('255.255.255.255'), { address: '172.16.3.33' })
  grants(at('255.255.255.0'), { address: '172.16.3.33' }, { routesNetmask: false })
  for (const bad of ['0.0.0.0', '255.0.255.0', '0.0.0.255', 'x', 24])
    refuses(at(bad), /^Framed-IP-Netmask is not/)
  ignores([['Framed-IP-Netmask', '255.255.255.0']], /without a Framed-IP-Address/)
  const inPool = judge(at('255.255.255.0', '10.9.1.1'))
  assert.deepEqual(inPool.kind === 'grant' && inPool.grant, { address: '10.9.1.1' })
  const onOurLan = judge(at('255.255.255.0', '192.168.1.51'))
  assert.deepEqual(onOurLan.kind === 'grant' && onOurLan.grant, { address: '192.168.1.51' })
})

of('Framed-Route', () => {
  for (const [text, route] of [
    ['192.168.7.0/24 192.168.7.1 1', '192.168.7.0/24'],
    ['192.168.7.0/24 0.0.0.0 1 2 -1 3 400', '192.168.7.0/24'],
    ['192.168.7.0/24', '192.168.7.0/24'],
    ['198.51.100.9/32 0.0.0.0', '198.51.100.9/32'],
    // Classful (RFC 2865 5.22).
    ['192.168.7.0 192.168.7.1 1', '192.168.7.0/24'],
    ['172.31.0.0 0.0.0.0 1', '172.31.0.0/16'],
    ['11.0.0.0 0.0.0.0 1', '11.0.0.0/8'],
  ] as const)
    grants([['Framed-Route', text]], { routes: [route] })
  grants(
    [
      ['Framed-Route', '192.168.8.0/24 0.0.0.0 1'],
      ['Framed-Route', '192.168.7.0/24 0.0.0.0 1'],
      ['Framed-Route', '192.168.8.0/24 0.0.0.0 2'],
    ],
    { routes: ['192.168.8.0/24', '192.168.7.0/24'] },
  )
  for (const bad of [
    '',
    'default',
    '0.0.0.0/0 0.0.0.0 1',
    '192.168.7.1/24 0.0.0.0 1',
    '192.168.7.0/33 0.0.0.0 1',
    '192.168.7.0/24/8',
    '192.168.7.0/24 gateway 1',
    '192.168.7.0/24 0.0.0.0 one',
    '192.168.7.0/-1',
    '192.168.7.1 0.0.0.0 1',
    '224.0.0.0/4 0.0.0.0 1',
    '127.0.0.0/8 0.0.0.0 1',
    '192.168.0.0/16 0.0.0.0 1',
    '10.9.4.0/24 0.0.0.0 1',
    '10.0.0.0/8 0.0.0.0 1',
    '2001:db8::/32 :: 1',
  ])
    ignores([['Framed-Route', bad]], /^Framed-Route /)
})

of('Filter-Id', () => {
  grants([['Filter-Id', 'web-only']], { filter: 'web-only' })
  grants([['Filter-Id', 'staff']], { filter: 'staff', zone: 'trust' })
  grants([['Filter-Id', 'staff']], { filter: 'staff', zone: 'trust' }, { filterIsZone: true })
  grants([['Filter-Id', 'guests']], { filter: 'guests', zone: 'guests' }, { filterIsZone: true })
  grants([['Filter-Id', 'constructor']], { filter: 'constructor' })
  grants(
    [
      ['Filter-Id', 'a'],
      ['Filter-Id', 'a'],
    ],
    { filter: 'a' },
  )
  refuses(
    [
      ['Filter-Id', 'a'],
      ['Filter-Id', 'b'],
    ],
    /another filter/,
  )
  refuses([['Filter-Id', '']], /^Filter-Id/)
})

of('Class', () => {
  grants(
    [
      ['Class', Uint8Array.of(0, 255)],
      ['Class', Uint8Array.of(1)],
      ['Class', Uint8Array.of(0, 255)],
    ],
    { classes: ['00ff', '01', '00ff'] },
  )
})

of('Chargeable-User-Identity', () => {
  const name = 'Chargeable-User-Identity'
  grants([[name, Uint8Array.of(0x68, 0x62)]], { chargeableIdentity: '6862' })
  ignores([[name, Uint8Array.of(0)]], /is a NUL/)
  ignores([[name, new Uint8Array()]], /is a NUL/)
})

single('Framed-MTU', 'mtuBytes', 1280, 0, 64, 575, 65_536, '1280')
single('Session-Timeout', 'sessionTimeoutS', 3600, 0, -1, '60')
single('Port-Limit', 'maxSessions', 2, 0, '2')
single('Framed-Pool', 'pool', 'staff', '', 7)
single('Framed-IPv6-Pool', 'ipv6Pool', 'six', '')
single('Framed-IPv6-Prefix', 'ipv6Prefix', '2001:db8:1::/64', '2001:db8::1/64', '2001:db8::/129', '::/0', 'x')
single('Delegated-IPv6-Prefix', 'delegatedPrefix', '2001:db8:1:100::/56', '2001:db8:1:101::/56', '10.0.0.0/8')

of('Idle-Timeout', () => {
  grants([['Idle-Timeout', 600]], { idleTimeoutS: 600 })
  grants([['Idle-Timeout', 0]], {})
  refuses([['Idle-Timeout', '600']], /^Idle-Timeout/)
})

of('Termination-Action', () => {
  grants([['Termination-Action', 0]], {})
  grants([['Termination-Action', 1]], {})
  ignores([['Termination-Action', 2]], /^Termination-Action/)
})

of('Acct-Interim-Interval', () => {
  grants([['Acct-Interim-Interval', 600]], { interimIntervalS: 600 })
  grants([['Acct-Interim-Interval', 60]], { interimIntervalS: 60 })
  // RFC 2869 5.16: it must not be smaller.
  grants([['Acct-Interim-Interval', 59]], { interimIntervalS: 60 })
  ignores([['Acct-Interim-Interval', 0]], /^Acct-Interim-Interval/)
})

for (const [attribute, field] of [
  ['MS-Primary-DNS-Server', 'dns'],
  ['MS-Secondary-DNS-Server', 'dns'],
  ['MS-Primary-NBNS-Server', 'nbns'],
  ['MS-Secondary-NBNS-Server', 'nbns'],
] as const)
  of(attribute, () => {
    grants([[attribute, '192.0.2.53']], { [field]: ['192.0.2.53'] })
    ignores([[attribute, '0.0.0.0']], new RegExp(`^${attribute} `))
    const [first, second] = [attribute, attribute].map((name, index) =>
      name.replace(/Primary|Secondary/, index === 0 ? 'Primary' : 'Secondary'),
    )
    // Whatever their order.
    grants(
      [
        [String(second), '192.0.2.54'],
        [String(first), '192.0.2.53'],
      ],
      { [field]: ['192.0.2.53', '192.0.2.54'] },
    )
  })

of('DNS-Server-IPv6-Address', () => {
  grants(
    [
      ['DNS-Server-IPv6-Address', '2001:db8:0:0::53'],
      ['DNS-Server-IPv6-Address', '2001:db8::54'],
    ],
    { dns6: ['2001:db8::53', '2001:db8::54'] },
  )
  ignores([['DNS-Server-IPv6-Address', '::']], /^DNS-Server-IPv6-Address/)
  ignores([['DNS-Server-IPv6-Address', '192.0.2.53']], /^DNS-Server-IPv6-Address/)
})

for (const [attribute, value] of [
  ['Callback-Number', '+49'],
  ['Callback-Id', 'home'],
  ['NAS-Filter-Rule', 'permit in ip from any to any'],
  ['MS-Filter', new Uint8Array(32)],
] as const)
  of(attribute, () => refuses([[attribute, value]], new RegExp(`^${attribute} `)))

of('MS-MPPE-Encryption-Policy', () => {
  grants([['MS-MPPE-Encryption-Policy', 1]], {})
  refuses([['MS-MPPE-Encryption-Policy', 2]], /^MS-MPPE-Encryption-Policy/)
})

of('Mikrotik-Rate-Limit', () => {
  for (const [text, up, down] of [
    ['128k/256k', 128_000, 256_000],
    ['2M/10M 4M/20M 2M/10M 8/8 5', 2_000_000, 10_000_000],
    ['1G', 1_000_000_000, 1_000_000_000],
    ['64000/128000', 64_000, 128_000],
  ] as const)
    grants([['Mikrotik-Rate-Limit', text]], { upRateBps: up, downRateBps: down })
  grants([['Mikrotik-Rate-Limit', '0/10M']], { downRateBps: 10_000_000 })
  for (const bad of ['', 'M/M', '1M/2M/3M', '1.5M/2M', '-1/1', '1m/1m', '/1M', '1M/'])
    refuses([['Mikrotik-Rate-Limit', bad]], /^Mikrotik-Rate-Limit/)
})

for (const [attribute, field] of [
  ['WISPr-Bandwidth-Max-Up', 'upRateBps'],
  ['WISPr-Bandwidth-Max-Down', 'downRateBps'],
] as const)
  of(attribute, () => {
    grants([[attribute, 2_000_000]], { [field]: 2_000_000 })
    grants([[attribute, 0]], {})
    for (const bad of ['2M', -1, 0.5]) refuses([[attribute, bad]], new RegExp(`^${attribute} `))
    // The lowest of several limits holds, in whichever order.
    for (const other of ['1M/1M', '3M/3M']) {
      const both: Given = [
        ['Mikrotik-Rate-Limit', other],
        [attribute, 2_000_000],
      ]
      const least = other === '1M/1M' ? 1_000_000 : 2_000_000
      for (const order of [both, [...both].reverse()]) {
        const judged = judge(order)
        assert.equal(judged.kind === 'grant' && judged.grant[field], least)
      }
    }
  })

/** The name of a row, and what stands behind its `=`. */
const pair = (name: string, argument: string, equals = '='): Given => [
  ['Cisco-AVPair', `${name}${equals}${argument}`],
]

of('Cisco-AVPair ip:addr-pool', () => {
  grants(pair('ip:addr-pool', 'staff'), { pool: 'staff' })
  grants(pair('ip:addr-pool', 'staff', '*'), { pool: 'staff' })
  refuses(pair('ip:addr-pool', ''), /^Cisco-AVPair ip:addr-pool/)
  refuses([...pair('ip:addr-pool', 'a'), ...pair('ip:addr-pool', 'b')], /stands twice/)
})

of('Cisco-AVPair ip:route', () => {
  grants(
    [
      ...pair('ip:route', '192.168.7.0 255.255.255.0'),
      ...pair('ip:route#2', '192.168.8.0 255.255.255.128 0.0.0.0 5'),
    ],
    { routes: ['192.168.7.0/24', '192.168.8.0/25'] },
  )
  for (const bad of ['192.168.7.0', '192.168.7.1 255.255.255.0', '0.0.0.0 0.0.0.0', '10.9.0.0 255.255.0.0'])
    ignores(pair('ip:route', bad), /^Cisco-AVPair ip:route/)
})

of('Cisco-AVPair ip:dns-servers', () => {
  grants([...pair('ip:dns-servers', '192.0.2.54 192.0.2.55'), ['MS-Primary-DNS-Server', '192.0.2.53']], {
    dns: ['192.0.2.53', '192.0.2.54', '192.0.2.55'],
  })
  ignores(pair('ip:dns-servers', '192.0.2.54 dns.example'), /^Cisco-AVPair ip:dns-servers/)
})

of('Cisco-AVPair ip:inacl', () => {
  grants(pair('ip:inacl', 'staff'), { filter: 'staff', zone: 'trust' })
  refuses([...pair('ip:inacl', 'a'), ['Filter-Id', 'b']], /another filter/)
})

of('Cisco-AVPair ip:inacl#', () => refuses(pair('ip:inacl#3', 'permit ip any any'), /carries rules/))

of('Cisco-AVPair lcp:interface-config', () => {
  grants(
    [
      ...pair(
        'lcp:interface-config#1',
        'rate-limit input 128000 8000 8000 conform-action transmit exceed-action drop',
      ),
      ...pair('lcp:interface-config#2', 'rate-limit output access-group 101 256000 8000 8000'),
    ],
    { upRateBps: 128_000, downRateBps: 256_000 },
  )
  for (const bad of ['ip access-group 101 in', 'rate-limit input fast', 'rate-limit both 1 1 1'])
    refuses(pair('lcp:interface-config', bad), /^Cisco-AVPair lcp:interface-config/)
})

test('octets that are no value of their attribute refuse what a value of no use refuses', () => {
  const octets = Uint8Array.of(1, 2, 3)
  for (const [number, name] of [
    ['Attr-27', 'Session-Timeout'],
    ['Attr-8', 'Framed-IP-Address'],
    ['Attr-11', 'Filter-Id'],
    ['Attr-64', 'Tunnel-Type'],
    ['Vendor-9-Attr-1', 'Cisco-AVPair'],
    ['Vendor-14988-Attr-8', 'Mikrotik-Rate-Limit'],
  ] as const)
    refuses([[number, octets]], new RegExp(`^${name} is malformed`))
  for (const [number, name] of [
    ['Attr-12', 'Framed-MTU'],
    ['Attr-97', 'Framed-IPv6-Prefix'],
    ['Vendor-311-Attr-28', 'MS-Primary-DNS-Server'],
  ] as const)
    ignores([[number, octets]], new RegExp(`^${name} is malformed`))
  // We would ask nothing of them.
  grants([['Attr-5', octets]], {})
})

test('what of a vendor cannot be taken apart refuses where it may be one of those that are honoured', () => {
  // As the codec has it: a number, and a length that is more than there is.
  const broken = (vendor: number): Given => {
    const octets = Buffer.from([0, 0, 0, 0, 8, 200, 1, 2])
    octets.writeUInt32BE(vendor)
    return [['Attr-26', new Uint8Array(octets)]]
  }
  for (const [vendor, name] of [
    [9, 'Cisco'],
    [311, 'Microsoft'],
    [14_122, 'WISPr'],
    [14_988, 'MikroTik'],
  ] as const)
    refuses(broken(vendor), new RegExp(`^a Vendor-Specific attribute of ${name} is malformed`))
  for (const vendor of [0, 8, 3561, 2 ** 32 - 1]) grants(broken(vendor), {})
  grants([['Attr-26', Uint8Array.of(0, 0, 9)]], {})
})

test('other Cisco-AVPairs and attributes that are not known say nothing', () => {
  for (const text of ['shell:priv-lvl=15', 'ip:sub-qos-policy-in=GOLD', 'no pair', '', 'ip:constructor=1'])
    grants([['Cisco-AVPair', text]], {})
  grants([['Cisco-AVPair', Uint8Array.of(1, 2)]], {})
  for (const name of ['Attr-200', 'Vendor-9-Attr-2', 'constructor', '__proto__', 'State', 'Proxy-State'])
    grants([[name, Uint8Array.of(1)]], {})
})

const TUNNEL: Readonly<Record<keyof typeof TUNNEL_ATTRIBUTES, readonly [fit: Value, ...misfits: Value[]]>> = {
  'Tunnel-Type': [3, 1, 9, 13],
  'Tunnel-Medium-Type': [1, 2, 6],
  'Tunnel-Client-Endpoint': ['1.1.1.1', '1.1.1.2', 'lac.example', ''],
  'Tunnel-Server-Endpoint': ['2.2.2.2', '1.1.1.1'],
  'Tunnel-Client-Auth-Id': ['LAC', 'lac', ''],
}

for (const [attribute, [fit, ...misfits]] of Object.entries(TUNNEL))
  of(attribute, () => {
    grants([[attribute, fit]], {})
    for (const misfit of misfits) {
      refuses([[attribute, misfit]], new RegExp(`another tunnel.*${attribute}`))
      // One set of several is enough, and it must fit as a whole.
      grants(
        [
          [attribute, misfit, 1],
          [attribute, fit, 2],
        ],
        {},
      )
      refuses(
        [
          [attribute, misfit, 1],
          ['Tunnel-Type', 3, 1],
        ],
        /another tunnel/,
      )
    }
  })

test('addresses of a tunnel over IPv6 are compared as addresses', () => {
  const path = {
    local: { address: '2001:db8::2', port: 1701 },
    remote: { address: '2001:db8::1', port: 1701 },
  }
  grants(
    [
      ['Tunnel-Medium-Type', 2],
      ['Tunnel-Client-Endpoint', '2001:0db8:0::1'],
    ],
    {},
    { tunnel: aTunnel(path) },
  )
})

test('of an attribute that may stand once, two that differ are not honoured, and two that are the same are', () => {
  const twice = (name: string, a: Value, b: Value): Given => [
    [name, a],
    [name, b],
  ]
  refuses(twice('Session-Timeout', 60, 61), /stands twice/)
  refuses(twice('Framed-IP-Address', '10.1.1.1', '255.255.255.254'), /stands twice/)
  grants(twice('Session-Timeout', 60, 60), { sessionTimeoutS: 60 })
  // Of the prefixes, of which there may be many, the first counts.
  const two = judge([
    ['Framed-IPv6-Prefix', '2001:db8:1::/64'],
    ['Framed-IPv6-Prefix', '2001:db8:2::/64'],
  ])
  assert.deepEqual(two.kind === 'grant' && two.grant, { ipv6Prefix: '2001:db8:1::/64' })
})

test('what an attribute of a custom dictionary has for a type throws nowhere', () => {
  const values: readonly Value[] = [
    0,
    -1,
    1.5,
    NaN,
    2n ** 64n,
    '',
    '\0',
    '/',
    'fe80::1%eth0',
    'fe80::1%eth0/64',
    new Uint8Array(0),
    new Uint8Array(300),
  ]
  for (const name of [...Object.keys(HONOURED), ...Object.keys(TUNNEL_ATTRIBUTES), 'Cisco-AVPair'])
    for (const value of values) assert.ok(judge([[name, value]]).kind)
})

test('each attribute that is honoured has its test', () => {
  assert.deepEqual([...tested].sort(), [...Object.keys(HONOURED), ...Object.keys(TUNNEL_ATTRIBUTES)].sort())
})
