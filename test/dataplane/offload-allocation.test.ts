import assert from 'node:assert/strict'
import test from 'node:test'
import { Engine } from '../../core/dataplane/engine.ts'
import { createEngineMemory } from '../../core/dataplane/engine-memory.ts'
import { superBatch } from '../../core/dataplane/offload/layout.ts'
import { VNET_HEADER_BYTES } from '../../core/dataplane/offload/vnet-header.ts'
import { compileRules } from '../../core/dataplane/policy/program.ts'
import type { DatagramPort, PacketBatch } from '../../core/dataplane/ports.ts'
import { batchAddress, ERRNO, type PortCalls } from '../../core/dataplane/tun/libc.ts'
import { OffloadSocket } from '../../core/dataplane/tun/offload-socket.ts'
import { OffloadTun } from '../../core/dataplane/tun/offload-tun.ts'
import { parseIpv4 } from '../../core/wire/ip.ts'
import { flowOf, fromSession, PERMIT_ALL } from '../contracts/data-plane-bench.ts'
import { PLAIN, packetOf } from './super-packets.ts'

const WARM_UP_PACKETS = 200_000
const ROUNDS = 20
const PACKETS_PER_ROUND = 50_000
/** For all rounds together: a million packets. */
const MOST_OCTETS = 64 << 10
const LOCAL = { address: '192.0.2.1', port: 1701 }
const REMOTE = { address: '192.0.2.100', port: 5000 }
const LOCAL_NUMBER = parseIpv4(LOCAL.address) ?? 0
const REMOTE_NUMBER = parseIpv4(REMOTE.address) ?? 0
const SEGMENTS = 32
const SEGMENT_OCTETS = 1300

const fields = (n: number, isTcp: boolean) => ({
  ...PLAIN,
  isTcp,
  host: 0,
  sequence: n * SEGMENT_OCTETS,
  identification: n,
})

/** Datagrams of one session for ever, as those of super-datagrams lie. */
class EndlessSocket extends OffloadSocket {
  readonly #datagrams: readonly Uint8Array[]

  constructor(calls: PortCalls, datagrams: readonly Uint8Array[]) {
    super(-1, LOCAL, calls)
    this.#datagrams = datagrams
  }

  override receive(batch: PacketBatch): boolean {
    batch.count = this.#datagrams.length
    let at = 16
    for (let i = 0; i < this.#datagrams.length; i++) {
      const datagram = this.#datagrams[i] ?? new Uint8Array(0)
      batch.bytes.set(datagram, at)
      batch.at[i] = at
      batch.length[i] = datagram.length
      batch.localAddress[i] = LOCAL_NUMBER
      batch.remoteAddress[i] = REMOTE_NUMBER
      batch.remotePort[i] = REMOTE.port
      at += datagram.length
    }
    return true
  }
}

/** A kernel that takes all, and a TUN that has one super-packet for each turn. */
class EndlessCalls implements PortCalls {
  batch: PacketBatch | undefined
  superPacket = new Uint8Array(0)
  pieces = 0
  #isRead = false

  errno(): number {
    return ERRNO.EAGAIN
  }

  read(_fd: number, address: number): number {
    this.#isRead = !this.#isRead
    if (!this.#isRead || this.batch === undefined) return -1
    this.batch.bytes.set(this.superPacket, address - batchAddress(this.batch))
    return this.superPacket.length
  }

  writev(_fd: number, _address: number, count: number): number {
    this.pieces += count
    return this.superPacket.length
  }

  recvmmsg(): number {
    return -1
  }

  sendmmsg(_fd: number, _address: number, count: number): number {
    this.pieces += count
    return count
  }

  poll(): number {
    return 1
  }
}

const SIZES = { maxFlows: 16, connections: 1024 }

function makeEngine(isTcp: boolean) {
  const calls = new EndlessCalls()
  const packets = Array.from({ length: SEGMENTS }, (_, n) =>
    packetOf({ ...fields(n, isTcp), payload: new Uint8Array(SEGMENT_OCTETS).fill(n) }),
  )
  const socket: DatagramPort = new EndlessSocket(
    calls,
    packets.map(packet => fromSession(0, packet)),
  )
  const tun = new OffloadTun(-1, true, calls)
  const engine = new Engine({
    ...SIZES,
    mtuBytes: 1500,
    memory: createEngineMemory(SIZES),
    sockets: [socket],
    tun,
    up: () => true,
    // The one for the TUN is made last.
    makeBatch: slotBytes => {
      calls.batch = superBatch(slotBytes)
      return calls.batch
    },
  })
  engine.apply({ kind: 'ruleSet', rules: { ...compileRules(PERMIT_ALL, () => 1), number: 1 } })
  engine.apply({ kind: 'zonePolicy', zone: 'dmz', rules: 1 })
  engine.apply({ kind: 'upsert', flows: [flowOf(0, { local: LOCAL, remote: REMOTE })] })

  const whole = packetOf({ ...fields(0, isTcp), payload: new Uint8Array(SEGMENTS * SEGMENT_OCTETS) })
  whole.copyWithin(200, 12, 16)
  whole.copyWithin(12, 16, 20)
  whole.copyWithin(16, 200, 204)
  whole.fill(0, 200, 204)
  const header = Buffer.alloc(VNET_HEADER_BYTES)
  header.set([1, isTcp ? 1 : 5])
  header.writeUInt16LE(SEGMENT_OCTETS, 4)
  header.writeUInt16LE(20, 6)
  calls.superPacket = Uint8Array.from([...header, ...whole])
  return { engine, socket, tun, calls }
}

for (const isTcp of [true, false]) {
  for (const turn of ['fromNetwork', 'fromTun'] as const) {
    test(`super-packets of ${isTcp ? 'TCP' : 'UDP'} ${turn} allocate nothing`, () => {
      const { engine, socket, tun, calls } = makeEngine(isTcp)
      const { forwarder } = engine
      let nowMs = 0
      const run = (packets: number) => {
        for (let done = 0; done < packets; done += SEGMENTS) {
          nowMs += 1
          forwarder.tick(nowMs)
          if (turn === 'fromNetwork') forwarder.fromNetwork(socket)
          else forwarder.fromTun(tun)
        }
      }
      run(WARM_UP_PACKETS)
      const before = calls.pieces
      const growth = Array.from({ length: ROUNDS }, () => {
        const start = process.memoryUsage().heapUsed
        run(PACKETS_PER_ROUND)
        return process.memoryUsage().heapUsed - start
      })
      // The median: some rounds also have the compiler at work, or a collection.
      const median = growth.sort((a, b) => a - b)[ROUNDS / 2] ?? Number.NaN
      const turns = Math.ceil(PACKETS_PER_ROUND / SEGMENTS) * ROUNDS
      assert.equal(calls.pieces - before, turn === 'fromNetwork' ? turns * (SEGMENTS + 1) : turns)
      const { packetsIn, packetsOut, drops } = engine.counters.read(0)
      assert.ok(packetsIn + packetsOut >= 1_000_000n)
      assert.deepEqual(drops, {})
      assert.ok(median * ROUNDS < MOST_OCTETS, `${median * ROUNDS} octets for a million packets`)
    })
  }
}
