import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  compileRules,
  NO_RULE,
  NO_SELECTOR,
  ruleFor,
  ruleFor6,
} from '../../../core/dataplane/policy/program.ts'
import type { AclRule, Prefix } from '../../../core/flow.ts'
import { formatIpv4, ipv4Mask, parseIpv4 } from '../../../core/wire/ip.ts'
import { formatIpv6, parseIpv6Prefix } from '../../../core/wire/ipv6.ts'
import { ipv4, ipv6, octets6, udp } from '../../support/ip-packets.ts'
import { judged, parse, parse6 } from '../reference.ts'

const ends4 = fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `10.${64 * a}.0.${85 * b}`)
const ends6 = fc
  .tuple(fc.nat(3), fc.nat(3))
  .map(([a, b]) => `2001:db8:${(0x4000 * a).toString(16)}::${85 * b}`)
const prefix4: fc.Arbitrary<Prefix> = fc
  .tuple(ends4, fc.constantFrom(0, 1, 9, 10, 16, 24, 25, 31, 32))
  .map(([address, length]) => ({ address: formatIpv4((parseIpv4(address) ?? 0) & ipv4Mask(length)), length }))
const prefix6: fc.Arbitrary<Prefix> = fc
  .tuple(ends6, fc.constantFrom(0, 1, 33, 34, 64, 120, 127, 128))
  .map(([text, length]) => ({
    address: formatIpv6(parseIpv6Prefix(`${text}/${length}`)?.bytes ?? assert.fail()),
    length,
  }))
const prefixes = fc.array(fc.oneof(prefix4, prefix6), { maxLength: 4 })
const port = fc.constantFrom(0, 1, 52, 53, 54, 1024, 65_534, 65_535)
const ports = fc.array(
  fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
  { minLength: 1, maxLength: 3 },
)
const rule: fc.Arbitrary<AclRule> = fc.record(
  {
    action: fc.constantFrom('permit', 'deny', 'reject'),
    direction: fc.constant('from-session'),
    source: prefixes,
    destination: prefixes,
    protocol: fc.constantFrom(6, 17),
    destinationPorts: ports,
    host: fc.boolean(),
    name: fc.constant('rule'),
  },
  { requiredKeys: ['action', 'direction', 'name'] },
)
/** Of one word and of many, none of them at the end of a word alone. */
const rules = fc.oneof(
  fc.array(rule, { maxLength: 5 }),
  fc.array(rule, { minLength: 30, maxLength: 100, size: 'max' }),
)

test('a program decides as its rules do, read one after the other', () => {
  const seen = new Set<string>()
  const packet = fc.record({
    ends: fc.oneof(fc.tuple(ends4, ends4), fc.tuple(ends6, ends6)),
    destinationPort: fc.option(port, { nil: undefined }),
    isHost: fc.boolean(),
  })
  fc.assert(
    fc.property(rules, fc.array(packet, { minLength: 20, maxLength: 20 }), (list, packets) => {
      const { ipv4: program4, ipv6: program6 } = compileRules(list, () => 1).fromSession
      for (const { ends, destinationPort, isHost } of packets) {
        const [source, destination] = ends
        const isIpv6 = source.includes(':')
        const payload =
          destinationPort === undefined ? new Uint8Array(2) : udp({ source, destination, destinationPort })
        const bytes = isIpv6 ? ipv6({ source, destination, payload }) : ipv4({ source, destination, payload })
        const parsed = isIpv6 ? parse6(bytes) : parse(bytes)
        assert.ok(typeof parsed !== 'string')
        const expected = judged(list, 'from-session', parsed, isHost)
        const selector = destinationPort ?? NO_SELECTOR
        const view = new DataView(Uint8Array.from([source, destination].flatMap(octetsOf)).buffer)
        const found = isIpv6
          ? ruleFor6(program6, view, 0, 16, 17, selector, isHost)
          : ruleFor(program4, parseIpv4(source) ?? 0, parseIpv4(destination) ?? 0, 17, selector, isHost)
        const action = found === NO_RULE ? 'no rule' : list[found]?.action
        assert.equal(action, expected)
        seen.add(`${isIpv6} ${action} ${found > 31}`)
      }
    }),
    { numRuns: Math.max(500, Number(process.env.BURROW_SEEDS ?? 0)) },
  )
  for (const family of [true, false])
    for (const action of ['permit', 'deny', 'reject']) assert.ok(seen.has(`${family} ${action} true`), action)
})

const octetsOf = (address: string) => (address.includes(':') ? octets6(address) : [0, 0, 0, 0])

test('what no packet can have matches none', () => {
  const of = (more: Partial<AclRule>) =>
    compileRules([{ action: 'permit', direction: 'from-session', name: 'odd', ...more }], () => 1).fromSession
      .ipv4
  for (const more of [
    { destinationPorts: [{ from: 70_000, to: 80_000 }] },
    { destinationPorts: [{ from: 20, to: 10 }] },
    { destinationPorts: [] },
    { source: [] },
    { source: [{ address: '2001:db8::', length: 32 }] },
    { icmpv6Types: [128] },
    { protocol: 1, destinationPorts: [{ from: 0, to: 65_535 }] },
  ])
    for (const protocol of [1, 6, 17, 47])
      for (const selector of [NO_SELECTOR, 0, 8, 15, 65_535])
        assert.equal(
          ruleFor(of(more), 0x0a000001, 0x0a000002, protocol, selector, false),
          NO_RULE,
          JSON.stringify(more),
        )
})
