import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { VERDICT } from '../../core/dataplane/fast-path.ts'
import type { AclRule, Flow, Prefix } from '../../core/flow.ts'
import type { Path } from '../../core/ports.ts'
import { formatIpv4, ipv4Mask, parseIpv4 } from '../../core/wire/ip.ts'
import { flowOf, fromInside, PERMIT_ALL } from '../contracts/data-plane-bench.ts'
import { ipv4, tcp, tcpChecksumHolds, udp } from '../support/ip-packets.ts'
import { arrived, makeFastPath, outcome, PLACES } from './fast-path-scene.ts'
import { fromNetwork, fromTun, type Outcome, type World } from './reference.ts'

/** Enough for every fate to come up; BURROW_SEEDS may ask for more. */
const RUNS = { numRuns: Math.max(5000, Number(process.env.BURROW_SEEDS ?? 0)) }

// Small spaces, so that flows, rules and packets meet.
const outerAddress = fc.constantFrom('192.0.2.1', '192.0.2.2')
const port = fc.constantFrom(1701, 1702)
const id = fc.integer({ min: 1, max: 3 })
/** 0: of nobody's. */
const anyId = fc.integer({ min: 0, max: 3 })
const innerAddress = fc.constantFrom(
  ...['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.1.0.1', '192.168.1.1', '172.16.0.9', '200.1.2.3'],
  ...['127.0.0.1', '224.0.0.5', '0.0.0.0', '255.255.255.255', '169.254.3.4', '0.255.0.1', '240.0.0.1'],
)
const sessionAddress = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.1.1', '10.1.0.1', '200.1.2.3')
const likelyAddress = fc.oneof({ weight: 4, arbitrary: sessionAddress }, innerAddress)

const prefix: fc.Arbitrary<Prefix> = fc
  .tuple(sessionAddress, fc.constantFrom(0, 1, 8, 15, 16, 24, 31, 32))
  .map(([address, length]) => ({ address: formatIpv4((parseIpv4(address) ?? 0) & ipv4Mask(length)), length }))
const anyPrefix: fc.Arbitrary<Prefix> = fc.oneof(
  { weight: 6, arbitrary: prefix },
  { weight: 1, arbitrary: fc.constant({ address: '192.168.1.0', length: 24 }) },
)
const ipv6Prefix = fc.constant({ address: '2001:db8::', length: 32 })

/** Of one family; those of IPv6 differ in one word each. */
const outer6 = fc.constantFrom('2001:db8::1', '2001:db8::2', '2001:db8:0:1::1', '2001:db9::1')
const outerEnds = fc.oneof(
  { weight: 2, arbitrary: fc.record({ local: outerAddress, remote: outerAddress }) },
  fc.record({ local: outer6, remote: outer6 }),
)
const path: fc.Arbitrary<Path> = fc
  .record({ ends: outerEnds, localPort: port, remotePort: port })
  .map(({ ends, ...ports }) => ({ ...ends, ...ports }))
  .map(({ local, localPort, remote, remotePort }) => ({
    local: { address: local, port: localPort },
    remote: { address: remote, port: remotePort },
  }))

const flow: fc.Arbitrary<Omit<Flow, 'id'>> = fc.record({
  generation: fc.constant(1),
  path,
  localTunnelId: id,
  localSessionId: id,
  peerTunnelId: fc.nat(65_535),
  peerSessionId: fc.nat(65_535),
  prefixes: fc.array(fc.oneof({ weight: 5, arbitrary: prefix }, ipv6Prefix), { maxLength: 3 }),
  mtuBytes: fc.constantFrom(68, 100, 1400),
  zone: fc.constant('dmz'),
  header: fc.record({ length: fc.boolean(), acfc: fc.boolean(), pfc: fc.boolean() }),
  needs: fc.record({ sequence: fc.boolean(), shaping: fc.boolean(), mss: fc.boolean(), nat: fc.boolean() }),
})

