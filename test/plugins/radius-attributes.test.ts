/** Every RADIUS attribute in every direction, against FreeRADIUS and its radclient. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { FakeServer } from '../../core/testing/fake-server.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import type { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import authRadius from '../../plugins/auth-radius/index.ts'
import radiusCoa from '../../plugins/radius-coa/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { type DetailRecord, type Freeradius, radclient, startFreeradius } from '../support/freeradius.ts'
import {
  ACCEPTED,
  ACCOUNTED,
  ANSWERED,
  type Asked,
  CHANGED,
  DISCONNECTED,
  identifying,
  named,
  REQUESTED,
  SIGNED,
  UNDECIDED,
} from '../support/radius-attribute-cells.ts'
import { pap, radiusClientWith, serverOptions, startRadiusClient } from '../support/radius-client.ts'
import { MUCH_TRAFFIC } from '../support/traffic.ts'

const skip = skipWithout('radius')
const USER = 'hb@hb'
const PASSWORD = 'admin@123'
const SECRET = 'secret-of-the-billing'
// Packets of real servers come in real time.
const clock = nodeClock as unknown as VirtualClock
const IDENTITY = { nasIdentifier: 'lns1', nasIpAddress: '192.0.2.7', nasIpv6Address: '2001:db8::7' }

const SESSION = aSession({
  id: '00112233445566ff',
  user: USER,
  localSessionId: 77,
  calledNumber: '0800',
  txConnectSpeedBps: 10_000_000,
  callSerialNumber: 4711,
})

const clientOf = (server: Freeradius) => radiusClientWith({ servers: [serverOptions(server)], ...IDENTITY })

/** All values of an attribute, or undefined; FreeRADIUS writes tags behind names. */
const saidOf = (record: DetailRecord, name: string): string | undefined =>
  (record[name] ?? record[`${name}:0`])?.join()

function fits(value: string | undefined, said: string | RegExp): void {
  if (typeof said === 'string') assert.equal(value, said)
  else assert.match(value ?? '', said)
}

/** What FreeRADIUS adds by itself. */
const ADDED = /^(Timestamp|Tmp-.*|Packet-.*|FreeRADIUS-.*|Acct-Unique-Session-Id|Event-Timestamp)$/
const told = (record: DetailRecord) =>
  Object.keys(record)
    .filter(name => !ADDED.test(name))
    .map(name => name.replace(/:\d+$/, ''))

test('what is sent in an Access-Request', { skip }, async t => {
  const users = {
    [USER]: { password: PASSWORD },
    carol: { password: 'pw', challenge: { message: 'the code?', answer: '4711' } },
  }
  const server = await startFreeradius(t, { users })
  const plugin = await startPlugin(t, authRadius, {
    before: [clientOf(server)],
    clock,
    options: { chargeableIdentity: true },
  })
  const data = Buffer.from(USER)
  const packet = encodeEap({ kind: 'response', identifier: 1, type: EAP_TYPE.IDENTITY, data })
  const records: Record<string, DetailRecord | undefined> = {}
  for (const [login, proof] of Object.entries({
    pap: papProof(PASSWORD),
    chap: chapProof(PASSWORD),
    mschapv2: mschapv2Proof(PASSWORD, USER),
    eap: createProof({ method: 'eap', identity: USER, packet, mtuBytes: 1500 }),
  })) {
    await plugin.authenticate(USER, proof, { session: SESSION })
    records[login] = server.requests().at(-1)
  }
  const { verdict } = await plugin.authenticate('carol', papProof('pw'), { session: SESSION })
  assert.ok(verdict?.kind === 'continue')
  await plugin.authenticate('carol', papProof('4711'), { session: SESSION, round: 1, state: verdict.state })
  records.challenge = server.requests().at(-1)
  for (const [name, { login, said }] of Object.entries(REQUESTED))
    await t.test(named(name, 'Access-Request'), () => fits(saidOf(records[login] ?? {}, name), said))
  await t.test('and nothing else', () => {
    const all = Object.values(records).flatMap(record => told(record ?? {}))
    assert.deepEqual(
      all.filter(name => !Object.hasOwn(REQUESTED, name)),
      [],
    )
  })
})

