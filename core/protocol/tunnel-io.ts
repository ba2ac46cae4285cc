/** How a tunnel speaks: its channel, the limit on octets to unproven addresses, and what others are shown of it. */
import { type ControlMessage, encodeMessage } from '../wire/control-message.ts'
import { encodeControlDatagram, encodeDataDatagram } from '../wire/l2tp-header.ts'
import type { EndReason, TunnelInfo } from './outputs.ts'
import { type ChannelEnv, flushAck, sendReliably } from './reliable-channel.ts'
import type { Core, TunnelState } from './state.ts'

/** Short enough for a refusal to fit what an unproven address may be sent for its SCCRQ. */
const LONGEST_MESSAGE_CHARACTERS = 120

export type TunnelTimer = 'retransmit' | 'ack' | 'hello' | 'setup' | 'linger' | 'rebind'

export function tunnelTimer(tunnel: TunnelState, name: TunnelTimer): string {
  return `tunnel|${tunnel.key}|${name}`
}

export function setTunnelTimer(core: Core, tunnel: TunnelState, name: TunnelTimer, delayMs: number): void {
  core.timers.set(tunnelTimer(tunnel, name), core.now + delayMs)
}

export function clearTunnelTimer(core: Core, tunnel: TunnelState, name: TunnelTimer): void {
  core.timers.clear(tunnelTimer(tunnel, name))
}

export function tunnelInfo(tunnel: TunnelState): TunnelInfo {
  return {
    key: tunnel.key,
    role: tunnel.role,
    path: tunnel.path,
    localTunnelId: tunnel.localId,
    peerTunnelId: tunnel.peerId,
    peerHostName: tunnel.peerHostName,
    ...(tunnel.peerVendorName === undefined ? {} : { peerVendorName: tunnel.peerVendorName }),
    ...(tunnel.peerFirmwareRevision === undefined
      ? {}
      : { peerFirmwareRevision: tunnel.peerFirmwareRevision }),
    ...(tunnel.secretName === undefined ? {} : { secretName: tunnel.secretName }),
    ...(tunnel.protection === undefined ? {} : { protection: tunnel.protection }),
  }
}

export function channelEnv(core: Core, tunnel: TunnelState): ChannelEnv {
  return {
    config: core.config.l2tp,
    transmit(ns, nr, sessionId, body) {
      clearTunnelTimer(core, tunnel, 'ack')
      const bytes = encodeControlDatagram({ tunnelId: tunnel.peerId, sessionId, ns, nr }, body)
      transmit(core, tunnel, bytes)
      const { rebind } = tunnel
      if (rebind !== undefined && rebind.state !== 'refused' && body.length > 0)
        core.emit({ kind: 'transmit', path: rebind.path, bytes })
    },
    setRetransmitTimer: delayMs => setTunnelTimer(core, tunnel, 'retransmit', delayMs),
    clearRetransmitTimer: () => clearTunnelTimer(core, tunnel, 'retransmit'),
    exhausted: () => giveUp(core, tunnel, { cause: 'retransmit-exhausted' }),
  }
}

/** Queues a control message; `sessionId` is the peer's. A peer that lets the queue fill up is given up. */
export function sendControl(
  core: Core,
  tunnel: TunnelState,
  sessionId: number,
  message: ControlMessage,
): void {
  if (!sendReliably(tunnel.channel, channelEnv(core, tunnel), sessionId, encodeMessage(message))) {
    giveUp(core, tunnel, { cause: 'no-resources', text: 'the peer lets control messages pile up' })
  }
}

/** What a hook has to say to the peer. */
export function forPeer(message: string): string {
  return message.slice(0, LONGEST_MESSAGE_CHARACTERS)
}

function giveUp(core: Core, tunnel: TunnelState, reason: EndReason): void {
  core.signals.push({ kind: 'tunnel-event', tunnelKey: tunnel.key, event: 'silent', detail: { reason } })
}

/** Acknowledges at once, unless a pending decision will bring a message that can carry it. */
export function settleAck(core: Core, tunnel: TunnelState): void {
  if (!tunnel.channel.ackOwed) return
  const deciding = tunnel.phase === 'admitting' || tunnel.deciding > 0
  if (!deciding) flushAck(tunnel.channel, channelEnv(core, tunnel))
  else if (!core.timers.has(tunnelTimer(tunnel, 'ack')))
    setTunnelTimer(core, tunnel, 'ack', core.config.l2tp.ackDelayMs)
}

/** One PPP frame to the peer's session. */
export function sendData(core: Core, tunnel: TunnelState, sessionId: number, frame: Uint8Array): void {
  const { dataLength } = core.config.l2tp
  const header = { tunnelId: tunnel.peerId, sessionId, length: dataLength, priority: false }
  transmit(core, tunnel, encodeDataDatagram(header, frame))
}

function transmit(core: Core, tunnel: TunnelState, bytes: Uint8Array): void {
  const { unproven } = tunnel
  if (unproven !== undefined) {
    if (unproven.sent + bytes.length > core.config.l2tp.amplificationLimit * unproven.received) {
      core.drop(tunnel.path, 'amplification')
      return
    }
    unproven.sent += bytes.length
  }
  core.emit({ kind: 'transmit', path: tunnel.path, bytes })
}
