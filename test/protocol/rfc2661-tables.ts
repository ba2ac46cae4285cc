/** RFC 2661 7.2.1, 7.4.1 and 7.4.2, row by row as they are printed there. What 7.4.3 asks of an idle LAC is in `calls.test.ts`. */

export interface RfcRow {
  readonly states: readonly string[]
  readonly event: string
  readonly actions: readonly string[]
  readonly next: string
}

function row(states: string, event: string, actions: string, next: string): RfcRow {
  return { states: states.split(', '), event, actions: actions.split(', '), next }
}

/** 7.2.1 Control Connection Establishment. */
export const CONTROL_CONNECTION: readonly RfcRow[] = [
  row('idle', 'Local Open request', 'Send SCCRQ', 'wait-ctl-reply'),
  row('idle', 'Receive SCCRQ, acceptable', 'Send SCCRP', 'wait-ctl-conn'),
  row('idle', 'Receive SCCRQ, not acceptable', 'Send StopCCN, Clean up', 'idle'),
  row('idle', 'Receive SCCRP', 'Send StopCCN, Clean up', 'idle'),
  row('idle', 'Receive SCCCN', 'Clean up', 'idle'),

  row(
    'wait-ctl-reply',
    'Receive SCCRP, acceptable',
    'Send SCCCN, Send tunnel-open event to waiting sessions',
    'established',
  ),
  row('wait-ctl-reply', 'Receive SCCRP, not acceptable', 'Send StopCCN, Clean up', 'idle'),
  row('wait-ctl-reply', 'Receive SCCRQ, lose tie-breaker', 'Clean up, Re-queue SCCRQ for idle state', 'idle'),
  row('wait-ctl-reply', 'Receive SCCCN', 'Send StopCCN, Clean up', 'idle'),

  row(
    'wait-ctl-conn',
    'Receive SCCCN, acceptable',
    'Send tunnel-open event to waiting sessions',
    'established',
  ),
  row('wait-ctl-conn', 'Receive SCCCN, not acceptable', 'Send StopCCN, Clean up', 'idle'),
  row('wait-ctl-conn', 'Receive SCCRQ', 'Send StopCCN, Clean up', 'idle'),
  row('wait-ctl-conn', 'Receive SCCRP', 'Send StopCCN, Clean up', 'idle'),

  row(
    'established',
    'Local Open request (new call)',
    'Send tunnel-open event to waiting sessions',
    'established',
  ),
  row('established', 'Admin Tunnel close event', 'Send StopCCN, Clean up', 'idle'),
  row('established', 'Receive SCCRQ', 'Send StopCCN, Clean up', 'idle'),
  row('established', 'Receive SCCRP', 'Send StopCCN, Clean up', 'idle'),
  row('established', 'Receive SCCCN', 'Send StopCCN, Clean up', 'idle'),

  row('idle, wait-ctl-reply, wait-ctl-conn, established', 'Receive StopCCN', 'Clean up', 'idle'),
]

/** 7.4.1 LAC Incoming Call States. */
export const LAC_INCOMING: readonly RfcRow[] = [
  row('idle', 'Bearer Ring or Ready to indicate incoming conn.', 'Initiate local tunnel open', 'wait-tunnel'),
  row('idle', 'Receive ICCN', 'Clean up', 'idle'),
  row('idle', 'Receive ICRP', 'Clean up', 'idle'),
  row('idle', 'Receive CDN', 'Clean up', 'idle'),

  row('wait-tunnel', 'Bearer line drop or local close request', 'Clean up', 'idle'),
  row('wait-tunnel', 'tunnel-open', 'Send ICRQ', 'wait-reply'),

  row('wait-reply', 'Receive ICRP, acceptable', 'Send ICCN', 'established'),
  row('wait-reply', 'Receive ICRP, not acceptable', 'Send CDN, Clean up', 'idle'),
  row('wait-reply', 'Receive ICRQ', 'Send CDN, Clean up', 'idle'),
  row('wait-reply', 'Receive CDN', 'Clean up', 'idle'),
  row('wait-reply', 'Receive ICCN', 'Clean up', 'idle'),
  row('wait-reply', 'Local close request or Bearer line drop', 'Send CDN, Clean up', 'idle'),

  row('established', 'Receive CDN', 'Clean up', 'idle'),
  row('established', 'Receive ICRQ', 'Send CDN, Clean up', 'idle'),
  row('established', 'Receive ICRP', 'Send CDN, Clean up', 'idle'),
  row('established', 'Receive ICCN', 'Send CDN, Clean up', 'idle'),
  row('established', 'Bearer line drop or local close request', 'Send CDN, Clean up', 'idle'),
]

/** 7.4.2 LNS Incoming Call States. */
export const LNS_INCOMING: readonly RfcRow[] = [
  row('idle', 'Receive ICRQ, acceptable', 'Send ICRP', 'wait-connect'),
  row('idle', 'Receive ICRQ, not acceptable', 'Send CDN, Clean up', 'idle'),
  row('idle', 'Receive ICRP', 'Send CDN, Clean up', 'idle'),
  row('idle', 'Receive ICCN', 'Clean up', 'idle'),

  row('wait-connect', 'Receive ICCN, acceptable', 'Prepare for data', 'established'),
  row('wait-connect', 'Receive ICCN, not acceptable', 'Send CDN, Clean up', 'idle'),
  row('wait-connect', 'Receive ICRQ', 'Send CDN, Clean up', 'idle'),
  row('wait-connect', 'Receive ICRP', 'Send CDN, Clean up', 'idle'),

  row('idle, wait-connect, established', 'Receive CDN', 'Clean up', 'idle'),
  row('wait-connect, established', 'Local Close request', 'Send CDN, Clean up', 'idle'),

  row('established', 'Receive ICRQ', 'Send CDN, Clean up', 'idle'),
  row('established', 'Receive ICRP', 'Send CDN, Clean up', 'idle'),
  row('established', 'Receive ICCN', 'Send CDN, Clean up', 'idle'),
]
