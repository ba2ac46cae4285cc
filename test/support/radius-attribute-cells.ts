/**
 * What becomes of each RADIUS attribute in each direction, as a table: the tests of `radius-attributes.test.ts` are made from it, and
 * the page docs/radius-attributes.md. Where there is nothing, `radius-attribute-absent.ts` says why.
 */
import type { Grant } from '../../core/protocol/outputs.ts'

export const DIRECTIONS = [
  'Access-Request',
  'Access-Challenge',
  'Access-Accept',
  'Access-Reject',
  'Accounting-Request',
  'Disconnect-Request',
  'CoA-Request',
  'ACK or NAK',
] as const

export type Direction = (typeof DIRECTIONS)[number]

/** The name of a test. */
export const named = (attribute: string, direction: Direction): string =>
  `${attribute} in ${direction.startsWith('A') ? 'an' : 'a'} ${direction}`

/** Sent in a login; the logins differ in how the user proves itself. */
export interface Requested {
  readonly login: 'pap' | 'chap' | 'mschapv2' | 'eap' | 'challenge'
  /** As FreeRADIUS writes it down. */
  readonly said: string | RegExp
}

/** What FreeRADIUS gives a user, and what comes of it. */
export interface Accepted {
  readonly reply: readonly string[]
  readonly grant?: Partial<Grant>
  /** The name from then on, where it is another one. */
  readonly user?: string
  readonly message?: string
  /** The accept is a reject for it. */
  readonly refuses?: true
}

/** Of the session that radclient's request is about; `before` was carried out then. */
export interface Asked {
  readonly lines: readonly string[]
  readonly answer: string
  readonly cause?: string
  readonly grant?: Partial<Grant>
}

export const REQUESTED: Readonly<Record<string, Requested>> = {
  'User-Name': { login: 'pap', said: 'hb@hb' },
  'User-Password': { login: 'pap', said: 'admin@123' },
  'CHAP-Password': { login: 'chap', said: /^0x[0-9a-f]{34}$/ },
  'CHAP-Challenge': { login: 'chap', said: /^0x[0-9a-f]{32,}$/ },
  'MS-CHAP-Challenge': { login: 'mschapv2', said: /^0x[0-9a-f]{32}$/ },
  'MS-CHAP2-Response': { login: 'mschapv2', said: /^0x[0-9a-f]{100}$/ },
  'EAP-Message': { login: 'eap', said: /^0x02/ },
  'Framed-MTU': { login: 'eap', said: '1490' },
  State: { login: 'challenge', said: /^0x[0-9a-f]+$/ },
  'Chargeable-User-Identity': { login: 'pap', said: '0x00' },
  'NAS-Identifier': { login: 'pap', said: 'lns1' },
  'NAS-IP-Address': { login: 'pap', said: '192.0.2.7' },
  'NAS-IPv6-Address': { login: 'pap', said: '2001:db8::7' },
  'NAS-Port': { login: 'pap', said: '65613' },
  'NAS-Port-Id': { login: 'pap', said: 'l2tp 1/77' },
  'NAS-Port-Type': { login: 'pap', said: 'Virtual' },
  'Service-Type': { login: 'pap', said: 'Framed-User' },
  'Framed-Protocol': { login: 'pap', said: 'PPP' },
  'Calling-Station-Id': { login: 'pap', said: '1.1.1.1' },
  'Called-Station-Id': { login: 'pap', said: '0800' },
  'Tunnel-Type': { login: 'pap', said: 'L2TP' },
  'Tunnel-Medium-Type': { login: 'pap', said: 'IPv4' },
  'Tunnel-Client-Endpoint': { login: 'pap', said: '1.1.1.1' },
  'Tunnel-Server-Endpoint': { login: 'pap', said: '2.2.2.2' },
  'Tunnel-Client-Auth-Id': { login: 'pap', said: 'LAC' },
  'Acct-Tunnel-Connection': { login: 'pap', said: '4711' },
  'Acct-Session-Id': { login: 'pap', said: /^[0-9a-f]{16}$/ },
  'Connect-Info': { login: 'pap', said: '10000000 L2TP' },
  'Message-Authenticator': { login: 'pap', said: /^0x[0-9a-f]{32}$/ },
}

