/** One server, several deployments: which plugins serve a call depends on the peer, its secret and the user's realm. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin, z } from 'burrow'
import { type MemoryLns, startMemoryLns } from 'burrow/testing'

const POLICY = (trust: string) => `policy-zones: { zones: { trust: [${trust}] } }`

const TWO_REALMS = `
listen: [2.2.2.2]
gatewayAddress: 172.16.0.1
plugins:
  - sink
  - deployment:
      name: hq
      when: { realm: hb }
      plugins:
        - auth-local: { users: [{ user: ann@hb, password: ann-of-hb }] }
        - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.9] } } }
        - ${POLICY('192.168.1.0/24')}
        - sink: { label: hq }
  - deployment:
      name: lab
      when: { realm: [lab, test] }
      plugins:
        - auth-local: { users: [{ user: ann@lab, password: ann-of-lab }, { user: 'TEST\\bob', password: bob-of-test }] }
        - address-pool: { pools: { main: { ranges: [172.16.2.2-172.16.2.9] } } }
        - ${POLICY('10.0.0.0/8')}
`

/** Writes down who came in, under the name of the option. */
const sink = (told: string[]) =>
  definePlugin({
    name: 'sink',
    config: z.strictObject({ label: z.string().default('all') }),
    setup({ hooks, id }, { label }) {
      hooks.sessionUp.tap('s', ({ session }) => void told.push(`${label} ${session.user}`))
      return { start: () => void told.push(`start ${id}`) }
    },
  })

async function twoRealms(t: TestContext) {
  const told: string[] = []
  return { told, lns: await startMemoryLns(t, { yaml: TWO_REALMS, plugins: [sink(told)] }) }
}

const isRefused = async (lns: MemoryLns, dial: Parameters<MemoryLns['dial']>[0]) =>
  (await lns.dial(dial)).kind === 'refused'

test('each realm has its own users, addresses and intranet; plugins outside of all serve both', async t => {
  const { lns, told } = await twoRealms(t)
  const hq = await lns.dialUp({ user: 'ann@hb', password: 'ann-of-hb', from: '198.51.100.1' })
  const lab = await lns.dialUp({ user: 'ann@lab', password: 'ann-of-lab', from: '198.51.100.2' })
  const bob = await lns.dialUp({ user: 'TEST\\bob', password: 'bob-of-test', from: '198.51.100.3' })
  assert.match(hq.address, /^172\.16\.1\./)
  assert.match(lab.address, /^172\.16\.2\./)
  assert.match(bob.address, /^172\.16\.2\./)
  assert.ok((await hq.reaches('192.168.1.1')) && !(await hq.reaches('10.1.1.1')))
  assert.ok((await lab.reaches('10.1.1.1')) && !(await lab.reaches('192.168.1.1')))
  assert.ok(!(await lns.reaches(hq, '10.1.1.1')) && (await lns.reaches(lab, '10.1.1.1')))
  assert.deepEqual(told, [
    'start sink',
    'start hq/sink',
    'all ann@hb',
    'hq ann@hb',
    'all ann@lab',
    'all TEST\\bob',
  ])
})

test('a user of one realm is nobody in another, nor without one', async t => {
  const { lns } = await twoRealms(t)
  assert.ok(await isRefused(lns, { user: 'ann@lab', password: 'ann-of-hb' }))
  assert.ok(await isRefused(lns, { user: 'ann@elsewhere', password: 'ann-of-hb' }))
  assert.ok(await isRefused(lns, { user: 'ann', password: 'ann-of-hb' }))
  assert.ok(!(await isRefused(lns, { user: 'ann@hb', password: 'ann-of-hb' })))
})

test('a deployment can depend on the address, the host name or the tunnel secret of the peer, all that is given together', async t => {
  const deployment = (name: string, when: string, third: number) => `
  - deployment:
      name: ${name}
      when: { ${when} }
      plugins:
        - auth-local: { users: [{ user: ann, password: pw-of-${name} }] }
        - address-pool: { pools: { main: { ranges: [172.16.${third}.2-172.16.${third}.9] } } }
        - ${POLICY('192.168.1.0/24')}`
  const yaml = `
listen: [2.2.2.2]
gatewayAddress: 172.16.0.1
secrets:
  - { name: branch, peerHostName: gate-7, secret: known-to-the-branch }
  - { name: everybody, secret: known-to-all }
plugins:${deployment('branch', 'secret: branch', 1)}${deployment('cafe', 'peer: 203.0.113.0/24, hostName: "cafe-*"', 2)}${deployment('rest', '', 3)}
`
  const lns = await startMemoryLns(t, { yaml })
  const all = { user: 'ann', tunnelSecret: 'known-to-all' }
  const third = async (dial: object) => {
    const call = await lns.dialUp({ ...all, password: '', ...dial })
    await call.hangUp()
    return Number(call.address.split('.')[2])
  }
  assert.equal(
    await third({ hostName: 'gate-7', tunnelSecret: 'known-to-the-branch', password: 'pw-of-branch' }),
    1,
  )
  assert.equal(await third({ from: '203.0.113.5', hostName: 'CAFE-12', password: 'pw-of-cafe' }), 2)
  assert.equal(await third({ from: '203.0.114.5', hostName: 'cafe-12', password: 'pw-of-rest' }), 3)
  assert.equal(await third({ from: '203.0.113.5', hostName: 'cafe', password: 'pw-of-rest' }), 3)
  assert.ok(await isRefused(lns, { ...all, from: '203.0.113.5', hostName: 'cafe-1', password: 'pw-of-rest' }))
})

