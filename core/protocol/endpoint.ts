/**
 * The one way into the protocol, for the LNS and the client alike. It is driven: datagrams, time and answers go in with
 * `now`, outputs are polled until there are none. Nothing that a peer sends makes it throw.
 */
import type { Milliseconds, Path, Random } from '../ports.ts'
import type { DialRequest, EndpointConfig } from './config.ts'
import { createFlowSlots, flowOwner } from './flow-slots.ts'
import type {
  Answer,
  Ask,
  EndReason,
  Grant,
  Output,
  SessionInfo,
  SessionKey,
  SessionNetwork,
  SessionPolicy,
  TunnelInfo,
  TunnelKey,
  TunnelProtection,
  Verdicts,
} from './outputs.ts'
import { newTunnel, receiveDatagram } from './reception.ts'
import { flushAck, retransmit } from './reliable-channel.ts'
import { callTimeout, hangUpCall, placeCall, regrantCall, sessionVerdict } from './session.ts'
import { flowRemoved, sessionInfo, sessionNetwork } from './session-link.ts'
import type { SessionPhase } from './session-table.ts'
import { deliverSignals, findCall } from './signals.ts'
import { fromJson, type Json, toJson } from './snapshot.ts'
import { createSources } from './sources.ts'
import type { Core, EndpointState, SessionState, TunnelState } from './state.ts'
import { Timers, type TimersState } from './timers.ts'
import { removeTunnel, stepTunnel, tunnelTimeout, tunnelVerdict } from './tunnel.ts'
import { secretFor, secretNamed } from './tunnel-auth.ts'
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

export class Endpoint {
  #config: EndpointConfig
  readonly #random: Random
  #state: EndpointState
  readonly #timers = new Timers()
  readonly #retiredSecrets = new Map<TunnelKey, string>()
  #outputs: Output[] = []
  #polled = 0

