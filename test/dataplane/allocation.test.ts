import assert from 'node:assert/strict'
import test from 'node:test'
import { Engine } from '../../core/dataplane/engine.ts'
import { createEngineMemory } from '../../core/dataplane/engine-memory.ts'
import { compileRules } from '../../core/dataplane/policy/program.ts'
import {
  BATCH_PACKETS,
  type DatagramPort,
  HEADROOM_BYTES,
  type PacketBatch,
  type TunPort,
} from '../../core/dataplane/ports.ts'
import type { Flow } from '../../core/flow.ts'
import { parseIpv4 } from '../../core/wire/ip.ts'
import { flowOf, fromInside, fromSession, PERMIT_ALL, toInside } from '../contracts/data-plane-bench.ts'
import { tcp } from '../support/ip-packets.ts'

const WARM_UP_PACKETS = 50_000
const ROUNDS = 200
const PACKETS_PER_ROUND = 16 * BATCH_PACKETS
/** A number on the heap, or the smallest object, would be 12 or more; looking at the heap comes to 1. */
const MOST_OCTETS_PER_PACKET = 4

const LOCAL = { address: '192.0.2.1', port: 1701 }
const REMOTE = { address: '192.0.2.100', port: 5000 }
const SYN = tcp({ source: '10.0.0.0', destination: '192.168.1.1', options: [2, 4, 5, 0xb4] })

/** Ports that give the same packet for ever, and count what they get. */
function endless(packet: Uint8Array) {
  const [local, remote] = [parseIpv4(LOCAL.address) ?? 0, parseIpv4(REMOTE.address) ?? 0]
  let sent = 0
  const fill = (batch: PacketBatch) => {
    batch.count = BATCH_PACKETS
    for (let i = 0; i < BATCH_PACKETS; i++) {
      const at = i * batch.slotBytes + HEADROOM_BYTES
      batch.bytes.set(packet, at)
      batch.at[i] = at
      batch.length[i] = packet.length
      batch.localAddress[i] = local
      batch.remoteAddress[i] = remote
      batch.remotePort[i] = REMOTE.port
    }
    return true
  }
  const socket: DatagramPort = {
    bound: LOCAL,
    receive: fill,
    send: (_batch, from, to) => {
      sent += to - from
    },
    shedOpenings: () => {},
    sendOne: () => true,
    close: () => {},
  }
  const tun: TunPort = {
    receive: fill,
    send: (_batch, from, to) => {
      sent += to - from
    },
    close: () => {},
  }
  return { socket, tun, sent: () => sent }
}

function makeEngine(packet: Uint8Array, more: Partial<Flow>) {
  const ports = endless(packet)
  const engine = new Engine({
    maxFlows: 16,
    mtuBytes: 1500,
    memory: createEngineMemory({ maxFlows: 16, connections: 1024 }),
    connections: 1024,
    sockets: [ports.socket],
    tun: ports.tun,
    up: () => true,
  })
  engine.apply({ kind: 'ruleSet', rules: { ...compileRules(PERMIT_ALL, () => 1), number: 1 } })
  engine.apply({ kind: 'zonePolicy', zone: 'dmz', rules: 1 })
  engine.apply({ kind: 'upsert', flows: [flowOf(0, { local: LOCAL, remote: REMOTE }, more)] })
  return { engine, ...ports }
}

/** All of it passes, and next to nothing does. */
const FAST = { upRateBps: 1e15, downRateBps: 1e15 }
const SLOW = { upRateBps: 1, downRateBps: 1 }

const ways: readonly (readonly [string, Uint8Array, 'fromNetwork' | 'fromTun', boolean, Partial<Flow>?])[] = [
  ['from a session', fromSession(0, toInside(0)), 'fromNetwork', true],
  ['from a session, a SYN', fromSession(0, toInside(0, { protocol: 6, payload: SYN })), 'fromNetwork', true],
  ['from a session, refused', fromSession(0, toInside(1)), 'fromNetwork', false],
  ['of no flow', fromSession(9, toInside(0)), 'fromNetwork', false],
  ['to a session', fromInside(0), 'fromTun', true],
  ['to a session, a SYN', fromInside(0, { protocol: 6, payload: SYN }), 'fromTun', true],
  ['to no session', fromInside(9), 'fromTun', false],
  ['from a session with a rate', fromSession(0, toInside(0)), 'fromNetwork', true, FAST],
  ['from a session beyond its rate', fromSession(0, toInside(0)), 'fromNetwork', true, SLOW],
  ['to a session with a rate', fromInside(0), 'fromTun', true, FAST],
  ['to a session beyond its rate', fromInside(0), 'fromTun', true, SLOW],
]

for (const [name, packet, turn, passes, more = {}] of ways) {
  test(`a packet ${name} allocates nothing`, () => {
    const { engine, socket, tun, sent } = makeEngine(packet, more)
    let nowMs = 0.5
    const run = (packets: number) => {
      for (let done = 0; done < packets; done += BATCH_PACKETS) {
        nowMs += 0.25
        engine.forwarder.tick(nowMs)
        if (turn === 'fromNetwork') engine.forwarder.fromNetwork(socket)
        else engine.forwarder.fromTun(tun)
      }
    }
    run(WARM_UP_PACKETS)
    const growth = new Float64Array(ROUNDS)
    for (let round = 0; round < ROUNDS; round++) {
      const before = process.memoryUsage().heapUsed
      run(PACKETS_PER_ROUND)
      growth[round] = process.memoryUsage().heapUsed - before
    }
    // The median: some rounds also have the compiler at work, or a collection.
    const median = growth.sort()[ROUNDS / 2] ?? Number.NaN
    assert.equal(sent() > 0, passes)
    assert.ok(
      median < PACKETS_PER_ROUND * MOST_OCTETS_PER_PACKET,
      `${median / PACKETS_PER_ROUND} octets a packet`,
    )
  })
}