const portRange = fc
  .tuple(fc.constantFrom(0, 53, 80), fc.constantFrom(0, 27, 65_535))
  .map(([from, more]) => ({ from, to: Math.min(65_535, from + more) }))
const prefixes = fc.array(fc.oneof({ weight: 5, arbitrary: anyPrefix }, ipv6Prefix), { maxLength: 3 })
const rule: fc.Arbitrary<AclRule> = fc.record(
  {
    action: fc.constantFrom('permit', 'permit', 'deny', 'reject'),
    direction: fc.constantFrom('from-session', 'to-session'),
    source: prefixes,
    destination: prefixes,
    protocol: fc.constantFrom(1, 6, 17, 50),
    host: fc.constantFrom(false, true),
    destinationPorts: fc.array(portRange, { maxLength: 2 }),
    name: fc.constant('rule'),
  },
  { requiredKeys: ['action', 'direction', 'name'] },
)
const aboutIcmp: fc.Arbitrary<AclRule> = fc.record(
  {
    action: fc.constantFrom('permit', 'deny'),
    direction: fc.constantFrom('from-session', 'to-session'),
    icmpTypes: fc.constantFrom([8], [0, 8], [3], []),
    icmpv6Types: fc.constant([128]),
    name: fc.constant('icmp'),
  },
  { requiredKeys: ['action', 'direction', 'name'] },
)

const everything: fc.Arbitrary<AclRule> = fc.constantFrom(
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
)

/** Often nothing but a permission: else few packets would come so far. */
const rules = fc.oneof(
  fc.array(fc.oneof({ weight: 3, arbitrary: rule }, aboutIcmp), { maxLength: 4 }),
  fc.tuple(rule, everything),
  fc.tuple(aboutIcmp, everything),
  fc.array(everything, { minLength: 1 }),
)

const world: fc.Arbitrary<World> = fc.record({
  flows: fc
    .array(fc.record({ flow, rules }), {
      maxLength: 5,
    })
    .map(rows => rows.map((row, index) => ({ ...row, flow: { ...row.flow, id: index } }))),
  localPrefixes: fc.array(anyPrefix, { maxLength: 1 }),
})

const mss = fc.constantFrom([2, 4, 5, 0xb4], [2, 4, 0xff, 0xff], [1, 2, 4, 5, 0xb4])
const otherOption = fc.constantFrom([1], [2, 4, 0, 9], [3, 3, 7], [0], [2, 3, 9], [8, 0], [4, 2])
const tcpOptions = fc
  .array(fc.oneof({ weight: 2, arbitrary: mss }, otherOption), { minLength: 1, maxLength: 3 })
  .map(options => {
    const flat = options.flat()
    return [...flat, ...new Array<number>((4 - (flat.length % 4)) % 4).fill(0)]
  })

const payload = (ends: { source: string; destination: string }, protocol: number) => {
  if (protocol === 6)
    return fc
      .record({
        options: tcpOptions,
        flags: fc.constantFrom(0x02, 0x02, 0x12, 0x10),
        destinationPort: fc.constantFrom(80, 53, 99),
      })
      .map(fields => tcp({ ...ends, ...fields, data: new Uint8Array(fields.destinationPort - 50) }))
  if (protocol === 17)
    return fc.constantFrom(53, 67, 80, 99).map(destinationPort => udp({ ...ends, destinationPort }))
  const icmp = fc
    .tuple(fc.constantFrom(0, 8, 3, 13), fc.uint8Array({ minLength: 3, maxLength: 40 }))
    .map(([type, rest]) => Uint8Array.from([type, ...rest]))
  return protocol === 1 ? fc.oneof(icmp, fc.uint8Array({ maxLength: 60 })) : fc.uint8Array({ maxLength: 60 })
}

const ipOptions = fc.constantFrom<readonly number[]>(
  ...[
    [1, 1, 1, 0],
    [7, 3, 4, 0],
    [131, 3, 4, 0],
    [1, 137, 3, 0],
    [7, 9, 0, 0],
    [68, 0, 0, 0],
    [0, 131, 9, 9],
  ],
)

