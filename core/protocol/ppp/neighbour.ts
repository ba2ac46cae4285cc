/** What every node of a link answers its neighbour, router or host: who it is, and that it is there. */
import { echoReply, encodeNeighbourAdvertisement, ICMPV6_TYPE, solicitedAddress } from '../../wire/icmpv6.ts'
import { icmpv6, NEVER_FORWARDED_HOPS, type Opened6 } from '../../wire/ip-udp.ts'
import { isLinkLocal, isMulticast, linkLocal } from '../../wire/ipv6.ts'
import { PPP } from '../../wire/ppp-frame.ts'
import type { LinkEnv } from './link-env.ts'
import type { LinkState } from './link-state.ts'

const DISCOVERY: ReadonlySet<number | undefined> = new Set([
  ICMPV6_TYPE.ROUTER_SOLICITATION,
  ICMPV6_TYPE.ROUTER_ADVERTISEMENT,
  ICMPV6_TYPE.NEIGHBOUR_SOLICITATION,
  ICMPV6_TYPE.NEIGHBOUR_ADVERTISEMENT,
])

/** True: it was for everybody, and is answered or dropped. */
export function hearNeighbour(
  link: LinkState,
  env: LinkEnv,
  { source, destination, hopLimit, payload }: Opened6,
): boolean {
  const [type] = payload
  const own = linkLocal(link.ipv6cp.own)
  const reply = (message: Uint8Array) =>
    env.send(PPP.IPV6, icmpv6({ source: own, destination: source }, message))
  if (type === ICMPV6_TYPE.ECHO_REQUEST && isLinkLocal(source) && payload.length >= 8) {
    if (isSame(destination, own) || isMulticast(destination)) reply(echoReply(payload))
    return true
  }
  if (hopLimit !== NEVER_FORWARDED_HOPS) {
    // What is no discovery (RFC 4861) may have any: every kernel says which groups it listens to (MLD), with 1.
    if (DISCOVERY.has(type)) env.drop('ppp-malformed')
    return true
  }
  if (type !== ICMPV6_TYPE.NEIGHBOUR_SOLICITATION) return false
  const asked = solicitedAddress(payload)
  if (asked !== undefined && isSame(asked, own) && isLinkLocal(source))
    reply(encodeNeighbourAdvertisement(own, env.config.role === 'lns'))
  return true
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.every((octet, at) => octet === b[at])
