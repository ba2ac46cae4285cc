/** auth-ldap and its servers: TLS, who we are to them, servers that fail in every way and come back. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import type { Proof } from '../../core/hooks/views.ts'
import { type Harness, type PluginSetting, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, papProof } from '../../core/testing/proofs.ts'
import authLdap from '../../plugins/auth-ldap/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { type Relay, startRelay } from '../support/relay.ts'
import { PEOPLE, SERVICE, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('directories')
/** Of a test in which virtual time stands still. */
const LIMITS = { skip, timeout: 30_000 }
const RIGHT = 'secret#erin'
let slapd: Slapd
if (skip === false) slapd = await startSlapd({ after })

const optionsOf = (more: object = {}) => {
  const options = {
    urls: [slapd.url],
    service: SERVICE,
    base: PEOPLE,
    methods: ['pap', 'chap-md5'],
    clearTextAttribute: 'userPassword',
    ...more,
  }
  // What is undefined is not there.
  return JSON.parse(JSON.stringify(options))
}
const start = (t: TestContext, more: object = {}, setting: PluginSetting = {}) =>
  startPlugin(t, authLdap, { options: optionsOf(more), ...setting })
const withoutService = { service: undefined, methods: ['pap'], clearTextAttribute: undefined }

async function login(plugin: Harness, proof: Proof = papProof(RIGHT), user = 'erin') {
  const { verdict, trail } = await plugin.authenticate(user, proof)
  return { kind: verdict?.kind ?? 'pass', reason: trail[0]?.reason ?? '' }
}

const portOf = (url: string) => Number(new URL(url).port)
const urlOf = ({ port }: Relay) => `ldap://127.0.0.1:${port}`
const messages = (plugin: Harness) => plugin.log.map(({ message }) => message)
const ca = () => join(slapd.folder, 'ca.pem')

test('ldaps and StartTLS are verified: by the CA, and by the name', LIMITS, async t => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  for (const how of [{ urls: [slapd.ldaps] }, { startTls: true }]) {
    const kindWith = async (more: object) => {
      const plugin = await start(t, { ...how, ...more })
      return login(plugin)
    }
    assert.equal((await kindWith({ caFile: ca() })).kind, 'accept')
    assert.equal((await kindWith({ caFile: ca(), serverName: 'hooks.example' })).kind, 'accept')
    const stranger = await kindWith({})
    assert.equal(stranger.kind, 'unavailable')
    assert.match(stranger.reason, /^temporary failure: ldaps?:\/\/127\.0\.0\.1:\d+: .*certificate/)
    const other = await kindWith({ caFile: ca(), serverName: 'other.example' })
    assert.equal(other.kind, 'unavailable')
    assert.match(other.reason, /does not match certificate's altnames/)
  }
})

test(
  'StartTLS comes first on every connection, also after one was lost; no password goes in the clear',
  LIMITS,
  async t => {
    const relay = await startRelay(t, portOf(slapd.url))
    const plugin = await start(t, { urls: [urlOf(relay)], startTls: true, caFile: ca() })
    for (let round = 0; round < 3; round++) {
      assert.equal((await login(plugin)).kind, 'accept')
      assert.equal((await login(plugin, chapProof(RIGHT))).kind, 'accept')
      relay.cut()
    }
    const sent = relay.sent().toString('latin1')
    assert.equal(sent.split('1.3.6.1.4.1.1466.20037').length - 1, relay.connections())
    assert.ok(relay.connections() >= 6)
    for (const secret of [RIGHT, SERVICE.password]) assert.ok(!sent.includes(secret))
  },
)

test('our certificate is who we are, and so is our process over a local socket', LIMITS, async t => {
  const own = {
    caFile: ca(),
    certFile: join(slapd.folder, 'client.pem'),
    keyFile: join(slapd.folder, 'client.key'),
  }
  const service = { external: true }
  for (const more of [{ urls: [slapd.ldaps], ...own }, { startTls: true, ...own }, { urls: [slapd.ldapi] }]) {
    const plugin = await start(t, { service, ...more })
    // Nobody else may read the attribute.
    assert.equal((await login(plugin, chapProof(RIGHT))).kind, 'accept', JSON.stringify(more))
  }
  const anonymous = await start(t, { service: { anonymous: true } })
  assert.match((await login(anonymous, chapProof(RIGHT))).reason, /no password in clear text in userPassword/)
})