const packet: fc.Arbitrary<Uint8Array> = fc
  .record({
    source: likelyAddress,
    destination: likelyAddress,
    protocol: fc.constantFrom(6, 6, 17, 1, 33),
    options: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, ipOptions),
    fragment: fc.constantFrom(0x4000, 0x0000, 0x2000, 0x2000, 0x2100, 0x0001),
  })
  .chain(({ options, ...fields }) =>
    payload(fields, fields.protocol).map(bytes =>
      ipv4({ ...fields, options: Uint8Array.from(options), payload: bytes }),
    ),
  )

/** Mostly as it is; sometimes an octet is changed, some are cut off or added. */
function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(bytes, fc.nat(), fc.nat(255)).map(([given, at, octet]) => {
    const changed = given.slice()
    if (given.length > 0) changed[at % Math.min(given.length, 40)] = octet
    return changed
  })
  const cut = fc.tuple(bytes, fc.nat()).map(([given, at]) => given.subarray(0, at % (given.length + 1)))
  const padded = fc
    .tuple(bytes, fc.uint8Array({ maxLength: 5 }))
    .map(parts => Uint8Array.from(parts.flatMap(part => [...part])))
  return fc.oneof({ weight: 20, arbitrary: bytes }, change, cut, padded)
}

const ipv4Head = fc.constantFrom<readonly number[]>([0xff, 3, 0, 0x21], [0xff, 3, 0x21], [0, 0x21], [0x21])
const pppHead = fc.constantFrom<readonly number[]>(
  ...[
    [0xff, 3, 0, 0x21],
    [0xff, 3, 0x21],
    [0, 0x21],
    [0x21],
    [0xff, 3, 0xc0, 0x21],
    [0x80, 0x21],
    [0x57],
    [0xff],
    [0, 0x20],
    [],
  ],
)

function datagramTo(tunnels: fc.Arbitrary<number>, sessions: fc.Arbitrary<number>): fc.Arbitrary<Uint8Array> {
  const fields = fc.record({
    length: fc.boolean(),
    sequence: fc.boolean(),
    offset: fc.constantFrom(undefined, undefined, 0, 3),
    control: fc.nat(20).map(n => n === 0),
    tunnel: tunnels,
    session: sessions,
    head: fc.oneof({ weight: 2, arbitrary: ipv4Head }, pppHead),
    inner: damaged(packet),
  })
  return damaged(
    fields.map(({ length, sequence, offset, control, tunnel, session, head, inner }) => {
      const tail = [
        ...[0, tunnel, 0, session],
        ...(sequence ? [1, 2, 3, 4] : []),
        ...(offset === undefined ? [] : [0, offset, ...new Array<number>(offset).fill(0xee)]),
        ...head,
        ...inner,
      ]
      const total = 4 + tail.length
      const flags =
        (control ? 0x80 : 0) | (length ? 0x40 : 0) | (sequence ? 0x08 : 0) | (offset === undefined ? 0 : 0x02)
      return Uint8Array.from([flags, 2, ...(length ? [total >> 8, total & 0xff] : []), ...tail])
    }),
  )
}

/** Headers that end anywhere, whatever their length field says. */
const stub = fc
  .tuple(
    fc.constantFrom(0x00, 0x40, 0x48, 0x4a, 0x0a, 0x02, 0xc8),
    fc.nat(20),
    fc.uint8Array({ maxLength: 16 }),
  )
  .map(([flags, told, rest]) => Uint8Array.from([flags, 2, 0, told, ...rest]))

interface Arrival {
  readonly world: World
  readonly way: Path
  readonly bytes: Uint8Array
}

