/** The authenticator against servers that a test makes up. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import type { Proof } from '../../core/hooks/views.ts'
import type { RadiusAttribute, RadiusRequest } from '../../core/plugin/radius.ts'
import { createProof } from '../../core/runtime/proof.ts'
import { authenticatorContract } from '../../core/testing/contracts/authenticator.ts'
import { startMemoryLns } from '../../core/testing/memory-lns.ts'
import { loadPlugin, startPlugin } from '../../core/testing/plugin-harness.ts'
import { chapProof, eapProof, mschapv2Proof, papProof } from '../../core/testing/proofs.ts'
import { aSession } from '../../core/testing/samples.ts'
import authRadius from '../../plugins/auth-radius/index.ts'
import { attributeValue, fakeRadius, reply, type Serve } from '../support/fake-radius.ts'

const USER = 'hb@hb'
const PASSWORD = 'admin@123'
const SUCCESS = `S=${'0123456789ABCDEF'.repeat(3).slice(0, 40)}`

/** As a server would that knows one user, and finds the proof right by what the request carries. */
const verifying: Serve = ({ attributes }) => {
  const of = (name: string) => attributeValue({ attributes }, name)
  const right = of('User-Name') === USER && (isPap(of) || isChap(of) || isMschapv2(of))
  const proven =
    of('MS-CHAP2-Response') === undefined ? {} : { 'MS-CHAP2-Success': Buffer.from(`\x07${SUCCESS}`) }
  return right ? reply('Access-Accept', proven) : reply('Access-Reject')
}

type Of = (name: string) => RadiusAttribute['value'] | undefined
const isPap = (of: Of) => of('User-Password') === PASSWORD

function isChap(of: Of): boolean {
  const [response, challenge] = [of('CHAP-Password'), of('CHAP-Challenge')]
  if (!(response instanceof Uint8Array) || !(challenge instanceof Uint8Array) || response.length !== 17)
    return false
  const hash = createHash('md5').update(response.subarray(0, 1)).update(PASSWORD).update(challenge)
  return hash.digest().equals(response.subarray(1))
}

function isMschapv2(of: Of): boolean {
  const [response, challenge] = [of('MS-CHAP2-Response'), of('MS-CHAP-Challenge')]
  if (!(response instanceof Uint8Array) || !(challenge instanceof Uint8Array) || response.length !== 50)
    return false
  const proof = createProof({
    method: 'mschapv2',
    identifier: response[0] ?? 0,
    userName: String(of('User-Name')),
    authenticatorChallenge: challenge,
    peerChallenge: response.subarray(2, 18),
    ntResponse: response.subarray(26),
  })
  return response.subarray(18, 26).every(octet => octet === 0) && response[1] === 0 && proof.verify(PASSWORD)
}

async function start(t: TestContext, serve: Serve, options: object = {}, onUnavailable?: 'reject' | 'next') {
  const { plugin: client, asked } = fakeRadius(serve)
  const setting = { options, before: [client], ...(onUnavailable === undefined ? {} : { onUnavailable }) }
  const plugin = await startPlugin(t, authRadius, setting)
  return { plugin, asked }
}

for (const [name, prove] of [
  ['PAP', papProof],
  ['CHAP', chapProof],
  ['MS-CHAPv2', (password: string) => mschapv2Proof(password, USER)],
] as const)
  authenticatorContract({
    name: `auth-radius with ${name}`,
    make: async t => (await start(t, verifying)).plugin,
    user: USER,
    secret: PASSWORD,
    prove,
    unknown: 'reject',
    makeUnavailable: async (t, onUnavailable) => {
      const server = { isOut: true }
      const serve: Serve = request =>
        server.isOut ? { kind: 'unavailable', reason: 'one: dead' } : verifying(request)
      const { plugin } = await start(t, serve, {}, onUnavailable)
      return {
        plugin,
        repair: () => {
          server.isOut = false
        },
      }
    },
    makeHung: async t => (await start(t, () => 'never')).plugin,
  })

/** The first request about a login, and the verdict on it. */
async function login(t: TestContext, user: string, proof: Proof, serve: Serve, options: object = {}) {
  const { plugin, asked } = await start(t, serve, options)
  const { verdict } = await plugin.authenticate(user, proof)
  return { plugin, asked, request: asked[0] as RadiusRequest, verdict }
}

const accepting: Serve = () => reply('Access-Accept')

