/** A network and a TUN in memory. */
import { BurrowError } from '../errors.ts'
import type { InlinePorts } from './inline.ts'

export interface MemoryNetwork {
  /** A host that owns `addresses`; '0.0.0.0' binds all of them. */
  host(...addresses: readonly string[]): InlinePorts['host']
}

export interface MemoryTun {
  readonly port: NonNullable<InlinePorts['tun']>
  /** A packet of the host's kernel, towards the sessions. */
  inject(packet: Uint8Array): void
  /** What came out of sessions since the last call. */
  take(): readonly Uint8Array[]
  /** Called with each packet that comes out of a session, instead of keeping it for `take`. */
  onPacket(listener: (packet: Uint8Array) => void): void
}

/** Datagrams are delivered in order, one microtask later. */
export function createMemoryNetwork(): MemoryNetwork {
  throw new BurrowError('INTERNAL', 'the memory network is not there yet')
}

export function createMemoryTun(): MemoryTun {
  throw new BurrowError('INTERNAL', 'the memory TUN is not there yet')
}
