/** RFC 2661 5.8 and appendix A. Two channels in virtual time, and one alone with what it sends written down. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_L2TP, type L2tpConfig } from '../../core/protocol/config.ts'
import {
  acknowledge,
  arrive,
  type ChannelEnv,
  type ChannelState,
  createChannel,
  flushAck,
  retransmit,
  sendReliably,
  setPeerWindow,
} from '../../core/protocol/reliable-channel.ts'
import { SeededRandom } from '../../core/testing/random.ts'

interface Sent {
  readonly ns: number
  readonly nr: number
  readonly sessionId: number
  readonly text: string
}

/** One channel, its timer and what it sent. */
class Alone {
  readonly channel: ChannelState = createChannel()
  sent: Sent[] = []
  timer: number | undefined
  gaveUp = false
  now = 0
  readonly config: L2tpConfig
  readonly env: ChannelEnv

  constructor(config: Partial<L2tpConfig> = {}) {
    this.config = { ...DEFAULT_L2TP, ...config }
    this.env = {
      config: this.config,
      transmit: (ns, nr, sessionId, body) => {
        this.sent.push({ ns, nr, sessionId, text: Buffer.from(body).toString() })
      },
      setRetransmitTimer: delayMs => {
        this.timer = this.now + delayMs
      },
      clearRetransmitTimer: () => {
        this.timer = undefined
      },
      exhausted: () => {
        this.gaveUp = true
      },
    }
  }

  send(...texts: string[]): void {
    for (const text of texts) sendReliably(this.channel, this.env, 0, Buffer.from(text))
  }

  acknowledge(nr: number): boolean {
    return acknowledge(this.channel, this.env, nr)
  }

  /** Texts delivered, in order, or why none. */
  arrive(ns: number, text: string): string[] | string {
    const arrival = arrive(this.channel, this.config.receiveWindow, ns, 0, Buffer.from(text))
    if (arrival.kind !== 'in-order') return arrival.kind
    return arrival.messages.map(({ body }) => Buffer.from(body).toString())
  }

  /** Lets the timer fire; how long that took. */
  fire(): number {
    assert.ok(this.timer !== undefined, 'no timer is set')
    const waited = this.timer - this.now
    this.now = this.timer
    this.timer = undefined
    retransmit(this.channel, this.env)
    return waited
  }

  taken(): string[] {
    const texts = this.sent.map(({ ns, text }) => `${ns}:${text}`)
    this.sent = []
    return texts
  }
}

test('sequence numbers begin with 0 and wrap after 65535', () => {
  const alone = new Alone()
  for (let ns = 0; ns <= 65_536; ns++) {
    alone.send('m')
    assert.deepEqual(alone.taken(), [`${ns & 0xffff}:m`])
    assert.ok(alone.acknowledge((ns + 1) & 0xffff))
  }
  const receiver = new Alone()
  receiver.channel.nr = 65_535
  assert.deepEqual(receiver.arrive(65_535, 'last'), ['last'])
  assert.deepEqual(receiver.arrive(0, 'first again'), ['first again'])
  assert.equal(receiver.arrive(65_535, 'last'), 'duplicate')
})

test('slow start: one message, then one more for each that is acknowledged, up to the peer window', () => {
  const alone = new Alone()
  alone.send(...'abcdefghij')
  assert.deepEqual(alone.taken(), ['0:a'])
  alone.acknowledge(1)
  assert.deepEqual(alone.taken(), ['1:b', '2:c'])
  alone.acknowledge(3)
  // The default window of a peer that told none is 4.
  assert.deepEqual(alone.taken(), ['3:d', '4:e', '5:f', '6:g'])
  alone.acknowledge(7)
  assert.deepEqual(alone.taken(), ['7:h', '8:i', '9:j'])
})

test('a peer window of 1 gets one message at a time', () => {
  const alone = new Alone()
  setPeerWindow(alone.channel, 1)
  alone.send(...'abc')
  for (const [ns, text] of [...'abc'].entries()) {
    assert.deepEqual(alone.taken(), [`${ns}:${text}`])
    alone.acknowledge(ns + 1)
  }
})

test('a peer window of 0, which the RFC forbids, is read as 1', () => {
  const alone = new Alone()
  setPeerWindow(alone.channel, 0)
  alone.send(...'ab')
  assert.deepEqual(alone.taken(), ['0:a'])
})