test('a request names the user first, then the proof, then the call, then what the options add', async t => {
  const options = { attributes: { 'Operator-Name': '1example', 'NAS-Port-Type': [5, 'Virtual'] } }
  const { request } = await login(t, USER, papProof(PASSWORD), accepting, options)
  assert.equal(request.code, 'Access-Request')
  const names = request.attributes.map(({ name }) => name)
  assert.deepEqual(names.slice(0, 3), ['User-Name', 'User-Password', 'NAS-Identifier'])
  assert.ok(names.includes('Acct-Session-Id') && names.includes('Calling-Station-Id'))
  assert.deepEqual(request.attributes.slice(-3), [
    { name: 'Operator-Name', value: '1example' },
    { name: 'NAS-Port-Type', value: 5 },
    { name: 'NAS-Port-Type', value: 'Virtual' },
  ])
  assert.deepEqual([request.pool, request.server, request.timeoutMs], [undefined, undefined, 25_000])
})

test('the pool and the time that an answer may take are those of the options', async t => {
  const options = { pool: 'second', timeoutMs: 5000 }
  const { request } = await login(t, USER, papProof(PASSWORD), accepting, options)
  assert.deepEqual([request.pool, request.timeoutMs], ['second', 5000])
})

test('an answer that a person confirms after 15 s is waited for', async t => {
  const { plugin: client } = fakeRadius(() => 'never')
  const plugin = await startPlugin(t, authRadius, { before: [client] })
  const asked = plugin.authenticate(USER, papProof(PASSWORD))
  let verdict: unknown
  void asked.then(decided => (verdict = decided.verdict))
  await plugin.clock.advance(24_999)
  assert.equal(verdict, undefined)
  await plugin.clock.advance(1)
  assert.deepEqual(verdict, { kind: 'unavailable', reason: 'one: no answer' })
  assert.deepEqual(plugin.faults, [])
})

test('a call that ends takes its question back', async t => {
  const { plugin, asked } = await start(t, () => 'never')
  const inquiry = plugin.inquiry()
  const decided = plugin.authenticate(USER, papProof(PASSWORD), { inquiry })
  await plugin.clock.advance(0)
  assert.equal(asked[0]?.signal?.aborted, false)
  inquiry.withdraw()
  await decided
  assert.equal(asked[0]?.signal?.aborted, true)
})

test('a dry run asks as ever', async t => {
  const { plugin, asked } = await start(t, accepting)
  const inquiry = plugin.inquiry({ dryRun: true })
  const { verdict } = await plugin.authenticate(USER, papProof(PASSWORD), { inquiry })
  assert.equal(verdict?.kind, 'accept')
  assert.equal(asked.length, 1)
})

for (const [name, proof, reason] of [
  ['an empty password', papProof(''), /empty password/],
  ['a password with a NUL', papProof('a\0'), /NUL/],
  ['a password of 129 octets', papProof(`${'ä'.repeat(64)}a`), /128 octets/],
] as const)
  test(`${name} is refused, and nobody asked`, async t => {
    const { verdict, asked } = await login(t, USER, proof, accepting)
    assert.ok(verdict?.kind === 'reject')
    assert.match(verdict.reason, reason)
    assert.equal(asked.length, 0)
  })

test('a password of 128 octets is asked about', async t => {
  const { request } = await login(t, USER, papProof('ä'.repeat(64)), accepting)
  assert.equal(attributeValue(request, 'User-Password'), 'ä'.repeat(64))
})

for (const user of ['', 'a\0', 'a'.repeat(254)])
  test(`a user name of ${user.length} characters that RADIUS does not carry is refused, and nobody asked`, async t => {
    const { verdict, asked } = await login(t, user, papProof(PASSWORD), accepting)
    assert.deepEqual([verdict?.kind, asked.length], ['reject', 0])
  })

test('users of other realms are left to the next plugin', async t => {
  const { plugin, asked } = await start(t, accepting, { realms: ['HB', ''] })
  const kinds = []
  for (const user of ['a@hb', 'a', 'a@b@hB', 'a@other', '@hb2', 'hb'])
    kinds.push((await plugin.authenticate(user, papProof(PASSWORD))).verdict?.kind)
  assert.deepEqual(kinds, ['accept', 'accept', 'accept', undefined, undefined, 'accept'])
  assert.equal(asked.length, 4)
})

