import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { DIRECTION, Judge, type NumberedRules } from '../../../core/dataplane/policy/judge.ts'
import { ACTION, compileRules } from '../../../core/dataplane/policy/program.ts'
import type { AclRule } from '../../../core/flow.ts'
import { Ipv6Walk } from '../../../core/wire/ipv6-packet.ts'
import { ipv4, ipv6, tcp, u16, udp } from '../../support/ip-packets.ts'
import { Conversations } from './conversations.ts'

const SLOTS = new Map<string, number>()
const slotOf = (name: string) => {
  const slot = SLOTS.get(name) ?? SLOTS.size + 1
  SLOTS.set(name, slot)
  return slot
}
let lastNumber = 0
const numbered = (rules: readonly AclRule[]): NumberedRules => ({
  ...compileRules(rules, slotOf),
  number: ++lastNumber,
})

/** A session 0 at a judge, in whole seconds. */
function bench(rules: readonly AclRule[], options: { readonly connections?: number } = {}) {
  const judge = new Judge({ maxFlows: 4, connections: 4096, ...options })
  for (const flow of [0, 1, 2, 3]) judge.begin(flow)
  const walk = new Ipv6Walk()
  let current = numbered(rules)
  const ask = (direction: AclRule['direction'], bytes: Uint8Array, { flow = 0, isHost = false } = {}) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const way = direction === 'from-session' ? DIRECTION.fromSession : DIRECTION.toSession
    if (view.getUint8(0) >> 4 === 4) return judge.judge4(flow, current, way, view, 0, bytes.length, isHost)
    assert.equal(walk.walk(view, 0, bytes.length), 0)
    return judge.judge6(flow, current, way, view, 0, bytes.length, walk, isHost)
  }
  return {
    judge,
    ask,
    up: (bytes: Uint8Array, of = {}) => ask('from-session', bytes, of) === ACTION.permit,
    down: (bytes: Uint8Array, of = {}) => ask('to-session', bytes, of) === ACTION.permit,
    use: (other: readonly AclRule[]) => {
      current = numbered(other)
    },
    at: (seconds: number) => judge.tick(1000 * seconds),
  }
}

const US = '10.0.0.1'
const THEM = '192.168.1.1'
const up = { source: US, destination: THEM }
const down = { source: THEM, destination: US }
const OUT: AclRule = { action: 'permit', direction: 'from-session', name: 'out' }
const WEB: AclRule = { ...OUT, protocol: 6, destinationPorts: [{ from: 80, to: 80 }], name: 'web' }

const segment = (ends: typeof up, ports: readonly [number, number], flags = 0x10) =>
  ipv4({
    ...ends,
    protocol: 6,
    payload: tcp({ ...ends, sourcePort: ports[0], destinationPort: ports[1], flags }),
  })
const SYN = 0x02
const FIN = 0x11
const datagram = (ends: typeof up, sourcePort: number, destinationPort: number) =>
  ipv4({ ...ends, payload: udp({ ...ends, sourcePort, destinationPort }) })
const echo = (ends: typeof up, type: number, identifier = 7) =>
  ipv4({ ...ends, protocol: 1, payload: Uint8Array.of(type, 0, 0, 0, ...u16(identifier), 0, 1) })
const unreachable = (ends: typeof up, quoted: Uint8Array) =>
  ipv4({ ...ends, protocol: 1, payload: Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0, ...quoted.subarray(0, 28)) })

test('what is permitted one way is answered, and nothing else comes that way', () => {
  const { up: sent, down: heard } = bench([WEB])
  assert.ok(!heard(segment(down, [80, 4000])), 'nobody asked')
  assert.ok(sent(segment(up, [4000, 80], SYN)))
  assert.ok(heard(segment(down, [80, 4000])))
  assert.ok(!heard(segment(down, [80, 4001])))
  assert.ok(!heard(segment({ ...down, source: '192.168.1.2' }, [80, 4000])))
  assert.ok(!heard(datagram(down, 80, 4000)))
  assert.ok(!sent(segment(up, [4000, 81], SYN)))
})

test('a session is not answered in the name of another, nor of the one that had its place', () => {
  const { judge, up: sent, down: heard } = bench([OUT])
  assert.ok(sent(datagram(up, 4000, 53)))
  assert.ok(!heard(datagram(down, 53, 4000), { flow: 1 }))
  assert.ok(heard(datagram(down, 53, 4000)))
  judge.begin(0)
  assert.ok(!heard(datagram(down, 53, 4000)))
})

