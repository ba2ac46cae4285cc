/** The client's links and pools, in virtual time, with servers that follow a script. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Came, RadiusScene } from '../support/radius-scene.ts'

const SILENT = () => {}

test('RFC 5080 2.2.1: the same octets again after 2, 4, 8 and 16 s or nearly, five times in all', async () => {
  const scene = new RadiusScene({ settings: { timeoutMs: 60_000 } })
  scene.first.onRequest = SILENT
  const asked = scene.asked('alice')
  const { what, ms } = await scene.clock.settled('the end', asked)
  assert.equal(what, 'server0: no answer in time')
  const { requests } = scene.first
  assert.equal(requests.length, 5)
  for (const { bytes } of requests) assert.deepEqual(bytes, requests[0]?.bytes)
  const gaps = requests.slice(1).map(({ at }, index) => at - (requests[index]?.at ?? 0))
  const wanted = [2000, 4000, 8000, 16_000]
  let previous = 2000
  for (const [index, gap] of gaps.entries()) {
    const expected = index === 0 ? 2000 : Math.min(2 * previous, 16_000)
    assert.ok(Math.abs(gap - expected) <= 0.1 * expected + 0.1 * previous, `${gaps} for ${wanted}`)
    previous = gap
  }
  assert.notDeepEqual(gaps, wanted, 'there is jitter')
  assert.ok(ms > 40_000)
})

test('a dead server costs one timeout for all, then nothing, and is used again once it answers a probe', async () => {
  const scene = new RadiusScene({})
  const { first, clock } = scene
  await clock.settled('an answer', scene.ask('alice'))
  first.onRequest = SILENT
  first.answersStatus = false
  const calls = Promise.all(Array.from({ length: 100 }, () => scene.asked('alice')))
  const ends = await clock.settled('the death', calls)
  for (const { what, ms } of ends) {
    assert.equal(what, 'server0: dead')
    assert.ok(ms < 6000, `${ms}`)
  }
  assert.equal(scene.codes().filter(code => code === 'RADIUS_DEAD').length, 1)
  const sent = first.requests.length
  assert.deepEqual(await scene.asked('bob'), { what: 'server0: dead', ms: 0 })
  assert.equal(first.requests.length, sent)

  const before = first.came.length
  await clock.advance(10 * 60_000)
  const probes = first.came.length - before
  assert.ok(probes > 15 && probes < 35, `${probes} probes in ten minutes`)
  first.onRequest = came => came.send(came.reply())
  first.answersStatus = true
  await clock.advance(35_000)
  assert.deepEqual(await scene.asked('bob'), { what: 'Access-Accept of server0', ms: 0 })
})

test('a server that is down from the start is known to be before anybody calls', async () => {
  const scene = new RadiusScene({})
  scene.first.answersStatus = false
  await scene.clock.advance(4000)
  assert.deepEqual(await scene.asked('alice'), { what: 'server0: dead', ms: 0 })
})

test('a server that takes 15 s for one answer holds no other, and is not taken for dead', async () => {
  const scene = new RadiusScene({}, { priority: 2 })
  const { first, clock } = scene
  let slow: Came | undefined
  first.onRequest = came => {
    if (came.user !== 'slow') came.send(came.reply())
    else slow ??= came
  }
  const pushed = scene.asked('slow', { timeoutMs: 40_000 })
  for (let second = 0; second < 15; second++) {
    await clock.advance(1000)
    // In the first half all that it answers is probes.
    if (second > 7) assert.deepEqual(await scene.asked('quick'), { what: 'Access-Accept of server0', ms: 0 })
  }
  slow?.send(slow.reply())
  const { what, ms } = await clock.settled('the slow one', pushed)
  assert.equal(what, 'Access-Accept of server0')
  assert.equal(ms, 15_000)
  assert.deepEqual(scene.codes(), [])
})

test('a slow server that knows no Status-Server is not taken for dead before a request is', async () => {
  const scene = new RadiusScene({})
  const { first, clock } = scene
  first.answersStatus = false
  await clock.settled('an answer', scene.ask('alice'))
  let slow: Came | undefined
  first.onRequest = came => {
    slow ??= came
  }
  const pushed = scene.asked('slow', { timeoutMs: 40_000 })
  await clock.advance(15_000)
  slow?.send(slow.reply())
  assert.equal((await clock.settled('the slow one', pushed)).what, 'Access-Accept of server0')

  slow = undefined
  const never = Array.from({ length: 20 }, () => scene.asked('never', { timeoutMs: 90_000 }))
  const ends = await clock.settled('the death', Promise.all(never))
  for (const { what, ms } of ends) {
    assert.equal(what, 'server0: dead')
    assert.ok(ms < 60_000)
  }
  first.onRequest = came => came.send(came.reply())
  await clock.advance(150_000)
  assert.equal((await scene.asked('alice')).what, 'Access-Accept of server0')
})

test('what is in flight when a server dies is asked of the next one, and nobody asks the dead one again', async () => {
  const scene = new RadiusScene({}, { priority: 2 })
  const { first, clock } = scene
  await clock.settled('an answer', scene.ask('alice'))
  first.onRequest = SILENT
  first.answersStatus = false
  const ends = await clock.settled(
    'the end',
    Promise.all(Array.from({ length: 200 }, () => scene.asked('bob'))),
  )
  assert.ok(ends.every(({ what, ms }) => what === 'Access-Accept of server1' && ms < 6000))
  assert.deepEqual(await scene.asked('bob'), { what: 'Access-Accept of server1', ms: 0 })
  // The one that knows the State cannot be replaced.
  assert.equal((await scene.asked('bob', { server: 'server0' })).what, 'server0: dead')
})

test('replies that prove nothing are dropped, said at a bounded rate, and the right one still counts', async () => {
  const scene = new RadiusScene({})
  const { first, clock } = scene
  const flipped = (bytes: Uint8Array, at: number) => {
    const copy = bytes.slice()
    copy[at] = (copy[at] ?? 0) ^ 0x80
    return copy
  }
  first.onRequest = came => {
    const right = came.reply()
    for (let times = 0; times < 100; times++) {
      came.send(came.reply('Access-Accept', 'another secret'))
      came.send(flipped(right, 1))
      came.send(flipped(right, 5))
      came.send(came.reply('Accounting-Response'))
      came.send(right.subarray(0, 19))
      came.send(new Uint8Array())
    }
    came.send(right)
    came.send(right)
  }
  const { what, ms } = await clock.settled('the answer', scene.asked('alice'))
  assert.deepEqual({ what, ms }, { what: 'Access-Accept of server0', ms: 0 })
  await clock.advance(20_000)
  const kinds = new Set(scene.log.map(({ message }) => message.replace(/, \d+ times.*/, '')))
  assert.deepEqual([...kinds].sort(), [
    'a late reply was dropped',
    'a reply was dropped: malformed',
    'a reply was dropped: wrong-authenticator',
    'a reply was dropped: wrong-code',
    'a reply was dropped: wrong-identifier',
  ])
  assert.ok(scene.log.length < 40, `${scene.log.length} lines`)
  assert.ok(scene.log.every(({ fields }) => fields.server === 'server0'))
})

