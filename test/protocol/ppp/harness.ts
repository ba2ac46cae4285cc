/** Two PPP links on one virtual wire and clock: frames may be lost, doubled and reordered; asks are answered later. */
import assert from 'node:assert/strict'
import { md5, ntPasswordHash } from '../../../core/crypto.ts'
import type {
  AddressKind,
  AuthExchange,
  EapProof,
  EndReason,
  Grant,
  Lease,
  ProofData,
  SessionPolicy,
  Verdict,
} from '../../../core/protocol/outputs.ts'
import { DEFAULT_PPP } from '../../../core/protocol/ppp/config.ts'
import {
  closeLink,
  createLink,
  type LinkState,
  linkAnswer,
  linkFrame,
  linkLost,
  linkTimer,
  startLink,
} from '../../../core/protocol/ppp/link.ts'
import type { LinkAsk, LinkEnv, LinkTimer, LinkUp, PppConfig } from '../../../core/protocol/ppp/link-env.ts'
import { authenticatorResponse, mschapv2Response } from '../../../core/protocol/ppp/mschapv2.ts'
import { fromJson, toJson } from '../../../core/protocol/snapshot.ts'
import { SeededRandom } from '../../../core/testing/random.ts'
import { decodeEap, EAP_TYPE, type EapPacket, encodeEap } from '../../../core/wire/eap.ts'
import { decodePppFrame, encodePppFrame, PPP, pppProtocolName } from '../../../core/wire/ppp-frame.ts'
import { CP_CODE_NAMES, decodeCpPacket, decodeOptions } from '../../../core/wire/ppp-options.ts'

export const CLIENT_ADDRESS = '172.16.1.51'
export const LNS_ADDRESS = '172.16.1.1'
export const USER = 'hb@hb'
export const PASSWORD = 'admin@123'
export const GRANT: Grant = { user: USER, dns: ['192.168.1.53', '192.168.1.54'] }
export const LEASE: Lease = { owner: 'pool', kind: 'ipv4', value: CLIENT_ADDRESS, id: '51' }
export const PREFIX = '2001:db8:1:33::/64'
export const LEASES: Readonly<Record<AddressKind, Lease>> = {
  ipv4: LEASE,
  'ipv6-prefix': { owner: 'pool', kind: 'ipv6-prefix', value: PREFIX, id: '52' },
  'delegated-prefix': { owner: 'pool', kind: 'delegated-prefix', value: '2001:db8:a::/56', id: '53' },
}
export const POLICY: SessionPolicy = { zone: 'untrust', rules: [] }

export const LNS_CONFIG: PppConfig = { ...DEFAULT_PPP.lns, localAddress: LNS_ADDRESS }
export const CLIENT_CONFIG: PppConfig = {
  ...DEFAULT_PPP.lac,
  authAs: { user: USER, methods: ['mschapv2', 'chap-md5', 'pap', 'eap'] },
}

/** Undefined: the hook never answers. */
export type Answerer = (ask: LinkAsk) => Verdict | undefined

/** A deployment with one user. */
export const answerer: Answerer = ask => {
  switch (ask.kind) {
    case 'authenticate':
      return ask.user === USER ? authenticate(ask.proof, ask.continued) : WRONG
    case 'authorize':
      return { kind: 'accept', grant: ask.grant }
    case 'assignAddress':
      return { kind: 'accept', lease: LEASES[ask.address] }
    case 'decidePolicy':
      return { kind: 'accept', policy: POLICY }
    case 'ownSecret':
      return { kind: 'accept', secret: PASSWORD }
  }
}

/** The decisions of an LNS, in their order. */
export const CHAIN = ['authenticate', 'authorize', 'assignAddress', 'decidePolicy']

/** Answers as the deployment does, but for one kind of ask. */
export const except =
  (kind: LinkAsk['kind'], verdict: Verdict | undefined): Answerer =>
  ask =>
    ask.kind === kind ? verdict : answerer(ask)

export const deny = (kind: LinkAsk['kind'], message?: string): Answerer =>
  except(kind, { kind: 'deny', reason: `no ${kind}`, ...(message !== undefined && { message }) })

