/** How a repeated SCCRQ finds its tunnel: ids are only unique for each address and port of a peer. */
import type { TunnelInfo } from './outputs.ts'
import type { Core, TunnelState } from './state.ts'
import { tunnelInfo } from './tunnel-io.ts'

export function peerKey({ path, peerTunnelId }: Pick<TunnelInfo, 'path' | 'peerTunnelId'>): string {
  return `${path.local.address}|${path.remote.address}|${path.remote.port}|${peerTunnelId}`
}

export function enterPeer(core: Core, tunnel: TunnelState): void {
  core.state.byPeer.set(peerKey(tunnelInfo(tunnel)), tunnel.key)
}

export function leavePeer(core: Core, tunnel: TunnelState): void {
  const { byPeer, tunnels } = core.state
  const key = peerKey(tunnelInfo(tunnel))
  if (byPeer.get(key) !== tunnel.key) return
  const former = tunnel.supersedes
  if (former !== undefined && tunnels.has(former)) byPeer.set(key, former)
  else byPeer.delete(key)
}
