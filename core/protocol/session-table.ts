/**
 * Incoming calls (RFC 2661 7.4.1 and 7.4.2) as total tables, one for each side. Beside the RFC's states stand two of ours:
 * `admitting`, while a hook decides, and `closing`, while the data plane lets go of the flow.
 */
import type { Role } from './outputs.ts'

export type LnsCallPhase = 'idle' | 'admitting' | 'wait-connect' | 'established' | 'closing'
export type LacCallPhase = 'idle' | 'wait-tunnel' | 'wait-reply' | 'established' | 'closing'
export type SessionPhase = LnsCallPhase | LacCallPhase

type CallEvent =
  | 'icrq'
  | 'icrp'
  | 'iccn'
  | 'cdn'
  /** A message that has no place in an incoming call, or cannot be read. */
  | 'bad-message'
  /** Our own wish, the end of the PPP link, or a deadline. */
  | 'close'
  /** The tunnel is gone. */
  | 'tunnel-lost'
export type LnsCallEvent = CallEvent | 'admitted' | 'denied'
export type LacCallEvent = CallEvent | 'call' | 'tunnel-open'
export type SessionEvent = LnsCallEvent | LacCallEvent

export type SessionAction =
  | 'send-icrq'
  | 'ask-admission'
  | 'send-icrp'
  | 'send-iccn-and-connect'
  | 'connect'
  /** Send CDN and clean up. */
  | 'disconnect'
  | 'clean-up'
  | 'ignore'

export type SessionCell = readonly [action: SessionAction, next: SessionPhase]
type Table<Phase extends string, Event extends string> = Readonly<
  Record<Phase, Readonly<Record<Event, SessionCell>>>
>

const DISCONNECT: SessionCell = ['disconnect', 'closing']
const CLEAN: SessionCell = ['clean-up', 'closing']
const stay = (phase: SessionPhase): SessionCell => ['ignore', phase]

/** A call before its first event, or after its last: nobody speaks of it. */
const unknown = (phase: SessionPhase) =>
  ({
    icrq: stay(phase),
    icrp: stay(phase),
    iccn: stay(phase),
    cdn: stay(phase),
    'bad-message': stay(phase),
    close: stay(phase),
    'tunnel-lost': stay(phase),
  }) as const

/** A call that the peer knows: any message of setup out of its turn ends it. */
const LIVE = {
  icrq: DISCONNECT,
  icrp: DISCONNECT,
  iccn: DISCONNECT,
  cdn: CLEAN,
  'bad-message': DISCONNECT,
  close: DISCONNECT,
  'tunnel-lost': CLEAN,
} as const

/** A verdict that comes when none is waited for. */
const decided = (phase: LnsCallPhase) => ({ admitted: stay(phase), denied: stay(phase) }) as const
const placed = (phase: LacCallPhase) => ({ call: stay(phase), 'tunnel-open': stay(phase) }) as const

/** 7.4.2: we are the LNS and the peer calls. */
export const LNS_CALL_TABLE: Table<LnsCallPhase, LnsCallEvent> = {
  idle: { ...unknown('idle'), ...decided('idle'), icrq: ['ask-admission', 'admitting'] },
  admitting: { ...LIVE, admitted: ['send-icrp', 'wait-connect'], denied: DISCONNECT },
  'wait-connect': { ...LIVE, ...decided('wait-connect'), iccn: ['connect', 'established'] },
  established: { ...LIVE, ...decided('established') },
  closing: { ...unknown('closing'), ...decided('closing') },
}

/** 7.4.1: we are the LAC, or the client that is its own LAC, and place the call. */
export const LAC_CALL_TABLE: Table<LacCallPhase, LacCallEvent> = {
  // The endpoint opens the tunnel with its first call.
  idle: { ...unknown('idle'), ...placed('idle'), call: ['ignore', 'wait-tunnel'] },
  'wait-tunnel': {
    ...unknown('wait-tunnel'),
    call: stay('wait-tunnel'),
    'tunnel-open': ['send-icrq', 'wait-reply'],
    close: CLEAN,
    'tunnel-lost': CLEAN,
  },
  'wait-reply': {
    ...LIVE,
    ...placed('wait-reply'),
    icrp: ['send-iccn-and-connect', 'established'],
    iccn: CLEAN,
  },
  established: { ...LIVE, ...placed('established') },
  closing: { ...unknown('closing'), ...placed('closing') },
}

type Lookup = Readonly<Partial<Record<SessionPhase, Readonly<Partial<Record<SessionEvent, SessionCell>>>>>>
const TABLES: Readonly<Record<Role, Lookup>> = { lns: LNS_CALL_TABLE, lac: LAC_CALL_TABLE }

/** What a call does on an event; what cannot happen on its side is ignored. */
export function callCell(role: Role, phase: SessionPhase, event: SessionEvent): SessionCell {
  return TABLES[role][phase]?.[event] ?? stay(phase)
}