const WRONG: Verdict<'authenticate'> = { kind: 'deny', reason: 'wrong name or password' }

function authenticate(proof: ProofData, continued: AuthExchange | undefined): Verdict<'authenticate'> {
  if (proof.method === 'eap') return authenticateByEap(proof, continued)
  if (!proves(proof, PASSWORD)) return WRONG
  if (proof.method !== 'mschapv2') return { kind: 'accept', grant: GRANT }
  return { kind: 'accept', grant: GRANT, mschapv2: authenticatorResponse(ntPasswordHash(PASSWORD), proof) }
}

function proves(proof: Exclude<ProofData, EapProof>, secret: string): boolean {
  if (proof.method === 'pap') return proof.password === secret
  if (proof.method === 'mschapv2')
    return same(mschapv2Response(ntPasswordHash(secret), proof), proof.ntResponse)
  return same(md5(Uint8Array.of(proof.identifier), text(secret), proof.challenge), proof.response)
}

/** A server of EAP-MD5, as a plugin would be one; its state is how many Requests it sent. */
function authenticateByEap(
  { packet }: EapProof,
  continued: AuthExchange | undefined,
): Verdict<'authenticate'> {
  const { type, identifier, data } = eapMessage(packet)
  if (type !== EAP_TYPE.MD5_CHALLENGE) {
    // A client that declines MD5 has nothing else.
    if (type === EAP_TYPE.NAK) return WRONG
    const md5Request = Uint8Array.of(EAP_CHALLENGE.length, ...EAP_CHALLENGE)
    return eapRequest(packet, EAP_TYPE.MD5_CHALLENGE, md5Request, continued)
  }
  const expected = md5(Uint8Array.of(identifier), text(PASSWORD), EAP_CHALLENGE)
  return same(Uint8Array.of(expected.length, ...expected), data.subarray(0, 17))
    ? { kind: 'accept', grant: GRANT }
    : WRONG
}

/** Goes on with a Request, numbered after the Response that it follows. */
export function eapRequest(
  packet: Uint8Array,
  type: number,
  data: Uint8Array,
  continued: AuthExchange | undefined,
): Verdict<'authenticate'> {
  const identifier = (eapMessage(packet).identifier + 1) & 0xff
  const state = String(1 + (continued?.round ?? 0))
  return {
    kind: 'continue',
    plugin: 'p',
    reply: encodeEap({ kind: 'request', identifier, type, data }),
    state,
  }
}

export function eapMessage(bytes: Uint8Array): Extract<EapPacket, { type: number }> {
  const packet = decodeEap(bytes)
  return packet !== undefined && 'type' in packet ? packet : assert.fail('no Request or Response')
}

const EAP_CHALLENGE = new Uint8Array(16).fill(0x5a)
const text = (string: string) => new TextEncoder().encode(string)
const same = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0

export interface StationOptions {
  readonly config: PppConfig
  readonly answer?: Answerer
}

/** One end: a link and everything that it told its environment. */
export class Station {
  readonly name: string
  readonly config: PppConfig
  readonly answer: Answerer
  readonly asked: LinkAsk[] = []
  readonly withdrawn: number[] = []
  readonly pending = new Map<number, LinkAsk>()
  readonly timers = new Map<LinkTimer, number>()
  readonly drops: string[] = []
  readonly ups: LinkUp[] = []
  readonly sent: Uint8Array[] = []
  /** How often the network phase opened; `ups` tells of what changed within as well. */
  opens = 0
  downs = 0
  closed: EndReason | undefined
  link: LinkState = createLink()

  constructor(name: string, { config, answer = answerer }: StationOptions) {
    this.name = name
    this.config = config
    this.answer = answer
  }

  get network(): LinkUp | undefined {
    return this.link.networkUp ? this.ups.at(-1) : undefined
  }

  /** True when nothing is held: no timer, no ask. */
  get idle(): boolean {
    return this.timers.size === 0 && this.pending.size === 0
  }

  /** Frames sent, as `LCP Configure-Request 1`. */
  get said(): string[] {
    return this.sent.map(describe)
  }
}

