/**
 * The network phase: IPv4 by IPCP and IPv6 by IPV6CP, each of which comes and goes by itself. The link is of use while one of
 * them is there; who takes the last one away ends it, and is told the reason to end it for.
 */
import { IPV6_LEAST_MTU_BYTES } from '../../wire/ipv6-packet.ts'
import type { EndReason, SessionPolicy } from '../outputs.ts'
import { cpEvent, isEnding, isNegotiating, type Signal } from './control-protocol.ts'
import { beginListening, beginSoliciting, endListening } from './host.ts'
import { IPCP, NO_IPV4, negotiatedNetwork, offerNetwork } from './ipcp.ts'
import { IPV6CP } from './ipv6cp.ts'
import type { LinkEnv } from './link-env.ts'
import { ENDED, type LinkState } from './link-state.ts'
import { mtuBytes } from './mtu.ts'
import { beginAdvertising, endAdvertising } from './router.ts'
import { learned } from './router-facts.ts'

/**
 * A client trusts the network that it dialled; its own firewall is the operating system's. Of IPv6 it is one host: what is for another
 * address is not for it, and the router would drop what comes from another.
 */
function clientPolicy(ipv6Address: string | undefined): SessionPolicy {
  const own = [
    { address: '0.0.0.0', length: 0 },
    ...(ipv6Address === undefined ? [] : [{ address: ipv6Address, length: 128 }]),
  ]
  return {
    zone: '',
    rules: [
      { action: 'permit', direction: 'from-session', destination: own, name: 'dialled' },
      { action: 'permit', direction: 'to-session', source: own, name: 'dialled' },
    ],
  }
}

/** Whether there is IPv6 for this peer: a client wants it, an LNS has a prefix to give; and packets of 1280 octets fit. */
export function hasIpv6(link: LinkState, env: LinkEnv): boolean {
  const { leases, grant } = link
  const { role, ipv6 } = env.config
  if (!ipv6 || mtuBytes(link, env) < IPV6_LEAST_MTU_BYTES) return false
  if (role === 'lac') return true
  return leases.some(({ kind }) => kind !== 'ipv4') || (grant?.routes?.some(isIpv6) ?? false)
}

const isIpv6 = (text: string): boolean => text.includes(':')

export function enterNetwork(link: LinkState, env: LinkEnv): void {
  const { dns, nbns } = { ...env.config, ...link.grant }
  const address = link.leases.find(({ kind }) => kind === 'ipv4')?.value
  offerNetwork(link.ipcp, { address, dns, nbns })
  link.ipv4Gone = undefined
  cpEvent(IPCP, link.ipcp, env, 'Open')
  cpEvent(IPCP, link.ipcp, env, 'Up')
  if (!hasIpv6(link, env)) return
  cpEvent(IPV6CP, link.ipv6cp, env, 'Open')
  cpEvent(IPV6CP, link.ipv6cp, env, 'Up')
}

/** The layer below is gone, for now or for good. */
export function leaveNetwork(link: LinkState, env: LinkEnv): void {
  cpEvent(IPCP, link.ipcp, env, 'Down')
  cpEvent(IPV6CP, link.ipv6cp, env, 'Down')
  endNeighbourhood(link, env)
  networkDown(link, env)
}

export function onIpcp(link: LinkState, env: LinkEnv, signal: Signal | undefined): EndReason | undefined {
  switch (signal?.kind) {
    case 'up':
      link.ipv4Gone = undefined
      tellNetwork(link, env)
      return undefined
    case 'failed':
      return loseIpv4(link, env, signal.reason)
    case 'finished':
      // A peer that has no IPv4 says so. One that says nothing may believe that it has, its answers having been lost.
      return signal.event === 'TO-' && link.ipv4Gone === undefined
        ? ENDED.ipcpUnanswered
        : loseIpv4(link, env, ENDED.ipcpUnanswered)
    case 'down':
      if (isEnding(link.ipcp)) return loseIpv4(link, env, ENDED.ipcpTerminated)
      settleNetwork(link, env)
      return undefined
    default:
      return undefined
  }
}