export const ACCEPTED: Readonly<Record<string, Accepted>> = {
  'User-Name': { reply: ['User-Name = "horst"'], user: 'horst' },
  'Service-Type': { reply: ['Service-Type = Login-User'], refuses: true },
  'Framed-Protocol': { reply: ['Framed-Protocol = SLIP'], refuses: true },
  'Framed-IP-Address': { reply: ['Framed-IP-Address = 172.16.3.33'], grant: { address: '172.16.3.33' } },
  'Framed-IP-Netmask': {
    reply: ['Framed-IP-Address = 172.16.3.33', 'Framed-IP-Netmask = 255.255.255.252'],
    grant: { address: '172.16.3.33', routes: ['172.16.3.32/30'] },
  },
  'Filter-Id': { reply: ['Filter-Id = "web"'], grant: { filter: 'web' } },
  'Framed-MTU': { reply: ['Framed-MTU = 1300'], grant: { mtuBytes: 1300 } },
  'Reply-Message': { reply: ['Reply-Message = "Welcome"'], message: 'Welcome' },
  'Callback-Number': { reply: ['Callback-Number = "123"'], refuses: true },
  'Callback-Id': { reply: ['Callback-Id = "home"'], refuses: true },
  'Framed-Route': {
    reply: ['Framed-Route = "192.168.7.0/24 0.0.0.0 1"'],
    grant: { routes: ['192.168.7.0/24'] },
  },
  Class: { reply: ['Class = 0x00ff', 'Class += 0x01'], grant: { classes: ['00ff', '01'] } },
  'Chargeable-User-Identity': {
    reply: ['Chargeable-User-Identity = 0x6862'],
    grant: { chargeableIdentity: '6862' },
  },
  'Session-Timeout': { reply: ['Session-Timeout = 3600'], grant: { sessionTimeoutS: 3600 } },
  'Idle-Timeout': { reply: ['Idle-Timeout = 600'], grant: { idleTimeoutS: 600 } },
  'Termination-Action': { reply: ['Termination-Action = RADIUS-Request'] },
  'Port-Limit': { reply: ['Port-Limit = 2'], grant: { maxSessions: 2 } },
  'Acct-Interim-Interval': { reply: ['Acct-Interim-Interval = 300'], grant: { interimIntervalS: 300 } },
  'Framed-Pool': { reply: ['Framed-Pool = "staff"'], grant: { pool: 'staff' } },
  'Framed-IPv6-Prefix': {
    reply: ['Framed-IPv6-Prefix = 2001:db8:1::/64'],
    grant: { ipv6Prefix: '2001:db8:1::/64' },
  },
  'Framed-IPv6-Pool': { reply: ['Framed-IPv6-Pool = "six"'], grant: { ipv6Pool: 'six' } },
  'Delegated-IPv6-Prefix': {
    reply: ['Delegated-IPv6-Prefix = 2001:db8:1:100::/56'],
    grant: { delegatedPrefix: '2001:db8:1:100::/56' },
  },
  'DNS-Server-IPv6-Address': {
    reply: ['DNS-Server-IPv6-Address = 2001:db8::53'],
    grant: { dns6: ['2001:db8::53'] },
  },
  'NAS-Filter-Rule': { reply: ['NAS-Filter-Rule = "permit in ip from any to any"'], refuses: true },
  'MS-Primary-DNS-Server': {
    reply: ['MS-Primary-DNS-Server = 192.0.2.53'],
    grant: { dns: ['192.0.2.53'] },
  },
  'MS-Secondary-DNS-Server': {
    reply: ['MS-Secondary-DNS-Server = 192.0.2.54', 'MS-Primary-DNS-Server = 192.0.2.53'],
    grant: { dns: ['192.0.2.53', '192.0.2.54'] },
  },
  'MS-Primary-NBNS-Server': {
    reply: ['MS-Primary-NBNS-Server = 192.0.2.55'],
    grant: { nbns: ['192.0.2.55'] },
  },
  'MS-Secondary-NBNS-Server': {
    reply: ['MS-Secondary-NBNS-Server = 192.0.2.56', 'MS-Primary-NBNS-Server = 192.0.2.55'],
    grant: { nbns: ['192.0.2.55', '192.0.2.56'] },
  },
  'MS-Filter': { reply: ['MS-Filter = 0x00'], refuses: true },
  'MS-MPPE-Encryption-Policy': {
    reply: ['MS-MPPE-Encryption-Policy = Encryption-Required'],
    refuses: true,
  },
  'Tunnel-Type': { reply: ['Tunnel-Type = PPTP'], refuses: true },
  'Tunnel-Medium-Type': { reply: ['Tunnel-Medium-Type = IPv6'], refuses: true },
  'Tunnel-Client-Endpoint': { reply: ['Tunnel-Client-Endpoint = "9.9.9.9"'], refuses: true },
  'Tunnel-Server-Endpoint': { reply: ['Tunnel-Server-Endpoint = "9.9.9.9"'], refuses: true },
  'Tunnel-Client-Auth-Id': { reply: ['Tunnel-Client-Auth-Id = "other"'], refuses: true },
  'Mikrotik-Rate-Limit': {
    reply: ['Mikrotik-Rate-Limit = "2M/10M"'],
    grant: { upRateBps: 2_000_000, downRateBps: 10_000_000 },
  },
  'WISPr-Bandwidth-Max-Up': {
    reply: ['WISPr-Bandwidth-Max-Up = 1000000'],
    grant: { upRateBps: 1_000_000 },
  },
  'WISPr-Bandwidth-Max-Down': {
    reply: ['WISPr-Bandwidth-Max-Down = 2000000'],
    grant: { downRateBps: 2_000_000 },
  },
  'Cisco-AVPair ip:addr-pool': { reply: ['Cisco-AVPair = "ip:addr-pool=staff"'], grant: { pool: 'staff' } },
  'Cisco-AVPair ip:route': {
    reply: ['Cisco-AVPair = "ip:route=192.168.9.0 255.255.255.0"'],
    grant: { routes: ['192.168.9.0/24'] },
  },
  'Cisco-AVPair ip:dns-servers': {
    reply: ['Cisco-AVPair = "ip:dns-servers=192.0.2.57"'],
    grant: { dns: ['192.0.2.57'] },
  },
  'Cisco-AVPair ip:inacl': { reply: ['Cisco-AVPair = "ip:inacl=web"'], grant: { filter: 'web' } },
  'Cisco-AVPair ip:inacl#': { reply: ['Cisco-AVPair = "ip:inacl#1=permit ip any any"'], refuses: true },
  'Cisco-AVPair lcp:interface-config': {
    reply: [
      'Cisco-AVPair = "lcp:interface-config=rate-limit input 1000000 8000 8000 conform-action transmit exceed-action drop"',
    ],
    grant: { upRateBps: 1_000_000 },
  },
}

