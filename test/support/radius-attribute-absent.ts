/** What has no test in `radius-attributes.test.ts`, in some direction: a test elsewhere, or a reason why there is none. */
import type { Direction } from './radius-attribute-cells.ts'

/** Tests of more than a value. */
export const ELSEWHERE: Readonly<
  Record<string, Partial<Record<Direction, { readonly file: string; readonly test: string }>>>
> = {
  'EAP-Message': {
    'Access-Challenge': {
      file: 'auth-radius-freeradius',
      test: 'EAP-TLS: a certificate in fragments, both ways, lets in',
    },
    'Access-Accept': {
      file: 'auth-radius-freeradius',
      test: 'EAP-TLS: a certificate in fragments, both ways, lets in',
    },
    'Access-Reject': {
      file: 'auth-radius-freeradius',
      test: 'EAP-TLS: a certificate of somebody else does not',
    },
  },
  'MS-CHAP2-Success': {
    'Access-Accept': {
      file: 'auth-radius-freeradius',
      test: 'MS-CHAPv2: what FreeRADIUS proves is what the peer expects, and its keys are nowhere',
    },
  },
  'MS-CHAP-Error': {
    'Access-Reject': {
      file: 'auth-radius-freeradius',
      test: 'MS-CHAPv2: FreeRADIUS says why it rejects, and the peer is told',
    },
  },
  'MS-MPPE-Send-Key': {
    'Access-Accept': {
      file: 'auth-radius-freeradius',
      test: 'MS-CHAPv2: the keys of FreeRADIUS are revealed as the RFC derives them, and go nowhere',
    },
  },
  'MS-MPPE-Recv-Key': {
    'Access-Accept': {
      file: 'auth-radius-freeradius',
      test: 'MS-CHAPv2: the keys of FreeRADIUS are revealed as the RFC derives them, and go nowhere',
    },
  },
}

// What an attribute is about; each stands in one of these lists.
const PROOFS = ['User-Password', 'CHAP-Password', 'CHAP-Challenge', 'MS-CHAP-Challenge', 'MS-CHAP2-Response']
const NAS = ['NAS-Identifier', 'NAS-IP-Address', 'NAS-IPv6-Address']
const CALL = [
  'NAS-Port',
  'NAS-Port-Id',
  'NAS-Port-Type',
  'Calling-Station-Id',
  'Called-Station-Id',
  'Acct-Tunnel-Connection',
  'Acct-Session-Id',
]
const TUNNEL = ['Tunnel-Client-Endpoint', 'Tunnel-Server-Endpoint', 'Tunnel-Client-Auth-Id']
const KIND = ['Framed-Protocol', 'Tunnel-Type', 'Tunnel-Medium-Type']
const WHO = ['User-Name', 'Chargeable-User-Identity', 'Service-Type', 'Framed-IP-Address', 'Class']
const KEYS = ['MS-MPPE-Encryption-Policy', 'MS-MPPE-Send-Key', 'MS-MPPE-Recv-Key']
const PREFIXES = ['Framed-IPv6-Prefix', 'Delegated-IPv6-Prefix']
/** Granted for as long as the session is. */
const FIXED = [
  'Framed-IP-Netmask',
  'Callback-Number',
  'Port-Limit',
  'DNS-Server-IPv6-Address',
  'MS-Primary-DNS-Server',
  'MS-Secondary-DNS-Server',
  'MS-Primary-NBNS-Server',
  'MS-Secondary-NBNS-Server',
  'MS-Filter',
  'Cisco-AVPair ip:addr-pool',
  'Cisco-AVPair ip:route',
  'Cisco-AVPair ip:dns-servers',
  'Cisco-AVPair ip:inacl',
  'Cisco-AVPair ip:inacl#',
]
/** Likewise, and of these no request can tell a wish. */
const FIXED_BY_SERVER = [
  'Callback-Id',
  'Framed-Route',
  'Termination-Action',
  'Framed-IPv6-Pool',
  'NAS-Filter-Rule',
]
const RATES = [
  'Mikrotik-Rate-Limit',
  'WISPr-Bandwidth-Max-Up',
  'WISPr-Bandwidth-Max-Down',
  'Cisco-AVPair lcp:interface-config',
]
const TIMES = ['Session-Timeout', 'Idle-Timeout']
const CHANGEABLE = ['Filter-Id', 'Acct-Interim-Interval', 'Framed-Pool']
const USAGE = [
  'Acct-Status-Type',
  'Acct-Authentic',
  'Acct-Session-Time',
  'Acct-Input-Octets',
  'Acct-Input-Gigawords',
  'Acct-Input-Packets',
  'Acct-Output-Octets',
  'Acct-Output-Gigawords',
  'Acct-Output-Packets',
  'Acct-Delay-Time',
]
const ACCOUNTING = [...USAGE, 'Acct-Terminate-Cause', 'Event-Timestamp', 'Acct-Multi-Session-Id']
const GRANTED = [...FIXED, ...FIXED_BY_SERVER, ...RATES, ...CHANGEABLE]
const OF_A_CALL = [...NAS, ...CALL, 'Connect-Info']

