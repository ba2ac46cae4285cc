/** One endpoint in virtual time, and peers that send exactly what a test says. */
import assert from 'node:assert/strict'
import type { Flow } from '../../core/flow.ts'
import type { Path, Random, SocketAddress } from '../../core/ports.ts'
import type { EndpointConfig, L2tpConfig } from '../../core/protocol/config.ts'
import { Endpoint } from '../../core/protocol/endpoint.ts'
import type { Ask, Event, Output, Verdict } from '../../core/protocol/outputs.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import {
  type ControlMessage,
  decodeControl,
  encodeControl,
  type HideOptions,
  type MessageOf,
  type MessageType,
} from '../../core/wire/control-message.ts'
import { type ControlHeader, decodeHeader, encodeDataDatagram } from '../../core/wire/l2tp-header.ts'
import { LNS_ADDRESS, LNS_CONFIG } from './pair.ts'

/** Undefined: the test answers later, with `answer`. */
export type Deciding = (ask: Ask) => Verdict | undefined

export interface BenchOptions {
  readonly config?: Partial<EndpointConfig>
  readonly l2tp?: Partial<L2tpConfig>
  readonly decide?: Deciding
  readonly random?: Random
}

export const acceptAdmission: Deciding = ({ kind }) =>
  kind === 'admitTunnel' || kind === 'admitSession' ? { kind: 'accept' } : undefined

export class Bench {
  readonly endpoint: Endpoint
  readonly events: Event[] = []
  readonly asked: { readonly askId: number; readonly ask: Ask }[] = []
  readonly withdrawn: number[] = []
  readonly flows = new Map<number, Flow>()
  now = 0
  readonly #decide: Deciding
  readonly #peers = new Map<string, ScriptedPeer>()

  constructor({ config, l2tp, decide = acceptAdmission, random = new SeededRandom(7) }: BenchOptions = {}) {
    const whole = { ...LNS_CONFIG, ...config }
    this.endpoint = new Endpoint({ ...whole, l2tp: { ...whole.l2tp, ...l2tp } }, random)
    this.#decide = decide
  }

  peer(
    remote: SocketAddress = { address: '198.51.100.7', port: 1701 },
    tunnelId = 1,
    local: SocketAddress = LNS_ADDRESS,
  ): ScriptedPeer {
    const peer = new ScriptedPeer(this, { local, remote }, tunnelId)
    this.#peers.set(`${remote.address}:${remote.port}`, peer)
    return peer
  }

  /** Anything that goes in, and all that follows from it at once. */
  act<T>(input: (endpoint: Endpoint, now: number) => T): T {
    const result = input(this.endpoint, this.now)
    for (let output = this.endpoint.pollOutput(); output !== undefined; output = this.endpoint.pollOutput())
      this.#perform(output)
    return result
  }

  answer(askId: number, verdict: Verdict): void {
    this.act((endpoint, now) => endpoint.handleAnswer(now, { kind: 'verdict', askId, verdict }))
  }

  /** Passes time, each deadline at its own instant. */
  advance(ms: number): void {
    const end = this.now + ms
    for (
      let at = this.endpoint.nextTimeout();
      at !== undefined && at <= end;
      at = this.endpoint.nextTimeout()
    ) {
      this.now = Math.max(this.now, at)
      this.act((endpoint, now) => endpoint.handleTimeout(now))
    }
    this.now = end
  }

  eventsOf<K extends Event['kind']>(kind: K): Extract<Event, { kind: K }>[] {
    return this.events.filter((event): event is Extract<Event, { kind: K }> => event.kind === kind)
  }

  /** Reasons of input that was ignored, since the last call. */
  drops(): string[] {
    const reasons = this.eventsOf('drop').map(({ reason }) => reason)
    const others = this.events.filter(({ kind }) => kind !== 'drop')
    this.events.splice(0, this.events.length, ...others)
    return reasons
  }

  #perform(output: Output): void {
    switch (output.kind) {
      case 'transmit': {
        const { address, port } = output.path.remote
        this.#peers.get(`${address}:${port}`)?.arrived(output.bytes)
        return
      }
      case 'ask': {
        this.asked.push(output)
        const verdict = this.#decide(output.ask)
        if (verdict !== undefined) this.answer(output.askId, verdict)
        return
      }
      case 'withdraw':
        this.withdrawn.push(output.askId)
        return
      case 'event':
        this.events.push(output.event)
        return
      case 'flow': {
        if (output.op === 'upsert') {
          this.flows.set(output.flow.id, output.flow)
          return
        }
        const { flowId, generation } = output
        this.flows.delete(flowId)
        const counters = { packetsIn: 0n, octetsIn: 0n, packetsOut: 0n, octetsOut: 0n, drops: {} }
        this.act((endpoint, now) =>
          endpoint.handleAnswer(now, { kind: 'flowRemoved', flowId, generation, counters }),
        )
      }
    }
  }
}

const OF_TUNNELS: ReadonlySet<MessageType> = new Set(['SCCRQ', 'SCCRP', 'StopCCN'])

export interface Heard {
  readonly header: ControlHeader
  /** Absent: a ZLB. */
  readonly message?: ControlMessage
}

type SccrqAvps = MessageOf<'SCCRQ'>['avps']
type IcrqAvps = MessageOf<'ICRQ'>['avps']

