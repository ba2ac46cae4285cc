/** The attributes of an accept that we honour, each in a row. */
import type { RadiusAttribute, RadiusValue } from 'burrow'
import { add, addRoute, type Draft, into, limit, type Take, takeFilter, unlessZero } from './draft.ts'
import { ciscoRoute, framedRoute, hostAddress, ipv6Prefix, maskLength, sameForm } from './prefixes.ts'
import { ciscoRates, mikrotikRates, type Rates } from './rates.ts'
import { TUNNEL_ATTRIBUTES } from './tunnel-fit.ts'

export interface Row {
  /** Where it is defined. */
  readonly since: string
  /** Field of the grant; `-`: none. */
  readonly grants: string
  /** What becomes of the session where the value is of no use. */
  readonly unfit: 'refuse' | 'ignore'
  /** May stand more than once; else two that differ are of no use. */
  readonly many?: true
  readonly take: Take
}

const USER_SELECTS = '255.255.255.255'
const NAS_SELECTS = '255.255.255.254'
/** RFC 2869 2.1: a shorter one would be a flood. */
const LEAST_INTERIM_S = 60
const MTU_BYTES = { least: 576, most: 65_535 }
const FRAMED_USER = 2
const PPP = 1
const MPPE_REQUIRED = 2
const NO_RULES = 'carries rules, and filters are known here by name'

const text = (value: RadiusValue) => (typeof value === 'string' && value !== '' ? value : undefined)
const whole =
  (least: number, most = 0xffff_ffff) =>
  (value: RadiusValue) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
      ? value
      : undefined
const host = (value: RadiusValue) => (typeof value === 'string' ? hostAddress(value) : undefined)
const prefix6 = (value: RadiusValue) => (typeof value === 'string' ? ipv6Prefix(value) : undefined)
const mask = (value: RadiusValue) => (typeof value === 'string' ? maskLength(value) || undefined : undefined)

const staticAddress = into('address', host, 'an address of a host')
const SELECTED: ReadonlySet<RadiusValue> = new Set([USER_SELECTS, NAS_SELECTS])

const only =
  (supported: RadiusValue, why: string): Take =>
  (_draft, value) =>
    value === supported ? undefined : why
const never =
  (why: string): Take =>
  () =>
    why
const rate = (field: keyof Rates): Take =>
  unlessZero((draft, value) => {
    const bps = whole(1)(value)
    return bps === undefined ? 'is not a number of bits per second' : limit(draft, { [field]: bps })
  })
const nameServer = (field: 'primaryDns' | 'secondaryDns' | 'primaryNbns' | 'secondaryNbns') =>
  ({ unfit: 'ignore', take: into(field, host, 'an address of a host') }) as const

const octets = (value: RadiusValue) =>
  Buffer.from(value instanceof Uint8Array ? value : String(value)).toString('hex')

