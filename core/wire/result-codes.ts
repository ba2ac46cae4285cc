/** Result, error and cause codes with the text that an operator reads (RFC 2661 4.4.2, RFC 3145). */

/** StopCCN result codes. */
export const STOPCCN_RESULTS = {
  1: 'general request to clear the control connection',
  2: 'general error',
  3: 'control channel already exists',
  4: 'requester is not authorized to establish a control channel',
  5: 'protocol version not supported',
  6: 'requester is being shut down',
  7: 'finite state machine error',
} as const

/** CDN result codes. */
export const CDN_RESULTS = {
  1: 'call disconnected due to loss of carrier',
  2: 'call disconnected for the reason in the error code',
  3: 'call disconnected for administrative reasons',
  4: 'no appropriate facilities available (temporary)',
  5: 'no appropriate facilities available (permanent)',
  6: 'invalid destination',
  7: 'no carrier detected',
  8: 'busy signal detected',
  9: 'no dial tone',
  10: 'call was not established within the time allotted by the LAC',
  11: 'no appropriate framing detected',
} as const

export const GENERAL_ERRORS = {
  0: 'no general error',
  1: 'no control connection exists yet',
  2: 'length is wrong',
  3: 'a field value is out of range or a reserved field is not zero',
  4: 'insufficient resources',
  5: 'invalid session id',
  6: 'vendor-specific error',
  7: 'try another LNS',
  8: 'an unknown AVP or message with the M bit set',
} as const

/** The codes that Burrow sends, by name. */
export const STOPCCN = {
  clear: 1,
  generalError: 2,
  alreadyExists: 3,
  notAuthorized: 4,
  badVersion: 5,
  shuttingDown: 6,
  fsmError: 7,
} as const satisfies Record<string, keyof typeof STOPCCN_RESULTS>

export const CDN = {
  carrierLost: 1,
  generalError: 2,
  administrative: 3,
  temporaryShortage: 4,
  permanentShortage: 5,
  invalidDestination: 6,
  notInTime: 10,
} as const satisfies Record<string, keyof typeof CDN_RESULTS>

export const ERROR = {
  none: 0,
  noControlConnection: 1,
  badLength: 2,
  badValue: 3,
  noResources: 4,
  badSessionId: 5,
  vendor: 6,
  tryAnother: 7,
  unknownMandatory: 8,
} as const satisfies Record<string, keyof typeof GENERAL_ERRORS>

/** RFC 3145 section 3: global, LCP, authentication, NCP. */
export const PPP_DISCONNECT_CAUSES = {
  0: 'no information available',
  1: 'administrative disconnect',
  2: 'LCP renegotiation is disabled and no proxy LCP information was sent',
  3: 'normal disconnection, LCP Terminate-Request sent',
  4: 'compulsory encryption was refused',
  5: 'LCP: timed out',
  6: 'LCP: no recognisable packets were received',
  7: 'LCP: magic number error, the link is possibly looped back',
  8: 'LCP: echo requests went unanswered',
  9: 'LCP: unexpected endpoint discriminator for the bundle',
  10: 'LCP: unexpected MRRU for the bundle',
  11: 'LCP: unexpected short sequence number option for the bundle',
  12: 'compulsory callback was refused',
  13: 'authentication: timed out',
  14: 'authentication: unexpected name for the bundle',
  15: 'authentication: protocol unacceptable',
  16: 'authentication: bad name, password or secret',
  17: 'NCP: timed out',
  18: 'NCP: none available or opened',
  19: 'NCP: no acceptable addresses',
  20: 'NCP: the user may not use any address',
} as const

/** Text of a result and error code of StopCCN or CDN, for a log line. Unknown codes are shown as numbers. */
export function describeResult(message: 'StopCCN' | 'CDN', result: number, error?: number): string {
  const results: Readonly<Record<number, string>> = message === 'StopCCN' ? STOPCCN_RESULTS : CDN_RESULTS
  const errors: Readonly<Record<number, string>> = GENERAL_ERRORS
  const head = `${result} (${results[result] ?? 'unknown result'})`
  return error === undefined || error === 0
    ? head
    : `${head}, error ${error} (${errors[error] ?? 'unknown error'})`
}
