import { DEFAULT_MRU_BYTES } from './lcp.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'

/** What LCP agreed on: the largest packet in either direction. */
export function mtuBytes({ lcp: { ask, peer } }: LinkState, { config }: LinkEnv): number {
  return Math.min(config.mruBytes, peer.mru, ask.mru ?? DEFAULT_MRU_BYTES)
}
