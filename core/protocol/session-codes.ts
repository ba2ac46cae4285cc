/** What a CDN says for each of our reasons: result and error code (RFC 2661 4.4.2), PPP cause (RFC 3145). */
import type { PppDisconnectCause } from '../wire/avp-values.ts'
import { CDN, ERROR } from '../wire/result-codes.ts'
import type { EndCause, EndReason } from './outputs.ts'

interface Codes {
  readonly result: number
  readonly error?: number
  /** RFC 3145 code. */
  readonly ppp?: number
}

const CODES: Readonly<Record<EndCause, Codes>> = {
  'peer-hangup': { result: CDN.carrierLost, ppp: 3 },
  'local-hangup': { result: CDN.administrative, ppp: 3 },
  shutdown: { result: CDN.administrative, ppp: 1 },
  'peer-silent': { result: CDN.carrierLost, ppp: 8 },
  'retransmit-exhausted': { result: CDN.carrierLost },
  'protocol-error': { result: CDN.generalError, error: ERROR.badValue },
  'not-admitted': { result: CDN.administrative },
  'auth-failed': { result: CDN.administrative, ppp: 16 },
  'not-authorized': { result: CDN.administrative, ppp: 16 },
  'no-address': { result: CDN.temporaryShortage, error: ERROR.noResources, ppp: 19 },
  'policy-denied': { result: CDN.administrative, ppp: 1 },
  replaced: { result: CDN.administrative, ppp: 1 },
  'ppp-failed': { result: CDN.carrierLost, ppp: 5 },
  'tunnel-closed': { result: CDN.carrierLost },
  'tie-lost': { result: CDN.carrierLost },
  'no-resources': { result: CDN.temporaryShortage, error: ERROR.noResources },
  'session-timeout': { result: CDN.administrative, ppp: 3 },
  'idle-timeout': { result: CDN.administrative, ppp: 3 },
  'admin-reset': { result: CDN.administrative, ppp: 1 },
  'protection-lost': { result: CDN.carrierLost },
}

export interface DisconnectCodes {
  readonly result: number
  readonly error?: number
  readonly message?: string
  readonly pppCause?: PppDisconnectCause
}

/** A hook that denies may name the general error that the peer is told. */
export function disconnectCodes({ cause, pppCause, errorCode }: EndReason): DisconnectCodes {
  const codes = CODES[cause]
  const usual = errorCode === undefined || errorCode === codes.error
  const result = usual ? codes.result : CDN.generalError
  const error = errorCode ?? codes.error
  const code = pppCause ?? codes.ppp
  return {
    result,
    ...(error === undefined ? {} : { error }),
    // Direction 0 and no message: what our log says of the user is not the peer's to read.
    ...(code === undefined ? {} : { pppCause: { code, protocol: 0, direction: 0, message: '' } }),
  }
}