test('a capability of a deployment is seen inside of it alone, one from outside in all', async t => {
  const got: string[] = []
  const words = { name: 'words', arity: 'many' } as const
  const gives = definePlugin({
    name: 'gives',
    provides: [words],
    config: z.strictObject({ word: z.string() }),
    setup: ({ provide }, { word }) => provide(words, word),
  })
  const reads = definePlugin({
    name: 'reads',
    requires: [words],
    config: z.strictObject({}),
    setup: ({ id }, _options, all) => void got.push(`${id}: ${all}`),
  })
  const yaml = `
listen: [2.2.2.2]
gatewayAddress: 172.16.0.1
plugins:
  - gives: { word: outside }
  - deployment: { name: a, when: { realm: a }, plugins: [{ gives: { word: in-a } }, reads] }
  - deployment: { name: b, when: { realm: b }, plugins: [{ gives: { word: in-b } }, reads] }
  - reads
`
  await startMemoryLns(t, { yaml, plugins: [gives, reads] })
  assert.deepEqual(got, ['a/reads: outside,in-a', 'b/reads: outside,in-b', 'reads: outside'])
})

test('no address is given twice where the pools of two deployments overlap', async t => {
  const yaml = `
listen: [2.2.2.2]
gatewayAddress: 172.16.0.1
plugins:
  - anybody
  - deployment: { name: a, when: { realm: a }, plugins: [{ address-pool: { pools: { p: { ranges: [10.0.0.1-10.0.0.2] } } } }] }
  - deployment: { name: b, when: { realm: b }, plugins: [{ address-pool: { pools: { p: { ranges: [10.0.0.1-10.0.0.3] } } } }] }
`
  const anybody = definePlugin({
    name: 'anybody',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.authenticate.tap('a', ({ user }) => ({ kind: 'accept', user }))
    },
  })
  const lns = await startMemoryLns(t, { yaml, plugins: [anybody] })
  const dial = (user: string, host: number) => lns.dial({ user, password: 'x', from: `198.51.100.${host}` })
  const calls = [await dial('1@a', 1), await dial('2@b', 2), await dial('3@a', 3), await dial('4@b', 4)]
  const addresses = calls.flatMap(call => (call.kind === 'up' ? [call.address] : []))
  assert.equal(new Set(addresses).size, 3)
  assert.equal(calls.filter(({ kind }) => kind === 'up').length, 3)
})

test('users whose deployment does not take them any more have no right to stay', async t => {
  const { lns, told } = await twoRealms(t)
  const ann = await lns.dialUp({ user: 'ann@hb', password: 'ann-of-hb', from: '198.51.100.1' })
  told.splice(0)
  const gone = TWO_REALMS.replace('realm: hb', 'realm: elsewhere')
  const { enforced } = await lns.reload(gone, { enforce: true })
  assert.deepEqual(enforced, { stayed: 0, ended: 1, unclear: 0 })
  await lns.clock.settled('the end', ann.ended)
  assert.ok(await isRefused(lns, { user: 'ann@hb', password: 'ann-of-hb' }))
})

test('a plugin may be listed twice under names of its own', async t => {
  const told: string[] = []
  const yaml = (second: string) => `
listen: [2.2.2.2]
gatewayAddress: 172.16.0.1
plugins:
  - sink: { as: one, label: first }
  - sink: { ${second}label: second }
  - sink: { as: one-more }
`
  await startMemoryLns(t, { yaml: yaml(''), plugins: [sink(told)] })
  assert.deepEqual(told, ['start one', 'start sink', 'start one-more'])
  const twice = startMemoryLns(t, { yaml: yaml('as: one, '), plugins: [sink(told)] })
  await assert.rejects(twice, { code: 'PLUGIN_CONFLICT' })
  const nameless = startMemoryLns(t, { yaml: yaml('as: a/b, '), plugins: [sink(told)] })
  await assert.rejects(nameless, { code: 'CONFIG_INVALID' })
})
