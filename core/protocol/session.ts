/** Calls: what each action of the tables does (RFC 2661 5.2, 5.6, 7.4). */
import { NO_COUNTERS } from '../flow.ts'
import type { ControlMessage, MessageOf } from '../wire/control-message.ts'
import { CDN, describeResult, ERROR } from '../wire/result-codes.ts'
import { emitAsk } from './asking.ts'
import type { EndReason, Grant, SessionPolicy, Verdict, Verdicts } from './outputs.ts'
import {
  closeLink,
  createLink,
  linkAnswer,
  linkFrame,
  linkTimer,
  regrantLink,
  startLink,
} from './ppp/link.ts'
import type { LinkTimer } from './ppp/link-env.ts'
import type { Proxied } from './ppp/proxied.ts'
import { type DisconnectCodes, disconnectCodes } from './session-codes.ts'
import { endSession, linkEnv, sessionInfo, sessionTimer, setSessionTimer } from './session-link.ts'
import { callCell, type SessionAction, type SessionEvent } from './session-table.ts'
import { countSession, heldBy } from './sources.ts'
import { type Core, freeId, type SessionState, type TunnelState } from './state.ts'
import { forPeer, sendControl } from './tunnel-io.ts'

/** What an event brings along. */
export interface CallDetail {
  readonly reason?: EndReason
  /** Codes for our CDN; by default those of the reason. */
  readonly codes?: DisconnectCodes
}

/** PPP over L2TP has no line; the RFC wants a number all the same. */
const CONNECT_SPEED_BPS = 100_000_000
const SYNC_FRAMING = { async: false, sync: true } as const

/** Assigns the state first, then acts. */
export function stepCall(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  event: SessionEvent,
  detail: CallDetail = {},
): void {
  const [action, next] = callCell(session.role, session.phase, event)
  if (session.phase === 'admitting' && next !== 'admitting') tunnel.deciding--
  session.phase = next
  ACTIONS[action](core, tunnel, session, detail)
}

type Act = (core: Core, tunnel: TunnelState, session: SessionState, detail: CallDetail) => void

const ACTIONS: Readonly<Record<SessionAction, Act>> = {
  'send-icrq'(core, tunnel, session) {
    setSessionTimer(core, session, 'call-setup', core.config.l2tp.setupTimeoutMs)
    sendControl(core, tunnel, 0, {
      type: 'ICRQ',
      avps: { assignedSessionId: session.localId, callSerialNumber: session.callSerialNumber },
    })
  },

  'ask-admission'(core, tunnel, session) {
    tunnel.deciding++
    setSessionTimer(core, session, 'call-setup', core.config.l2tp.setupTimeoutMs)
    session.askId = emitAsk(
      core,
      { kind: 'admitSession', session: sessionInfo(tunnel, session) },
      tunnel.key,
      session.localId,
    )
  },

  'send-icrp'(core, tunnel, session) {
    sendControl(core, tunnel, session.peerId, { type: 'ICRP', avps: { assignedSessionId: session.localId } })
  },

  'send-iccn-and-connect'(core, tunnel, session, detail) {
    sendControl(core, tunnel, session.peerId, {
      type: 'ICCN',
      avps: { txConnectSpeed: CONNECT_SPEED_BPS, framingType: SYNC_FRAMING },
    })
    ACTIONS.connect(core, tunnel, session, detail)
  },

  connect(core, tunnel, session) {
    core.timers.clear(sessionTimer(session, 'call-setup'))
    const { demandAuth = core.config.ppp.demandAuth } = session
    session.ppp = tunnel.dial?.ppp ?? { ...core.config.ppp, demandAuth }
    session.link = createLink()
    const { proxied } = session
    delete session.proxied
    startLink(session.link, linkEnv(core, tunnel, session), proxied)
  },

  disconnect(core, tunnel, session, { reason = { cause: 'local-hangup' }, codes }) {
    const { result, error, message, pppCause }: DisconnectCodes = codes ?? disconnectCodes(reason)
    sendControl(core, tunnel, session.peerId, {
      type: 'CDN',
      avps: {
        resultCode: {
          result,
          ...(error === undefined ? {} : { error }),
          ...(message === undefined ? {} : { message }),
        },
        assignedSessionId: session.localId,
        ...(pppCause === undefined ? {} : { pppDisconnectCause: pppCause }),
      },
    })
    endSession(core, tunnel, session, {
      ...reason,
      resultCode: result,
      ...(error === undefined ? {} : { errorCode: error }),
    })
  },

  'clean-up'(core, tunnel, session, { reason = { cause: 'peer-hangup' } }) {
    endSession(core, tunnel, session, reason)
  },

  ignore: () => undefined,
}

