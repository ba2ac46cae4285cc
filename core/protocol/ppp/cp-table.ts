/** The option negotiation automaton (RFC 1661 4.1), without its passive and restart options. */
import type { Table } from '../machine.ts'

export type CpStateName =
  | 'initial'
  | 'starting'
  | 'closed'
  | 'stopped'
  | 'closing'
  | 'stopping'
  | 'req-sent'
  | 'ack-rcvd'
  | 'ack-sent'
  | 'opened'

/** Events (RFC 1661 4.3); a trailing + or - tells good from bad, or a timeout with retries left from the last. */
export type CpEvent =
  | 'Up'
  | 'Down'
  | 'Open'
  | 'Close'
  | 'TO+'
  | 'TO-'
  | 'RCR+'
  | 'RCR-'
  | 'RCA'
  | 'RCN'
  | 'RTR'
  | 'RTA'
  | 'RUC'
  | 'RXJ+'
  | 'RXJ-'
  | 'RXR'

/** Actions (RFC 1661 4.4): this-layer-up, -down, -started, -finished; restart counter; send. */
export type CpAction =
  | 'tlu'
  | 'tld'
  | 'tls'
  | 'tlf'
  | 'irc'
  | 'zrc'
  | 'scr'
  | 'sca'
  | 'scn'
  | 'str'
  | 'sta'
  | 'scj'
  | 'ser'

/** States in which the Restart timer runs (RFC 1661 4.2). */
export const RESTART_TIMER_RUNS: Readonly<Record<CpStateName, boolean>> = {
  initial: false,
  starting: false,
  closed: false,
  stopped: false,
  closing: true,
  stopping: true,
  'req-sent': true,
  'ack-rcvd': true,
  'ack-sent': true,
  opened: false,
}