export function onIpv6cp(link: LinkState, env: LinkEnv, signal: Signal | undefined): EndReason | undefined {
  if (signal?.kind === 'down') endNeighbourhood(link, env)
  switch (signal?.kind) {
    case 'up':
      beginListening(link, env)
      settleNetwork(link, env)
      beginAdvertising(link, env)
      return undefined
    case 'failed':
      return loseIpv6(link, env)
    case 'finished':
      return loseIpv6(link, env)
    case 'down':
      if (isEnding(link.ipv6cp)) return loseIpv6(link, env)
      settleNetwork(link, env)
      return undefined
    default:
      return undefined
  }
}

function endNeighbourhood(link: LinkState, env: LinkEnv): void {
  endAdvertising(link, env)
  endListening(link, env)
}

/** The peer does without IPv4, or the two do not agree: the reason to end the link, unless there is IPv6. */
export function loseIpv4(link: LinkState, env: LinkEnv, reason: EndReason): EndReason | undefined {
  const { ipv6cp } = link
  if (ipv6cp.state !== 'opened' && !isNegotiating(ipv6cp)) return reason
  link.ipv4Gone ??= reason
  if (isNegotiating(link.ipcp)) cpEvent(IPCP, link.ipcp, env, 'Close')
  settleNetwork(link, env)
  return undefined
}

/** IPv6 of a peer that believes it open, while we gave up on its answers: it is negotiated once more. */
export function resumeIpv6(link: LinkState, env: LinkEnv): void {
  if (link.ipv6cp.state !== 'stopped') return
  cpEvent(IPV6CP, link.ipv6cp, env, 'Down')
  cpEvent(IPV6CP, link.ipv6cp, env, 'Up')
}

/** The peer does without IPv6. */
function loseIpv6(link: LinkState, env: LinkEnv): EndReason | undefined {
  if (isNegotiating(link.ipv6cp)) cpEvent(IPV6CP, link.ipv6cp, env, 'Close')
  settleNetwork(link, env)
  return link.ipv6cp.state === 'opened' ? undefined : link.ipv4Gone
}

/** Before IPCP has had its say, IPv6 alone is no session: most peers have both, and observers want to hear of both at once. */
function settleNetwork(link: LinkState, env: LinkEnv): void {
  const isUp = link.ipcp.state === 'opened' || (link.ipv4Gone !== undefined && link.ipv6cp.state === 'opened')
  if (isUp) tellNetwork(link, env)
  else networkDown(link, env)
}

/** What is open, for the session: the first time, and whenever it changes. */
export function tellNetwork(link: LinkState, env: LinkEnv): void {
  const { config } = env
  const { ipcp, ipv6cp } = link
  const { peer } = link.lcp
  const grant = link.grant ?? { user: '' }
  const told = learned(link.host)
  link.networkUp = true
  env.clearTimer('setup')
  env.up({
    ...(ipcp.state === 'opened' ? negotiatedNetwork(ipcp, config) : NO_IPV4),
    ...(ipv6cp.state === 'opened' && ipv6cp.peer !== undefined
      ? { ipv6: { localInterfaceId: ipv6cp.own, peerInterfaceId: ipv6cp.peer, ...told } }
      : {}),
    mtuBytes: Math.min(mtuBytes(link, env), grant.mtuBytes ?? Infinity),
    sendAcfc: peer.acfc,
    sendPfc: peer.pfc,
    grant,
    leases: link.leases,
    policy: link.policy ?? clientPolicy(told.address),
  })
  beginSoliciting(link, env)
}

/** The network phase is over, for now or for good; a renegotiation has a deadline of its own. */
function networkDown(link: LinkState, env: LinkEnv): void {
  if (!link.networkUp) return
  link.networkUp = false
  if (link.ending === undefined) env.setTimer('setup', env.config.setupTimeoutMs)
  env.down()
}
