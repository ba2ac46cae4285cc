/**
 * The one way into the protocol, for the LNS and the client alike. It is driven: datagrams, time and answers go in with
 * `now`, outputs are polled until there are none. Nothing that a peer sends makes it throw.
 */
import type { Milliseconds, Path, Random } from '../ports.ts'
import { type ControlMessage, decodeMessage, peekHostName } from '../wire/control-message.ts'
import { type ControlHeader, decodeHeader } from '../wire/l2tp-header.ts'
import { ERROR, STOPCCN } from '../wire/result-codes.ts'
import type { DialRequest, EndpointConfig } from './config.ts'
import { createFlowSlots, flowOwner } from './flow-slots.ts'
import type {
  Answer,
  Ask,
  EndReason,
  Output,
  SessionInfo,
  SessionKey,
  SessionNetwork,
  TunnelInfo,
  TunnelKey,
  Verdicts,
} from './outputs.ts'
import { acknowledge, arrive, createChannel, flushAck, retransmit } from './reliable-channel.ts'
import {
  badMessage,
  callFrame,
  callMessage,
  callTimeout,
  hangUpCall,
  placeCall,
  sessionVerdict,
  stepCall,
} from './session.ts'
import { flowRemoved, sessionInfo } from './session-link.ts'
import type { SessionPhase } from './session-table.ts'
import { fromJson, type Json, toJson } from './snapshot.ts'
import {
  type Core,
  type EndpointState,
  freeId,
  type SessionState,
  type Signal,
  type TunnelState,
} from './state.ts'
import { Timers, type TimersState } from './timers.ts'
import {
  forgetIfDone,
  meetPeer,
  misplaced,
  peerKey,
  stepTunnel,
  tunnelMessage,
  tunnelTimeout,
  tunnelVerdict,
} from './tunnel.ts'
import { secretFor, secretOf } from './tunnel-auth.ts'
import { channelEnv, settleAck, type TunnelTimer, tunnelInfo } from './tunnel-io.ts'

export interface SessionSummary {
  readonly session: SessionInfo
  readonly phase: SessionPhase
  readonly startedAt: Milliseconds
  /** While the network phase is open. */
  readonly flowId?: number
  readonly network?: SessionNetwork
}

interface Snapshot {
  readonly version: 1
  readonly state: EndpointState
  readonly timers: TimersState
  readonly outputs: readonly Output[]
}

const SNAPSHOT_VERSION = 1
/** SCCRQ without a Host Name has no tunnel secret either; the decoder then refuses it. */
const NO_HOST_NAME = ''

export class Endpoint {
  readonly #config: EndpointConfig
  readonly #random: Random
  #state: EndpointState
  readonly #timers = new Timers()
  #outputs: Output[] = []
  #polled = 0
  #signals: Signal[] = []