test('what is honoured in an Access-Accept', { skip }, async t => {
  const rows = Object.entries(ACCEPTED)
  const users = Object.fromEntries(
    rows.map(([, { reply }], index) => [`u${index}`, { password: PASSWORD, reply }]),
  )
  const server = await startFreeradius(t, { users })
  const plugin = await startPlugin(t, authRadius, { before: [clientOf(server)], clock })
  for (const [index, [name, { grant = {}, user = `u${index}`, message, refuses }]] of rows.entries())
    await t.test(named(name, 'Access-Accept'), async () => {
      const { verdict } = await plugin.authenticate(`u${index}`, papProof(PASSWORD), { session: SESSION })
      if (refuses) {
        assert.ok(verdict?.kind === 'reject', inspect(verdict))
        assert.match(verdict.reason, new RegExp(`accepts, but .*${name.replace(/#$/, '')}`))
      } else
        assert.deepEqual(verdict, {
          kind: 'accept',
          user,
          grant,
          ...(message === undefined ? {} : { message }),
        })
    })
})

test('what is taken of an answer that is no accept', { skip }, async t => {
  const carol = { password: 'pw', challenge: { message: 'the code?', answer: '4711' } }
  const dave = { check: ['Auth-Type := Reject'], reply: ['Reply-Message = "Out of money"'] }
  const server = await startFreeradius(t, { users: { carol, dave } })
  const plugin = await startPlugin(t, authRadius, { before: [clientOf(server)], clock })
  for (const [direction, user] of [
    ['Access-Challenge', 'carol'],
    ['Access-Reject', 'dave'],
  ] as const) {
    const { verdict } = await plugin.authenticate(user, papProof('pw'), { session: SESSION })
    assert.equal(verdict?.kind, user === 'carol' ? 'continue' : 'reject')
    for (const [name, told] of Object.entries(UNDECIDED[direction]))
      await t.test(named(name, direction), () => assert.match(inspect(verdict), told))
  }
})

test('what an answer must have', { skip }, async t => {
  const logins = {
    'Access-Challenge': 'carol',
    'Access-Accept': 'ann',
    'Access-Reject': 'nobody',
  }
  const users = {
    ann: { password: 'pw' },
    carol: { password: 'pw', challenge: { message: 'the code?', answer: '4711' } },
  }
  const server = await startFreeradius(t, { users, messageAuthenticator: 'stock' })
  const options = serverOptions(server, { timeoutMs: 1000 })
  const strict = await startRadiusClient(t, { servers: [options] })
  const lax = await startRadiusClient(t, { servers: [{ ...options, requireMessageAuthenticator: false }] })
  for (const direction of SIGNED)
    await t.test(named('Message-Authenticator', direction), async () => {
      const question = pap(logins[direction], 'pw')
      const taken = await lax.client.ask(question)
      assert.equal(taken.kind === 'reply' && taken.code, direction)
      const before = strict.plugin.log.length
      assert.equal((await strict.client.ask(question)).kind, 'unavailable')
      const line = strict.plugin.log
        .slice(before)
        .find(({ fields }) => fields.code === 'RADIUS_NO_MESSAGE_AUTHENTICATOR')
      assert.equal(line?.level, 'error')
    })
})

test('what is sent in an Accounting-Request', { skip }, async t => {
  const server = await startFreeradius(t)
  const plugin = await loadPlugin(accountingRadius, {
    options: { spool: 'spool' },
    configDir: aFolder(t),
    before: [clientOf(server)],
    clock,
  })
  t.after(() => plugin.host.stop())
  const end = anEnd(SESSION, {
    grant: { user: USER, classes: ['00ff', '61'], chargeableIdentity: '6862' },
    leases: LEASES,
    counters: MUCH_TRAFFIC,
    durationMs: 61_734,
    reason: { cause: 'idle-timeout' },
  })
  await plugin.host.start()
  await plugin.tell('sessionUp', end)
  await plugin.tell('sessionDown', end)
  await plugin.host.stop()
  const stop = server.detail().find(record => saidOf(record, 'Acct-Status-Type') === 'Stop') ?? {}
  for (const [name, said] of Object.entries(ACCOUNTED))
    await t.test(named(name, 'Accounting-Request'), () => fits(saidOf(stop, name), said))
  await t.test('and nothing else', () =>
    assert.deepEqual(
      server
        .detail()
        .flatMap(told)
        .filter(name => !Object.hasOwn(ACCOUNTED, name)),
      [],
    ),
  )
})

const LEASES = [
  { owner: 'pool', kind: 'ipv4', value: '172.16.1.51', id: '1' },
  { owner: 'pool', kind: 'ipv6-prefix', value: '2001:db8:1:33::/64', id: '2' },
  { owner: 'pool', kind: 'delegated-prefix', value: '2001:db8:a::/56', id: '3' },
] as const

