/** Rates as vendors write them, in bits per second. */
export interface Rates {
  /** What the peer may send; absent: as much as it can. */
  readonly upRateBps?: number
  /** What is sent to the peer. */
  readonly downRateBps?: number
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 }

/**
 * `RX[/TX] [burst, threshold, time, priority ...]` of Mikrotik, as seen from the server: RX is what the peer sends. Bursts are not
 * granted: the rate is what holds in the end. 0: no limit.
 */
export function mikrotikRates(text: string): Rates | undefined {
  const [rates = ''] = text.trim().split(/\s+/)
  const [rx = '', tx = rx, ...more] = rates.split('/')
  const [up, down] = [bitsPerSecond(rx), bitsPerSecond(tx)]
  if (up === undefined || down === undefined || more.length > 0) return undefined
  return limits(up, down)
}

/** `rate-limit input|output BPS BURST BURST ...` of Cisco's interface configuration; input is what the peer sends. */
export function ciscoRates(text: string): Rates | undefined {
  const [, direction, rate] =
    /^rate-limit (input|output) (?:access-group \S+ )?(\d{1,15})(?: |$)/.exec(text) ?? []
  if (rate === undefined) return undefined
  return direction === 'input' ? limits(Number(rate), 0) : limits(0, Number(rate))
}

function bitsPerSecond(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})([kMG]?)$/.exec(text) ?? []
  const bps = Number(digits) * (UNITS[unit] ?? 1)
  return Number.isSafeInteger(bps) ? bps : undefined
}

const limits = (up: number, down: number): Rates => ({
  ...(up === 0 ? {} : { upRateBps: up }),
  ...(down === 0 ? {} : { downRateBps: down }),
})
