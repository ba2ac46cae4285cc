import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatIpv6, parseIpv6, parseIpv6Prefix } from '../../core/wire/ipv6.ts'

const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

test('addresses are written as RFC 5952 has it', () => {
  for (const [given, form] of [
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
    ['1:0:0:2:0::3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ] as const) {
    const bytes = parseIpv6(given)
    assert.ok(bytes !== undefined, given)
    assert.equal(formatIpv6(bytes), form, given)
  }
})

test('as the parser of URLs writes them, whatever the address', () => {
  const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).chain(bytes =>
    // Runs of zeros of every length and place.
    fc.tuple(fc.nat(16), fc.nat(16)).map(([from, count]) => bytes.fill(0, from, from + count)),
  )
  fc.assert(
    fc.property(address, bytes => {
      const text = formatIpv6(bytes)
      assert.equal(`[${text}]`, new URL(`http://[${text}]`).hostname)
      assert.equal(hex(parseIpv6(text)), hex(bytes))
    }),
  )
})

test('what is no address is none', () => {
  for (const text of [
    '',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    '::1%eth0',
    '::1.2.3.4',
    '1:2:3:4:5:6:7:8::',
    ' ::1',
  ])
    assert.equal(parseIpv6(text), undefined, text)
})

test('prefixes lose their host bits', () => {
  for (const [given, bytes, length] of [
    ['2001:db8:1:33::/64', '20010db8000100330000000000000000', 64],
    ['2001:db8:1:33ff::1/60', '20010db8000133f00000000000000000', 60],
    ['ffff:ffff::/17', 'ffff8000000000000000000000000000', 17],
    ['::/0', '00000000000000000000000000000000', 0],
    ['::1/128', '00000000000000000000000000000001', 128],
  ] as const)
    assert.deepEqual(
      { ...parseIpv6Prefix(given), bytes: hex(parseIpv6Prefix(given)?.bytes) },
      { bytes, length },
    )
  for (const text of [
    '2001:db8::',
    '2001:db8::/129',
    '2001:db8::/',
    '2001:db8::/x',
    '10.0.0.0/8',
    '::/0/0',
    '::/-1',
  ])
    assert.equal(parseIpv6Prefix(text), undefined, text)
})
