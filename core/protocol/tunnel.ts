/** The control connection: what each action of the table does (RFC 2661 5.1, 5.7, 7.2). */
import type { ControlMessage, MessageOf } from '../wire/control-message.ts'
import { describeResult, ERROR, STOPCCN } from '../wire/result-codes.ts'
import { emitAsk, withdrawAsk } from './asking.ts'
import { retransmissionCycleMs } from './config.ts'
import type { EndReason, Verdicts } from './outputs.ts'
import { leavePeer } from './peers.ts'
import { rebindTimeout } from './rebind.ts'
import { setPeerWindow, silence } from './reliable-channel.ts'
import { stepCall } from './session.ts'
import { leaveHalfOpen, leaveTunnel } from './sources.ts'
import type { Core, TunnelDetail, TunnelState } from './state.ts'
import {
  answerChallenge,
  challengeMatches,
  challengePeer,
  isOwnChallenge,
  spendChallenge,
} from './tunnel-auth.ts'
import {
  channelEnv,
  clearTunnelTimer,
  forPeer,
  sendControl,
  setTunnelTimer,
  type TunnelTimer,
  tunnelInfo,
  tunnelTimer,
} from './tunnel-io.ts'
import { TUNNEL_TABLE, type TunnelAction, type TunnelEvent } from './tunnel-table.ts'

const PROTOCOL_VERSION = { version: 1, revision: 0 } as const
/** How many retransmission cycles a peer has to acknowledge the end of all of its calls and then of the tunnel. */
const FAREWELL_CYCLES = 4
const ALL_FRAMING = { async: true, sync: true } as const

/** Assigns the state first, then acts. */
export function stepTunnel(
  core: Core,
  tunnel: TunnelState,
  event: TunnelEvent,
  detail: TunnelDetail = {},
): void {
  const [action, next] = TUNNEL_TABLE[tunnel.phase][event]
  tunnel.phase = next
  ACTIONS[action](core, tunnel, detail)
}

const ACTIONS: Readonly<
  Record<TunnelAction, (core: Core, tunnel: TunnelState, detail: TunnelDetail) => void>
