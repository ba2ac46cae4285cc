import type { DataPlane } from '../dataplane/data-plane.ts'
import type { Milliseconds } from '../ports.ts'
import type { SessionSummary } from '../protocol/endpoint.ts'

/** One session as `burrow sessions` shows it. Text from the peer is raw: escape at output. */
export interface SessionRow {
  readonly user: string
  readonly address: string
  readonly peer: string
  readonly host: string
  /** ours/theirs */
  readonly tunnel: string
  readonly session: string
  readonly id: string
  readonly phase: string
  readonly seconds: number
  readonly packetsIn: bigint
  readonly octetsIn: bigint
  readonly packetsOut: bigint
  readonly octetsOut: bigint
  /** By reason. */
  readonly drops: Readonly<Record<string, bigint>>
}

export function sessionRows(
  summaries: readonly SessionSummary[],
  dataPlane: DataPlane,
  now: Milliseconds,
): readonly SessionRow[] {
  return summaries.map(({ session, phase, startedAt, flowId, network }) => {
    const { tunnel } = session
    const [counters] = flowId === undefined ? [] : dataPlane.readCounters(flowId, 1)
    return {
      user: session.user ?? '',
      address: network?.peerAddress ?? '',
      peer: `${tunnel.path.remote.address}:${tunnel.path.remote.port}`,
      host: tunnel.peerHostName,
      tunnel: `${tunnel.localTunnelId}/${tunnel.peerTunnelId}`,
      session: `${session.localSessionId}/${session.peerSessionId}`,
      id: session.id,
      phase,
      seconds: Math.round((now - startedAt) / 1000),
      packetsIn: counters?.packetsIn ?? 0n,
      octetsIn: counters?.octetsIn ?? 0n,
      packetsOut: counters?.packetsOut ?? 0n,
      octetsOut: counters?.octetsOut ?? 0n,
      drops: { ...counters?.drops },
    }
  })
}
