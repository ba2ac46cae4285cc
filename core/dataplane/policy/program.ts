/**
 * Packet filters as sets of bits. Each property of a packet (source, destination, protocol, port) leads, by a binary search, to the set of
 * the rules that it lets match; the first bit that all of them have is the rule that decides. So a thousand rules cost little more than
 * one, and any number of sessions share one program.
 */
import type { AclRule } from '../../flow.ts'
import { IP_PROTOCOL } from '../../wire/ip.ts'
import { ICMPV6 } from '../../wire/ipv6-packet.ts'
import { ipv4Prefixes, ipv6Prefixes } from '../prefix.ts'
import { compileIntervals, type Intervals, intervalOf, intervalOf6, type Range } from './intervals.ts'

/** Where what no rule matched is counted. */
export const NO_SLOT = 0

/** What a rule makes of a packet. */
export const ACTION = { deny: 0, permit: 1, reject: 2 } as const

/** No rule matches. */
export const NO_RULE = -1
/** A packet whose port, or type of ICMP, cannot be read: a later fragment, or a protocol that has none. */
export const NO_SELECTOR = -1

/** The rules of one direction as one family sees them, numbered in their order. Typed arrays, for any thread. */
export interface Program {
  /** Of 32 bits each, in a set of rules. */
  readonly words: number
  readonly source: Intervals
  readonly destination: Intervals
  readonly protocol: Intervals
  readonly selector: Intervals
  /** Rules that a packet without selector may match. */
  readonly unselected: Int32Array
  /** Rules about this host itself as the end that is not the session, and those about other ends. */
  readonly host: Int32Array
  readonly notHost: Int32Array
  /** Of each rule: of ACTION. */
  readonly actions: Uint8Array
  /** Of each rule: 1 where it is to be logged. */
  readonly logged: Uint8Array
  /** Of each rule: what it counts under. */
  readonly slots: Uint16Array
}

export interface Programs {
  readonly ipv4: Program
  readonly ipv6: Program
}

export interface RuleSet {
  readonly fromSession: Programs
  readonly toSession: Programs
  /** What the rules are called, by the slots that they count under. */
  readonly names: ReadonlyMap<number, string>
}

/** By its name, what a rule counts under. */
export type SlotOf = (name: string) => number

/** Throws FLOW_REFUSED for what is no prefix. */
export function compileRules(rules: readonly AclRule[], slotOf: SlotOf): RuleSet {
  const programs = (direction: AclRule['direction']): Programs => {
    const own = rules.filter(rule => rule.direction === direction)
    return { ipv4: compile(own, IPV4, slotOf), ipv6: compile(own, IPV6, slotOf) }
  }
  const names = new Map(rules.map(({ name }) => [slotOf(name), name]))
  return { fromSession: programs('from-session'), toSession: programs('to-session'), names }
}

/** What the two families see differently. */
interface Family {
  readonly addressBits: number
  readonly addresses: (prefixes: AclRule['source'] & object) => readonly Range[]
  readonly icmp: number
  readonly icmpTypes: (rule: AclRule) => readonly number[] | undefined
}

const IPV4: Family = {
  addressBits: 32,
  addresses: prefixes =>
    ipv4Prefixes(prefixes).map(({ address, length }) => block(BigInt(address >>> 0), 32 - length)),
  icmp: IP_PROTOCOL.ICMP,
  icmpTypes: ({ icmpTypes, icmpv6Types }) => icmpTypes ?? (icmpv6Types && []),
}

const IPV6: Family = {
  addressBits: 128,
  addresses: prefixes =>
    ipv6Prefixes(prefixes).map(({ words, length }) =>
      block(
        words.reduce((address, word) => (address << 32n) | BigInt(word >>> 0), 0n),
        128 - length,
      ),
    ),
  icmp: ICMPV6,
  icmpTypes: ({ icmpTypes, icmpv6Types }) => icmpv6Types ?? (icmpTypes && []),
}

const block = (first: bigint, hostBits: number): Range => ({
  from: first,
  to: first | ((1n << BigInt(hostBits)) - 1n),
})

/** Protocols that begin with a source port and a destination port. */
export const HAS_PORTS: ReadonlySet<number> = new Set([
  IP_PROTOCOL.TCP,
  IP_PROTOCOL.UDP,
  IP_PROTOCOL.DCCP,
  IP_PROTOCOL.SCTP,
  IP_PROTOCOL.UDPLITE,
])

