/**
 * Whether a packet of a session may pass: by what is known of its conversation, or else by the first rule that matches. Reads headers in
 * place; the verdict is of ACTION, its details are fields of the object.
 */
import { IP_PROTOCOL, ipv4HeaderBytes, ipv4Protocol } from '../../wire/ip.ts'
import { IPV6_HEADER_BYTES, Ipv6Walk, ipv6DestinationAt, ipv6SourceAt } from '../../wire/ipv6-packet.ts'
import { Connections, type ConnectionsSizes, STATE } from './connections.ts'
import { ICMP, ICMP6, type IcmpFamily } from './icmp-kinds.ts'
import {
  ACTION,
  compileRules,
  HAS_PORTS,
  NO_RULE,
  NO_SELECTOR,
  NO_SLOT,
  type Program,
  type RuleSet,
  ruleFor,
  ruleFor6,
} from './program.ts'
import { ASKED_BY_OTHER_BIT, FRAGMENT_BIT, timeoutsOf } from './timeouts.ts'

/** A rule set as the data plane has it. */
export interface NumberedRules extends RuleSet {
  /** From 1; no other set ever has the same. */
  readonly number: number
}

/** Of whom no rules are known: everything is denied. */
export const NO_RULES: NumberedRules = { ...compileRules([], () => NO_SLOT), number: -1 }

export const DIRECTION = { fromSession: 0, toSession: 1 } as const

const TCP_FLAGS_AT = 13
const TCP_FLAG = { fin: 0x01, syn: 0x02, reset: 0x04, ack: 0x10 } as const
const PORTS_BYTES = 4
const MORE_FRAGMENTS = 0x2000
const FRAGMENT_OFFSET_MASK = 0x1fff
const IPV6_MORE_FRAGMENTS = 0x0001
const ICMP_HEADER_BYTES = 8
const IPV4_SOURCE_AT = 12
const IPV4_DESTINATION_AT = 16
const IPV4_LEAST_HEADER_BYTES = 20

interface Family {
  readonly addressWords: 1 | 4
  readonly icmp: IcmpFamily
  readonly known: Connections
}

/** Of the conversations of each family. */
export interface JudgeMemory {
  readonly ipv4: SharedArrayBuffer
  readonly ipv6: SharedArrayBuffer
}

export interface JudgeOptions {
  readonly maxFlows: number
  /** Conversations of IPv4 that are known at a time; of IPv6 a quarter as many. */
  readonly connections: number
}

/** Of one session, so that none has all. */
const SHARE = 16
const LEAST_SHARE = 64

export class Judge {
  /** Of the last verdict: what the rule that decided counts under, NO_SLOT where none did. */
  slot = NO_SLOT
  /** Of the last verdict: it begins a conversation, or refuses one, and its rule wants that told. */
  logged = false
  readonly #ipv4: Family
  readonly #ipv6: Family
  readonly #quoted = new Ipv6Walk()

  // Of the packet that is judged.
  #family: Family
  #flow = 0
  #rules = NO_RULES
  #direction: number = DIRECTION.fromSession
  #isHost = false
  #view: DataView = new DataView(new ArrayBuffer(0))
  #sourceAt = 0
  #destinationAt = 0
  #protocol = 0
  #end = 0
  /** What rules of its direction select by, and what those of the other direction would in a packet that answers it. */
  #selector = NO_SELECTOR
  #answerSelector = NO_SELECTOR
  #tcpFlags = 0

  /** `memory`: of `createMemory` by the same sizes. */
  constructor(options: JudgeOptions, memory = Judge.createMemory(options)) {
    const { connections } = options
    const mostOfOne = Math.max(LEAST_SHARE, Math.floor(connections / SHARE))
    const family = (addressWords: 1 | 4, icmp: IcmpFamily, itsMemory: SharedArrayBuffer): Family => {
      const sizes = sizesOf(addressWords, options)
      const known = new Connections({ ...sizes, mostOfOne, timeouts: timeoutsOf }, itsMemory)
      return { addressWords, icmp, known }
    }
    this.#ipv4 = family(1, ICMP, memory.ipv4)
    this.#ipv6 = family(4, ICMP6, memory.ipv6)
    this.#family = this.#ipv4
  }

  static createMemory(options: JudgeOptions): JudgeMemory {
    const memoryOf = (addressWords: 1 | 4) =>
      new SharedArrayBuffer(Connections.bytesFor(sizesOf(addressWords, options)))
    return { ipv4: memoryOf(1), ipv6: memoryOf(4) }
  }

