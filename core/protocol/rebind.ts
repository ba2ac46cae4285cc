/**
 * A NAT may give a peer another port in mid-session. What comes from there proves nothing: a HELLO goes to the new port and the
 * old one alike, and the tunnel moves when the new one acknowledges it and the old one stays silent. So somebody behind the same
 * address who guessed the ids cannot take a tunnel whose peer is still there.
 */
import type { Path } from '../ports.ts'
import type { DecodedHeader } from '../wire/l2tp-header.ts'
import { enterPeer, leavePeer } from './peers.ts'
import { ahead16, isBefore16 } from './serial16.ts'
import { flowMoved } from './session-link.ts'
import type { Core, RebindState, TunnelState } from './state.ts'
import { sendControl, setTunnelTimer, tunnelInfo } from './tunnel-io.ts'

/** How long the new port may take to acknowledge: some repetitions of the HELLO. After an answer of the old one, nobody is asked as long. */
const PROBE_MS = 10_000

/** A datagram of this tunnel's ids from elsewhere. Nothing in it is taken, whatever comes of it. */
export function strangeSource(core: Core, tunnel: TunnelState, path: Path, decoded: DecodedHeader): void {
  core.drop(path, 'wrong-source')
  const { local, remote } = tunnel.path
  const samePeer = remote.address === path.remote.address && local.port === path.local.port
  if (!samePeer || tunnel.phase !== 'established') return
  // A NAT moves what is around a protected tunnel, never the ports within: what comes from elsewhere came in the clear.
  if (tunnel.protection !== undefined) return
  const { rebind } = tunnel
  if (rebind === undefined) {
    if (isPlausible(tunnel, decoded)) probe(core, tunnel, path)
  } else if (isAnswer(tunnel, rebind, path, decoded)) {
    rebind.state = 'answered'
    // The old port has as long as a repetition takes to say that it is still there.
    setTunnelTimer(core, tunnel, 'rebind', core.config.l2tp.retransmitInitialMs)
  }
}

/** The peer is where it was. */
export function heardWhereItWas(core: Core, tunnel: TunnelState): void {
  if (tunnel.rebind === undefined || tunnel.rebind.state === 'refused') return
  tunnel.rebind.state = 'refused'
  setTunnelTimer(core, tunnel, 'rebind', PROBE_MS)
}

/** The wait for an answer, for the old port, or for the next question, is over. */
export function rebindTimeout(core: Core, tunnel: TunnelState): void {
  const { rebind, path: from } = tunnel
  delete tunnel.rebind
  if (rebind?.state !== 'answered') return
  leavePeer(core, tunnel)
  tunnel.path = rebind.path
  enterPeer(core, tunnel)
  core.emit({ kind: 'event', event: { kind: 'tunnelMoved', tunnel: tunnelInfo(tunnel), from } })
  for (const session of tunnel.sessions.values()) flowMoved(core, tunnel, session)
}

/** Ids are 16 bits each: two of them have to be right, or one and what the peer should acknowledge now. */
function isPlausible({ sessions, channel }: TunnelState, decoded: DecodedHeader): boolean {
  if (decoded.kind === 'fault') return false
  if (decoded.kind === 'data') return sessions.has(decoded.header.sessionId)
  const oldest = channel.outbox[0]?.ns ?? channel.nextNs
  return ahead16(oldest, decoded.header.nr) <= ahead16(oldest, channel.sentEnd)
}

function probe(core: Core, tunnel: TunnelState, path: Path): void {
  // What is still on its way asks as well as a HELLO does.
  const ns = tunnel.channel.outbox[0]?.ns ?? tunnel.channel.nextNs
  tunnel.rebind = { path, ns, state: 'asked' }
  setTunnelTimer(core, tunnel, 'rebind', PROBE_MS)
  if (tunnel.channel.outbox.length === 0) sendControl(core, tunnel, 0, { type: 'HELLO', avps: {} })
}

function isAnswer(
  { channel }: TunnelState,
  { path: asked, ns, state }: RebindState,
  path: Path,
  decoded: DecodedHeader,
): boolean {
  if (state === 'refused' || asked.remote.port !== path.remote.port || decoded.kind !== 'control')
    return false
  const { nr } = decoded.header
  return isBefore16(ns, nr) && ahead16(ns, nr) <= ahead16(ns, channel.sentEnd)
}
