/**
 * What a client is to the router of its link: a host that asks who routes (RFC 4861 6.3), and makes an address of the prefix that it is told
 * (RFC 4862) and of the identifier that IPV6CP agreed on. It speaks for nobody else: a packet of the link itself is heard here or nowhere.
 */
import { decodeRouterAdvertisement, ROUTER_SOLICITATION, SLAAC_LENGTH } from '../../wire/icmpv6.ts'
import { icmpv6, openIpv6 } from '../../wire/ip-udp.ts'
import { formatIpv6, parseIpv6 } from '../../wire/ipv6.ts'
import { ICMPV6, IPV6_LEAST_MTU_BYTES } from '../../wire/ipv6-packet.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { SessionIpv6 } from '../outputs.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'
import { hearNeighbour, isLinkLocal, linkLocal } from './neighbour.ts'

/** What the router of the link said last. */
export interface Learned extends Pick<SessionIpv6, 'address' | 'dns' | 'mtuBytes'> {
  /** By our own clock: from then on nothing of it counts. */
  readonly until: number
}

export interface HostState {
  /** How many solicitations went out. */
  solicitations: number
  learned?: Learned | undefined
}

const ALL_ROUTERS = parseIpv6('ff02::2') ?? new Uint8Array(16)
/** RFC 4861 10. */
const MOST_SOLICITATIONS = 3
const SOLICITATION_INTERVAL_MS = 4000
const MOST_DNS = 2

/** IPV6CP has opened. */
export function beginSoliciting(link: LinkState, env: LinkEnv): void {
  if (env.config.role !== 'lac') return
  link.host = { solicitations: 0 }
  solicit(link, env)
}

export function endSoliciting(link: LinkState, env: LinkEnv): void {
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
  const said = decodeRouterAdvertisement(opened.payload)
  // RFC 4861 6.1.2: of a router of the link alone.
  if (said === undefined || !isLinkLocal(opened.source)) return false
  env.clearTimer('router-solicitation')
  const [prefix] = said.prefixes.filter(
    ({ length, isAutonomous, validS }) => isAutonomous && length === SLAAC_LENGTH && validS > 0,
  )
  // Whoever is no router, or takes back its prefix, is believed at once: there is one neighbour, and no other could have said it.
  const lifeS = Math.min(said.lifetimeS, prefix?.validS ?? said.lifetimeS)
  return learn(
    link,
    host,
    env,
    lifeS === 0
      ? undefined
      : {
          ...(prefix && { address: addressOf(prefix.bytes, link.ipv6cp.own) }),
          ...(said.dns.length > 0 ? { dns: said.dns.slice(0, MOST_DNS).map(formatIpv6) } : {}),
          ...(said.mtuBytes >= IPV6_LEAST_MTU_BYTES ? { mtuBytes: said.mtuBytes } : {}),
          until: env.now + 1000 * lifeS,
        },
  )
}

/** The router has not been heard of for as long as it said that it would be. True: the network has changed. */
export function routerIsOver(link: LinkState, env: LinkEnv): boolean {
  return link.host !== undefined && learn(link, link.host, env, undefined)
}

function learn(link: LinkState, host: HostState, env: LinkEnv, learned: Learned | undefined): boolean {
  const facts = ({ until: _, ...rest }: Partial<Learned> = {}) => JSON.stringify(rest)
  const isNew = facts(host.learned) !== facts(learned)
  host.learned = learned
  if (learned === undefined) env.clearTimer('router-lifetime')
  else env.setTimer('router-lifetime', learned.until - env.now)
  return isNew && link.ipv6cp.state === 'opened'
}

function addressOf(prefix: Uint8Array, identifier: string): string {
  const address = prefix.slice()
  address.set(Buffer.from(identifier, 'hex'), 8)
  return formatIpv6(address)
}