/** radius-coa with one session that is up, and radclient. */
async function dynamicScene(t: TestContext) {
  const server = new FakeServer()
  const plugin = await startPlugin(t, radiusCoa, {
    before: [
      radiusClientWith({
        servers: [{ address: '127.0.0.1', secret: 'unused', statusServer: false }],
        ...IDENTITY,
      }),
    ],
    clock,
    server,
    options: { address: '127.0.0.1', port: 0, sources: [{ address: '127.0.0.1', secret: SECRET }] },
  })
  const port = Number(plugin.log.find(({ message }) => message.startsWith('takes CoA-Requests'))?.fields.port)
  return async (kind: 'coa' | 'disconnect', { lines, answer, cause, grant }: Asked) => {
    const network = {
      localAddress: '172.16.1.1',
      peerAddress: '172.16.1.51',
      dns: [],
      nbns: [],
      mtuBytes: 1400,
    }
    server.up = [
      {
        ...anEnd(SESSION),
        network,
        leases: LEASES,
        grant: { user: USER, classes: ['00ff', '61'], chargeableIdentity: '6862' },
      },
    ]
    server.ended.length = 0
    server.regranted.length = 0
    const timed = lines.some(line => line.startsWith('Event-Timestamp'))
      ? lines
      : [...lines, `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`]
    const asked = { port, secret: SECRET, kind, attributes: timed, timeoutS: answer === 'none' ? 1 : 5 }
    const { code, attributes, output } = await radclient(asked)
    const kindName = kind === 'coa' ? 'CoA' : 'Disconnect'
    assert.equal(code, answer === 'none' ? undefined : `${kindName}-${answer}`, output)
    assert.deepEqual(attributes['Error-Cause'], cause === undefined ? undefined : [cause])
    const proxied = lines.flatMap(line => /^Proxy-State = (.*)/.exec(line)?.[1] ?? [])
    assert.deepEqual(attributes['Proxy-State'] ?? [], answer === 'none' ? [] : proxied)
    assert.equal(server.ended.length, kind === 'disconnect' && answer === 'ACK' ? 1 : 0)
    assert.equal(server.regranted.length, kind === 'coa' && answer === 'ACK' ? 1 : 0)
    const changed: Readonly<Record<string, unknown>> = { ...server.regranted[0]?.change }
    for (const [field, value] of Object.entries(grant ?? {})) assert.deepEqual(changed[field], value)
    return attributes
  }
}

for (const [direction, kind, more, rows] of [
  ['Disconnect-Request', 'disconnect', [], DISCONNECTED],
  ['CoA-Request', 'coa', ['Session-Timeout = 600'], CHANGED],
] as const)
  test(`what a ${direction} may say`, { skip }, async t => {
    const ask = await dynamicScene(t)
    const who = `User-Name = "${USER}"`
    for (const [name, { other, never }] of identifying(direction))
      await t.test(named(name, direction), async () => {
        const missed = { answer: 'NAK', cause: 'Session-Context-Not-Found' }
        const about = name === 'User-Name' ? [] : [who]
        await ask(kind, { lines: [...about, `${name} = ${other}`, ...more], ...missed })
        if (never) return
        const said = String(ACCOUNTED[name]).split(',')[0] ?? ''
        const value = other.startsWith('"') ? `"${said}"` : said
        await ask(kind, { lines: [...about, `${name} = ${value}`, ...more], answer: 'ACK' })
      })
    for (const [name, cases] of Object.entries(rows))
      await t.test(named(name, direction), async () => {
        for (const one of cases) await ask(kind, { ...one, lines: [who, ...one.lines] })
      })
  })

test('what an ACK or NAK says', { skip }, async t => {
  const ask = await dynamicScene(t)
  const all: string[] = []
  for (const [name, { kind, asked, said }] of Object.entries(ANSWERED))
    await t.test(named(name, 'ACK or NAK'), async () => {
      const answer = await ask(kind, { ...asked, lines: [`User-Name = "${USER}"`, ...asked.lines] })
      fits(saidOf(answer, name), said)
      all.push(...Object.keys(answer))
    })
  await t.test('and nothing else', () =>
    assert.deepEqual(
      all.filter(name => !Object.hasOwn(ANSWERED, name)),
      [],
    ),
  )
})
