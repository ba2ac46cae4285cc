/** The authenticator against the real FreeRADIUS, by the real client. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { md4, ntPasswordHash } from '../../core/crypto.ts'
import type { AuthenticateVerdict, Proof } from '../../core/hooks/views.ts'
import { z } from '../../core/index.ts'
import type { AnyPlugin } from '../../core/plugin/plugin.ts'
import { nodeClock } from '../../core/runtime/node/clock.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { startMemoryLns } from '../../core/testing/memory-lns.ts'
import { type Harness, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { aSession } from '../../core/testing/samples.ts'
import type { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { EAP_TYPE, encodeEap } from '../../core/wire/eap.ts'
import { grantOf } from '../../plugins/auth-radius/grant.ts'
import authRadius from '../../plugins/auth-radius/index.ts'
import { loginAttributes } from '../../plugins/auth-radius/request.ts'
import radiusClient from '../../plugins/radius-client/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { CA_PEM, CLIENT_KEY, CLIENT_PEM, STRANGER_KEY, STRANGER_PEM } from '../support/certificates.ts'
import { type EapMethod, EapPeer, EapTls, eapMd5, eapMschapv2 } from '../support/eap-peer.ts'
import { type Freeradius, type FreeradiusConfig, startFreeradius } from '../support/freeradius.ts'
import { serverOptions, startRadiusClient } from '../support/radius-client.ts'

const skip = skipWithout('radius')
const USER = 'hb@hb'
const PASSWORD = 'admin@123'
const HB = { [USER]: { password: PASSWORD } }
/** A server that does not know us is found out soon. */
const QUICK = { retransmitMs: 200, longestRetransmitMs: 1000, probeMs: 200, longestProbeIntervalMs: 200 }

/** The real client, as the config would have it: the harness gives options to the plugin under test alone. */
const clientOf = (options: object): AnyPlugin => ({
  ...radiusClient,
  config: z.strictObject({}),
  setup: context => radiusClient.setup(context, radiusClient.config.parse(options)),
})

interface Scene {
  readonly server: Freeradius
  readonly plugin: Harness
}

async function scene(t: TestContext, config: FreeradiusConfig, more: object = {}): Promise<Scene> {
  const server = await startFreeradius(t, config)
  const { host, authPort, acctPort, secret } = server
  const options = {
    servers: [{ address: host, authPort, acctPort, secret, ...QUICK, ...more }],
    nasIdentifier: 'lns',
  }
  // Packets of real servers come in real time.
  const clock = nodeClock as unknown as VirtualClock
  return { server, plugin: await startPlugin(t, authRadius, { before: [clientOf(options)], clock }) }
}

const verdictOf = async ({ plugin }: Scene, user: string, proof: Proof) =>
  (await plugin.authenticate(user, proof)).verdict

for (const [name, prove] of [
  ['PAP', papProof],
  ['CHAP', chapProof],
  ['MS-CHAPv2', (password: string) => mschapv2Proof(password, USER)],
] as const)
  test(`${name}: FreeRADIUS accepts the right password and rejects a wrong one`, { skip }, async t => {
    const at = await scene(t, { users: HB })
    const verdict = await verdictOf(at, USER, prove(PASSWORD))
    assert.equal(verdict?.kind, 'accept', inspect([verdict, at.server.log()]))
    assert.deepEqual([verdict.user, verdict.grant], [USER, {}])
    assert.equal(verdict.mschapv2Success !== undefined, name === 'MS-CHAPv2')
    const wrong = await verdictOf(at, USER, prove('wrong'))
    assert.equal(wrong?.kind, 'reject')
    if (name === 'MS-CHAPv2') assert.match(wrong.mschapv2Error ?? '', /^E=691 /)
    assert.equal((await verdictOf(at, 'nobody', prove(PASSWORD)))?.kind, 'reject')
    assert.deepEqual(at.plugin.faults, [])
  })

