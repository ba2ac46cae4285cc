import { BurrowError } from '../errors.ts'
import type { Flow } from '../flow.ts'
import { FlowPrefixes, readPrefixes } from './flow-prefixes.ts'
import { type OuterAddress, outerAddress, sameWords, WORDS } from './outer-address.ts'
import { PairTable } from './pair-table.ts'
import { NO_RULES, type NumberedRules } from './policy/judge.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Bits of `FlowTable.flags`. */
export const FLAG = {
  length: 1,
  acfc: 2,
  pfc: 4,
  sequence: 8,
  mss: 16,
  upRate: 32,
  downRate: 64,
  outer6: 128,
} as const

/** RFC 791 3.2: what every link must carry whole; and what the total length can say. */
const LEAST_MTU_BYTES = 68
const MOST_MTU_BYTES = 65_535

const NO_WORDS = new Int32Array(WORDS)

interface Ends {
  readonly local: OuterAddress
  readonly remote: OuterAddress
}

/** A flow's own rules, or its zone's. */
interface Policy {
  readonly zone: string
  readonly own: NumberedRules | undefined
}

/** What the fast path needs of each flow, in columns indexed by flow id, and the two ways to find a flow. */
export class FlowTable {
  readonly maxFlows: number
  readonly localAddress: Int32Array
  /** Of flows that have `FLAG.outer6`. */
  readonly localWords: Int32Array
  readonly localPort: Uint16Array
  /** Index of the socket that the flow uses. */
  readonly socket: Uint8Array
  readonly remoteAddress: Int32Array
  readonly remoteWords: Int32Array
  readonly remotePort: Uint16Array
  /** Tunnel id in the upper half, session id in the lower: as they stand in the L2TP header. */
  readonly peerIds: Int32Array
  readonly mtuBytes: Uint16Array
  readonly flags: Uint8Array
  /** Ns of the next data message, where the flow is sequenced (RFC 2661 5.4). */
  readonly nextNs: Uint16Array
  readonly prefixes = new FlowPrefixes()
  /** Of flows that have `FLAG.upRate`, and `FLAG.downRate`. */
  readonly up: TokenBuckets
  readonly down: TokenBuckets
  readonly #rules: NumberedRules[] = []
  /** Of live flows: as they were given. */
  readonly #flows: (Flow | undefined)[] = []
  readonly #policies: Policy[] = []
  /** The highest generation seen of each id, plus 1. */
  readonly #generations: Float64Array
  readonly #zones = new Map<string, NumberedRules>()
  /** (local address, ids) -> flow. */
  readonly #byIds = new PairTable()

