import { BurrowError, type ErrorCode } from '../errors.ts'
import type { EndCause, EndReason, Event } from '../protocol/outputs.ts'
import { describeResult } from '../wire/result-codes.ts'

/** Causes that are not simply a call that failed. */
const CODES: Readonly<Partial<Record<EndCause, ErrorCode>>> = {
  'auth-failed': 'DIAL_AUTH',
  // Our own refusal of the peer: it asks for a tunnel secret that we do not have, or does not know ours.
  'not-admitted': 'DIAL_AUTH',
  'peer-hangup': 'DIAL_REFUSED',
  'peer-silent': 'DIAL_TIMEOUT',
  'retransmit-exhausted': 'DIAL_TIMEOUT',
}

const SAID: Readonly<Partial<Record<EndCause, string>>> = {
  'retransmit-exhausted': 'the peer does not answer',
  'peer-silent': 'the peer has gone silent',
}

/** How a call ended: with which of the two messages, and why. */
export interface CallEnd {
  readonly message: 'CDN' | 'StopCCN'
  readonly reason: EndReason
}

/** The end of a client's only call as its events tell it; undefined while that is not the whole story. */
export function callEnd(event: Event): CallEnd | undefined {
  if (event.kind === 'tunnelDown') return { message: 'StopCCN', reason: event.reason }
  // The tunnel's own end says more.
  if (event.kind !== 'sessionDown' || event.reason.cause === 'tunnel-closed') return undefined
  return { message: 'CDN', reason: event.reason }
}

/** Why a dial did not succeed, in the words of the RFC where there were codes. */
export function dialError({ message, reason }: CallEnd, peer: string): BurrowError {
  const { cause, text = SAID[cause] ?? cause, resultCode, errorCode } = reason
  const code = CODES[cause] ?? 'DIAL_FAILED'
  if (code !== 'DIAL_REFUSED' || resultCode === undefined) return new BurrowError(code, text, { peer })
  const described = describeResult(message, resultCode, errorCode)
  const codes = errorCode === undefined ? `result ${resultCode}` : `result ${resultCode}, error ${errorCode}`
  const more = text.startsWith(described) ? text : `${described}; ${text}`
  return new BurrowError(code, `${message} (${codes}): ${more}`, { peer })
}