for (const [name, proof, expected] of [
  ['PAP', papProof(PASSWORD), 'hb'],
  ['CHAP', chapProof(PASSWORD), 'hb'],
  ['MS-CHAPv2, which hashes the name', mschapv2Proof(PASSWORD), 'hb@hb'],
  ['EAP, which tells it itself', eapProof(USER), 'hb@hb'],
] as const)
  test(`stripRealm with ${name}: the server is asked about ${expected}`, async t => {
    const { request, verdict } = await login(t, USER, proof, verifyingAnything, { stripRealm: true })
    assert.equal(attributeValue(request, 'User-Name'), expected)
    assert.ok(verdict?.kind === 'accept')
    assert.equal(verdict.user, USER, 'it is the same user for accounting')
  })

const verifyingAnything: Serve = () =>
  reply('Access-Accept', { 'MS-CHAP2-Success': Buffer.from(`\x07${SUCCESS}`) })

test('User-Name in an accept renames the user', async t => {
  const { verdict } = await login(t, USER, papProof(PASSWORD), () =>
    reply('Access-Accept', { 'User-Name': 'horst', 'Framed-Pool': 'staff' }),
  )
  assert.deepEqual(verdict, { kind: 'accept', user: 'horst', grant: { pool: 'staff' } })
})

test('Reply-Message is told to the peer, of an accept and of a reject, and to the trail of a reject', async t => {
  const said = { 'Reply-Message': ['Welcome', 'to hb'] }
  const accepted = await login(t, USER, papProof(PASSWORD), () => reply('Access-Accept', said))
  assert.ok(accepted.verdict?.kind === 'accept')
  assert.equal(accepted.verdict.message, 'Welcome\nto hb')
  const rejected = await login(t, USER, papProof(PASSWORD), () =>
    reply('Access-Reject', { 'Reply-Message': 'no more credit' }),
  )
  assert.deepEqual(rejected.verdict, {
    kind: 'reject',
    reason: 'one rejects: no more credit',
    message: 'no more credit',
  })
})

test('an accept that cannot be honoured is a reject that says why; one in part is logged', async t => {
  const refused = await login(t, USER, papProof(PASSWORD), () =>
    reply('Access-Accept', { 'Service-Type': 1 }),
  )
  assert.ok(refused.verdict?.kind === 'reject')
  assert.match(refused.verdict.reason, /^one accepts, but Service-Type/)
  const { verdict, plugin } = await login(t, USER, papProof(PASSWORD), () =>
    reply('Access-Accept', { 'Framed-Route': ['default', '192.168.7.0/24'] }),
  )
  assert.deepEqual(verdict, { kind: 'accept', user: USER, grant: { routes: ['192.168.7.0/24'] } })
  const [line] = plugin.log.filter(({ level }) => level === 'warn')
  assert.deepEqual([line?.fields.user, line?.fields.server], [USER, 'one'])
  assert.match(String(line?.fields.why), /^Framed-Route/)
})

test('routes into pools and to our own addresses are nobody’s to have', async t => {
  const { plugin } = await start(t, () =>
    reply('Access-Accept', {
      'Framed-Route': ['172.16.1.0/24', '192.168.1.0/24', '2.2.2.2/32', '172.16.2.0/24'],
    }),
  )
  plugin.server.declarePool('main', [{ address: '172.16.1.64', length: 26 }])
  const { verdict } = await plugin.authenticate(USER, papProof(PASSWORD))
  assert.ok(verdict?.kind === 'accept')
  assert.deepEqual(verdict.grant, { routes: ['172.16.2.0/24'] })
})

test('MS-CHAP2-Success proves us to the peer; an accept without it is none', async t => {
  const success = Buffer.from(`\xff${SUCCESS} M=Welcome`, 'latin1')
  const proven = await login(t, USER, mschapv2Proof(PASSWORD), () =>
    reply('Access-Accept', {
      'MS-CHAP2-Success': success,
      'MS-MPPE-Send-Key': Buffer.from('never in a log'),
    }),
  )
  assert.deepEqual(proven.verdict, {
    kind: 'accept',
    user: USER,
    grant: {},
    mschapv2Success: `${SUCCESS} M=Welcome`,
  })
  assert.doesNotMatch(inspect([proven.verdict, proven.plugin.log], { depth: 9 }), /never in a log|6e65766572/)
  const unproven = await login(t, USER, mschapv2Proof(PASSWORD), accepting)
  assert.ok(unproven.verdict?.kind === 'reject')
  assert.match(unproven.verdict.reason, /MS-CHAP2-Success/)
})