  /** `memory`: of `bytesFor`, where another table has left what it has seen. */
  constructor(maxFlows: number, memory = new SharedArrayBuffer(FlowTable.bytesFor(maxFlows))) {
    this.maxFlows = maxFlows
    this.#generations = new Float64Array(memory, 0, maxFlows)
    this.nextNs = new Uint16Array(memory, this.#generations.byteLength, maxFlows)
    this.localAddress = new Int32Array(maxFlows)
    this.localWords = new Int32Array(WORDS * maxFlows)
    this.localPort = new Uint16Array(maxFlows)
    this.socket = new Uint8Array(maxFlows)
    this.remoteAddress = new Int32Array(maxFlows)
    this.remoteWords = new Int32Array(WORDS * maxFlows)
    this.remotePort = new Uint16Array(maxFlows)
    this.peerIds = new Int32Array(maxFlows)
    this.mtuBytes = new Uint16Array(maxFlows)
    this.flags = new Uint8Array(maxFlows)
    this.up = new TokenBuckets(maxFlows)
    this.down = new TokenBuckets(maxFlows)
  }

  static bytesFor(maxFlows: number): number {
    return maxFlows * (Float64Array.BYTES_PER_ELEMENT + Uint16Array.BYTES_PER_ELEMENT)
  }

  /** The flow to which a data message belongs by its ids, or -1. The peer is not compared. */
  find(localAddress: number, ids: number): number {
    return this.#byIds.get(localAddress, ids)
  }

  rules(flow: number): NumberedRules {
    return this.#rules[flow] ?? NO_RULES
  }

  /** True when the slot was free or had another generation. Throws FLOW_REFUSED. */
  upsert(flow: Flow, socket: number): boolean {
    const { id, generation } = flow
    if (!Number.isInteger(id) || id < 0 || id >= this.maxFlows)
      throw new BurrowError('FLOW_REFUSED', `flow id ${id} is not below ${this.maxFlows}`)
    if (!Number.isSafeInteger(generation) || generation < 0)
      throw new BurrowError('FLOW_REFUSED', `${generation} is no generation`)
    if (flow.mtuBytes < LEAST_MTU_BYTES || flow.mtuBytes > MOST_MTU_BYTES)
      throw new BurrowError('FLOW_REFUSED', `an MTU of ${flow.mtuBytes} octets cannot carry IPv4`)
    for (const rateBps of [flow.upRateBps, flow.downRateBps])
      if (rateBps !== undefined && !(rateBps > 0))
        throw new BurrowError('FLOW_REFUSED', `${rateBps} bits per second is no rate`)
    const ends = {
      local: outerAddress(flow.path.local.address),
      remote: outerAddress(flow.path.remote.address),
    }
    this.#refuseEnds(flow, ends)
    const prefixes = readPrefixes(flow.prefixes)
    if (generation + 1 < (this.#generations[id] ?? 0)) return false
    const before = this.#flows[id]
    if (before !== undefined) this.#withdraw(before)
    const fresh = before?.generation !== generation
    this.#flows[id] = flow
    this.socket[id] = socket
    this.#generations[id] = generation + 1
    this.#limit(this.up, flow.upRateBps, flow, fresh || before?.upRateBps === undefined)
    this.#limit(this.down, flow.downRateBps, flow, fresh || before?.downRateBps === undefined)
    this.#write(flow, ends)
    this.#byIds.set(ends.local.number, idsOf(flow.localTunnelId, flow.localSessionId), id)
    this.prefixes.set(id, prefixes)
    this.#setPolicy(id, { zone: flow.zone, own: fresh ? undefined : this.#policies[id]?.own })
    return fresh
  }

  /** What it sends is a sequence of its own from now on. */
  begin(id: number): void {
    this.nextNs[id] = 0
  }

  /** Does nothing where that generation is not there. */
  remove(id: number, generation: number): void {
    const flow = this.#flows[id]
    if (flow?.generation !== generation) return
    this.#withdraw(flow)
    this.#flows[id] = undefined
    this.#rules[id] = NO_RULES
  }

  setFlowPolicy(id: number, generation: number, own: NumberedRules): void {
    const flow = this.#flows[id]
    if (flow?.generation === generation) this.#setPolicy(id, { zone: flow.zone, own })
  }

  setZonePolicy(zone: string, rules: NumberedRules): void {
    this.#zones.set(zone, rules)
    for (const flow of this.#flows) {
      if (flow?.zone === zone) this.#setPolicy(flow.id, { zone, own: this.#policies[flow.id]?.own })
    }
  }

  #setPolicy(id: number, policy: Policy): void {
    this.#policies[id] = policy
    this.#rules[id] = policy.own ?? this.#zones.get(policy.zone) ?? NO_RULES
  }

  /** A flow that has a rate already keeps what is in its bucket. */
  #limit(buckets: TokenBuckets, rateBps: number | undefined, { id, mtuBytes }: Flow, isNew: boolean): void {
    if (rateBps !== undefined) buckets.set(id, rateBps, mtuBytes, isNew)
  }

  #write(
    { id, path, peerTunnelId, peerSessionId, mtuBytes, header, needs, upRateBps, downRateBps }: Flow,
    { local, remote }: Ends,
  ): void {
    this.localAddress[id] = local.number
    this.localPort[id] = path.local.port
    this.remoteAddress[id] = remote.number
    this.localWords.set(local.words ?? NO_WORDS, WORDS * id)
    this.remoteWords.set(remote.words ?? NO_WORDS, WORDS * id)
    this.remotePort[id] = path.remote.port
    this.peerIds[id] = idsOf(peerTunnelId, peerSessionId)
    this.mtuBytes[id] = mtuBytes
    this.flags[id] =
      (header.length ? FLAG.length : 0) |
      (header.acfc ? FLAG.acfc : 0) |
      (header.pfc ? FLAG.pfc : 0) |
      (needs.sequence ? FLAG.sequence : 0) |
      (needs.mss ? FLAG.mss : 0) |
      (upRateBps === undefined ? 0 : FLAG.upRate) |
      (downRateBps === undefined ? 0 : FLAG.downRate) |
      (remote.words === undefined ? 0 : FLAG.outer6)
  }

  #refuseEnds({ path, localTunnelId, localSessionId, id }: Flow, { local, remote }: Ends): void {
    if ((local.words === undefined) !== (remote.words === undefined))
      throw new BurrowError(
        'FLOW_REFUSED',
        `${path.local.address} and ${path.remote.address} are of two families`,
      )
    const other = this.#byIds.get(local.number, idsOf(localTunnelId, localSessionId))
    if (other < 0 || other === id) return
    const isOther6 = ((this.flags[other] ?? 0) & FLAG.outer6) !== 0
    const isSame =
      local.words === undefined
        ? !isOther6
        : isOther6 && sameWords(this.localWords, WORDS * other, local.words, 0)
    // Ids count below an address, and two that one number stands for are rarer than a broken disk.
    if (!isSame)
      throw new BurrowError('FLOW_REFUSED', `its ids are taken at ${this.#flows[other]?.path.local.address}`)
  }

  #withdraw(flow: Flow): void {
    const local = this.localAddress[flow.id] ?? 0
    const ids = idsOf(flow.localTunnelId, flow.localSessionId)
    if (this.#byIds.get(local, ids) === flow.id) this.#byIds.delete(local, ids)
    this.prefixes.clear(flow.id)
  }
}

function idsOf(tunnelId: number, sessionId: number): number {
  return (tunnelId << 16) | sessionId
}