test('a query is answered, but not asked back', () => {
  const { up: sent, down: heard } = bench([{ ...OUT, icmpTypes: [8] }])
  assert.ok(!heard(echo(down, 0)))
  assert.ok(sent(echo(up, 8)))
  assert.ok(heard(echo(down, 0)))
  assert.ok(!heard(echo(down, 8)), 'with the same identifier')
  assert.ok(!heard(echo(down, 0, 8)))
  assert.ok(!sent(echo(up, 13)))
})

test('errors pass that are about what was permitted, from whomever', () => {
  const { up: sent, down: heard } = bench([WEB])
  const syn = segment(up, [4000, 80], SYN)
  const router = { ...down, source: '10.9.9.9' }
  assert.ok(!heard(unreachable(router, syn)))
  assert.ok(sent(syn))
  assert.ok(heard(unreachable(router, syn)))
  assert.ok(!heard(unreachable(router, segment(up, [4000, 81], SYN))))
  assert.ok(!heard(unreachable(router, segment(down, [80, 4000], SYN))), 'it never came from there')
  assert.ok(!heard(unreachable(router, syn.subarray(0, 24))), 'too short to tell')
})

test('what was permitted ends with other rules, unless they permit it too', () => {
  const { up: sent, down: heard, use } = bench([OUT])
  const conversations = [
    [segment(up, [4000, 80]), segment(down, [80, 4000])],
    [segment(up, [4000, 443]), segment(down, [443, 4000])],
  ] as const
  for (const [question, answer] of conversations) assert.ok(sent(question) && heard(answer))
  use([WEB])
  const [[web, webAnswer], [other, otherAnswer]] = conversations
  assert.ok(heard(webAnswer), 'decided on again by what answers it')
  assert.ok(!heard(otherAnswer) && !sent(other))
  assert.ok(sent(web))
  use([])
  assert.ok(!heard(webAnswer) && !sent(web))
})

test('silence ends a conversation, sooner where it was not answered', () => {
  const { up: sent, down: heard, at } = bench([OUT])
  at(0)
  assert.ok(sent(datagram(up, 4000, 53)))
  at(60)
  assert.ok(heard(datagram(down, 53, 4000)))
  at(360)
  assert.ok(heard(datagram(down, 53, 4000)))
  at(661)
  assert.ok(!heard(datagram(down, 53, 4000)))
  assert.ok(sent(datagram(up, 4001, 53)))
  at(722)
  assert.ok(!heard(datagram(down, 53, 4001)))
})

test('TCP that has ended begins again only by the rules', () => {
  const { up: sent, down: heard, at } = bench([WEB])
  assert.ok(sent(segment(up, [4000, 80], SYN)) && heard(segment(down, [80, 4000], 0x12)))
  at(7000)
  assert.ok(heard(segment(down, [80, 4000])), 'two hours of silence are borne')
  assert.ok(sent(segment(up, [4000, 80], FIN)) && heard(segment(down, [80, 4000], FIN)))
  assert.ok(!heard(segment(down, [80, 4000], SYN)), 'the other end may not begin')
})

test('later fragments follow the first, which has the ports', () => {
  const { up: sent, at } = bench([WEB])
  const first = ipv4({ ...up, protocol: 6, fragment: 0x2000, payload: tcp({ ...up }) })
  const later = ipv4({ ...up, protocol: 6, fragment: 0x0003, payload: new Uint8Array(8) })
  assert.ok(!sent(later))
  assert.ok(sent(first) && sent(later))
  const overlapping = ipv4({ ...up, protocol: 6, fragment: 0x0001, payload: new Uint8Array(8) })
  assert.ok(!sent(overlapping), 'it would write over flags that were judged')
  at(61)
  assert.ok(!sent(later))
})

test('a fragment without ports is taken for what a rule with ports denies', () => {
  const noMail: AclRule = {
    ...OUT,
    action: 'deny',
    protocol: 6,
    destinationPorts: [{ from: 25, to: 25 }],
    name: 'no mail',
  }
  const { up: sent } = bench([noMail, OUT])
  assert.ok(!sent(ipv4({ ...up, protocol: 6, fragment: 0x0003, payload: new Uint8Array(8) })))
  assert.ok(sent(ipv4({ ...up, protocol: 17, fragment: 0x0003, payload: new Uint8Array(8) })))
})