function compile(rules: readonly AclRule[], family: Family, slotOf: SlotOf): Program {
  const { addresses, addressBits } = family
  const ranges = (of: (rule: AclRule) => readonly Range[] | undefined, bits: number) =>
    compileIntervals(rules.map(of), bits)
  return {
    words: wordsFor(rules.length),
    source: ranges(({ source }) => source && addresses(source), addressBits),
    destination: ranges(({ destination }) => destination && addresses(destination), addressBits),
    protocol: ranges(rule => protocolsOf(rule, family), 8),
    selector: ranges(rule => selectorsOf(rule, family), 16),
    // What cannot be read might be what is denied, and might not be what is permitted.
    unselected: setOf(rules, rule => selectorsOf(rule, family) === undefined || rule.action !== 'permit'),
    host: setOf(rules, ({ host }) => host === true),
    notHost: setOf(rules, ({ host }) => host !== true),
    actions: Uint8Array.from(rules, ({ action }) => ACTION[action]),
    logged: Uint8Array.from(rules, ({ log }) => Number(log === true)),
    slots: Uint16Array.from(rules, ({ name }) => slotOf(name)),
  }
}

const one = (value: number): Range => ({ from: BigInt(value), to: BigInt(value) })

/** Whoever permits ICMP means that of IPv6 as well. */
function protocolsOf(rule: AclRule, family: Family): readonly Range[] | undefined {
  const { protocol, destinationPorts } = rule
  if (family.icmpTypes(rule) !== undefined) return [one(family.icmp)]
  if (destinationPorts !== undefined)
    return [...HAS_PORTS].filter(has => protocol === undefined || protocol === has).map(one)
  if (protocol === IP_PROTOCOL.ICMP) return [one(family.icmp)]
  return protocol === undefined ? undefined : [one(protocol)]
}

function selectorsOf(rule: AclRule, family: Family): readonly Range[] | undefined {
  const ports = rule.destinationPorts?.map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) }))
  return family.icmpTypes(rule)?.map(one) ?? ports
}

const wordsFor = (rules: number): number => Math.max(1, Math.ceil(rules / 32))

function setOf(rules: readonly AclRule[], has: (rule: AclRule) => boolean): Int32Array {
  const set = new Int32Array(wordsFor(rules.length))
  for (const [index, rule] of rules.entries())
    if (has(rule)) set[index >> 5] = (set[index >> 5] ?? 0) | (1 << (index & 31))
  return set
}

/** The rule that decides on an IPv4 packet, or NO_RULE. Addresses may be signed. */
export function ruleFor(
  program: Program,
  source: number,
  destination: number,
  protocol: number,
  selector: number,
  isHost: boolean,
): number {
  return firstOf(
    program,
    intervalOf(program.source, source),
    intervalOf(program.destination, destination),
    protocol,
    selector,
    isHost,
  )
}

/** The same of an IPv6 packet: its addresses stand in `view` at these places. */
export function ruleFor6(
  program: Program,
  view: DataView,
  sourceAt: number,
  destinationAt: number,
  protocol: number,
  selector: number,
  isHost: boolean,
): number {
  return firstOf(
    program,
    intervalOf6(program.source, view, sourceAt),
    intervalOf6(program.destination, view, destinationAt),
    protocol,
    selector,
    isHost,
  )
}

function firstOf(
  { words, source, destination, protocol, selector, unselected, host, notHost }: Program,
  sourceInterval: number,
  destinationInterval: number,
  protocolNumber: number,
  selected: number,
  isHost: boolean,
): number {
  const sourceAt = sourceInterval * words
  const destinationAt = destinationInterval * words
  const protocolAt = intervalOf(protocol, protocolNumber) * words
  const selectorAt = selected < 0 ? 0 : intervalOf(selector, selected) * words
  const selectors = selected < 0 ? unselected : selector.sets
  const ends = isHost ? host : notHost
  for (let word = 0; word < words; word++) {
    const rules =
      bits(source.sets, sourceAt + word) &
      bits(destination.sets, destinationAt + word) &
      bits(protocol.sets, protocolAt + word) &
      bits(selectors, selectorAt + word) &
      bits(ends, word)
    if (rules !== 0) return 32 * word + 31 - Math.clz32(rules & -rules)
  }
  return NO_RULE
}

/** `at` is always within. */
const bits = (sets: Int32Array, at: number): number => sets[at] ?? 0
