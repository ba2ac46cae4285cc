/** What a packet is of: protocol, ports, types of ICMP, and the names that people have for them. */
import { type AclRule, z } from 'burrow'
import { CODE } from './addresses.ts'

/** As much as one line of a packet filter says. */
export type Application = Pick<AclRule, 'protocol' | 'destinationPorts' | 'icmpTypes' | 'icmpv6Types'>

/** One word of a list of services. */
export interface Service {
  readonly text: string
  /** One or more; undefined: a name of `services`. */
  readonly applications: readonly Application[] | undefined
}

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, gre: 47, esp: 50, ah: 51, sctp: 132 } as const
type ProtocolName = keyof typeof PROTOCOLS
const isProtocol = (name: string): name is ProtocolName => Object.hasOwn(PROTOCOLS, name)
const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp'])

/** RFC 792, and RFC 4443 with RFC 4861. */
const ICMP_TYPES: Readonly<Record<string, Pick<AclRule, 'icmpTypes' | 'icmpv6Types'>>> = {
  'echo-request': { icmpTypes: [8], icmpv6Types: [128] },
  'echo-reply': { icmpTypes: [0], icmpv6Types: [129] },
  unreachable: { icmpTypes: [3], icmpv6Types: [1] },
  'packet-too-big': { icmpTypes: [], icmpv6Types: [2] },
  'time-exceeded': { icmpTypes: [11], icmpv6Types: [3] },
  'parameter-problem': { icmpTypes: [12], icmpv6Types: [4] },
  'timestamp-request': { icmpTypes: [13], icmpv6Types: [] },
}

const port = (protocol: ProtocolName, from: number, to = from): Application => ({
  protocol: PROTOCOLS[protocol],
  destinationPorts: [{ from, to }],
})
const onBoth = (from: number): readonly Application[] => [port('tcp', from), port('udp', from)]

/** IANA's numbers, by the names that operators use. */
const KNOWN: Readonly<Record<string, readonly Application[]>> = {
  ping: [{ protocol: PROTOCOLS.icmp, ...ICMP_TYPES['echo-request'] }],
  dns: onBoth(53),
  'dns-over-tls': [port('tcp', 853)],
  http: [port('tcp', 80)],
  https: onBoth(443),
  ssh: [port('tcp', 22)],
  rdp: onBoth(3389),
  smb: [port('tcp', 445)],
  ldap: [port('tcp', 389)],
  ldaps: [port('tcp', 636)],
  kerberos: onBoth(88),
  ntp: [port('udp', 123)],
  smtp: [port('tcp', 25)],
  submission: [port('tcp', 465), port('tcp', 587)],
  imaps: [port('tcp', 993)],
  ftp: [port('tcp', 21)],
  syslog: onBoth(514),
  snmp: [port('udp', 161)],
}

export const KNOWN_SERVICES = Object.keys(KNOWN)

export const Service: z.ZodType<Service, string> = z.string().transform((text, context) => {
  const found = KNOWN[text] ?? applicationOf(text)
  if (found !== undefined) return { text, applications: found }
  if (/^[a-z][\w-]*$/i.test(text)) return { text, applications: undefined }
  const message =
    'expected a service: a name, tcp/80, udp/1000-2000, icmp, icmp/echo-request, gre, or the number of a protocol as ip/47'
  context.issues.push({ code: 'custom', input: text, message, params: CODE })
  return z.NEVER
})

/** `tcp`, `tcp/80`, `udp/1000-2000`, `icmp/echo-request`, `icmp/8`, `ip/47`. */
function applicationOf(text: string): readonly Application[] | undefined {
  const [name = '', detail, more] = text.split('/')
  if (more !== undefined) return undefined
  if (name === 'ip') {
    const protocol = Number(detail)
    return /^\d{1,3}$/.test(detail ?? '') && protocol <= 255 ? [{ protocol }] : undefined
  }
  if (!isProtocol(name)) return undefined
  if (detail === undefined) return [{ protocol: PROTOCOLS[name] }]
  if (name === 'icmp') return icmpOf(detail)
  const ports = WITH_PORTS.has(name) ? portsOf(detail) : undefined
  return ports && [port(name, ports.from, ports.to)]
}

function icmpOf(detail: string): readonly Application[] | undefined {
  const types = ICMP_TYPES[detail]
  if (types !== undefined) return [{ protocol: PROTOCOLS.icmp, ...types }]
  const type = Number(detail)
  return /^\d{1,3}$/.test(detail) && type <= 255
    ? [{ protocol: PROTOCOLS.icmp, icmpTypes: [type], icmpv6Types: [] }]
    : undefined
}

/** `80` or `1000-2000`. */
export function portsOf(text: string): { readonly from: number; readonly to: number } | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  return from <= to && to <= 65_535 ? { from, to } : undefined
}
