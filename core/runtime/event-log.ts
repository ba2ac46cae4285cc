/** What an operator reads of a call: one line for each thing that happened, told apart by its message. */
import type { DataPlaneCaps, DataPlaneEvent } from '../dataplane/data-plane.ts'
import type { DropReason } from '../flow.ts'
import type { TrailEntry } from '../hooks/guard.ts'
import type { LogFields, Logger, Path } from '../ports.ts'
import { DROP_REASONS, type ProtocolDrop } from '../protocol/drops.ts'
import type {
  Ask,
  AskKind,
  EndCause,
  EndReason,
  Event,
  SessionInfo,
  TunnelInfo,
} from '../protocol/outputs.ts'
import { socketText } from '../wire/socket-text.ts'
import { protectionText } from './session-rows.ts'
import type { Trail } from './trail-record.ts'

export interface Line {
  readonly level: 'info' | 'warn'
  readonly message: string
  readonly fields: LogFields
}

const remote = ({ remote: end }: Path) => socketText(end)

function tunnelFields(tunnel: TunnelInfo): LogFields {
  return {
    peer: remote(tunnel.path),
    ...(tunnel.peerHostName === '' ? {} : { host: tunnel.peerHostName }),
    tunnel: `${tunnel.localTunnelId}/${tunnel.peerTunnelId}`,
    ...(tunnel.protection === undefined ? {} : { protection: protectionText(tunnel) }),
  }
}

function sessionFields(session: SessionInfo): LogFields {
  return {
    ...(session.user === undefined ? {} : { user: session.user }),
    ...tunnelFields(session.tunnel),
    session: `${session.localSessionId}/${session.peerSessionId}`,
    id: session.id,
    ...(session.proxied === undefined ? {} : { proxied: session.proxied }),
  }
}

const reasonFields = ({ cause, resultCode, errorCode, pppCause, text }: EndReason): LogFields => ({
  cause,
  ...(resultCode === undefined ? {} : { resultCode }),
  ...(errorCode === undefined ? {} : { errorCode }),
  ...(pppCause === undefined ? {} : { pppCause }),
  ...(text === undefined ? {} : { text }),
})

/**
 * One text for each decision, `hook plugin verdict ms: reason`: a list of texts stays whole in collectors that would tear objects
 * apart, can be searched, and a person can read it.
 */
function trailFields({ entries, dropped }: Trail = { entries: [], dropped: 0 }): LogFields {
  if (entries.length === 0) return {}
  const first = dropped === 0 ? [] : [`... ${dropped} more`]
  return { trail: [...first, ...entries.map(entryText)] }
}

const entryText = ({ hook, plugin, tap, verdict, ms, reason }: TrailEntry) =>
  `${hook} ${tap === plugin ? plugin : `${plugin}(${tap})`} ${verdict} ${ms.toFixed(1)}ms${reason === undefined ? '' : `: ${reason}`}`

/** Ends that somebody asked for; any other end is worth a warning. */
const ORDERLY: ReadonlySet<EndCause> = new Set([
  'peer-hangup',
  'local-hangup',
  'shutdown',
  'replaced',
  'admin-reset',
  'session-timeout',
  'idle-timeout',
  'tunnel-closed',
  'tie-lost',
])

const TUNNEL_REFUSED: Readonly<Partial<Record<EndCause, string>>> = {
  'auth-failed': 'tunnel refused: wrong tunnel secret',
  'not-admitted': 'tunnel refused: not admitted',
  'retransmit-exhausted': 'tunnel given up: the peer went silent while it was set up',
}