for (const [name, error] of [
  ['octets', Buffer.from('\xf0E=648 R=0 V=3 M=expired', 'latin1')],
  ['text', '\u0007E=648 R=0 V=3 M=expired'],
] as const)
  test(`MS-CHAP-Error as ${name} is told to the peer`, async t => {
    const { verdict } = await login(t, USER, mschapv2Proof(PASSWORD), () =>
      reply('Access-Reject', { 'MS-CHAP-Error': error }),
    )
    assert.deepEqual(verdict, {
      kind: 'reject',
      reason: 'one rejects',
      mschapv2Error: 'E=648 R=0 V=3 M=expired',
    })
  })

/** Asks for a code after the password. */
const challenging: Serve = ({ attributes, server }) => {
  const state = attributeValue({ attributes }, 'State')
  if (state === undefined)
    return reply('Access-Challenge', { State: Uint8Array.of(0, 0xff, 1), 'Reply-Message': 'your code?' })
  const right =
    server === 'one' &&
    Buffer.from(state as Uint8Array).toString('hex') === '00ff01' &&
    attributeValue({ attributes }, 'User-Password') === '4711'
  return reply(right ? 'Access-Accept' : 'Access-Reject')
}

test('a challenge goes on with the next password, at the server that began, with its State as it was', async t => {
  const { plugin, asked } = await start(t, challenging)
  const first = await plugin.authenticate(USER, papProof(PASSWORD))
  const state = { server: 'one', state: '00ff01' }
  assert.deepEqual(first.verdict, { kind: 'continue', reply: 'your code?', state })
  const answered = async (code: string) =>
    (await plugin.authenticate(USER, papProof(code), { round: 1, state })).verdict?.kind
  assert.equal(await answered('4711'), 'accept')
  assert.equal(await answered('1'), 'reject')
  assert.equal(await answered(''), 'reject', 'an empty answer is for the server to judge')
  assert.equal(asked.length, 4)
})

test('a challenge without State and message goes on as well', async t => {
  const { verdict } = await login(t, USER, papProof(PASSWORD), () => reply('Access-Challenge'))
  assert.deepEqual(verdict, { kind: 'continue', reply: '', state: { server: 'one' } })
})

for (const [name, proof] of [
  ['CHAP', chapProof(PASSWORD)],
  ['MS-CHAPv2', mschapv2Proof(PASSWORD)],
] as const)
  test(`a challenge to ${name}, which has no room for it, is a reject`, async t => {
    const { verdict } = await login(t, USER, proof, challenging)
    assert.equal(verdict?.kind, 'reject')
  })

const eap = (code: number, ...data: number[]) => Uint8Array.of(code, 2, 0, 4 + data.length, ...data)

test('EAP goes through as it is, with the MTU of the link, round by round at one server', async t => {
  const request = eap(1, 4, 1, 7)
  const serve: Serve = ({ attributes, server }) => {
    if (server === undefined)
      return reply('Access-Challenge', { 'EAP-Message': request, State: Uint8Array.of(9) })
    return attributeValue({ attributes }, 'State') === undefined
      ? reply('Access-Reject')
      : reply('Access-Accept', { 'EAP-Message': eap(3), 'Framed-Pool': 'staff' })
  }
  const { plugin, asked } = await start(t, serve)
  const proof = eapProof(USER)
  const first = await plugin.authenticate(USER, proof)
  const state = { server: 'one', state: '09' }
  assert.deepEqual(first.verdict, { kind: 'continue', eap: request, state })
  assert.deepEqual(attributeValue(asked[0] as RadiusRequest, 'EAP-Message'), proof.eap()?.packet)
  assert.equal(attributeValue(asked[0] as RadiusRequest, 'Framed-MTU'), 1490)
  const answer = eapProof(USER, eap(2, 4, 1, 8))
  const second = await plugin.authenticate(USER, answer, { round: 1, state })
  assert.deepEqual(second.verdict, { kind: 'accept', user: USER, grant: { pool: 'staff' }, eap: eap(3) })
  assert.deepEqual(attributeValue(asked[1] as RadiusRequest, 'EAP-Message'), eap(2, 4, 1, 8))
})

