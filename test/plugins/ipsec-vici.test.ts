/** VICI byte by byte, and one connection of it that goes wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BurrowError } from '../../core/errors.ts'
import { VirtualClock } from '../../core/testing/virtual-clock.ts'
import { Vici } from '../../plugins/ipsec-strongswan/vici.ts'
import {
  decodePacket,
  encodePacket,
  MOST_PACKET_BYTES,
  PACKET,
  PacketStream,
  type ViciMessage,
  type ViciPacket,
  type ViciValue,
} from '../../plugins/ipsec-strongswan/vici-codec.ts'
import { FakeCharon } from '../support/fake-charon.ts'
import { until } from '../support/until.ts'

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')
const ascii = (text: string) => Buffer.from(text).toString('hex')

/** The example of README.md of strongSwan's plugin `vici`, "Message". */
const EXAMPLE: ViciMessage = {
  key1: 'value1',
  section1: { 'sub-section': { key2: 'value2' }, list1: ['item1', 'item2'] },
}
const EXAMPLE_HEX = `
  03 04 ${ascii('key1')} 0006 ${ascii('value1')}
  01 08 ${ascii('section1')}
    01 0b ${ascii('sub-section')}
      03 04 ${ascii('key2')} 0006 ${ascii('value2')}
    02
    04 05 ${ascii('list1')}
      05 0005 ${ascii('item1')}
      05 0005 ${ascii('item2')}
    06
  02`

const GOLDEN: readonly (readonly [string, ViciPacket])[] = [
  ['00000009 00 07 76657273696f6e', { type: PACKET.request, name: 'version', message: {} }],
  [`00000009 03 07 ${ascii('list-sa')}`, { type: PACKET.register, name: 'list-sa', message: {} }],
  ['00000001 05', { type: PACKET.confirm, message: {} }],
  ['00000001 02', { type: PACKET.unknownCommand, message: {} }],
  ['00000001 06', { type: PACKET.unknownEvent, message: {} }],
  [`0000004e 01 ${EXAMPLE_HEX}`, { type: PACKET.response, message: EXAMPLE }],
  [
    `00000057 07 08 ${ascii('ike-down')} ${EXAMPLE_HEX}`,
    { type: PACKET.event, name: 'ike-down', message: EXAMPLE },
  ],
]

