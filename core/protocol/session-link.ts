/** What lies between a call and its PPP link: the link's effects, the flow, and the one owner of teardown. */
import type { Flow, FlowCounters, Prefix } from '../flow.ts'
import { encodePppFrame } from '../wire/ppp-frame.ts'
import { emitAsk, withdrawAsk } from './asking.ts'
import { releaseFlowSlot, takeFlowSlot } from './flow-slots.ts'
import type { Ask, EndReason, SessionInfo, SessionNetwork } from './outputs.ts'
import { NO_IPV4 } from './ppp/ipcp.ts'
import { linkLost } from './ppp/link.ts'
import type { LinkEnv, LinkTimer, LinkUp } from './ppp/link-env.ts'
import { countSession } from './sources.ts'
import { addCounters, type Core, type SessionState, type TunnelState } from './state.ts'
import { sendData, tunnelInfo } from './tunnel-io.ts'

export type SessionTimer = LinkTimer | 'call-setup'

export function sessionTimer(session: SessionState, name: SessionTimer): string {
  return `session|${session.key}|${name}`
}

export function setSessionTimer(
  core: Core,
  session: SessionState,
  name: SessionTimer,
  delayMs: number,
): void {
  core.timers.set(sessionTimer(session, name), core.now + delayMs)
}

export function sessionInfo(tunnel: TunnelState, session: SessionState): SessionInfo {
  const { callingNumber, calledNumber, subAddress, txConnectSpeedBps, user, link } = session
  return {
    key: session.key,
    id: session.id,
    tunnel: tunnelInfo(tunnel),
    localSessionId: session.localId,
    peerSessionId: session.peerId,
    callSerialNumber: session.callSerialNumber,
    ...(callingNumber === undefined ? {} : { callingNumber }),
    ...(calledNumber === undefined ? {} : { calledNumber }),
    ...(subAddress === undefined ? {} : { subAddress }),
    ...(txConnectSpeedBps === undefined ? {} : { txConnectSpeedBps }),
    ...(link?.proxied === undefined ? {} : { proxied: link.proxied }),
    ...(user === undefined ? {} : { user }),
  }
}

/** Lives for one call of a link function. */
export function linkEnv(core: Core, tunnel: TunnelState, session: SessionState): LinkEnv {
  return {
    now: core.now,
    random: core.random,
    config: session.ppp ?? core.config.ppp,
    // Signalling keeps FF 03 and whole protocol numbers: every peer understands them in every phase.
    send: (protocol, payload) =>
      sendData(core, tunnel, session.peerId, encodePppFrame(protocol, payload, { acfc: false, pfc: false })),
    setTimer: (name, delayMs) => setSessionTimer(core, session, name, delayMs),
    clearTimer: name => core.timers.clear(sessionTimer(session, name)),
    ask(ask) {
      if (ask.kind === 'authenticate') session.user = ask.user
      // The session is the only part that a link's ask lacks.
      const whole = { ...ask, session: sessionInfo(tunnel, session) } as Ask
      return emitAsk(core, whole, tunnel.key, session.localId)
    },
    withdraw: askId => withdrawAsk(core, askId),
    up: network => networkUp(core, tunnel, session, network),
    down: () => networkDown(core, session),
    closed: reason =>
      core.signals.push({ kind: 'link-closed', tunnelKey: tunnel.key, sessionId: session.localId, reason }),
    drop: reason => core.drop(tunnel.path, reason),
  }
}

/** Installs the flow, or, while the last one is still being removed, remembers to. */
function networkUp(core: Core, tunnel: TunnelState, session: SessionState, network: LinkUp): void {
  if (session.flow?.removing === true) {
    session.flow.network = network
    return
  }
  const slot = session.flow ?? { ...takeFlowSlot(core.state.flows, session.key), removing: false }
  session.flow = { ...slot, network }
  core.emit({
    kind: 'flow',
    op: 'upsert',
    flow: flowOf(core, tunnel, session, slot, network),
    policy: network.policy,
  })
  const told = sessionNetwork(network)
  const before = session.network
  session.network = told
  if (session.wasUp) {
    if (JSON.stringify(before) !== JSON.stringify(told))
      core.emit({
        kind: 'event',
        event: { kind: 'networkChanged', session: sessionInfo(tunnel, session), network: told },
      })
    return
  }
  session.wasUp = true
  const { grant, leases } = network
  core.emit({
    kind: 'event',
    event: {
      kind: 'sessionUp',
      session: sessionInfo(tunnel, session),
      grant,
      leases,
      network: told,
      flowId: slot.id,
    },
  })
}