/** What FreeRADIUS says when it goes on with a challenge, or rejects, and how the verdict tells it. */
export const UNDECIDED: Readonly<
  Record<'Access-Challenge' | 'Access-Reject', Readonly<Record<string, RegExp>>>
> = {
  'Access-Challenge': { 'Reply-Message': /reply: 'the code\?'/, State: /state: '[0-9a-f]{8,}'/ },
  'Access-Reject': { 'Reply-Message': /message: 'Out of money'/ },
}

/** In these Message-Authenticator is required. */
export const SIGNED = ['Access-Challenge', 'Access-Accept', 'Access-Reject'] as const

/** As FreeRADIUS writes it into its detail file, in the Stop. */
export const ACCOUNTED: Readonly<Record<string, string | RegExp>> = {
  'Acct-Status-Type': 'Stop',
  'Event-Timestamp': /^[A-Z][a-z]{2} [ \d]\d 20\d\d /,
  'Acct-Session-Id': '00112233445566ff',
  'User-Name': 'hb@hb',
  'Service-Type': 'Framed-User',
  'Framed-Protocol': 'PPP',
  'Framed-IP-Address': '172.16.1.51',
  'Framed-IPv6-Prefix': '2001:db8:1:33::/64',
  'Delegated-IPv6-Prefix': '2001:db8:a::/56',
  'Chargeable-User-Identity': '0x6862',
  'Acct-Authentic': 'RADIUS',
  Class: '0x00ff,0x61',
  'Acct-Session-Time': '61',
  'Acct-Input-Octets': '5',
  'Acct-Input-Gigawords': '1',
  'Acct-Input-Packets': '12',
  'Acct-Output-Octets': '4294967295',
  'Acct-Output-Gigawords': '2097151',
  'Acct-Output-Packets': '34',
  'Acct-Terminate-Cause': 'Idle-Timeout',
  'Acct-Delay-Time': '0',
  'NAS-Identifier': 'lns1',
  'NAS-IP-Address': '192.0.2.7',
  'NAS-IPv6-Address': '2001:db8::7',
  'NAS-Port': '65613',
  'NAS-Port-Id': 'l2tp 1/77',
  'NAS-Port-Type': 'Virtual',
  'Calling-Station-Id': '1.1.1.1',
  'Called-Station-Id': '0800',
  'Tunnel-Type': 'L2TP',
  'Tunnel-Medium-Type': 'IPv4',
  'Tunnel-Client-Endpoint': '1.1.1.1',
  'Tunnel-Server-Endpoint': '2.2.2.2',
  'Tunnel-Client-Auth-Id': 'LAC',
  'Acct-Tunnel-Connection': '4711',
  'Connect-Info': '10000000 L2TP',
  'Message-Authenticator': /^0x[0-9a-f]{32}$/,
}