export class ScriptedPeer {
  readonly path: Path
  readonly bench: Bench
  /** Ours. */
  readonly tunnelId: number
  /** The endpoint's, once it told. */
  theirId = 0
  ns = 0
  nr = 0
  /** Everything that came, as it came. */
  readonly datagrams: Uint8Array[] = []
  #control: Heard[] = []
  #frames: { readonly sessionId: number; readonly frame: Uint8Array }[] = []

  constructor(bench: Bench, path: Path, tunnelId: number) {
    this.bench = bench
    this.path = path
    this.tunnelId = tunnelId
  }

  get octets(): number {
    return this.datagrams.reduce((sum, { length }) => sum + length, 0)
  }

  arrived(bytes: Uint8Array): void {
    this.datagrams.push(bytes)
    const header = decodeHeader(bytes)
    if (header.kind === 'data') {
      this.#frames.push({ sessionId: header.header.sessionId, frame: header.payload })
      return
    }
    const decoded = decodeControl(bytes)
    assert.ok(decoded.ok, 'we send only what can be read')
    const { message } = decoded
    this.#control.push({ header: decoded.header, ...(message === undefined ? {} : { message }) })
    if (message !== undefined && decoded.header.ns === this.nr) this.nr++
    if (message !== undefined && OF_TUNNELS.has(message.type))
      this.theirId = message.avps.assignedTunnelId ?? this.theirId
  }

  raw(bytes: Uint8Array): void {
    this.bench.act((endpoint, now) => endpoint.handleDatagram(now, this.path, bytes))
  }

  /** A control message in its turn, unless `header` says otherwise. Returns its octets, to send again. */
  send(message: ControlMessage, header: Partial<ControlHeader> = {}, hide?: HideOptions): Uint8Array {
    const whole = { tunnelId: this.theirId, sessionId: 0, ns: this.ns, nr: this.nr, ...header }
    if (header.ns === undefined) this.ns = (this.ns + 1) & 0xffff
    const bytes = encodeControl(whole, message, hide)
    this.raw(bytes)
    return bytes
  }

  zlb(header: Partial<ControlHeader> = {}): void {
    this.raw(encodeControl({ tunnelId: this.theirId, sessionId: 0, ns: this.ns, nr: this.nr, ...header }))
  }

  /** A PPP frame. */
  frame(sessionId: number, frame: Uint8Array): void {
    const header = { tunnelId: this.theirId, sessionId, length: true, priority: false }
    this.raw(encodeDataDatagram(header, frame))
  }

  sccrq(avps: Partial<SccrqAvps> = {}, header: Partial<ControlHeader> = {}): Uint8Array {
    const needed: SccrqAvps = {
      protocolVersion: { version: 1, revision: 0 },
      hostName: 'peer',
      framingCapabilities: { async: false, sync: true },
      assignedTunnelId: this.tunnelId,
      receiveWindowSize: 8,
    }
    return this.send({ type: 'SCCRQ', avps: { ...needed, ...avps } }, header)
  }

  /** Opens the tunnel. */
  establish(avps: Partial<SccrqAvps> = {}): this {
    this.sccrq(avps)
    this.expect('SCCRP')
    this.send({ type: 'SCCCN', avps: {} })
    this.heard()
    return this
  }

  icrq(sessionId: number, avps: Partial<IcrqAvps> = {}): Uint8Array {
    return this.send({
      type: 'ICRQ',
      avps: { assignedSessionId: sessionId, callSerialNumber: 1, ...avps },
    })
  }

  iccn(theirSessionId: number): Uint8Array {
    const avps = { txConnectSpeed: 1_000_000, framingType: { async: false, sync: true } }
    return this.send({ type: 'ICCN', avps }, { sessionId: theirSessionId })
  }

  /** Places a call up to ICCN; the endpoint's session id. */
  call(sessionId = 1): number {
    this.icrq(sessionId)
    const { assignedSessionId } = this.expect('ICRP').avps
    this.iccn(assignedSessionId)
    this.heard()
    return assignedSessionId
  }

  /** Control messages and ZLBs since the last call. */
  heard(): Heard[] {
    const heard = this.#control
    this.#control = []
    return heard
  }

  /** PPP frames since the last call. */
  frames(): { readonly sessionId: number; readonly frame: Uint8Array }[] {
    const frames = this.#frames
    this.#frames = []
    return frames
  }

  /** Types since the last call. */
  types(): (MessageType | 'ZLB')[] {
    return this.heard().map(({ message }) => message?.type ?? 'ZLB')
  }

  /** The only message since the last call, ZLBs apart. */
  expect<T extends MessageType>(type: T): MessageOf<T> {
    const messages = this.heard().flatMap(({ message }) => message ?? [])
    const types = messages.map(message => message.type)
    assert.deepEqual(types, [type])
    const [message] = messages.filter((each): each is MessageOf<T> => each.type === type)
    return message ?? assert.fail(`no ${type}`)
  }
}

export function stopCodes({ avps: { resultCode } }: MessageOf<'StopCCN'>): [result: number, error: number] {
  return [resultCode.result, resultCode.error ?? 0]
}

/** The peer acknowledges a StopCCN: nothing may be left. */
export function assertGoneAfterAck(bench: Bench, peer: ScriptedPeer): void {
  peer.zlb()
  assert.ok(bench.endpoint.isIdle())
}
