/** Delivers what the machines reported upwards, so that their calls only ever go down. */
import type { SessionKey } from './outputs.ts'
import { stepCall } from './session.ts'
import type { Core, SessionState, TunnelState } from './state.ts'
import { callGone, stepTunnel } from './tunnel.ts'

export function deliverSignals(core: Core): void {
  // What these deliveries report in turn is appended, and delivered too.
  for (const signal of core.signals) {
    const tunnel = core.state.tunnels.get(signal.tunnelKey)
    if (tunnel === undefined) continue
    if (signal.kind === 'tunnel-event') stepTunnel(core, tunnel, signal.event, signal.detail)
    else if (signal.kind === 'session-gone') callGone(core, tunnel)
    else {
      const session = tunnel.sessions.get(signal.sessionId)
      if (session !== undefined) stepCall(core, tunnel, session, 'close', { reason: signal.reason })
    }
  }
  core.signals.length = 0
}

export function findCall(
  core: Core,
  key: SessionKey,
): { tunnel: TunnelState; session: SessionState } | undefined {
  const slash = key.lastIndexOf('/')
  const tunnel = core.state.tunnels.get(key.slice(0, slash))
  const session = tunnel?.sessions.get(Number(key.slice(slash + 1)))
  return tunnel === undefined || session === undefined ? undefined : { tunnel, session }
}