/** What a station asked, in order. */
export const kinds = (station: Station) => station.asked.map(ask => ask.kind)

export interface WireOptions {
  readonly seed?: number
  readonly lossRate?: number
  readonly duplicateRate?: number
  /** Each frame takes between these. */
  readonly delayMs?: readonly [number, number]
  readonly askDelayMs?: readonly [number, number]
  /** Passes the state through JSON before each step. */
  readonly restoring?: boolean
}

interface Happening {
  readonly at: number
  readonly order: number
  readonly station: Station
  readonly run: () => void
}

type Pass = (frame: Uint8Array, from: Station) => Uint8Array | undefined

const FAIR = { lossRate: 0, duplicateRate: 0, delayMs: [10, 10], askDelayMs: [5, 5] } as const

export class Wire {
  now = 0
  readonly trace: string[] = []
  /** May change or swallow a frame on its way. */
  tamper: Pass = frame => frame
  readonly #restoring: boolean
  #weather: Required<Pick<WireOptions, 'lossRate' | 'duplicateRate' | 'delayMs' | 'askDelayMs'>>
  readonly #random: SeededRandom
  readonly #linkRandom: SeededRandom
  readonly #stations: readonly Station[]
  #happenings: Happening[] = []
  #order = 0
  #askId = 0

  constructor(stations: readonly Station[], options: WireOptions = {}) {
    this.#stations = stations
    const { seed = 1, restoring = false, ...weather } = options
    this.#restoring = restoring
    this.#weather = { ...FAIR, ...weather }
    this.#random = new SeededRandom(seed)
    this.#linkRandom = new SeededRandom(seed + 1)
  }

  start(): void {
    for (const station of this.#stations) this.act(station, env => startLink(station.link, env))
  }

  close(station: Station, reason: EndReason = { cause: 'local-hangup' }): void {
    this.act(station, env => closeLink(station.link, env, reason))
  }

  lose(station: Station): EndReason | undefined {
    let reason: EndReason | undefined
    this.act(station, env => {
      reason = linkLost(station.link, env)
    })
    return reason
  }

  /** Hands a frame to a station at once. */
  inject(station: Station, frame: Uint8Array): void {
    this.act(station, env => linkFrame(station.link, env, frame))
  }

  answer(station: Station, askId: number, verdict: Verdict): void {
    station.pending.delete(askId)
    this.act(station, env => linkAnswer(station.link, env, askId, verdict))
  }

  /** One step of a link. The random source is the same whether or not the state was restored. */
  act(station: Station, step: (env: LinkEnv) => void): void {
    if (this.#restoring)
      station.link = fromJson(JSON.parse(JSON.stringify(toJson(structuredClone(station.link)))))
    step(this.#env(station))
  }

  /** From now on nothing is lost, doubled or late. */
  calm(): void {
    this.#weather = FAIR
  }

  /** Passes virtual time. */
  run(ms: number): void {
    const end = this.now + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) next()
    this.now = end
  }

  #next(end: number): (() => void) | undefined {
    const timers = this.#stations.flatMap(station =>
      [...station.timers].map(([name, at]) => ({ at, order: Infinity, station, name })),
    )
    const [first] = [...this.#happenings, ...timers].sort((a, b) => a.at - b.at || a.order - b.order)
    if (first === undefined || first.at > end) return undefined
    return () => {
      this.now = Math.max(this.now, first.at)
      if ('run' in first) {
        this.#happenings = this.#happenings.filter(happening => happening !== first)
        first.run()
      } else {
        const { station, name } = first
        station.timers.delete(name)
        this.#note(station, `timer ${name}`)
        this.act(station, env => linkTimer(station.link, env, name))
      }
    }
  }

  #later(station: Station, [least, most]: readonly [number, number], run: () => void): void {
    const at = this.now + least + this.#random.fraction() * (most - least)
    this.#happenings.push({ at, order: this.#order++, station, run })
  }

