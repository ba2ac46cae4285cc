/** Rates as vendors write them in RADIUS attributes: the same in an accept and in a change of authorization. */
import type { RadiusAttribute, RadiusValue } from './radius.ts'

/** Limits of a session, in bits per second of inner packets; 0: as much as can be, absent: nothing is said of that direction. */
export interface RadiusRates {
  /** What the peer may send. */
  readonly up?: number
  /** What is sent to the peer. */
  readonly down?: number
}

type Read = (value: RadiusValue) => RadiusRates | 'unfit' | undefined

const READERS: Readonly<Record<string, Read>> = {
  'Mikrotik-Rate-Limit': value => (typeof value === 'string' ? mikrotikRates(value) : 'unfit'),
  'WISPr-Bandwidth-Max-Up': value => (typeof value === 'number' ? { up: value } : 'unfit'),
  'WISPr-Bandwidth-Max-Down': value => (typeof value === 'number' ? { down: value } : 'unfit'),
  'Cisco-AVPair': value => (typeof value === 'string' ? ciscoRates(value) : undefined),
}

/**
 * The limits that an attribute sets: Mikrotik-Rate-Limit, WISPr-Bandwidth-Max-Up and -Down, `rate-limit` in a Cisco-AVPair.
 * undefined: it is none of these; `unfit`: its value makes no sense.
 */
export function radiusRates({ name, value }: RadiusAttribute): RadiusRates | 'unfit' | undefined {
  return Object.hasOwn(READERS, name) ? READERS[name]?.(value) : undefined
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 }

/**
 * `RX[/TX] [burst, threshold, time, priority ...]` of Mikrotik, as seen from the server: RX is what the peer sends. Bursts are not
 * granted: the rate is what holds in the end. 0: no limit.
 */
function mikrotikRates(text: string): RadiusRates | 'unfit' {
  const [rates = ''] = text.trim().split(/\s+/)
  const [rx = '', tx = rx, ...more] = rates.split('/')
  const [up, down] = [bitsPerSecond(rx), bitsPerSecond(tx)]
  return up === undefined || down === undefined || more.length > 0 ? 'unfit' : { up, down }
}

/** `lcp:interface-config=rate-limit input|output BPS BURST BURST ...` of Cisco; input is what the peer sends. */
function ciscoRates(text: string): RadiusRates | 'unfit' | undefined {
  const [, limit] = /^lcp:interface-config(?:#\d+)?[=*]rate-limit\s+(.*)$/s.exec(text) ?? []
  if (limit === undefined) return undefined
  const [, direction, rate] = /^(input|output)\s+(?:access-group \S+\s+)?(\d{1,15})(?:\s|$)/.exec(limit) ?? []
  if (rate === undefined) return 'unfit'
  return direction === 'input' ? { up: Number(rate) } : { down: Number(rate) }
}

function bitsPerSecond(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})([kMG]?)$/.exec(text) ?? []
  const bps = Number(digits) * (UNITS[unit] ?? 1)
  return Number.isSafeInteger(bps) ? bps : undefined
}
