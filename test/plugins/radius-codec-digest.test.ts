/** MD5 and HMAC-MD5 of RADIUS beside those of OpenSSL. */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { hmacMd5, md5 } from '../../plugins/radius-client/digest.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const theirs = (text: Uint8Array) => createHash('md5').update(text).digest('hex')
const theirHmac = (key: Uint8Array, text: Uint8Array) => createHmac('md5', key).update(text).digest('hex')
const filled = (length: number) => Uint8Array.from({ length }, (_, at) => (31 * at + length) % 256)

test('the digests that RFC 1321 A.5 and RFC 2202 2 give', () => {
  const ascii = (text: string) => new TextEncoder().encode(text)
  assert.equal(hex(md5()), 'd41d8cd98f00b204e9800998ecf8427e')
  assert.equal(hex(md5(ascii('message '), ascii('digest'))), 'f96b697d7cb7938d525a2f31aaf161d0')
  const digits = ascii('1234567890'.repeat(8))
  assert.equal(hex(md5(digits)), '57edf4a22be3c955ac49da2e2107b67a')
  assert.equal(
    hex(hmacMd5(ascii('Jefe'), ascii('what do ya want for nothing?'))),
    '750c783e6ab0b503eaa86e310a5db738',
  )
  const long = ascii('Test Using Larger Than Block-Size Key - Hash Key First')
  assert.equal(hex(hmacMd5(new Uint8Array(80).fill(0xaa), long)), '6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd')
})

test('every length up to some blocks, and that of the longest packet, is digested as OpenSSL does', () => {
  for (const length of [...Array.from({ length: 260 }, (_, at) => at), 4096, 4095 + 64]) {
    const text = filled(length)
    assert.equal(hex(md5(text)), theirs(text), `${length} octets`)
    assert.equal(hex(hmacMd5(text, text)), theirHmac(text, text), `${length} octets`)
  }
})

test('any octets, however they are split, under any key that is used again', () => {
  const octets = fc.uint8Array({ maxLength: 300 })
  const property = fc.property(octets, fc.array(octets, { maxLength: 5 }), (key, parts) => {
    const whole = Buffer.concat(parts)
    assert.equal(hex(md5(...parts)), theirs(whole))
    assert.equal(hex(hmacMd5(key, ...parts)), theirHmac(key, whole))
    assert.equal(hex(hmacMd5(key, whole)), theirHmac(key, whole))
  })
  fc.assert(property, { numRuns: 500 })
})
