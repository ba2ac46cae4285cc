/** IPv6 through the fast path, beside the slow evaluator. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { writePacketTooBig } from '../../core/dataplane/icmp6.ts'
import { ipv6Prefixes } from '../../core/dataplane/prefix.ts'
import { PrefixTable6 } from '../../core/dataplane/prefix-table6.ts'
import type { AclRule, Flow, Prefix } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { formatIpv6, parseIpv6, parseIpv6Prefix } from '../../core/wire/ipv6.ts'
import { fromSession } from '../contracts/data-plane-bench.ts'
import { ipv6, octets6, sum16, tcp, tcpChecksumHolds, u16, udp } from '../support/ip-packets.ts'
import { arrived, makeFastPath, outcome, PLACES } from './fast-path-scene.ts'
import { fromNetwork, fromTun, type Outcome, parse6, type World } from './reference.ts'

const RUNS = { numRuns: Math.max(4000, Number(process.env.BURROW_SEEDS ?? 0)) }

const PATH: Path = {
  local: { address: '192.0.2.1', port: 1701 },
  remote: { address: '192.0.2.9', port: 40_000 },
}

// Small spaces, so that flows, rules and packets meet.
const sessionAddress = fc.constantFrom(
  '2001:db8:1:1::9',
  '2001:db8:1:2::9',
  '2001:db8:1:2::a',
  '2001:db8:2::1',
)
const address = fc.oneof(
  { weight: 5, arbitrary: sessionAddress },
  fc.constantFrom(
    ...[
      'fe80::9',
      'fe80::1',
      'ff02::1',
      'ff02::1:2',
      'ff0e::1',
      '::',
      '::1',
      '::ffff:a00:1',
      '2001:db8:ffff::1',
    ],
  ),
)
const prefix: fc.Arbitrary<Prefix> = fc
  .tuple(sessionAddress, fc.constantFrom(0, 3, 32, 48, 63, 64, 65, 96, 127, 128))
  .map(([text, length]) => {
    const masked = parseIpv6Prefix(`${text}/${length}`)?.bytes ?? assert.fail()
    return { address: formatIpv6(masked), length }
  })
const ipv4Prefix = fc.constant({ address: '10.0.0.0', length: 8 })
const prefixes = fc.array(fc.oneof({ weight: 5, arbitrary: prefix }, ipv4Prefix), { maxLength: 3 })

const rule: fc.Arbitrary<AclRule> = fc.record(
  {
    action: fc.constantFrom('permit', 'permit', 'deny', 'reject'),
    direction: fc.constantFrom('from-session', 'to-session'),
    source: prefixes,
    destination: prefixes,
    protocol: fc.constantFrom(1, 6, 17),
    destinationPorts: fc.constantFrom([{ from: 53, to: 80 }], [{ from: 80, to: 80 }], []),
    host: fc.constantFrom(false, true),
    name: fc.constant('rule'),
  },
  { requiredKeys: ['action', 'direction', 'name'] },
)
const everything: fc.Arbitrary<AclRule> = fc.constantFrom(
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
)
const rules = fc.oneof(
  fc.array(rule, { maxLength: 4 }),
  fc.tuple(rule, everything),
  fc.array(everything, { minLength: 1 }),
)

const flow: fc.Arbitrary<Omit<Flow, 'id' | 'localSessionId' | 'localTunnelId'>> = fc.record({
  generation: fc.constant(1),
  path: fc.constant(PATH),
  peerTunnelId: fc.nat(65_535),
  peerSessionId: fc.nat(65_535),
  prefixes,
  mtuBytes: fc.constantFrom(100, 1280, 1400),
  zone: fc.constant('dmz'),
  header: fc.record({ length: fc.boolean(), acfc: fc.boolean(), pfc: fc.boolean() }),
  needs: fc.record({
    sequence: fc.boolean(),
    shaping: fc.constant(false),
    mss: fc.boolean(),
    nat: fc.constant(false),
  }),
})
/** Flow n has the ids that `fromSession(n, ...)` sends to. */
const world: fc.Arbitrary<World> = fc.record({
  flows: fc.array(fc.record({ flow, rules }), { minLength: 1, maxLength: 3 }).map(rows =>
    rows.map((row, id) => ({
      ...row,
      flow: { ...row.flow, id, localTunnelId: 1000 + id, localSessionId: 2000 + id },
    })),
  ),
  localPrefixes: fc.array(prefix, { maxLength: 1 }),
})

