/** Every RADIUS attribute in every direction, against FreeRADIUS and its radclient; and the page that says so. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
import { HONOURED } from '../../plugins/auth-radius/honoured.ts'
import authRadius from '../../plugins/auth-radius/index.ts'
import { TUNNEL_ATTRIBUTES } from '../../plugins/auth-radius/tunnel-fit.ts'
import { CHANGE_ATTRIBUTES } from '../../plugins/radius-coa/changes.ts'
import {
  DISCONNECT_ATTRIBUTES,
  NAS_ATTRIBUTES,
  SESSION_ATTRIBUTES,
} from '../../plugins/radius-coa/identify.ts'
import radiusCoa from '../../plugins/radius-coa/index.ts'
import { skipWithout } from '../setup/peers.ts'
import { type DetailRecord, type Freeradius, radclient, startFreeradius } from '../support/freeradius.ts'
import { ROOT } from '../support/imports.ts'
import {
  ABSENT,
  ACCEPTED,
  ACCOUNTED,
  type Asked,
  CHANGED,
  DIRECTIONS,
  DISCONNECTED,
  type Direction,
  ELSEWHERE,
  IDENTIFIES,
  REQUESTED,
} from '../support/radius-attribute-cells.ts'
import { radiusClientWith, serverOptions } from '../support/radius-client.ts'

const skip = skipWithout('radius')
const USER = 'hb@hb'
const PASSWORD = 'admin@123'
const SECRET = 'secret-of-the-billing'
const PAGE = join(ROOT, 'docs/radius-attributes.md')
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

const named = (attribute: string, direction: Direction) =>
  `${attribute} in ${direction.startsWith('A') ? 'an' : 'a'} ${direction}`

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
    counters: {
      packetsIn: 12n,
      octetsIn: 2n ** 32n + 5n,
      packetsOut: 34n,
      octetsOut: 2n ** 53n - 1n,
      drops: {},
    },
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
      told(stop).filter(name => !Object.hasOwn(ACCOUNTED, name)),
      [],
    ),
  )
})

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
    if (lines.some(line => line.startsWith('Proxy-State')))
      assert.deepEqual(attributes['Proxy-State'], ['0x0102'])
    assert.equal(server.ended.length, kind === 'disconnect' && answer === 'ACK' ? 1 : 0)
    assert.equal(server.regranted.length, kind === 'coa' && answer === 'ACK' ? 1 : 0)
    const changed: Readonly<Record<string, unknown>> = { ...server.regranted[0]?.change }
    for (const [field, value] of Object.entries(grant ?? {})) assert.deepEqual(changed[field], value)
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

/** In a CoA-Request Class is what the session shall have from then on. */
function identifying(direction: Direction) {
  return Object.entries(IDENTIFIES).filter(([name]) => direction !== 'CoA-Request' || name !== 'Class')
}

const TESTED: Readonly<Record<Direction, readonly string[]>> = {
  'Access-Request': Object.keys(REQUESTED),
  'Access-Accept': Object.keys(ACCEPTED),
  'Accounting-Request': Object.keys(ACCOUNTED),
  'Disconnect-Request': [
    ...identifying('Disconnect-Request').map(([name]) => name),
    ...Object.keys(DISCONNECTED),
  ],
  'CoA-Request': [...identifying('CoA-Request').map(([name]) => name), ...Object.keys(CHANGED)],
}

const ATTRIBUTES = [...new Set([...Object.values(TESTED).flat(), ...Object.keys(ELSEWHERE)])]

test('every attribute that the plugins have in their tables has its test', () => {
  const missing = (direction: Direction, names: readonly string[]) =>
    names
      .filter(name => !TESTED[direction].includes(name))
      .filter(name => !ELSEWHERE[name]?.[direction])
      .map(name => named(name, direction))
  assert.deepEqual(
    [
      ...missing('Access-Accept', [...Object.keys(HONOURED), ...Object.keys(TUNNEL_ATTRIBUTES)]),
      ...missing('Disconnect-Request', [
        ...Object.keys(DISCONNECT_ATTRIBUTES),
        ...Object.keys(NAS_ATTRIBUTES),
      ]),
      ...missing('CoA-Request', [
        ...Object.keys(SESSION_ATTRIBUTES),
        ...Object.keys(NAS_ATTRIBUTES),
        ...Object.keys(CHANGE_ATTRIBUTES),
      ]),
    ],
    [],
  )
})