  constructor(config: EndpointConfig, random: Random) {
    this.#config = config
    this.#random = random
    this.#state = {
      tunnels: new Map(),
      byPeer: new Map(),
      sources: createSources(),
      dialling: [],
      challenges: new Map(),
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

  /**
   * What comes from now on is judged by `config`. Calls go on with the PPP options that they began with, tunnels with the
   * secret that opened them; timers and limits hold for all at once. A restored endpoint knows the secrets of its config alone.
   */
  reconfigure(config: EndpointConfig): void {
    const retired = new Map(this.#retiredSecrets)
    this.#retiredSecrets.clear()
    for (const { key, secretName } of this.#state.tunnels.values()) {
      const opened = retired.get(key) ?? secretNamed(this.#config.secrets, secretName)
      if (opened !== undefined && opened !== secretNamed(config.secrets, secretName))
        this.#retiredSecrets.set(key, opened)
    }
    this.#config = config
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

  /** Holds nothing: no tunnel (and so no session or lease), no flow, no deadline, no pending ask. */
  isIdle(): boolean {
    const { tunnels, byPeer, sources, dialling, challenges, asks, flows } = this.#state
    const held = [tunnels, byPeer, sources.byAddress, sources.halfOpen, challenges, asks, this.#timers]
    return held.every(({ size }) => size === 0) && sources.sessions + dialling.length + flows.taken === 0
  }

  /** Nothing is under way: what is left only acknowledges the repetitions of peers that have closed their tunnels. */
  isQuiet(): boolean {
    for (const { phase, sessions, farewell } of this.#state.tunnels.values())
      if (phase !== 'closed' || sessions.size > 0 || farewell !== 'received') return false
    return true
  }

  handleDatagram(now: Milliseconds, path: Path, bytes: Uint8Array): void {
    this.#run(now, core => receiveDatagram(core, path, bytes))
  }

  handleTimeout(now: Milliseconds): void {
    this.#run(now, core => {
      for (let name = this.#timers.takeDue(now); name !== undefined; name = this.#timers.takeDue(now)) {
        this.#expire(core, name)
        deliverSignals(core)
      }
    })
  }

  handleAnswer(now: Milliseconds, answer: Answer): void {
    this.#run(now, core => {
      if (answer.kind === 'flowRemoved') {
        const owner = flowOwner(core.state.flows, answer.flowId, answer.generation)
        const call = owner === undefined ? undefined : findCall(core, owner)
        if (call !== undefined) flowRemoved(core, call.tunnel, call.session, answer.counters)
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
      if (tunnel === undefined || session === undefined) {
        if (tunnel !== undefined) removeTunnel(core, tunnel)
        throw new RangeError('no tunnel or session id is free')
      }
      stepTunnel(core, tunnel, 'dial')
      return { tunnel: tunnel.key, session: session.key }
    })
  }

  /** Ends a call in good order; unknown keys are ignored. */
  hangUp(now: Milliseconds, key: SessionKey, reason: EndReason): void {
    this.#run(now, core => {
      const call = findCall(core, key)
      if (call !== undefined) hangUpCall(core, call.tunnel, call.session, reason)
    })
  }

  /**
   * Grants a session that is up something else, under the name that it proved: its flow and its rules change at once,
   * without a drop; what PPP has negotiated stays. False where there is no such session.
   */
  regrant(
    now: Milliseconds,
    key: SessionKey,
    { grant, policy }: { readonly grant: Grant; readonly policy: SessionPolicy },
  ): boolean {
    return this.#run(now, core => {
      const call = findCall(core, key)
      return call !== undefined && regrantCall(core, call.tunnel, call.session, grant, policy)
    })
  }

  /** Whether the config of now would open this tunnel with the secret, or without one, as it was opened. */
  hasItsSecret(key: TunnelKey): boolean {
    const tunnel = this.#state.tunnels.get(key)
    if (tunnel === undefined || tunnel.role === 'lac') return true
    const wanted = secretFor(this.#config.secrets, tunnel.peerHostName)
    return wanted?.name === tunnel.secretName && !this.#retiredSecrets.has(key)
  }

  /** Ends a tunnel and its calls; unknown keys are ignored. */
  closeTunnel(now: Milliseconds, key: TunnelKey, reason: EndReason): void {
    this.#run(now, core => {
      const tunnel = core.state.tunnels.get(key)
      if (tunnel !== undefined) stepTunnel(core, tunnel, 'close', { reason })
    })
  }

  /** Notes what carries a tunnel, also one that is being decided on; undefined: nothing does. Unknown keys are ignored. */
  protect(key: TunnelKey, protection: TunnelProtection | undefined): void {
    const tunnel = this.#state.tunnels.get(key)
    if (tunnel === undefined) return
    if (protection === undefined) delete tunnel.protection
    else tunnel.protection = protection
  }

  /** Ends a tunnel and its calls without a word to its peer: whatever is said would go out in the clear. */
  dropTunnel(now: Milliseconds, key: TunnelKey, reason: EndReason): void {
    this.#run(now, core => {
      const tunnel = core.state.tunnels.get(key)
      if (tunnel !== undefined) stepTunnel(core, tunnel, 'silent', { reason })
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
      retiredSecrets: this.#retiredSecrets,
      timers: this.#timers,
      now,
      emit: output => this.#outputs.push(output),
      signals: [],
      drop: (path, reason) => this.#outputs.push({ kind: 'event', event: { kind: 'drop', path, reason } }),
    }
    const result = act(core)
    deliverSignals(core)
    return result
  }

  #expire(core: Core, timer: string): void {
    const [owner, key = '', name = ''] = timer.split('|')
    if (owner === 'session') {
      const call = findCall(core, key)
      if (call !== undefined) callTimeout(core, call.tunnel, call.session, name)
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
}

function summary(tunnel: TunnelState, session: SessionState): SessionSummary {
  const { phase, startedAt, flow } = session
  const network = flow?.network
  return {
    session: sessionInfo(tunnel, session),
    phase,
    startedAt,
    ...(flow === undefined ? {} : { flowId: flow.id }),
    ...(network === undefined ? {} : { network: sessionNetwork(network) }),
  }
}
