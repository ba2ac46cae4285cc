/**
 * The process of a bad line between two ends: a relay of UDP datagrams that loses, repeats, reorders and spoils some of them. As of
 * netem, which not every kernel has.
 */
import { PacketBatch } from '../../core/dataplane/ports.ts'
import { libc, NativeMemory } from '../../core/dataplane/tun/libc.ts'
import { UdpSocket } from '../../core/dataplane/tun/udp-socket.ts'
import type { SocketAddress } from '../../core/ports.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { parseIpv4 } from '../../core/wire/ip.ts'
import { serveAgent } from './agent.ts'

/** Shares of the datagrams. */
export interface LineWeather {
  readonly loss: number
  readonly duplication: number
  /** Let some others pass first. */
  readonly reordering: number
  /** One octet is another one, under a right outer checksum. */
  readonly corruption: number
}

export interface LineEnd {
  readonly own: SocketAddress
  readonly peer: SocketAddress
}

const SLOT_BYTES = 2048
const OVERTAKEN_BY = 3
const WAIT_MS = 2
const POLLIN = 1
/** Control messages and the headers of data stay what they are. */
const LEAST_SPOILED_BYTES = 200
const SPOILED_AT = 100

const random = new SeededRandom(7)
const happened = { forwarded: 0, lost: 0, duplicated: 0, reordered: 0, spoiled: 0 }
export type LineReport = typeof happened

/** From one end to the other. */
class Direction {
  readonly socket: UdpSocket
  readonly #out: UdpSocket
  readonly #to: SocketAddress
  readonly #weather: LineWeather
  readonly #in = new PacketBatch(SLOT_BYTES)
  readonly #batch = new PacketBatch(SLOT_BYTES)
  #late: { readonly bytes: Uint8Array; left: number }[] = []

  constructor(socket: UdpSocket, out: UdpSocket, to: SocketAddress, weather: LineWeather) {
    this.socket = socket
    this.#out = out
    this.#to = to
    this.#weather = weather
  }

  pump(): void {
    const batch = this.#in
    this.socket.receive(batch)
    for (let i = 0; i < batch.count; i++) {
      const at = batch.at[i] ?? 0
      this.#datagram(batch.bytes.slice(at, at + (batch.length[i] ?? 0)))
    }
    if (batch.count === 0) this.#releaseLate(Number.POSITIVE_INFINITY)
    this.#flush()
  }

  #datagram(bytes: Uint8Array): void {
    const { loss, duplication, reordering, corruption } = this.#weather
    if (random.fraction() < loss) {
      happened.lost++
      return
    }
    if (bytes.length > LEAST_SPOILED_BYTES && random.fraction() < corruption) {
      happened.spoiled++
      bytes[SPOILED_AT] = (bytes[SPOILED_AT] ?? 0) ^ 0x55
    }
    if (random.fraction() < reordering) {
      happened.reordered++
      this.#late.push({ bytes, left: OVERTAKEN_BY })
      return
    }
    this.#put(bytes)
    if (random.fraction() < duplication) {
      happened.duplicated++
      this.#put(bytes)
    }
    this.#releaseLate(1)
  }

  #releaseLate(passed: number): void {
    for (const one of this.#late) one.left -= passed
    for (const { bytes } of this.#late.filter(({ left }) => left <= 0)) this.#put(bytes)
    this.#late = this.#late.filter(({ left }) => left > 0)
  }

  #put(bytes: Uint8Array): void {
    const batch = this.#batch
    const i = batch.count++
    const at = i * SLOT_BYTES
    batch.bytes.set(bytes, at)
    batch.at[i] = at
    batch.length[i] = bytes.length
    batch.localAddress[i] = 0
    batch.remoteAddress[i] = parseIpv4(this.#to.address) ?? 0
    batch.remotePort[i] = this.#to.port
    happened.forwarded++
    if (batch.count === batch.at.length) this.#flush()
  }

  #flush(): void {
    if (this.#batch.count > 0) this.#out.send(this.#batch, 0, this.#batch.count)
    this.#batch.count = 0
  }
}

const handlers = {
  open(a: LineEnd, b: LineEnd, weather: LineWeather) {
    const [socketA, socketB] = [UdpSocket.open(a.own), UdpSocket.open(b.own)]
    const directions = [
      new Direction(socketA, socketB, b.peer, weather),
      new Direction(socketB, socketA, a.peer, weather),
    ]
    const polled = new NativeMemory(8 * directions.length)
    for (const [i, { socket }] of directions.entries()) {
      polled.view.setInt32(8 * i, socket.fd, true)
      polled.view.setInt16(8 * i + 4, POLLIN, true)
    }
    const turn = () => {
      libc.poll(polled.address, directions.length, WAIT_MS)
      for (const direction of directions) direction.pump()
      setImmediate(turn)
    }
    setImmediate(turn)
  },
  report: () => happened,
}
export type BadLine = typeof handlers

serveAgent(handlers)
