/** What radius-coa makes of datagrams that it must not obey, and of those that come again. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RadiusAttribute } from '../../core/index.ts'
import { SharedResources } from '../../core/plugin/shared.ts'
import { loadPlugin } from '../../core/testing/plugin-harness.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { Answers } from '../../plugins/radius-coa/answers.ts'
import radiusCoa from '../../plugins/radius-coa/index.ts'
import {
  type CoaScene,
  causeOf,
  coaScene,
  type Packet,
  packetOf,
  radius,
  SECRET,
  TIMEOUT,
  USER,
  unsigned,
  upSession,
} from '../support/coa.ts'
import { gate } from '../support/gate.ts'
import { freePort } from '../support/udp-port.ts'
import { until } from '../support/until.ts'

const at = ({ now }: CoaScene, seconds: number): RadiusAttribute => ({
  name: 'Event-Timestamp',
  value: Number(now().value) + seconds,
})
const disconnect = (scene: CoaScene, ...more: readonly RadiusAttribute[]) =>
  packetOf('Disconnect-Request', [USER, ...(more.length > 0 ? more : [scene.now()])])

/** So many octets of them, with their heads. */
function proxyStates(octets: number): readonly RadiusAttribute[] {
  const lengths = [...Array<number>(Math.floor(octets / 255)).fill(253), (octets % 255) - 2]
  return lengths.map(length => ({ name: 'Proxy-State', value: new Uint8Array(length).fill(7) }))
}

/** Message-Authenticator at the end, wrong where it should be right. */
function wronglySigned(packet: Packet): Packet {
  const wrong = createHmac('md5', 'another secret').update(packet.bytes).digest()
  return unsigned(packet, Buffer.concat([Uint8Array.of(80, 18), wrong]))
}

const patched = (packet: Packet, at: number, octet: number): Uint8Array => {
  const bytes = Uint8Array.from(packet.bytes)
  bytes[at] = octet
  return bytes
}

const DROPPED: readonly (readonly [string, string, (scene: CoaScene) => Uint8Array])[] = [
  [
    'a wrong secret',
    'wrong-authenticator',
    scene => packetOf('Disconnect-Request', [USER, scene.now()], 'guess').bytes,
  ],
  ['an octet that was changed', 'wrong-authenticator', scene => patched(disconnect(scene), 45, 0x7a)],
  ['another id', 'wrong-authenticator', scene => patched(disconnect(scene), 1, 0xee)],
  ['no Message-Authenticator', 'missing-message-authenticator', scene => unsigned(disconnect(scene)).bytes],
  [
    'a wrong Message-Authenticator',
    'wrong-message-authenticator',
    scene => wronglySigned(disconnect(scene)).bytes,
  ],
  ['no Event-Timestamp', 'missing-event-timestamp', () => packetOf('Disconnect-Request', [USER]).bytes],
  [
    'a time of 301 s ago',
    'event-timestamp-outside-window',
    scene => disconnect(scene, at(scene, -301)).bytes,
  ],
  ['a time 301 s ahead', 'event-timestamp-outside-window', scene => disconnect(scene, at(scene, 301)).bytes],
  ['an Access-Request', 'wrong-code', scene => packetOf('Access-Request', [USER, scene.now()]).bytes],
  ['an Accounting-Request', 'wrong-code', scene => packetOf('Accounting-Request', [USER, scene.now()]).bytes],
  [
    'Proxy-States that fill the packet, and with the answer more than one',
    'too-much-proxy-state',
    scene => packetOf('Disconnect-Request', [scene.now(), ...proxyStates(4052)]).bytes,
  ],
  ['an ACK', 'wrong-code', scene => patched(disconnect(scene), 0, 44)],
  ['an unknown code', 'wrong-code', scene => patched(disconnect(scene), 0, 99)],
  ['nothing', 'malformed', () => new Uint8Array()],
  ['a header cut short', 'malformed', scene => disconnect(scene).bytes.subarray(0, 19)],
  ['less than its length', 'malformed', scene => disconnect(scene).bytes.subarray(0, 40)],
  ['an attribute that overruns', 'malformed', scene => patched(disconnect(scene), 39, 0xff)],
]

for (const [what, reason, datagram] of DROPPED) {
  test(`${what}: dropped without an answer, counted, and logged once in 10 s`, async t => {
    const scene = await coaScene(t)
    const { server, client, clock, plugin, settled, dropped } = scene
    server.up = [upSession('ann', 51)]
    const bytes = datagram(scene)
    for (let times = 0; times < 20; times++) await client.send(bytes)
    const other = await scene.newClient()
    await scene.ask('CoA-Request', [{ name: 'User-Name', value: 'nobody' }, TIMEOUT], other)
    assert.deepEqual([client.received, server.ended, server.regranted], [[], [], []])
    assert.deepEqual(dropped(), [reason])
    await clock.advance(10_000)
    assert.deepEqual(dropped(), [reason, `${reason}, 19 times more in 10 s`])
    assert.equal(plugin.log.find(({ message }) => message.includes(reason))?.fields.from, 'billing')
    await settled()
  })
}