test('after a loss the window is one, slow start ends at half the old one, and grows by one a window beyond', () => {
  const alone = new Alone()
  setPeerWindow(alone.channel, 32)
  alone.send(...'m'.repeat(200))
  while (alone.channel.congestionWindow < 16) alone.acknowledge(alone.channel.sentEnd)
  alone.taken()
  const lost = alone.channel.outbox[0]?.ns ?? -1
  const { congestionWindow } = alone.channel
  alone.fire()
  assert.deepEqual(alone.taken(), [`${lost}:m`])
  assert.equal(alone.channel.congestionWindow, 1)
  assert.equal(alone.channel.slowStartThreshold, congestionWindow >> 1)
  const growth: number[] = []
  for (let step = 0; step < 12; step++) {
    const first = alone.channel.outbox[0]?.ns ?? 0
    alone.acknowledge(first + 1)
    growth.push(alone.channel.congestionWindow)
  }
  assert.deepEqual(growth, [2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8])
})

test('retransmissions wait 1, 2, 4, 8, 8, ... seconds and end after the configured number', () => {
  const alone = new Alone({ maxTransmissions: 7 })
  alone.send('a')
  const waits: number[] = []
  while (!alone.gaveUp) waits.push(alone.fire())
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000, 8000, 8000])
  assert.deepEqual(alone.taken(), Array(7).fill('0:a'))
})

test('an acknowledgement of some leaves the rest with a deadline of their own', () => {
  const alone = new Alone()
  alone.send(...'abc')
  alone.acknowledge(1)
  assert.deepEqual(alone.taken(), ['0:a', '1:b', '2:c'])
  alone.now = 500
  alone.acknowledge(2)
  assert.equal(alone.timer, 1500, 'c was sent once and is timed from now')
  assert.equal(alone.fire(), 1000)
  assert.deepEqual(alone.taken(), ['2:c'])
  alone.acknowledge(3)
  assert.equal(alone.timer, undefined, 'nothing is in flight')
})

test('an Nr beyond what was sent is refused, an old one ignored', () => {
  const alone = new Alone()
  alone.send(...'ab')
  assert.equal(alone.acknowledge(2), false, 'b is queued, but was never sent')
  assert.equal(alone.channel.outbox.length, 2)
  assert.ok(alone.acknowledge(1))
  assert.ok(alone.acknowledge(0))
  assert.deepEqual(alone.taken(), ['0:a', '1:b'])
  assert.equal(alone.acknowledge(0x8000), false)
})

test('an acknowledgement of what was sent before a retransmission shrank the flight counts', () => {
  const alone = new Alone()
  alone.send(...'abc')
  alone.acknowledge(1)
  alone.taken()
  alone.fire()
  assert.equal(alone.channel.flight, 1)
  assert.ok(alone.acknowledge(3), 'b and c both came through the first time')
  assert.equal(alone.timer, undefined)
  assert.equal(alone.channel.outbox.length, 0)
})

test('messages that overtake others wait, and are delivered in order', () => {
  const alone = new Alone()
  assert.equal(alone.arrive(2, 'c'), 'early')
  assert.equal(alone.arrive(1, 'b'), 'early')
  assert.equal(alone.arrive(1, 'b'), 'early')
  assert.equal(alone.channel.ackOwed, false, 'nothing new can be acknowledged')
  assert.deepEqual(alone.arrive(0, 'a'), ['a', 'b', 'c'])
  assert.equal(alone.channel.nr, 3)
  flushAck(alone.channel, alone.env)
  assert.deepEqual(alone.sent, [{ ns: 0, nr: 3, sessionId: 0, text: '' }])
})

test('the reordering buffer is no larger than the window that we advertise', () => {
  const alone = new Alone({ receiveWindow: 4 })
  for (let ns = 1; ns < 4; ns++) assert.equal(alone.arrive(ns, 'm'), 'early')
  for (let ns = 4; ns < 1000; ns++) assert.equal(alone.arrive(ns, 'm'), 'out-of-window')
  assert.equal(alone.channel.early.length, 3)
})

test('a message that overtakes others is kept only where it is short', () => {
  const alone = new Alone()
  assert.equal(alone.arrive(1, 'm'.repeat(1501)), 'out-of-window')
  assert.equal(alone.arrive(1, 'm'.repeat(1500)), 'early')
  assert.equal(alone.arrive(0, 'a').length, 2)
  assert.deepEqual(alone.arrive(2, 'm'.repeat(60_000)), ['m'.repeat(60_000)], 'in its turn it may be long')
})

