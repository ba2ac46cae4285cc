import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSocketText, socketText } from '../../core/wire/socket-text.ts'

const address = fc.oneof(
  fc.ipV4(),
  fc
    .array(fc.nat(65_535), { minLength: 8, maxLength: 8 })
    .map(groups => groups.map(group => group.toString(16)).join(':')),
  fc.constantFrom('::', '::1', '2001:db8::1'),
)

test('an address with its port is read as it was written, in its one form', () => {
  fc.assert(
    fc.property(address, fc.nat(65_535), (text, port) => {
      const place = parseSocketText(socketText({ address: text, port }), 1701)
      fc.pre(place !== undefined)
      assert.equal(place.port, port)
      assert.deepEqual(parseSocketText(socketText(place), 1), place)
    }),
  )
})

test('without a port it has the default one; of IPv6 a port needs brackets', () => {
  for (const [text, read] of [
    ['192.0.2.1', { address: '192.0.2.1', port: 1701 }],
    ['192.0.2.1:99', { address: '192.0.2.1', port: 99 }],
    ['2001:DB8:0::1', { address: '2001:db8::1', port: 1701 }],
    ['[2001:db8::1]', { address: '2001:db8::1', port: 1701 }],
    ['[::]:1', { address: '::', port: 1 }],
    ['2001:db8::1:99', { address: '2001:db8::1:99', port: 1701 }],
  ] as const)
    assert.deepEqual(parseSocketText(text, 1701), read)
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4:',
    '1.2.3.4:65536',
    '::1]',
    '[::1',
    '[::1]:',
    'fe80::1',
    '[febf::1]:1',
    'fe80::1%eth0',
    'lns',
    '1.2.3.4%eth0',
  ])
    assert.equal(parseSocketText(text, 1701), undefined, text)
})
