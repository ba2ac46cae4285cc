import { BurrowError, type ErrorCode } from '../errors.ts'
import type { EndCause, EndReason } from '../protocol/outputs.ts'

/** Causes that are not simply a call that failed. */
const CODES: Readonly<Partial<Record<EndCause, ErrorCode>>> = {
  'auth-failed': 'DIAL_AUTH',
  'peer-hangup': 'DIAL_REFUSED',
  'peer-silent': 'DIAL_TIMEOUT',
  'retransmit-exhausted': 'DIAL_TIMEOUT',
}

/** Why a dial did not succeed, in the words of the RFC where the peer gave codes. */
export function dialError({ cause, text, resultCode, errorCode }: EndReason, peer: string): BurrowError {
  const codes = [
    ...(resultCode === undefined ? [] : [`result ${resultCode}`]),
    ...(errorCode === undefined ? [] : [`error ${errorCode}`]),
  ]
  const message = `${text ?? cause}${codes.length === 0 ? '' : ` (${codes.join(', ')})`}`
  return new BurrowError(CODES[cause] ?? 'DIAL_FAILED', message, { peer })
}
