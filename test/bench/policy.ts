/**
 * What rules cost: the whole way of a packet through the data plane, without system calls, of one of 10,000 sessions with 1,000 rules, beside
 * the same with one rule; a verdict alone; and other rules for a live session.
 */
import assert from 'node:assert/strict'
import { Engine } from '../../core/dataplane/engine.ts'
import { createEngineMemory } from '../../core/dataplane/engine-memory.ts'
import { DIRECTION, Judge, type NumberedRules } from '../../core/dataplane/policy/judge.ts'
import { ACTION, compileRules, ruleFor } from '../../core/dataplane/policy/program.ts'
import {
  BATCH_PACKETS,
  type DatagramPort,
  HEADROOM_BYTES,
  type PacketBatch,
  type TunPort,
} from '../../core/dataplane/ports.ts'
import { createWorkerDataPlane } from '../../core/dataplane/worker-client.ts'
import type { AclRule } from '../../core/flow.ts'
import {
  flowOf,
  fromInside,
  fromSession,
  INSIDE,
  innerAddress,
  toInside,
} from '../contracts/data-plane-bench.ts'
import { udp } from '../support/ip-packets.ts'
import { compare, type Figure, figure } from './measure.ts'

export const about =
  'what 1,000 rules cost the packets of 10,000 sessions, a verdict, and a change of a live policy'

const SESSIONS = 10_000
const RULES = 1000
/** 90 % of the packets. */
const SLOWER_LIMIT = 1 / 0.9
const VERDICT_LIMIT_US = 0.1
const CHANGE_LIMIT_MS = 1
const LOCAL = { address: '192.0.2.1', port: 1701 }
const REMOTE = { address: '192.0.2.2', port: 1701 }
const CHANGES = 400

const permit = (direction: AclRule['direction'], name: string): AclRule => ({
  action: 'permit',
  direction,
  name,
})
const ONE: readonly AclRule[] = [permit('from-session', 'out'), permit('to-session', 'in')]
/** The last of them permits what is measured; the others are about other networks, users and ports. */
const MANY: readonly AclRule[] = [
  ...Array.from(
    { length: RULES - 2 },
    (_, nth): AclRule => ({
      action: nth % 3 === 0 ? 'deny' : 'permit',
      direction: nth % 2 === 0 ? 'from-session' : 'to-session',
      source: [{ address: `10.${nth % 200}.${(nth >> 3) & 255}.0`, length: 24 }],
      destination: [{ address: `172.${16 + (nth % 16)}.${nth & 255}.0`, length: 24 }],
      protocol: nth % 5 === 0 ? 6 : 17,
      destinationPorts: [{ from: 1000 + nth, to: 1010 + nth }],
      name: `rule ${nth}`,
    }),
  ),
  ...ONE,
]

const numbered = (rules: readonly AclRule[], number: number): NumberedRules => ({
  ...compileRules(rules, name => 1 + (name.length % 100)),
  number,
})

/** Gives packets of all sessions in turn, and takes whatever comes. */
function ports(up: readonly Uint8Array[], down: readonly Uint8Array[]) {
  let nth = 0
  const fill = (packets: readonly Uint8Array[]) => (batch: PacketBatch) => {
    batch.count = BATCH_PACKETS
    batch.oversized = 0
    batch.isIpv6 = false
    for (let i = 0; i < BATCH_PACKETS; i++) {
      const packet = packets[nth++ % packets.length] ?? assert.fail()
      const at = i * batch.slotBytes + HEADROOM_BYTES
      batch.bytes.set(packet, at)
      batch.at[i] = at
      batch.length[i] = packet.length
      batch.localAddress[i] = 0xc0000201 | 0
      batch.remoteAddress[i] = 0xc0000202 | 0
      batch.remotePort[i] = REMOTE.port
    }
    return true
  }
  let taken = 0
  const send = (_batch: PacketBatch, from: number, to: number) => {
    taken += to - from
  }
  const socket: DatagramPort = {
    bound: LOCAL,
    receive: fill(up),
    send,
    shedOpenings: () => {},
    sendOne: () => true,
    close: () => {},
  }
  const tun: TunPort = { receive: fill(down), send, close: () => {} }
  return { socket, tun, taken: () => taken }
}