test('who is not listed is dropped before anything is looked at', async t => {
  const scene = await coaScene(t)
  scene.server.up = [upSession('ann', 51)]
  const stranger = await scene.newClient('127.0.0.2')
  await stranger.send(disconnect(scene).bytes)
  await scene.settled()
  assert.deepEqual([stranger.received, scene.server.ended], [[], []])
  assert.deepEqual(scene.dropped(), ['the sender is not listed in `sources`'])
})

test('each source has its own secret, and a prefix is many sources', async t => {
  const sources = [
    { address: '127.0.0.1', secret: SECRET },
    { address: '127.0.0.0/29', secret: 'another-one' },
  ]
  const scene = await coaScene(t, { options: { sources } })
  scene.server.up = [upSession('ann', 51), upSession('bob', 52)]
  const [second, eighth] = [await scene.newClient('127.0.0.2'), await scene.newClient('127.0.0.8')]
  await second.send(disconnect(scene).bytes)
  await eighth.send(packetOf('Disconnect-Request', [USER, scene.now()], 'another-one').bytes)
  await scene.settled()
  assert.deepEqual(scene.server.ended, [])
  assert.deepEqual(scene.dropped().sort(), ['the sender is not listed in `sources`', 'wrong-authenticator'])
  const reply = await second.answerTo(packetOf('Disconnect-Request', [USER, scene.now()], 'another-one'))
  assert.equal(reply.code, 'Disconnect-ACK')
})

test('the window of Event-Timestamp is an option, and its ends are within', async t => {
  const scene = await coaScene(t, { options: { eventTimestampWindowS: 10 } })
  const { client, settled, dropped, server, clock } = scene
  server.up = [upSession('ann', 51)]
  await clock.advance(11_000)
  for (const seconds of [-11, 11]) await client.send(disconnect(scene, at(scene, seconds)).bytes)
  await settled()
  assert.equal(server.ended.length, 0)
  assert.equal(dropped().length, 1)
  for (const seconds of [-10, 10])
    await client.answerTo(packetOf('CoA-Request', [USER, TIMEOUT, at(scene, seconds)]))
  assert.equal(server.regranted.length, 2)
})

test('what was recorded before a restart is not carried out after it', async t => {
  const recorded = await coaScene(t)
  const packet = disconnect(recorded)
  await recorded.plugin.host.stop()
  const clock = new VirtualClock()
  await clock.advance(60_000)
  const scene = await coaScene(t, { clock })
  scene.server.up = [upSession('ann', 51)]
  await scene.client.send(packet.bytes)
  await scene.settled()
  assert.deepEqual(scene.dropped(), ['event-timestamp-before-start'])
  // By then none that is older has a good time, and whoever's clock is late is heard.
  await clock.advance(300_001)
  await scene.client.answerTo(disconnect(scene, at(scene, -299)))
  assert.equal(scene.server.ended.length, 1)
})

class WrongClock extends VirtualClock {
  aheadMs = 3_600_000

  override wallTimeMs(): number {
    return super.wallTimeMs() + this.aheadMs
  }
}

test('where our clock was ahead at the start and is put right, requests are heard once the window has passed', async t => {
  const clock = new WrongClock()
  const scene = await coaScene(t, { clock })
  scene.server.up = [upSession('ann', 51)]
  clock.aheadMs = 0
  await scene.client.send(disconnect(scene).bytes)
  await until('it to be dropped', () => scene.dropped().length === 1)
  await clock.advance(300_001)
  await scene.client.answerTo(disconnect(scene))
  assert.equal(scene.server.ended.length, 1)
})

test('whatever octets a source signs, it gets an answer or none, and nothing fails', async t => {
  const scene = await coaScene(t)
  scene.server.up = [upSession('ann', 51)]
  const numbered = fc.record({
    // Message-Authenticator is the codec's.
    name: fc.integer({ min: 1, max: 254 }).map(number => `Attr-${number < 80 ? number : number + 1}`),
    value: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 253 }),
      fc.constantFrom(1, 2, 4, 6, 18).map(length => new Uint8Array(length)),
    ),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('CoA-Request' as const, 'Disconnect-Request' as const),
      fc.array(numbered, { maxLength: 15 }),
      fc.boolean(),
      async (code, attributes, named) => {
        const who = named ? [USER] : []
        await scene.client.send(packetOf(code, [...who, scene.now(), ...attributes]).bytes)
        await scene.settled()
      },
    ),
    { numRuns: 300 },
  )
  assert.deepEqual(
    scene.plugin.log.filter(({ level }) => level === 'error'),
    [],
  )
})