test('MS-CHAPv2: what FreeRADIUS proves is what the peer expects, and its keys are nowhere', {
  skip,
}, async t => {
  const at = await scene(t, { users: HB })
  const proof = mschapv2Proof(PASSWORD, USER)
  const { verdict, trail } = await at.plugin.authenticate(USER, proof)
  assert.ok(verdict?.kind === 'accept')
  const { mschapv2SuccessOf } = await import('../../core/runtime/proof.ts')
  assert.ok(proof.verify(PASSWORD))
  assert.equal(verdict.mschapv2Success, mschapv2SuccessOf(proof))
  assert.deepEqual(Object.keys(verdict).sort(), ['grant', 'kind', 'mschapv2Success', 'user'])
  assert.doesNotMatch(inspect([verdict, trail, at.plugin.log], { depth: 9 }), /MPPE|[Kk]ey/)
})

test('MS-CHAPv2: FreeRADIUS says why it rejects, and the peer is told', { skip }, async t => {
  const at = await scene(t, { users: HB })
  // The `mschap` module of FreeRADIUS puts it into MS-CHAP-Error.
  const verdict = await verdictOf(at, USER, mschapv2Proof('wrong', USER))
  assert.ok(verdict?.kind === 'reject')
  assert.match(verdict.mschapv2Error ?? '', /^E=691 R=\d C=[0-9a-f]{32} V=3 M=/)
})

