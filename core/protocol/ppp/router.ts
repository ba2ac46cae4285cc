/**
 * What an LNS is to the hosts of a session beside a way to other networks: the IPv6 router of the link, which says by which prefix they
 * are (RFC 4861), and the server of what else they ask for (DHCPv6; DHCPINFORM over IPv4). The data plane hands up what is for it.
 */

import { DHCPV6_PORT, decodeDhcpv6 } from '../../wire/dhcpv6.ts'
import { encodeRouterAdvertisement, ICMPV6_TYPE, SLAAC_LENGTH } from '../../wire/icmpv6.ts'
import { IP_PROTOCOL } from '../../wire/ip.ts'
import { icmpv6, type Opened6, openIpv6, udpOverIpv6 } from '../../wire/ip-udp.ts'
import { isLinkLocal, linkLocal, parseIpv6, parseIpv6Prefix } from '../../wire/ipv6.ts'
import { ICMPV6 } from '../../wire/ipv6-packet.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { AddressKind } from '../outputs.ts'
import { answerDhcpv6 } from './dhcpv6-server.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'
import { mtuBytes } from './mtu.ts'
import { hearNeighbour } from './neighbour.ts'

const ALL_NODES = parseIpv6('ff02::1') ?? new Uint8Array(16)
/** RFC 4861 10 has at most three at first, 16 s apart; the first may be lost while the peer's interface comes up. */
const FIRST_ADVERTISEMENTS = 3
const FIRST_INTERVAL_MS = 4000
/** MaxRtrAdvInterval and AdvDefaultLifetime, thrice that. A phone is woken up by each. */
const INTERVAL_MS = 600_000
const LIFETIME_S = 1800
/** AdvValidLifetime and AdvPreferredLifetime: both are said anew with every advertisement, and the session ends them. */
export const PREFIX_LIFETIME = { validS: 86_400, preferredS: 14_400 } as const
const SMALLEST_DHCP_BYTES = 8

/** IPV6CP has opened. */
export function beginAdvertising(link: LinkState, env: LinkEnv): void {
  if (env.config.role !== 'lns') return
  link.advertisements = 0
  advertise(link, env)
}

export function endAdvertising(link: LinkState, env: LinkEnv): void {
  link.advertisements = undefined
  env.clearTimer('router-advertisement')
}

/** Says it to all, and again after a while. */
export function advertise(link: LinkState, env: LinkEnv): void {
  if (link.advertisements === undefined) return
  link.advertisements++
  sendAdvertisement(link, env, ALL_NODES)
  const first = link.advertisements < FIRST_ADVERTISEMENTS
  env.setTimer('router-advertisement', first ? FIRST_INTERVAL_MS : INTERVAL_MS)
}

/** A packet that is for the link itself. What is not understood is nobody's. */
export function onIpv6Packet(link: LinkState, env: LinkEnv, packet: Uint8Array): void {
  if (link.advertisements === undefined) return env.drop('ppp-phase')
  const opened = openIpv6(packet)
  if (opened === undefined) return env.drop('ppp-malformed')
  if (opened.protocol === ICMPV6) onIcmpv6(link, env, opened)
  else if (opened.protocol === IP_PROTOCOL.UDP) onUdp(link, env, opened)
}

function onIcmpv6(link: LinkState, env: LinkEnv, opened: Opened6): void {
  const { source, payload } = opened
  if (!hearNeighbour(link, env, opened) && payload[0] === ICMPV6_TYPE.ROUTER_SOLICITATION)
    sendAdvertisement(link, env, isLinkLocal(source) ? source : ALL_NODES)
}

function onUdp(link: LinkState, env: LinkEnv, { source, payload }: Opened6): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  if (
    payload.length < SMALLEST_DHCP_BYTES ||
    view.getUint16(2) !== DHCPV6_PORT.SERVER ||
    !isLinkLocal(source)
  )
    return
  const message = decodeDhcpv6(payload.subarray(SMALLEST_DHCP_BYTES))
  if (message === undefined) return env.drop('ppp-malformed')
  const [delegated] = prefixesOf(link, 'delegated-prefix')
  const answer = answerDhcpv6(message, {
    serverName: env.config.authName,
    dns: dnsOf(link, env),
    ...(delegated === undefined ? {} : { delegated }),
  })
  if (answer === undefined) return
  const ports = { sourcePort: DHCPV6_PORT.SERVER, destinationPort: view.getUint16(0) }
  const ends = { source: linkLocal(link.ipv6cp.own), destination: source }
  env.send(PPP.IPV6, udpOverIpv6({ ...ports, ...ends }, answer))
}

function sendAdvertisement(link: LinkState, env: LinkEnv, destination: Uint8Array): void {
  const servers = dnsOf(link, env)
  const message = encodeRouterAdvertisement({
    lifetimeS: LIFETIME_S,
    mtuBytes: Math.min(mtuBytes(link, env), link.grant?.mtuBytes ?? Infinity),
    prefixes: prefixesOf(link, 'ipv6-prefix').map(prefix => ({
      ...prefix,
      isAutonomous: prefix.length === SLAAC_LENGTH,
      ...PREFIX_LIFETIME,
    })),
    dns: servers.length > 0 ? [{ lifetimeS: LIFETIME_S, servers }] : [],
  })
  env.send(PPP.IPV6, icmpv6({ source: linkLocal(link.ipv6cp.own), destination }, message))
}

const prefixesOf = ({ leases }: LinkState, wanted: AddressKind) =>
  leases.flatMap(({ kind, value }) => (kind === wanted ? (parseIpv6Prefix(value) ?? []) : []))

const dnsOf = ({ grant }: LinkState, { config }: LinkEnv): readonly Uint8Array[] =>
  (grant?.dns6 ?? config.dns6).flatMap(address => parseIpv6(address) ?? [])
