/** Counters of a session for tests of accounting: beyond 32 bits, and as large as JSON can tell. */
import type { FlowCounters } from '../../core/flow.ts'

export const MUCH_TRAFFIC: FlowCounters = {
  packetsIn: 12n,
  octetsIn: 2n ** 32n + 5n,
  packetsOut: 34n,
  octetsOut: 2n ** 53n - 1n,
  drops: {},
}