/** RFC 3079 3.4: the key that the server sends, or receives, by; 128 bits. */
function mppeKey(ntResponse: Uint8Array, magic: string): string {
  const sha = (...parts: readonly (Uint8Array | string)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest()
  const hashed = md4(ntPasswordHash(PASSWORD))
  const master = sha(hashed, ntResponse, 'This is the MPPE Master Key').subarray(0, 16)
  return sha(master, new Uint8Array(40), magic, new Uint8Array(40).fill(0xf2)).subarray(0, 16).toString('hex')
}
const RECEIVES = 'On the client side, this is the send key; on the server side, it is the receive key.'
const SENDS = 'On the client side, this is the receive key; on the server side, it is the send key.'

test('MS-CHAPv2: the keys of FreeRADIUS are revealed as the RFC derives them, and go nowhere', {
  skip,
}, async t => {
  const server = await startFreeradius(t, { users: HB })
  const { client } = await startRadiusClient(t, { servers: [serverOptions(server)] })
  const proof = mschapv2Proof(PASSWORD, USER)
  const attributes = loginAttributes({ user: USER, proof, round: 0 }, false)
  assert.ok(typeof attributes !== 'string')
  const outcome = await client.ask({ code: 'Access-Request', attributes })
  assert.ok(outcome.kind === 'reply' && outcome.code === 'Access-Accept', inspect(outcome))
  const keyOf = (wanted: string) => {
    const value = outcome.attributes.find(({ name }) => name === wanted)?.value
    return value instanceof Uint8Array && Buffer.from(value).toString('hex')
  }
  const { ntResponse } = proof.mschapv2() ?? assert.fail()
  assert.equal(keyOf('MS-MPPE-Send-Key'), mppeKey(ntResponse, SENDS))
  assert.equal(keyOf('MS-MPPE-Recv-Key'), mppeKey(ntResponse, RECEIVES))
  // There is no MPPE here, and so nothing in a grant for them.
  const circumstances = {
    tunnel: aSession().tunnel,
    taken: [],
    zones: {},
    filterIsZone: false,
    routesNetmask: true,
  }
  const granted = grantOf(outcome.attributes, circumstances, name => client.meant(name))
  assert.deepEqual(granted, { kind: 'grant', grant: {}, ignored: [] })
})

test('FreeRADIUS is told who we are and how the call came in', { skip }, async t => {
  const at = await scene(t, { users: HB })
  const session = aSession({ calledNumber: '0800', txConnectSpeedBps: 10_000_000, callSerialNumber: 4711 })
  await at.plugin.authenticate(USER, papProof(PASSWORD), { session })
  const [request = {}] = at.server.requests()
  const told = Object.fromEntries(Object.entries(request).map(([name, values]) => [name, values.join()]))
  const { 'Message-Authenticator': authenticator, ...rest } = told
  assert.match(authenticator ?? '', /^0x[0-9a-f]{32}$/)
  for (const [name, value] of Object.entries({
    'User-Name': USER,
    'User-Password': PASSWORD,
    'NAS-Identifier': 'lns',
    'NAS-Port': String((1 << 16) | session.localSessionId),
    'NAS-Port-Id': `l2tp 1/${session.localSessionId}`,
    'NAS-Port-Type': 'Virtual',
    'Service-Type': 'Framed-User',
    'Framed-Protocol': 'PPP',
    'Calling-Station-Id': '1.1.1.1',
    'Called-Station-Id': '0800',
    'Tunnel-Type:0': 'L2TP',
    'Tunnel-Medium-Type:0': 'IPv4',
    'Tunnel-Client-Endpoint:0': '1.1.1.1',
    'Tunnel-Server-Endpoint:0': '2.2.2.2',
    'Tunnel-Client-Auth-Id:0': 'LAC',
    'Acct-Tunnel-Connection': '4711',
    'Acct-Session-Id': session.id,
    'Connect-Info': '10000000 L2TP',
  }))
    assert.equal(rest[name], value, inspect(rest))
})

test('every attribute that FreeRADIUS grants is in the grant', { skip }, async t => {
  const reply = [
    'Service-Type = Framed-User',
    'Framed-Protocol = PPP',
    'Framed-IP-Address = 172.16.3.33',
    'Framed-IP-Netmask = 255.255.255.252',
    'Framed-Pool = "staff"',
    'Framed-Route = "192.168.7.0/24 0.0.0.0 1"',
    'Framed-Route += "192.168.8.0 0.0.0.0 1"',
    'Framed-IPv6-Prefix = 2001:db8:1::/64',
    'Delegated-IPv6-Prefix = 2001:db8:1:100::/56',
    'Framed-IPv6-Pool = "six"',
    'MS-Primary-DNS-Server = 192.168.1.53',
    'MS-Secondary-DNS-Server = 192.168.1.54',
    'MS-Primary-NBNS-Server = 192.168.1.55',
    'MS-Secondary-NBNS-Server = 192.168.1.56',
    'DNS-Server-IPv6-Address = 2001:db8::53',
    'Filter-Id = "web"',
    'Session-Timeout = 3600',
    'Idle-Timeout = 600',
    'Termination-Action = RADIUS-Request',
    'Acct-Interim-Interval = 300',
    'Class = 0x00ff',
    'Class += 0x01',
    'Framed-MTU = 1300',
    'Port-Limit = 2',
    'Tunnel-Type:1 = L2TP',
    'Tunnel-Medium-Type:1 = IPv4',
    'Tunnel-Client-Endpoint:1 = "1.1.1.1"',
    'Tunnel-Server-Endpoint:1 = "2.2.2.2"',
    'Tunnel-Client-Auth-Id:1 = "LAC"',
    'Tunnel-Type:2 = PPTP',
    'Mikrotik-Rate-Limit = "2M/10M"',
    'WISPr-Bandwidth-Max-Up = 1000000',
    'WISPr-Bandwidth-Max-Down = 20000000',
    'Cisco-AVPair = "ip:route=192.168.9.0 255.255.255.0"',
    'Cisco-AVPair += "ip:dns-servers=192.168.1.57"',
    'Cisco-AVPair += "shell:priv-lvl=1"',
    'MS-MPPE-Encryption-Policy = Encryption-Allowed',
    'User-Name = "horst"',
    'Reply-Message = "Welcome"',
  ]
  const at = await scene(t, { users: { [USER]: { password: PASSWORD, reply } } })
  assert.deepEqual(await verdictOf(at, USER, papProof(PASSWORD)), {
    kind: 'accept',
    user: 'horst',
    message: 'Welcome',
    grant: {
      address: '172.16.3.33',
      pool: 'staff',
      routes: ['192.168.7.0/24', '192.168.8.0/24', '192.168.9.0/24', '172.16.3.32/30'],
      ipv6Prefix: '2001:db8:1::/64',
      delegatedPrefix: '2001:db8:1:100::/56',
      ipv6Pool: 'six',
      dns: ['192.168.1.53', '192.168.1.54', '192.168.1.57'],
      nbns: ['192.168.1.55', '192.168.1.56'],
      dns6: ['2001:db8::53'],
      filter: 'web',
      sessionTimeoutS: 3600,
      idleTimeoutS: 600,
      interimIntervalS: 300,
      classes: ['00ff', '01'],
      mtuBytes: 1300,
      maxSessions: 2,
      upRateBps: 1_000_000,
      downRateBps: 10_000_000,
    },
  })
  assert.deepEqual(
    at.plugin.log.filter(({ level }) => level === 'warn'),
    [],
  )
})

/** Each is given to a user of its own. */
const NOT_TO_BE_HONOURED = [
  ['Service-Type = Login-User', /Service-Type/],
  ['Framed-Protocol = SLIP', /Framed-Protocol/],
  ['Tunnel-Type = PPTP', /Tunnel-Type/],
  ['Tunnel-Client-Endpoint = "9.9.9.9"', /Tunnel-Client-Endpoint/],
  ['Callback-Number = "123"', /Callback-Number/],
  ['Framed-IP-Address = 127.0.0.1', /Framed-IP-Address/],
  ['MS-MPPE-Encryption-Policy = Encryption-Required', /MPPE/],
  ['MS-Filter = 0x00', /MS-Filter/],
  ['NAS-Filter-Rule = "permit in ip from any to any"', /NAS-Filter-Rule/],
  ['Mikrotik-Rate-Limit = "fast"', /Mikrotik/],
  ['Cisco-AVPair = "ip:inacl#1=permit ip any any"', /Cisco-AVPair/],
  ['Attr-27 = 0x0102', /Session-Timeout is malformed/],
  ['Attr-8 = 0xac100133aa', /Framed-IP-Address is malformed/],
  ['Attr-26 = 0x00003a8c08c83130', /MikroTik is malformed/],
] as const

test('an accept of FreeRADIUS that cannot be honoured is a reject', { skip }, async t => {
  const users = Object.fromEntries(
    NOT_TO_BE_HONOURED.map(([attribute], index) => [`u${index}`, { password: PASSWORD, reply: [attribute] }]),
  )
  const at = await scene(t, { users })
  for (const [index, [attribute, reason]] of NOT_TO_BE_HONOURED.entries()) {
    const verdict = await verdictOf(at, `u${index}`, papProof(PASSWORD))
    assert.ok(verdict?.kind === 'reject', attribute)
    assert.match(verdict.reason, reason)
  }
})

test('a challenge of FreeRADIUS goes on with the next password', { skip }, async t => {
  const carol = { password: 'pw', challenge: { message: 'the code?', answer: '4711' } }
  const at = await scene(t, { users: { carol } })
  const answer = async (code: string) => {
    const first = await verdictOf(at, 'carol', papProof('pw'))
    assert.ok(first?.kind === 'continue', inspect(first))
    assert.equal(first.reply, 'the code?')
    const round = { round: 1, state: first.state }
    return (await at.plugin.authenticate('carol', papProof(code), round)).verdict?.kind
  }
  assert.equal(await answer('4711'), 'accept')
  assert.equal(await answer('pw'), 'reject')
})

test('a server that dies in the middle of an exchange ends it: no other knows the State', {
  skip,
}, async t => {
  const carol = { password: 'pw', challenge: { message: 'the code?', answer: '4711' } }
  const at = await scene(t, { users: { carol } })
  const first = await verdictOf(at, 'carol', papProof('pw'))
  assert.ok(first?.kind === 'continue')
  await at.server.kill()
  const { verdict } = await at.plugin.authenticate('carol', papProof('4711'), {
    round: 1,
    state: first.state,
  })
  assert.equal(verdict?.kind, 'unavailable')
})

test('a dead server does not keep a login from the next, however long an answer may take', {
  skip,
}, async t => {
  const [dead, alive] = await Promise.all([0, 1].map(() => startFreeradius(t, { users: HB })))
  assert.ok(dead !== undefined && alive !== undefined)
  await dead.kill()
  const servers = [dead, alive].map(({ host, authPort, acctPort, secret }, index) => {
    const place = { name: `s${index}`, priority: index, address: host, authPort, acctPort }
    return { ...place, secret, ...QUICK }
  })
  const clock = nodeClock as unknown as VirtualClock
  const before = [clientOf({ servers })]
  const plugin = await startPlugin(t, authRadius, { before, clock, options: { timeoutMs: 43_000 } })
  const startedAt = performance.now()
  assert.equal((await plugin.authenticate(USER, papProof(PASSWORD))).verdict?.kind, 'accept')
  assert.ok(performance.now() - startedAt < 20_000)
  assert.equal(alive.requests().length, 1)
})

test('a server that takes its time is waited for', { skip }, async t => {
  const at = await scene(t, { users: { [USER]: { password: PASSWORD, delayS: 3 } } })
  assert.equal((await verdictOf(at, USER, papProof(PASSWORD)))?.kind, 'accept')
})

test('a server with another secret is unavailable, and the password in no log', { skip }, async t => {
  const at = await scene(t, { users: HB }, { secret: 'another' })
  const verdict = await verdictOf(at, USER, papProof(PASSWORD))
  assert.ok(verdict?.kind === 'unavailable')
  assert.doesNotMatch(inspect([verdict, at.plugin.log, at.plugin.faults], { depth: 9 }), /admin@123|another/)
})

/** What a whole conversation comes to; each Request fits the link. */
async function converse(
  { plugin }: Scene,
  peer: EapPeer,
  mtuBytes = 1500,
): Promise<{ readonly verdict: AuthenticateVerdict | undefined; readonly rounds: number }> {
  const data = Buffer.from(peer.identity)
  let packet = encodeEap({ kind: 'response', identifier: 1, type: EAP_TYPE.IDENTITY, data })
  let going: { readonly round: number; readonly state?: never } = { round: 0 }
  const session = aSession()
  for (let round = 1; round <= 40; round++) {
    const proof = createProof({ method: 'eap', identity: peer.identity, packet, mtuBytes })
    const { verdict } = await plugin.authenticate(peer.identity, proof, { session, ...going })
    if (verdict?.kind !== 'continue') return { verdict, rounds: round }
    assert.ok(verdict.eap !== undefined && verdict.eap.length <= mtuBytes, `${verdict.eap?.length} octets`)
    packet = await peer.respond(verdict.eap)
    going = { round, state: verdict.state as never }
  }
  throw new Error('the conversation does not end')
}

const EAP_SUCCESS = 3
const EAP_FAILURE = 4

for (const [name, eap, method] of [
  ['EAP-MD5', 'md5', (password: string) => eapMd5(password)],
  ['EAP-MSCHAPv2', 'mschapv2', (password: string) => eapMschapv2(USER, password)],
] as const)
  test(`${name}: FreeRADIUS accepts the right password and rejects a wrong one`, { skip }, async t => {
    const users = { [USER]: { password: PASSWORD, reply: ['Framed-Pool = "staff"'] } }
    const at = await scene(t, { users, eap })
    const right = await converse(at, new EapPeer(USER, method(PASSWORD)))
    assert.equal(right.verdict?.kind, 'accept', inspect([right, at.server.log()]))
    assert.deepEqual([right.verdict.user, right.verdict.grant], [USER, { pool: 'staff' }])
    assert.equal(right.verdict.eap?.[0], EAP_SUCCESS)
    const wrong = await converse(at, new EapPeer(USER, method('wrong')))
    assert.equal(wrong.verdict?.kind, 'reject')
    assert.equal(wrong.verdict.eap?.[0], EAP_FAILURE)
    assert.deepEqual(at.plugin.faults, [])
  })

test('a peer asks for another EAP method by a Nak', { skip }, async t => {
  const at = await scene(t, { users: HB, eap: 'mschapv2' })
  const peer = new EapPeer(USER, eapMd5(PASSWORD))
  assert.equal((await converse(at, peer)).verdict?.kind, 'accept')
  assert.equal(peer.naks, 1)
})

const certificates = { ca: CA_PEM, cert: CLIENT_PEM, key: CLIENT_KEY }

test('EAP-TLS: a certificate in fragments, both ways, lets in', { skip }, async t => {
  const users = { [USER]: { reply: ['Framed-Pool = "staff"'] } }
  const at = await scene(t, { users, eap: 'tls' })
  const tls = new EapTls({ ...certificates, fragmentBytes: 300 })
  const { verdict, rounds } = await converse(at, new EapPeer(USER, tls), 400)
  assert.equal(verdict?.kind, 'accept', inspect([verdict, at.server.log()]))
  assert.deepEqual([verdict.grant, verdict.eap?.[0]], [{ pool: 'staff' }, EAP_SUCCESS])
  assert.equal(tls.outcome, 'secure')
  assert.ok(tls.fragments.sent > 3 && tls.fragments.received > 3, inspect([tls.fragments, rounds]))
  assert.doesNotMatch(inspect([verdict, at.plugin.log], { depth: 9 }), /MPPE|EMSK|MSK/)
})

test('EAP-TLS: a certificate of somebody else does not', { skip }, async t => {
  const at = await scene(t, { users: { [USER]: {} }, eap: 'tls' })
  const stranger: EapMethod = new EapTls({
    ca: CA_PEM,
    cert: STRANGER_PEM,
    key: STRANGER_KEY,
    fragmentBytes: 1000,
  })
  const { verdict } = await converse(at, new EapPeer(USER, stranger))
  assert.equal(verdict?.kind, 'reject')
  assert.equal(verdict.eap?.[0], EAP_FAILURE)
})

const yaml = ({ host, authPort, acctPort, secret }: Freeradius) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
ppp: { auth: [eap, mschapv2, chap-md5, pap] }
plugins:
  - radius-client: { servers: [{ address: ${host}, authPort: ${authPort}, acctPort: ${acctPort}, secret: "${secret}" }] }
  - auth-radius
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`

for (const method of ['pap', 'chap', 'mschapv2', 'eap'] as const)
  test(`a call by ${method} is let in, or refused, as FreeRADIUS says`, { skip }, async t => {
    const reply = ['Framed-IP-Address = 172.16.1.77', 'MS-Primary-DNS-Server = 192.168.1.53']
    const server = await startFreeradius(t, { users: { [USER]: { password: PASSWORD, reply } } })
    const lns = await startMemoryLns(t, { yaml: yaml(server) })
    const call = await lns.dialUp({ user: USER, password: PASSWORD, method })
    assert.deepEqual([call.address, call.dns], ['172.16.1.77', ['192.168.1.53']])
    assert.ok(await call.reaches('192.168.1.1'))
    assert.deepEqual(server.requests()[0]?.['Acct-Session-Id'], [lns.sessions()[0]?.id])
    const refused = await lns.dial({ user: USER, password: 'wrong', method, from: '198.51.100.8' })
    assert.equal(refused.kind, 'refused')
    assert.equal(lns.explain('198.51.100.8')[0]?.refusal?.reason, '127.0.0.1 rejects')
    await call.hangUp()
  })
