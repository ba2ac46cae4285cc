/** What radius-coa does for a client that is in order: whom a request is about, and what it changes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { GrantChange, RadiusValue } from '../../core/index.ts'
import { nasPort } from '../../plugins/radius-client/session-attributes.ts'
import { CHANGE_ATTRIBUTES } from '../../plugins/radius-coa/changes.ts'
import {
  DISCONNECT_ATTRIBUTES,
  NAS_ATTRIBUTES,
  SESSION_ATTRIBUTES,
} from '../../plugins/radius-coa/identify.ts'
import { ERROR_CAUSE } from '../../plugins/radius-coa/nak.ts'
import { attribute, causeOf, coaScene, TIMEOUT, twoUsers, USER, upSession } from '../support/coa.ts'
import { gate } from '../support/gate.ts'
import { ROOT } from '../support/imports.ts'

const octets = (text: string) => Uint8Array.from(Buffer.from(text))

/** What names Ann, by attribute; `Acct-Multi-Session-Id` is never told, so that it names nobody. */
const ANN: Readonly<Record<string, (up: ReturnType<typeof upSession>) => RadiusValue>> = {
  'Acct-Session-Id': ({ session }) => session.id,
  'User-Name': () => 'ann',
  'Framed-IP-Address': () => '172.16.1.51',
  'Framed-IPv6-Prefix': ({ leases }) => leases[0]?.value ?? '',
  'Delegated-IPv6-Prefix': ({ leases }) => leases[1]?.value ?? '',
  'NAS-Port': ({ session }) => nasPort(session),
  'NAS-Port-Id': ({ session }) => `l2tp 1/${session.localSessionId}`,
  'Calling-Station-Id': () => '1.1.1.1',
  'Called-Station-Id': () => '55551',
  'Tunnel-Client-Endpoint': () => '1.1.1.1',
  'Tunnel-Server-Endpoint': () => '2.2.2.2',
  'Acct-Tunnel-Connection': () => '51',
  'Tunnel-Client-Auth-Id': () => 'LAC',
  'Chargeable-User-Identity': () => octets('ann-0001'),
  Class: () => Uint8Array.of(0xbb, 0x02),
}
const NOBODY: Readonly<Record<string, RadiusValue>> = {
  'Framed-IP-Address': '172.16.1.99',
  'Framed-IPv6-Prefix': '2001:db8:66::/64',
  'Delegated-IPv6-Prefix': '2001:db8:66::/64',
  'NAS-Port': 7,
  'NAS-Port-Type': 0,
  'Chargeable-User-Identity': octets('ann'),
  Class: Uint8Array.of(1),
}
const WITHOUT_NAME = ['NAS-Port-Type', 'Acct-Multi-Session-Id']

for (const name of Object.keys(DISCONNECT_ATTRIBUTES)) {
  test(`${name} identifies the session of a Disconnect-Request, and a wrong one none`, async t => {
    const { ask, server, ann } = await twoUsers(t)
    const about = (value: RadiusValue) =>
      ask('Disconnect-Request', [attribute(name, value), attribute('User-Name', 'ann')])
    assert.equal(causeOf(await about(NOBODY[name] ?? 'nobody')), 503)
    assert.deepEqual(server.ended, [])
    if (WITHOUT_NAME.includes(name)) return
    const value = ANN[name]?.(ann) ?? assert.fail(`no value of ${name}`)
    const answer = await ask('Disconnect-Request', [attribute(name, value)])
    assert.equal(answer.code, 'Disconnect-ACK')
    assert.deepEqual(server.ended, [
      { key: ann.session.key, cause: 'admin-reset', text: 'Disconnect-Request of billing' },
    ])
  })
}

for (const name of Object.keys(SESSION_ATTRIBUTES)) {
  test(`${name} identifies the session of a CoA-Request, and a wrong one none`, async t => {
    const { ask, server, ann } = await twoUsers(t)
    const about = (value: RadiusValue) =>
      ask('CoA-Request', [attribute(name, value), attribute('User-Name', 'ann'), TIMEOUT])
    assert.equal(causeOf(await about(NOBODY[name] ?? 'nobody')), 503)
    assert.deepEqual(server.regranted, [])
    if (WITHOUT_NAME.includes(name)) return
    const value = ANN[name]?.(ann) ?? assert.fail(`no value of ${name}`)
    assert.equal((await ask('CoA-Request', [attribute(name, value), TIMEOUT])).code, 'CoA-ACK')
    assert.deepEqual(server.regranted, [{ key: ann.session.key, change: { sessionTimeoutS: 600 } }])
  })
}