export const CP_TABLE: Table<CpStateName, CpEvent, CpAction> = {
  initial: {
    Up: ['closed'],
    Down: '-',
    Open: ['starting', 'tls'],
    Close: ['initial'],
    'TO+': '-',
    'TO-': '-',
    'RCR+': '-',
    'RCR-': '-',
    RCA: '-',
    RCN: '-',
    RTR: '-',
    RTA: '-',
    RUC: '-',
    'RXJ+': '-',
    'RXJ-': '-',
    RXR: '-',
  },
  starting: {
    Up: ['req-sent', 'irc', 'scr'],
    Down: '-',
    Open: ['starting'],
    Close: ['initial', 'tlf'],
    'TO+': '-',
    'TO-': '-',
    'RCR+': '-',
    'RCR-': '-',
    RCA: '-',
    RCN: '-',
    RTR: '-',
    RTA: '-',
    RUC: '-',
    'RXJ+': '-',
    'RXJ-': '-',
    RXR: '-',
  },
  closed: {
    Up: '-',
    Down: ['initial'],
    Open: ['req-sent', 'irc', 'scr'],
    Close: ['closed'],
    'TO+': '-',
    'TO-': '-',
    'RCR+': ['closed', 'sta'],
    'RCR-': ['closed', 'sta'],
    RCA: ['closed', 'sta'],
    RCN: ['closed', 'sta'],
    RTR: ['closed', 'sta'],
    RTA: ['closed'],
    RUC: ['closed', 'scj'],
    'RXJ+': ['closed'],
    'RXJ-': ['closed', 'tlf'],
    RXR: ['closed'],
  },
  stopped: {
    Up: '-',
    Down: ['starting', 'tls'],
    Open: ['stopped'],
    Close: ['closed'],
    'TO+': '-',
    'TO-': '-',
    'RCR+': ['ack-sent', 'irc', 'scr', 'sca'],
    'RCR-': ['req-sent', 'irc', 'scr', 'scn'],
    RCA: ['stopped', 'sta'],
    RCN: ['stopped', 'sta'],
    RTR: ['stopped', 'sta'],
    RTA: ['stopped'],
    RUC: ['stopped', 'scj'],
    'RXJ+': ['stopped'],
    'RXJ-': ['stopped', 'tlf'],
    RXR: ['stopped'],
  },
  closing: {
    Up: '-',
    Down: ['initial'],
    Open: ['stopping'],
    Close: ['closing'],
    'TO+': ['closing', 'str'],
    'TO-': ['closed', 'tlf'],
    'RCR+': ['closing'],
    'RCR-': ['closing'],
    RCA: ['closing'],
    RCN: ['closing'],
    RTR: ['closing', 'sta'],
    RTA: ['closed', 'tlf'],
    RUC: ['closing', 'scj'],
    'RXJ+': ['closing'],
    'RXJ-': ['closed', 'tlf'],
    RXR: ['closing'],
  },
  stopping: {
    Up: '-',
    Down: ['starting'],
    Open: ['stopping'],
    Close: ['closing'],
    'TO+': ['stopping', 'str'],
    'TO-': ['stopped', 'tlf'],
    'RCR+': ['stopping'],
    'RCR-': ['stopping'],
    RCA: ['stopping'],
    RCN: ['stopping'],
    RTR: ['stopping', 'sta'],
    RTA: ['stopped', 'tlf'],
    RUC: ['stopping', 'scj'],
    'RXJ+': ['stopping'],
    'RXJ-': ['stopped', 'tlf'],
    RXR: ['stopping'],
  },
  'req-sent': {
    Up: '-',
    Down: ['starting'],
    Open: ['req-sent'],
    Close: ['closing', 'irc', 'str'],
    'TO+': ['req-sent', 'scr'],
    'TO-': ['stopped', 'tlf'],
    'RCR+': ['ack-sent', 'sca'],
    'RCR-': ['req-sent', 'scn'],
    RCA: ['ack-rcvd', 'irc'],
    RCN: ['req-sent', 'irc', 'scr'],
    RTR: ['req-sent', 'sta'],
    RTA: ['req-sent'],
    RUC: ['req-sent', 'scj'],
    'RXJ+': ['req-sent'],
    'RXJ-': ['stopped', 'tlf'],
    RXR: ['req-sent'],
  },
  'ack-rcvd': {
    Up: '-',
    Down: ['starting'],
    Open: ['ack-rcvd'],
    Close: ['closing', 'irc', 'str'],
    'TO+': ['req-sent', 'scr'],
    'TO-': ['stopped', 'tlf'],
    'RCR+': ['opened', 'sca', 'tlu'],
    'RCR-': ['ack-rcvd', 'scn'],
    RCA: ['req-sent', 'scr'],
    RCN: ['req-sent', 'scr'],
    RTR: ['req-sent', 'sta'],
    RTA: ['req-sent'],
    RUC: ['ack-rcvd', 'scj'],
    'RXJ+': ['req-sent'],
    'RXJ-': ['stopped', 'tlf'],
    RXR: ['ack-rcvd'],
  },
  'ack-sent': {
    Up: '-',
    Down: ['starting'],
    Open: ['ack-sent'],
    Close: ['closing', 'irc', 'str'],
    'TO+': ['ack-sent', 'scr'],
    'TO-': ['stopped', 'tlf'],
    'RCR+': ['ack-sent', 'sca'],
    'RCR-': ['req-sent', 'scn'],
    RCA: ['opened', 'irc', 'tlu'],
    RCN: ['ack-sent', 'irc', 'scr'],
    RTR: ['req-sent', 'sta'],
    RTA: ['ack-sent'],
    RUC: ['ack-sent', 'scj'],
    'RXJ+': ['ack-sent'],
    'RXJ-': ['stopped', 'tlf'],
    RXR: ['ack-sent'],
  },
  opened: {
    Up: '-',
    Down: ['starting', 'tld'],
    Open: ['opened'],
    Close: ['closing', 'tld', 'irc', 'str'],
    'TO+': '-',
    'TO-': '-',
    'RCR+': ['ack-sent', 'tld', 'scr', 'sca'],
    'RCR-': ['req-sent', 'tld', 'scr', 'scn'],
    RCA: ['req-sent', 'tld', 'scr'],
    RCN: ['req-sent', 'tld', 'scr'],
    RTR: ['stopping', 'tld', 'zrc', 'sta'],
    RTA: ['req-sent', 'tld', 'scr'],
    RUC: ['opened', 'scj'],
    'RXJ+': ['opened'],
    'RXJ-': ['stopping', 'tld', 'irc', 'str'],
    RXR: ['opened', 'ser'],
  },
}