const NAK = { answer: 'NAK' } as const
const ACK = { answer: 'ACK' } as const

/** What a session is known by. A value that fits none comes first, in the test: `other`. */
export const IDENTIFIES: Readonly<Record<string, { readonly other: string; readonly never?: true }>> = {
  'Acct-Session-Id': { other: '"0000000000000000"' },
  'User-Name': { other: '"eve"' },
  'Framed-IP-Address': { other: '172.16.1.99' },
  'Framed-IPv6-Prefix': { other: '2001:db8:1:34::/64' },
  'Delegated-IPv6-Prefix': { other: '2001:db8:b::/56' },
  'Chargeable-User-Identity': { other: '0x00' },
  'NAS-Port': { other: '7' },
  'NAS-Port-Id': { other: '"l2tp 9/9"' },
  'NAS-Port-Type': { other: 'ISDN' },
  'Calling-Station-Id': { other: '"9.9.9.9"' },
  'Called-Station-Id': { other: '"9.9.9.9"' },
  // Never sent, so that it fits no session.
  'Acct-Multi-Session-Id': { other: '"1"', never: true },
  'Tunnel-Client-Endpoint': { other: '"9.9.9.9"' },
  'Tunnel-Server-Endpoint': { other: '"9.9.9.9"' },
  'Tunnel-Client-Auth-Id': { other: '"other"' },
  'Acct-Tunnel-Connection': { other: '"0"' },
  Class: { other: '0x09' },
}

const NOT_US = { ...NAK, cause: 'NAS-Identification-Mismatch' }

/** Beside `User-Name`, and of what it is held against. */
export const DISCONNECTED: Readonly<Record<string, readonly Asked[]>> = {
  'NAS-Identifier': [{ lines: ['NAS-Identifier = "other"'], ...NOT_US }],
  'NAS-IP-Address': [{ lines: ['NAS-IP-Address = 192.0.2.8'], ...NOT_US }],
  'NAS-IPv6-Address': [{ lines: ['NAS-IPv6-Address = 2001:db8::8'], ...NOT_US }],
  'Service-Type': [{ lines: ['Service-Type = Framed-User'], ...NAK, cause: 'Unsupported-Attribute' }],
  'Reply-Message': [{ lines: ['Reply-Message = "Bye"'], ...ACK }],
  'Event-Timestamp': [{ lines: ['Event-Timestamp = 1'], answer: 'none' }],
  'Proxy-State': [{ lines: ['Proxy-State = 0x0102'], ...ACK }],
  'Message-Authenticator': [{ lines: [], ...ACK }],
}

