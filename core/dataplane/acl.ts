/** Packet filters, compiled to flat arrays of numbers. */
import type { AclRule, Prefix } from '../flow.ts'
import { IP_PROTOCOL, ipv4FragmentOffset, ipv4HeaderBytes, ipv4Mask, ipv4Protocol } from '../wire/ip.ts'
import { ICMPV6, type Ipv6Walk } from '../wire/ipv6-packet.ts'
import { ipv4Prefixes, ipv6Prefixes } from './prefix.ts'

/**
 * Rules in order, each as [action, protocol, sources, destinations, ports, then that many (address, mask) pairs, (address,
 * mask) pairs and (from, to) pairs]. A protocol or count of ANY matches everything; a count of 0 matches nothing. An address and
 * its mask are one number each, in a program for IPv6 four.
 */
export type AclProgram = Int32Array

/** One direction. */
export interface AclPrograms {
  readonly ipv4: AclProgram
  readonly ipv6: AclProgram
}

export interface CompiledAcl {
  readonly fromSession: AclPrograms
  readonly toSession: AclPrograms
}

const NOTHING: AclPrograms = { ipv4: new Int32Array(0), ipv6: new Int32Array(0) }
/** Denies everything. */
export const DENY_ALL: CompiledAcl = { fromSession: NOTHING, toSession: NOTHING }

const ANY = -1
const PERMIT = 1
const DENY = 0
const RULE_HEAD = 5
/** A packet without readable ports. */
export const NO_PORT = -1

const HAS_PORTS: ReadonlySet<number> = new Set([
  IP_PROTOCOL.TCP,
  IP_PROTOCOL.UDP,
  IP_PROTOCOL.DCCP,
  IP_PROTOCOL.SCTP,
  IP_PROTOCOL.UDPLITE,
])

export function compileAcl(rules: readonly AclRule[]): CompiledAcl {
  const compile = (direction: AclRule['direction']): AclPrograms => {
    const own = rules.filter(rule => rule.direction === direction)
    return {
      ipv4: Int32Array.from(own.flatMap(rule => compileRule(rule, pairs))),
      ipv6: Int32Array.from(own.flatMap(rule => compileRule(forIpv6(rule), quads))),
    }
  }
  return { fromSession: compile('from-session'), toSession: compile('to-session') }
}

type Cells = readonly (readonly number[])[]

/** Whoever permits ICMP means that of IPv6 as well. */
const forIpv6 = (rule: AclRule): AclRule =>
  rule.protocol === IP_PROTOCOL.ICMP ? { ...rule, protocol: ICMPV6 } : rule

function compileRule(rule: AclRule, cellsOf: (prefixes: readonly Prefix[]) => Cells): readonly number[] {
  const sources = rule.source && cellsOf(rule.source)
  const destinations = rule.destination && cellsOf(rule.destination)
  const ports = rule.destinationPorts?.map(({ from, to }) => [from, to])
  return [
    rule.action === 'permit' ? PERMIT : DENY,
    rule.protocol ?? ANY,
    sources?.length ?? ANY,
    destinations?.length ?? ANY,
    ports?.length ?? ANY,
    ...[...(sources ?? []), ...(destinations ?? []), ...(ports ?? [])].flat(),
  ]
}

const pairs = (prefixes: readonly Prefix[]): Cells =>
  ipv4Prefixes(prefixes).map(({ address, length }) => [address, ipv4Mask(length)])

const quads = (prefixes: readonly Prefix[]): Cells =>
  ipv6Prefixes(prefixes).map(({ words, masks }) => [...words, ...masks])

/**
 * First match wins, no match denies. A rule with ports matches only packets whose ports can be read: no later fragment
 * and no protocol without ports.
 */
export function permits(
  program: AclProgram,
  source: number,
  destination: number,
  protocol: number,
  port: number,
): boolean {
  let at = 0
  while (at < program.length) {
    const ruleProtocol = number(program, at + 1)
    const sources = number(program, at + 2)
    const destinations = number(program, at + 3)
    const ports = number(program, at + 4)
    const sourcesAt = at + RULE_HEAD
    const destinationsAt = sourcesAt + pairCells(sources)
    const portsAt = destinationsAt + pairCells(destinations)
    if (
      (ruleProtocol === ANY || ruleProtocol === protocol) &&
      (sources === ANY || inPrefixes(program, sourcesAt, destinationsAt, source)) &&
      (destinations === ANY || inPrefixes(program, destinationsAt, portsAt, destination)) &&
      (ports === ANY || inRanges(program, portsAt, portsAt + pairCells(ports), port))
    )
      return program[at] === PERMIT
    at = portsAt + pairCells(ports)
  }
  return false
}

/** The same of an IPv6 packet: its addresses stand in `view` at these places. */
export function permitsIpv6(
  program: AclProgram,
  view: DataView,
  sourceAt: number,
  destinationAt: number,
  protocol: number,
  port: number,
): boolean {
  let at = 0
  while (at < program.length) {
    const ruleProtocol = number(program, at + 1)
    const sources = number(program, at + 2)
    const destinations = number(program, at + 3)
    const ports = number(program, at + 4)
    const sourcesAt = at + RULE_HEAD
    const destinationsAt = sourcesAt + 4 * pairCells(sources)
    const portsAt = destinationsAt + 4 * pairCells(destinations)
    if (
      (ruleProtocol === ANY || ruleProtocol === protocol) &&
      (sources === ANY || inPrefixes6(program, sourcesAt, destinationsAt, view, sourceAt)) &&
      (destinations === ANY || inPrefixes6(program, destinationsAt, portsAt, view, destinationAt)) &&
      (ports === ANY || inRanges(program, portsAt, portsAt + pairCells(ports), port))
    )
      return program[at] === PERMIT
    at = portsAt + pairCells(ports)
  }
  return false
}

/** The destination port behind the extension headers of an IPv6 packet that ends at `end`, or NO_PORT. */
export function destinationPort6(
  view: DataView,
  { protocol, at, isLaterFragment }: Ipv6Walk,
  end: number,
): number {
  return !isLaterFragment && at + 4 <= end && HAS_PORTS.has(protocol) ? view.getUint16(at + 2) : NO_PORT
}

/** The destination port of a packet that `checkIpv4` has passed, or NO_PORT. */
export function destinationPort(view: DataView, at: number, total: number): number {
  const headerBytes = ipv4HeaderBytes(view, at)
  if (ipv4FragmentOffset(view, at) !== 0 || total < headerBytes + 4) return NO_PORT
  return HAS_PORTS.has(ipv4Protocol(view, at)) ? view.getUint16(at + headerBytes + 2) : NO_PORT
}

function inPrefixes(program: AclProgram, from: number, end: number, address: number): boolean {
  for (let at = from; at < end; at += 2)
    if ((address & number(program, at + 1)) === number(program, at)) return true
  return false
}

function inPrefixes6(program: AclProgram, from: number, end: number, view: DataView, at: number): boolean {
  for (let cell = from; cell < end; cell += 8) {
    let word = 0
    while (
      word < 4 &&
      (view.getInt32(at + 4 * word) & number(program, cell + 4 + word)) === number(program, cell + word)
    )
      word++
    if (word === 4) return true
  }
  return false
}

function inRanges(program: AclProgram, from: number, end: number, port: number): boolean {
  for (let at = from; at < end; at += 2)
    if (port >= number(program, at) && port <= number(program, at + 1)) return true
  return false
}

function pairCells(count: number): number {
  return count === ANY ? 0 : 2 * count
}

/** `at` is always within: `compileRule` wrote the counts. */
function number(program: AclProgram, at: number): number {
  return program[at] ?? 0
}