test('who no longer wants an answer is told so, nothing is sent any more, and what comes late is dropped', async () => {
  const scene = new RadiusScene({})
  const { first, clock } = scene
  first.onRequest = SILENT
  const abort = new AbortController()
  const asked = scene.asked('alice', { signal: abort.signal })
  await clock.advance(3000)
  assert.equal(first.requests.length, 2)
  abort.abort()
  assert.equal((await asked).what, 'no longer wanted')
  const [came] = first.requests
  came?.send(came.reply())
  await clock.advance(60_000)
  assert.equal(first.requests.length, 2)
  assert.ok(scene.log.some(({ message }) => message === 'a late reply was dropped'))
  assert.equal((await scene.asked('alice', { signal: abort.signal })).what, 'no longer wanted')
  assert.equal(first.requests.length, 2)
})

test('600 in flight take three sockets, never one identifier twice; the spare ones are closed when idle', async () => {
  const scene = new RadiusScene({})
  const { first, clock } = scene
  first.onRequest = SILENT
  const all = Promise.all(Array.from({ length: 600 }, () => scene.asked('alice')))
  await clock.advance(100)
  const { requests } = first
  assert.equal(requests.length, 600)
  assert.equal(new Set(requests.map(({ channel, bytes }) => `${channel}/${bytes[1]}`)).size, 600)
  assert.equal(first.channels.length, 3)
  for (const came of requests) came.send(came.reply())
  await clock.settled('the answers', all)
  first.onRequest = came => came.send(came.reply())
  await clock.advance(200_000)
  // They are opened anew.
  const more = Promise.all(Array.from({ length: 300 }, () => scene.asked('alice')))
  await clock.settled('more answers', more)
  assert.equal(first.channels.length, 4)
})