test('a port of the right type helps to identify, and does not by itself', async t => {
  const { ask } = await twoUsers(t)
  const virtual = attribute('NAS-Port-Type', 5)
  assert.equal(causeOf(await ask('CoA-Request', [virtual, TIMEOUT])), 402)
  assert.equal(
    causeOf(await ask('CoA-Request', [virtual, attribute('User-Name', 'ann'), TIMEOUT])),
    'CoA-ACK',
  )
})

test('all attributes that identify must fit, also when each fits some session', async t => {
  const { ask, server, others } = await twoUsers(t)
  const bob = attribute('User-Name', 'bob')
  const asked = (address: string) => ask('Disconnect-Request', [bob, attribute('Framed-IP-Address', address)])
  assert.equal(causeOf(await asked('172.16.1.51')), 503)
  assert.equal(causeOf(await asked('172.16.1.53')), 'Disconnect-ACK')
  assert.deepEqual(
    server.ended.map(({ key }) => key),
    [others[1]?.session.key],
  )
})

test('a user is known by the name of the login, and by the name that it was granted', async t => {
  const { ask, server } = await coaScene(t)
  server.up = [upSession('ann@hq', 51, { grant: { user: 'ann' } })]
  for (const name of ['ann@hq', 'ann'])
    assert.equal(causeOf(await ask('CoA-Request', [attribute('User-Name', name), TIMEOUT])), 'CoA-ACK')
  assert.equal(causeOf(await ask('CoA-Request', [attribute('User-Name', 'ANN'), TIMEOUT])), 503)
})

test('a user whose name is longer than an attribute holds is known by as much of it as the accounting tells', async t => {
  const { ask, server } = await coaScene(t)
  server.up = [upSession('a'.repeat(300), 51)]
  const asked = (letters: number) =>
    ask('CoA-Request', [attribute('User-Name', 'a'.repeat(letters)), TIMEOUT]).then(causeOf)
  assert.deepEqual([await asked(253), await asked(252)], ['CoA-ACK', 503])
})

const NAS: readonly (readonly [string, RadiusValue, number | string])[] = [
  ['NAS-Identifier', 'lns1', 'CoA-ACK'],
  ['NAS-Identifier', 'lns2', 403],
  ['NAS-IP-Address', '2.2.2.2', 'CoA-ACK'],
  ['NAS-IP-Address', '2.2.2.3', 403],
  ['NAS-IPv6-Address', '2001:db8::1', 'CoA-ACK'],
  ['NAS-IPv6-Address', '2001:db8::2', 403],
]
for (const [name, value, outcome] of NAS) {
  test(`${name} ${value}, which is ${outcome === 403 ? "another's" : 'ours'}: ${outcome}`, async t => {
    const { ask, server } = await twoUsers(t)
    server.own = ['2.2.2.2', '2001:db8::1']
    const about = [attribute(name, value), attribute('User-Name', 'ann')]
    assert.equal(causeOf(await ask('CoA-Request', [...about, TIMEOUT])), outcome)
    const expected = outcome === 403 ? 403 : 'Disconnect-ACK'
    assert.equal(causeOf(await ask('Disconnect-Request', about)), expected)
  })
}

