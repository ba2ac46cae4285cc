/** The process of all the sessions that nobody uses but the flood: it dials, keeps the calls up, and sends in them. */
import { PacketBatch } from '../../../core/dataplane/ports.ts'
import { libc, NativeMemory } from '../../../core/dataplane/tun/libc.ts'
import { UdpSocket } from '../../../core/dataplane/tun/udp-socket.ts'
import type { SocketAddress } from '../../../core/ports.ts'
import { encodeDataDatagram } from '../../../core/wire/l2tp-header.ts'
import { encodePppFrame, PPP } from '../../../core/wire/ppp-frame.ts'
import { serveAgent } from '../../support/agent.ts'
import { ipv4, udp } from '../../support/ip-packets.ts'
import { Dialer, type UpSession } from './dialer.ts'
import { type Burst, Flood } from './flood.ts'
import { attachFilter, REFUSE_ALL, REFUSE_IP } from './sink.ts'

export interface FloodShape {
  readonly sessions: 'one' | 'many'
  /** Of inner IP. */
  readonly packetBytes: number
  /** Whether the kernel is handed many packets of one session at once that it may keep together (UDP_SEGMENT). */
  readonly mergeable: boolean
}

export interface Ends {
  readonly local: SocketAddress
  readonly lns: SocketAddress
}

/** Of inner UDP, at the sessions' end and at the other. */
export const PORTS = { session: 4000, inside: 9 } as const
const IP_UDP_BYTES = 28
const LONGEST_BURST_BYTES = 64_000
const MOST_SEGMENTS = 64
const LONGEST_DATAGRAM_BYTES = 2048
const LOOK_MS = 20
const DIAL_DEADLINE_MS = 180_000

interface Scene {
  readonly ends: Ends
  readonly socket: UdpSocket
  readonly batch: PacketBatch
  readonly floods: Map<string, Flood>
  dialer: Dialer | undefined
  sessions: readonly UpSession[]
}

const scenes = new Map<string, Scene>()
const poll = new NativeMemory(8)

function open(name: string, ends: Ends): Scene {
  const socket = UdpSocket.open(ends.local)
  attachFilter(socket.fd, REFUSE_IP)
  const batch = new PacketBatch(LONGEST_DATAGRAM_BYTES)
  const scene: Scene = { ends, socket, batch, floods: new Map(), dialer: undefined, sessions: [] }
  scenes.set(name, scene)
  return scene
}

function look({ socket, batch, dialer }: Scene): void {
  for (let more = true; more; ) {
    more = socket.receive(batch)
    for (let i = 0; i < batch.count; i++) {
      const at = batch.at[i] ?? 0
      dialer?.handle(performance.now(), batch.bytes.slice(at, at + (batch.length[i] ?? 0)))
    }
  }
  dialer?.tick(performance.now())
}

const handlers = {
  /** Dials all of them; their inner addresses. */
  dial(name: string, ends: Ends, sessions: number, sessionsPerTunnel: number, password: string) {
    const scene = open(name, ends)
    const path = { local: ends.local, remote: ends.lns }
    const send = (bytes: Uint8Array) => void scene.socket.sendOne(path, bytes)
    const userOf = (n: number) => `load${n}`
    const dialer = new Dialer({ sessions, sessionsPerTunnel, userOf, password, mruBytes: 1400 }, send)
    scene.dialer = dialer
    const start = performance.now()
    while (!dialer.done) {
      if (performance.now() - start > DIAL_DEADLINE_MS)
        throw new Error(`${dialer.up.length} of ${sessions} calls came up in ${DIAL_DEADLINE_MS / 1000} s`)
      poll.view.setInt32(0, scene.socket.fd, true)
      poll.view.setInt16(4, 1, true)
      libc.poll(poll.address, 1, LOOK_MS)
      look(scene)
    }
    scene.sessions = dialer.up
    return { seconds: (performance.now() - start) / 1000, addresses: dialer.up.map(({ address }) => address) }
  },
  /** Sessions that the LNS has in a table of its own. */
  assume(name: string, ends: Ends, sessions: readonly UpSession[]) {
    open(name, ends).sessions = sessions
  },
  /** Sends from the sessions to `to`, for so long; how many went out. */
  flood(name: string, to: string, shape: FloodShape, durationMs: number) {
    const scene = scenes.get(name)
    if (scene === undefined) throw new Error(`there is no scene ${name}`)
    const key = JSON.stringify([to, shape])
    let flood = scene.floods.get(key)
    flood ??= new Flood(burstsUp(scene, to, shape))
    scene.floods.set(key, flood)
    return flood.run(scene.socket.fd, durationMs)
  },
  /** Sends to each of `targets`, from an inside host to sessions or over the bare line. */
  floodPlain(
    from: SocketAddress,
    targets: readonly string[],
    port: number,
    shape: FloodShape,
    durationMs: number,
  ) {
    const socket = UdpSocket.open(from)
    try {
      attachFilter(socket.fd, REFUSE_ALL)
      const datagram = new Uint8Array(shape.packetBytes - IP_UDP_BYTES)
      const copies = copiesOf(shape, datagram.length)
      const chosen = shape.sessions === 'one' ? targets.slice(0, 1) : targets
      const flood = new Flood(chosen.map(address => ({ address, port, datagram, copies })))
      return flood.run(socket.fd, durationMs)
    } finally {
      socket.close()
    }
  },
  /** Nothing of what comes to this port is taken in; it is counted. */
  sink(local: SocketAddress) {
    attachFilter(UdpSocket.open(local).fd, REFUSE_ALL)
  },
}
export type Peers = typeof handlers

const copiesOf = ({ mergeable }: FloodShape, bytes: number): number =>
  mergeable ? Math.min(MOST_SEGMENTS, Math.floor(LONGEST_BURST_BYTES / bytes)) : 1

function burstsUp({ sessions, ends: { lns } }: Scene, to: string, shape: FloodShape): Burst[] {
  const chosen = shape.sessions === 'one' ? sessions.slice(0, 1) : sessions
  const data = new Uint8Array(shape.packetBytes - IP_UDP_BYTES)
  const { session: sourcePort, inside: destinationPort } = PORTS
  return chosen.map(({ tunnelId, sessionId, address: source }) => {
    const ends = { source, destination: to }
    const packet = ipv4({ ...ends, payload: udp({ ...ends, sourcePort, destinationPort, data }) })
    const frame = encodePppFrame(PPP.IPV4, packet, { acfc: false, pfc: false })
    const datagram = encodeDataDatagram({ tunnelId, sessionId, length: true, priority: false }, frame)
    return { ...lns, datagram, copies: copiesOf(shape, datagram.length) }
  })
}

setInterval(() => {
  for (const scene of scenes.values()) if (scene.dialer !== undefined) look(scene)
}, LOOK_MS)
serveAgent(handlers)
