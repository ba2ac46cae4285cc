import type { DataPlane } from '../dataplane/data-plane.ts'
import type { Milliseconds } from '../ports.ts'
import type { SessionSummary } from '../protocol/endpoint.ts'
import type { TunnelInfo } from '../protocol/outputs.ts'
import { socketText } from '../wire/socket-text.ts'

/** One session as `burrow sessions` shows it. Text from the peer is raw: escape at output. */
export interface SessionRow {
  /** Empty before authentication. */
  readonly user: string
  /** The address of the session; empty before IPCP. */
  readonly address: string
  /** `address:port` of the peer. */
  readonly peer: string
  /** What carries its tunnel: protocol, cipher and the identity of the peer; empty where nothing does. */
  readonly protection: string
  /** Host name of the peer, as it claims. */
  readonly host: string
  /** ours/theirs */
  readonly tunnel: string
  /** ours/theirs */
  readonly session: string
  /** Unique for ever, as in accounting records. */
  readonly id: string
  /** How far it is. */
  readonly phase: string
  /** Since it began. */
  readonly seconds: number
  /** From the peer. */
  readonly packetsIn: bigint
  /** From the peer, of inner packets. */
  readonly octetsIn: bigint
  /** To the peer. */
  readonly packetsOut: bigint
  /** To the peer, of inner packets. */
  readonly octetsOut: bigint
  /** By reason. */
  readonly drops: Readonly<Record<string, bigint>>
}

/** In one line, for tables and logs. */
export function protectionText({ protection }: Pick<TunnelInfo, 'protection'>): string {
  if (protection === undefined) return ''
  const { protocol, cipher, identity } = protection
  return `${protocol} ${cipher} as ${identity}`
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
      peer: socketText(tunnel.path.remote),
      protection: protectionText(tunnel),
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