const CHANGES: readonly (readonly [string, readonly RadiusValue[], GrantChange | 407])[] = [
  ['Session-Timeout', [900], { sessionTimeoutS: 900 }],
  ['Session-Timeout', [0], 407],
  ['Idle-Timeout', [300], { idleTimeoutS: 300 }],
  ['Idle-Timeout', [0], { idleTimeoutS: undefined }],
  ['Acct-Interim-Interval', [60], { interimIntervalS: 60 }],
  ['Acct-Interim-Interval', [0], 407],
  ['Acct-Interim-Interval', [59], 407],
  ['Class', [octets('\x01\x02'), octets('gold')], { classes: ['0102', '676f6c64'] }],
  ['Filter-Id', ['gold'], { filter: 'gold', zone: 'trust' }],
  ['Filter-Id', ['silver'], { filter: 'silver' }],
  ['Filter-Id', ['gold', 'silver'], 407],
  ['Mikrotik-Rate-Limit', ['512k/2M 1M/4M 0/0 8/8'], { upRateBps: 512_000, downRateBps: 2_000_000 }],
  ['Mikrotik-Rate-Limit', ['1M'], { upRateBps: 1_000_000, downRateBps: 1_000_000 }],
  ['Mikrotik-Rate-Limit', ['0/3M'], { upRateBps: undefined, downRateBps: 3_000_000 }],
  ['Mikrotik-Rate-Limit', ['fast'], 407],
  ['Mikrotik-Rate-Limit', ['1/2/3'], 407],
  ['WISPr-Bandwidth-Max-Up', [128_000], { upRateBps: 128_000 }],
  ['WISPr-Bandwidth-Max-Down', [256_000], { downRateBps: 256_000 }],
  ['WISPr-Bandwidth-Max-Down', [0], { downRateBps: undefined }],
  ['Cisco-AVPair', ['lcp:interface-config#1=rate-limit output 64000 8000 8000'], { downRateBps: 64_000 }],
  ['Cisco-AVPair', ['lcp:interface-config=rate-limit input much'], 407],
]
for (const [name, values, wanted] of CHANGES) {
  test(`${name} ${values.map(String).join(', ')} ${wanted === 407 ? 'is refused' : 'changes the grant'}`, async t => {
    const { ask, server, ann } = await twoUsers(t, { zones: { gold: 'trust' } })
    const about = [attribute('User-Name', 'ann'), ...values.map(value => attribute(name, value))]
    assert.equal(causeOf(await ask('CoA-Request', about)), wanted === 407 ? 407 : 'CoA-ACK')
    const changes = wanted === 407 ? [] : [{ key: ann.session.key, change: wanted }]
    assert.deepEqual(server.regranted, changes)
  })
}

test('each attribute that can be changed has a test', () => {
  const tested = CHANGES.map(([name]) => name)
  for (const name of Object.keys(CHANGE_ATTRIBUTES)) assert.ok(tested.includes(name), name)
})

