/** Where datagrams go: to a tunnel, to a call, or to the judgement of a peer who wants a tunnel. */
import type { Path } from '../ports.ts'
import { type ControlMessage, decodeMessage, peekHostName, peekSessionId } from '../wire/control-message.ts'
import { type ControlHeader, decodeHeader } from '../wire/l2tp-header.ts'
import { CDN, ERROR, STOPCCN } from '../wire/result-codes.ts'
import type { TunnelKey } from './outputs.ts'
import { enterPeer, peerKey } from './peers.ts'
import { heardWhereItWas, strangeSource } from './rebind.ts'
import { acknowledge, arrive, createChannel } from './reliable-channel.ts'
import { badMessage, callFrame, callMessage, refuseCall } from './session.ts'
import { deliverSignals } from './signals.ts'
import { crowdBefore, enterHalfOpen, enterTunnel, heldBy } from './sources.ts'
import { type Core, freeId, type TunnelState } from './state.ts'
import { forgetIfDone, mayBeRepeated, meetPeer, misplaced, stepTunnel, tunnelMessage } from './tunnel.ts'
import { secretFor, secretOf } from './tunnel-auth.ts'
import { channelEnv, settleAck } from './tunnel-io.ts'

/** An SCCRQ without a Host Name has no tunnel secret either; the decoder then refuses it. */
const NO_HOST_NAME = ''
/** Messages about a call; all others are about the tunnel. */
const OF_CALLS: ReadonlySet<string> = new Set([
  'OCRQ',
  'OCRP',
  'OCCN',
  'ICRQ',
  'ICRP',
  'ICCN',
  'CDN',
  'WEN',
  'SLI',
])

/** Takes one datagram. Nothing in it makes this throw. */
export function receiveDatagram(core: Core, path: Path, bytes: Uint8Array): void {
  const decoded = decodeHeader(bytes)
  if (decoded.kind === 'fault') return core.drop(path, decoded.fault)
  const { tunnelId } = decoded.header
  if (tunnelId === 0) {
    if (decoded.kind === 'data') return core.drop(path, 'unknown-tunnel')
    return receiveWithoutTunnel(core, path, decoded.header, decoded.payload, bytes.length)
  }
  const tunnel = core.state.tunnels.get(tunnelKey(path, tunnelId))
  if (tunnel === undefined) return core.drop(path, 'unknown-tunnel')
  const { remote } = tunnel.path
  if (remote.address !== path.remote.address || remote.port !== path.remote.port)
    return strangeSource(core, tunnel, path, decoded)
  heardWhereItWas(core, tunnel)
  tunnel.heardAt = core.now
  if (decoded.kind === 'control')
    return receiveControl(core, tunnel, decoded.header, decoded.payload, bytes.length)
  const session = tunnel.sessions.get(decoded.header.sessionId)
  if (session === undefined) return core.drop(path, 'unknown-session')
  callFrame(core, tunnel, session, decoded.payload)
}

/** A control message of a known tunnel: acknowledgement first, then what is in order, then our acknowledgement. */
function receiveControl(
  core: Core,
  tunnel: TunnelState,
  header: ControlHeader,
  payload: Uint8Array,
  octets: number,
): void {
  if (tunnel.unproven !== undefined) tunnel.unproven.received += octets
  const { channel } = tunnel
  if (!acknowledge(channel, channelEnv(core, tunnel), header.nr)) core.drop(tunnel.path, 'bad-ack')
  const arrival = arrive(channel, core.config.l2tp.receiveWindow, header.ns, header.sessionId, payload)
  if (arrival.kind === 'duplicate' || arrival.kind === 'out-of-window') core.drop(tunnel.path, arrival.kind)
  if (arrival.kind === 'in-order') {
    for (const { sessionId, body } of arrival.messages) {
      receive(core, tunnel, sessionId, body)
      deliverSignals(core)
    }
  }
  settleAck(core, tunnel)
  if (tunnel.phase === 'closed') forgetIfDone(core, tunnel)
}