test('rules about this host speak of nothing else', () => {
  const { up: sent, down: heard } = bench([{ ...OUT, host: true, name: 'dns of the server' }])
  assert.ok(!sent(datagram(up, 4000, 53)))
  assert.ok(sent(datagram(up, 4001, 53), { isHost: true }))
  assert.ok(heard(datagram(down, 53, 4001), { isHost: true }))
})

test('a refusal is remembered as the rule has it, and told once', () => {
  const { judge, ask } = bench([{ ...OUT, action: 'reject', log: true, name: 'no' }])
  for (const logged of [true, false]) {
    assert.equal(ask('from-session', datagram(up, 4000, 53)), ACTION.reject)
    assert.deepEqual([judge.slot, judge.logged], [slotOf('no'), logged])
  }
})

test('a session that floods takes nothing from the conversations of others', () => {
  const { judge, up: sent, down: heard } = bench([OUT], { connections: 1024 })
  for (let port = 0; port < 60; port++) {
    assert.ok(sent(datagram(up, port, 53)))
    assert.ok(heard(datagram(down, 53, port)))
  }
  for (let port = 0; port < 20_000; port++) assert.ok(sent(datagram(up, port, 53), { flow: 1 }))
  for (let port = 0; port < 60; port++) assert.ok(heard(datagram(down, 53, port)), `port ${port}`)
  judge.tick(1000)
})

const port = fc.constantFrom(80, 443, 4000)
const SOME: fc.Arbitrary<readonly AclRule[]> = fc.array(
  fc.record(
    {
      action: fc.constantFrom('permit', 'permit', 'permit', 'deny', 'reject'),
      direction: fc.constantFrom('from-session', 'to-session'),
      protocol: fc.constantFrom(6, 17, 1),
      destinationPorts: fc.constantFrom([{ from: 80, to: 80 }], [{ from: 81, to: 5000 }]),
      source: fc.constantFrom(
        [
          { address: US, length: 32 },
          { address: '2001:db8::1', length: 128 },
        ],
        [
          { address: '192.168.1.0', length: 31 },
          { address: '2001:db8:1::', length: 48 },
        ],
      ),
      name: fc.constant('rule'),
    },
    { requiredKeys: ['action', 'direction', 'name'] },
  ),
  { maxLength: 3 },
)

/** One way is open often: what comes the other way is what is asked about. */
const RULES = fc
  .tuple(SOME, fc.constantFrom<readonly AclRule[]>([OUT], [{ ...OUT, direction: 'to-session' }], []))
  .map(parts => parts.flat())

interface Sent {
  readonly direction: AclRule['direction']
  readonly bytes: Uint8Array
}

/** Packets of few ends, ports and identifiers, so that they meet. */
function packets(inner: string, others: readonly string[], family: 4 | 6): fc.Arbitrary<Sent> {
  const wrap = (ends: typeof up, protocol: number, payload: Uint8Array, fragment: number) => {
    if (family === 4) return ipv4({ ...ends, protocol, payload, fragment })
    const rest = [0, ...u16(((fragment & 0x1fff) << 3) | (fragment >> 13)), 0, 0, 0, 1]
    const headers = fragment === 0x4000 ? [] : [{ type: 44, rest }]
    return ipv6({ ...ends, protocol, payload, headers })
  }
  const icmp = family === 4 ? 1 : 58
  const types = family === 4 ? [8, 0, 13, 5] : [128, 129, 137]
  const plain = fc
    .record({
      direction: fc.constantFrom('from-session' as const, 'to-session' as const),
      other: fc.constantFrom(...others),
      kind: fc.constantFrom('tcp', 'tcp', 'udp', 'icmp', 'gre'),
      ports: fc.tuple(port, port),
      flags: fc.constantFrom(0x02, 0x12, 0x10, 0x11, 0x04),
      type: fc.constantFrom(...types),
      fragment: fc.constantFrom(0x4000, 0x4000, 0x4000, 0x2000, 0x0003, 0x0001),
    })
    .map(({ direction, other, kind, ports, flags, type, fragment }): Sent => {
      const ends =
        direction === 'from-session'
          ? { source: inner, destination: other }
          : { source: other, destination: inner }
      const [sourcePort, destinationPort] = ports
      const made = {
        tcp: () => wrap(ends, 6, tcp({ ...ends, sourcePort, destinationPort, flags }), fragment),
        udp: () => wrap(ends, 17, udp({ ...ends, sourcePort, destinationPort }), fragment),
        icmp: () => wrap(ends, icmp, Uint8Array.of(type, 0, 0, 0, 0, 7, 0, 1), fragment),
        gre: () => wrap(ends, 47, Uint8Array.of(0, 0, 8, 0), fragment),
      }
      return { direction, bytes: made[kind as keyof typeof made]() }
    })
  const errors = fc.tuple(plain, plain, fc.boolean()).map(([about, by, short]): Sent => {
    const from = about.direction === 'from-session' ? 'to-session' : 'from-session'
    const other = by.bytes.subarray(family === 4 ? 12 : 8).join()
    const speaker = others.length > 1 && other.length % 2 === 0 ? (others[1] ?? '') : (others[0] ?? '')
    const ends =
      from === 'from-session'
        ? { source: inner, destination: speaker }
        : { source: speaker, destination: inner }
    const quoted = about.bytes.subarray(0, short ? 26 : 56)
    const type = family === 4 ? 3 : 1
    return {
      direction: from,
      bytes: wrap(ends, icmp, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0, ...quoted), 0x4000),
    }
  })
  return fc.oneof({ weight: 4, arbitrary: plain }, errors)
}