/** From anybody to anything, or from the peer of one of the flows. */
const arrival: fc.Arbitrary<Arrival> = world.chain(given => {
  const stranger = fc.record({
    world: fc.constant(given),
    way: path,
    bytes: fc.oneof(stub, datagramTo(anyId, anyId)),
  })
  const peers = given.flows.map(({ flow: { path: way, localTunnelId, localSessionId } }) =>
    fc.record({
      world: fc.constant(given),
      way: fc.constant(way),
      bytes: datagramTo(fc.constant(localTunnelId), fc.constant(localSessionId)),
    }),
  )
  const moved = peers.map(peer =>
    fc.tuple(peer, fc.integer({ min: 1, max: 0xffff })).map(([arrived, port]) => ({
      ...arrived,
      way: { ...arrived.way, remote: { ...arrived.way.remote, port } },
    })),
  )
  return fc.oneof(stranger, ...moved, ...peers.map(arbitrary => ({ weight: 4, arbitrary })))
})

/** A TCP checksum that is wrong may be wrong in any way. */
function comparable(given: Outcome): unknown {
  if (!('packet' in given)) return given
  const bytes = given.packet.slice()
  const tcpAt = ((bytes[0] ?? 0) & 0x0f) * 4
  if (bytes[9] === 6 && bytes.length >= tcpAt + 18 && !tcpChecksumHolds(bytes)) bytes.set([0, 0], tcpAt + 16)
  return { ...given, packet: Buffer.from(bytes).toString('hex') }
}

/** What became of `bytes`, to see that the generators reach everything. */
function fate(given: Outcome, bytes: Uint8Array): string {
  if (given.kind === 'drop') return given.reason
  const changed = 'packet' in given && !Buffer.from(bytes).includes(Buffer.from(given.packet))
  return changed ? `${given.kind}, clamped` : given.kind
}

test('what comes from the network fares as the slow evaluator says', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(arrival, ({ world: given, way, bytes }) => {
      const expected = fromNetwork(given, way, bytes)
      for (const place of PLACES) {
        const fastPath = makeFastPath(given)
        const { view, at } = place(bytes)
        const verdict = fastPath.fromNetwork(arrived(view, at, bytes.length, way), 0, way.local.port)
        assert.deepEqual(comparable(outcome(verdict, fastPath, view)), comparable(expected))
      }
      seen.add(fate(expected, bytes))
    }),
    RUNS,
  )
  const fates = [
    'tun',
    'tun, clamped',
    'control',
    'opening',
    'flow',
    'unknown',
    'unknown-flow',
    'malformed-ip',
    'source-route',
    'spoofed-source',
  ]
  for (const name of [...fates, 'local-destination', 'policy']) assert.ok(seen.has(name), `reached: ${name}`)
})

test('what comes from the TUN fares as the slow evaluator says', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(world, damaged(packet), (given, bytes) => {
      const expected = fromTun(given, bytes)
      for (const place of PLACES) {
        const fastPath = makeFastPath(given)
        const { view, at } = place(bytes)
        const verdict = fastPath.fromTun(view, at, bytes.length)
        assert.deepEqual(comparable(outcome(verdict, fastPath, view)), comparable(expected))
      }
      seen.add(fate(expected, bytes))
    }),
    RUNS,
  )
  for (const name of [
    'peer',
    'peer, clamped',
    'malformed-ip',
    'source-route',
    'no-route',
    'policy',
    'too-big',
  ])
    assert.ok(seen.has(name), `reached: ${name}`)
})

test('no datagram is longer than UDP carries, whatever the MTU', () => {
  const path = { local: { address: '192.0.2.1', port: 1701 }, remote: { address: '192.0.2.2', port: 1701 } }
  const flow = flowOf(0, path, { mtuBytes: 65_535 })
  const fastPath = makeFastPath({ flows: [{ flow, rules: PERMIT_ALL }], localPrefixes: [] })
  const verdict = (length: number) => {
    const bytes = fromInside(0, { payload: new Uint8Array(length - 20) })
    const { view, at } = PLACES[0]?.(bytes) ?? assert.fail()
    return fastPath.fromTun(view, at, length)
  }
  assert.equal(verdict(65_507 - 12), VERDICT.toPeer)
  assert.equal(fastPath.length, 65_507)
  assert.equal(verdict(65_507 - 11), VERDICT.drop)
  assert.equal(fastPath.reason, 'too-big')
})
