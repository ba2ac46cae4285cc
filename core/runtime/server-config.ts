/** The schema of the config file: every option, its unit, its default, its range. */
import { z } from 'zod'
import { PORTS_NAMES } from '../dataplane/data-plane.ts'
import { ipv4PrefixOption } from '../plugin/addresses.ts'
import type { Milliseconds, SocketAddress } from '../ports.ts'
import { DEFAULT_L2TP, type EndpointConfig, type TunnelSecret } from '../protocol/config.ts'
import { DEFAULT_PPP } from '../protocol/ppp/config.ts'
import { parseSocketText } from '../wire/socket-text.ts'
import { DEFAULT_CONTROL_SOCKET } from './node/control-socket.ts'
import { LOG_LEVELS } from './node/logger.ts'
import { TRANSPILERS } from './node/transpilers.ts'

/** RFC 2661 8.1. */
const L2TP_PORT = 1701
const L2TP = DEFAULT_L2TP
const PPP = DEFAULT_PPP.lns

const span = (fallback: Milliseconds, least: Milliseconds, most: Milliseconds, what: string) =>
  z.number().int().min(least).max(most).default(fallback).describe(what)
const count = (fallback: number, least: number, most: number, what: string) =>
  z.number().int().min(least).max(most).default(fallback).describe(what)
const ipv4 = z.ipv4({ error: 'expected an IPv4 address' })
const ipv6 = z.ipv6({ error: 'expected an IPv6 address' })
const prefix = ipv4PrefixOption('CONFIG_INVALID').transform(({ address, length }) => `${address}/${length}`)

const Listen = z
  .string()
  .transform((text, context): SocketAddress => {
    const address = parseListen(text)
    if (address === undefined) {
      context.issues.push({
        code: 'custom',
        input: text,
        message:
          'expected an address, or one with a port (192.0.2.1:1701, [2001:db8::1]:1701), and none of a link alone (fe80::/10)',
      })
      return z.NEVER
    }
    return address
  })
  .describe(
    'Address, or address:port, [address]:port of IPv6; the port is 1701 where there is none. 0.0.0.0 is every address of IPv4, :: every one of IPv6.',
  )

const Secret = z
  .strictObject({
    name: z.string().min(1).describe('Shown in place of the secret.'),
    peerHostName: z
      .string()
      .min(1)
      .optional()
      .describe('Only for peers that give this host name; without it, for every other peer.'),
    secret: z.string().min(1).optional().describe('The secret itself; better one of the next two.'),
    secretFile: z.string().min(1).optional().describe('A file whose first line is the secret.'),
    secretEnv: z.string().min(1).optional().describe('A variable of the environment that holds the secret.'),
  })
  .refine(
    ({ secret, secretFile, secretEnv }) =>
      [secret, secretFile, secretEnv].filter(one => one !== undefined).length === 1,
    'expected exactly one of secret, secretFile and secretEnv',
  )

const Tunnel = z.strictObject({
  receiveWindow: count(L2TP.receiveWindow, 4, 1024, 'Control messages that a peer may have outstanding.'),
  retransmitInitialMs: span(
    L2TP.retransmitInitialMs,
    100,
    10_000,
    'Before the first repetition; then doubled.',
  ),
  retransmitCapMs: span(L2TP.retransmitCapMs, 1000, 60_000, 'The longest wait between repetitions.'),
  maxTransmissions: count(L2TP.maxTransmissions, 2, 20, 'Of one message, before the tunnel is given up.'),
  helloIdleMs: span(L2TP.helloIdleMs, 1000, 3_600_000, 'A keepalive after this much silence of the peer.'),
  setupTimeoutMs: span(L2TP.setupTimeoutMs, 1000, 600_000, 'How long a tunnel or call may take to come up.'),
  maxTunnels: count(L2TP.maxTunnels, 1, 65_535, 'At the same time.'),
  maxTunnelsPerSource: count(
    L2TP.maxTunnelsPerSource,
    1,
    65_535,
    'Of one address, which may be that of a whole network.',
  ),
  maxHalfOpen: count(L2TP.maxHalfOpen, 1, 65_535, 'Tunnels that are being set up, in all.'),
  maxHalfOpenPerSource: count(
    L2TP.maxHalfOpenPerSource,
    1,
    65_535,
    'Tunnels that are being set up, of one address.',
  ),
  maxSessions: count(L2TP.maxSessions, 1, 65_536, 'Calls, in all.'),
  maxSessionsPerSource: count(L2TP.maxSessionsPerSource, 1, 65_536, 'Calls of one address.'),
  maxSessionsPerTunnel: count(L2TP.maxSessionsPerTunnel, 1, 65_535, 'Calls in one tunnel.'),
})

