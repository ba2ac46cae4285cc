/** Which NAS, and which of its sessions, a request is about (RFC 5176 3): every attribute that says so must fit. */
import {
  type Lease,
  type RadiusAttribute,
  type RadiusClient,
  type RadiusValue,
  radiusText,
  type ServerView,
  type SessionUp,
} from 'burrow'

/** What is said of a session by an attribute of its own. */
type Told = (up: SessionUp, radius: RadiusClient) => readonly (RadiusValue | undefined)[]

/** Whatever radius-client tells of a session, a server may name it by. */
const asSent =
  (name: string): Told =>
  ({ session }, radius) =>
    radius.sessionAttributes(session).flatMap(one => (one.name === name ? [one.value] : []))

function leased(wanted: Lease['kind']): Told {
  return ({ leases }) => leases.flatMap(({ kind, value }) => (kind === wanted ? [value] : []))
}

const VIRTUAL = 5

/** The cheap ones first: a request is held against each session in this order. */
export const SESSION_ATTRIBUTES: Readonly<Record<string, Told>> = {
  'Acct-Session-Id': ({ session }) => [session.id],
  'User-Name': ({ session, grant }) => [grant.user, session.user].map(name => name && radiusText(name)),
  'Framed-IP-Address': ({ network }) => [network.peerAddress],
  'Framed-IPv6-Prefix': leased('ipv6-prefix'),
  'Delegated-IPv6-Prefix': leased('delegated-prefix'),
  'Chargeable-User-Identity': ({ grant: { chargeableIdentity: hex } }) => [
    hex === undefined ? hex : Buffer.from(hex, 'hex'),
  ],
  'NAS-Port-Type': () => [VIRTUAL],
  'NAS-Port': asSent('NAS-Port'),
  'NAS-Port-Id': asSent('NAS-Port-Id'),
  'Calling-Station-Id': asSent('Calling-Station-Id'),
  'Called-Station-Id': asSent('Called-Station-Id'),
  'Acct-Multi-Session-Id': asSent('Acct-Multi-Session-Id'),
  'Tunnel-Client-Endpoint': asSent('Tunnel-Client-Endpoint'),
  'Tunnel-Server-Endpoint': asSent('Tunnel-Server-Endpoint'),
  'Acct-Tunnel-Connection': asSent('Acct-Tunnel-Connection'),
  'Tunnel-Client-Auth-Id': asSent('Tunnel-Client-Auth-Id'),
}

/** In a CoA-Request, Class is what the session shall have from now on. */
export const DISCONNECT_ATTRIBUTES: typeof SESSION_ATTRIBUTES = {
  ...SESSION_ATTRIBUTES,
  Class: ({ grant }) => (grant.classes ?? []).map(hex => Buffer.from(hex, 'hex')),
}

export const NAS_ATTRIBUTES: Readonly<Record<string, { readonly isAddress: boolean }>> = {
  'NAS-Identifier': { isAddress: false },
  'NAS-IP-Address': { isAddress: true },
  'NAS-IPv6-Address': { isAddress: true },
}

/** Says too little by itself: nearly every session has it. */
const WEAK: ReadonlySet<string> = new Set(['NAS-Port-Type'])

export const identifies = (name: string): boolean => !WEAK.has(name)

/** Whether we are the NAS that the attribute names: as radius-client calls us, or by an address of this host. */
export function isUs({ name, value }: RadiusAttribute, radius: RadiusClient, server: ServerView): boolean {
  if (radius.nasAttributes.some(one => one.name === name && one.value === value)) return true
  return NAS_ATTRIBUTES[name]?.isAddress === true && server.ownAddresses().includes(String(value))
}

/** Whether a session is all that the attributes say; made once for a request, and asked of each session. */
export function fitting(
  asked: readonly RadiusAttribute[],
  rows: typeof SESSION_ATTRIBUTES,
  radius: RadiusClient,
): (up: SessionUp) => boolean {
  const named = Object.entries(rows).flatMap(([name, told]) => {
    const wanted = asked.filter(one => one.name === name)
    return wanted.length === 0 ? [] : [{ told, wanted }]
  })
  return up =>
    named.every(({ told, wanted }) => {
      const values = told(up, radius)
      return wanted.every(({ value }) => values.some(one => one !== undefined && isSame(one, value)))
    })
}

function isSame(a: RadiusValue, b: RadiusValue): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.from(a).equals(b) : a === b
}
