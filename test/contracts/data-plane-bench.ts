/** Where the contract of data planes is tried: one plane, peers around it, and sessions in it. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { DataPlaneEvent, ListeningDataPlane } from '../../core/dataplane/data-plane.ts'
import type { AclRule, Flow, FlowCounters } from '../../core/flow.ts'
import type { Path, SocketAddress } from '../../core/ports.ts'
import { encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { encodePppFrame, PPP } from '../../core/wire/ppp-frame.ts'
import { type Ipv4Fields, ipv4, udp } from '../support/ip-packets.ts'
import { until } from '../support/until.ts'

/** A peer's own UDP socket. */
export interface Peer {
  readonly address: SocketAddress
  readonly received: { readonly from: SocketAddress; readonly bytes: Uint8Array }[]
  send(to: SocketAddress, bytes: Uint8Array): void
}

/** A started data plane that listens on two ports of the wildcard, with the kernel's end of its TUN and peers around it. */
export interface Bench {
  readonly plane: ListeningDataPlane
  readonly events: DataPlaneEvent[]
  /** Two of the host's addresses. */
  readonly addresses: readonly [string, string]
  makePeer(): Promise<Peer>
  inject(packet: Uint8Array): void
  /** What has come out of the TUN since the last call. */
  take(): readonly Uint8Array[]
}

export interface BenchMaker {
  readonly name: string
  readonly skip: string | false
  open(t: TestContext): Promise<Bench>
}

/** What it listens on. */
export const PORT = 1701
export const OTHER_PORT = 1702
export const TUN_MTU_BYTES = 1500
export const MTU_BYTES = 1400
export const INSIDE = '192.168.1.1'
export const PERMIT_ALL: readonly AclRule[] = [
  { action: 'permit', direction: 'from-session', name: 'out' },
  { action: 'permit', direction: 'to-session', name: 'in' },
]
export const UNCOMPRESSED = { acfc: false, pfc: false }

/** Addresses 10.0.x.y, tunnel ids 1000 + n, session ids 2000 + n; the peer's are 3000 + n and 4000 + n. */
export function flowOf(n: number, path: Path, more: Partial<Flow> = {}): Flow {
  return {
    id: n,
    generation: 1,
    path,
    localTunnelId: 1000 + n,
    localSessionId: 2000 + n,
    peerTunnelId: 3000 + n,
    peerSessionId: 4000 + n,
    prefixes: [{ address: innerAddress(n), length: 32 }],
    mtuBytes: MTU_BYTES,
    zone: 'dmz',
    header: { length: true, acfc: false, pfc: false },
    needs: { sequence: false, shaping: false, mss: true, nat: false },
    ...more,
  }
}

export function innerAddress(n: number): string {
  return `10.0.${n >> 8}.${n & 0xff}`
}

/** A data message as the peer of flow `n` sends it. */
export function fromSession(n: number, packet: Uint8Array, protocol: number = PPP.IPV4): Uint8Array {
  const header = { tunnelId: 1000 + n, sessionId: 2000 + n, length: true, priority: false }
  return encodeDataDatagram(header, encodePppFrame(protocol, packet, UNCOMPRESSED))
}

export function toInside(n: number, more: Partial<Ipv4Fields> = {}): Uint8Array {
  return ipv4({ source: innerAddress(n), destination: INSIDE, ...more })
}

export function fromInside(n: number, more: Partial<Ipv4Fields> = {}): Uint8Array {
  return ipv4({ source: INSIDE, destination: innerAddress(n), ...more })
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A bench with flow 0 of one peer, everything permitted. */
export async function openSession(maker: BenchMaker, t: TestContext, more: Partial<Flow> = {}) {
  const bench = await maker.open(t)
  const peer = await bench.makePeer()
  const lns = { address: bench.addresses[0], port: PORT }
  const path = { local: lns, remote: peer.address }
  await bench.plane.setPolicy('dmz', PERMIT_ALL)
  await bench.plane.upsert([flowOf(0, path, more)])
  const out: Uint8Array[] = []
  const packetsOut = (count: number) =>
    until(`${count} packets out of the TUN`, () => {
      out.push(...bench.take())
      return out.length >= count
    })
  /** Whatever was sent before has been handled when this packet has come through. */
  const flush = async () => {
    const seen = out.length
    const mark = toInside(0, {
      payload: udp({ source: innerAddress(0), destination: INSIDE, sourcePort: 9 }),
    })
    peer.send(lns, fromSession(0, mark))
    await packetsOut(seen + 1)
    assert.equal(hex(out.pop() ?? new Uint8Array()), hex(mark))
  }
  return { ...bench, peer, lns, path, out, packetsOut, flush }
}

export function counters(plane: ListeningDataPlane, id: number): FlowCounters {
  const [row] = plane.readCounters(id, 1)
  assert.ok(row)
  return row
}

export type Behaviour = (
  name: string,
  run: (open: (more?: Partial<Flow>) => ReturnType<typeof openSession>) => Promise<void>,
) => void