/** Tunnel id 0: an SCCRQ, new or repeated, or the StopCCN of a peer that never learnt our id. */
function receiveWithoutTunnel(
  core: Core,
  path: Path,
  header: ControlHeader,
  payload: Uint8Array,
  octets: number,
): void {
  const secret = secretFor(core.config.secrets, peekHostName(payload) ?? NO_HOST_NAME)
  const secretBytes = secret === undefined ? undefined : secretOf(core, { secretName: secret.name })
  const message = decodeMessage(payload, secretBytes === undefined ? {} : { secret: secretBytes })
  if ('kind' in message) return core.drop(path, message.kind === 'ignorable' ? 'ignored-message' : 'bad-avp')
  if (message.type !== 'SCCRQ' && message.type !== 'StopCCN') return core.drop(path, 'not-sccrq')
  const { assignedTunnelId: peerTunnelId } = message.avps
  if (peerTunnelId === undefined || peerTunnelId === 0) return core.drop(path, 'bad-avp')
  const known = core.state.byPeer.get(peerKey({ path, peerTunnelId }))
  const tunnel = known === undefined ? undefined : core.state.tunnels.get(known)
  // A peer that was in the tunnel knows our id of it; without it anybody could end somebody else's.
  const unmet = tunnel?.wasUp === false
  if (unmet && (message.type === 'StopCCN' || mayBeRepeated(tunnel)))
    return receiveControl(core, tunnel, header, payload, octets)
  if (message.type === 'StopCCN') return core.drop(path, 'unknown-tunnel')
  const facts = {
    ...(secret === undefined ? {} : { secretName: secret.name }),
    ...(tunnel === undefined ? {} : { supersedes: tunnel.key }),
  }
  acceptTunnel(core, path, message, facts, { header, payload, octets })
}

/** Parsed and wanted: only now is anything allocated. */
function acceptTunnel(
  core: Core,
  path: Path,
  message: Extract<ControlMessage, { type: 'SCCRQ' }>,
  facts: Pick<TunnelState, 'secretName' | 'supersedes'>,
  { header, payload, octets }: { header: ControlHeader; payload: Uint8Array; octets: number },
): void {
  const { l2tp } = core.config
  const source = path.remote.address
  if (!makeRoom(core, source)) return core.drop(path, 'half-open-limit')
  if (!breakTie(core, path, message.avps.tieBreaker)) return core.drop(path, 'tie-won')
  const tunnel = newTunnel(core, path, {
    role: 'lns',
    peerId: message.avps.assignedTunnelId,
    unproven: { received: octets, sent: 0 },
    ...facts,
  })
  if (tunnel === undefined) return core.drop(path, 'half-open-limit')
  enterHalfOpen(core.state.sources, source, tunnel.key, core.now)
  enterPeer(core, tunnel)
  arrive(tunnel.channel, l2tp.receiveWindow, header.ns, header.sessionId, payload)
  const refusal = meetPeer(core, tunnel, message) ?? fullHouse(core, source)
  stepTunnel(core, tunnel, refusal === undefined ? 'sccrq' : 'sccrq-refused', refusal)
  deliverSignals(core)
  settleAck(core, tunnel)
}

/**
 * Room for one more half-open tunnel. A peer that is there answers at once: where there is no room, the oldest that had
 * time to answer goes, so that a flood from forged addresses does not lock out those who do answer.
 */
function makeRoom(core: Core, source: string): boolean {
  const { l2tp } = core.config
  const crowd = crowdBefore(core.state.sources, source, l2tp)
  if (crowd === undefined) return true
  const [[key, at] = []] = crowd
  const oldest = core.state.tunnels.get(key ?? '')
  if (oldest === undefined || at === undefined || core.now - at < l2tp.retransmitInitialMs) return false
  const reason = { cause: 'no-resources', text: 'it had not answered when others wanted its place' } as const
  stepTunnel(core, oldest, 'silent', { reason })
  return true
}

