/** Rates as vendors write them, as a grant has them. */
import { type RadiusRates, radiusRates } from 'burrow'

/** In bits per second. */
export interface Rates {
  /** What the peer may send; absent: as much as it can. */
  readonly upRateBps?: number
  /** What is sent to the peer. */
  readonly downRateBps?: number
}

/** undefined: it is no `RX[/TX] ...` of Mikrotik. */
export const mikrotikRates = (text: string): Rates | undefined =>
  limits(radiusRates({ name: 'Mikrotik-Rate-Limit', value: text }))

/** undefined: it is no `rate-limit input|output BPS ...` of Cisco's interface configuration. */
export const ciscoRates = (text: string): Rates | undefined =>
  limits(radiusRates({ name: 'Cisco-AVPair', value: `lcp:interface-config=${text}` }))

/** 0: no limit. */
function limits(rates: RadiusRates | 'unfit' | undefined): Rates | undefined {
  if (rates === undefined || rates === 'unfit') return undefined
  const { up = 0, down = 0 } = rates
  return { ...(up === 0 ? {} : { upRateBps: up }), ...(down === 0 ? {} : { downRateBps: down }) }
}