/** What is read has no prototype, so that no key of it is anything to JavaScript. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

for (const [bytes, packet] of GOLDEN) {
  test(`a packet of type ${packet.type} is these bytes, both ways`, () => {
    const golden = hex(bytes)
    assert.equal(Buffer.from(encodePacket(packet)).toString('hex'), golden.toString('hex'))
    assert.deepEqual(plain(decodePacket(golden.subarray(4))), plain(packet))
  })
}

const text = fc.string({ maxLength: 40, unit: 'binary' })
const message = fc.letrec<{ section: Record<string, ViciValue>; value: ViciValue }>(tie => ({
  section: fc.dictionary(text, tie('value'), { maxKeys: 6, noNullPrototype: true }),
  value: fc.oneof({ depthSize: 'small' }, text, fc.array(text, { maxLength: 5 }), tie('section')),
})).section

test('any message comes back as it was sent, cut into whatever pieces', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.nat(60)), (messages, cuts) => {
      const packets = messages.map((one): ViciPacket => ({ type: PACKET.response, message: one }))
      const bytes = Buffer.concat(packets.map(encodePacket))
      const stream = new PacketStream()
      const read: ViciPacket[] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        read.push(...stream.take(bytes.subarray(at, at + cut)))
        at += cut
      }
      assert.deepEqual(plain(read), plain(packets))
    }),
  )
})

test('random bytes are a fault or a packet, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        decodePacket(bytes)
      } catch (error) {
        assert.equal((error as Error).name, 'ViciFault')
      }
    }),
  )
})

const FAULTS: readonly (readonly [string, string])[] = [
  ['no type', '00000000'],
  ['a type that is none', '00000001 08'],
  ['more than charon ever sends', '00080001 01'],
  ['a value that ends after its packet', '00000007 01 03 01 61 0006 62'],
  ['a section without its end', '00000004 01 01 01 61'],
  ['the end of no section', '00000002 01 02'],
  ['a list item outside of a list', '00000005 01 05 0001 61'],
  ['a section in a list', '00000007 01 04 01 61 01 01 62'],
  ['bytes behind a packet that has no message', '00000002 05 00'],
  ['sections without bottom', `00000040 01 ${'01 01 61'.repeat(21)}`],
]
for (const [what, bytes] of FAULTS) {
  test(`${what} is a fault`, () => {
    assert.throws(() => new PacketStream().take(hex(bytes)), { name: 'ViciFault' })
  })
}

test('what does not fit is not sent', () => {
  const encode = (of: ViciMessage) => () => encodePacket({ type: PACKET.request, name: 'x', message: of })
  assert.throws(encode({ ['k'.repeat(256)]: '' }), RangeError)
  assert.throws(encode({ key: 'v'.repeat(65_536) }), RangeError)
  const most = Array.from({ length: 9 }, () => 'v'.repeat(65_535))
  assert.ok(most.length * 65_535 > MOST_PACKET_BYTES)
  assert.throws(encode({ key: most }), RangeError)
})

async function connected(t: { after(end: () => void | Promise<void>): void }) {
  const charon = new FakeCharon(t)
  await charon.start()
  const clock = new VirtualClock()
  const vici = await Vici.connect({ path: charon.socket, clock, timeoutMs: 1000 })
  t.after(() => vici.close())
  return { charon, clock, vici }
}

test('a command that does not fit is a coded error without its words, and the next is answered', async t => {
  const { vici } = await connected(t)
  const data = 'deep secret '.repeat(6000)
  await assert.rejects(vici.request('load-shared', { data }), error => {
    assert.equal((error as BurrowError).code, 'IPSEC_CHARON')
    assert.doesNotMatch(String(error), /deep secret/)
    return true
  })
  assert.equal((await vici.request('version')).daemon, 'charon')
})

test('commands are answered one after the other, whatever came between them', async t => {
  const { charon, vici } = await connected(t)
  const events: ViciMessage[] = []
  await vici.on('child-updown', message => events.push(message))
  charon.change([], 'child-updown', { up: 'yes' })
  charon.change([], 'ike-updown', { up: 'nobody asked for it' })
  const answers = await Promise.all([vici.request('version'), vici.request('stats'), vici.request('version')])
  assert.deepEqual(plain(answers), [
    { daemon: 'charon', version: '5.9.8' },
    { success: 'yes' },
    { daemon: 'charon', version: '5.9.8' },
  ])
  assert.deepEqual(plain(events), [{ up: 'yes' }])
})

test('what charon refuses is an error with its reason', async t => {
  const { charon, vici } = await connected(t)
  charon.answer = () => ({ success: 'no', errmsg: 'invalid value for: proposals' })
  await assert.rejects(vici.order('load-conn', {}, 'phones'), {
    code: 'IPSEC_CONFIG',
    message: /load-conn of phones: invalid value for: proposals/,
  })
})

test('a command that is not answered in time closes the connection, and fails all that wait behind it', async t => {
  const { charon, clock, vici } = await connected(t)
  charon.answer = ({ command }) => (command === 'stats' ? 'hang' : undefined)
  const calls = Promise.allSettled([vici.request('stats'), vici.request('version')])
  await clock.advance(999)
  assert.equal(charon.clients, 1)
  await clock.advance(1)
  assert.deepEqual(
    (await calls).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.match(await vici.closed, /no answer to stats within 1000 ms/)
  await assert.rejects(vici.request('version'), { code: 'IPSEC_CHARON' })
})

test('bytes that are no VICI, and answers to nothing, close the connection', async t => {
  for (const bytes of ['00000001 08', '00000001 05']) {
    const { charon, vici } = await connected(t)
    await until('the server to see its client', () => charon.clients === 1)
    charon.write(hex(bytes))
    assert.match(await vici.closed, /type/)
  }
})

test('where nobody listens, it cannot be connected to', async t => {
  const charon = new FakeCharon(t)
  const clock = new VirtualClock()
  await assert.rejects(Vici.connect({ path: charon.socket, clock, timeoutMs: 1000 }), {
    code: 'IPSEC_CHARON',
    message: /ENOENT/,
  })
  assert.equal(clock.pending, 0)
})