function fullHouse(core: Core, source: string) {
  const { tunnels, sources, shuttingDown } = core.state
  const { maxTunnels, maxTunnelsPerSource } = core.config.l2tp
  const full = tunnels.size > maxTunnels || heldBy(sources, source).tunnels > maxTunnelsPerSource
  if (!shuttingDown && !full) return undefined
  const text = shuttingDown ? 'shutting down' : 'too many tunnels'
  const error = shuttingDown ? ERROR.tryAnother : ERROR.noResources
  return {
    reason: { cause: 'no-resources', text },
    stop: { result: STOPCCN.generalError, error, message: text },
  } as const
}

/** 4.4.3 Tie Breaker: of two SCCRQs that cross, the lower value wins. False: ours goes on, the peer's is discarded. */
function breakTie(core: Core, path: Path, theirs: bigint | undefined): boolean {
  for (const key of core.state.dialling) {
    const tunnel = core.state.tunnels.get(key)
    const remote = tunnel?.path.remote
    if (tunnel === undefined || remote?.address !== path.remote.address || remote.port !== path.remote.port)
      continue
    const ours = tunnel.tieBreaker
    if (ours === undefined && theirs === undefined) continue
    const lost = { reason: { cause: 'tie-lost' } } as const
    if (theirs === undefined || (ours !== undefined && ours < theirs)) return false
    stepTunnel(core, tunnel, 'tie-lost', lost)
    // Equal values: both sides discard both.
    if (ours === theirs) return false
  }
  return true
}
/** A message whose turn has come, to the machine that it is for. */
function receive(core: Core, tunnel: TunnelState, sessionId: number, body: Uint8Array): void {
  if (tunnel.phase === 'closed') {
    const last = decodeMessage(body)
    return 'type' in last && last.type === 'StopCCN'
      ? tunnelMessage(core, tunnel, last)
      : core.drop(tunnel.path, 'closed')
  }
  const secret = secretOf(core, tunnel)
  const message = decodeMessage(body, secret === undefined ? {} : { secret })
  if ('type' in message) {
    if (!OF_CALLS.has(message.type)) return tunnelMessage(core, tunnel, message)
    if (tunnel.phase === 'established') return callMessage(core, tunnel, sessionId, message)
    return stepTunnel(core, tunnel, 'bad-message', misplaced(message.type))
  }
  if (message.kind === 'ignorable') return core.drop(tunnel.path, 'ignored-message')
  const { messageType, errorCode, text } = message
  const session = tunnel.sessions.get(sessionId)
  // What is wrong with a call's message is the call's fault alone (4.1, 4.4.2).
  if (messageType !== undefined && OF_CALLS.has(messageType)) {
    if (session !== undefined) return badMessage(core, tunnel, session, errorCode, text)
    const caller = sessionId === 0 ? peekSessionId(body) : undefined
    if (caller === undefined || caller === 0) return core.drop(tunnel.path, 'bad-avp')
    return refuseCall(core, tunnel, caller, CDN.generalError, errorCode)
  }
  stepTunnel(core, tunnel, 'bad-message', {
    reason: { cause: 'protocol-error', text },
    stop: { result: STOPCCN.generalError, error: errorCode, message: text },
  })
}

export function newTunnel(
  core: Core,
  path: Path,
  facts: Pick<TunnelState, 'role'> & Partial<TunnelState>,
): TunnelState | undefined {
  const localId = freeId(core.random, id => core.state.tunnels.has(tunnelKey(path, id)))
  if (localId === undefined) return undefined
  const tunnel: TunnelState = {
    key: tunnelKey(path, localId),
    path,
    localId,
    peerId: 0,
    phase: 'idle',
    channel: createChannel(),
    peerHostName: '',
    wasUp: false,
    sessions: new Map(),
    deciding: 0,
    heardAt: core.now,
    downTold: false,
    ...facts,
  }
  core.state.tunnels.set(tunnel.key, tunnel)
  enterTunnel(core.state.sources, path.remote.address)
  return tunnel
}

function tunnelKey(path: Path, localId: number): TunnelKey {
  return `${path.local.address}/${localId}`
}