> = {
  'send-sccrq'(core, tunnel) {
    core.state.dialling.push(tunnel.key)
    setTunnelTimer(core, tunnel, 'setup', core.config.l2tp.setupTimeoutMs)
    const challenge = challengePeer(core, tunnel)
    if (tunnel.dial?.singleTunnel === true) {
      tunnel.tieBreaker = (BigInt(core.random.uint32()) << 32n) | BigInt(core.random.uint32())
    }
    const { tieBreaker } = tunnel
    sendControl(core, tunnel, 0, {
      type: 'SCCRQ',
      avps: {
        ...ourAvps(core, tunnel),
        ...(tieBreaker === undefined ? {} : { tieBreaker }),
        ...(challenge === undefined ? {} : { challenge }),
      },
    })
  },

  'ask-admission'(core, tunnel) {
    setTunnelTimer(core, tunnel, 'setup', core.config.l2tp.setupTimeoutMs)
    tunnel.askId = emitAsk(core, { kind: 'admitTunnel', tunnel: tunnelInfo(tunnel) }, tunnel.key)
  },

  'send-sccrp'(core, tunnel) {
    const challenge = challengePeer(core, tunnel)
    const challengeResponse = answerChallenge(core, tunnel, 'SCCRP')
    sendControl(core, tunnel, 0, {
      type: 'SCCRP',
      avps: {
        ...ourAvps(core, tunnel),
        ...(challenge === undefined ? {} : { challenge }),
        ...(challengeResponse === undefined ? {} : { challengeResponse }),
      },
    })
  },

  'send-scccn-and-open'(core, tunnel, detail) {
    const challengeResponse = answerChallenge(core, tunnel, 'SCCCN')
    sendControl(core, tunnel, 0, {
      type: 'SCCCN',
      avps: challengeResponse === undefined ? {} : { challengeResponse },
    })
    ACTIONS.open(core, tunnel, detail)
  },

  open(core, tunnel) {
    spendChallenge(core, tunnel)
    proveAddress(core, tunnel)
    clearTunnelTimer(core, tunnel, 'setup')
    setTunnelTimer(core, tunnel, 'hello', core.config.l2tp.helloIdleMs)
    tunnel.wasUp = true
    if (tunnel.supersedes !== undefined) {
      const reason = { cause: 'peer-silent', text: 'the peer opened the tunnel anew' } as const
      core.signals.push({
        kind: 'tunnel-event',
        tunnelKey: tunnel.supersedes,
        event: 'silent',
        detail: { reason },
      })
    }
    core.emit({ kind: 'event', event: { kind: 'tunnelUp', tunnel: tunnelInfo(tunnel) } })
    for (const session of [...tunnel.sessions.values()]) stepCall(core, tunnel, session, 'tunnel-open')
  },

  stop(core, tunnel, { reason = { cause: 'local-hangup' }, stop }) {
    // A deliberate end tells each call first, so that a peer which bills calls sees each one end.
    for (const session of [...tunnel.sessions.values()]) {
      if (stop === undefined) stepCall(core, tunnel, session, 'close', { reason })
    }
    const { result, error, message } = stop ?? ORDERLY[reason.cause] ?? { result: STOPCCN.clear }
    tunnel.farewell = 'sent'
    setTunnelTimer(core, tunnel, 'linger', FAREWELL_CYCLES * retransmissionCycleMs(core.config.l2tp))
    sendControl(core, tunnel, 0, {
      type: 'StopCCN',
      avps: {
        assignedTunnelId: tunnel.localId,
        resultCode: {
          result,
          ...(error === undefined ? {} : { error }),
          ...(message === undefined ? {} : { message }),
        },
      },
    })
    endTunnel(core, tunnel, {
      ...reason,
      resultCode: result,
      ...(error === undefined ? {} : { errorCode: error }),
    })
  },

  'clean-up'(core, tunnel, { reason = { cause: 'peer-hangup' } }) {
    silence(tunnel.channel, channelEnv(core, tunnel))
    if (tunnel.farewell !== 'received')
      setTunnelTimer(core, tunnel, 'linger', retransmissionCycleMs(core.config.l2tp))
    tunnel.farewell = 'received'
    endTunnel(core, tunnel, reason)
  },

  forget(core, tunnel, { reason = { cause: 'peer-silent' } }) {
    silence(tunnel.channel, channelEnv(core, tunnel))
    clearTunnelTimer(core, tunnel, 'linger')
    tunnel.farewell = 'none'
    endTunnel(core, tunnel, reason)
  },

  ignore: () => undefined,
}

const ORDERLY: Readonly<Partial<Record<EndReason['cause'], NonNullable<TunnelDetail['stop']>>>> = {
  shutdown: { result: STOPCCN.shuttingDown },
  'protocol-error': { result: STOPCCN.fsmError },
}

function ourAvps(core: Core, tunnel: TunnelState) {
  return {
    protocolVersion: PROTOCOL_VERSION,
    framingCapabilities: ALL_FRAMING,
    hostName: core.config.hostName,
    vendorName: core.config.vendorName,
    assignedTunnelId: tunnel.localId,
    receiveWindowSize: core.config.l2tp.receiveWindow,
  }
}

/** The verdict of admitTunnel. */
export function tunnelVerdict(core: Core, tunnel: TunnelState, verdict: Verdicts['admitTunnel']): void {
  delete tunnel.askId
  if (verdict.kind === 'accept') return stepTunnel(core, tunnel, 'admitted')
  stepTunnel(core, tunnel, 'denied', {
    reason: { cause: 'not-admitted', text: verdict.reason },
    stop: {
      result: verdict.errorCode === undefined ? STOPCCN.notAuthorized : STOPCCN.generalError,
      error: verdict.errorCode ?? ERROR.none,
      ...(verdict.message === undefined ? {} : { message: forPeer(verdict.message) }),
    },
  })
}

/** Why an SCCRQ or SCCRP cannot be accepted. */
export type Refusal = Required<Pick<TunnelDetail, 'reason' | 'stop'>>

function refuse(cause: EndReason['cause'], text: string, result: number, error?: number): Refusal {
  return { reason: { cause, text }, stop: { result, error: error ?? ERROR.none, message: text } }
}

type Opening = MessageOf<'SCCRQ'> | MessageOf<'SCCRP'>

