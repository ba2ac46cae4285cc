import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Path } from '../../core/ports.ts'
import { traceRecord } from '../../core/runtime/trace.ts'
import { encodeControl } from '../../core/wire/control-message.ts'

const PATH: Path = { local: { address: '127.0.0.1', port: 1701 }, remote: { address: '127.0.0.2', port: 5 } }
const hexOf = (hex: string) => traceRecord(0, 'in', PATH, Uint8Array.from(Buffer.from(hex, 'hex')))?.hex
/** Data header, tunnel 1, session 81. */
const HEADER = '000200010051'
const ascii = (text: string) => Buffer.from(text).toString('hex')

test('a PAP password is overwritten, and only it', () => {
  const request = (password: string) =>
    `${HEADER}ff03c023010100140568624068620961646d696e40313233`.replace('61646d696e40313233', ascii(password))
  assert.equal(hexOf(request('admin@123')), request('*********'))
})

test('a PAP request that does not decode shows nothing behind its header', () => {
  assert.equal(
    hexOf(`${HEADER}ff03c0230101000eff${ascii('secret')}`),
    `${HEADER}ff03c0230101000e2a${ascii('******')}`,
  )
})

test('what an EAP method is answered with is overwritten, as some send the password: all but MD5, and our own part', () => {
  const response = (type: string, data: string) => `${HEADER}ff03c2270201000a${type}${data}`
  assert.equal(hexOf(response('06', ascii('secre'))), response('06', ascii('*****')))
  const shown = [
    response('01', ascii('hb@hb')),
    response('04', '0401020304'),
    `${HEADER}ff03c2270101000a06${ascii('hello')}`,
    `${HEADER}ff03c22703010004`,
  ]
  for (const hex of shown) assert.equal(hexOf(hex), hex)
  assert.equal(
    hexOf(`${HEADER}ff03c22702010fff06${ascii('secret')}`),
    `${HEADER}ff03c22702010fff2a${ascii('******')}`,
  )
})

test('what a user sends is not shown at all', () => {
  assert.equal(hexOf(`${HEADER}ff0300214500`), undefined)
})

test('control messages and junk are shown as they are', () => {
  assert.equal(hexOf('c802000c0001000000000000'), 'c802000c0001000000000000')
  assert.equal(hexOf('ff'), 'ff')
})

const PASSWORD = 'admin@123'
const octets = (text: string) => new TextEncoder().encode(text)

test('the password that an access concentrator passes on is overwritten, hidden or not, and only it', () => {
  const message = {
    type: 'ICCN',
    avps: {
      txConnectSpeed: 1,
      framingType: { async: false, sync: true },
      proxyAuthenType: 3,
      proxyAuthenName: 'hb@hb',
      proxyAuthenResponse: octets(PASSWORD),
    },
  } as const
  const ids = { tunnelId: 1, sessionId: 77, ns: 3, nr: 2 }
  const hex = Buffer.from(encodeControl(ids, message)).toString('hex')
  assert.ok(hex.includes(ascii(PASSWORD)))
  assert.equal(hexOf(hex), hex.replace(ascii(PASSWORD), ascii('*'.repeat(PASSWORD.length))))
  const hide = { secret: octets('s'), randomVector: octets('rv'), names: ['proxyAuthenResponse'] } as const
  const hidden = encodeControl(ids, message, hide)
  const shown = hexOf(Buffer.from(hidden).toString('hex')) ?? ''
  // Two octets of length are hidden with it.
  assert.ok(shown.endsWith(ascii('*'.repeat(PASSWORD.length + 2))), shown)
})

test('a PAP request that comes back in a Protocol-Reject is overwritten', () => {
  const pap = `01010014 05 ${ascii('hb@hb')} 09 ${ascii(PASSWORD)}`.replaceAll(' ', '')
  const reject = (data: string) => `${HEADER}ff03c0210801001ac023${data}`
  assert.equal(hexOf(reject(pap)), reject('2a'.repeat(pap.length / 2)))
})

test('of a data message that cannot be read nothing but the header is shown', () => {
  // The length is one too many.
  const header = '4002002100010051'
  const rest = `ff03c0230101001405${ascii('hb@hb')}09${ascii(PASSWORD)}`
  assert.equal(hexOf(header + rest), header + '2a'.repeat(rest.length / 2))
  assert.equal(hexOf(`${HEADER}0000${ascii(PASSWORD)}`), `${HEADER}${'2a'.repeat(11)}`)
})

test('octets behind the length of a data message are not shown', () => {
  const login = `ff03c0230101000b01${ascii('u')}04${ascii('pass')}`
  assert.equal(
    hexOf(`4002001700010051${login}${ascii('word')}`),
    `4002001700010051${login.replace(ascii('pass'), ascii('****'))}${ascii('****')}`,
  )
})
