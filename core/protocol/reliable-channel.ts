/**
 * Reliable delivery of control messages (RFC 2661 5.8 and appendix A): sequence numbers, the peer's window, slow
 * start and congestion avoidance, retransmission, acknowledgement. Plain state plus functions over it.
 */
import type { Milliseconds } from '../ports.ts'
import { type L2tpConfig, retransmitDelayMs } from './config.ts'
import { add16, ahead16, isBefore16 } from './serial16.ts'

interface Outgoing {
  readonly ns: number
  readonly sessionId: number
  /** The AVPs; the header is made at each transmission, for Nr moves. */
  readonly body: Uint8Array
}

interface Early {
  readonly ns: number
  readonly sessionId: number
  readonly body: Uint8Array
}

export interface ChannelState {
  /** Sequence number of the next message that is queued. */
  nextNs: number
  /** Messages not acknowledged, oldest first. The first `flight` of them are on their way. */
  outbox: Outgoing[]
  flight: number
  /** One past the highest sequence number ever transmitted: what may be acknowledged. */
  sentEnd: number
  /** Next sequence number wanted from the peer. */
  nr: number
  /** Messages that overtook others; at most our receive window. */
  early: Early[]
  peerWindow: number
  congestionWindow: number
  slowStartThreshold: number
  /** Acknowledgements towards the next step of congestion avoidance. */
  credit: number
  /** Transmissions of the oldest message since it was last acknowledged. */
  attempts: number
  /** The peer waits for an acknowledgement. */
  ackOwed: boolean
}

export interface ChannelEnv {
  readonly config: L2tpConfig
  transmit(ns: number, nr: number, sessionId: number, body: Uint8Array): void
  setRetransmitTimer(delayMs: Milliseconds): void
  clearRetransmitTimer(): void
  /** The oldest message was repeated as often as may be. */
  exhausted(): void
}

/** Half the number space, less room for what is in flight. */
const LONGEST_OUTBOX = 16_384
/** What may wait beside the messages of calls. */
const TUNNEL_MESSAGES = 64
/** A longer message is not kept for its turn: the peer repeats it. */
const LONGEST_EARLY_BYTES = 1500
/** Appendix A. The peer's own default where it tells none is 4 (4.4.3). */
export const DEFAULT_PEER_WINDOW = 4

export function createChannel(): ChannelState {
  return {
    nextNs: 0,
    outbox: [],
    flight: 0,
    sentEnd: 0,
    nr: 0,
    early: [],
    peerWindow: DEFAULT_PEER_WINDOW,
    congestionWindow: 1,
    slowStartThreshold: DEFAULT_PEER_WINDOW,
    credit: 0,
    attempts: 0,
    ackOwed: false,
  }
}

/** The peer's Receive Window Size (4.4.3). Zero, which the RFC forbids, is read as one. */
export function setPeerWindow(channel: ChannelState, size: number): void {
  channel.peerWindow = Math.min(Math.max(size, 1), 0x7fff)
  channel.slowStartThreshold = channel.peerWindow
}

/** Queues a message and sends what the window allows. False: the queue is full. */
export function sendReliably(
  channel: ChannelState,
  env: ChannelEnv,
  sessionId: number,
  body: Uint8Array,
): boolean {
  if (channel.outbox.length >= longestOutbox(env.config)) return false
  channel.outbox.push({ ns: channel.nextNs, sessionId, body })
  channel.nextNs = add16(channel.nextNs, 1)
  pump(channel, env)
  return true
}

export type Arrival =
  | {
      readonly kind: 'in-order'
      readonly messages: readonly { readonly sessionId: number; readonly body: Uint8Array }[]
    }
  | { readonly kind: 'zlb' | 'early' | 'duplicate' | 'out-of-window' }

/**
 * Takes a message's sequence number: what it lets us deliver, in order. A ZLB has no place in the sequence: its Ns is
 * never looked at. `body` is copied where it must wait.
 */
