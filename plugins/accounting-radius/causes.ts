import type { EndCause } from 'burrow'

/** Acct-Terminate-Cause (RFC 2866 5.10), by what ended the session. */
export const TERMINATE_CAUSES = {
  'peer-hangup': 'User-Request',
  'local-hangup': 'NAS-Request',
  shutdown: 'Admin-Reboot',
  'peer-silent': 'Lost-Carrier',
  'retransmit-exhausted': 'Lost-Carrier',
  'protocol-error': 'NAS-Error',
  'not-admitted': 'Service-Unavailable',
  'auth-failed': 'User-Error',
  'not-authorized': 'Service-Unavailable',
  'no-address': 'Service-Unavailable',
  'policy-denied': 'Service-Unavailable',
  replaced: 'Port-Preempted',
  'ppp-failed': 'Port-Error',
  'tunnel-closed': 'Lost-Service',
  'tie-lost': 'Lost-Service',
  'no-resources': 'Service-Unavailable',
  'session-timeout': 'Session-Timeout',
  'idle-timeout': 'Idle-Timeout',
  'admin-reset': 'Admin-Reset',
  'protection-lost': 'Lost-Carrier',
} as const satisfies Readonly<Record<EndCause, string>>

/** Of a session that died with the process: nobody knows when, or how far it had come since its last record. */
export const DIED_WITH_US = 'NAS-Reboot'
/** Of a session that lives on, but whose accounting ends. */
export const ACCOUNTING_ENDS = 'Admin-Reboot'