export const CHANGED: Readonly<Record<string, readonly Asked[]>> = {
  'NAS-Identifier': [{ lines: ['NAS-Identifier = "other"', 'Session-Timeout = 600'], ...NOT_US }],
  'NAS-IP-Address': [{ lines: ['NAS-IP-Address = 192.0.2.8', 'Session-Timeout = 600'], ...NOT_US }],
  'NAS-IPv6-Address': [{ lines: ['NAS-IPv6-Address = 2001:db8::8', 'Session-Timeout = 600'], ...NOT_US }],
  'Service-Type': [
    { lines: ['Service-Type = Authorize-Only'], ...NAK, cause: 'Unsupported-Service' },
    {
      lines: ['Service-Type = Framed-User', 'Session-Timeout = 600'],
      ...ACK,
      grant: { sessionTimeoutS: 600 },
    },
  ],
  'Reply-Message': [
    { lines: ['Reply-Message = "Hi"', 'Session-Timeout = 600'], ...NAK, cause: 'Unsupported-Attribute' },
  ],
  'Event-Timestamp': [{ lines: ['Event-Timestamp = 1', 'Session-Timeout = 600'], answer: 'none' }],
  'Proxy-State': [{ lines: ['Proxy-State = 0x0102', 'Session-Timeout = 600'], ...ACK }],
  'Message-Authenticator': [{ lines: ['Session-Timeout = 600'], ...ACK }],
  'Session-Timeout': [{ lines: ['Session-Timeout = 900'], ...ACK, grant: { sessionTimeoutS: 900 } }],
  'Idle-Timeout': [{ lines: ['Idle-Timeout = 60'], ...ACK, grant: { idleTimeoutS: 60 } }],
  'Acct-Interim-Interval': [
    { lines: ['Acct-Interim-Interval = 120'], ...ACK, grant: { interimIntervalS: 120 } },
  ],
  'Filter-Id': [{ lines: ['Filter-Id = "web"'], ...ACK, grant: { filter: 'web' } }],
  Class: [{ lines: ['Class = 0x0a', 'Class = 0x0b'], ...ACK, grant: { classes: ['0a', '0b'] } }],
  'Mikrotik-Rate-Limit': [
    {
      lines: ['Mikrotik-Rate-Limit = "1M/2M"'],
      ...ACK,
      grant: { upRateBps: 1_000_000, downRateBps: 2_000_000 },
    },
  ],
  'WISPr-Bandwidth-Max-Up': [
    { lines: ['WISPr-Bandwidth-Max-Up = 500000'], ...ACK, grant: { upRateBps: 500_000 } },
  ],
  'WISPr-Bandwidth-Max-Down': [
    { lines: ['WISPr-Bandwidth-Max-Down = 600000'], ...ACK, grant: { downRateBps: 600_000 } },
  ],
  'Cisco-AVPair lcp:interface-config': [
    {
      lines: [
        'Cisco-AVPair = "lcp:interface-config=rate-limit output 700000 8000 8000 conform-action transmit exceed-action drop"',
      ],
      ...ACK,
      grant: { downRateBps: 700_000 },
    },
  ],
  'Framed-Pool': [{ lines: ['Framed-Pool = "main"'], ...NAK, cause: 'Unsupported-Attribute' }],
}

/** In the answers of radius-coa, as radclient reads them. */
export const ANSWERED: Readonly<
  Record<string, { readonly kind: 'coa' | 'disconnect'; readonly asked: Asked; readonly said: RegExp }>
> = {
  'Error-Cause': {
    kind: 'coa',
    asked: { lines: ['Framed-Pool = "main"'], ...NAK, cause: 'Unsupported-Attribute' },
    said: /^Unsupported-Attribute$/,
  },
  'Acct-Terminate-Cause': { kind: 'disconnect', asked: { lines: [], ...ACK }, said: /^Admin-Reset$/ },
  'Event-Timestamp': {
    kind: 'disconnect',
    asked: { lines: [], ...ACK },
    said: /^[A-Z][a-z]{2} [ \d]\d 20\d\d /,
  },
  'Proxy-State': {
    kind: 'coa',
    asked: { lines: ['Proxy-State = 0x0102', 'Proxy-State = 0x03', 'Session-Timeout = 600'], ...ACK },
    said: /^0x0102,0x03$/,
  },
  'Message-Authenticator': {
    kind: 'disconnect',
    asked: { lines: ['Session-Timeout = 1'], ...NAK, cause: 'Unsupported-Attribute' },
    said: /^0x[0-9a-f]{32}$/,
  },
}

/** In a CoA-Request Class is what the session shall have from then on. */
export function identifying(
  direction: 'Disconnect-Request' | 'CoA-Request',
): readonly (readonly [string, (typeof IDENTIFIES)[string]])[] {
  return Object.entries(IDENTIFIES).filter(([name]) => direction !== 'CoA-Request' || name !== 'Class')
}

/** What has a test in `radius-attributes.test.ts`, by the name that `named` gives it. */
export const TESTED: Readonly<Record<Direction, readonly string[]>> = {
  'Access-Request': Object.keys(REQUESTED),
  'Access-Challenge': [...Object.keys(UNDECIDED['Access-Challenge']), 'Message-Authenticator'],
  'Access-Accept': [...Object.keys(ACCEPTED), 'Message-Authenticator'],
  'Access-Reject': [...Object.keys(UNDECIDED['Access-Reject']), 'Message-Authenticator'],
  'Accounting-Request': Object.keys(ACCOUNTED),
  'Disconnect-Request': [
    ...identifying('Disconnect-Request').map(([name]) => name),
    ...Object.keys(DISCONNECTED),
  ],
  'CoA-Request': [...identifying('CoA-Request').map(([name]) => name), ...Object.keys(CHANGED)],
  'ACK or NAK': Object.keys(ANSWERED),
}