/** Why there is nothing in a direction, with all the attributes that it is so for. */
export const ABSENT: readonly {
  readonly direction: Direction
  readonly why: string
  readonly names: readonly string[]
}[] = [
  {
    direction: 'Access-Request',
    why: 'the RFCs have it in answers alone (RFC 2865 5.44, RFC 2869 5.19, RFC 3162 3, RFC 4849, RFC 2548)',
    names: [
      ...['Filter-Id', 'Acct-Interim-Interval', 'Framed-Pool', 'Class', 'Reply-Message'],
      ...[...FIXED_BY_SERVER, ...TIMES, ...KEYS, 'MS-CHAP2-Success', 'MS-CHAP-Error'],
    ],
  },
  {
    direction: 'Access-Request',
    why: 'it would be a wish (RFC 2865 5.44, RFC 3162 3, RFC 4818 4, RFC 6911 4), and of what the user wants nothing is known here',
    names: ['Framed-IP-Address', ...PREFIXES, ...FIXED, ...RATES],
  },
  {
    direction: 'Access-Request',
    why: 'of accounting alone (RFC 2866 5.13, RFC 2869 5.19)',
    names: ACCOUNTING,
  },
  {
    direction: 'Access-Challenge',
    why: 'the RFCs do not have it there (RFC 2865 5.44, RFC 2866 5.13, RFC 2869 5.19, RFC 2868 4, RFC 3162 3)',
    names: [...PROOFS, ...OF_A_CALL, ...TUNNEL, ...KIND, ...WHO, 'Framed-MTU', ...ACCOUNTING, 'Error-Cause'],
  },
  {
    direction: 'Access-Challenge',
    why: 'nothing is granted before the login is over; how long that may take is `ppp.authTimeoutMs`',
    names: [...GRANTED, ...PREFIXES, ...TIMES, ...KEYS, 'MS-CHAP2-Success', 'MS-CHAP-Error'],
  },
  {
    direction: 'Access-Accept',
    why: 'the RFCs do not have it there (RFC 2865 5.44, RFC 2866 5.13, RFC 2869 5.19, RFC 2548)',
    names: [...PROOFS, ...OF_A_CALL, ...ACCOUNTING, 'MS-CHAP-Error', 'Error-Cause'],
  },
  {
    direction: 'Access-Accept',
    why: 'it would be for the login after a Termination-Action (RFC 2865 5.24), and who may go on logs in anew',
    names: ['State'],
  },
  {
    direction: 'Access-Reject',
    why: 'the RFCs do not have it there (RFC 2865 5.44, RFC 2866 5.13, RFC 2869 5.19, RFC 2868 4, RFC 3162 3)',
    names: [
      ...[...PROOFS, ...OF_A_CALL, ...TUNNEL, ...KIND, ...WHO, ...ACCOUNTING],
      ...[
        ...GRANTED,
        ...PREFIXES,
        ...TIMES,
        ...KEYS,
        'Framed-MTU',
        'State',
        'MS-CHAP2-Success',
        'Error-Cause',
      ],
    ],
  },
  {
    direction: 'Accounting-Request',
    why: 'the RFCs do not have it there (RFC 2866 5.13, RFC 2869 5.19, RFC 2548)',
    names: [
      ...[...PROOFS, ...KEYS, 'MS-CHAP2-Success', 'MS-CHAP-Error', 'EAP-Message', 'State', 'Reply-Message'],
      'Error-Cause',
    ],
  },
  {
    direction: 'Accounting-Request',
    why: 'the server gave it, and is not told it again',
    names: [...GRANTED, ...TIMES, 'Framed-MTU'],
  },
  {
    direction: 'Accounting-Request',
    why: 'a session is one link (RFC 2866 5.11)',
    names: ['Acct-Multi-Session-Id'],
  },
  ...(
    ['Access-Request', 'Access-Challenge', 'Access-Accept', 'Access-Reject', 'Accounting-Request'] as const
  ).map(direction => ({
    direction,
    why: 'it is between proxies: none is sent, and so none comes back (RFC 2865 5.33)',
    names: ['Proxy-State'],
  })),
  {
    direction: 'Access-Request',
    why: 'it says why a request was refused (RFC 5176 3.5)',
    names: ['Error-Cause'],
  },
  {
    direction: 'Disconnect-Request',
    why: 'names no session: refused as Unsupported-Attribute, as the test of Service-Type shows (RFC 5176 3.6)',
    names: [
      ...[...PROOFS, ...KEYS, ...KIND, ...GRANTED, ...TIMES, ...USAGE, 'Acct-Terminate-Cause', 'Framed-MTU'],
      ...['EAP-Message', 'State', 'MS-CHAP2-Success', 'MS-CHAP-Error', 'Connect-Info', 'Error-Cause'],
    ],
  },
  {
    direction: 'CoA-Request',
    why: 'cannot be changed while the session is up: refused as Unsupported-Attribute, as the test of Framed-Pool shows (RFC 5176 3.6)',
    names: [
      ...[...PROOFS, ...KEYS, ...KIND, ...FIXED, ...FIXED_BY_SERVER, ...USAGE, 'Acct-Terminate-Cause'],
      ...['EAP-Message', 'State', 'MS-CHAP2-Success', 'MS-CHAP-Error', 'Connect-Info', 'Error-Cause'],
      'Framed-MTU',
    ],
  },
  {
    direction: 'ACK or NAK',
    why: 'it tells no more than what became of the request (RFC 5176 3.6 has little else there)',
    names: [
      ...[
        ...PROOFS,
        ...OF_A_CALL,
        ...TUNNEL,
        ...KIND,
        ...WHO,
        ...KEYS,
        ...GRANTED,
        ...PREFIXES,
        ...TIMES,
        ...USAGE,
      ],
      ...['EAP-Message', 'State', 'MS-CHAP2-Success', 'MS-CHAP-Error', 'Framed-MTU', 'Reply-Message'],
      'Acct-Multi-Session-Id',
    ],
  },
]
