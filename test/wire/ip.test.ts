import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  checkIpv4,
  checksum,
  formatIpv4,
  IP_MALFORMED,
  IP_SOURCE_ROUTE,
  ipv4Mask,
  parseIpv4,
  updateChecksum,
} from '../../core/wire/ip.ts'
import { ipv4, sum16 } from '../support/ip-packets.ts'

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const ENDS = { source: '10.0.0.1', destination: '192.168.1.1' }

test('RFC 1071 3: the sum of its example', () => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
  assert.equal(checksum(viewOf(bytes), 0, 8), 0xffff - 0xddf2)
})

test('the checksum is that of a slow sum, at any place and of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (bytes, before) => {
      const buffer = Uint8Array.from([...new Array<number>(before).fill(0xff), ...bytes, 0xff])
      assert.equal(checksum(viewOf(buffer), before, bytes.length), sum16(bytes))
    }),
  )
})

test('the largest packet of all ones does not overflow the sum', () => {
  const bytes = new Uint8Array(65_535).fill(0xff)
  assert.equal(checksum(viewOf(bytes), 0, bytes.length), sum16(bytes))
})

test('RFC 1624 4: the checksum updated is the checksum computed anew', () => {
  assert.equal(updateChecksum(0xdd2f, 0x5555, 0x3285), 0x0000)
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 40 }),
      fc.nat(),
      fc.nat(0xffff),
      (bytes, where, word) => {
        const at = (where % Math.floor(bytes.length / 2)) * 2
        const view = viewOf(bytes)
        const updated = updateChecksum(checksum(view, 0, bytes.length), view.getUint16(at), word)
        view.setUint16(at, word)
        // Of the two zeros of one's complement, the sum of octets that are all zero is the other.
        if (bytes.some(byte => byte !== 0)) assert.equal(updated, checksum(view, 0, bytes.length))
      },
    ),
  )
})

test('a right packet gives its total length, whatever lies behind it', () => {
  const packet = ipv4({ ...ENDS, options: Uint8Array.of(1, 7, 3, 4), payload: new Uint8Array(9) })
  const padded = Uint8Array.from([9, 9, ...packet, 8, 8])
  assert.equal(checkIpv4(viewOf(padded), 2, packet.length + 2), packet.length)
  assert.equal(checkIpv4(viewOf(padded), 2, packet.length - 1), IP_MALFORMED)
})

test('options are walked to their end, and source routes found behind others', () => {
  const verdict = (...options: number[]) => {
    const packet = ipv4({ ...ENDS, options: Uint8Array.from(options) })
    return checkIpv4(viewOf(packet), 0, packet.length)
  }
  assert.equal(verdict(1, 1, 131, 3), IP_SOURCE_ROUTE)
  assert.equal(verdict(7, 3, 4, 137), IP_SOURCE_ROUTE)
  assert.ok(verdict(0, 131, 3, 4) > 0, 'behind the end of options there are none')
  assert.ok(verdict(7, 4, 4, 9, 68, 4, 5, 0) > 0)
  assert.equal(verdict(1, 1, 1, 7), IP_MALFORMED)
  assert.equal(verdict(7, 1, 1, 1), IP_MALFORMED)
  assert.equal(verdict(7, 5, 1, 1), IP_MALFORMED)
})

test('no octets make the check read beyond them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      // The view ends where the packet does: one octet further and it throws.
      const total = checkIpv4(viewOf(bytes), 0, bytes.length)
      assert.ok(total === IP_MALFORMED || total === IP_SOURCE_ROUTE || (total >= 20 && total <= bytes.length))
    }),
  )
})

test('addresses are read and written; what is none is not read', () => {
  fc.assert(
    fc.property(fc.ipV4(), text => {
      assert.equal(formatIpv4(parseIpv4(text) ?? assert.fail()), text)
    }),
  )
  assert.equal(parseIpv4('255.255.255.255'), -1)
  assert.equal(formatIpv4(0xffffffff), '255.255.255.255')
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1.2.3.0x4',
    '::1',
  ])
    assert.equal(parseIpv4(text), undefined, text)
})

test('the mask of a length has that many bits', () => {
  for (let length = 0; length <= 32; length++)
    assert.equal((ipv4Mask(length) >>> 0).toString(2).padStart(32, '0'), '1'.repeat(length).padEnd(32, '0'))
})
