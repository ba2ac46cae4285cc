/**
 * Incoming calls (RFC 2661 7.4.1 and 7.4.2) as total tables, one for each side. Beside the RFC's states stand two of ours:
 * `admitting`, while a hook decides, and `closing`, while the data plane lets go of the flow.
 */
export type SessionPhase =
  | 'idle'
  | 'admitting'
  | 'wait-tunnel'
  | 'wait-reply'
  | 'wait-connect'
  | 'established'
  | 'closing'

export type SessionEvent =
  | 'call'
  | 'tunnel-open'
  | 'icrq'
  | 'admitted'
  | 'denied'
  | 'icrp'
  | 'iccn'
  | 'cdn'
  /** A message that has no place in an incoming call, or cannot be read. */
  | 'bad-message'
  /** Our own wish, the end of the PPP link, or a deadline. */
  | 'close'
  /** The tunnel is gone. */
  | 'tunnel-lost'

export type SessionAction =
  | 'open-tunnel'
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
export type SessionTable = Readonly<Record<SessionPhase, Readonly<Record<SessionEvent, SessionCell>>>>

const DISCONNECT: SessionCell = ['disconnect', 'closing']
const CLEAN: SessionCell = ['clean-up', 'closing']
const stay = (phase: SessionPhase): SessionCell => ['ignore', phase]

function staying(phase: SessionPhase): Readonly<Record<SessionEvent, SessionCell>> {
  const cell = stay(phase)
  return {
    call: cell,
    'tunnel-open': cell,
    icrq: cell,
    admitted: cell,
    denied: cell,
    icrp: cell,
    iccn: cell,
    cdn: cell,
    'bad-message': cell,
    close: cell,
    'tunnel-lost': cell,
  }
}

/** A call that the peer knows: any message of setup out of its turn ends it. */
const LIVE = {
  icrq: DISCONNECT,
  icrp: DISCONNECT,
  iccn: DISCONNECT,
  'bad-message': DISCONNECT,
  cdn: CLEAN,
  close: DISCONNECT,
  'tunnel-lost': CLEAN,
} as const

/** 7.4.2: we are the LNS and the peer calls. */
export const LNS_CALL_TABLE: SessionTable = {
  idle: { ...staying('idle'), icrq: ['ask-admission', 'admitting'] },
  admitting: {
    ...staying('admitting'),
    ...LIVE,
    admitted: ['send-icrp', 'wait-connect'],
    denied: DISCONNECT,
  },
  'wait-tunnel': staying('wait-tunnel'),
  'wait-reply': staying('wait-reply'),
  'wait-connect': { ...staying('wait-connect'), ...LIVE, iccn: ['connect', 'established'] },
  established: { ...staying('established'), ...LIVE },
  closing: staying('closing'),
}

/** 7.4.1: we are the LAC, or the client that is its own LAC, and place the call. */
export const LAC_CALL_TABLE: SessionTable = {
  idle: { ...staying('idle'), call: ['open-tunnel', 'wait-tunnel'] },
  admitting: staying('admitting'),
  'wait-tunnel': {
    ...staying('wait-tunnel'),
    'tunnel-open': ['send-icrq', 'wait-reply'],
    close: CLEAN,
    'tunnel-lost': CLEAN,
  },
  'wait-reply': {
    ...staying('wait-reply'),
    ...LIVE,
    icrp: ['send-iccn-and-connect', 'established'],
    iccn: CLEAN,
  },
  'wait-connect': staying('wait-connect'),
  established: { ...staying('established'), ...LIVE },
  closing: staying('closing'),
}
