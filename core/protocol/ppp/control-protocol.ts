/** Drives the RFC 1661 automaton for any control protocol: identifiers, counters, timers and packets. */

import {
  CP_CODE,
  type CpOption,
  type CpPacket,
  decodeCpPacket,
  decodeOptions,
  encodeCpPacket,
  encodeOptions,
} from '../../wire/ppp-options.ts'
import { step } from '../machine.ts'
import type { EndReason } from '../outputs.ts'
import { CP_TABLE, type CpAction, type CpEvent, type CpStateName, RESTART_TIMER_RUNS } from './cp-table.ts'
import { dropped, type LinkEnv, type LinkTimer } from './link-env.ts'

/** The part of a control protocol's state that the automaton keeps. */
export interface CpState {
  state: CpStateName
  /** Restart counter (RFC 1661 4.6). */
  restarts: number
  /** The last identifier that we gave a packet of our own. */
  identifier: number
  /** Identifier of our Configure-Request while no valid answer has come. */
  outstanding?: number | undefined
  /** The Configure-Request that we acknowledged last, whole. */
  acknowledged?: Uint8Array | undefined
  /** Since our last Configure-Ack (RFC 1661 4.6, Max-Failure). */
  naksSent: number
  /** Naks and Rejects: each side's, in this negotiation; a cap ends what cannot converge. */
  refusalsSent: number
  refusalsReceived: number
  /** Our request was repeated early, or is going to be. */
  hurried: boolean
}

export const CP_START: CpState = {
  state: 'initial',
  restarts: 0,
  identifier: 0,
  naksSent: 0,
  refusalsSent: 0,
  refusalsReceived: 0,
  hurried: false,
}

/** What the layers above must know; `event` is what brought it about. */
export type Signal =
  | { readonly kind: 'up' | 'down' | 'finished'; readonly event: CpEvent }
  /** The negotiation is hopeless: end the link. The automaton has not moved. */
  | { readonly kind: 'failed'; readonly reason: EndReason }
  /** LCP only: the peer does not speak this protocol. */
  | { readonly kind: 'protocol-rejected'; readonly protocol: number }

export type Judgement =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak' | 'reject'; readonly options: readonly CpOption[] }
  | { readonly kind: 'fail'; readonly reason: EndReason }

/** What tells one control protocol from another. */
export interface ControlProtocol<S extends CpState> {
  readonly protocol: number
  readonly timer: LinkTimer
  /** RFC 3145 cause and text of a negotiation without end. */
  readonly noAgreement: EndReason
  /** A negotiation begins: back to what the config asks for. */
  reset(s: S, env: LinkEnv): void
  /** The options to ask for; the same until `reset` or `refused`. */
  request(s: S, env: LinkEnv): readonly CpOption[]
  /** What we say to the peer's options; `patient` is false once Max-Failure Naks were in vain. */
  judge(s: S, env: LinkEnv, options: readonly CpOption[], patient: boolean): Judgement
  /** We acknowledged these. */
  agree(s: S, options: readonly CpOption[]): void
  /** The peer acknowledged our request; a reason where it is of no use. */
  agreed(s: S, env: LinkEnv): EndReason | undefined
  /** The peer's Nak or Reject: changes what `request` asks for; a reason where there is nothing left to ask. */
  refused(s: S, env: LinkEnv, kind: 'nak' | 'reject', options: readonly CpOption[]): EndReason | undefined
  /** The peer does not know a code beyond 7 that we sent. */
  codeRejected(s: S, code: number): void
  /** Codes beyond 7; undefined for a code that the protocol does not have. */
  readonly codes: Readonly<Record<number, CodeHandler<S>>>
}

/** A reply is sent where the automaton allows one (RXR in Opened). */
export type CodeHandler<S> = (
  s: S,
  env: LinkEnv,
  packet: CpPacket,
) => { readonly reply?: CpPacket; readonly signal?: Signal } | undefined

/** Longer than an answer that is on its way takes as a rule. */
const HURRY_MS = 400
/** Larger than the default MRU is larger than anything we allowed (RFC 1661 6.1). */
const MAX_PACKET_BYTES = 1500
/** How much of a rejected packet goes back: fits any MRU, identifies it, and amplifies nothing. */
export const REJECTED_BYTES = 120