test('the most Proxy-States that an answer holds come back, all of them', async t => {
  const { ask, server } = await coaScene(t)
  server.up = [upSession('ann', 51)]
  const states = proxyStates(4046)
  const answer = await ask('Disconnect-Request', states)
  assert.equal(causeOf(answer), 402)
  assert.deepEqual(
    answer.attributes.filter(({ name }) => name === 'Proxy-State'),
    states,
  )
})

test('a source may go without Message-Authenticator or Event-Timestamp, which is warned of', async t => {
  const source = { address: '127.0.0.1', secret: SECRET }
  const lax = { ...source, requireMessageAuthenticator: false, requireEventTimestamp: false }
  const { client, server, plugin } = await coaScene(t, { options: { sources: [lax] } })
  server.up = [upSession('ann', 51)]
  const reply = await client.answerTo(unsigned(packetOf('Disconnect-Request', [USER])))
  assert.deepEqual(reply.code, 'Disconnect-ACK')
  assert.equal(
    reply.attributes.some(({ name }) => name === 'Event-Timestamp'),
    false,
  )
  const warnings = plugin.log.filter(({ level }) => level === 'warn').map(({ message }) => message)
  assert.equal(warnings.length, 2)
  const strict = await coaScene(t)
  assert.deepEqual(
    strict.plugin.log.filter(({ level }) => level === 'warn'),
    [],
  )
})

test('a wrong Message-Authenticator is never taken, required or not', async t => {
  const lax = { address: '127.0.0.1', secret: SECRET, requireMessageAuthenticator: false }
  const scene = await coaScene(t, { options: { sources: [lax] } })
  scene.server.up = [upSession('ann', 51)]
  await scene.client.send(wronglySigned(disconnect(scene)).bytes)
  await scene.settled()
  assert.deepEqual([scene.dropped(), scene.server.ended], [['wrong-message-authenticator'], []])
})

test('a request that comes again gets the same answer, octet by octet, and is not carried out again', async t => {
  const scene = await coaScene(t)
  const { client, server, clock } = scene
  server.up = [upSession('ann', 51)]
  const packet = packetOf('CoA-Request', [USER, TIMEOUT, scene.now()])
  await client.answerTo(packet)
  server.up = []
  await clock.advance(290_000)
  await client.send(packet.bytes)
  await until('the second answer', () => client.received.length === 2)
  assert.deepEqual(client.received[1], client.received[0])
  assert.equal(server.regranted.length, 1)
  await clock.advance(20_000)
  await client.send(packet.bytes)
  await scene.settled()
  assert.deepEqual(scene.dropped(), ['event-timestamp-outside-window'])
  assert.equal(server.regranted.length, 1)
})

test('a request whose time is ahead is not carried out again before its window is over', async t => {
  const scene = await coaScene(t)
  const { client, server, clock } = scene
  server.up = [upSession('ann', 51)]
  const packet = packetOf('CoA-Request', [USER, TIMEOUT, at(scene, 290)])
  await client.answerTo(packet)
  for (let minutes = 1; minutes <= 10; minutes++) {
    await clock.advance(59_500)
    await client.send(packet.bytes)
    await scene.settled()
  }
  assert.equal(server.regranted.length, 1)
})

test('while a request is carried out, the same one again is neither answered nor carried out', async t => {
  const scene = await coaScene(t)
  const { client, server } = scene
  server.up = [upSession('ann', 51)]
  const slow = gate()
  server.beforeEnd = () => slow.opened
  const packet = disconnect(scene)
  for (let times = 0; times < 3; times++) await client.send(packet.bytes)
  const other = await scene.newClient()
  await scene.ask('CoA-Request', [{ name: 'User-Name', value: 'nobody' }, TIMEOUT], other)
  assert.equal(client.received.length, 0)
  slow.open()
  await until('the answer', () => client.received.length > 0)
  await scene.settled()
  assert.equal(server.ended.length, 1)
  assert.equal(client.received.length, 2, 'one answer, and that of `settled`')
})

test('a recorded request that is sent from another port is dropped', async t => {
  const scene = await coaScene(t)
  scene.server.up = [upSession('ann', 51)]
  const packet = packetOf('CoA-Request', [USER, TIMEOUT, scene.now()])
  await scene.client.answerTo(packet)
  const replayer = await scene.newClient()
  await replayer.send(packet.bytes)
  await scene.settled()
  assert.deepEqual([scene.dropped(), replayer.received], [['replayed'], []])
  assert.equal(scene.server.regranted.length, 1)
})