test('whoever dials as EXTERNAL is not let in by who we are', LIMITS, async t => {
  const by = { urls: [slapd.ldapi], ...withoutService, bindAs: '{account}', nameCase: 'exact' }
  const plugin = await start(t, by)
  // What a SASL bind would take for whom to be.
  for (const password of [`dn:${SERVICE.dn}`, 'x'])
    for (const user of ['EXTERNAL', 'PLAIN']) {
      const { kind, reason } = await login(plugin, papProof(password), user)
      assert.equal(kind, 'reject')
      assert.match(reason, new RegExp(`Code: 0x22\\) \\(bind as ${user} at `), 'it is no DN')
    }
})

test(
  'a service account that is refused is a boot error; a server that is not there is none',
  LIMITS,
  async t => {
    const wrong = start(t, { service: { ...SERVICE, password: 'wrong' } })
    await assert.rejects(wrong, { code: 'LDAP_SERVICE' })
    const relay = await startRelay(t, portOf(slapd.url))
    await relay.down()
    const plugin = await start(t, { urls: [urlOf(relay)] })
    assert.deepEqual(messages(plugin), [
      'a directory server fails; it is left alone for a while',
      'no directory server can be reached',
    ])
    const { kind, reason } = await login(plugin)
    assert.equal(kind, 'unavailable')
    assert.match(reason, /^temporary failure: ldap:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/)
    await relay.up()
    assert.equal((await login(plugin)).kind, 'accept')
    assert.equal(messages(plugin).at(-1), 'a directory server answers again')
  },
)

test('many who meet a lost connection wait for one new one, and all come in', LIMITS, async t => {
  const relay = await startRelay(t, portOf(slapd.url))
  const plugin = await start(t, { urls: [urlOf(relay)] })
  for (let round = 0; round < 5; round++) {
    const before = relay.connections()
    relay.cut()
    const logins = Array.from({ length: 50 }, () => login(plugin, chapProof(RIGHT)))
    for (const { kind, reason } of await Promise.all(logins)) assert.equal(kind, 'accept', reason)
    assert.equal(relay.connections() - before, 1)
  }
})

test('passwords go over a bounded number of connections, and few wait', LIMITS, async t => {
  const relay = await startRelay(t, portOf(slapd.url))
  const plugin = await start(t, { urls: [urlOf(relay)], bindConnections: 2 })
  const logins = Array.from({ length: 60 }, () => login(plugin, papProof(RIGHT)))
  for (const { kind } of await Promise.all(logins)) assert.equal(kind, 'accept')
  assert.ok(relay.connections() <= 3, `${relay.connections()} connections`)
  const narrow = await start(t, { bindConnections: 1, bindsWaiting: 0, bindFailures: 0 })
  const both = await Promise.all([login(narrow), login(narrow)])
  assert.deepEqual(both.map(({ kind }) => kind).sort(), ['accept', 'unavailable'])
  assert.ok(both.some(({ reason }) => /0 logins wait for a bind already; see bindConnections/.test(reason)))
})

