/** What every packet says of us (RFC 2865 5.32) and of the session that it is about: how the call came in, by which tunnel. */
import { hostname } from 'node:os'
import { MOST_RADIUS_VALUE_BYTES, type RadiusAttribute, radiusText, type SessionInfo } from 'burrow'
import { sameForm } from './ipv6.ts'

/** As whom we speak, and what is taken for the caller. */
export interface IdentityOptions {
  /** Default: the name of the host. */
  readonly nasIdentifier?: string
  /** An IPv4 address; absent: not sent, and servers go by NAS-Identifier, or by where the packet comes from. */
  readonly nasIpAddress?: string
  /** An IPv6 address; absent: not sent. */
  readonly nasIpv6Address?: string
  /** What Calling-Station-Id tells: the outer address of the peer (default), or its Calling Number AVP. */
  readonly callingStationId?: 'address' | 'number'
}

/** One octet may be a tag (RFC 2868 3). */
const MOST_TEXT_BYTES = MOST_RADIUS_VALUE_BYTES - 1

/** Who we are: of every packet, and alone where no session is spoken of (Accounting-On, Status-Server). */
export function nasAttributes({
  nasIdentifier = hostname(),
  nasIpAddress,
  nasIpv6Address,
}: IdentityOptions): readonly RadiusAttribute[] {
  return present({
    'NAS-Identifier': nasIdentifier,
    'NAS-IP-Address': nasIpAddress,
    'NAS-IPv6-Address': nasIpv6Address && sameForm(nasIpv6Address),
  })
}

/**
 * Who we are, and everything that we know of a call. Text that the peer sent goes as it is, cut to what an attribute
 * holds; what it did not send, or sent empty, is left out.
 */
export function sessionAttributes(
  session: SessionInfo,
  options: IdentityOptions,
): readonly RadiusAttribute[] {
  const { tunnel, localSessionId, callSerialNumber, callingNumber, calledNumber } = session
  const { local, remote } = tunnel.path
  return [
    ...nasAttributes(options),
    ...present({
      'NAS-Port': nasPort(session),
      'NAS-Port-Id': `l2tp ${tunnel.localTunnelId}/${localSessionId}`,
      'NAS-Port-Type': 'Virtual',
      'Service-Type': 'Framed-User',
      'Framed-Protocol': 'PPP',
      'Calling-Station-Id': options.callingStationId === 'number' ? callingNumber : remote.address,
      'Called-Station-Id': isSaid(calledNumber) ? calledNumber : local.address,
      'Tunnel-Type': 'L2TP',
      'Tunnel-Medium-Type': local.address.includes(':') ? 'IPv6' : 'IPv4',
      'Tunnel-Client-Endpoint': remote.address,
      'Tunnel-Server-Endpoint': local.address,
      'Tunnel-Client-Auth-Id': tunnel.peerHostName,
      'Acct-Tunnel-Connection': String(callSerialNumber),
      'Acct-Session-Id': session.id,
      'Connect-Info': connectInfo(session),
    }),
  ]
}

/** 32 bits: our Tunnel ID above our Session ID, so that each of the calls that are up has a port of its own. */
export function nasPort({ tunnel, localSessionId }: SessionInfo): number {
  return ((tunnel.localTunnelId << 16) | localSessionId) >>> 0
}

/** RFC 2869 5.11: the speeds of the connection, towards the caller first. */
function connectInfo({ txConnectSpeedBps }: SessionInfo): string | undefined {
  return txConnectSpeedBps === undefined || txConnectSpeedBps === 0 ? undefined : `${txConnectSpeedBps} L2TP`
}

const isSaid = (text: string | undefined): text is string => text !== undefined && text !== ''

function present(values: Readonly<Record<string, string | number | undefined>>): readonly RadiusAttribute[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === ''
      ? []
      : [{ name, value: typeof value === 'string' ? radiusText(value, MOST_TEXT_BYTES) : value }],
  )
}