  #note(station: Station, what: string): void {
    this.trace.push(`${this.now.toFixed(3)} ${station.name} ${what}`)
  }

  #env(station: Station): LinkEnv {
    return {
      now: this.now,
      random: this.#linkRandom,
      config: station.config,
      send: (protocol, payload) => {
        const frame = encodePppFrame(protocol, payload, { acfc: false, pfc: false })
        station.sent.push(frame)
        this.#note(station, `sends ${Buffer.from(frame).toString('hex')}`)
        this.#carry(station, frame)
      },
      setTimer: (name, delayMs) => {
        assert.ok(delayMs > 0, `timer ${name} of ${delayMs} ms`)
        station.timers.set(name, this.now + delayMs)
      },
      clearTimer: name => {
        station.timers.delete(name)
      },
      ask: ask => {
        const askId = ++this.#askId
        station.asked.push(ask)
        station.pending.set(askId, ask)
        this.#note(station, `asks ${ask.kind}`)
        const verdict = station.answer(ask)
        if (verdict !== undefined)
          this.#later(station, this.#weather.askDelayMs, () => {
            if (station.pending.has(askId)) this.answer(station, askId, verdict)
          })
        return askId
      },
      withdraw: askId => {
        assert.ok(station.pending.delete(askId), 'only a pending ask is withdrawn')
        station.withdrawn.push(askId)
        this.#note(station, 'withdraws')
      },
      up: network => {
        if (station.opens === station.downs) station.opens++
        station.ups.push(network)
        this.#note(station, `up ${network.localAddress} ${network.peerAddress} ${network.mtuBytes}`)
      },
      down: () => {
        station.downs++
        this.#note(station, 'down')
      },
      closed: reason => {
        assert.equal(station.closed, undefined, 'closed is told once')
        station.closed = reason
        this.#note(station, `closed ${reason.cause}`)
      },
      drop: reason => {
        station.drops.push(reason)
        this.#note(station, `drops ${reason}`)
      },
    }
  }

  #carry(from: Station, frame: Uint8Array): void {
    const to = this.#stations.find(station => station !== from)
    if (to === undefined) return
    const { lossRate, duplicateRate, delayMs } = this.#weather
    const copies = this.#random.fraction() < duplicateRate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (this.#random.fraction() < lossRate) continue
      const arriving = this.tamper(frame, from)
      if (arriving !== undefined) this.#later(to, delayMs, () => this.inject(to, arriving))
    }
  }
}

/** An LNS and a client that dials it. */
export function pair(
  lns: Partial<StationOptions> = {},
  client: Partial<StationOptions> = {},
  options: WireOptions = {},
): { wire: Wire; lns: Station; client: Station } {
  const stations = {
    lns: new Station('lns', { config: LNS_CONFIG, ...lns }),
    client: new Station('client', { config: CLIENT_CONFIG, ...client }),
  }
  return { wire: new Wire([stations.lns, stations.client], options), ...stations }
}

/** One station against a scripted peer. */
export function alone(
  options: Partial<StationOptions> = {},
  weather: WireOptions = {},
): { wire: Wire; lns: Station } {
  const lns = new Station('lns', { config: LNS_CONFIG, ...options })
  return { wire: new Wire([lns], weather), lns }
}

/** `LCP Configure-Request 1`, `CHAP 2 17`. */
export function describe(frame: Uint8Array): string {
  const { protocol, payload } = decodePppFrame(frame) ?? { protocol: 0, payload: frame }
  const { code, identifier } = decodeCpPacket(payload) ?? { code: 0, identifier: 0 }
  const names = protocol === PPP.LCP || protocol === PPP.IPCP ? CP_CODE_NAMES : undefined
  return `${pppProtocolName(protocol)} ${names?.get(code) ?? code} ${identifier}`
}

/** Options of a control packet as `type=hex`. */
export function optionsOf(frame: Uint8Array | undefined): string[] {
  const payload = decodePppFrame(frame ?? new Uint8Array())?.payload ?? new Uint8Array()
  const options = decodeOptions(decodeCpPacket(payload)?.data ?? new Uint8Array()) ?? []
  return options.map(({ type, value }) => `${type}=${Buffer.from(value).toString('hex')}`)
}

/** A frame from hex: protocol and payload, spaces for reading. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}