/** What would come back. */
function answerTo({ direction, bytes }: Sent): Sent {
  const answer = bytes.slice()
  const [at, length, upperAt] = bytes[0] === 0x45 ? [12, 4, 20] : [8, 16, bytes[6] === 44 ? 48 : 40]
  answer.set(bytes.subarray(at + length, at + 2 * length), at)
  answer.set(bytes.subarray(at, at + length), at + length)
  const [type = 0, code = 0, high = 0, low = 0] = bytes.subarray(upperAt)
  const reply = new Map([
    [8, 0],
    [13, 14],
    [128, 129],
  ]).get(type)
  answer.set(reply === undefined ? [high, low, type, code] : [reply], upperAt)
  return { direction: direction === 'from-session' ? 'to-session' : 'from-session', bytes: answer }
}

for (const [name, arbitrary] of [
  ['IPv4', packets(US, [THEM, '192.168.1.2'], 4)],
  ['IPv6', packets('2001:db8::1', ['2001:db8:1::1', '2001:db8:2::1'], 6)],
] as const) {
  test(`${name}: conversations fare as the slow evaluator says, through other rules and in time`, () => {
    const step = fc.record({
      sent: arbitrary,
      answers: fc.boolean(),
      laterS: fc.constantFrom(0, 0, 0, 1, 9, 55, 200, 7000),
      rules: fc.constantFrom(0, 0, 0, 0, 1, 2),
    })
    const seen = { permitted: 0, byState: 0 }
    fc.assert(
      fc.property(
        fc.tuple(RULES, RULES, RULES),
        fc.array(step, { minLength: 40, maxLength: 80, size: 'max' }),
        (sets, steps) => {
          const judge = new Judge({ maxFlows: 1, connections: 8192 })
          judge.begin(0)
          const compiled = sets.map(numbered)
          const model = new Conversations()
          const walk = new Ipv6Walk()
          let nowS = 0
          let last: Sent | undefined
          for (const { sent: given, answers, laterS, rules } of steps) {
            const sent = answers && last !== undefined ? answerTo(last) : given
            last = sent
            nowS += laterS
            judge.tick(1000 * nowS)
            const { direction, bytes } = sent
            const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
            const way = direction === 'from-session' ? DIRECTION.fromSession : DIRECTION.toSession
            const set = compiled[rules] ?? assert.fail()
            const list = sets[rules] ?? assert.fail()
            if (name === 'IPv6') assert.equal(walk.walk(view, 0, bytes.length), 0)
            const action =
              name === 'IPv4'
                ? judge.judge4(0, set, way, view, 0, bytes.length, false)
                : judge.judge6(0, set, way, view, 0, bytes.length, walk, false)
            const expected = model.permits(bytes, direction, list, nowS)
            assert.equal(action === ACTION.permit, expected)
            if (expected) seen.permitted++
            if (expected && !new Conversations().permits(bytes, direction, list, nowS)) seen.byState++
          }
        },
      ),
      { numRuns: Math.max(700, Number(process.env.BURROW_SEEDS ?? 0)) },
    )
    assert.ok(seen.permitted > 1000 && seen.byState > 1000, JSON.stringify(seen))
  })
}