export const HONOURED: Readonly<Record<string, Row>> = {
  'Service-Type': {
    since: 'RFC 2865 5.6',
    grants: '-',
    unfit: 'refuse',
    take: only(FRAMED_USER, 'asks for another service than Framed'),
  },
  'Framed-Protocol': {
    since: 'RFC 2865 5.7',
    grants: '-',
    unfit: 'refuse',
    take: only(PPP, 'asks for another protocol than PPP'),
  },
  'Framed-IP-Address': {
    since: 'RFC 2865 5.8',
    grants: 'address',
    unfit: 'refuse',
    take: (draft, value, circumstances) =>
      SELECTED.has(value) ? undefined : staticAddress(draft, value, circumstances),
  },
  'Framed-IP-Netmask': {
    since: 'RFC 2865 5.9',
    grants: 'routes',
    unfit: 'refuse',
    take: into('netmaskLength', mask, 'a network mask'),
  },
  'Filter-Id': {
    since: 'RFC 2865 5.11',
    grants: 'filter, zone',
    unfit: 'refuse',
    many: true,
    take: takeFilter,
  },
  'Framed-MTU': {
    since: 'RFC 2865 5.12',
    grants: 'mtuBytes',
    unfit: 'ignore',
    take: into('mtuBytes', whole(MTU_BYTES.least, MTU_BYTES.most), 'within 576 and 65535'),
  },
  'Callback-Number': {
    since: 'RFC 2865 5.19',
    grants: '-',
    unfit: 'refuse',
    take: never('asks to call back'),
  },
  'Callback-Id': {
    since: 'RFC 2865 5.20',
    grants: '-',
    unfit: 'refuse',
    take: never('asks to call back'),
  },
  'Framed-Route': {
    since: 'RFC 2865 5.22',
    grants: 'routes',
    unfit: 'ignore',
    many: true,
    take: (draft, value, circumstances) => addRoute(draft, framedRoute(text(value) ?? ''), circumstances),
  },
  Class: {
    since: 'RFC 2865 5.25',
    grants: 'classes',
    unfit: 'ignore',
    many: true,
    take: (draft, value) => {
      draft.classes = [...(draft.classes ?? []), octets(value)]
      return undefined
    },
  },
  'Chargeable-User-Identity': {
    since: 'RFC 4372 2.2',
    grants: 'chargeableIdentity',
    unfit: 'ignore',
    take: (draft, value) => {
      const hex = octets(value)
      // What we ask with is no identity.
      if (hex === '' || hex === '00') return 'is a NUL'
      draft.chargeableIdentity = hex
      return undefined
    },
  },
  'Session-Timeout': {
    since: 'RFC 2865 5.27',
    grants: 'sessionTimeoutS',
    unfit: 'refuse',
    take: into('sessionTimeoutS', whole(1), 'a number of seconds from 1 on'),
  },
  'Idle-Timeout': {
    since: 'RFC 2865 5.28',
    grants: 'idleTimeoutS',
    unfit: 'refuse',
    take: unlessZero(into('idleTimeoutS', whole(1), 'a number of seconds')),
  },
  'Termination-Action': {
    since: 'RFC 2865 5.29',
    grants: '-',
    unfit: 'ignore',
    // The session ends in either case: who may go on after its time must log in again.
    take: (_draft, value) =>
      whole(0, 1)(value) === undefined ? 'is not Default or RADIUS-Request' : undefined,
  },
  'Port-Limit': {
    since: 'RFC 2865 5.42',
    grants: 'maxSessions',
    unfit: 'refuse',
    take: into('maxSessions', whole(1), 'a number from 1 on'),
  },
  'Acct-Interim-Interval': {
    since: 'RFC 2869 5.16',
    grants: 'interimIntervalS',
    unfit: 'ignore',
    take: (draft, value) => {
      if (whole(1)(value) === undefined) return 'is not a number of seconds from 1 on'
      draft.interimIntervalS = Math.max(Number(value), LEAST_INTERIM_S)
      return undefined
    },
  },
  'Framed-Pool': {
    since: 'RFC 2869 5.18',
    grants: 'pool',
    unfit: 'refuse',
    take: into('pool', text, 'a name'),
  },
  'Framed-IPv6-Prefix': {
    since: 'RFC 3162 2.3',
    grants: 'ipv6Prefix',
    unfit: 'ignore',
    take: into('ipv6Prefix', prefix6, 'a prefix without host bits'),
  },
  'Framed-IPv6-Pool': {
    since: 'RFC 3162 2.6',
    grants: 'ipv6Pool',
    unfit: 'refuse',
    take: into('ipv6Pool', text, 'a name'),
  },
  'Delegated-IPv6-Prefix': {
    since: 'RFC 4818 3',
    grants: 'delegatedPrefix',
    unfit: 'ignore',
    take: into('delegatedPrefix', prefix6, 'a prefix without host bits'),
  },
  'NAS-Filter-Rule': {
    since: 'RFC 4849 2',
    grants: '-',
    unfit: 'refuse',
    take: never(NO_RULES),
  },
  'DNS-Server-IPv6-Address': {
    since: 'RFC 6911 3.2',
    grants: 'dns6',
    unfit: 'ignore',
    many: true,
    take: (draft, value) =>
      typeof value === 'string' && value.includes(':') && sameForm(value) !== '::'
        ? add(draft, 'dns6', sameForm(value))
        : 'is not an address of a host',
  },
  'MS-MPPE-Encryption-Policy': {
    since: 'RFC 2548 2.4.4',
    grants: '-',
    unfit: 'refuse',
    take: (_draft, value) =>
      value === MPPE_REQUIRED ? 'requires MPPE, which is not spoken here' : undefined,
  },
  'MS-Filter': { since: 'RFC 2548 2.7.3', grants: '-', unfit: 'refuse', take: never(NO_RULES) },
  'MS-Primary-DNS-Server': { since: 'RFC 2548 2.7.6', grants: 'dns', ...nameServer('primaryDns') },
  'MS-Secondary-DNS-Server': { since: 'RFC 2548 2.7.7', grants: 'dns', ...nameServer('secondaryDns') },
  'MS-Primary-NBNS-Server': { since: 'RFC 2548 2.7.8', grants: 'nbns', ...nameServer('primaryNbns') },
  'MS-Secondary-NBNS-Server': { since: 'RFC 2548 2.7.9', grants: 'nbns', ...nameServer('secondaryNbns') },
  'Cisco-AVPair ip:addr-pool': {
    since: 'Cisco',
    grants: 'pool',
    unfit: 'refuse',
    take: into('pool', text, 'a name'),
  },
  'Cisco-AVPair ip:route': {
    since: 'Cisco',
    grants: 'routes',
    unfit: 'ignore',
    many: true,
    take: (draft, value, circumstances) => addRoute(draft, ciscoRoute(text(value) ?? ''), circumstances),
  },
  'Cisco-AVPair ip:dns-servers': {
    since: 'Cisco',
    grants: 'dns',
    unfit: 'ignore',
    many: true,
    take: (draft, value) => {
      const servers = String(value).split(/[\s,]+/)
      return servers.every(server => hostAddress(server) !== undefined)
        ? add(draft, 'dns', ...servers)
        : 'is not a list of addresses of hosts'
    },
  },
  'Cisco-AVPair ip:inacl': {
    since: 'Cisco',
    grants: 'filter, zone',
    unfit: 'refuse',
    many: true,
    take: takeFilter,
  },
  'Cisco-AVPair ip:inacl#': { since: 'Cisco', grants: '-', unfit: 'refuse', take: never(NO_RULES) },
  'Cisco-AVPair lcp:interface-config': {
    since: 'Cisco',
    grants: 'upRateBps, downRateBps',
    unfit: 'refuse',
    many: true,
    take: (draft, value) => {
      const rates = ciscoRates(String(value))
      return rates === undefined ? 'is not rate-limit input|output BPS' : limit(draft, rates)
    },
  },
  'Mikrotik-Rate-Limit': {
    since: 'MikroTik',
    grants: 'upRateBps, downRateBps',
    unfit: 'refuse',
    take: (draft, value) => {
      const rates = mikrotikRates(String(value))
      return rates === undefined ? 'is not RX/TX' : limit(draft, rates)
    },
  },
  'WISPr-Bandwidth-Max-Up': {
    since: 'WISPr',
    grants: 'upRateBps',
    unfit: 'refuse',
    take: rate('upRateBps'),
  },
  'WISPr-Bandwidth-Max-Down': {
    since: 'WISPr',
    grants: 'downRateBps',
    unfit: 'refuse',
    take: rate('downRateBps'),
  },
}

