/** Everything that an endpoint knows, as plain data, and the context in which its machines run. */
import type { FlowCounters } from '../flow.ts'
import type { Milliseconds, Path, Random } from '../ports.ts'
import type { DialRequest, EndpointConfig } from './config.ts'
import type { ProtocolDrop } from './drops.ts'
import type { FlowSlotsState } from './flow-slots.ts'
import type {
  Ask,
  AuthMethod,
  EndReason,
  Output,
  Role,
  SessionKey,
  SessionNetwork,
  TunnelKey,
  TunnelProtection,
} from './outputs.ts'
import type { LinkState } from './ppp/link.ts'
import type { LinkUp, PppConfig } from './ppp/link-env.ts'
import type { Proxied } from './ppp/proxied.ts'
import type { ChannelState } from './reliable-channel.ts'
import type { SessionPhase } from './session-table.ts'
import type { SourcesState } from './sources.ts'
import type { Timers } from './timers.ts'
import type { TunnelEvent, TunnelPhase } from './tunnel-table.ts'

/** A port that the peer may have moved to. */
export interface RebindState {
  readonly path: Path
  /** The message that asks; those after it go there too. */
  readonly ns: number
  state: 'asked' | 'answered' | 'refused'
}

export interface TunnelState {
  readonly key: TunnelKey
  readonly role: Role
  path: Path
  rebind?: RebindState
  readonly localId: number
  /** 0 until the peer told it. */
  peerId: number
  phase: TunnelPhase
  readonly channel: ChannelState
  peerHostName: string
  peerVendorName?: string
  peerFirmwareRevision?: number
  secretName?: string
  /** What carries it; a tunnel that is protected stays on its path. */
  protection?: TunnelProtection
  /** Ours, until the peer answered it. */
  challenge?: Uint8Array
  /** The peer's, until we answer it. */
  peerChallenge?: Uint8Array
  tieBreaker?: bigint
  /** Octets to and from an address that has not proved itself; absent once it has. */
  unproven?: { received: number; sent: number }
  askId?: number
  wasUp: boolean
  readonly dial?: DialRequest
  /** The tunnel of a former life of the peer, which uses its id again; it goes when this one opens. */
  readonly supersedes?: TunnelKey
  /** By local session id. */
  readonly sessions: Map<number, SessionState>
  /** Sessions that wait for admission: their verdict will bring a message that carries the acknowledgement. */
  deciding: number
  heardAt: Milliseconds
  /** Why it closes; tunnelDown is told when the last session is gone. */
  ending?: EndReason
  downTold: boolean
  /** Who said goodbye: decides how long a closed tunnel still answers (5.7). */
  farewell?: 'sent' | 'received' | 'none'
}

export interface SessionState {
  readonly key: SessionKey
  readonly id: string
  readonly role: Role
  readonly tunnelKey: TunnelKey
  readonly localId: number
  /** 0 until the peer told it. */
  peerId: number
  phase: SessionPhase
  readonly callSerialNumber: number
  readonly callingNumber?: string
  readonly calledNumber?: string
  readonly subAddress?: string
  txConnectSpeedBps?: number
  readonly startedAt: Milliseconds
  askId?: number
  link?: LinkState
  /** What ICCN brought, until the link starts. */
  proxied?: Proxied
  /** Methods of authentication to ask for, where they are not those of the config; never none. */
  demandAuth?: readonly AuthMethod[]
  /** What its link negotiates by, from its start on: the endpoint may be configured anew meanwhile. */
  ppp?: PppConfig
  /** User that authenticated. */
  user?: string
  /** The peer, or we, wanted data sequence numbers (5.4). */
  sequencing: boolean
  flow?: { readonly id: number; readonly generation: number; removing: boolean; network?: LinkUp }
  /** As it was told last. */
  network?: SessionNetwork
  /** Of flows that a renegotiation ended. */
  counters: FlowCounters
  wasUp: boolean
  ending?: EndReason
}

export interface PendingAsk {
  readonly askId: number
  readonly ask: Ask
  readonly tunnelKey: TunnelKey
  /** Local session id, where a session asks. */
  readonly sessionId?: number
}

export interface EndpointState {
  readonly tunnels: Map<TunnelKey, TunnelState>
  /** `${local address}|${remote address}|${remote port}|${peer's tunnel id}` -> key, for a repeated SCCRQ. */
  readonly byPeer: Map<string, TunnelKey>
  readonly sources: SourcesState
  /** Tunnels that wait for the answer to our SCCRQ. */
  dialling: TunnelKey[]
  /** Our challenges that await an answer, in hex. */
  readonly challenges: Map<string, TunnelKey>
  readonly asks: Map<number, PendingAsk>
  nextAskId: number
  nextCallSerialNumber: number
  readonly flows: FlowSlotsState
  shuttingDown: boolean
}

/** What an event of a tunnel brings along. */
export interface TunnelDetail {
  readonly reason?: EndReason
  /** Codes for our StopCCN; by default those of a normal end. */
  readonly stop?: { readonly result: number; readonly error?: number; readonly message?: string }
}

/** News from below for the tunnel machine. The endpoint delivers them before it returns, so that calls only go down. */
export type Signal =
  | {
      readonly kind: 'tunnel-event'
      readonly tunnelKey: TunnelKey
      readonly event: TunnelEvent
      readonly detail: TunnelDetail
    }
  | { readonly kind: 'session-gone'; readonly tunnelKey: TunnelKey }
  | {
      readonly kind: 'link-closed'
      readonly tunnelKey: TunnelKey
      readonly sessionId: number
      readonly reason: EndReason
    }

/** What the machines act through. */
export interface Core {
  readonly config: EndpointConfig
  readonly random: Random
  readonly state: EndpointState
  /** Secrets that the config no longer has, of tunnels that were opened with them. */
  readonly retiredSecrets: Map<TunnelKey, string>
  readonly timers: Timers
  readonly now: Milliseconds
  emit(output: Output): void
  /** Delivered before the endpoint returns. */
  readonly signals: Signal[]
  drop(path: Path, reason: ProtocolDrop): void
}

export function addCounters(a: FlowCounters, b: FlowCounters): FlowCounters {
  const drops: Record<string, bigint> = { ...a.drops }
  for (const [reason, count] of Object.entries(b.drops)) drops[reason] = (drops[reason] ?? 0n) + count
  return {
    packetsIn: a.packetsIn + b.packetsIn,
    octetsIn: a.octetsIn + b.octetsIn,
    packetsOut: a.packetsOut + b.packetsOut,
    octetsOut: a.octetsOut + b.octetsOut,
    drops,
  }
}

/** A random id that is not 0 and not taken; undefined when chance finds none, which means that few are left. */
export function freeId(random: Random, taken: (id: number) => boolean): number | undefined {
  for (let attempt = 0; attempt < 64; attempt++) {
    const id = random.uint16()
    if (id !== 0 && !taken(id)) return id
  }
  return undefined
}
