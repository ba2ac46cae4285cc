import { isIP } from 'node:net'
import { z } from 'burrow'

const CODE = { code: 'RADIUS_SERVER' } as const

const name = z.string().min(1)
const port = z.number().int().min(1).max(65_535)
const count = (least: number, most: number) => z.number().int().min(least).max(most)
const milliseconds = (least: number, most: number) => count(least, most)
const ip = z.string().refine(text => isIP(text) !== 0, 'expected an IPv4 or IPv6 address')

const Tls = z.strictObject({
  caFile: name.describe("PEM: whose certificates the server's may be; relative to the folder of the config."),
  certFile: name.describe('PEM: our certificate, which the server asks for.'),
  keyFile: name.describe('PEM: its key, without a passphrase.'),
  serverName: name
    .exactOptional()
    .describe("The name that the server's certificate must have. Default: the address."),
})

const Server = z
  .strictObject({
    name: name.exactOptional().describe('For logs and reasons. Default: the address.'),
    address: name.describe('An IPv4 or IPv6 address; with `transport: tls` also a name.'),
    transport: z.enum(['udp', 'tls']).default('udp').describe('`tls`: RadSec (RFC 6614).'),
    authPort: port.exactOptional().describe('Default: 1812. UDP only.'),
    acctPort: port.exactOptional().describe('Default: 1813. UDP only.'),
    port: port.exactOptional().describe('Default: 2083. TLS only.'),
    secret: z
      .string()
      .min(1)
      .exactOptional()
      .meta({ secret: true })
      .describe('Shared with the server. TLS: `radsec` when it is not given (RFC 6614 2.3).'),
    tls: Tls.exactOptional().describe('Certificates; with `transport: tls`.'),
    localAddress: ip.exactOptional().describe('Packets are sent from it. Default: the choice of the kernel.'),
    priority: count(0, 65_535).default(1).describe('The lowest that lives is asked first.'),
    weight: count(1, 65_535).default(1).describe('Share of the requests among servers of one priority.'),
    requireMessageAuthenticator: z
      .boolean()
      .default(true)
      .describe(
        'false: an old server that sends none in its answers; they can be forged then (BlastRADIUS).',
      ),
    statusServer: z
      .boolean()
      .default(true)
      .describe('Whether the server is probed by Status-Server (RFC 5997).'),
    timeoutMs: milliseconds(100, 600_000)
      .default(30_000)
      .describe('How long an answer may take, where the asking plugin says nothing else (MRD).'),
    transmissions: count(1, 100).default(5).describe('How often a request is sent, over UDP (MRC).'),
    retransmitMs: milliseconds(50, 60_000)
      .default(2000)
      .describe('To the first retransmission; then twice as long each time (IRT).'),
    longestRetransmitMs: milliseconds(50, 60_000).default(16_000).describe('Between two at most (MRT).'),
    probeMs: milliseconds(50, 60_000).default(1000).describe('How long the answer to a probe may take.'),
    probes: count(1, 100).default(3).describe('Probes without an answer after which the server is dead.'),
    longestProbeIntervalMs: milliseconds(50, 3_600_000)
      .default(30_000)
      .describe(
        'Between two probes of a dead server at most; the first comes after probeMs, then twice as long.',
      ),
    deadMs: milliseconds(50, 3_600_000)
      .default(60_000)
      .describe('A dead server that knows no Status-Server is tried again after this.'),
    keepAliveMs: milliseconds(50, 3_600_000)
      .default(30_000)
      .describe('Silent for so long, a TLS connection is probed.'),
    maxInFlight: count(1, 65_025)
      .default(1020)
      .describe('Requests that wait for an answer at most; 255 take a socket or a connection.'),
    maxQueued: count(0, 100_000)
      .default(1024)
      .describe('Requests that wait to be sent; beyond, the next server is asked.'),
  })
  .superRefine((server, context) => {
    const { transport, address } = server
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: CODE })
    for (const option of transport === 'udp'
      ? (['tls', 'port'] as const)
      : (['authPort', 'acctPort'] as const))
      if (server[option] !== undefined)
        wrong(option, `expected no ${option} with \`transport: ${transport}\``)
    if (transport === 'udp') {
      if (isIP(address) === 0) wrong('address', 'expected an IPv4 or IPv6 address')
      if (server.secret === undefined)
        wrong('secret', 'expected the secret that the server has for this client')
    } else if (server.tls === undefined) wrong('tls', 'expected `tls: { caFile, certFile, keyFile }`')
    if (server.longestRetransmitMs < server.retransmitMs)
      wrong('longestRetransmitMs', 'expected no less than retransmitMs')
  })
export type ServerOptions = z.output<typeof Server>

export const nameOf = (server: { readonly name?: string; readonly address: string }): string =>
  server.name ?? server.address

const Servers = z
  .array(Server)
  .min(1)
  .superRefine((servers, context) => {
    const names = servers.map(nameOf)
    for (const [index, one] of names.entries())
      if (names.indexOf(one) !== index) {
        const message = `expected each server by a name of its own; number ${names.indexOf(one) + 1} is ${one} too`
        context.addIssue({ code: 'custom', path: [index, 'name'], message, params: CODE })
      }
  })

const Pool = z.strictObject({
  name: name.describe('What other plugins call it.'),
  servers: Servers.describe('Any of them can answer.'),
})

export const Options = z
  .strictObject({
    servers: Servers.exactOptional().describe(
      'The servers, where one pool is enough; it is called `default`.',
    ),
    pools: z.array(Pool).min(1).exactOptional().describe('Several pools, instead; the first is the default.'),
    nasIdentifier: name.exactOptional().describe('NAS-Identifier. Default: the name of the host.'),
    nasIpAddress: z.ipv4().exactOptional().describe('NAS-IP-Address. Default: not sent.'),
    nasIpv6Address: z.ipv6().exactOptional().describe('NAS-IPv6-Address. Default: not sent.'),
    callingStationId: z
      .enum(['address', 'number'])
      .default('address')
      .describe('Calling-Station-Id: the outer address of the peer, or its Calling Number AVP.'),
    dictionaries: z
      .array(name)
      .default([])
      .describe('Files of attributes beside the built-in ones, in the format of FreeRADIUS.'),
  })
  .superRefine(({ servers, pools = [] }, context) => {
    const wrong = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message, params: CODE })
    if ((servers === undefined) === (pools.length === 0))
      wrong(['servers'], 'expected exactly one of servers and pools')
    const names = pools.map(pool => pool.name)
    for (const [index, one] of names.entries())
      if (names.indexOf(one) !== index)
        wrong(['pools', index, 'name'], 'expected each pool by a name of its own')
  })
export type Options = z.output<typeof Options>

/** As pools, whichever way they were written. */
export function poolsOf({ servers, pools }: Options): readonly z.output<typeof Pool>[] {
  return pools ?? [{ name: 'default', servers: servers ?? [] }]
}