/** `PROTOCOL:ATTRIBUTE#N=VALUE`, with `*` for `=` where it is optional. */
const CISCO_PAIR = /^(\w+:[\w-]+)(#?)\d*[=*](.*)$/s

/** Its row, and the value for that; undefined: it says nothing to us. A Cisco-AVPair is in truth many attributes. */
export function rowFor({
  name,
  value,
}: RadiusAttribute): readonly [name: string, Row, RadiusValue] | undefined {
  if (name !== 'Cisco-AVPair') return Object.hasOwn(HONOURED, name) ? found(name, value) : undefined
  const [, pair = '', numbered = '', argument = ''] = CISCO_PAIR.exec(String(value)) ?? []
  return found(`${name} ${pair}${numbered}`, argument.trim()) ?? found(`${name} ${pair}`, argument.trim())
}

/** Vendors of rows: what of theirs cannot be taken apart may be any of them. */
const VENDORS: ReadonlyMap<number, string> = new Map([
  [9, 'Cisco'],
  [311, 'Microsoft'],
  [14_122, 'WISPr'],
  [14_988, 'MikroTik'],
])

/** Whose Vendor-Specific attribute it is, where we have rows of that vendor (RFC 2865 5.26). */
export function vendorOf(value: RadiusValue): string | undefined {
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined
  return VENDORS.get(Buffer.from(value).readUInt32BE())
}

/** What becomes of the session where an attribute is of no use; undefined: it says nothing to us. Rows of a Cisco-AVPair differ. */
export function unfitOf(name: string): Row['unfit'] | undefined {
  if (name === 'Cisco-AVPair' || Object.hasOwn(TUNNEL_ATTRIBUTES, name)) return 'refuse'
  return Object.hasOwn(HONOURED, name) ? HONOURED[name]?.unfit : undefined
}

function found(name: string, value: RadiusValue): readonly [name: string, Row, RadiusValue] | undefined {
  const row = HONOURED[name]
  return row && [name, row, value]
}

/** What several attributes say together. */
export function complete(draft: Draft): Draft {
  const { primaryDns, secondaryDns, primaryNbns, secondaryNbns, dns = [], ...rest } = draft
  const listed = (...values: readonly (string | undefined)[]) => [
    ...new Set(values.filter(value => value !== undefined)),
  ]
  const all = listed(primaryDns, secondaryDns, ...dns)
  const nbns = listed(primaryNbns, secondaryNbns)
  return { ...rest, ...(all.length === 0 ? {} : { dns: all }), ...(nbns.length === 0 ? {} : { nbns }) }
}
