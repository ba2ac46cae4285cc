/** FreeRADIUS's radclient against a whole server in memory, whose sessions are live: requests come in by real UDP. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type AclRule, definePlugin, z } from '../../core/index.ts'
import { type LoggedLine, type MemoryLns, startMemoryLns } from '../../core/testing/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { radius, SECRET } from '../support/coa.ts'
import { radclient } from '../support/freeradius.ts'
import { ipv4 } from '../support/ip-packets.ts'
import { run } from '../support/processes.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('radius')

const ALL: readonly AclRule[] = [
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
]
const WEB: readonly AclRule[] = ALL.map(rule => ({ ...rule, protocol: 6, name: 'web' }))
/** By zone, and the filter of that name before. */
const RULES = new Map([
  ['dmz', ALL],
  ['quarantine', []],
  ['web', WEB],
])
const BEHIND = '192.168.1.1'
const ANN = { user: 'ann', password: 'pw-of-ann', from: '198.51.100.1' }
const BOB = { user: 'bob', password: 'pw-of-bob', from: '198.51.100.2' }

/** Rules by filter and zone, and what observers are told. */
const policy = (told: string[]) =>
  definePlugin({
    name: 'policy',
    config: z.strictObject({}),
    setup({ hooks }) {
      hooks.decidePolicy.tap('rules', ({ zone }, { grant }) => {
        const rules = RULES.get(grant.filter ?? zone)
        return rules === undefined
          ? { kind: 'deny', reason: `no rules for ${grant.filter ?? zone}` }
          : { zone, rules }
      })
      hooks.sessionUpdate.tap('told', ({ grant }) => void told.push(`update ${grant.classes}`))
      hooks.sessionDown.tap('told', ({ reason, grant }) => void told.push(`${reason.cause} ${grant.user}`))
    },
  })

async function started(t: TestContext) {
  const told: string[] = []
  const lns = await startMemoryLns(t, {
    plugins: [radius, policy(told)],
    yaml: `
listen: [2.2.2.2]
gatewayAddress: 172.16.1.1
interimIntervalS: 0
plugins:
  - radius: {}
  - policy: {}
  - auth-local: { users: [{ user: ann, password: pw-of-ann }, { user: bob, password: pw-of-bob }] }
  - address-pool: { pools: { main: { ranges: [172.16.1.2-172.16.1.100] } } }
  - radius-coa:
      address: 127.0.0.1
      port: 0
      sources: [{ name: billing, address: 127.0.0.1, secret: ${SECRET} }]
      zones: { bad: quarantine }
`,
  })
  const port = Number(lns.log.find(isListening)?.fields.port)
  const timestamp = () => `Event-Timestamp = ${Math.floor(lns.clock.wallTimeMs() / 1000)}`
  return {
    lns,
    told,
    port,
    timestamp,
    /** Virtual time passes a little while radclient waits. */
    send: async (kind: 'coa' | 'disconnect', ...attributes: readonly string[]) =>
      passing(
        lns,
        radclient({ port, secret: SECRET, kind, attributes: [...attributes, timestamp()], timeoutS: 5 }),
      ),
  }
}

const isListening = ({ message }: LoggedLine) => message.startsWith('takes CoA-Requests')

async function passing<T>(lns: MemoryLns, work: Promise<T>): Promise<T> {
  let done = false
  const settled = work.finally(() => {
    done = true
  })
  settled.catch(() => {})
  await until(
    'radclient',
    async () => {
      await lns.clock.advance(5)
      return done
    },
    30_000,
  )
  return settled
}

test('radclient disconnects the session that it names, and no other', { skip }, async t => {
  const { lns, send, told } = await started(t)
  const [ann, bob] = [await lns.dialUp(ANN), await lns.dialUp(BOB)]
  const { code, attributes } = await send(
    'disconnect',
    'User-Name = "ann"',
    `Framed-IP-Address = ${ann.address}`,
  )
  assert.equal(code, 'Disconnect-ACK')
  assert.deepEqual(attributes['Acct-Terminate-Cause'], ['Admin-Reset'])
  assert.equal((await lns.clock.settled('the end', ann.ended)).cause, 'peer-hangup')
  assert.deepEqual(told, ['admin-reset ann'])
  assert.ok(await bob.reaches(BEHIND))
  assert.deepEqual(
    lns.sessions().map(({ user }) => user),
    ['bob'],
  )
})

test('radclient changes rates of a live session: nothing of it is dropped but what is too much', {
  skip,
}, async t => {
  const { lns, send } = await started(t)
  const ann = await lns.dialUp(ANN)
  const id = lns.sessions()[0]?.id ?? ''
  const burst = Array.from({ length: 10 }, () =>
    ipv4({ source: ann.address, destination: BEHIND, payload: new Uint8Array(980) }),
  )
  const passed = async () => {
    const before = lns.sessions()[0]?.packetsIn ?? 0n
    await ann.send(...burst)
    return Number((lns.sessions()[0]?.packetsIn ?? 0n) - before)
  }
  assert.equal(await passed(), 10)
  assert.equal(
    (await send('coa', `Acct-Session-Id = "${id}"`, 'Mikrotik-Rate-Limit = "8k/8M"')).code,
    'CoA-ACK',
  )
  assert.equal(await passed(), 3)
  assert.equal((await send('coa', `Acct-Session-Id = "${id}"`, 'WISPr-Bandwidth-Max-Up = 0')).code, 'CoA-ACK')
  assert.equal(await passed(), 10)
  const [row] = lns.sessions()
  assert.deepEqual([row?.id, row?.packetsIn, row?.drops], [id, 23n, { 'over-rate': 7n }])
})