test('without a time, a request can be carried out again after 30 s and no sooner', async t => {
  const sources = [{ address: '127.0.0.1', secret: SECRET, requireEventTimestamp: false }]
  const { client, server, clock } = await coaScene(t, { options: { sources } })
  server.up = [upSession('ann', 51)]
  const packet = packetOf('CoA-Request', [USER, TIMEOUT])
  await client.answerTo(packet)
  for (const [passing, carriedOut] of [
    [29_999, 1],
    [1, 2],
  ] as const) {
    await clock.advance(passing)
    const before = client.received.length
    await client.send(packet.bytes)
    await until('the answer', () => client.received.length > before)
    assert.equal(server.regranted.length, carriedOut)
  }
})

test('where there is no place for another answer, a request is refused; old ones make place', () => {
  const clock = new VirtualClock()
  const answers = new Answers(clock, 2)
  assert.equal(answers.begin('a', 1, 30_000), 'new')
  assert.equal(answers.begin('b', 1, 60_000), 'new')
  assert.equal(answers.begin('c', 1, 30_000), 'full')
  assert.equal(answers.begin('a', 1, 30_000), 'pending')
  answers.end('a', Uint8Array.of(1))
  assert.deepEqual(answers.begin('a', 1, 30_000), Uint8Array.of(1))
  return clock.advance(30_000).then(() => {
    assert.equal(answers.begin('c', 1, 30_000), 'new')
    assert.equal(answers.begin('d', 1, 30_000), 'full')
    assert.equal(answers.begin('b', 2, 30_000), 'replayed')
  })
})

test('a reload takes over the socket and what was answered; who is listed no more is not heard', async t => {
  const shared = new SharedResources()
  const clock = new VirtualClock()
  const port = await freePort()
  const old = await coaScene(t, { shared, clock, options: { port } })
  old.server.up = [upSession('ann', 51)]
  const packet = packetOf('CoA-Request', [USER, TIMEOUT, old.now()])
  await old.client.answerTo(packet)
  const sources = [
    { address: '127.0.0.1', secret: SECRET },
    { name: 'new', address: '127.0.0.3', secret: 'of-the-new-one' },
  ]
  const next = await coaScene(t, { shared, clock, options: { port, sources } })
  await old.client.send(packet.bytes)
  await until('the same answer', () => old.client.received.length === 2)
  assert.deepEqual(next.server.regranted, [])
  next.server.up = [upSession('ann', 51)]

  const third = await coaScene(t, { shared, clock, options: { port, sources: sources.slice(1) } })
  await old.client.send(disconnect(old).bytes)
  const listed = await old.newClient('127.0.0.3')
  const nobody = { name: 'User-Name', value: 'nobody' }
  await listed.answerTo(packetOf('Disconnect-Request', [nobody, old.now()], 'of-the-new-one'))
  assert.deepEqual(old.dropped(), ['the sender is not listed in `sources`'])

  await third.plugin.host.stop()
  await old.client.answerTo(disconnect(old))
  assert.deepEqual(
    [old.server.ended.length, next.server.ended.length],
    [0, 1],
    'the one before it serves again',
  )
})

test('a port that another program has is told with what to do', async t => {
  const taken = createSocket('udp4')
  taken.bind(0, '127.0.0.1')
  await once(taken, 'listening')
  t.after(() => void taken.close())
  await assert.rejects(coaScene(t, { options: { port: taken.address().port } }), (error: Error) => {
    const { code, cause } = error as Error & { code?: string; cause?: { code?: string } }
    return code === 'RADIUS_COA' || cause?.code === 'RADIUS_COA'
  })
})

const WRONG: readonly (readonly [string, object])[] = [
  ['no source', { sources: [] }],
  ['a name for an address', { sources: [{ address: 'billing', secret: 'x' }] }],
  ['a prefix that is too long', { sources: [{ address: '192.0.2.0/33', secret: 'x' }] }],
  ['a prefix of nothing', { sources: [{ address: '192.0.2.0/', secret: 'x' }] }],
  ['no secret', { sources: [{ address: '192.0.2.1', secret: '' }] }],
  ['an unknown kind', { sources: [{ address: '192.0.2.1', secret: 'x', accepts: ['status'] }] }],
  ['a window of nothing', { sources: [{ address: '192.0.2.1', secret: 'x' }], eventTimestampWindowS: 0 }],
]
for (const [what, options] of WRONG) {
  test(`options with ${what} are refused`, async () => {
    await assert.rejects(loadPlugin(radiusCoa, { options, before: [radius] }), { code: 'PLUGIN_OPTIONS' })
  })
}