/** A message about a call, whose turn has come. `sessionId` is ours, of the header; 0 where the peer knew none. */
export function callMessage(
  core: Core,
  tunnel: TunnelState,
  sessionId: number,
  message: ControlMessage,
): void {
  if (message.type === 'ICRQ' && sessionId === 0) return receiveCall(core, tunnel, message)
  if (message.type === 'OCRQ') return refuseOutgoing(core, tunnel, message)
  // A CDN may come before the peer knew our id (5.6); it then names its own.
  const session =
    tunnel.sessions.get(sessionId) ??
    (message.type === 'CDN' ? sessionOfPeer(tunnel, message.avps.assignedSessionId) : undefined)
  if (session === undefined) {
    // 7.4.2: whoever answers a call that an LNS never placed is told so.
    if (message.type !== 'ICRP' || tunnel.role === 'lac') return core.drop(tunnel.path, 'unknown-session')
    return refuseCall(core, tunnel, message.avps.assignedSessionId, CDN.generalError, ERROR.badSessionId)
  }
  switch (message.type) {
    case 'ICRP': {
      if (session.phase === 'wait-reply') session.peerId = message.avps.assignedSessionId
      if (session.peerId === 0)
        return badMessage(core, tunnel, session, ERROR.badSessionId, 'ICRP assigns session id 0')
      return stepCall(core, tunnel, session, 'icrp', { reason: misplaced('ICRP') })
    }
    case 'ICCN': {
      if (session.phase === 'wait-connect') {
        session.txConnectSpeedBps = message.avps.txConnectSpeed
        session.sequencing ||= message.avps.sequencingRequired === true
        // Anybody could say that somebody else has proved itself: only a LAC that has done so itself is believed.
        if (tunnel.secretName !== undefined) session.proxied = proxiedOf(message)
      }
      return stepCall(core, tunnel, session, 'iccn', { reason: misplaced('ICCN') })
    }
    case 'ICRQ':
      return stepCall(core, tunnel, session, 'icrq', { reason: misplaced('ICRQ') })
    case 'CDN':
      return stepCall(core, tunnel, session, 'cdn', { reason: cdnReason(message) })
    // Line errors and escape maps are of the LAC's line (5.3): nothing here depends on them.
    case 'WEN':
    case 'SLI':
      return
    default:
      return stepCall(core, tunnel, session, 'bad-message', { reason: misplaced(message.type) })
  }
}

function proxiedOf({ avps }: MessageOf<'ICCN'>): Proxied {
  const { proxyAuthenType: type, proxyAuthenName: name, proxyAuthenResponse: response } = avps
  const { proxyAuthenId: identifier = 0, proxyAuthenChallenge: challenge } = avps
  const { lastSentLcpConfReq: lastSent, lastReceivedLcpConfReq: lastReceived } = avps
  return {
    ...(lastSent && { lastSent }),
    ...(lastReceived && { lastReceived }),
    ...(type !== undefined &&
      name !== undefined &&
      response !== undefined && {
        auth: { type, name, response, identifier, ...(challenge && { challenge }) },
      }),
  }
}

function sessionOfPeer(tunnel: TunnelState, peerId: number | undefined): SessionState | undefined {
  if (peerId === undefined || peerId === 0) return undefined
  return [...tunnel.sessions.values()].find(session => session.peerId === peerId)
}

