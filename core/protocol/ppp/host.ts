/**
 * What a client is to the router of its link: a host that asks who routes (RFC 4861 6.3), and makes an address of the prefix that it is told
 * (RFC 4862) and of the identifier that IPV6CP agreed on. It speaks for nobody else: a packet of the link itself is heard here or nowhere.
 */
import type { Milliseconds } from '../../ports.ts'
import { decodeRouterAdvertisement, ICMPV6_TYPE, ROUTER_SOLICITATION } from '../../wire/icmpv6.ts'
import { icmpv6, openIpv6 } from '../../wire/ip-udp.ts'
import { isLinkLocal, linkLocal, parseIpv6 } from '../../wire/ipv6.ts'
import { ICMPV6 } from '../../wire/ipv6-packet.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'
import { mtuBytes } from './mtu.ts'
import { hearNeighbour } from './neighbour.ts'
import { forget, heed, learned } from './router-facts.ts'

const ALL_ROUTERS = parseIpv6('ff02::2') ?? new Uint8Array(16)
/** RFC 4861 10. */
const MOST_SOLICITATIONS = 3
const SOLICITATION_INTERVAL_MS = 4000
/** RFC 4861 6.3.7 has a delay too. At once the question, and the answer, would come before either end forwards IPv6, and be lost. */
const FIRST_DELAY_MS = 250

/** IPV6CP has opened. */
export function beginListening(link: LinkState, env: LinkEnv): void {
  if (env.config.role === 'lac') link.host = { solicitations: 0 }
}

/** The session has a network: the first question follows soon, if nobody has spoken by then. */
export function beginSoliciting({ host }: LinkState, env: LinkEnv): void {
  if (host?.solicitations === 0 && host.routerUntil === undefined)
    env.setTimer('router-solicitation', FIRST_DELAY_MS)
}

export function endListening(link: LinkState, env: LinkEnv): void {
  link.host = undefined
  env.clearTimer('router-solicitation')
  env.clearTimer('router-lifetime')
}

/** Asks, and again where nobody answers. */
export function solicit(link: LinkState, env: LinkEnv): void {
  const { host } = link
  if (host === undefined) return
  host.solicitations++
  const ends = { source: linkLocal(link.ipv6cp.own), destination: ALL_ROUTERS }
  env.send(PPP.IPV6, icmpv6(ends, ROUTER_SOLICITATION))
  if (host.solicitations < MOST_SOLICITATIONS) env.setTimer('router-solicitation', SOLICITATION_INTERVAL_MS)
}

/** A packet of the link. True: what is known of the network has changed. */
export function onHostPacket(link: LinkState, env: LinkEnv, packet: Uint8Array): boolean {
  const { host } = link
  if (host === undefined) {
    env.drop('ppp-phase')
    return false
  }
  const opened = openIpv6(packet)
  if (opened === undefined) {
    env.drop('ppp-malformed')
    return false
  }
  if (opened.protocol !== ICMPV6 || hearNeighbour(link, env, opened)) return false
  if (opened.payload[0] !== ICMPV6_TYPE.ROUTER_ADVERTISEMENT) return false
  const said = decodeRouterAdvertisement(opened.payload)
  // RFC 4861 6.1.2: of a router of the link alone.
  if (said === undefined || !isLinkLocal(opened.source)) {
    env.drop('ppp-malformed')
    return false
  }
  const before = learned(host)
  if (said.lifetimeS === 0) forget(host)
  else {
    env.clearTimer('router-solicitation')
    heed(host, said, { identifier: link.ipv6cp.own, now: env.now, mostMtuBytes: mtuBytes(link, env) })
  }
  return settle(link, env, before)
}

/** Something that the router said is over. True: the network has changed. */
export function onRouterLifetime(link: LinkState, env: LinkEnv): boolean {
  const { host } = link
  if (host === undefined) return false
  const before = learned(host)
  const isOver = (until: Milliseconds | undefined) => until !== undefined && until <= env.now
  if (isOver(host.address?.until)) host.address = undefined
  if (isOver(host.dns?.until)) host.dns = undefined
  if (isOver(host.routerUntil)) {
    forget(host)
    // It may be there all the same, and what it said was lost.
    host.solicitations = 0
    solicit(link, env)
  }
  return settle(link, env, before)
}

/** When to come back, and whether there is something to tell. */
function settle(link: LinkState, env: LinkEnv, before: object): boolean {
  const { routerUntil, address, dns } = link.host ?? {}
  const ends = [routerUntil, address?.until, dns?.until].filter(until => until !== undefined)
  if (ends.length === 0) env.clearTimer('router-lifetime')
  else env.setTimer('router-lifetime', Math.min(...ends) - env.now)
  return link.ipv6cp.state === 'opened' && JSON.stringify(learned(link.host)) !== JSON.stringify(before)
}