test('the page has each attribute, and each Error-Cause', () => {
  const page = readFileSync(join(ROOT, 'plugins/radius-coa/README.md'), 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| '))
  const heads = new Set(rows.flatMap(line => (line.split('|')[1] ?? '').split(',').map(name => name.trim())))
  const attributes = [NAS_ATTRIBUTES, DISCONNECT_ATTRIBUTES, CHANGE_ATTRIBUTES].flatMap(Object.keys)
  for (const name of [...attributes, ...Object.values(ERROR_CAUSE).map(String)])
    assert.ok(heads.has(name), `${name} has no row`)
})

test('where a session ends while another one is changed, whoever has its key now is left alone', async t => {
  const { ask, server, others } = await twoUsers(t)
  const [, second = assert.fail()] = others
  server.decideRegrant = () => {
    const stranger = upSession('eve', 99)
    const session = { ...stranger.session, key: second.session.key }
    server.up = [
      ...server.up.filter(({ session: { id } }) => id !== second.session.id),
      { ...stranger, session },
    ]
    return 'changed'
  }
  assert.equal(causeOf(await ask('CoA-Request', [attribute('User-Name', 'bob'), TIMEOUT])), 'CoA-ACK')
  assert.equal(server.regranted.length, 1)
})

test('several attributes change together, the lowest of several limits holds', async t => {
  const { ask, server } = await twoUsers(t)
  const answer = await ask('CoA-Request', [
    attribute('User-Name', 'ann'),
    TIMEOUT,
    attribute('Mikrotik-Rate-Limit', '1M/1M'),
    attribute('WISPr-Bandwidth-Max-Up', 64_000),
  ])
  assert.equal(answer.code, 'CoA-ACK')
  assert.deepEqual(server.regranted[0]?.change, {
    sessionTimeoutS: 600,
    upRateBps: 64_000,
    downRateBps: 1_000_000,
  })
})

test('a zone that a filter led to goes with it, one of another origin stays', async t => {
  const { ask, server, ann } = await twoUsers(t, { zones: { bad: 'quarantine' } })
  const filterTo = (name: string) =>
    ask('CoA-Request', [attribute('User-Name', 'ann'), attribute('Filter-Id', name)])
  const grant = () => server.up.find(({ session }) => session.id === ann.session.id)?.grant
  await filterTo('bad')
  assert.deepEqual([grant()?.filter, grant()?.zone], ['bad', 'quarantine'])
  await filterTo('good')
  assert.deepEqual([grant()?.filter, grant()?.zone], ['good', undefined])
  server.up = [{ ...ann, grant: { user: 'ann', zone: 'staff' } }]
  await filterTo('good')
  assert.deepEqual([grant()?.filter, grant()?.zone], ['good', 'staff'])
})

test('filterIsZone takes a Filter-Id for the name of a zone', async t => {
  const { ask, server } = await twoUsers(t, { filterIsZone: true, zones: { gold: 'trust' } })
  for (const name of ['guests', 'gold'])
    await ask('CoA-Request', [attribute('User-Name', 'ann'), attribute('Filter-Id', name)])
  assert.deepEqual(
    server.regranted.map(({ change }) => change),
    [
      { filter: 'guests', zone: 'guests' },
      { filter: 'gold', zone: 'trust' },
    ],
  )
})

test('Service-Type Framed is what the session has: it stands in nobody’s way', async t => {
  const { ask } = await twoUsers(t)
  assert.equal(causeOf(await ask('CoA-Request', [USER, TIMEOUT, attribute('Service-Type', 2)])), 'CoA-ACK')
})

test('a Disconnect is acknowledged only when the session is gone', async t => {
  const { ask, server, settled } = await twoUsers(t)
  const slow = gate()
  server.beforeEnd = () => slow.opened
  let answered = false
  const answer = ask('Disconnect-Request', [USER]).then(reply => {
    answered = true
    return reply
  })
  await settled()
  assert.equal(answered, false)
  slow.open()
  assert.equal((await answer).code, 'Disconnect-ACK')
  assert.equal(server.up.length, 2)
})

test('an answer has the Proxy-States in order, its time, and why the session ended', async t => {
  const { ask, now } = await twoUsers(t)
  const proxies = ['b', 'a', 'c'].map(text => attribute('Proxy-State', octets(text)))
  const [first, ...others] = proxies
  const text = attribute('Reply-Message', 'you have not paid')
  const ended = await ask('Disconnect-Request', [first ?? text, USER, text, ...others])
  assert.deepEqual(ended.attributes, [attribute('Acct-Terminate-Cause', 6), now(), ...proxies])
  const refused = await ask('CoA-Request', [...proxies, USER, TIMEOUT])
  assert.deepEqual(refused.attributes, [attribute('Error-Cause', 503), now(), ...proxies])
})

test('a request that fits several sessions is about all of them', async t => {
  const { ask, server, others } = await twoUsers(t)
  const bob = attribute('User-Name', 'bob')
  const keys = others.map(({ session }) => session.key)
  assert.equal(causeOf(await ask('CoA-Request', [bob, TIMEOUT])), 'CoA-ACK')
  assert.deepEqual(
    server.regranted.map(({ key }) => key),
    keys,
  )
  assert.equal(causeOf(await ask('Disconnect-Request', [bob])), 'Disconnect-ACK')
  assert.deepEqual(
    server.ended.map(({ key }) => key),
    keys,
  )
})

test('where one of several sessions cannot be changed, none is', async t => {
  const { ask, server } = await twoUsers(t)
  const before = structuredClone(server.up)
  let asked = 0
  server.decideRegrant = () => (++asked === 2 ? { denied: 'not this one' } : 'changed')
  const answer = await ask('CoA-Request', [
    attribute('User-Name', 'bob'),
    TIMEOUT,
    attribute('Filter-Id', 'x'),
  ])
  assert.equal(causeOf(answer), 501)
  assert.equal(asked, 3)
  assert.deepEqual(server.up, before)
})

test('what was done is logged with its source, the user and the session, and no secret', async t => {
  const { ask, plugin, ann } = await twoUsers(t)
  await ask('Disconnect-Request', [USER])
  const line = plugin.log.find(({ message }) => message === 'dynamic authorization: carried out')
  assert.deepEqual(line?.fields, {
    plugin: 'radius-coa',
    request: 'Disconnect-Request',
    from: 'billing',
    user: 'ann',
    id: ann.session.id,
  })
  assert.doesNotMatch(JSON.stringify(plugin.log), /secret-of/)
})
