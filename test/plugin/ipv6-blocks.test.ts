import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  EVERY_IPV6_ADDRESS,
  type Ipv6Block,
  ipv6BlockOf,
  ipv6BlocksInBoth,
  ipv6BlocksOverlap,
  ipv6BlocksWithout,
  ipv6BlockText,
  ipv6Number,
  ipv6PrefixOption,
  ipv6Text,
  isInIpv6Blocks,
  prefixOfBlock,
} from '../../core/plugin/ipv6-blocks.ts'

/** The last six bits of an address and of a prefix, so that they meet. */
const address = fc.nat(63).map(BigInt)
const block: fc.Arbitrary<Ipv6Block> = fc
  .tuple(address, fc.integer({ min: 121, max: 128 }))
  .map(([first, length]) => {
    const size = 1n << BigInt(128 - length)
    return { first: first - (first % size), length }
  })
const blocks = fc.array(block, { maxLength: 5 })

test('sets of prefixes are the sets of their addresses', () => {
  fc.assert(
    fc.property(blocks, blocks, address, (a, b, one) => {
      const [inA, inB] = [isInIpv6Blocks(a, one), isInIpv6Blocks(b, one)]
      assert.equal(isInIpv6Blocks(ipv6BlocksInBoth(a, b), one), inA && inB)
      assert.equal(isInIpv6Blocks(ipv6BlocksWithout(a, b), one), inA && !inB)
      const overlap = a.some(x => b.some(y => ipv6BlocksOverlap(x, y)))
      assert.equal(overlap, ipv6BlocksInBoth(a, b).length > 0)
      if (inA && inB) assert.ok(overlap)
    }),
  )
})

test('everything less a prefix is 128 bits of halves at most', () => {
  const [hole = EVERY_IPV6_ADDRESS] = [ipv6BlockOf({ address: '2001:db8::', length: 32 })]
  const rest = ipv6BlocksWithout([EVERY_IPV6_ADDRESS], [hole])
  assert.equal(rest.length, 32)
  assert.ok(!isInIpv6Blocks(rest, ipv6Number('2001:db8::1') ?? -1n))
  assert.ok(isInIpv6Blocks(rest, ipv6Number('2001:db7:ffff::1') ?? -1n))
})

test('texts', () => {
  assert.equal(ipv6Text(1n), '::1')
  assert.equal(ipv6BlockText({ first: ipv6Number('2001:db8::') ?? 0n, length: 48 }), '2001:db8::/48')
  assert.deepEqual(prefixOfBlock(EVERY_IPV6_ADDRESS), { address: '::', length: 0 })
  assert.equal(ipv6BlockOf({ address: '10.0.0.0', length: 8 }), undefined)
  assert.equal(ipv6Number('10.0.0.1'), undefined)
})

test('an option is a prefix without host bits', () => {
  const option = ipv6PrefixOption('POOL_INVALID')
  assert.deepEqual(option.parse('2001:DB8::/32'), { address: '2001:db8::', length: 32 })
  for (const text of ['2001:db8::1/32', '2001:db8::', '10.0.0.0/8', '::/129', ''])
    assert.equal(option.safeParse(text).success, false, text)
})