export function arrive(
  channel: ChannelState,
  window: number,
  ns: number,
  sessionId: number,
  body: Uint8Array,
): Arrival {
  if (body.length === 0) return { kind: 'zlb' }
  if (isBefore16(ns, channel.nr)) {
    channel.ackOwed = true
    return { kind: 'duplicate' }
  }
  const gap = ahead16(channel.nr, ns)
  if (gap >= window || (gap > 0 && body.length > LONGEST_EARLY_BYTES)) return { kind: 'out-of-window' }
  if (gap > 0) {
    if (!channel.early.some(waiting => waiting.ns === ns))
      channel.early.push({ ns, sessionId, body: body.slice() })
    return { kind: 'early' }
  }
  const messages = [{ sessionId, body }]
  channel.nr = add16(channel.nr, 1)
  for (let next = takeEarly(channel); next !== undefined; next = takeEarly(channel)) {
    messages.push(next)
    channel.nr = add16(channel.nr, 1)
  }
  channel.ackOwed = true
  return { kind: 'in-order', messages }
}

/** Takes the peer's Nr, of any message whatever its session. False: it acknowledges what was never sent. */
export function acknowledge(channel: ChannelState, env: ChannelEnv, nr: number): boolean {
  const oldest = channel.outbox[0]?.ns ?? channel.nextNs
  // An older Nr than one seen is a datagram that was overtaken.
  if (nr === oldest || isBefore16(nr, oldest)) return true
  const count = ahead16(oldest, nr)
  if (count > ahead16(oldest, channel.sentEnd)) return false
  channel.outbox.splice(0, count)
  channel.flight = Math.max(0, channel.flight - count)
  channel.attempts = 0
  for (let step = 0; step < count; step++) widen(channel)
  env.clearRetransmitTimer()
  // What is still on its way is the oldest now, and was sent once.
  if (channel.flight > 0) startTimer(channel, env)
  pump(channel, env)
  return true
}

/** The retransmission timer fired. */
export function retransmit(channel: ChannelState, env: ChannelEnv): void {
  if (channel.outbox.length === 0) return
  if (channel.attempts >= env.config.maxTransmissions) {
    env.exhausted()
    return
  }
  // Appendix A: half the window becomes the threshold, and one message at a time starts again.
  channel.slowStartThreshold = Math.max(1, channel.congestionWindow >> 1)
  channel.congestionWindow = 1
  channel.credit = 0
  channel.flight = 0
  pump(channel, env)
}

/** Sends the acknowledgement that nothing carried, as a ZLB. */
export function flushAck(channel: ChannelState, env: ChannelEnv): void {
  if (channel.ackOwed) transmit(channel, env, channel.sentEnd, 0, new Uint8Array())
}

/** Forgets what was not delivered: the tunnel is over and nothing more is to be sent. */
export function silence(channel: ChannelState, env: ChannelEnv): void {
  channel.outbox = []
  channel.flight = 0
  channel.early = []
  // What was never sent used up no numbers, so that nothing can acknowledge it.
  channel.nextNs = channel.sentEnd
  env.clearRetransmitTimer()
}

/** An answer and an end for each call. More waiting than this is a peer that does not read. */
function longestOutbox({ maxSessionsPerTunnel }: L2tpConfig): number {
  return Math.min(LONGEST_OUTBOX, 2 * maxSessionsPerTunnel + TUNNEL_MESSAGES)
}

function pump(channel: ChannelState, env: ChannelEnv): void {
  const window = Math.min(channel.congestionWindow, channel.peerWindow)
  while (channel.flight < window) {
    const next = channel.outbox[channel.flight]
    if (next === undefined) break
    if (channel.flight === 0) startTimer(channel, env)
    channel.flight++
    const end = add16(next.ns, 1)
    if (isBefore16(channel.sentEnd, end)) channel.sentEnd = end
    transmit(channel, env, next.ns, next.sessionId, next.body)
  }
}

function startTimer(channel: ChannelState, env: ChannelEnv): void {
  env.setRetransmitTimer(retransmitDelayMs(env.config, channel.attempts))
  channel.attempts++
}

function transmit(
  channel: ChannelState,
  env: ChannelEnv,
  ns: number,
  sessionId: number,
  body: Uint8Array,
): void {
  channel.ackOwed = false
  env.transmit(ns, channel.nr, sessionId, body)
}

function takeEarly(channel: ChannelState): Early | undefined {
  const at = channel.early.findIndex(waiting => waiting.ns === channel.nr)
  return at === -1 ? undefined : channel.early.splice(at, 1)[0]
}

/** Slow start below the threshold, one more message a window above it. */
function widen(channel: ChannelState): void {
  if (channel.congestionWindow < channel.slowStartThreshold) {
    channel.congestionWindow++
  } else if (++channel.credit >= channel.congestionWindow) {
    channel.congestionWindow = Math.min(channel.congestionWindow + 1, channel.peerWindow)
    channel.credit = 0
  }
}