/** Takes over what SCCRQ and SCCRP tell of the peer, and judges it. */
export function meetPeer(core: Core, tunnel: TunnelState, { type, avps }: Opening): Refusal | undefined {
  tunnel.peerId = avps.assignedTunnelId
  tunnel.peerHostName = avps.hostName
  if (avps.vendorName !== undefined) tunnel.peerVendorName = avps.vendorName
  if (avps.firmwareRevision !== undefined) tunnel.peerFirmwareRevision = avps.firmwareRevision
  if (avps.receiveWindowSize !== undefined) setPeerWindow(tunnel.channel, avps.receiveWindowSize)
  if (avps.protocolVersion.version !== PROTOCOL_VERSION.version) {
    // 4.4.2: the error code names the highest version that we speak.
    return refuse('protocol-error', 'protocol version not supported', STOPCCN.badVersion, 0x0100)
  }
  if (avps.challenge !== undefined) {
    if (tunnel.secretName === undefined) {
      return refuse('not-admitted', 'no tunnel secret is configured for this peer', STOPCCN.notAuthorized)
    }
    if (isOwnChallenge(core, avps.challenge)) {
      return refuse('not-admitted', 'the challenge is our own', STOPCCN.notAuthorized)
    }
    tunnel.peerChallenge = avps.challenge
  }
  return type === 'SCCRP' ? judgeResponse(core, tunnel, 'SCCRP', avps.challengeResponse) : undefined
}

function judgeResponse(
  core: Core,
  tunnel: TunnelState,
  carrier: 'SCCRP' | 'SCCCN',
  response: Uint8Array | undefined,
): Refusal | undefined {
  if (tunnel.challenge === undefined || challengeMatches(core, tunnel, carrier, response)) return undefined
  const text = response === undefined ? 'tunnel authentication is required' : 'wrong tunnel secret'
  return refuse('auth-failed', text, STOPCCN.notAuthorized)
}

/** A tunnel message whose turn has come. */
export function tunnelMessage(core: Core, tunnel: TunnelState, message: ControlMessage): void {
  switch (message.type) {
    case 'SCCRP': {
      // Only the state that waits for it may look into it: elsewhere it is out of place whatever it says.
      const refusal =
        tunnel.phase === 'wait-ctl-reply' ? meetPeer(core, tunnel, message) : misplaced(message.type)
      return stepTunnel(core, tunnel, refusal === undefined ? 'sccrp' : 'sccrp-refused', refusal)
    }
    case 'SCCCN': {
      const refusal =
        tunnel.phase === 'wait-ctl-conn'
          ? judgeResponse(core, tunnel, 'SCCCN', message.avps.challengeResponse)
          : misplaced(message.type)
      return stepTunnel(core, tunnel, refusal === undefined ? 'scccn' : 'scccn-refused', refusal)
    }
    case 'SCCRQ':
      return stepTunnel(core, tunnel, 'sccrq', misplaced(message.type))
    case 'StopCCN': {
      // A refusal comes before the peer told its id otherwise; without it our acknowledgement would not be known.
      if (tunnel.peerId === 0) tunnel.peerId = message.avps.assignedTunnelId ?? 0
      const { result, error, message: text } = message.avps.resultCode
      const described = describeResult('StopCCN', result, error)
      return stepTunnel(core, tunnel, 'stopccn', {
        reason: {
          cause: 'peer-hangup',
          resultCode: result,
          ...(error === undefined ? {} : { errorCode: error }),
          text: text === undefined ? described : `${described}: ${text}`,
        },
      })
    }
    case 'HELLO':
      return
    default:
      return stepTunnel(core, tunnel, 'bad-message', misplaced(message.type))
  }
}

export function misplaced(what: string): Refusal {
  return refuse('protocol-error', `unexpected ${what}`, STOPCCN.fsmError)
}