function cdnReason({ avps: { resultCode, pppDisconnectCause } }: MessageOf<'CDN'>): EndReason {
  const { result, error, message } = resultCode
  const described = describeResult('CDN', result, error)
  const text = message ?? pppDisconnectCause?.message
  return {
    cause: 'peer-hangup',
    resultCode: result,
    ...(error === undefined ? {} : { errorCode: error }),
    ...(pppDisconnectCause === undefined ? {} : { pppCause: pppDisconnectCause.code }),
    text: text === undefined || text === '' ? described : `${described}: ${text}`,
  }
}

function misplaced(what: string): EndReason {
  return { cause: 'protocol-error', text: `unexpected ${what}` }
}

/** A message of a call that cannot be read: the call ends, the tunnel goes on. */
export function badMessage(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  errorCode: number,
  text: string,
): void {
  stepCall(core, tunnel, session, 'bad-message', {
    reason: { cause: 'protocol-error', text },
    codes: { result: CDN.generalError, error: errorCode, message: text },
  })
}

function newSession(
  core: Core,
  tunnel: TunnelState,
  role: SessionState['role'],
  facts: Pick<SessionState, 'peerId' | 'callSerialNumber'> & Partial<SessionState>,
): SessionState | undefined {
  if (!hasRoom(core, tunnel)) return undefined
  const localId = freeId(core.random, id => tunnel.sessions.has(id))
  if (localId === undefined) return undefined
  const session: SessionState = {
    key: `${tunnel.key}/${localId}`,
    id: Buffer.from(core.random.bytes(8)).toString('hex'),
    role,
    tunnelKey: tunnel.key,
    localId,
    phase: 'idle',
    startedAt: core.now,
    sequencing: false,
    counters: NO_COUNTERS,
    wasUp: false,
    ...facts,
  }
  tunnel.sessions.set(localId, session)
  countSession(core.state.sources, tunnel.path.remote.address, 1)
  return session
}

function hasRoom(core: Core, tunnel: TunnelState): boolean {
  const { maxSessions, maxSessionsPerSource, maxSessionsPerTunnel } = core.config.l2tp
  const { sources } = core.state
  if (tunnel.sessions.size >= maxSessionsPerTunnel || sources.sessions >= maxSessions) return false
  return heldBy(sources, tunnel.path.remote.address).sessions < maxSessionsPerSource
}

/** A peer calls (5.2.1). */
function receiveCall(core: Core, tunnel: TunnelState, { avps }: MessageOf<'ICRQ'>): void {
  const { assignedSessionId: peerId, callSerialNumber, callingNumber, calledNumber, subAddress } = avps
  if (peerId === 0) return refuseCall(core, tunnel, 0, CDN.generalError, ERROR.badSessionId)
  // Placed by somebody whom we dialled: a client takes no calls.
  if (tunnel.role === 'lac') return refuseCall(core, tunnel, peerId, CDN.administrative)
  const session = newSession(core, tunnel, 'lns', {
    peerId,
    callSerialNumber,
    ...(callingNumber === undefined ? {} : { callingNumber }),
    ...(calledNumber === undefined ? {} : { calledNumber }),
    ...(subAddress === undefined ? {} : { subAddress }),
  })
  if (session === undefined) return refuseCall(core, tunnel, peerId, CDN.temporaryShortage, ERROR.noResources)
  stepCall(core, tunnel, session, 'icrq')
}

/** Burrow places no outgoing calls for others (5.2.2): there is no line to place them on. */
function refuseOutgoing(core: Core, tunnel: TunnelState, { avps }: MessageOf<'OCRQ'>): void {
  refuseCall(core, tunnel, avps.assignedSessionId, CDN.permanentShortage)
}