const header = fc.constantFrom(
  { type: 0, rest: [0, 5, 2, 0, 0, 1, 0] },
  { type: 60, rest: [1, ...Array<number>(14).fill(0)] },
  { type: 43, rest: [0, 4, 0, 0, 0, 0, 0] },
  { type: 43, rest: [0, 0, 1, 0, 0, 0, 0] },
  { type: 44, rest: [0, 0, 1, 0, 0, 0, 7] },
  { type: 44, rest: [0, 1, 0x90, 0, 0, 0, 7] },
  { type: 60, rest: [9, 0, 0, 0, 0, 0, 0] },
)
const packet = fc
  .record({
    source: address,
    destination: address,
    protocol: fc.constantFrom(6, 6, 17, 58, 59),
    headers: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 2, arbitrary: fc.array(header, { minLength: 1, maxLength: 2 }) },
      fc.array(fc.constant({ type: 60, rest: [0, 0, 0, 0, 0, 0, 0] }), { minLength: 7, maxLength: 9 }),
    ),
    mss: fc.constantFrom(536, 1220, 1221, 1460),
    flags: fc.constantFrom(2, 0x12, 0x10),
    destinationPort: fc.constantFrom(53, 80, 443),
    dataBytes: fc.constantFrom(0, 1, 60, 1300),
  })
  .map(({ protocol, headers, mss, flags, destinationPort, dataBytes, ...ends }) => {
    const data = new Uint8Array(dataBytes)
    const payload =
      protocol === 6
        ? tcp({ ...ends, flags, destinationPort, options: [2, 4, ...u16(mss)], data })
        : protocol === 17
          ? udp({ ...ends, destinationPort, data })
          : data
    return ipv6({ ...ends, protocol, headers, payload })
  })

/** Mostly as it is; sometimes an octet is changed, some are cut off or added. */
const damaged = fc.oneof(
  { weight: 20, arbitrary: packet },
  fc.tuple(packet, fc.nat(47), fc.nat(255)).map(([bytes, at, octet]) => bytes.with(at % bytes.length, octet)),
  fc.tuple(packet, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.length + 1))),
  packet.map(bytes => Uint8Array.from([...bytes, 1, 2, 3])),
)

/** A TCP checksum that is wrong may be wrong in any way. */
function comparable(given: Outcome): unknown {
  if (!('packet' in given)) return given
  const bytes = given.packet.slice()
  const parsed = parse6(bytes)
  assert.ok(typeof parsed === 'object')
  const { protocol, headerBytes } = parsed
  if (protocol === 6 && bytes.length >= headerBytes + 18 && !tcpChecksumHolds(bytes, headerBytes))
    bytes.set([0, 0], headerBytes + 16)
  return { ...given, packet: Buffer.from(bytes).toString('hex') }
}

test('IPv6 from the network fares as the slow evaluator says', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(world, fc.nat(2), damaged, (given, n, bytes) => {
      const datagram = fromSession(n, bytes, 0x57)
      const expected = fromNetwork(given, PATH, datagram)
      for (const place of PLACES) {
        const fastPath = makeFastPath(given)
        const { view, at } = place(datagram)
        const verdict = fastPath.fromNetwork(arrived(view, at, datagram.length, PATH), 0, PATH.local.port)
        assert.deepEqual(comparable(outcome(verdict, fastPath, view)), comparable(expected))
      }
      seen.add(expected.kind === 'drop' ? expected.reason : expected.kind)
    }),
    RUNS,
  )
  const fates = ['tun', 'flow', 'unknown-flow', 'malformed-ip', 'source-route', 'spoofed-source']
  for (const name of [...fates, 'local-destination', 'policy']) assert.ok(seen.has(name), `reached: ${name}`)
})

test('IPv6 from the TUN fares as the slow evaluator says', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(world, damaged, (given, bytes) => {
      const expected = fromTun(given, bytes)
      for (const place of PLACES) {
        const fastPath = makeFastPath(given)
        const { view, at } = place(bytes)
        const verdict = fastPath.fromTun(view, at, bytes.length)
        assert.deepEqual(comparable(outcome(verdict, fastPath, view)), comparable(expected))
      }
      seen.add(expected.kind === 'drop' ? expected.reason : expected.kind)
    }),
    RUNS,
  )
  for (const name of ['peer', 'malformed-ip', 'source-route', 'no-route', 'policy', 'too-big'])
    assert.ok(seen.has(name), `reached: ${name}`)
})