  /** Time passes only here. */
  tick(nowMs: number): void {
    const nowS = Math.floor(nowMs / 1000)
    this.#ipv4.known.tick(nowS)
    this.#ipv6.known.tick(nowS)
  }

  /** The flow belongs to another session from now on. */
  begin(flow: number): void {
    this.#ipv4.known.begin(flow)
    this.#ipv6.known.begin(flow)
  }

  /** What was permitted is to be decided on again, because this host has other addresses. */
  doubt(): void {
    this.#ipv4.known.doubt()
    this.#ipv6.known.doubt()
  }

  /** Of a packet that `checkIpv4` has passed. `isHost`: the end that is not the session is this host. */
  judge4(
    flow: number,
    rules: NumberedRules,
    direction: number,
    view: DataView,
    at: number,
    total: number,
    isHost: boolean,
  ): number {
    this.#read(this.#ipv4, flow, rules, direction, view, isHost)
    this.#sourceAt = at + IPV4_SOURCE_AT
    this.#destinationAt = at + IPV4_DESTINATION_AT
    this.#end = at + total
    this.#protocol = ipv4Protocol(view, at)
    const fragment = view.getUint16(at + 6)
    const offset = fragment & FRAGMENT_OFFSET_MASK
    // RFC 1858 4: flags and ports that a later fragment would write over were judged in vain.
    if (offset === 1 && this.#protocol === IP_PROTOCOL.TCP) return this.#refuse()
    if (offset !== 0) return this.#laterFragment(view.getUint16(at + 4))
    const action = this.#packet(at + ipv4HeaderBytes(view, at))
    if ((fragment & MORE_FRAGMENTS) !== 0 && action === ACTION.permit)
      this.#expectFragments(view.getUint16(at + 4))
    return action
  }

  /** Of a packet that `walk` has passed. */
  judge6(
    flow: number,
    rules: NumberedRules,
    direction: number,
    view: DataView,
    at: number,
    total: number,
    walk: Ipv6Walk,
    isHost: boolean,
  ): number {
    this.#read(this.#ipv6, flow, rules, direction, view, isHost)
    this.#sourceAt = ipv6SourceAt(at)
    this.#destinationAt = ipv6DestinationAt(at)
    this.#end = at + total
    this.#protocol = walk.protocol
    const { fragmentAt } = walk
    if (walk.isLaterFragment) return this.#laterFragment(view.getInt32(fragmentAt + 4))
    const action = this.#packet(walk.at)
    const isFirst = fragmentAt !== 0 && (view.getUint16(fragmentAt + 2) & IPV6_MORE_FRAGMENTS) !== 0
    if (isFirst && action === ACTION.permit) this.#expectFragments(view.getInt32(fragmentAt + 4))
    return action
  }

  #read(
    family: Family,
    flow: number,
    rules: NumberedRules,
    direction: number,
    view: DataView,
    isHost: boolean,
  ): void {
    this.#family = family
    this.#flow = flow
    this.#rules = rules
    this.#direction = direction
    this.#view = view
    this.#isHost = isHost
    this.#selector = NO_SELECTOR
    this.#answerSelector = NO_SELECTOR
    this.#tcpFlags = 0
    this.slot = NO_SLOT
    this.logged = false
  }

  /** A whole packet, or a first fragment; the header behind those of IP is at `upperAt`. */
  #packet(upperAt: number): number {
    const view = this.#view
    const protocol = this.#protocol
    const bytes = this.#end - upperAt
    if (protocol === this.#family.icmp.protocol) return this.#icmp(upperAt, bytes)
    if (!HAS_PORTS.has(protocol)) {
      this.#writeKey(0, protocol)
      return this.#conversation()
    }
    if (bytes < PORTS_BYTES) return this.#byRule()
    this.#answerSelector = view.getUint16(upperAt)
    this.#selector = view.getUint16(upperAt + 2)
    if (protocol === IP_PROTOCOL.TCP && bytes > TCP_FLAGS_AT)
      this.#tcpFlags = view.getUint8(upperAt + TCP_FLAGS_AT)
    this.#writeKey(portsOf(view, upperAt, this.#direction), protocol)
    return this.#conversation()
  }

