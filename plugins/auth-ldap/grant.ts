/** What a user is granted: by attributes of the entry, by groups, and by the config for everybody; in this order of precedence. */
import { formatIpv4, type Grant, ipv4PrefixOption, parseIpv4, z } from 'burrow'
import type { Entry } from './entry.ts'

type Granted = Partial<Omit<Grant, 'user'>>

const ipv4 = z.ipv4({ error: 'expected an IPv4 address' })
const ipv6 = z.ipv6({ error: 'expected an IPv6 address' })
const prefix6 = z.cidrv6({ error: 'expected an IPv6 prefix (2001:db8:1::/48)' })
const prefix = ipv4PrefixOption('LDAP_CONFIG').transform(({ address, length }) => `${address}/${length}`)
const name = z.string().min(1)
const seconds = (least: number) => z.number().int().min(least).max(31_536_000)
const rate = z.number().int().min(1)

/** A field of the grant: its schema in the config, and how values of an attribute become what that schema takes. */
interface Field {
  readonly schema: z.ZodType
  readonly read: (values: readonly string[]) => unknown
}

const one = (values: readonly string[]) => (values.length === 1 ? values[0] : values)
const count = (values: readonly string[]) =>
  values.length === 1 && /^\d{1,15}$/.test(values[0] ?? '') ? Number(values[0]) : one(values)
const all = (values: readonly string[]) => values

const FIELDS = {
  address: { schema: ipv4, read: values => addressOf(one(values)) },
  pool: { schema: name, read: one },
  zone: { schema: name, read: one },
  dns: { schema: z.array(ipv4).max(2), read: all },
  nbns: { schema: z.array(ipv4).max(2), read: all },
  // A Framed-Route says more than the prefix (RFC 2865 5.22): gateway and metrics, which mean nothing here.
  routes: { schema: z.array(prefix), read: values => values.map(value => value.trim().split(/\s+/)[0]) },
  mtuBytes: { schema: z.number().int().min(68).max(65_535), read: count },
  sessionTimeoutS: { schema: seconds(1), read: count },
  idleTimeoutS: { schema: seconds(1), read: count },
  interimIntervalS: { schema: seconds(0), read: count },
  maxSessions: { schema: z.number().int().min(1).max(65_535), read: count },
  filter: { schema: name, read: one },
  upRateBps: { schema: rate, read: count },
  downRateBps: { schema: rate, read: count },
  ipv6Prefix: { schema: prefix6, read: one },
  delegatedPrefix: { schema: prefix6, read: one },
  ipv6Pool: { schema: name, read: one },
  dns6: { schema: z.array(ipv6).max(2), read: all },
  clientRoutes: { schema: z.array(prefix).max(64), read: all },
  domain: { schema: z.string().regex(/^[\w.-]{1,253}$/, 'expected a domain (corp.example)'), read: one },
} as const satisfies Readonly<Record<string, Field>>

type FieldName = keyof typeof FIELDS
const FIELD_NAMES = Object.keys(FIELDS) as readonly FieldName[]

/** A grant as the config writes it. */
export const GrantOptions = z.strictObject(
  Object.fromEntries(FIELD_NAMES.map(field => [field, FIELDS[field].schema.exactOptional()])),
) as unknown as z.ZodType<Granted>

/** Which attribute says what. */
export const AttributeOptions = z.strictObject(
  Object.fromEntries(FIELD_NAMES.map(field => [field, name.exactOptional()])),
) as unknown as z.ZodType<Attributes>
type Attributes = Readonly<Partial<Record<FieldName, string>>>

export type FromEntry =
  | { readonly kind: 'grant'; readonly grant: Granted }
  | { readonly kind: 'unreadable'; readonly text: string }

/** What the entry itself grants. A value that cannot be read refuses the login: without it the user could have more, or another's. */
export function grantOfEntry(entry: Entry, attributes: Attributes): FromEntry {
  const grant: Record<string, unknown> = {}
  for (const field of FIELD_NAMES) {
    const attribute = attributes[field]
    const values = attribute === undefined ? [] : entry.texts(attribute)
    if (values.length === 0) continue
    const read = FIELDS[field].read(values)
    if (read === undefined) continue
    const { success, data } = FIELDS[field].schema.safeParse(read)
    if (!success) return { kind: 'unreadable', text: `${attribute} is no ${field}` }
    grant[field] = data
  }
  return { kind: 'grant', grant }
}

/** The first that has something to say of a field decides it. */
export const inPrecedence = (grants: readonly Granted[]): Granted =>
  Object.assign({}, ...[...grants].reverse())

/** RFC 2865 5.8: "let the user choose" and "let the NAS choose". */
const NOBODYS: ReadonlySet<number> = new Set([0xffff_ffff, 0xffff_fffe])

/** Dotted, or as Active Directory has it (msRADIUSFramedIPAddress): a signed number. */
function addressOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const number = /^-?\d{1,10}$/.test(value) ? Number(value) : parseIpv4(value)
  if (number === undefined || number < -0x8000_0000 || number > 0xffff_ffff) return value
  const address = number >>> 0
  return NOBODYS.has(address) ? undefined : formatIpv4(address)
}