test('a duplicate is acknowledged again', () => {
  const alone = new Alone()
  alone.arrive(0, 'a')
  flushAck(alone.channel, alone.env)
  assert.equal(alone.arrive(0, 'a'), 'duplicate')
  flushAck(alone.channel, alone.env)
  assert.deepEqual(
    alone.sent.map(({ nr, text }) => [nr, text]),
    [
      [1, ''],
      [1, ''],
    ],
  )
})

test('a ZLB has no place in the sequence, whatever its Ns, and is not acknowledged', () => {
  const alone = new Alone()
  for (const ns of [0, 5, 40_000]) assert.equal(alone.arrive(ns, ''), 'zlb')
  assert.equal(alone.channel.nr, 0)
  flushAck(alone.channel, alone.env)
  assert.deepEqual(alone.sent, [])
  assert.deepEqual(alone.arrive(0, 'a'), ['a'])
})

test('our ZLB uses up no Ns, and a message carries the acknowledgement along', () => {
  const alone = new Alone()
  alone.arrive(0, 'x')
  flushAck(alone.channel, alone.env)
  alone.arrive(1, 'y')
  alone.send('a')
  flushAck(alone.channel, alone.env)
  assert.deepEqual(alone.sent, [
    { ns: 0, nr: 1, sessionId: 0, text: '' },
    { ns: 0, nr: 2, sessionId: 0, text: 'a' },
  ])
})

test('a peer that never reads fills no more than the queue', () => {
  const alone = new Alone()
  let accepted = 0
  while (sendReliably(alone.channel, alone.env, 0, Buffer.from('m'))) accepted++
  assert.ok(accepted <= 16_384, `${accepted}`)
  assert.equal(alone.channel.outbox.length, accepted)
})

test('over 300 seeds of bad weather everything arrives once and in order, both ways', () => {
  for (let seed = 0; seed < 300; seed++) converse(seed)
})

/** Two channels send 40 messages each through loss, duplication and reordering. */
function converse(seed: number): void {
  const chance = new SeededRandom(seed)
  const config = { maxTransmissions: 1000, receiveWindow: 4 }
  const [a, b] = [new Alone(config), new Alone(config)]
  const texts = Array.from({ length: 40 }, (_, index) => `m${index}`)
  const heard = new Map<Alone, string[]>([
    [a, []],
    [b, []],
  ])
  for (const side of [a, b]) setPeerWindow(side.channel, 1 + (chance.uint16() % 6))
  for (const side of [a, b]) side.send(...texts)
  const due: { at: number; to: Alone; sent: Sent }[] = []
  let now = 0

  const ship = (from: Alone, to: Alone) => {
    for (const sent of from.sent) {
      for (let copies = chance.fraction() < 0.15 ? 2 : 1; copies > 0; copies--)
        if (chance.fraction() > 0.3) due.push({ at: now + chance.fraction() * 1500, to, sent })
    }
    from.sent = []
  }
  for (let steps = 0; steps < 20_000; steps++) {
    ship(a, b)
    ship(b, a)
    due.sort((x, y) => x.at - y.at)
    const timers = [a, b].filter(({ timer }) => timer !== undefined)
    const [first] = timers.sort((x, y) => (x.timer ?? 0) - (y.timer ?? 0))
    const [datagram] = due
    if (datagram !== undefined && (first?.timer === undefined || datagram.at <= first.timer)) {
      due.shift()
      now = datagram.at
      for (const side of [a, b]) side.now = now
      const { to, sent } = datagram
      assert.ok(to.acknowledge(sent.nr), `seed ${seed}: Nr ${sent.nr}`)
      const delivered = to.arrive(sent.ns, sent.text)
      if (Array.isArray(delivered)) heard.get(to)?.push(...delivered)
      flushAck(to.channel, to.env)
    } else if (first !== undefined) {
      now = first.timer ?? now
      first.fire()
    } else {
      break
    }
  }
  for (const side of [a, b]) {
    assert.deepEqual(heard.get(side), texts, `seed ${seed}`)
    assert.equal(side.channel.outbox.length, 0, `seed ${seed}: everything is acknowledged`)
  }
}
