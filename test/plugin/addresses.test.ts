import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Ipv4Range,
  ipv4PrefixOption,
  ipv4RangeOption,
  ipv6Form,
  parseIpv4,
  prefixesOf,
  rangeOf,
} from '../../core/plugin/addresses.ts'
import { EVERY_ADDRESS, isInRanges, rangesInBoth, rangesWithout } from '../../core/plugin/ranges.ts'
import { schemaProblems } from '../../core/plugin/schema-problems.ts'
import { formatIpv4 } from '../../core/wire/ip.ts'

const address = fc.integer({ min: 0, max: 0xffff_ffff })
const range = fc
  .tuple(address, address)
  .map(([a, b]): Ipv4Range => ({ first: Math.min(a, b), last: Math.max(a, b) }))

test('an address survives formatting and parsing', () => {
  fc.assert(fc.property(address, number => parseIpv4(formatIpv4(number)) === number))
})

test('the prefixes of a range cover it exactly, in order, each aligned', () => {
  const whole: Ipv4Range = { first: 0, last: 0xffff_ffff }
  fc.assert(
    fc.property(fc.oneof(range, fc.constant(whole)), given => {
      let next = given.first
      for (const prefix of prefixesOf(given)) {
        const { first, last } = rangeOf(prefix) ?? { first: -1, last: -1 }
        assert.equal(first, next)
        assert.equal(first % 2 ** (32 - prefix.length), 0)
        next = last + 1
      }
      assert.equal(next, given.last + 1)
    }),
  )
})

test('the pool of the reference needs eight prefixes', () => {
  const pool = { first: parseIpv4('172.16.1.2') ?? 0, last: parseIpv4('172.16.1.100') ?? 0 }
  assert.deepEqual(
    prefixesOf(pool).map(prefix => `${prefix.address}/${prefix.length}`),
    [
      '172.16.1.2/31',
      '172.16.1.4/30',
      '172.16.1.8/29',
      '172.16.1.16/28',
      '172.16.1.32/27',
      '172.16.1.64/27',
      '172.16.1.96/30',
      '172.16.1.100/32',
    ],
  )
})

const RANGES: Readonly<Record<string, readonly [string, string]>> = {
  '10.0.0.7': ['10.0.0.7', '10.0.0.7'],
  '10.0.0.0/24': ['10.0.0.0', '10.0.0.255'],
  '0.0.0.0/0': ['0.0.0.0', '255.255.255.255'],
  '10.0.0.1-10.0.0.5': ['10.0.0.1', '10.0.0.5'],
  '10.0.0.1 - 10.0.0.5': ['10.0.0.1', '10.0.0.5'],
  '10.0.0.5-10.0.0.5': ['10.0.0.5', '10.0.0.5'],
}

test('a range may be an address, a prefix, or two addresses', () => {
  for (const [text, [first, last]] of Object.entries(RANGES)) {
    const parsed = ipv4RangeOption('POOL_INVALID').parse(text)
    assert.deepEqual([formatIpv4(parsed.first), formatIpv4(parsed.last)], [first, last], text)
  }
})

const NO_PREFIXES = [
  '10.0.0.1/24',
  '10.0.0.0/33',
  '10.0.0.0/024',
  '10.0.0.0/-1',
  '10.0.0.0/',
  '10.0.0.0%eth0/24',
  '10.0.0.0/24/1',
  '010.0.0.1',
  '10.0.0',
  '256.0.0.1',
  ' 10.0.0.1',
  '2001:db8::/32',
  'fe80::1%eth0',
  'ten',
  '',
]
const NO_RANGES = ['10.0.0.5-10.0.0.1', '10.0.0.1-', '10.0.0.1-10.0.0.2-10.0.0.3', '::1-::5', '10.0.0.1-x']

test('host bits, zone ids and other spellings are refused under the code of the option', () => {
  for (const [schema, texts] of [
    [ipv4PrefixOption('POLICY_INVALID'), [...NO_PREFIXES, ...NO_RANGES, '10.0.0.1-10.0.0.5']],
    [ipv4RangeOption('POLICY_INVALID'), [...NO_PREFIXES, ...NO_RANGES]],
  ] as const) {
    for (const input of texts) {
      const checked = schema.safeParse(input)
      assert.equal(checked.success, false, input)
      if (checked.success) continue
      const [problem] = schemaProblems(checked.error, {
        code: 'PLUGIN_OPTIONS',
        schema,
        input,
        locate: () => ({ file: 'f', line: 7 }),
      })
      assert.equal(problem?.code, 'POLICY_INVALID', input)
      assert.equal(problem?.place.line, 7)
    }
  }
})

test('what is in both, or in one without the other, is told as address by address', () => {
  const small = fc.integer({ min: 0, max: 24 })
  const smallRange = fc
    .tuple(small, small)
    .map(([a, b]): Ipv4Range => ({ first: Math.min(a, b), last: Math.max(a, b) }))
  const set = fc.array(smallRange, { maxLength: 5 })
  fc.assert(
    fc.property(set, set, (a, b) => {
      for (let at = 0; at <= 25; at++) {
        const [inA, inB] = [isInRanges(a, at), isInRanges(b, at)]
        assert.equal(isInRanges(rangesInBoth(a, b), at), inA && inB)
        assert.equal(isInRanges(rangesWithout(a, b), at), inA && !inB)
      }
    }),
  )
  assert.deepEqual(rangesWithout([EVERY_ADDRESS], [EVERY_ADDRESS]), [])
})

test('the one form of an IPv6 address, and of what is an address to the kernel no other text', () => {
  for (const [written, form] of [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ] as const)
    assert.equal(ipv6Form(written), form)
  for (const none of [
    '',
    'x',
    '1::2::3',
    '12345::',
    '::1%eth0',
    '[::1]',
    '::1]/x[',
    '192.0.2.1',
    ':::',
    ' ::1',
  ])
    assert.equal(ipv6Form(none), undefined, none)
  const text = fc.string({ unit: fc.constantFrom(...'0123abF:.:'), maxLength: 24 })
  const groups = fc.array(fc.constantFrom('0', '1', 'ff', 'ABCD', '', '1.2.3.4'), { maxLength: 9 })
  for (const candidate of [text, groups.map(parts => parts.join(':'))])
    fc.assert(
      fc.property(candidate, one => assert.equal(ipv6Form(one) !== undefined, isIPv6(one), one)),
      { numRuns: 2000 },
    )
})