for (const [name, answer, expected] of [
  [
    'a reject with Failure',
    reply('Access-Reject', { 'EAP-Message': eap(4) }),
    { kind: 'reject', eap: eap(4) },
  ],
  ['a reject with Success', reply('Access-Reject', { 'EAP-Message': eap(3) }), { kind: 'reject' }],
  ['a reject without', reply('Access-Reject'), { kind: 'reject' }],
  ['an accept with Failure', reply('Access-Accept', { 'EAP-Message': eap(4) }), { kind: 'reject' }],
  ['an accept with a Request', reply('Access-Accept', { 'EAP-Message': eap(1, 4) }), { kind: 'reject' }],
  ['an accept without', reply('Access-Accept'), { kind: 'accept' }],
  ['a challenge with Failure', reply('Access-Challenge', { 'EAP-Message': eap(4) }), { kind: 'reject' }],
  ['a challenge without', reply('Access-Challenge'), { kind: 'reject' }],
  [
    'an accept with nothing',
    reply('Access-Accept', { 'EAP-Message': new Uint8Array(0) }),
    { kind: 'reject' },
  ],
] as const)
  test(`EAP: ${name} is ${expected.kind}`, async t => {
    const { verdict } = await login(t, USER, eapProof(USER), () => answer)
    assert.equal(verdict?.kind, expected.kind)
    assert.deepEqual(
      verdict && 'eap' in verdict ? verdict.eap : undefined,
      'eap' in expected ? expected.eap : undefined,
    )
  })

test('of live sessions nothing is said: no server tells without a proof', async t => {
  const { plugin } = await start(t, accepting)
  const { Inquiry } = await import('../../core/hooks/guard.ts')
  const asked = { session: aSession(), user: USER, grant: { user: USER } }
  assert.equal(await plugin.host.hooks.ask('revalidate', new Inquiry(), asked), undefined)
})

for (const [name, options, code] of [
  ['a pool that is not there', { pool: 'third' }, 'AUTH_RADIUS'],
  ['an attribute that no dictionary has', { attributes: { 'No-Such': 1 } }, 'AUTH_RADIUS'],
  ['a value that an attribute cannot have', { attributes: { 'NAS-Port': 'one' } }, 'AUTH_RADIUS'],
  ['one that every packet has of its own', { attributes: { 'Message-Authenticator': 'x' } }, 'AUTH_RADIUS'],
  ['no time', { timeoutMs: 0 }, 'PLUGIN_OPTIONS'],
  ['more time than the hook has', { timeoutMs: 45_000 }, 'PLUGIN_OPTIONS'],
  ['a realm with its @', { realms: ['@hb'] }, 'PLUGIN_OPTIONS'],
  ['an unknown option', { realm: 'hb' }, 'PLUGIN_OPTIONS'],
] as const)
  test(`options with ${name} are refused`, async () => {
    const setting = { options, before: [fakeRadius(accepting).plugin] }
    await assert.rejects(loadPlugin(authRadius, setting), { code })
  })

const yaml = (options = '{}') => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
plugins:
  - radius-client
  - auth-radius: ${options}
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`

for (const method of ['pap', 'chap'] as const)
  test(`a call by ${method} comes up with what the server grants, in a whole server`, async t => {
    const granting: Serve = async request => {
      const answer = await verifying(request)
      if (answer === 'never' || answer.kind !== 'reply' || answer.code !== 'Access-Accept')
        return answer as never
      return reply('Access-Accept', {
        'Framed-IP-Address': '172.16.1.77',
        'MS-Primary-DNS-Server': '192.168.1.53',
        'Framed-Route': '192.168.77.0/24 0.0.0.0 1',
      })
    }
    const { plugin, asked } = fakeRadius(granting)
    const lns = await startMemoryLns(t, { yaml: yaml(), plugins: [plugin] })
    const call = await lns.dialUp({ user: USER, password: PASSWORD, method })
    assert.equal(call.address, '172.16.1.77')
    assert.deepEqual(call.dns, ['192.168.1.53'])
    assert.ok(lns.kernelLog.includes('add routes burrow0 192.168.77.0/24'), lns.kernelLog.join('\n'))
    const [session] = lns.sessions()
    assert.equal(attributeValue(asked[0] as RadiusRequest, 'Acct-Session-Id'), session?.id)
    assert.equal(
      (await lns.dial({ user: USER, password: 'wrong', method, from: '198.51.100.8' })).kind,
      'refused',
    )
    const [refused] = lns.explain('198.51.100.8')
    assert.equal(refused?.refusal?.reason, 'one rejects')
  })

test('a call that hangs up while the server thinks leaves nothing behind', async t => {
  const { plugin, asked } = fakeRadius(() => 'never')
  const lns = await startMemoryLns(t, { yaml: yaml(), plugins: [plugin] })
  const placed = lns.place({ user: USER, password: PASSWORD, method: 'pap' })
  await lns.clock.until('the server is asked', () => asked.length === 1)
  placed.hangUp()
  await lns.clock.advance(1000)
  assert.equal(asked[0]?.signal?.aborted, true)
  assert.deepEqual(lns.sessions(), [])
})