/** A CDN for a call that never became a session: it has no id of ours to tell. */
export function refuseCall(
  core: Core,
  tunnel: TunnelState,
  peerSessionId: number,
  result: number,
  error?: number,
): void {
  sendControl(core, tunnel, peerSessionId, {
    type: 'CDN',
    avps: { resultCode: { result, ...(error === undefined ? {} : { error }) }, assignedSessionId: 0 },
  })
}

/** We call over a tunnel that is, or is about to be, open. */
export function placeCall(core: Core, tunnel: TunnelState): SessionState | undefined {
  const session = newSession(core, tunnel, 'lac', {
    peerId: 0,
    callSerialNumber: core.state.nextCallSerialNumber++,
  })
  if (session !== undefined) stepCall(core, tunnel, session, 'call')
  return session
}

/** The verdict on an ask of this session: admission, or a decision of its PPP link. */
export function sessionVerdict(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  askId: number,
  kind: string,
  verdict: Verdict,
): void {
  if (kind !== 'admitSession') {
    if (session.link !== undefined) linkAnswer(session.link, linkEnv(core, tunnel, session), askId, verdict)
    return
  }
  delete session.askId
  // The pending ask says which kind of verdict this is.
  const admission = verdict as Verdicts['admitSession']
  if (admission.kind === 'accept') {
    const demandAuth = core.config.ppp.demandAuth.filter(method => admission.auth?.includes(method))
    if (demandAuth.length > 0) session.demandAuth = demandAuth
    return stepCall(core, tunnel, session, 'admitted')
  }
  const { reason: text, message, errorCode } = admission
  const codes = {
    result: errorCode === undefined ? CDN.administrative : CDN.generalError,
    error: errorCode ?? ERROR.none,
    ...(message === undefined ? {} : { message: forPeer(message) }),
  }
  stepCall(core, tunnel, session, 'denied', { reason: { cause: 'not-admitted', text }, codes })
}

/** A live session is granted something else: its flow follows at once, what PPP has negotiated stays. False: it is not admitted, or is ending. */
export function regrantCall(
  core: Core,
  tunnel: TunnelState,
  session: SessionState,
  grant: Grant,
  policy: SessionPolicy,
): boolean {
  const { link, wasUp, ending } = session
  if (link === undefined || !wasUp || ending !== undefined) return false
  if (!regrantLink(link, linkEnv(core, tunnel, session), grant, policy)) return false
  const event = { session: sessionInfo(tunnel, session), grant: link.grant ?? grant, leases: link.leases }
  core.emit({ kind: 'event', event: { kind: 'sessionChanged', ...event } })
  return true
}

/** A PPP frame of this call. Early ones are repeated by the peer's PPP. */
export function callFrame(core: Core, tunnel: TunnelState, session: SessionState, frame: Uint8Array): void {
  if (session.link === undefined) return core.drop(tunnel.path, 'early-ppp')
  if (session.phase === 'closing') return core.drop(tunnel.path, 'closed')
  linkFrame(session.link, linkEnv(core, tunnel, session), frame)
}

/** A deadline of the call or of its link. */
export function callTimeout(core: Core, tunnel: TunnelState, session: SessionState, name: string): void {
  if (name === 'call-setup') {
    const reason = { cause: 'peer-silent', text: 'the call was not connected in time' } as const
    stepCall(core, tunnel, session, 'close', { reason, codes: { result: CDN.notInTime } })
  } else if (session.link !== undefined) {
    // Every other deadline was set by the link, under its own names.
    linkTimer(session.link, linkEnv(core, tunnel, session), name as LinkTimer)
  }
}

/**
 * Ends a call in good order: PPP first where there is a link, then CDN. A call is replaced because its user has dialled
 * again: nobody is likely to be left to answer a Terminate-Request.
 */
export function hangUpCall(core: Core, tunnel: TunnelState, session: SessionState, reason: EndReason): void {
  if (session.link !== undefined && session.phase === 'established' && reason.cause !== 'replaced') {
    closeLink(session.link, linkEnv(core, tunnel, session), reason)
  } else {
    stepCall(core, tunnel, session, 'close', { reason })
  }
}