/** The line of an event, at an end with what was decided; `drop` has none here, for it is counted. */
export function describeEvent(event: Exclude<Event, { kind: 'drop' }>, trail?: Trail): Line {
  switch (event.kind) {
    case 'tunnelUp':
      return { level: 'info', message: 'tunnel up', fields: tunnelFields(event.tunnel) }
    case 'tunnelMoved':
      return {
        level: 'info',
        message: 'tunnel moved: its peer acknowledged from another port',
        fields: { ...tunnelFields(event.tunnel), from: remote(event.from) },
      }
    case 'tunnelDown': {
      const { cause } = event.reason
      return {
        level: ORDERLY.has(cause) ? 'info' : 'warn',
        message: event.wasUp ? 'tunnel down' : (TUNNEL_REFUSED[cause] ?? 'tunnel not set up'),
        fields: { ...tunnelFields(event.tunnel), ...reasonFields(event.reason), ...trailFields(trail) },
      }
    }
    case 'sessionUp':
      return {
        level: 'info',
        message: 'session up',
        fields: {
          ...sessionFields(event.session),
          address: event.network.peerAddress,
          mtuBytes: event.network.mtuBytes,
          ...(event.grant.zone === undefined ? {} : { zone: event.grant.zone }),
        },
      }
    case 'networkChanged': {
      const { peerAddress, mtuBytes, ipv6 } = event.network
      return {
        level: 'info',
        message: ipv6 === undefined ? 'session network changed' : 'session network changed: it has IPv6',
        fields: {
          ...sessionFields(event.session),
          address: peerAddress,
          ...(ipv6?.address === undefined ? {} : { ipv6: ipv6.address }),
          mtuBytes,
        },
      }
    }
    case 'sessionChanged':
      return {
        level: 'info',
        message: 'session changed: it is granted something else',
        fields: {
          ...sessionFields(event.session),
          ...(event.grant.zone === undefined ? {} : { zone: event.grant.zone }),
        },
      }
    case 'sessionDown':
      return {
        level: ORDERLY.has(event.reason.cause) ? 'info' : 'warn',
        message: event.wasUp ? 'session down' : 'call not set up',
        fields: {
          ...sessionFields(event.session),
          ...reasonFields(event.reason),
          seconds: Math.round(event.durationMs / 1000),
          octetsIn: event.counters.octetsIn,
          octetsOut: event.counters.octetsOut,
          ...trailFields(trail),
        },
      }
  }
}

interface DropLine {
  /** What happens on every healthy network is for those who look closely. */
  readonly level: 'debug' | 'warn'
  readonly message: string
  readonly fields: LogFields
}

const ORDINARY: ReadonlySet<ProtocolDrop | DropReason> = new Set([
  'duplicate',
  'ignored-message',
  'early-ppp',
  'closed',
  'tie-won',
  'unknown-session',
  'ppp-phase',
  'ppp-stale',
  'no-route',
  'unknown-flow',
  'over-rate',
] as const)

/** A datagram of the control plane that was ignored. */
export function describeIgnored({ path, reason }: Extract<Event, { kind: 'drop' }>): DropLine {
  return {
    level: ORDINARY.has(reason) ? 'debug' : 'warn',
    message: `datagram ignored: ${DROP_REASONS[reason]}`,
    fields: { peer: remote(path), reason },
  }
}

/** A packet inside a session that was dropped. */
export function describeDropped(reason: DropReason, where: LogFields): DropLine {
  return {
    level: ORDINARY.has(reason) ? 'debug' : 'warn',
    message: `inner packet dropped: ${reason}`,
    fields: where,
  }
}

const REFUSED: Readonly<Record<AskKind, string>> = {
  admitTunnel: 'tunnel refused',
  admitSession: 'call refused',
  authenticate: 'user refused: authentication',
  authorize: 'user refused: authorization',
  assignAddress: 'user refused: no address',
  decidePolicy: 'user refused: policy',
  ownSecret: 'no secret of our own for this peer',
}

/** The line of a denial: which decision, about whom, and the reason that the plugin gave. */
export function describeDenial(ask: Ask, reason: string): Omit<Line, 'level'> {
  const about = 'session' in ask ? sessionFields(ask.session) : tunnelFields(ask.tunnel)
  const user = 'user' in ask ? { user: ask.user } : 'grant' in ask ? { user: ask.grant.user } : {}
  return { message: REFUSED[ask.kind], fields: { ...about, ...user, reason } }
}

const STAGE_LINES = {
  up: ['info', 'data plane up'],
  down: ['warn', 'data plane down; it is started anew'],
  failed: ['error', 'data plane failed'],
} as const

export function logStage(
  event: Extract<DataPlaneEvent, { kind: 'stage' }>,
  { offloads }: DataPlaneCaps,
  log: Logger,
): void {
  const { kind: _, state, ...fields } = event
  const [level, message] = STAGE_LINES[state]
  const ports = state === 'up' ? { offloads: offloads.join(' ') || 'none' } : {}
  log[level]({ ...fields, ...ports }, message)
}