/** A deadline of the tunnel. `retransmit` and `ack` belong to the channel and are handled with it. */
export function tunnelTimeout(
  core: Core,
  tunnel: TunnelState,
  name: Exclude<TunnelTimer, 'retransmit' | 'ack'>,
): void {
  switch (name) {
    case 'setup':
      return stepTunnel(core, tunnel, 'close', {
        reason: { cause: 'peer-silent', text: 'the tunnel was not set up in time' },
      })
    case 'hello': {
      const silentMs = core.now - tunnel.heardAt
      const { helloIdleMs } = core.config.l2tp
      // A HELLO, or anything else, that is still on its way asks the same question.
      if (silentMs >= helloIdleMs && tunnel.channel.outbox.length === 0)
        sendControl(core, tunnel, 0, { type: 'HELLO', avps: {} })
      return setTunnelTimer(
        core,
        tunnel,
        'hello',
        silentMs >= helloIdleMs ? helloIdleMs : helloIdleMs - silentMs,
      )
    }
    case 'linger':
      return stepTunnel(core, tunnel, 'silent')
    case 'rebind':
      return rebindTimeout(core, tunnel)
  }
}

/** What the end of a tunnel is to its calls. */
function lostCause({ cause }: EndReason): EndReason['cause'] {
  return cause === 'peer-hangup' || cause === 'local-hangup' ? 'tunnel-closed' : cause
}

const TIMERS: readonly TunnelTimer[] = ['retransmit', 'ack', 'hello', 'setup', 'linger', 'rebind']

/** The one owner of a tunnel's end; does nothing the second time. */
function endTunnel(core: Core, tunnel: TunnelState, reason: EndReason): void {
  tunnel.ending ??= reason
  withdrawAsk(core, tunnel.askId)
  delete tunnel.askId
  clearTunnelTimer(core, tunnel, 'setup')
  clearTunnelTimer(core, tunnel, 'hello')
  delete tunnel.rebind
  clearTunnelTimer(core, tunnel, 'rebind')
  spendChallenge(core, tunnel)
  for (const session of [...tunnel.sessions.values()])
    stepCall(core, tunnel, session, 'tunnel-lost', { reason: { ...reason, cause: lostCause(reason) } })
  forgetIfDone(core, tunnel)
}

/** Tells tunnelDown when the last session is gone, and forgets the tunnel when nobody will ask for it again. */
export function forgetIfDone(core: Core, tunnel: TunnelState): void {
  if (tunnel.phase !== 'closed' || tunnel.sessions.size > 0 || tunnel.ending === undefined) return
  if (!tunnel.downTold) {
    tunnel.downTold = true
    const { wasUp, ending: reason } = tunnel
    core.emit({ kind: 'event', event: { kind: 'tunnelDown', tunnel: tunnelInfo(tunnel), wasUp, reason } })
  }
  const waits =
    tunnel.farewell === 'sent'
      ? tunnel.channel.outbox.length > 0
      : core.timers.has(tunnelTimer(tunnel, 'linger'))
  if (waits) return
  for (const name of TIMERS) clearTunnelTimer(core, tunnel, name)
  leaveSetup(core, tunnel)
  removeTunnel(core, tunnel)
  leavePeer(core, tunnel)
}

/** Frees the id of a tunnel that nothing else speaks of. */
export function removeTunnel(core: Core, { key, path }: TunnelState): void {
  if (core.state.tunnels.delete(key)) leaveTunnel(core.state.sources, path.remote.address)
  core.retiredSecrets.delete(key)
}

/**
 * May another SCCRQ of this peer and id be a repetition. A peer that was open, or said goodbye, has no use for one: it
 * crashed or dials again, and uses its id again (Windows counts from 1).
 */
export function mayBeRepeated(tunnel: TunnelState): boolean {
  return !tunnel.wasUp && tunnel.farewell !== 'received'
}

/** A call is gone, and with its last call a tunnel that we dialled for it. */
export function callGone(core: Core, tunnel: TunnelState): void {
  if (tunnel.dial !== undefined && tunnel.sessions.size === 0)
    stepTunnel(core, tunnel, 'close', { reason: { cause: 'local-hangup', text: 'its call has ended' } })
  forgetIfDone(core, tunnel)
}

/** The peer has shown that it receives at its address: no more limit on what we send there. */
function proveAddress(core: Core, tunnel: TunnelState): void {
  leaveSetup(core, tunnel)
  delete tunnel.unproven
}

function leaveSetup(core: Core, { key, path }: TunnelState): void {
  core.state.dialling = core.state.dialling.filter(dialling => dialling !== key)
  leaveHalfOpen(core.state.sources, path.remote.address, key)
}