test('radclient changes filter and zone of a live session at once', { skip }, async t => {
  const { lns, send } = await started(t)
  const ann = await lns.dialUp(ANN)
  const change = async (...attributes: readonly string[]) =>
    (await send('coa', `Framed-IP-Address = ${ann.address}`, ...attributes)).code
  const reaches = async () => [
    await ann.reaches(BEHIND),
    await ann.reaches(BEHIND, { protocol: 'tcp', port: 80 }),
  ]
  assert.deepEqual(await reaches(), [true, true])
  assert.equal(await change('Filter-Id = "web"'), 'CoA-ACK')
  assert.deepEqual(await reaches(), [false, true])
  assert.equal(await change('Filter-Id = "bad"'), 'CoA-NAK', 'no rules of that name')
  assert.deepEqual(await reaches(), [false, true], 'a refused change changes nothing')
  assert.equal(await change('Filter-Id = "dmz"'), 'CoA-ACK')
  assert.deepEqual(await reaches(), [true, true])
  assert.equal(lns.sessions()[0]?.drops.policy, 2n)
})

test('radclient changes timeouts, the interim interval and Class of a live session', { skip }, async t => {
  const { lns, send, told } = await started(t)
  const ann = await lns.dialUp(ANN)
  const change = async (...attributes: readonly string[]) =>
    (await send('coa', 'User-Name = "ann"', ...attributes)).code
  assert.equal(await change('Acct-Interim-Interval = 60', 'Class = 0x0102', 'Class = 0x03'), 'CoA-ACK')
  await lns.clock.advance(70_000)
  assert.deepEqual(told, ['update 0102,03'])
  assert.equal(await change('Session-Timeout = 900'), 'CoA-ACK')
  await lns.clock.advance(500_000)
  assert.equal(lns.sessions().length, 1)
  assert.ok(await ann.reaches(BEHIND))
  assert.equal(await change('Idle-Timeout = 60'), 'CoA-ACK')
  await lns.clock.advance(80_000)
  assert.equal(lns.sessions().length, 0)
  assert.equal(told.at(-1), 'idle-timeout ann')

  await lns.dialUp(ANN)
  await lns.clock.advance(30_000)
  assert.equal(await change('Session-Timeout = 20'), 'CoA-ACK')
  await lns.clock.advance(10_000)
  assert.deepEqual([lns.sessions().length, told.at(-1)], [0, 'session-timeout ann'])
})

test('radclient is told why a request is refused, with its Proxy-States', { skip }, async t => {
  const { lns, send } = await started(t)
  await lns.dialUp(ANN)
  const causes: Record<string, readonly string[]> = {
    'Unsupported-Attribute': ['User-Name = "ann"', 'Framed-Pool = "main"'],
    'Missing-Attribute': ['Session-Timeout = 60'],
    'NAS-Identification-Mismatch': ['User-Name = "ann"', 'Session-Timeout = 60', 'NAS-Identifier = "other"'],
    'Unsupported-Service': ['User-Name = "ann"', 'Service-Type = Authorize-Only'],
    'Session-Context-Not-Found': ['User-Name = "eve"', 'Session-Timeout = 60'],
    'Administratively-Prohibited': ['User-Name = "ann"', 'Filter-Id = "unheard of"'],
    'Invalid-Attribute-Value': ['User-Name = "ann"', 'Mikrotik-Rate-Limit = "much"'],
  }
  for (const [cause, attributes] of Object.entries(causes)) {
    const reply = await send('coa', ...attributes, 'Proxy-State = 0x0102', 'Proxy-State = 0x01')
    assert.equal(reply.code, 'CoA-NAK', cause)
    assert.deepEqual(reply.attributes['Error-Cause'], [cause])
    assert.deepEqual(reply.attributes['Proxy-State'], ['0x0102', '0x01'])
  }
  assert.equal(lns.sessions().length, 1)
})

test('radclient without Message-Authenticator or time, or with a wrong secret, gets no answer', {
  skip,
}, async t => {
  const { lns, port, timestamp } = await started(t)
  await lns.dialUp(ANN)
  const ask = async (secret: string, ...attributes: readonly string[]) => {
    const words = ['radclient', '-x', '-r', '1', '-t', '1', `127.0.0.1:${port}`, 'disconnect', secret]
    const input = `${['User-Name = "ann"', ...attributes].join('\n')}\n`
    return (await passing(lns, run(words, { input, deadlineMs: 20_000 }))).stdout
  }
  const authenticator = 'Message-Authenticator = 0x00'
  const refused = [
    await ask(SECRET, timestamp()),
    await ask(SECRET, authenticator),
    await ask('guess', timestamp(), authenticator),
  ]
  for (const output of refused) assert.doesNotMatch(output, /Received/)
  const reasons = lns.log.flatMap(({ message }) => /: dropped, (\S+)$/.exec(message)?.[1] ?? [])
  assert.deepEqual(reasons, [
    'missing-message-authenticator',
    'missing-event-timestamp',
    'wrong-authenticator',
  ])
  assert.equal(lns.sessions().length, 1)
  assert.match(await ask(SECRET, timestamp(), authenticator), /Received Disconnect-ACK/)
})
