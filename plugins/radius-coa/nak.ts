/** Why a request is not carried out (RFC 5176 3.5). */
export const ERROR_CAUSE = {
  unsupportedAttribute: 401,
  missingAttribute: 402,
  nasIdentificationMismatch: 403,
  invalidRequest: 404,
  unsupportedService: 405,
  invalidAttributeValue: 407,
  administrativelyProhibited: 501,
  sessionContextNotFound: 503,
  sessionContextNotRemovable: 504,
  resourcesUnavailable: 506,
  multipleSessionSelectionUnsupported: 508,
} as const

export interface Nak {
  readonly cause: keyof typeof ERROR_CAUSE
  /** For the log. */
  readonly why: string
}

export const nak = (cause: Nak['cause'], why: string): Nak => ({ cause, why })
export const isNak = (value: object): value is Nak => 'cause' in value && 'why' in value
