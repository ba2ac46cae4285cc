/** However much is to be said of a session, its records can be sent: one that cannot would never be delivered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RadiusClient } from '../../core/plugin/radius.ts'
import { startPlugin } from '../../core/testing/plugin-harness.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { aFolder, anEnd, aSession } from '../../core/testing/samples.ts'
import { delayTime, sessionRecord } from '../../plugins/accounting-radius/attributes.ts'
import accountingRadius from '../../plugins/accounting-radius/index.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import { sessionAttributes } from '../../plugins/radius-client/session-attributes.ts'
import { AccountingServer } from '../support/accounting-server.ts'
import { until } from '../support/until.ts'

const codec = new RadiusCodec(readDictionaries())
const MOST = 'Ä€😀'.repeat(100)
const NAS = {
  nasIdentifier: MOST,
  nasIpAddress: '192.0.2.7',
  nasIpv6Address: '2001:db8::7',
  callingStationId: 'number',
} as const

interface Said {
  readonly text: string
  /** Octets of each. */
  readonly classes: readonly number[]
  readonly identity: number
}

/** What a server reads of a Stop. */
function readOf({ text, classes, identity }: Said) {
  const path = {
    remote: { address: '2001:db8:1111:2222:3333:4444:5555:6666', port: 65_535 },
    local: { address: '2001:db8:1111:2222:3333:4444:5555:7777', port: 1701 },
  }
  const tunnel = { ...aSession().tunnel, path, localTunnelId: 65_535, peerHostName: text }
  const session = aSession({
    user: text,
    tunnel,
    localSessionId: 65_535,
    callSerialNumber: 2 ** 32 - 1,
    calledNumber: text,
    callingNumber: text,
    txConnectSpeedBps: 2 ** 53,
  })
  const client = {
    ...new AccountingServer().client(),
    sessionAttributes: of => sessionAttributes(of, NAS),
  } as RadiusClient
  const grant = {
    user: text,
    classes: classes.map((octets, index) => Buffer.alloc(octets, index + 1).toString('hex')),
    chargeableIdentity: Buffer.alloc(identity, 1).toString('hex'),
  }
  const record = sessionRecord({ event: 'stop', ...anEnd(session, { grant }) }, client, 0)
  const attributes = [...record.attributes, delayTime(record, 2 ** 40)]
  const request = { code: 'Accounting-Request', identifier: 1, attributes } as const
  const { bytes } = codec.encodeRequest(request, { secret: 's', random: new SeededRandom(1) })
  const decoded = codec.decodeRequest(bytes, 's')
  assert.ok(decoded.kind === 'message')
  const read = decoded.message.attributes
  return (name: string) => read.filter(one => one.name === name).map(({ value }) => value)
}

test('whatever text and octets there are, a record can be sent', () => {
  const octets = fc.integer({ min: 0, max: 300 })
  fc.assert(
    fc.property(
      fc.record({
        text: fc.string({ unit: 'grapheme', maxLength: 300 }),
        classes: fc.array(octets, { maxLength: 40 }),
        identity: octets,
      }),
      said => void readOf(said),
    ),
  )
})

test('the most that there can be: text is cut, Class goes on in order as far as there is room', () => {
  const said = readOf({ text: MOST, classes: [254, 253, 0, 1, ...Array(20).fill(253)], identity: 253 })
  const [name] = said('User-Name')
  assert.equal(Buffer.byteLength(String(name)), 252)
  assert.ok(MOST.startsWith(String(name)))
  const classes = said('Class').map(value => value instanceof Uint8Array && [value.length, value[0]])
  assert.deepEqual(classes, [[253, 2], [1, 4], ...Array.from({ length: 7 }, (_, index) => [253, 5 + index])])
  assert.equal((said('Chargeable-User-Identity')[0] as Uint8Array).length, 253)
})

test('a Class that is left out is told in the log, once for a session', async t => {
  const server = new AccountingServer()
  const setting = { options: { spool: 'spool' }, configDir: aFolder(t), before: [server.plugin] }
  const plugin = await startPlugin(t, accountingRadius, setting)
  const end = anEnd(aSession(), { grant: { user: 'ann', classes: ['0a', '', 'bb'.repeat(254)] } })
  await plugin.tell('sessionUp', end)
  await plugin.tell('sessionDown', end)
  await until('the Stop', () => server.taken.some(({ status }) => status === 'Stop'))
  const lines = plugin.log.filter(({ message }) => message.includes('Class'))
  assert.deepEqual(
    lines.map(({ fields }) => fields),
    [{ plugin: 'accounting-radius', user: 'ann', told: 1, of: 2 }],
  )
})