/** What stands in a cell; undefined: it is empty. */
function cellOf(attribute: string, direction: Direction): string | undefined {
  const elsewhere = ELSEWHERE[attribute]?.[direction]
  const reasons = ABSENT.flatMap(({ direction: of, names }, index) =>
    of === direction && names.split(', ').includes(attribute) ? [`- (${index + 1})`] : [],
  )
  const tests = TESTED[direction].includes(attribute) ? [named(attribute, direction)] : []
  const cells = [...tests, ...(elsewhere === undefined ? [] : [elsewhere.test]), ...reasons]
  assert.ok(cells.length < 2, `${named(attribute, direction)}: ${cells}`)
  return cells[0]
}

test('no cell of the table is empty, and none has both a test and a reason why there is none', () => {
  const empty = ATTRIBUTES.flatMap(attribute =>
    DIRECTIONS.filter(direction => cellOf(attribute, direction) === undefined).map(direction =>
      named(attribute, direction),
    ),
  )
  assert.deepEqual(empty, [])
  const unknown = ABSENT.flatMap(({ names }) => names.split(', ')).filter(name => !ATTRIBUTES.includes(name))
  assert.deepEqual(unknown, [])
})

test('the tests that the table names elsewhere are there', () => {
  for (const cells of Object.values(ELSEWHERE))
    for (const { file, test: name } of Object.values(cells)) {
      const source = readFileSync(join(ROOT, `test/plugins/${file}.test.ts`), 'utf8')
      assert.ok(source.includes(`test('${name}'`), `${file}: ${name}`)
    }
})

test('the pages of the plugins have each attribute in their tables', () => {
  const pages = (...plugins: readonly string[]) =>
    plugins.map(plugin => readFileSync(join(ROOT, `plugins/${plugin}/README.md`), 'utf8')).join('\n')
  const text: Readonly<Record<Direction, string>> = {
    'Access-Request': pages('auth-radius', 'radius-client'),
    'Access-Accept': pages('auth-radius'),
    'Accounting-Request': pages('accounting-radius', 'radius-client'),
    'Disconnect-Request': pages('radius-coa'),
    'CoA-Request': pages('radius-coa'),
  }
  // One is of all packets, and in the text of radius-client; the other stands for all that is refused.
  const apart: readonly string[] = ['Message-Authenticator', 'Framed-Pool']
  const missing = DIRECTIONS.flatMap(direction =>
    TESTED[direction]
      .filter(name => !apart.includes(name) && !name.startsWith('Cisco-AVPair '))
      .filter(name => !new RegExp(`^\\| ([^|]*, )?${name}[,| ]`, 'm').test(text[direction]))
      .map(name => named(name, direction)),
  )
  assert.deepEqual(missing, [])
})

function page(): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return `# RADIUS attributes, and the tests that show them

Made by \`test/plugins/radius-attributes.test.ts\`, which also runs these tests, against Debian's FreeRADIUS and its radclient: \`BURROW_WRITE_PAGES=1 node
dist/test/run.js radius-attributes\` writes it anew. What each attribute does, and since which RFC, stands on the pages of
[auth-radius](../plugins/auth-radius/README.md), [accounting-radius](../plugins/accounting-radius/README.md) and
[radius-coa](../plugins/radius-coa/README.md).

${row(['attribute', ...DIRECTIONS])}
${row(['---', ...DIRECTIONS.map(() => '---')])}
${ATTRIBUTES.map(name => row([name, ...DIRECTIONS.map(direction => cellOf(name, direction) ?? '')])).join('\n')}

Where there is no test:

${ABSENT.map(({ direction, why }, index) => `${index + 1}. ${direction}: ${why}.`).join('\n')}
`
}

test('the page has the table', () => {
  if (process.env.BURROW_WRITE_PAGES === '1') writeFileSync(PAGE, page())
  assert.equal(readFileSync(PAGE, 'utf8'), page())
})
