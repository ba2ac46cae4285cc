/** The packet types of RFC 2865 3, 2866 3, 5176 2.3 and 5997, and what may answer which. */
import type { RadiusCode } from 'burrow'

interface Code {
  readonly number: number
  /** Of requests: whether their authenticator is chance or a digest of the packet. */
  readonly authenticator?: 'random' | 'digest'
  /** Of requests: what may answer them. */
  readonly replies?: readonly RadiusCode[]
}

export const CODES: Readonly<Record<RadiusCode, Code>> = {
  'Access-Request': {
    number: 1,
    authenticator: 'random',
    replies: ['Access-Accept', 'Access-Reject', 'Access-Challenge'],
  },
  'Access-Accept': { number: 2 },
  'Access-Reject': { number: 3 },
  'Accounting-Request': { number: 4, authenticator: 'digest', replies: ['Accounting-Response'] },
  'Accounting-Response': { number: 5 },
  'Access-Challenge': { number: 11 },
  // RFC 5997 3: as the port that was asked answers.
  'Status-Server': {
    number: 12,
    authenticator: 'random',
    replies: ['Access-Accept', 'Accounting-Response'],
  },
  'Disconnect-Request': {
    number: 40,
    authenticator: 'digest',
    replies: ['Disconnect-ACK', 'Disconnect-NAK'],
  },
  'Disconnect-ACK': { number: 41 },
  'Disconnect-NAK': { number: 42 },
  'CoA-Request': { number: 43, authenticator: 'digest', replies: ['CoA-ACK', 'CoA-NAK'] },
  'CoA-ACK': { number: 44 },
  'CoA-NAK': { number: 45 },
}

const NAMES = new Map((Object.keys(CODES) as RadiusCode[]).map(name => [CODES[name].number, name]))

export function codeNamed(number: number): RadiusCode | undefined {
  return NAMES.get(number)
}