  constructor(config: EndpointConfig, random: Random) {
    this.#config = config
    this.#random = random
    this.#state = {
      tunnels: new Map(),
      byPeer: new Map(),
      halfOpen: new Map(),
      halfOpenTotal: 0,
      dialling: [],
      asks: new Map(),
      nextAskId: 1,
      nextCallSerialNumber: 1,
      flows: createFlowSlots(),
      shuttingDown: false,
    }
  }

  /** An endpoint that goes on where `snapshot` was taken. The config's secrets are found again by name. */
  static restore(snapshot: Json, config: EndpointConfig, random: Random): Endpoint {
    const { version, state, timers, outputs } = fromJson<Snapshot>(snapshot)
    if (version !== SNAPSHOT_VERSION)
      throw new RangeError(`snapshot version ${version}, ${SNAPSHOT_VERSION} wanted`)
    const endpoint = new Endpoint(config, random)
    endpoint.#state = state
    endpoint.#timers.restore(timers)
    endpoint.#outputs = [...outputs]
    return endpoint
  }

  /**
   * Everything as JSON. Tunnel secrets are not in it; the passwords of logins that wait for a verdict are: keep it as
   * safe as the config.
   */
  snapshot(): Json {
    const outputs = this.#outputs.slice(this.#polled)
    return toJson({ version: SNAPSHOT_VERSION, state: this.#state, timers: this.#timers.snapshot(), outputs })
  }

  pollOutput(): Output | undefined {
    const output = this.#outputs[this.#polled]
    if (output === undefined) {
      this.#outputs = []
      this.#polled = 0
      return undefined
    }
    this.#polled++
    return output
  }

  nextTimeout(): Milliseconds | undefined {
    return this.#timers.next()
  }

  /** What was asked and not answered, so that a restored process can ask again. */
  pendingAsks(): readonly { readonly askId: number; readonly ask: Ask }[] {
    return [...this.#state.asks.values()].map(({ askId, ask }) => ({ askId, ask }))
  }

  tunnels(): readonly TunnelInfo[] {
    return [...this.#state.tunnels.values()].filter(({ phase }) => phase !== 'closed').map(tunnelInfo)
  }

  sessions(): readonly SessionSummary[] {
    return [...this.#state.tunnels.values()].flatMap(tunnel =>
      [...tunnel.sessions.values()].map(session => summary(tunnel, session)),
    )
  }

  /** Holds nothing: no tunnel (and so no session, flow or lease), no deadline, no pending ask. */
  isIdle(): boolean {
    const { tunnels, halfOpen, asks, byPeer } = this.#state
    return tunnels.size + halfOpen.size + asks.size + byPeer.size + this.#timers.size === 0
  }

  handleDatagram(now: Milliseconds, path: Path, bytes: Uint8Array): void {
    this.#run(now, core => {
      const decoded = decodeHeader(bytes)
      if (decoded.kind === 'fault') return core.drop(path, decoded.fault)
      const { tunnelId } = decoded.header
      if (tunnelId === 0) {
        if (decoded.kind === 'data') return core.drop(path, 'unknown-tunnel')
        return this.#withoutTunnel(core, path, decoded.header, decoded.payload, bytes.length)
      }
      const tunnel = core.state.tunnels.get(tunnelKey(path, tunnelId))
      if (tunnel === undefined) return core.drop(path, 'unknown-tunnel')
      const { remote } = tunnel.path
      if (remote.address !== path.remote.address || remote.port !== path.remote.port)
        return core.drop(path, 'wrong-source')
      tunnel.heardAt = now
      if (decoded.kind === 'control')
        return this.#control(core, tunnel, decoded.header, decoded.payload, bytes.length)
      const session = tunnel.sessions.get(decoded.header.sessionId)
      if (session === undefined) return core.drop(path, 'unknown-session')
      callFrame(core, tunnel, session, decoded.payload)
    })
  }

  handleTimeout(now: Milliseconds): void {
    this.#run(now, core => {
      for (let name = this.#timers.takeDue(now); name !== undefined; name = this.#timers.takeDue(now)) {
        this.#expire(core, name)
        this.#deliverSignals(core)
      }
    })
  }

  handleAnswer(now: Milliseconds, answer: Answer): void {
    this.#run(now, core => {
      if (answer.kind === 'flowRemoved') {
        const { tunnel, session } = this.#find(
          core,
          flowOwner(core.state.flows, answer.flowId, answer.generation) ?? '',
        )
        if (tunnel !== undefined && session !== undefined) flowRemoved(core, tunnel, session, answer.counters)
        return
      }
      const pending = core.state.asks.get(answer.askId)
      const tunnel = pending && core.state.tunnels.get(pending.tunnelKey)
      // Withdrawn while the verdict was on its way: whoever decided releases what it carries.
      if (pending === undefined || tunnel === undefined) return
      core.state.asks.delete(answer.askId)
      if (pending.ask.kind === 'admitTunnel') {
        // The pending ask says which kind of verdict this is.
        tunnelVerdict(core, tunnel, answer.verdict as Verdicts['admitTunnel'])
      } else {
        const session = tunnel.sessions.get(pending.sessionId ?? 0)
        if (session !== undefined)
          sessionVerdict(core, tunnel, session, answer.askId, pending.ask.kind, answer.verdict)
      }
      settleAck(core, tunnel)
    })
  }

  /** Opens a tunnel with one call. The events of both tell how it goes. Throws RangeError where no id is free. */
  dial(
    now: Milliseconds,
    request: DialRequest,
  ): { readonly tunnel: TunnelKey; readonly session: SessionKey } {
    return this.#run(now, core => {
      const tunnel = newTunnel(core, request.path, {
        role: 'lac',
        dial: request,
        ...(request.secretName === undefined ? {} : { secretName: request.secretName }),
      })
      const session = tunnel && placeCall(core, tunnel)
      if (tunnel === undefined || session === undefined)
        throw new RangeError('no tunnel or session id is free')
      stepTunnel(core, tunnel, 'dial')
      return { tunnel: tunnel.key, session: session.key }
    })
  }

  /** Ends a call in good order; unknown keys are ignored. */
  hangUp(now: Milliseconds, key: SessionKey, reason: EndReason): void {
    this.#run(now, core => {
      const { tunnel, session } = this.#find(core, key)
      if (tunnel !== undefined && session !== undefined) hangUpCall(core, tunnel, session, reason)
    })
  }

  /** Ends a tunnel and its calls; unknown keys are ignored. */
  closeTunnel(now: Milliseconds, key: TunnelKey, reason: EndReason): void {
    this.#run(now, core => {
      const tunnel = core.state.tunnels.get(key)
      if (tunnel !== undefined) stepTunnel(core, tunnel, 'close', { reason })
    })
  }

  /** CDN for every call, StopCCN for every tunnel; new tunnels are refused from now on. */
  shutdown(now: Milliseconds): void {
    this.#run(now, core => {
      core.state.shuttingDown = true
      for (const tunnel of [...core.state.tunnels.values()])
        stepTunnel(core, tunnel, 'close', { reason: { cause: 'shutdown' } })
    })
  }

  #run<T>(now: Milliseconds, act: (core: Core) => T): T {
    const core: Core = {
      config: this.#config,
      random: this.#random,
      state: this.#state,
      timers: this.#timers,
      now,
      emit: output => this.#outputs.push(output),
      signal: signal => this.#signals.push(signal),
      drop: (path, reason) => this.#outputs.push({ kind: 'event', event: { kind: 'drop', path, reason } }),
    }
    const result = act(core)
    this.#deliverSignals(core)
    return result
  }

  #deliverSignals(core: Core): void {
    for (let signal = this.#signals.shift(); signal !== undefined; signal = this.#signals.shift()) {
      const tunnel = core.state.tunnels.get(signal.tunnelKey)
      if (tunnel === undefined) continue
      if (signal.kind === 'tunnel-event') stepTunnel(core, tunnel, signal.event, signal.detail)
      else if (signal.kind === 'session-gone') forgetIfDone(core, tunnel)
      else {
        const session = tunnel.sessions.get(signal.sessionId)
        if (session !== undefined) stepCall(core, tunnel, session, 'close', { reason: signal.reason })
      }
    }
  }

  #find(core: Core, key: SessionKey): { tunnel?: TunnelState; session?: SessionState } {
    const slash = key.lastIndexOf('/')
    const tunnel = core.state.tunnels.get(key.slice(0, slash))
    const session = tunnel?.sessions.get(Number(key.slice(slash + 1)))
    return { ...(tunnel === undefined ? {} : { tunnel }), ...(session === undefined ? {} : { session }) }
  }

  #expire(core: Core, timer: string): void {
    const [owner, key = '', name = ''] = timer.split('|')
    if (owner === 'session') {
      const { tunnel, session } = this.#find(core, key)
      if (tunnel !== undefined && session !== undefined) callTimeout(core, tunnel, session, name)
      return
    }
    const tunnel = core.state.tunnels.get(key)
    if (tunnel === undefined) return
    // Only tunnels set timers without a session, under these names.
    const what = name as TunnelTimer
    if (what === 'retransmit') retransmit(tunnel.channel, channelEnv(core, tunnel))
    else if (what === 'ack') flushAck(tunnel.channel, channelEnv(core, tunnel))
    else tunnelTimeout(core, tunnel, what)
  }

  /** A control message of a known tunnel: acknowledgement first, then what is in order, then our acknowledgement. */
  #control(
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
        this.#deliverSignals(core)
      }
    }
    settleAck(core, tunnel)
    if (tunnel.phase === 'closed') forgetIfDone(core, tunnel)
  }

  /** Tunnel id 0: an SCCRQ, new or repeated, or the StopCCN of a peer that never learnt our id. */
  #withoutTunnel(core: Core, path: Path, header: ControlHeader, payload: Uint8Array, octets: number): void {
    const secret = secretFor(core.config.secrets, peekHostName(payload) ?? NO_HOST_NAME)
    const secretBytes = secret === undefined ? undefined : secretOf(core, { secretName: secret.name })
    const message = decodeMessage(payload, secretBytes === undefined ? {} : { secret: secretBytes })
    if ('kind' in message)
      return core.drop(path, message.kind === 'ignorable' ? 'ignored-message' : 'bad-avp')
    if (message.type !== 'SCCRQ' && message.type !== 'StopCCN') return core.drop(path, 'not-sccrq')
    const { assignedTunnelId: peerTunnelId } = message.avps
    if (peerTunnelId === undefined || peerTunnelId === 0) return core.drop(path, 'bad-avp')
    const known = core.state.byPeer.get(peerKey({ path, peerTunnelId }))
    const tunnel = known === undefined ? undefined : core.state.tunnels.get(known)
    if (tunnel !== undefined) return this.#control(core, tunnel, header, payload, octets)
    if (message.type === 'StopCCN') return core.drop(path, 'unknown-tunnel')
    this.#acceptTunnel(core, path, message, secret?.name, { header, payload, octets })
  }

  /** Parsed and wanted: only now is anything allocated. */
  #acceptTunnel(
    core: Core,
    path: Path,
    message: Extract<ControlMessage, { type: 'SCCRQ' }>,
    secretName: string | undefined,
    { header, payload, octets }: { header: ControlHeader; payload: Uint8Array; octets: number },
  ): void {
    const { l2tp } = core.config
    const source = path.remote.address
    const fromSource = core.state.halfOpen.get(source) ?? 0
    if (core.state.halfOpenTotal >= l2tp.maxHalfOpen || fromSource >= l2tp.maxHalfOpenPerSource)
      return core.drop(path, 'half-open-limit')
    if (!this.#breakTie(core, path, message.avps.tieBreaker)) return core.drop(path, 'tie-won')
    const tunnel = newTunnel(core, path, {
      role: 'lns',
      peerId: message.avps.assignedTunnelId,
      unproven: { received: octets, sent: 0 },
      ...(secretName === undefined ? {} : { secretName }),
    })
    if (tunnel === undefined) return core.drop(path, 'half-open-limit')
    core.state.halfOpen.set(source, fromSource + 1)
    core.state.halfOpenTotal++
    core.state.byPeer.set(peerKey({ path, peerTunnelId: tunnel.peerId }), tunnel.key)
    arrive(tunnel.channel, l2tp.receiveWindow, header.ns, header.sessionId, payload)
    const refusal = meetPeer(core, tunnel, message) ?? this.#fullHouse(core)
    stepTunnel(core, tunnel, refusal === undefined ? 'sccrq' : 'sccrq-refused', refusal)
    this.#deliverSignals(core)
    settleAck(core, tunnel)
  }

  #fullHouse(core: Core) {
    const { tunnels, shuttingDown } = core.state
    if (!shuttingDown && tunnels.size <= core.config.l2tp.maxTunnels) return undefined
    const text = shuttingDown ? 'shutting down' : 'too many tunnels'
    const error = shuttingDown ? ERROR.tryAnother : ERROR.noResources
    return {
      reason: { cause: 'no-resources', text },
      stop: { result: STOPCCN.generalError, error, message: text },
    } as const
  }

  /** 4.4.3 Tie Breaker: of two SCCRQs that cross, the lower value wins. False: ours goes on, the peer's is discarded. */
  #breakTie(core: Core, path: Path, theirs: bigint | undefined): boolean {
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
    return core.drop(tunnel.path, 'bad-avp')
  }
  stepTunnel(core, tunnel, 'bad-message', {
    reason: { cause: 'protocol-error', text },
    stop: { result: STOPCCN.generalError, error: errorCode, message: text },
  })
}

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

function newTunnel(
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
  return tunnel
}

function tunnelKey(path: Path, localId: number): TunnelKey {
  return `${path.local.address}/${localId}`
}

function summary(tunnel: TunnelState, session: SessionState): SessionSummary {
  const { phase, startedAt, flow } = session
  const network = flow?.network
  return {
    session: sessionInfo(tunnel, session),
    phase,
    startedAt,
    ...(flow === undefined ? {} : { flowId: flow.id }),
    ...(network === undefined
      ? {}
      : {
          network: {
            localAddress: network.localAddress,
            peerAddress: network.peerAddress,
            dns: network.dns,
            nbns: network.nbns,
            mtuBytes: network.mtuBytes,
          },
        }),
  }
}