const NEGOTIATING: ReadonlySet<CpStateName> = new Set(['req-sent', 'ack-rcvd', 'ack-sent'])
const ENDING: ReadonlySet<CpStateName> = new Set(['closing', 'stopping'])
/** States in which RFC 1661 4.1 has no answer to a packet: the layer below is down. */
const DEAF: ReadonlySet<CpStateName> = new Set(['initial', 'starting'])

export function isNegotiating(s: CpState): boolean {
  return NEGOTIATING.has(s.state)
}

export function isEnding(s: CpState): boolean {
  return ENDING.has(s.state)
}

export function nextIdentifier(s: CpState): number {
  s.identifier = (s.identifier + 1) & 0xff
  return s.identifier
}

/** What the actions of one event work on. */
interface Turn<S extends CpState> {
  readonly cp: ControlProtocol<S>
  readonly s: S
  readonly env: LinkEnv
  readonly event: CpEvent
  /** True when the event found no negotiation under way. */
  readonly afresh: boolean
  /** The packet that the event is about. */
  readonly packet?: CpPacket | undefined
  /** What `sca`, `scn`, `scj` and `ser` send. */
  readonly reply?: CpPacket | undefined
  signal?: Signal
}

/** Feeds one event to the automaton. `packet` and `reply` are for events that came with a packet. */
export function cpEvent<S extends CpState>(
  cp: ControlProtocol<S>,
  s: S,
  env: LinkEnv,
  event: CpEvent,
  packet?: CpPacket,
  reply?: CpPacket,
): Signal | undefined {
  const before = s.state
  const turn: Turn<S> = { cp, s, env, event, afresh: !isNegotiating(s), packet, reply }
  step(CP_TABLE, s, event, action => ACTIONS[action](turn))
  if (RESTART_TIMER_RUNS[before] && !RESTART_TIMER_RUNS[s.state]) env.clearTimer(cp.timer)
  return turn.signal
}

/** The Restart timer passed. */
export function cpTimeout<S extends CpState>(cp: ControlProtocol<S>, s: S, env: LinkEnv): Signal | undefined {
  return cpEvent(cp, s, env, s.restarts > 0 ? 'TO+' : 'TO-')
}

/** A packet of this protocol came. */
export function cpReceive<S extends CpState>(
  cp: ControlProtocol<S>,
  s: S,
  env: LinkEnv,
  payload: Uint8Array,
): Signal | undefined {
  const packet = decodeCpPacket(payload)
  if (packet === undefined) return dropped(env, 'ppp-malformed')
  if (packet.data.length + 4 > MAX_PACKET_BYTES) return dropped(env, 'ppp-oversized')
  if (DEAF.has(s.state)) return dropped(env, 'ppp-phase')
  const receive = RECEIVERS[packet.code]
  if (receive !== undefined) return receive(cp, s, env, packet)
  const handle = cp.codes[packet.code]
  if (handle !== undefined) {
    const { reply, signal } = handle(s, env, packet) ?? {}
    return signal ?? (reply && cpEvent(cp, s, env, 'RXR', packet, reply))
  }
  return cpEvent(cp, s, env, 'RUC', packet, {
    code: CP_CODE.CODE_REJECT,
    identifier: nextIdentifier(s),
    data: encodeCpPacket(packet).slice(0, REJECTED_BYTES),
  })
}

/** Judges option by option; a Reject comes before any Nak (RFC 1661 5.3, 5.4), and no type is Nakked twice. */
export function judgeEach(
  options: readonly CpOption[],
  verdictOf: (option: CpOption) => 'ack' | 'reject' | CpOption,
): Judgement {
  const rejected: CpOption[] = []
  const better = new Map<number, CpOption>()
  for (const option of options) {
    const verdict = verdictOf(option)
    if (verdict === 'reject') rejected.push(option)
    else if (verdict !== 'ack') better.set(verdict.type, verdict)
  }
  if (rejected.length > 0) return { kind: 'reject', options: rejected }
  if (better.size > 0) return { kind: 'nak', options: [...better.values()] }
  return { kind: 'ack' }
}