function engineWith(rules: readonly AclRule[]) {
  const ends = (n: number) => ({ source: innerAddress(n), destination: INSIDE })
  const up = Array.from({ length: SESSIONS }, (_, n) =>
    fromSession(n, toInside(n, { payload: udp({ ...ends(n), sourcePort: 4000, destinationPort: 53 }) })),
  )
  const down = Array.from({ length: SESSIONS }, (_, n) =>
    fromInside(n, {
      payload: udp({ source: INSIDE, destination: innerAddress(n), sourcePort: 53, destinationPort: 4000 }),
    }),
  )
  const { socket, tun, taken } = ports(up, down)
  const maxFlows = 16_384
  const engine = new Engine({
    maxFlows,
    mtuBytes: 1500,
    memory: createEngineMemory({ maxFlows: maxFlows, connections: 262_144 }),
    connections: 262_144,
    sockets: [socket],
    tun,
    up: () => true,
  })
  engine.apply({ kind: 'ruleSet', rules: numbered(rules, 1) })
  engine.apply({ kind: 'zonePolicy', zone: 'dmz', rules: 1 })
  const path = { local: LOCAL, remote: REMOTE }
  engine.apply({ kind: 'upsert', flows: Array.from({ length: SESSIONS }, (_, n) => flowOf(n, path)) })
  const turn = () => {
    const before = taken()
    engine.forwarder.fromNetwork(socket)
    engine.forwarder.fromTun(tun)
    assert.equal(taken() - before, 2 * BATCH_PACKETS, 'all of them pass')
  }
  return async () => turn()
}

/** Of a conversation that is known. */
function knownVerdict() {
  const judge = new Judge({ maxFlows: 4, connections: 4096 })
  judge.begin(0)
  const rules = numbered(MANY, 1)
  const bytes = toInside(0)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const times = 1000
  return {
    pieces: times,
    async run() {
      let permitted = 0
      for (let i = 0; i < times; i++)
        permitted += judge.judge4(0, rules, DIRECTION.fromSession, view, 0, bytes.length, false)
      assert.equal(permitted, times * ACTION.permit)
    },
  }
}

/** Of one that is not. */
function firstVerdict() {
  const { ipv4 } = numbered(MANY, 1).fromSession
  const times = 1000
  return {
    pieces: times,
    async run() {
      let found = 0
      for (let i = 0; i < times; i++)
        found += ruleFor(ipv4, (0x0a000000 + 977 * i) | 0, 0xc0a80101 | 0, 17, 53, false)
      assert.ok(found > 0)
    },
  }
}

/** How long until a live flow is judged by other rules, from the call to the answer of the worker. */
async function changes(fresh: boolean): Promise<readonly number[]> {
  const plane = createWorkerDataPlane({ listen: [{ address: '127.0.0.1', port: 0 }], tun: undefined })
  await plane.start()
  try {
    const [local = LOCAL] = plane.bound
    await plane.upsert([flowOf(0, { local, remote: { address: '127.0.0.1', port: 9 } })])
    const lists = [MANY, [...MANY].reverse()]
    for (const [id, list] of lists.entries()) {
      await plane.upsert([flowOf(1 + id, { local, remote: { address: '127.0.0.1', port: 10 + id } })])
      await plane.setFlowPolicy(1 + id, 1, list)
    }
    const samples: number[] = []
    for (let change = 0; change < CHANGES; change++) {
      const known = lists[change % 2] ?? MANY
      const list = fresh ? [...known] : known
      const before = performance.now()
      await plane.setFlowPolicy(0, 1, list)
      samples.push(performance.now() - before)
    }
    return samples
  } finally {
    await plane.stop()
  }
}

export async function run(): Promise<readonly Figure[]> {
  const figures = await compare([
    { name: 'packet, 1 rule', pieces: 2 * BATCH_PACKETS, run: engineWith(ONE) },
    { name: 'packet, 1,000 rules', pieces: 2 * BATCH_PACKETS, run: engineWith(MANY) },
    { name: 'verdict, known conversation', limitUs: VERDICT_LIMIT_US, ...knownVerdict() },
    { name: 'verdict, by 1,000 rules', ...firstVerdict() },
  ])
  const [one, many] = figures
  const slower = (many?.median ?? Number.NaN) / (one?.median ?? Number.NaN)
  return [
    ...figures,
    figure('1,000 rules by 1 rule', 'x', [slower], SLOWER_LIMIT),
    figure('change of a live policy, rules that others have', 'ms', await changes(false), CHANGE_LIMIT_MS),
    figure('change of a live policy, 1,000 rules of its own', 'ms', await changes(true)),
  ]
}
