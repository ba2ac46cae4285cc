/** When a request is sent again (RFC 5080 2.2.1). */
import type { Milliseconds, Random } from 'burrow'

export interface RetransmissionSettings {
  /** IRT: to the first retransmission. */
  readonly retransmitMs: Milliseconds
  /** MRT: between two at most. */
  readonly longestRetransmitMs: Milliseconds
}

/** How long to wait after a transmission; `previousMs` is undefined after the first. */
export function nextRetransmitMs(
  { retransmitMs, longestRetransmitMs }: RetransmissionSettings,
  random: Random,
  previousMs: Milliseconds | undefined,
): Milliseconds {
  const jittered = (ms: Milliseconds) => ms * (1 + spread(random))
  if (previousMs === undefined) return jittered(retransmitMs)
  const doubledMs = (2 + spread(random)) * previousMs
  return doubledMs > longestRetransmitMs ? jittered(longestRetransmitMs) : doubledMs
}

/** RAND: -0.1 .. 0.1. */
const spread = (random: Random): number => (random.uint16() / 0xffff - 0.5) / 5
