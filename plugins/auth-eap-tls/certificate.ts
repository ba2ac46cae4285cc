/** Whose a certificate is. */
import type { X509Certificate } from 'node:crypto'
import type { Options } from './config.ts'

type Kind = Options['names'][number]

/** In the order of `kinds`, then of the certificate. */
export function namesOf(
  { subject, subjectAltName }: Pick<X509Certificate, 'subject' | 'subjectAltName'>,
  kinds: readonly Kind[],
): readonly string[] {
  return kinds.flatMap(kind => NAMES[kind](subject, subjectAltName ?? ''))
}

const NAMES: Readonly<Record<Kind, (subject: string, alternatives: string) => readonly string[]>> = {
  email: (_subject, alternatives) => among(alternatives, 'email:'),
  dns: (_subject, alternatives) => among(alternatives, 'DNS:'),
  // One attribute a line; what has several values in one line is nobody's name.
  cn: subject => (subject ?? '').split('\n').flatMap(line => (line.startsWith('CN=') ? [line.slice(3)] : [])),
}

/** `email:a@b, DNS:c`; what would have to be quoted stands in quotes, and is no name that we take. */
const among = (alternatives: string, prefix: string): readonly string[] =>
  alternatives
    .split(', ')
    .flatMap(one => (one.startsWith(prefix) && !one.includes('"') ? [one.slice(prefix.length)] : []))