/** What others are shown of it. */
export function sessionNetwork({
  localAddress,
  peerAddress,
  ipv6,
  dns,
  nbns,
  mtuBytes,
}: LinkUp): SessionNetwork {
  return { localAddress, peerAddress, ...(ipv6 === undefined ? {} : { ipv6 }), dns, nbns, mtuBytes }
}

function flowOf(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  slot: { readonly id: number; readonly generation: number },
  network: LinkUp,
): Flow {
  const { upRateBps, downRateBps } = network.grant
  const rates = {
    ...(upRateBps === undefined ? {} : { upRateBps }),
    ...(downRateBps === undefined ? {} : { downRateBps }),
  }
  return {
    id: slot.id,
    generation: slot.generation,
    path: tunnel.path,
    localTunnelId: tunnel.localId,
    localSessionId: session.localId,
    peerTunnelId: tunnel.peerId,
    peerSessionId: session.peerId,
    prefixes: prefixesOf(session, network),
    mtuBytes: network.mtuBytes,
    zone: network.policy.zone,
    header: { length: core.config.l2tp.dataLength, acfc: network.sendAcfc, pfc: network.sendPfc },
    needs: {
      sequence: session.sequencing,
      shaping: Object.keys(rates).length > 0,
      mss: core.config.l2tp.clampMss,
      nat: false,
    },
    ...rates,
  }
}

/** The peer's address or port is another from now on; nothing is counted anew. */
export function flowMoved(core: Core, tunnel: TunnelState, session: SessionState): void {
  const { flow } = session
  if (flow?.network !== undefined && !flow.removing) networkUp(core, tunnel, session, flow.network)
}

const EVERYWHERE = ['0.0.0.0/0', '::/0']

/** A client's tunnel leads everywhere; a session of the LNS to its address and the routes that its grant names. */
function prefixesOf(session: SessionState, network: LinkUp): readonly Prefix[] {
  const { localAddress, peerAddress, ipv6, grant, leases } = network
  // An LNS need not tell a client its own address.
  const hasIpv4 = localAddress !== NO_IPV4.localAddress || peerAddress !== NO_IPV4.peerAddress
  const isOpen = (route: string) => (route.includes(':') ? ipv6 !== undefined : hasIpv4)
  const own = leases.map(({ kind, value }) => (kind === 'ipv4' ? `${peerAddress}/32` : value))
  const behind = session.role === 'lac' ? EVERYWHERE : [...own, ...(grant.routes ?? [])]
  return behind.filter(isOpen).flatMap(route => {
    const [address, length] = route.split('/')
    return address === undefined || length === undefined ? [] : [{ address, length: Number(length) }]
  })
}

/** The network phase ended and the link goes on: a renegotiation. */
function networkDown(core: Core, session: SessionState): void {
  const { flow } = session
  if (flow === undefined) return
  const { id, generation, removing } = flow
  session.flow = { id, generation, removing: true }
  if (!removing) core.emit({ kind: 'flow', op: 'remove', flowId: id, generation })
}

/** The data plane let go of the flow; `counters` are its last. */
export function flowRemoved(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  counters: FlowCounters,
): void {
  const { flow } = session
  if (flow === undefined || !flow.removing) return
  session.counters = addCounters(session.counters, counters)
  delete session.flow
  releaseFlowSlot(core.state.flows, flow.id)
  if (session.ending !== undefined) finish(core, tunnel, session, session.ending)
  else if (flow.network !== undefined) networkUp(core, tunnel, session, flow.network)
}

/** The one owner of a session's end. Nothing here happens twice; the peer was told, or needs not be. */
export function endSession(core: Core, tunnel: TunnelState, session: SessionState, reason: EndReason): void {
  if (session.ending !== undefined) return
  withdrawAsk(core, session.askId)
  delete session.askId
  core.timers.clear(sessionTimer(session, 'call-setup'))
  const truer =
    session.link === undefined ? undefined : linkLost(session.link, linkEnv(core, tunnel, session))
  // The codes of the CDN stand beside what the link knows better.
  session.ending = { ...reason, ...truer }
  networkDown(core, session)
  if (session.flow === undefined) finish(core, tunnel, session, session.ending)
}

function finish(core: Core, tunnel: TunnelState, session: SessionState, reason: EndReason): void {
  tunnel.sessions.delete(session.localId)
  countSession(core.state.sources, tunnel.path.remote.address, -1)
  const { link, wasUp, counters } = session
  core.emit({
    kind: 'event',
    event: {
      kind: 'sessionDown',
      session: sessionInfo(tunnel, session),
      wasUp,
      ...(link?.grant === undefined ? {} : { grant: link.grant }),
      leases: link?.leases ?? [],
      reason,
      counters,
      durationMs: core.now - session.startedAt,
    },
  })
  core.signals.push({ kind: 'session-gone', tunnelKey: tunnel.key })
}
