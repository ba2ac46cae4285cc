/** What an answer says beside the grant. */
import type { RadiusAttribute, RadiusOutcome, RadiusValue } from 'burrow'

export type Reply = Extract<RadiusOutcome, { kind: 'reply' }>
type Attributes = Reply['attributes']

const valuesOf = (attributes: Attributes, name: string): readonly RadiusValue[] =>
  attributes.flatMap((attribute: RadiusAttribute) => (attribute.name === name ? [attribute.value] : []))

const bytesOf = (value: RadiusValue | undefined): Buffer =>
  Buffer.from(value instanceof Uint8Array ? value : String(value ?? ''))

/** For the peer, where it can be shown (RFC 2865 5.18). */
export function messageOf(attributes: Attributes): string | undefined {
  const said = valuesOf(attributes, 'Reply-Message').map(String).join('\n')
  return said === '' ? undefined : said
}

/** Another name for the user from here on (RFC 2865 5.1). */
export function nameOf(attributes: Attributes): string | undefined {
  const [name] = valuesOf(attributes, 'User-Name')
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** In hex; empty ones are States, too. */
export function stateOf(attributes: Attributes): string | undefined {
  const [state] = valuesOf(attributes, 'State')
  return state === undefined ? undefined : bytesOf(state).toString('hex')
}

const EAP_CODES: Readonly<Record<number, 'request' | 'success' | 'failure'>> = {
  1: 'request',
  3: 'success',
  4: 'failure',
}

/** The server's EAP packet (RFC 3579 3.1), whole. */
export function eapOf(
  attributes: Attributes,
): { readonly kind: 'request' | 'success' | 'failure' | 'other'; readonly packet: Uint8Array } | undefined {
  const [message] = valuesOf(attributes, 'EAP-Message')
  if (message === undefined) return undefined
  const packet = new Uint8Array(bytesOf(message))
  return { kind: EAP_CODES[packet[0] ?? 0] ?? 'other', packet }
}

/** `S=...` (RFC 2759 5), behind the identifier that the server puts in front (RFC 2548 2.3.3). */
export function successOf(attributes: Attributes): string | undefined {
  const [success] = valuesOf(attributes, 'MS-CHAP2-Success')
  return /S=[0-9A-F]{40}(?: .*)?$/is.exec(bytesOf(success).toString('latin1'))?.[0]
}

/** `E=...` (RFC 2759 6), likewise (RFC 2548 2.1.5). */
export function errorOf(attributes: Attributes): string | undefined {
  const [error] = valuesOf(attributes, 'MS-CHAP-Error')
  return /E=\d{1,10}(?: .*)?$/s.exec(bytesOf(error).toString('latin1'))?.[0]
}