test('beyond the limits a request waits, then goes to the next server, then fails with the reason', async () => {
  const limits = { maxInFlight: 2, maxQueued: 1 }
  const scene = new RadiusScene({ settings: limits }, { settings: limits, priority: 2 })
  const [first, second] = scene.servers
  for (const server of scene.servers) server.onRequest = SILENT
  const asked = Array.from({ length: 6 }, () => scene.asked('alice'))
  await scene.clock.advance(100)
  assert.deepEqual([first?.requests.length, second?.requests.length], [2, 2])
  assert.match((await scene.asked('alice')).what, /too many requests wait; server1: too many requests wait/)
  for (const server of scene.servers) {
    server.onRequest = came => came.send(came.reply())
    for (const came of server.requests) came.send(came.reply())
  }
  const ends = await scene.clock.settled('the answers', Promise.all(asked))
  assert.ok(ends.every(({ what }) => what.startsWith('Access-Accept')))
})

test('the lowest priority is asked, by weight among equals', async () => {
  const scene = new RadiusScene({ weight: 3 }, { weight: 1 }, { priority: 2, weight: 100 })
  await scene.clock.advance(10)
  for (let times = 0; times < 400; times++) await scene.asked('alice')
  const [three = 0, one = 0, other] = scene.servers.map(({ requests }) => requests.length)
  assert.equal(three + one, 400)
  assert.ok(three > 260 && three < 340, `${three} of 400`)
  assert.equal(other, 0)
})

test('an attribute that cannot be sent is a reason, not an error', async () => {
  const scene = new RadiusScene({})
  await scene.clock.advance(10)
  const { what } = await scene.asked('alice', { attributes: [{ name: 'No-Such-Attribute', value: 'x' }] })
  assert.match(what, /No-Such-Attribute/)
  assert.equal((await scene.asked('alice')).what, 'Access-Accept of server0')
})

test('over a connection nothing is sent twice, silence is probed, and a break asks the next server at once', async () => {
  const scene = new RadiusScene({ stream: true }, { priority: 2 })
  const { first, clock } = scene
  await clock.settled('an answer', scene.ask('alice'))
  first.onRequest = SILENT
  const asked = scene.asked('bob')
  await clock.advance(20_000)
  assert.equal(first.requests.filter(({ user }) => user === 'bob').length, 1)
  first.channels.at(-1)?.onClosed('the server closed the connection')
  const { what, ms } = await clock.settled('the next server', asked)
  assert.deepEqual({ what, ms }, { what: 'Access-Accept of server1', ms: 20_000 })

  // It can be opened again, and is; then it stays open, with a probe now and then.
  await clock.advance(1000)
  const { length } = first.channels
  const probes = first.came.length
  await clock.advance(300_000)
  assert.equal(first.channels.length, length)
  assert.ok(first.came.length > probes + 4, 'it is kept alive')
})

test('a connection that cannot be opened is tried again less and less often', async () => {
  const scene = new RadiusScene({ stream: true })
  const { first, clock } = scene
  first.accepts = false
  assert.equal((await clock.settled('the end', scene.asked('alice'))).what, 'server0: dead')
  const tries = first.channels.length
  await clock.advance(10 * 60_000)
  const more = first.channels.length - tries
  assert.ok(more > 15 && more < 60, `${more} tries in ten minutes`)
  first.accepts = true
  await clock.advance(35_000)
  assert.equal((await scene.asked('alice')).what, 'Access-Accept of server0')
})
