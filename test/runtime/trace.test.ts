import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Path } from '../../core/ports.ts'
import { traceRecord } from '../../core/runtime/trace.ts'

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

test('what a user sends is not shown at all', () => {
  assert.equal(hexOf(`${HEADER}ff0300214500`), undefined)
})

test('control messages and junk are shown as they are', () => {
  assert.equal(hexOf('c802000c0001000000000000'), 'c802000c0001000000000000')
  assert.equal(hexOf('ff'), 'ff')
})