const Ppp = z.strictObject({
  mruBytes: count(PPP.mruBytes, 576, 1500, 'Largest packet inside a session that we ask for (RFC 1661 6.1).'),
  auth: z
    .array(z.enum(['eap', 'mschapv2', 'chap-md5', 'pap']))
    .min(1)
    .default([...PPP.demandAuth])
    .describe(
      'How users may prove themselves, first choice first; a peer that declines one is asked for the next.',
    ),
  dns: z.array(ipv4).max(2).default([]).describe('DNS servers for users who have none of their own.'),
  nbns: z.array(ipv4).max(2).default([]).describe('NetBIOS name servers, likewise.'),
  ipv6: z
    .boolean()
    .default(PPP.ipv6)
    .describe('IPv6 inside sessions (RFC 5072), for users whom a plugin gives a prefix.'),
  proxy: z
    .enum(['renegotiate', 'challenge', 'accept'])
    .default(PPP.proxy)
    .describe(
      'What counts of what a LAC with a tunnel secret negotiated with its client: nothing, LCP, or the proof of the client as well.',
    ),
  dns6: z.array(ipv6).max(2).default([]).describe('IPv6 DNS servers, for users who have none of their own.'),
  clientRoutes: z
    .array(prefix)
    .max(64)
    .default([])
    .describe(
      'IPv4 prefixes that clients are told to route to us (DHCPINFORM, options 121 and 249), for those that keep their own default route.',
    ),
  domain: z
    .string()
    .regex(/^[\w.-]{1,253}$/, 'expected a domain (corp.example)')
    .exactOptional()
    .describe('The domain that clients are told, by the same.'),
  echoIntervalMs: span(PPP.echo.intervalMs, 0, 3_600_000, 'Between LCP keepalives; 0: none.'),
  echoFailures: count(PPP.echo.failures, 1, 100, 'Unanswered keepalives that end a session.'),
  authTimeoutMs: span(PPP.authTimeoutMs, 1000, 600_000, 'From LCP up to the verdict.'),
  setupTimeoutMs: span(PPP.setupTimeoutMs, 1000, 600_000, 'From the call to the network phase.'),
})

const Tun = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]{1,15}$/, 'expected an interface name of at most 15 characters')
    .default('burrow0')
    .describe('What the kernel calls it.'),
  mtuBytes: z.number().int().min(576).max(65_535).optional().describe('Default: ppp.mruBytes.'),
  clampMss: z
    .boolean()
    .default(L2TP.clampMss)
    .describe("Fit the MSS of TCP connections to the session's MTU."),
})

const Log = z.strictObject({
  level: z.enum(LOG_LEVELS).default('info').describe('The least that is written.'),
  format: z.enum(['pretty', 'json']).optional().describe('Default: pretty on a terminal, json elsewhere.'),
})

export const ServerConfig = z.strictObject({
  listen: z.array(Listen).min(1).prefault(['127.0.0.1']).describe('Where peers dial.'),
  hostName: z
    .string()
    .min(1)
    .max(64)
    .default('burrow')
    .describe('Our name, for peers (Host Name AVP, CHAP).'),
  secrets: z.array(Secret).default([]).describe('Tunnel secrets; the first that fits a peer counts.'),
  tunnel: Tunnel.prefault({}).describe('L2TP control connections.'),
  ppp: Ppp.prefault({}).describe('What is negotiated inside a call.'),
  gatewayAddress: ipv4.describe('Our address inside the sessions.'),
  defaultZone: z
    .string()
    .min(1)
    .default('dmz')
    .describe('Security zone of users who have none of their own.'),
  interimIntervalS: count(
    300,
    0,
    86_400,
    'Between accounting updates of a session, give or take a tenth; 0: none.',
  ),
  tun: Tun.prefault({}).describe('The network interface behind the sessions.'),
  dataPlane: z
    .enum(PORTS_NAMES)
    .optional()
    .describe('How packets pass between kernel and server. Default: the fastest that the kernel has.'),
  manageKernel: z
    .boolean()
    .default(false)
    .describe('Set ip_forward and rp_filter while serving, and restore them.'),
  controlSocket: z
    .string()
    .min(1)
    .default(DEFAULT_CONTROL_SOCKET)
    .describe('For the other commands; relative to the folder of the config.'),
  log: Log.prefault({}).describe('What is written to standard error.'),
  transpiler: z
    .enum(TRANSPILERS)
    .optional()
    .describe('An npm package that TypeScript plugins are loaded through; Node 22.18 and later need none.'),
  plugins: z
    .array(z.unknown())
    .default([])
    .describe(
      'In the order in which they are asked: `- name`, `- name: {options}`, or `- deployment: {...}`.',
    ),
})
export type ServerConfig = z.output<typeof ServerConfig>

/** What one endpoint needs of the config. */
export function endpointConfig(config: ServerConfig, secrets: readonly TunnelSecret[]): EndpointConfig {
  const { hostName, ppp, tunnel, tun, gatewayAddress } = config
  const { auth, echoIntervalMs, echoFailures, ...rest } = ppp
  return {
    hostName,
    vendorName: 'Burrow',
    secrets,
    l2tp: { ...DEFAULT_L2TP, ...tunnel, clampMss: tun.clampMss },
    ppp: {
      ...PPP,
      ...rest,
      demandAuth: auth,
      echo: { intervalMs: echoIntervalMs, failures: echoFailures },
      authName: hostName,
      localAddress: gatewayAddress,
    },
  }
}

/** Of the TUN device. */
export const deviceMtuBytes = ({ tun, ppp }: ServerConfig): number => tun.mtuBytes ?? ppp.mruBytes

/** Whether other hosts can reach what we listen on. */
export function isExposed(listen: readonly SocketAddress[]): boolean {
  return listen.some(({ address }) => !address.startsWith('127.') && address !== '::1')
}

const parseListen = (text: string): SocketAddress | undefined => parseSocketText(text, L2TP_PORT)