type Act = <S extends CpState>(turn: Turn<S>) => void

const announce =
  (kind: 'up' | 'down' | 'finished'): Act =>
  turn => {
    turn.signal = { kind, event: turn.event }
  }

const sendReply: Act = ({ cp, env, reply }) => {
  if (reply !== undefined) env.send(cp.protocol, encodeCpPacket(reply))
}

const ACTIONS: Readonly<Record<CpAction, Act>> = {
  tlu: announce('up'),
  tld: announce('down'),
  tls: () => {},
  tlf: announce('finished'),
  irc: ({ s, env }) => {
    s.restarts = isEnding(s) ? env.config.maxTerminate : env.config.maxConfigure
  },
  // The peer gets one period to act on our Terminate-Ack before we are gone.
  zrc: ({ cp, s, env }) => {
    s.restarts = 0
    env.setTimer(cp.timer, env.config.restartTimerMs)
  },
  scr: ({ cp, s, env, afresh }) => {
    if (afresh) {
      Object.assign(s, {
        naksSent: 0,
        refusalsSent: 0,
        refusalsReceived: 0,
        hurried: false,
        outstanding: undefined,
      })
      cp.reset(s, env)
    }
    s.restarts--
    // A retransmission keeps its identifier, so that a late answer to the first still counts (RFC 1661 5.1).
    s.outstanding ??= nextIdentifier(s)
    const data = encodeOptions(cp.request(s, env))
    env.send(
      cp.protocol,
      encodeCpPacket({ code: CP_CODE.CONFIGURE_REQUEST, identifier: s.outstanding, data }),
    )
    env.setTimer(cp.timer, env.config.restartTimerMs)
  },
  sca: turn => {
    const { cp, s, packet } = turn
    if (packet === undefined) return
    Object.assign(s, { naksSent: 0, refusalsSent: 0, acknowledged: encodeCpPacket(packet) })
    cp.agree(s, decodeOptions(packet.data) ?? [])
    sendReply(turn)
  },
  scn: turn => {
    turn.s.refusalsSent++
    if (turn.reply?.code === CP_CODE.CONFIGURE_NAK) turn.s.naksSent++
    sendReply(turn)
  },
  str: ({ cp, s, env }) => {
    s.restarts--
    const data = new Uint8Array()
    env.send(
      cp.protocol,
      encodeCpPacket({ code: CP_CODE.TERMINATE_REQUEST, identifier: nextIdentifier(s), data }),
    )
    env.setTimer(cp.timer, env.config.restartTimerMs)
  },
  sta: ({ cp, s, env, packet }) => {
    const identifier = packet?.identifier ?? nextIdentifier(s)
    env.send(cp.protocol, encodeCpPacket({ code: CP_CODE.TERMINATE_ACK, identifier, data: new Uint8Array() }))
  },
  scj: sendReply,
  ser: sendReply,
}

type Receive = <S extends CpState>(
  cp: ControlProtocol<S>,
  s: S,
  env: LinkEnv,
  packet: CpPacket,
) => Signal | undefined

const receiveRequest: Receive = (cp, s, env, packet) => {
  const options = decodeOptions(packet.data)
  if (options === undefined) return dropped(env, 'ppp-malformed')
  const { identifier, data } = packet
  const ack: CpPacket = { code: CP_CODE.CONFIGURE_ACK, identifier, data }
  // A repeated request that we acknowledged asks for our Ack again, not for a new negotiation: a peer that
  // begins anew must change the identifier (RFC 1661 5.1).
  if (s.state === 'opened' && sameBytes(encodeCpPacket(packet), s.acknowledged)) {
    env.send(cp.protocol, encodeCpPacket(ack))
    return undefined
  }
  const patient = s.naksSent < env.config.maxFailure
  const judgement = cp.judge(s, env, options, patient)
  if (judgement.kind === 'fail') return { kind: 'failed', reason: judgement.reason }
  if (judgement.kind !== 'ack' && s.refusalsSent >= refusalLimit(env))
    return { kind: 'failed', reason: cp.noAgreement }
  const signal =
    judgement.kind === 'ack'
      ? cpEvent(cp, s, env, 'RCR+', packet, ack)
      : cpEvent(cp, s, env, 'RCR-', packet, refusal(identifier, judgement, options, patient))
  hurry(cp, s, env)
  return signal
}

