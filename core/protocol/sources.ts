/** What each source address holds: no source may have everything, and of half-open tunnels the oldest is known. */
import type { Milliseconds } from '../ports.ts'
import { formatIpv6, parseIpv6 } from '../wire/ipv6.ts'
import type { TunnelKey } from './outputs.ts'

/** Half-open tunnels with the time at which each came, the oldest first. */
type HalfOpen = Map<TunnelKey, Milliseconds>

interface Source {
  tunnels: number
  sessions: number
  readonly halfOpen: HalfOpen
}

export interface SourcesState {
  /** By `sourceOf` remote addresses; only those that have a tunnel. */
  readonly byAddress: Map<string, Source>
  /** Of all sources. */
  readonly halfOpen: HalfOpen
  sessions: number
}

export interface Held {
  readonly tunnels: number
  readonly sessions: number
}

export function createSources(): SourcesState {
  return { byAddress: new Map(), halfOpen: new Map(), sessions: 0 }
}

const NETWORK_BYTES = 8

/** What counts as one source: an address of IPv4; of IPv6 the /64, for whoever has one address of it has them all. */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address
  const bytes = parseIpv6(address)
  return bytes === undefined ? address : `${formatIpv6(bytes.fill(0, NETWORK_BYTES))}/64`
}

/** What this address holds. */
export function heldBy(sources: SourcesState, address: string): Held {
  return sources.byAddress.get(sourceOf(address)) ?? { tunnels: 0, sessions: 0 }
}

export function enterTunnel(sources: SourcesState, address: string): void {
  const source = sources.byAddress.get(sourceOf(address)) ?? { tunnels: 0, sessions: 0, halfOpen: new Map() }
  source.tunnels++
  sources.byAddress.set(sourceOf(address), source)
}

export function leaveTunnel(sources: SourcesState, address: string): void {
  const source = sources.byAddress.get(sourceOf(address))
  if (source !== undefined && --source.tunnels === 0) sources.byAddress.delete(sourceOf(address))
}

/** One call more, or fewer, in a tunnel of this address. */
export function countSession(sources: SourcesState, address: string, step: 1 | -1): void {
  const source = sources.byAddress.get(sourceOf(address))
  if (source !== undefined) source.sessions += step
  sources.sessions += step
}

/** The tunnel has entered and has not proved its address yet. */
export function enterHalfOpen(
  sources: SourcesState,
  address: string,
  key: TunnelKey,
  at: Milliseconds,
): void {
  sources.halfOpen.set(key, at)
  sources.byAddress.get(sourceOf(address))?.halfOpen.set(key, at)
}

export function leaveHalfOpen(sources: SourcesState, address: string, key: TunnelKey): void {
  sources.halfOpen.delete(key)
  sources.byAddress.get(sourceOf(address))?.halfOpen.delete(key)
}

/** The half-open tunnels that leave no room for another of this address; undefined where there is room. */
export function crowdBefore(
  sources: SourcesState,
  address: string,
  {
    maxHalfOpen,
    maxHalfOpenPerSource,
  }: { readonly maxHalfOpen: number; readonly maxHalfOpenPerSource: number },
): ReadonlyMap<TunnelKey, Milliseconds> | undefined {
  const own = sources.byAddress.get(sourceOf(address))?.halfOpen
  if (own !== undefined && own.size >= maxHalfOpenPerSource) return own
  return sources.halfOpen.size >= maxHalfOpen ? sources.halfOpen : undefined
}