  #icmp(upperAt: number, bytes: number): number {
    const { icmp, known } = this.#family
    if (bytes < ICMP_HEADER_BYTES) return this.#byRule()
    const type = this.#view.getUint8(upperAt)
    this.#selector = type
    if (icmp.errors.has(type)) return this.#error(upperAt + ICMP_HEADER_BYTES)
    const query = icmp.queryOf.get(type)
    if (query === undefined) return this.#byRule()
    this.#answerSelector = query
    const asker = type === query ? this.#direction : 1 - this.#direction
    this.#writeKey(queryOf(this.#view, upperAt, query), askedBy(asker, icmp))
    // Nobody but who asks begins a conversation.
    return type === query || known.find() >= 0 ? this.#conversation() : this.#byRule()
  }

  /** Permitted where it is about a packet that went the other way, in a conversation that is known. It quotes the beginning of that. */
  #error(quotedAt: number): number {
    const { known } = this.#family
    const at = this.#writeKeyOfQuoted(quotedAt) ? known.find() : -1
    if (at < 0 || known.state(at) === STATE.denied || known.set(at) !== this.#rules.number)
      return this.#byRule()
    this.slot = known.slot(at)
    return ACTION.permit
  }

  #writeKeyOfQuoted(quotedAt: number): boolean {
    const { icmp, addressWords } = this.#family
    const view = this.#view
    const isIpv4 = addressWords === 1
    const upperAt = isIpv4 ? this.#behindQuoted4(quotedAt) : this.#behindQuoted6(quotedAt)
    if (upperAt < 0 || upperAt + ICMP_HEADER_BYTES > this.#end) return false
    const protocol = isIpv4 ? ipv4Protocol(view, quotedAt) : this.#quoted.protocol
    const direction = 1 - this.#direction
    const from = isIpv4 ? quotedAt + IPV4_SOURCE_AT : ipv6SourceAt(quotedAt)
    const to = isIpv4 ? quotedAt + IPV4_DESTINATION_AT : ipv6DestinationAt(quotedAt)
    if (protocol === icmp.protocol) {
      const type = view.getUint8(upperAt)
      const query = icmp.queryOf.get(type)
      if (query === undefined) return false
      const asker = type === query ? direction : 1 - direction
      this.#writeKeyFor(from, to, direction, queryOf(view, upperAt, query), askedBy(asker, icmp))
    } else {
      const ports = HAS_PORTS.has(protocol) ? portsOf(view, upperAt, direction) : 0
      this.#writeKeyFor(from, to, direction, ports, protocol)
    }
    return true
  }

  /** Where what follows the quoted IP header begins; -1 where there is none to be read. */
  #behindQuoted4(at: number): number {
    const view = this.#view
    if (at + IPV4_LEAST_HEADER_BYTES > this.#end || view.getUint8(at) >> 4 !== 4) return -1
    const headerBytes = ipv4HeaderBytes(view, at)
    const isFirst = (view.getUint16(at + 6) & FRAGMENT_OFFSET_MASK) === 0
    return isFirst && headerBytes >= IPV4_LEAST_HEADER_BYTES ? at + headerBytes : -1
  }

  #behindQuoted6(at: number): number {
    const total = this.#end - at
    if (total < IPV6_HEADER_BYTES || this.#view.getUint8(at) >> 4 !== 6) return -1
    const fault = this.#quoted.walk(this.#view, at, total)
    return fault < 0 || this.#quoted.isLaterFragment ? -1 : this.#quoted.at
  }

  /** Permitted where the first fragment was, of which `identification` tells; else as far as rules go without ports. */
  #laterFragment(identification: number): number {
    const { known } = this.#family
    this.#writeKey(identification, FRAGMENT_BIT | this.#direction)
    const at = known.find()
    if (at < 0 || known.set(at) !== this.#rules.number) return this.#byRule()
    this.slot = known.slot(at)
    return ACTION.permit
  }

  #expectFragments(identification: number): void {
    this.#writeKey(identification, FRAGMENT_BIT | this.#direction)
    const { known } = this.#family
    const at = known.claim(this.#flow, STATE.fresh)
    if (at >= 0) known.write(at, this.#rules.number, this.slot, this.#direction, ACTION.permit, STATE.fresh)
  }

  /** The conversation of the key. */
  #conversation(): number {
    const { known } = this.#family
    const at = this.#standing(known.find())
    if (at < 0) return this.#beginConversation()
    const isInitiator = known.initiator(at) === this.#direction
    if (known.state(at) === STATE.denied) {
      // What is denied one way may be permitted the other.
      if (!isInitiator) return this.#beginConversation()
      this.slot = known.slot(at)
      return known.action(at)
    }
    known.touch(at, this.#nextState(known.state(at), isInitiator))
    this.slot = known.slot(at)
    return ACTION.permit
  }

  /** `at`, or -1 where that no longer counts: other rules hold now, or one conversation has ended and another begins. */
  #standing(at: number): number {
    const { known } = this.#family
    if (at < 0) return -1
    const begins = (this.#tcpFlags & (TCP_FLAG.syn | TCP_FLAG.ack)) === TCP_FLAG.syn
    if (begins && known.state(at) === STATE.closing) known.free(at)
    else if (known.set(at) === this.#rules.number || this.#isStillPermitted(at)) return at
    else known.free(at)
    return -1
  }

  /** By the rules of now, for whoever began it. */
  #isStillPermitted(at: number): boolean {
    const { known } = this.#family
    const state = known.state(at)
    if (state === STATE.denied) return false
    const initiator = known.initiator(at)
    const rule = this.#ruleOf(initiator)
    const programs = this.#programs(initiator)
    if (rule === NO_RULE || programs.actions[rule] !== ACTION.permit) return false
    known.write(at, this.#rules.number, programs.slots[rule] ?? NO_SLOT, initiator, ACTION.permit, state)
    return true
  }

  #nextState(state: number, isInitiator: boolean): number {
    if ((this.#tcpFlags & (TCP_FLAG.fin | TCP_FLAG.reset)) !== 0) return STATE.closing
    return state === STATE.fresh && !isInitiator ? STATE.open : state
  }

  #beginConversation(): number {
    const { known } = this.#family
    const action = this.#byRule()
    const state = action === ACTION.permit ? STATE.fresh : STATE.denied
    const at = known.claim(this.#flow, state)
    if (at >= 0) known.write(at, this.#rules.number, this.slot, this.#direction, action, state)
    return action
  }

  #byRule(): number {
    const rule = this.#ruleOf(this.#direction)
    if (rule === NO_RULE) return this.#refuse()
    const { actions, slots, logged } = this.#programs(this.#direction)
    this.slot = slots[rule] ?? NO_SLOT
    this.logged = logged[rule] === 1
    return actions[rule] ?? ACTION.deny
  }

  #refuse(): number {
    this.slot = NO_SLOT
    return ACTION.deny
  }

  /** The rule for this packet, or for what it answers. */
  #ruleOf(direction: number): number {
    const isOwn = direction === this.#direction
    const from = isOwn ? this.#sourceAt : this.#destinationAt
    const to = isOwn ? this.#destinationAt : this.#sourceAt
    const selector = isOwn ? this.#selector : this.#answerSelector
    const program = this.#programs(direction)
    const view = this.#view
    return this.#family.addressWords === 1
      ? ruleFor(program, view.getInt32(from), view.getInt32(to), this.#protocol, selector, this.#isHost)
      : ruleFor6(program, view, from, to, this.#protocol, selector, this.#isHost)
  }

  #programs(direction: number): Program {
    const { fromSession, toSession } = this.#rules
    const programs = direction === DIRECTION.fromSession ? fromSession : toSession
    return this.#family.addressWords === 1 ? programs.ipv4 : programs.ipv6
  }

  #writeKey(detail: number, last: number): void {
    this.#writeKeyFor(this.#sourceAt, this.#destinationAt, this.#direction, detail, last)
  }

  /** The session's end first, whichever way the packet goes: both directions have one key. */
  #writeKeyFor(from: number, to: number, direction: number, detail: number, last: number): void {
    const { addressWords, known } = this.#family
    const { key } = known
    const view = this.#view
    const isUp = direction === DIRECTION.fromSession
    const inner = isUp ? from : to
    const other = isUp ? to : from
    key[0] = known.owner(this.#flow)
    for (let word = 0; word < addressWords; word++) {
      key[1 + word] = view.getInt32(inner + 4 * word)
      key[1 + addressWords + word] = view.getInt32(other + 4 * word)
    }
    key[1 + 2 * addressWords] = detail
    key[2 + 2 * addressWords] = last
  }
}

const sizesOf = (addressWords: 1 | 4, { maxFlows, connections }: JudgeOptions): ConnectionsSizes => ({
  keyWords: 2 * addressWords + 3,
  size: addressWords === 1 ? connections : Math.ceil(connections / 4),
  maxFlows,
})

/** The port of the session's end in the upper half. */
function portsOf(view: DataView, at: number, direction: number): number {
  return direction === DIRECTION.fromSession
    ? view.getInt32(at)
    : (view.getUint16(at + 2) << 16) | view.getUint16(at)
}

/** Identifier and type of a query, or of its answer. */
const queryOf = (view: DataView, icmpAt: number, query: number): number =>
  (view.getUint16(icmpAt + 4) << 16) | query

const askedBy = (direction: number, { protocol }: IcmpFamily): number =>
  direction === DIRECTION.fromSession ? protocol : protocol | ASKED_BY_OTHER_BIT
