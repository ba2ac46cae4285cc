/**
 * How packets pass between the kernel and us, fastest first: what runs is found at the start, by trying. Where one is refused, or was asked for
 * by name, the next is not less right, only slower.
 */
import { BurrowError } from '../../errors.ts'
import type { SocketAddress } from '../../ports.ts'
import type { PortsName } from '../data-plane.ts'
import { superBatch } from '../offload/layout.ts'
import { type DatagramPort, PacketBatch, type TunPort } from '../ports.ts'
import { OffloadSocket } from './offload-socket.ts'
import { OffloadTun } from './offload-tun.ts'
import { OFFLOADS, openOffloadTun, TunDevice } from './tun-device.ts'
import { UdpSocket } from './udp-socket.ts'

export const RUNGS = {
  /** Super-datagrams on the sockets, super-packets of TCP and UDP on the TUN: Linux 6.2. */
  offloads: { tun: OFFLOADS.tcpAndUdp, offloads: ['udp-gro', 'udp-gso', 'tun-tcp', 'tun-udp'] },
  /** Of TCP alone: Linux 5.0. */
  'offloads-tcp': { tun: OFFLOADS.tcp, offloads: ['udp-gro', 'udp-gso', 'tun-tcp'] },
  /** Many datagrams a system call, and one packet. */
  batches: { tun: OFFLOADS.none, offloads: [] },
} as const satisfies Record<RungName, { readonly tun: number; readonly offloads: readonly string[] }>

/** Those that a worker has. */
export type RungName = Exclude<PortsName, 'dgram'>

/** Of what the options name; what no worker has is nothing that it can be told. */
export const workerPorts = (name: PortsName | undefined): RungName | undefined =>
  name === 'dgram' ? undefined : name

const LADDER: readonly RungName[] = ['offloads', 'offloads-tcp', 'batches']

interface Opened {
  readonly rung: RungName
  readonly tun: { readonly fd: number; close(): void } | undefined
}

/** A rung for open sockets, and the TUN as that has it. Throws as `TunDevice.open`, and DATA_PLANE_UNAVAILABLE where `forced` cannot be. */
export function openRung(
  sockets: readonly UdpSocket[],
  tunName: string | undefined,
  forced?: RungName,
): Opened {
  const names = forced === undefined ? LADDER : [forced]
  for (const rung of names) {
    const opened = tryRung(rung, sockets, tunName)
    if (opened !== undefined) return opened
  }
  throw new BurrowError(
    'DATA_PLANE_UNAVAILABLE',
    `this kernel does not have what the data plane ${forced} needs`,
  )
}

function tryRung(
  rung: RungName,
  sockets: readonly UdpSocket[],
  tunName: string | undefined,
): Opened | undefined {
  if (rung === 'batches') return { rung, tun: tunName === undefined ? undefined : TunDevice.open(tunName) }
  if (!sockets.every(({ fd }) => OffloadSocket.enable(fd))) {
    for (const { fd } of sockets) OffloadSocket.disable(fd)
    return undefined
  }
  const fd = tunName === undefined ? undefined : openOffloadTun(tunName, RUNGS[rung].tun)
  if (tunName === undefined || fd !== undefined)
    return { rung, tun: fd === undefined ? undefined : new TunDevice(fd) }
  for (const { fd } of sockets) OffloadSocket.disable(fd)
  return undefined
}

export interface Ports {
  readonly sockets: readonly (DatagramPort & { readonly fd: number })[]
  readonly tun: (TunPort & { readonly fd: number }) | undefined
  readonly makeBatch: (slotBytes: number) => PacketBatch
}

/** The ports of a rung over what is open already. */
export function portsOf(
  rung: RungName,
  sockets: readonly { readonly fd: number; readonly bound: SocketAddress }[],
  tunFd: number | undefined,
): Ports {
  if (rung === 'batches')
    return {
      sockets: sockets.map(({ fd, bound }) => new UdpSocket(fd, bound)),
      tun: tunFd === undefined ? undefined : new TunDevice(tunFd),
      makeBatch: slotBytes => new PacketBatch(slotBytes),
    }
  return {
    sockets: sockets.map(({ fd, bound }) => new OffloadSocket(fd, bound)),
    tun: tunFd === undefined ? undefined : new OffloadTun(tunFd, rung === 'offloads'),
    makeBatch: superBatch,
  }
}

/** Whether the kernel lets us move many datagrams with one system call; a sandbox may not. */
export function hasBatches(): boolean {
  const socket = UdpSocket.open({ address: '127.0.0.1', port: 0 })
  const answers = socket.answers()
  socket.close()
  return answers
}
