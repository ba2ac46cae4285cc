import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Prefix } from '../../core/flow.ts'
import { parseIpv4, rangeOf } from '../../core/plugin/addresses.ts'
import { isInRanges } from '../../core/plugin/ranges.ts'
import { effectiveRoutes, type KernelRoute, reachOf } from '../../core/runtime/route-reach.ts'
import { formatIpv4 } from '../../core/wire/ip.ts'

const route = (text: string, devices: string, metric = 0): KernelRoute => {
  const [address = '', length] = text.split('/')
  return {
    prefix: { address, length: Number(length) },
    metric,
    hops: devices === '' ? [] : devices.split(' ').map(device => ({ device, via: '' })),
  }
}
const texts = (list: readonly Prefix[] = []) => list.map(({ address, length }) => `${address}/${length}`)

test('the longest prefix decides, of equal ones the lowest metric; what goes nowhere is behind nothing', () => {
  const reach = reachOf([
    route('0.0.0.0/0', 'eth0'),
    route('128.0.0.0/1', 'eth1', 20),
    route('128.0.0.0/1', 'eth2', 10),
    route('64.0.0.0/2', ''),
    route('2001:db8::/32', 'eth1'),
    route('2001:db8::/33', 'eth2'),
  ])
  assert.deepEqual(texts(reach.eth0), ['0.0.0.0/2'])
  assert.deepEqual(texts(reach.eth1), ['2001:db8:8000::/33'])
  assert.deepEqual(texts(reach.eth2), ['128.0.0.0/1', '2001:db8::/33'])
})

test('what several interfaces share is behind each of them', () => {
  const reach = reachOf([
    route('10.0.0.0/8', 'eth0 eth1 eth0'),
    route('fe80::/64', 'eth0', 256),
    route('fe80::/64', 'eth1', 256),
  ])
  for (const device of ['eth0', 'eth1']) assert.deepEqual(texts(reach[device]), ['10.0.0.0/8', 'fe80::/64'])
})

test('of any table, an address is behind the interface that a look-up gives', () => {
  const devices = fc.constantFrom('a', 'b', 'c', '')
  // In a small corner, so that they meet.
  const prefix = fc.tuple(fc.nat(63), fc.integer({ min: 24, max: 32 })).map(([host, length]) => {
    const mask = length === 32 ? 0xffff_ffff : ~(2 ** (32 - length) - 1) >>> 0
    return `${formatIpv4((0x0a00_0000 + host) & mask)}/${length}`
  })
  const table = fc.array(fc.tuple(prefix, devices, fc.nat(2)), { maxLength: 12 })
  fc.assert(
    fc.property(table, fc.nat(300), (entries, host) => {
      const address = 0x0a00_0000 + host
      const routes = entries.map(([text, device, metric]) => route(text, device, metric))
      const holds = ({ prefix: own }: KernelRoute) =>
        isInRanges(
          [rangeOf(own)].flatMap(one => one ?? []),
          address,
        )
      const best = routes
        .filter(holds)
        .sort((one, other) => other.prefix.length - one.prefix.length || one.metric - other.metric)
      const first = best[0]
      const equals = best.filter(
        one => one.prefix.length === first?.prefix.length && one.metric === first.metric,
      )
      const wanted = new Set(equals.flatMap(({ hops }) => hops.map(({ device }) => device)))
      const reach = reachOf(routes)
      const got = Object.keys(reach).filter(device =>
        isInRanges(
          (reach[device] ?? []).flatMap(one => rangeOf(one) ?? []),
          address,
        ),
      )
      assert.deepEqual(got.sort(), [...wanted].sort())
    }),
  )
})

test('a table of 20,000 routes is read in a moment', () => {
  const routes = Array.from({ length: 20_000 }, (_, index) =>
    route(`${formatIpv4((0x0b00_0000 + index * 256) | 0)}/24`, index % 2 === 0 ? 'a' : 'b'),
  )
  const effective = effectiveRoutes([route('10.0.0.0/8', 'c'), ...routes])
  assert.equal(effective.length, 20_001)
  assert.equal(parseIpv4(effective[1]?.effective[0]?.address ?? ''), 0x0b00_0000)
})
