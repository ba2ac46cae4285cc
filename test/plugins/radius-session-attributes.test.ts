import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import type { RadiusAttribute } from '../../core/plugin/radius.ts'
import type { SessionInfo } from '../../core/protocol/outputs.ts'
import { aSession, aTunnel } from '../../core/testing/samples.ts'
import {
  type IdentityOptions,
  nasAttributes,
  nasPort,
  sessionAttributes,
} from '../../plugins/radius-client/session-attributes.ts'

const byName = (attributes: readonly RadiusAttribute[]) =>
  Object.fromEntries(attributes.map(({ name, value }) => [name, value]))

const of = (more: Partial<SessionInfo> = {}, options: IdentityOptions = {}) =>
  byName(sessionAttributes(aSession(more), { nasIdentifier: 'lns', ...options }))

const OVER_IPV6 = {
  local: { address: '2001:db8::2', port: 1701 },
  remote: { address: '2001:db8::1', port: 1701 },
}

test('a session is told with who we are, its port, both ends of its tunnel and its Acct-Session-Id, in one order', () => {
  const session = aSession({
    id: 'c0ffee0000000001',
    localSessionId: 3,
    callSerialNumber: 4711,
    calledNumber: '0800',
    txConnectSpeedBps: 10_000_000,
  })
  assert.deepEqual(sessionAttributes(session, { nasIdentifier: 'lns' }), [
    { name: 'NAS-Identifier', value: 'lns' },
    { name: 'NAS-Port', value: 0x0001_0003 },
    { name: 'NAS-Port-Id', value: 'l2tp 1/3' },
    { name: 'NAS-Port-Type', value: 'Virtual' },
    { name: 'Service-Type', value: 'Framed-User' },
    { name: 'Framed-Protocol', value: 'PPP' },
    { name: 'Calling-Station-Id', value: '1.1.1.1' },
    { name: 'Called-Station-Id', value: '0800' },
    { name: 'Tunnel-Type', value: 'L2TP' },
    { name: 'Tunnel-Medium-Type', value: 'IPv4' },
    { name: 'Tunnel-Client-Endpoint', value: '1.1.1.1' },
    { name: 'Tunnel-Server-Endpoint', value: '2.2.2.2' },
    { name: 'Tunnel-Client-Auth-Id', value: 'LAC' },
    { name: 'Acct-Tunnel-Connection', value: '4711' },
    { name: 'Acct-Session-Id', value: 'c0ffee0000000001' },
    { name: 'Connect-Info', value: '10000000 L2TP' },
  ])
})

test('we are the host of that name, and have the addresses that the options give', () => {
  assert.deepEqual(nasAttributes({}), [{ name: 'NAS-Identifier', value: hostname() }])
  const options = { nasIdentifier: 'lns', nasIpAddress: '192.0.2.1', nasIpv6Address: '2001:db8::2' }
  const own = [
    { name: 'NAS-Identifier', value: 'lns' },
    { name: 'NAS-IP-Address', value: '192.0.2.1' },
    { name: 'NAS-IPv6-Address', value: '2001:db8::2' },
  ]
  assert.deepEqual(nasAttributes(options), own)
  // As the codec reads it, so that a CoA-Request with it is for us.
  assert.deepEqual(nasAttributes({ ...options, nasIpv6Address: '2001:0DB8:0:0::2' }), own)
  assert.deepEqual(sessionAttributes(aSession(), options).slice(0, 3), own)
})

test('NAS-Port has our Tunnel ID above our Session ID, unsigned', () => {
  const tunnel = { ...aTunnel(), localTunnelId: 0xfedc }
  assert.equal(nasPort(aSession({ tunnel, localSessionId: 0xba98 })), 0xfedc_ba98)
  assert.equal(of({ tunnel, localSessionId: 0xba98 })['NAS-Port-Id'], 'l2tp 65244/47768')
})

test('Calling-Station-Id is the outer address, or with `number` the Calling Number, never one for the other', () => {
  const callingNumber = '+49301234'
  assert.equal(of({ callingNumber })['Calling-Station-Id'], '1.1.1.1')
  assert.equal(of({ callingNumber }, { callingStationId: 'number' })['Calling-Station-Id'], callingNumber)
  assert.ok(!('Calling-Station-Id' in of({}, { callingStationId: 'number' })))
  assert.ok(!('Calling-Station-Id' in of({ callingNumber: '' }, { callingStationId: 'number' })))
})

test('Called-Station-Id is the Called Number, and our outer address where there is none', () => {
  assert.equal(of()['Called-Station-Id'], '2.2.2.2')
  assert.equal(of({ calledNumber: '' })['Called-Station-Id'], '2.2.2.2')
  assert.equal(of({ calledNumber: '0800' })['Called-Station-Id'], '0800')
})

test('a tunnel over IPv6 says so', () => {
  const told = of({ tunnel: aTunnel(OVER_IPV6) })
  assert.equal(told['Tunnel-Medium-Type'], 'IPv6')
  assert.equal(told['Tunnel-Client-Endpoint'], '2001:db8::1')
  assert.equal(told['Tunnel-Server-Endpoint'], '2001:db8::2')
  assert.equal(told['Calling-Station-Id'], '2001:db8::1')
})

test('Connect-Info is left out where the peer told no speed', () => {
  assert.ok(!('Connect-Info' in of()))
  assert.ok(!('Connect-Info' in of({ txConnectSpeedBps: 0 })))
})

test('text of the peer is cut to what an attribute holds, at a whole character, and left out when it is empty', () => {
  const named = (peerHostName: string) =>
    of({ tunnel: { ...aTunnel(), peerHostName } })['Tunnel-Client-Auth-Id']
  assert.equal(named('a'.repeat(252)), 'a'.repeat(252))
  assert.equal(named('a'.repeat(300)), 'a'.repeat(252))
  assert.equal(named(`${'a'.repeat(251)}\u00e4`), 'a'.repeat(251))
  assert.equal(named(`${'a'.repeat(250)}\u00e4b`), `${'a'.repeat(250)}\u00e4`)
  assert.equal(named('\u{1f600}'.repeat(64)), '\u{1f600}'.repeat(63))
  assert.equal(named(''), undefined)
})
