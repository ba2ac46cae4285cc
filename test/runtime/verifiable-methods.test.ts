/** Which methods LCP asks a peer for: those that somebody whom it may be can be verified by; then those of its own realm. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { type AuthMethod, definePlugin, z } from '../../core/index.ts'
import { startMemoryLns } from '../../core/testing/index.ts'

const PASSWORD = 'admin@123'
const METHODS = z.array(z.enum(['pap', 'chap-md5', 'mschapv2', 'eap']))

/** Verifies its realm by some methods, and says so, or says nothing. */
const realm = definePlugin({
  name: 'realm',
  config: z.strictObject({ realm: z.string(), methods: METHODS, says: z.boolean().default(true) }),
  setup({ hooks }, { realm: own, methods, says }) {
    hooks.authenticate.tap('realm', ({ user, proof }) => {
      if (!user.endsWith(`@${own}`)) return undefined
      if (!methods.includes(proof.method))
        return { kind: 'renegotiate', methods, reason: `${own} has no ${proof.method}` }
      return proof.verify(PASSWORD) ? { kind: 'accept', user } : { kind: 'reject', reason: 'wrong password' }
    })
    return says ? { verifies: () => methods } : {}
  },
})

const start = (t: Parameters<typeof startMemoryLns>[0], plugins: string, more = '') =>
  startMemoryLns(t, {
    plugins: [realm],
    yaml: `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
ppp: { auth: [mschapv2, chap-md5, pap] }
${more}
plugins:
${plugins}
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - policy-zones: {}
`,
  })

const byMethod = (record: {
  readonly entries: readonly { readonly hook: string; readonly verdict: string }[]
}) =>
  record.entries
    .filter(({ hook, verdict }) => hook === 'authenticate' && verdict !== 'pass')
    .map(({ verdict }) => verdict)

test('a peer is asked for what somebody in its reach can be verified by, and for nothing else', async t => {
  const lns = await start(t, '  - realm: { realm: hb, methods: [pap] }')
  const call = await lns.dialUp({ user: 'ann@hb', password: PASSWORD })
  const [record] = lns.explain('ann@hb')
  // Of mschapv2, chap-md5 and pap only the last was asked for.
  assert.deepEqual(record && byMethod(record), ['accept'])
  await call.hangUp()
  const chap = await lns.dial({ user: 'ann@hb', password: PASSWORD, method: 'chap' })
  assert.equal(chap.kind, 'refused')
  assert.ok(lns.log.some(({ fields }) => /refuses every authentication method/.test(inspect(fields))))
})

test('the list is the union over the realms; a user of the other one is asked once more', async t => {
  const lns = await start(
    t,
    '  - realm: { realm: hb, methods: [pap] }\n  - realm: { as: other, realm: lab, methods: [chap-md5] }',
  )
  for (const [user, verdicts] of [
    ['bob@lab', ['accept']],
    ['ann@hb', ['renegotiate', 'accept']],
  ] as const) {
    await lns.dialUp({ user, password: PASSWORD })
    const [record] = lns.explain(user)
    assert.deepEqual(record && byMethod(record), verdicts, user)
  }
  assert.deepEqual(
    lns.sessions().map(({ user }) => user),
    ['bob@lab', 'ann@hb'],
  )
  const chap = await lns.dial({ user: 'ann@hb', password: PASSWORD, method: 'chap' })
  assert.equal(chap.kind, 'refused')
  const refusals = () => lns.explain('ann@hb').flatMap(({ refusal }) => refusal?.reason ?? [])
  assert.deepEqual(refusals(), ['hb has no chap-md5'])
  const wrong = await lns.dial({ user: 'ann@hb', password: 'guess' })
  assert.equal(wrong.kind, 'refused')
  assert.ok(refusals().includes('wrong password'))
})

test('where one says nothing of what it can verify, all is asked for', async t => {
  const lns = await start(
    t,
    '  - realm: { realm: hb, methods: [pap] }\n  - realm: { as: other, realm: lab, methods: [mschapv2], says: false }',
  )
  await lns.dialUp({ user: 'bob@lab', password: PASSWORD })
  await lns.dialUp({ user: 'ann@hb', password: PASSWORD })
  const [record] = lns.explain('ann@hb')
  assert.deepEqual(record && byMethod(record), ['renegotiate', 'accept'])
})

test('deployments that a peer cannot reach have no say, and those by realm do', async t => {
  const methods = (name: string, list: readonly AuthMethod[]) => `realm: ${name}, methods: [${list}]`
  const lns = await start(
    t,
    `  - deployment:
      name: branch
      when: { peer: [203.0.113.0/24] }
      plugins: [{ realm: { ${methods('hb', ['mschapv2'])} } }]
  - deployment:
      name: lab
      when: { realm: [lab] }
      plugins: [{ realm: { ${methods('lab', ['chap-md5'])} } }]
  - realm: { ${methods('hb', ['pap'])} }`,
  )
  const seen = async (user: string, from: string) => {
    const call = await lns.dialUp({ user, password: PASSWORD, from })
    const [record] = lns.explain(user)
    await call.hangUp()
    return record && byMethod(record)
  }
  assert.deepEqual(await seen('ann@hb', '203.0.113.7'), ['accept'], 'mschapv2')
  assert.deepEqual(await seen('ann@hb', '198.51.100.7'), ['renegotiate', 'accept'], 'chap-md5, then pap')
  assert.deepEqual(await seen('bob@lab', '198.51.100.7'), ['accept'], 'chap-md5')
})

test('a try says what a peer would be asked for', async t => {
  const lns = await start(t, '  - realm: { realm: hb, methods: [pap] }')
  const { outcome, notes, refusal } = await lns.dryRun({ user: 'ann@hb', password: PASSWORD, method: 'chap' })
  assert.deepEqual([outcome, refusal?.reason], ['refuse', 'hb has no chap-md5'])
  assert.deepEqual(notes, ['LCP would ask a peer once more, for pap: try that'])
})
