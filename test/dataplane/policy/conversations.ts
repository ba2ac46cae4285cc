/** What a filter that knows conversations does, said slowly: a map of what is known, with no bound. */
import type { AclRule } from '../../../core/flow.ts'
import { judged, type Packet, parse, parse6 } from '../reference.ts'

type Direction = AclRule['direction']

interface Known {
  readonly initiator: Direction
  /** As the initiator's rule decided. */
  action: AclRule['action'] | 'no rule'
  state: 'fresh' | 'open' | 'closing'
  rules: readonly AclRule[]
  seenS: number
}

/** What a packet belongs to: `asker` only of queries, whose two directions have a conversation each. */
interface Belonging {
  readonly key: string
  readonly begins: boolean
}

const opposite = (direction: Direction): Direction =>
  direction === 'from-session' ? 'to-session' : 'from-session'

const QUERY_OF: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  1: { 8: 8, 0: 8, 13: 13, 14: 13 },
  58: { 128: 128, 129: 128 },
}
const ERRORS: Readonly<Record<string, readonly number[]>> = { 1: [3, 11, 12], 58: [1, 2, 3, 4] }
const SILENCE_S: Readonly<Record<string, readonly [fresh: number, open: number]>> = {
  6: [240, 7440],
  17: [60, 300],
  1: [60, 60],
  58: [60, 60],
}

export class Conversations {
  readonly #known = new Map<string, Known>()
  readonly #fragments = new Map<string, { readonly seenS: number; readonly rules: readonly AclRule[] }>()

  permits(bytes: Uint8Array, direction: Direction, rules: readonly AclRule[], nowS: number): boolean {
    const packet = (bytes[0] ?? 0) >> 4 === 6 ? parse6(bytes) : parse(bytes)
    if (typeof packet === 'string') throw new Error(packet)
    const fragment = fragmentOf(bytes)
    const name = `${direction} ${packet.source} ${packet.destination} ${fragment?.id}`
    if (!packet.isFirst) {
      const expected = this.#fragments.get(name)
      const isTiny = packet.fragmentOffset === 8 && packet.protocol === 6
      const isExpected = expected !== undefined && expected.rules === rules && nowS - expected.seenS <= 60
      return !isTiny && (isExpected || judged(rules, direction, packet, false) === 'permit')
    }
    const isPermitted = this.#judge(packet, direction, rules, nowS)
    if (isPermitted && fragment?.more === true) this.#fragments.set(name, { seenS: nowS, rules })
    return isPermitted
  }

  #judge(packet: Packet, direction: Direction, rules: readonly AclRule[], nowS: number): boolean {
    const byRule = () => judged(rules, direction, packet, false)
    const upper = [...packet.bytes.subarray(packet.headerBytes)]
    const [type = 0] = upper
    if (upper.length >= 8 && ERRORS[packet.protocol]?.includes(type) === true) {
      const known = this.#alive(quotedKey(packet, direction), nowS)
      const isAbout = known !== undefined && known.action === 'permit' && known.rules === rules
      return isAbout || byRule() === 'permit'
    }
    const belonging = belongs(packet, direction)
    if (belonging === undefined) return byRule() === 'permit'
    const { key, begins } = belonging
    const flags = packet.protocol === 6 && upper.length > 13 ? (upper[13] ?? 0) : 0
    let known = this.#alive(key, nowS)
    if (known === undefined && !begins) return byRule() === 'permit'
    if (known?.state === 'closing' && (flags & 0x12) === 0x02) known = undefined
    if (known !== undefined && known.rules !== rules) known = this.#again(known, packet, direction, rules)
    if (known?.action === 'permit') {
      if ((flags & 0x05) !== 0) known.state = 'closing'
      else if (known.state === 'fresh' && known.initiator !== direction) known.state = 'open'
      known.seenS = nowS
      this.#known.set(key, known)
      return true
    }
    if (known !== undefined && known.initiator === direction) return false
    const action = byRule()
    this.#known.set(key, { initiator: direction, action, state: 'fresh', rules, seenS: nowS })
    return action === 'permit'
  }

  /** By the rules of now, for its initiator. */
  #again(known: Known, packet: Packet, direction: Direction, rules: readonly AclRule[]): Known | undefined {
    if (known.action !== 'permit') return undefined
    const asked = known.initiator === direction ? packet : turned(packet)
    return judged(rules, known.initiator, asked, false) === 'permit' ? { ...known, rules } : undefined
  }

  #alive(key: string | undefined, nowS: number): Known | undefined {
    const known = key === undefined ? undefined : this.#known.get(key)
    if (key === undefined || known === undefined) return undefined
    const [fresh, open] = SILENCE_S[key.split(' ')[0] ?? ''] ?? [600, 600]
    const silenceS = known.action !== 'permit' ? 10 : known.state === 'open' ? open : fresh
    return nowS - known.seenS <= silenceS ? known : undefined
  }
}