/**
 * A peer that asks has just begun to listen, as pppd has under xl2tpd: what we asked before it did not hear. Once in a negotiation our
 * request is repeated soon, not when its timer would have it.
 */
function hurry<S extends CpState>(cp: ControlProtocol<S>, s: S, env: LinkEnv): void {
  if (s.hurried || !isNegotiating(s) || s.outstanding === undefined) return
  s.hurried = true
  env.setTimer(cp.timer, Math.min(HURRY_MS, env.config.restartTimerMs))
}

/** Max-Failure Naks were in vain: the options themselves are rejected (RFC 1661 4.6). */
function refusal(
  identifier: number,
  judgement: Extract<Judgement, { kind: 'nak' | 'reject' }>,
  asked: readonly CpOption[],
  patient: boolean,
): CpPacket {
  if (judgement.kind === 'nak' && patient)
    return { code: CP_CODE.CONFIGURE_NAK, identifier, data: encodeOptions(judgement.options) }
  const types = new Set(judgement.options.map(option => option.type))
  const rejected = asked.filter(option => types.has(option.type))
  return { code: CP_CODE.CONFIGURE_REJECT, identifier, data: encodeOptions(rejected) }
}

const receiveAck: Receive = (cp, s, env, packet) => {
  if (packet.identifier !== s.outstanding) return dropped(env, 'ppp-stale')
  if (!sameBytes(packet.data, encodeOptions(cp.request(s, env)))) return dropped(env, 'ppp-malformed')
  s.outstanding = undefined
  const reason = isNegotiating(s) ? cp.agreed(s, env) : undefined
  return reason === undefined ? cpEvent(cp, s, env, 'RCA', packet) : { kind: 'failed', reason }
}

const receiveRefusal =
  (kind: 'nak' | 'reject'): Receive =>
  (cp, s, env, packet) => {
    if (packet.identifier !== s.outstanding) return dropped(env, 'ppp-stale')
    const options = decodeOptions(packet.data)
    if (options === undefined || options.length === 0) return dropped(env, 'ppp-malformed')
    const asked = new Set(cp.request(s, env).map(option => option.type))
    if (kind === 'reject' && options.some(option => !asked.has(option.type)))
      return dropped(env, 'ppp-malformed')
    s.outstanding = undefined
    if (isNegotiating(s)) {
      if (++s.refusalsReceived > refusalLimit(env)) return { kind: 'failed', reason: cp.noAgreement }
      const reason = cp.refused(s, env, kind, options)
      if (reason !== undefined) return { kind: 'failed', reason }
    }
    return cpEvent(cp, s, env, 'RCN', packet)
  }

const receiveCodeReject: Receive = (cp, s, env, packet) => {
  const code = packet.data[0]
  if (code === undefined) return dropped(env, 'ppp-malformed')
  if (code <= CP_CODE.CODE_REJECT) return cpEvent(cp, s, env, 'RXJ-', packet)
  cp.codeRejected(s, code)
  return cpEvent(cp, s, env, 'RXJ+', packet)
}

const RECEIVERS: Readonly<Record<number, Receive>> = {
  [CP_CODE.CONFIGURE_REQUEST]: receiveRequest,
  [CP_CODE.CONFIGURE_ACK]: receiveAck,
  [CP_CODE.CONFIGURE_NAK]: receiveRefusal('nak'),
  [CP_CODE.CONFIGURE_REJECT]: receiveRefusal('reject'),
  [CP_CODE.TERMINATE_REQUEST]: (cp, s, env, packet) => cpEvent(cp, s, env, 'RTR', packet),
  [CP_CODE.TERMINATE_ACK]: (cp, s, env, packet) => cpEvent(cp, s, env, 'RTA', packet),
  [CP_CODE.CODE_REJECT]: receiveCodeReject,
}

/** Two rounds of patience: one of Naks, one of Rejects. */
function refusalLimit(env: LinkEnv): number {
  return 2 * env.config.maxFailure
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((octet, at) => octet === b[at])
}