for (const [method, prove] of [
  ['PAP', papProof],
  ['CHAP', chapProof],
] as const) {
  test(
    `${method}: the next server is asked while one is gone, and the first again when it is back`,
    LIMITS,
    async t => {
      const first = await startRelay(t, portOf(slapd.url))
      const second = await startRelay(t, portOf(slapd.url))
      const plugin = await start(t, { urls: [urlOf(first), urlOf(second)], deadTimeMs: 10_000 })
      const where = async () => {
        const { kind, reason } = await login(plugin, prove(RIGHT))
        assert.equal(kind, 'accept', reason)
        const [url] = reason.split('; ')
        return url === urlOf(first) ? 'first' : url === urlOf(second) ? 'second' : reason
      }
      assert.equal(await where(), 'first')
      await first.down()
      assert.equal(await where(), 'second')
      await first.up()
      assert.equal(await where(), 'second', 'it is left alone for a while')
      await plugin.clock.advance(10_000)
      await until('the first again', async () => (await where()) === 'first')
      await second.down()
      assert.equal(await where(), 'first')
      assert.deepEqual(
        messages(plugin).filter(message => /answers again/.test(message)),
        ['a directory server answers again'],
      )
    },
  )

  test(
    `${method}: a server that hangs within a call is given up, and the next one answers`,
    LIMITS,
    async t => {
      const first = await startRelay(t, portOf(slapd.url))
      const second = await startRelay(t, portOf(slapd.url))
      const plugin = await start(t, { urls: [urlOf(first), urlOf(second)], timeoutMs: 1000 })
      await login(plugin, prove(RIGHT))
      first.hang()
      const asked = login(plugin, prove(RIGHT))
      await plugin.clock.advance(1000)
      const { kind, reason } = await asked
      assert.equal(kind, 'accept', reason)
      assert.equal((await login(plugin, prove('guess'))).kind, 'reject')
    },
  )

  test(
    `${method}: a directory that is gone is a temporary failure which names it, whatever the password`,
    LIMITS,
    async t => {
      const relay = await startRelay(t, portOf(slapd.url))
      const plugin = await start(t, { urls: [urlOf(relay)] })
      await login(plugin, prove(RIGHT))
      relay.hang()
      for (const secret of [RIGHT, 'guess']) {
        const { kind, reason } = await plugin.clock.settled('an answer', login(plugin, prove(secret)), 9000)
        assert.equal(kind, 'unavailable')
        assert.match(
          reason,
          new RegExp(`temporary failure: .*${urlOf(relay)}: .*(?:was not answered|no connection) within`),
        )
      }
      await plugin.clock.advance(20_000)
      assert.equal(plugin.clock.pending, 0)
    },
  )
}

test('a replica serves while the first server is killed, and until it is back', LIMITS, async t => {
  const first = await startSlapd(t)
  const replica = await startSlapd(t, { of: first })
  const plugin = await start(t, { urls: [first.url, replica.url], deadTimeMs: 1000 })
  let run = true
  const kinds = new Map<string, number>()
  const servers = new Set<string>()
  const stream = async (proof: () => Proof, expected: string) => {
    while (run) {
      const { kind, reason } = await login(plugin, proof(), 'erin')
      assert.equal(kind, expected, reason)
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      servers.add(reason.split('; ')[0] ?? '')
    }
  }
  const more = (count: number) => {
    const before = kinds.get('accept') ?? 0
    return until(`${count} logins`, () => (kinds.get('accept') ?? 0) >= before + count)
  }
  const streams = [
    stream(() => papProof(RIGHT), 'accept'),
    stream(() => chapProof(RIGHT), 'accept'),
    stream(() => chapProof('guess'), 'reject'),
  ]
  await more(50)
  await first.kill()
  await more(50)
  assert.deepEqual([...servers].sort(), [first.url, replica.url].sort())
  await first.start()
  servers.clear()
  await until('the first server again', async () => {
    await plugin.clock.advance(1000)
    return servers.has(first.url)
  })
  run = false
  await Promise.all(streams)
})

test('referrals are told, and not followed', LIMITS, async t => {
  const away = `ou=away,${PEOPLE}`
  await slapd.admin(client =>
    client.add(away, {
      objectClass: ['referral', 'extensibleObject'],
      ou: 'away',
      ref: `ldap://elsewhere.test/${away}`,
    }),
  )
  const { Control } = await import('ldapts')
  t.after(() =>
    slapd.admin(client => client.del(away, new Control('2.16.840.1.113730.3.4.2', { critical: true }))),
  )
  const plugin = await start(t, { unknownUser: 'reject' })
  const { kind, reason } = await login(plugin, papProof('x'), 'nobody')
  assert.equal(kind, 'reject')
  assert.match(
    reason,
    /; referred to ldap:\/\/elsewhere\.test\/ou=away.*, which is not followed; unknown user$/,
  )
  assert.equal((await login(plugin)).kind, 'accept')
  const lost = await start(t, { base: away })
  const elsewhere = await login(lost)
  assert.equal(elsewhere.kind, 'unavailable')
  assert.match(elsewhere.reason, /a referral to another server, which is not followed/)
})

test('a base that is not there is a fault of ours, and no answer about a user', LIMITS, async t => {
  const plugin = await start(t, { base: `ou=nowhere,${SUFFIX}` })
  const { kind, reason } = await login(plugin)
  assert.equal(kind, 'unavailable')
  assert.match(reason, /a search: .*Code: 0x20/)
  assert.deepEqual(messages(plugin), [])
})