function belongs(packet: Packet, direction: Direction): Belonging | undefined {
  const { protocol, bytes, headerBytes } = packet
  const upper = [...bytes.subarray(headerBytes)]
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = upper
  const ends =
    direction === 'from-session' ? [packet.source, packet.destination] : [packet.destination, packet.source]
  if (protocol === 1 || protocol === 58) {
    const query = upper.length < 8 ? undefined : QUERY_OF[protocol]?.[a]
    if (query === undefined) return undefined
    const asker = a === query ? direction : opposite(direction)
    return { key: [protocol, ...ends, query, e, f, asker].join(' '), begins: a === query }
  }
  if (protocol !== 6 && protocol !== 17) return { key: [protocol, ...ends].join(' '), begins: true }
  if (upper.length < 4) return undefined
  const ports = [a * 256 + b, c * 256 + d]
  if (direction === 'to-session') ports.reverse()
  return { key: [protocol, ...ends, ...ports].join(' '), begins: true }
}

function quotedKey(packet: Packet, direction: Direction): string | undefined {
  const quoted = packet.bytes.subarray(packet.headerBytes + 8)
  // The lengths in it are those of the whole packet.
  const parsed = packet.protocol === 58 ? parseQuoted6(quoted) : parseQuoted4(quoted)
  if (parsed === undefined || parsed.bytes.length < parsed.headerBytes + 8) return undefined
  return belongs(parsed, opposite(direction))?.key
}

function parseQuoted4(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 20 || bytes[0] !== 0x45) return undefined
  if (((bytes[6] ?? 0) & 0x1f) !== 0 || bytes[7] !== 0) return undefined
  const ends = { source: bytes.subarray(12, 16).join('.'), destination: bytes.subarray(16, 20).join('.') }
  return { bytes, headerBytes: 20, ...ends, protocol: bytes[9] ?? 0, isFirst: true }
}

function parseQuoted6(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 40) return undefined
  const whole = bytes.slice()
  whole.set([(bytes.length - 40) >> 8, (bytes.length - 40) & 0xff], 4)
  const parsed = parse6(whole)
  return typeof parsed === 'string' || !parsed.isFirst ? undefined : parsed
}

/** As the one that it answers would look: ends and ports the other way round, a query for an answer. */
function turned(packet: Packet): Packet {
  const { bytes, headerBytes, protocol, source, destination } = packet
  const whole = bytes.slice()
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(headerBytes)
  const query = QUERY_OF[protocol]?.[a]
  if (query !== undefined) whole[headerBytes] = query
  else if (protocol === 6 || protocol === 17) whole.set([c, d, a, b], headerBytes)
  return { ...packet, bytes: whole, source: destination, destination: source }
}

function fragmentOf(bytes: Uint8Array): { readonly id: number; readonly more: boolean } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if ((bytes[0] ?? 0) >> 4 === 4) return { id: view.getUint16(4), more: (view.getUint16(6) & 0x2000) !== 0 }
  if (bytes[6] !== 44) return undefined
  return { id: view.getUint32(44), more: (view.getUint16(42) & 1) !== 0 }
}
