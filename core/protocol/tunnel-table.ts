/**
 * The control connection (RFC 2661 7.2) as a total table. Beside the RFC's states stand two of ours: `admitting`, while
 * a hook decides, and `closed`, which only acknowledges until the peer's last repetition has passed (5.7).
 */
export type TunnelPhase = 'idle' | 'admitting' | 'wait-ctl-reply' | 'wait-ctl-conn' | 'established' | 'closed'

export type TunnelEvent =
  | 'dial'
  | 'sccrq'
  | 'sccrq-refused'
  | 'admitted'
  | 'denied'
  | 'tie-lost'
  | 'sccrp'
  | 'sccrp-refused'
  | 'scccn'
  | 'scccn-refused'
  | 'stopccn'
  /** A message that has no place in any tunnel, or cannot be read. */
  | 'bad-message'
  /** Our own wish, or a deadline. */
  | 'close'
  /** The peer acknowledges no more. */
  | 'silent'

export type TunnelAction =
  | 'send-sccrq'
  | 'ask-admission'
  | 'send-sccrp'
  | 'send-scccn-and-open'
  | 'open'
  /** Send StopCCN and clean up. */
  | 'stop'
  /** Clean up; the peer knows. */
  | 'clean-up'
  /** Clean up; nobody is there. */
  | 'forget'
  | 'ignore'

export type TunnelCell = readonly [action: TunnelAction, next: TunnelPhase]

const STOP: TunnelCell = ['stop', 'closed']
const CLEAN: TunnelCell = ['clean-up', 'closed']
const FORGET: TunnelCell = ['forget', 'closed']
const stay = (phase: TunnelPhase): TunnelCell => ['ignore', phase]

/** What ends a tunnel in each state that has one. */
const ENDINGS = {
  stopccn: CLEAN,
  'bad-message': STOP,
  close: STOP,
  silent: FORGET,
} as const

/** The peer may send the messages of setup again only as repetitions, which the channel filters. */
const SETUP_AGAIN = {
  sccrq: STOP,
  'sccrq-refused': STOP,
  sccrp: STOP,
  'sccrp-refused': STOP,
  scccn: STOP,
  'scccn-refused': STOP,
} as const

const closed = stay('closed')

export const TUNNEL_TABLE: Readonly<Record<TunnelPhase, Readonly<Record<TunnelEvent, TunnelCell>>>> = {
  idle: {
    dial: ['send-sccrq', 'wait-ctl-reply'],
    sccrq: ['ask-admission', 'admitting'],
    'sccrq-refused': STOP,
    admitted: stay('idle'),
    denied: stay('idle'),
    'tie-lost': stay('idle'),
    sccrp: stay('idle'),
    'sccrp-refused': stay('idle'),
    scccn: stay('idle'),
    'scccn-refused': stay('idle'),
    stopccn: stay('idle'),
    'bad-message': stay('idle'),
    close: stay('idle'),
    silent: stay('idle'),
  },
  admitting: {
    ...ENDINGS,
    ...SETUP_AGAIN,
    dial: stay('admitting'),
    admitted: ['send-sccrp', 'wait-ctl-conn'],
    denied: STOP,
    'tie-lost': stay('admitting'),
  },
  'wait-ctl-reply': {
    ...ENDINGS,
    ...SETUP_AGAIN,
    dial: stay('wait-ctl-reply'),
    admitted: stay('wait-ctl-reply'),
    denied: stay('wait-ctl-reply'),
    'tie-lost': FORGET,
    sccrp: ['send-scccn-and-open', 'established'],
  },
  'wait-ctl-conn': {
    ...ENDINGS,
    ...SETUP_AGAIN,
    dial: stay('wait-ctl-conn'),
    admitted: stay('wait-ctl-conn'),
    denied: stay('wait-ctl-conn'),
    'tie-lost': stay('wait-ctl-conn'),
    scccn: ['open', 'established'],
  },
  established: {
    ...ENDINGS,
    ...SETUP_AGAIN,
    dial: stay('established'),
    admitted: stay('established'),
    denied: stay('established'),
    'tie-lost': stay('established'),
  },
  closed: {
    dial: closed,
    sccrq: closed,
    'sccrq-refused': closed,
    admitted: closed,
    denied: closed,
    'tie-lost': closed,
    sccrp: closed,
    'sccrp-refused': closed,
    scccn: closed,
    'scccn-refused': closed,
    // Both sides closed at once: the peer's StopCCN says that ours need not be repeated.
    stopccn: CLEAN,
    'bad-message': closed,
    close: closed,
    silent: FORGET,
  },
}
