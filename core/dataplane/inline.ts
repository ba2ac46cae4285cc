/** The data plane on the caller's own thread, over ports in memory: for tests, and for a pair in one process without root. */
import { BurrowError } from '../errors.ts'
import type { Clock, SocketAddress } from '../ports.ts'
import type { DataPlaneOptions, ListeningDataPlane } from './data-plane.ts'
import type { DatagramPort, TunPort } from './ports.ts'

/** A port that calls back when something has come. */
export interface Readable {
  onReadable(listener: () => void): void
}

export interface InlinePorts {
  readonly clock: Clock
  /** Opens the sockets; `createMemoryNetwork().host(...)` gives one. */
  readonly host: { bind(listen: readonly SocketAddress[]): DatagramPort & Readable }
  /** `createMemoryTun()` gives one. */
  readonly tun?: TunPort & Readable
}

export function createInlineDataPlane(_options: DataPlaneOptions, _ports: InlinePorts): ListeningDataPlane {
  throw new BurrowError('INTERNAL', 'the inline data plane is not there yet')
}