test('the MSS of IPv6 is the MTU less 60, with a checksum that holds, behind extension headers too', () => {
  const ends = { source: '2001:db8:1:1::9', destination: '2001:db8:2::1' }
  const headers = [{ type: 60, rest: [0, 0, 0, 0, 0, 0, 0] }]
  const payload = tcp({ ...ends, options: [2, 4, ...u16(1460)] })
  const given: World = {
    flows: [
      {
        flow: {
          id: 0,
          generation: 1,
          path: PATH,
          localTunnelId: 1000,
          localSessionId: 2000,
          peerTunnelId: 1,
          peerSessionId: 1,
          prefixes: [{ address: '2001:db8:1:1::', length: 64 }],
          mtuBytes: 1400,
          zone: 'dmz',
          header: { length: true, acfc: false, pfc: false },
          needs: { sequence: false, shaping: false, mss: true, nat: false },
        },
        rules: [{ action: 'permit', direction: 'from-session', name: 'out' }],
      },
    ],
    localPrefixes: [],
  }
  const datagram = fromSession(0, ipv6({ ...ends, protocol: 6, headers, payload }), 0x57)
  const fastPath = makeFastPath(given)
  const { view, at } = PLACES[0]?.(datagram) ?? assert.fail()
  const result = outcome(
    fastPath.fromNetwork(arrived(view, at, datagram.length, PATH), 0, PATH.local.port),
    fastPath,
    view,
  )
  assert.ok(result.kind === 'tun')
  const mssAt = 40 + 8 + 22
  assert.deepEqual([...result.packet.subarray(mssAt, mssAt + 2)], u16(1340))
  assert.ok(tcpChecksumHolds(result.packet, 48))
})

test('routes of any length: the longest that holds an address wins, whatever came and went', () => {
  const operation = fc.record({ prefix, value: fc.nat(3), remove: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 30 }),
      fc.array(sessionAddress, { minLength: 1 }),
      (steps, asked) => {
        const table = new PrefixTable6()
        const known = new Map<string, { readonly prefix: Prefix; readonly value: number }>()
        for (const { prefix: one, value, remove } of steps) {
          const [read] = ipv6Prefixes([one])
          assert.ok(read !== undefined)
          const key = `${one.address}/${one.length}`
          if (remove) {
            table.delete(read)
            known.delete(key)
          } else {
            table.set(read, value)
            known.set(key, { prefix: one, value })
          }
        }
        for (const text of asked) {
          const bits = (of: string) =>
            octets6(of)
              .map(octet => octet.toString(2).padStart(8, '0'))
              .join('')
          const [best] = [...known.values()]
            .filter(({ prefix: { address: base, length } }) =>
              bits(text).startsWith(bits(base).slice(0, length)),
            )
            .sort((a, b) => b.prefix.length - a.prefix.length)
          const bytes = parseIpv6(text) ?? assert.fail()
          assert.equal(table.lookup(new DataView(bytes.buffer), 0), best?.value ?? -1)
        }
      },
    ),
  )
})

test('a packet that is too big is answered as RFC 4443 says, and an error or a later fragment never', () => {
  const ends = { source: '2001:db8:2::1', destination: '2001:db8:1:1::9' }
  const answerTo = (bytes: Uint8Array) => {
    const out = new Uint8Array(1280)
    const view = new DataView(bytes.slice().buffer)
    const length = writePacketTooBig(new DataView(out.buffer), view, 0, bytes.length, 1400)
    return out.subarray(0, length)
  }
  const big = ipv6({ ...ends, protocol: 17, payload: udp({ ...ends, data: new Uint8Array(1452).fill(7) }) })
  const answer = answerTo(big)
  assert.equal(answer.length, 1280)
  assert.deepEqual([...answer.subarray(8, 24)], octets6(ends.destination))
  assert.deepEqual([...answer.subarray(24, 40)], octets6(ends.source))
  assert.deepEqual([...answer.subarray(40, 42)], [2, 0])
  assert.deepEqual([...answer.subarray(44, 48)], [0, 0, ...u16(1400)])
  assert.deepEqual(answer.subarray(48), big.subarray(0, 1280 - 48))
  assert.equal(sum16([...answer.subarray(8, 40), 0, 58, ...u16(1240), ...answer.subarray(40)]), 0)
  const icmp = (type: number) =>
    ipv6({ ...ends, protocol: 58, payload: Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0) })
  assert.ok(answerTo(icmp(128)).length > 0)
  assert.equal(answerTo(icmp(1)).length, 0)
  const later = [{ type: 44, rest: [0, 1, 0x90, 0, 0, 0, 7] }]
  assert.equal(answerTo(ipv6({ ...ends, headers: later })).length, 0)
})
