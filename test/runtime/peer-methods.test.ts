/** MS-CHAPv2 and EAP from end to end: client, tunnel, server, hooks and plugins, in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { definePlugin, type Hooks, z } from '../../core/index.ts'
import { startMemoryLns } from '../../core/testing/index.ts'
import eapMd5 from '../support/eap-md5-plugin.ts'

const HB = { user: 'hb@hb', password: 'admin@123' } as const

const yaml = (auth: string, plugin = '') => `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
ppp: { auth: [${auth}] }
plugins:
${plugin}
  - auth-local: { users: [{ user: hb@hb, password: admin@123, address: 172.16.1.51 }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: { zones: { trust: [192.168.1.0/24] } }
`
const EAP_USERS = 'users: { eve@hb: let me in, hb@hb: admin@123 }'
const byEap = (more = '') => ({
  yaml: yaml('eap', `  - eap-md5: { ${EAP_USERS} ${more} }`),
  plugins: [eapMd5],
})

const plugin = (name: string, tap: (hooks: Hooks) => void) =>
  definePlugin({ name, config: z.strictObject({}), setup: ({ hooks }) => tap(hooks) })

test('auth-local lets a client of MS-CHAPv2 in, which believes it', async t => {
  const lns = await startMemoryLns(t, { yaml: yaml('mschapv2') })
  const call = await lns.dialUp({ ...HB, method: 'mschapv2' })
  assert.equal(call.address, '172.16.1.51')
  assert.ok(await call.reaches('192.168.1.1'))
})

test('a wrong password by MS-CHAPv2 is refused as RFC 2759 has it, and nothing of it is in the log', async t => {
  const lns = await startMemoryLns(t, { yaml: yaml('mschapv2') })
  const call = await lns.dial({ user: HB.user, password: 'never in a log', method: 'mschapv2' })
  assert.equal(call.kind, 'refused')
  assert.equal(call.code, 'DIAL_AUTH')
  assert.match(call.message, /wrong name or password: Authentication failed/)
  assert.doesNotMatch(inspect(lns.log, { depth: 9 }), /never in a log/)
})

test('a plugin that knows nothing and accepts everybody lets no client of MS-CHAPv2 in: it is named, and the client told', async t => {
  const everybody = plugin('everybody', hooks =>
    hooks.authenticate.tap('everybody', ({ user }) => ({ kind: 'accept', user })),
  )
  const lns = await startMemoryLns(t, { yaml: yaml('mschapv2'), plugins: [everybody] })
  const call = await lns.dial({ ...HB, method: 'mschapv2' })
  assert.equal(call.kind === 'refused' && call.code, 'DIAL_AUTH')
  assert.match(inspect(lns.log), /plugin everybody accepted without proving us/)
})

test('a plugin that gives a forged proof of ours gets its client to leave', async t => {
  const forger = plugin('forger', hooks =>
    hooks.authenticate.tap('forger', ({ user }) => ({
      kind: 'accept',
      user,
      mschapv2Success: `S=${'00'.repeat(20)}`,
    })),
  )
  const lns = await startMemoryLns(t, { yaml: yaml('mschapv2'), plugins: [forger] })
  const call = await lns.dial({ ...HB, method: 'mschapv2' })
  assert.equal(call.kind, 'refused')
  assert.match(call.message, /impostor/)
})

test('a password that has expired is told so', async t => {
  const expired = plugin('expired', hooks =>
    hooks.authenticate.tap('expired', () => ({
      kind: 'reject',
      reason: 'expired',
      mschapv2Error: 'E=648 R=1 V=3',
    })),
  )
  const lns = await startMemoryLns(t, { yaml: yaml('mschapv2'), plugins: [expired] })
  const call = await lns.dial({ ...HB, method: 'mschapv2' })
  assert.equal(call.kind, 'refused')
  assert.match(call.message, /expired, and cannot be changed here/)
})

for (const [how, more] of [
  ['in two rounds', ''],
  ['in more rounds than a password may have', ', notifications: 40'],
  ['with Requests as large as the link carries', ', requestBytes: 1400'],
] as const)
  test(`a plugin lets a client of EAP in ${how}; auth-local passes it on`, async t => {
    const lns = await startMemoryLns(t, byEap(more))
    const call = await lns.dialUp({ user: 'eve@hb', password: 'let me in', method: 'eap' })
    assert.ok(await call.reaches('192.168.1.1'))
    const [row] = lns.sessions()
    assert.equal(row?.user, 'eve@hb')
  })

for (const [what, more, password, reason] of [
  ['a wrong password', '', 'let me out', /wrong password/],
  [
    'a plugin whose Request is larger than the link',
    ', requestBytes: 1401',
    'let me in',
    /1401 octets.*1400/,
  ],
  ['a plugin that goes on without end', ', notifications: 99', 'let me in', /no verdict after 64 rounds/],
] as const)
  test(`EAP: ${what} ends the call, and the log says why`, async t => {
    const lns = await startMemoryLns(t, byEap(more))
    const call = await lns.dial({ user: 'eve@hb', password, method: 'eap' })
    assert.equal(call.kind === 'refused' && call.code, 'DIAL_AUTH')
    assert.match(inspect(lns.log, { depth: 5 }), reason)
    assert.doesNotMatch(inspect(lns.log, { depth: 9 }), /let me out/)
  })

test('a user whom no plugin knows by EAP is refused, and the log says that it may be the method', async t => {
  const lns = await startMemoryLns(t, {
    yaml: yaml('eap').replace('auth-local: {', 'auth-local: { eapMethods: [],'),
  })
  const call = await lns.dial({ ...HB, method: 'eap' })
  assert.equal(call.kind, 'refused')
  assert.match(inspect(lns.log, { depth: 5 }), /none of those that do speaks EAP/)
})

test('auth-local lets a client in by EAP, which proves itself by MSCHAPv2, and one that guesses not', async t => {
  const lns = await startMemoryLns(t, { yaml: yaml('eap') })
  const call = await lns.dialUp({ ...HB, method: 'eap' })
  assert.ok(await call.reaches('192.168.1.1'))
  const guess = await lns.dial({ ...HB, password: 'guess', method: 'eap' })
  assert.equal(guess.kind === 'refused' && guess.code, 'DIAL_AUTH')
})

for (const method of ['pap', 'chap', 'mschapv2', 'eap'] as const)
  test(`a client of ${method} alone gets it from a server that would like another more`, async t => {
    const lns = await startMemoryLns(t, {
      yaml: yaml('eap, mschapv2, chap-md5, pap', `  - eap-md5: { ${EAP_USERS} }`),
      plugins: [eapMd5],
    })
    await lns.dialUp({ ...HB, method })
  })
