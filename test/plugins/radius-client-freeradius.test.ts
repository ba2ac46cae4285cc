/** The client against the real FreeRADIUS. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RadiusOutcome } from '../../core/plugin/radius.ts'
import { skipWithout } from '../setup/peers.ts'
import { STRANGER_KEY, STRANGER_PEM } from '../support/certificates.ts'
import { type Freeradius, startFreeradius } from '../support/freeradius.ts'
import { pap, serverOptions, startRadiusClient } from '../support/radius-client.ts'
import { startRadsecproxy } from '../support/radsecproxy.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('radius')
const USERS = { alice: { password: 'wonderland', reply: ['Reply-Message = "welcome"'] } }
/** A dead server is found out sooner than an operator would want it. */
const QUICK = { retransmitMs: 300, longestRetransmitMs: 1000, probeMs: 400, longestProbeIntervalMs: 400 }

const codeOf = (outcome: RadiusOutcome) => (outcome.kind === 'reply' ? outcome.code : outcome.reason)
const serverOf = (outcome: RadiusOutcome) => (outcome.kind === 'reply' ? outcome.server : outcome.reason)

function count<T>(values: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

test('an accept, a reject and an accounting response', { skip }, async t => {
  const server = await startFreeradius(t, { users: USERS })
  const { client } = await startRadiusClient(t, { servers: [serverOptions(server)] })
  const accept = await client.ask(pap('alice', 'wonderland'))
  assert.ok(accept.kind === 'reply', JSON.stringify(accept))
  assert.equal(accept.code, 'Access-Accept')
  assert.equal(accept.attributes.find(({ name }) => name === 'Reply-Message')?.value, 'welcome')
  assert.equal(codeOf(await client.ask(pap('alice', 'wrong'))), 'Access-Reject')
  const record = [
    { name: 'User-Name', value: 'alice' },
    { name: 'Acct-Status-Type', value: 'Start' },
    { name: 'Acct-Session-Id', value: '0123' },
  ]
  const response = await client.ask({ code: 'Accounting-Request', attributes: record })
  assert.equal(codeOf(response), 'Accounting-Response')
  assert.deepEqual(server.detail()[0]?.['Acct-Session-Id'], ['0123'])
})

test('the answer of a stock server, without Message-Authenticator, is refused; the switch takes it', {
  skip,
}, async t => {
  const server = await startFreeradius(t, { users: USERS, messageAuthenticator: 'stock' })
  const strict = serverOptions(server, { ...QUICK, timeoutMs: 1000 })
  const { client, plugin } = await startRadiusClient(t, { servers: [strict] })
  assert.equal(codeOf(await client.ask(pap('alice', 'wonderland'))), '127.0.0.1: no answer in time')
  const [line] = plugin.log.filter(({ level }) => level === 'error')
  assert.equal(line?.fields.code, 'RADIUS_NO_MESSAGE_AUTHENTICATOR')
  assert.equal(line?.fields.server, `127.0.0.1 port ${server.authPort}`)
  assert.match(line?.message ?? '', /requireMessageAuthenticator: false/)
  // It answers Status-Server, so it lives.
  assert.ok(!plugin.log.some(({ fields }) => fields.code === 'RADIUS_DEAD'))

  const lax = await startRadiusClient(t, { servers: [{ ...strict, requireMessageAuthenticator: false }] })
  assert.match(lax.plugin.log.find(({ level }) => level === 'warn')?.message ?? '', /BlastRADIUS/)
  assert.equal(codeOf(await lax.client.ask(pap('alice', 'wonderland'))), 'Access-Accept')
})

test('a wrong secret: unavailable, and the log says what to compare', { skip }, async t => {
  const server = await startFreeradius(t, { users: USERS })
  const wrong = serverOptions(server, { ...QUICK, secret: 'another', timeoutMs: 2000 })
  const { client, plugin } = await startRadiusClient(t, { servers: [wrong] })
  assert.equal((await client.ask(pap('alice', 'wonderland'))).kind, 'unavailable')
  assert.ok(plugin.log.some(({ fields }) => fields.code === 'RADIUS_DEAD'))
})

test('600 requests are in flight at once, over several sockets', { skip }, async t => {
  const users = { ...USERS, slow: { password: 'pw', delayS: 1 } }
  const server = await startFreeradius(t, { users, threads: 620, recordsRequests: false })
  const { client } = await startRadiusClient(t, { servers: [serverOptions(server)] })
  const asked = Array.from({ length: 600 }, () => client.ask(pap('slow', 'pw')))
  assert.deepEqual(count((await Promise.all(asked)).map(codeOf)), new Map([['Access-Accept', 600]]))
})

test('one of two servers is killed while 200 calls are in flight: each has its answer', { skip }, async t => {
  const users = { slow: { password: 'pw', delayS: 2 } }
  const servers = await Promise.all([0, 1].map(() => startFreeradius(t, { users, threads: 220 })))
  const [first, second] = servers as [Freeradius, Freeradius]
  const { client, plugin } = await startRadiusClient(t, {
    servers: [
      serverOptions(first, { ...QUICK, name: 'first' }),
      serverOptions(second, { name: 'second', priority: 2 }),
    ],
  })
  const asked = Array.from({ length: 200 }, () => client.ask(pap('slow', 'pw')))
  await until('all of them at the first', () => first.requests().length === 200)
  await first.kill()
  const outcomes = await Promise.all(asked)
  assert.deepEqual(count(outcomes.map(codeOf)), new Map([['Access-Accept', 200]]))
  assert.deepEqual(count(outcomes.map(serverOf)), new Map([['second', 200]]))
  assert.equal(plugin.log.filter(({ fields }) => fields.code === 'RADIUS_DEAD').length, 1)

  // Nobody pays for it again.
  const start = performance.now()
  assert.equal(serverOf(await client.ask(pap('nobody', 'pw'))), 'second')
  assert.ok(performance.now() - start < 1000)

  await first.restart()
  await until(
    'the first to be used again',
    async () => serverOf(await client.ask(pap('nobody', 'x'))) === 'first',
  )
})

test('a dead server alone fails at once, and is found again by Status-Server', { skip }, async t => {
  const server = await startFreeradius(t, { users: USERS })
  const { client, plugin } = await startRadiusClient(t, { servers: [serverOptions(server, QUICK)] })
  assert.equal(codeOf(await client.ask(pap('alice', 'wonderland'))), 'Access-Accept')
  server.pause()
  const calls = await Promise.all(Array.from({ length: 50 }, () => client.ask(pap('alice', 'wonderland'))))
  assert.deepEqual(count(calls.map(codeOf)), new Map([['127.0.0.1: dead', 50]]))
  const start = performance.now()
  assert.equal(codeOf(await client.ask(pap('alice', 'wonderland'))), '127.0.0.1: dead')
  assert.ok(performance.now() - start < 100)
  // On a busy machine it may have been silent, and answered again, before.
  const before = plugin.log.length
  server.resume()
  // Without a call that has to try.
  await until('it to be alive', () =>
    plugin.log.slice(before).some(({ message }) => /answers again/.test(message)),
  )
  // What waited for it in the meantime comes first: on a busy machine it may seem dead once more.
  await until(
    'an answer',
    async () => codeOf(await client.ask(pap('alice', 'wonderland'))) === 'Access-Accept',
  )
})

const tlsOf = ({ folder }: Freeradius) => ({
  caFile: join(folder, 'ca.pem'),
  certFile: join(folder, 'client.pem'),
  keyFile: join(folder, 'client.key'),
})
const radsec = (server: Freeradius, options: Readonly<Record<string, unknown>> = {}) => ({
  address: '127.0.0.1',
  transport: 'tls',
  port: server.radsecPort,
  tls: tlsOf(server),
  ...QUICK,
  ...options,
})

test('RadSec: with our certificate, and again after the server came back', { skip }, async t => {
  const server = await startFreeradius(t, { users: USERS, radsec: true })
  const { client, plugin } = await startRadiusClient(t, { servers: [radsec(server)] })
  assert.equal(codeOf(await client.ask(pap('alice', 'wonderland'))), 'Access-Accept')
  const record = [
    { name: 'Acct-Status-Type', value: 'Start' },
    { name: 'Acct-Session-Id', value: '0123' },
  ]
  const response = await client.ask({ code: 'Accounting-Request', attributes: record })
  assert.equal(codeOf(response), 'Accounting-Response')

  await server.kill()
  assert.equal((await client.ask(pap('alice', 'wonderland'))).kind, 'unavailable')
  await server.restart()
  await until(
    'it to be used again',
    async () => (await client.ask(pap('alice', 'wonderland'))).kind === 'reply',
  )
  assert.ok(plugin.log.some(({ fields }) => fields.code === 'RADIUS_CONNECTION'))
})

test('RadSec: calls in flight when the connection breaks are asked again over the next one', {
  skip,
}, async t => {
  const users = { slow: { password: 'pw', delayS: 1 } }
  const server = await startFreeradius(t, { users, threads: 220 })
  const proxy = await startRadsecproxy(t, server)
  const { client } = await startRadiusClient(t, {
    servers: [radsec(server, { port: proxy.port, probes: 50 })],
  })
  const asked = Array.from({ length: 100 }, () => client.ask(pap('slow', 'pw')))
  await until('all of them there', () => server.requests().length === 100)
  await proxy.kill()
  await proxy.restart()
  assert.deepEqual(count((await Promise.all(asked)).map(codeOf)), new Map([['Access-Accept', 100]]))
  assert.equal(server.requests().length, 200)
})

test('RadSec: more requests than a connection has identifiers take a second one to the same server', {
  skip,
}, async t => {
  const slow = { password: 'pw', delayS: 1 }
  const config = { users: { slow, 'slow@another': slow }, threads: 210, recordsRequests: false }
  const [server, another] = await Promise.all([startFreeradius(t, config), startFreeradius(t, config)])
  const proxy = await startRadsecproxy(t, server, another)
  const { client, plugin } = await startRadiusClient(t, { servers: [radsec(server, { port: proxy.port })] })
  const users = Array.from({ length: 400 }, (_, index) => (index % 2 === 0 ? 'slow' : 'slow@another'))
  const outcomes = await Promise.all(users.map(user => client.ask(pap(user, 'pw'))))
  assert.deepEqual(count(outcomes.map(codeOf)), new Map([['Access-Accept', 400]]))
  assert.equal(proxy.connections(), 2)
  assert.deepEqual(
    plugin.log.filter(({ level }) => level === 'warn' || level === 'error'),
    [],
  )
})

test('RadSec: a server of another name, and one that does not trust us, are not spoken with', {
  skip,
}, async t => {
  const server = await startFreeradius(t, { users: USERS, radsec: true })
  const misnamed = { ...tlsOf(server), serverName: 'radius.example' }
  const other = await startRadiusClient(t, { servers: [radsec(server, { tls: misnamed })] })
  assert.equal(codeOf(await other.client.ask(pap('alice', 'wonderland'))), '127.0.0.1: dead')
  const [line] = other.plugin.log.filter(({ fields }) => fields.code === 'RADIUS_CONNECTION')
  assert.match(String(line?.fields.reason), /radius\.example/)

  // Its own certificate is signed by nobody that the server knows.
  const stranger = {
    ...tlsOf(server),
    certFile: join(server.folder, 's.pem'),
    keyFile: join(server.folder, 's.key'),
  }
  writeFileSync(stranger.certFile, STRANGER_PEM)
  writeFileSync(stranger.keyFile, STRANGER_KEY, { mode: 0o600 })
  const refused = await startRadiusClient(t, { servers: [radsec(server, { tls: stranger })] })
  assert.equal(codeOf(await refused.client.ask(pap('alice', 'wonderland'))), '127.0.0.1: dead')
  assert.equal(server.requests().length, 0)
})
