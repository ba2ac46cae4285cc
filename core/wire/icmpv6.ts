/** Messages of a router to the hosts of its link (RFC 4861, RFC 8106), without IP header; checksums are left 0. */
import { Writer } from './bytes.ts'

export const ICMPV6_TYPE = {
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  NEIGHBOUR_SOLICITATION: 135,
  NEIGHBOUR_ADVERTISEMENT: 136,
} as const

const OPTION = { PREFIX: 3, MTU: 5, RDNSS: 25 } as const
const HOP_LIMIT = 64
/** "Other configuration": DNS is to be had by DHCPv6 as well (RFC 4861 4.2). */
const OTHER_CONFIG = 0x40
const ON_LINK = 0x80
const AUTONOMOUS = 0x40
const IS_ROUTER = 0x80
const SOLICITED = 0x40
/** Hosts make the other 64 bits of an address themselves (RFC 4862 5.5.3). */
export const SLAAC_LENGTH = 64
const ADVERTISEMENT_BYTES = 16
const PREFIX_BYTES = 32
const LONGEST_BYTES = 1280

export interface RouterAdvertisement {
  readonly lifetimeS: number
  /** 0: nothing is said of it. */
  readonly mtuBytes: number
  /** Of the link. */
  readonly prefixes: readonly {
    readonly bytes: Uint8Array
    readonly length: number
    /** Hosts make addresses of it. */
    readonly isAutonomous: boolean
    readonly validS: number
    readonly preferredS: number
  }[]
  /** DNS servers, 16 octets each, by option. */
  readonly dns: readonly { readonly lifetimeS: number; readonly servers: readonly Uint8Array[] }[]
}

export function encodeRouterAdvertisement({
  lifetimeS,
  mtuBytes,
  prefixes,
  dns,
}: RouterAdvertisement): Uint8Array {
  const w = new Writer(LONGEST_BYTES)
  w.u8(ICMPV6_TYPE.ROUTER_ADVERTISEMENT)
  w.u8(0)
  w.u16(0)
  w.u8(HOP_LIMIT)
  w.u8(OTHER_CONFIG)
  w.u16(lifetimeS)
  // Reachable and retransmission time: the host's own.
  w.u32(0)
  w.u32(0)
  w.u8(OPTION.MTU)
  w.u8(1)
  w.u16(0)
  w.u32(mtuBytes)
  for (const { bytes, length, isAutonomous, validS, preferredS } of prefixes) {
    w.u8(OPTION.PREFIX)
    w.u8(4)
    w.u8(length)
    w.u8(isAutonomous ? ON_LINK | AUTONOMOUS : ON_LINK)
    w.u32(validS)
    w.u32(preferredS)
    w.u32(0)
    w.bytes(bytes)
  }
  for (const option of dns) {
    w.u8(OPTION.RDNSS)
    w.u8(1 + 2 * option.servers.length)
    w.u16(0)
    w.u32(option.lifetimeS)
    for (const server of option.servers) w.bytes(server)
  }
  return w.finish()
}

/** What a host reads of an advertisement (RFC 4861 4.2); undefined where it is cut short, or has an option without a length. */
export function decodeRouterAdvertisement(message: Uint8Array): RouterAdvertisement | undefined {
  const [type, code] = message
  if (type !== ICMPV6_TYPE.ROUTER_ADVERTISEMENT || code !== 0 || message.length < ADVERTISEMENT_BYTES)
    return undefined
  const view = new DataView(message.buffer, message.byteOffset, message.length)
  const prefixes: RouterAdvertisement['prefixes'][number][] = []
  const dns: RouterAdvertisement['dns'][number][] = []
  let mtuBytes = 0
  for (let at = ADVERTISEMENT_BYTES; at < message.length; ) {
    const octets = at + 2 <= message.length ? 8 * view.getUint8(at + 1) : 0
    if (octets === 0 || at + octets > message.length) return undefined
    const option = view.getUint8(at)
    if (option === OPTION.MTU) mtuBytes = view.getUint32(at + 4)
    if (option === OPTION.PREFIX && octets === PREFIX_BYTES)
      prefixes.push({
        length: view.getUint8(at + 2),
        isAutonomous: (view.getUint8(at + 3) & AUTONOMOUS) !== 0,
        validS: view.getUint32(at + 4),
        preferredS: view.getUint32(at + 8),
        bytes: message.slice(at + 16, at + 32),
      })
    if (option === OPTION.RDNSS) {
      const servers = Array.from({ length: Math.floor((octets - 8) / 16) }, (_, index) =>
        message.slice(at + 8 + 16 * index, at + 24 + 16 * index),
      )
      dns.push({ lifetimeS: view.getUint32(at + 4), servers })
    }
    at += octets
  }
  return { lifetimeS: view.getUint16(6), mtuBytes, prefixes, dns }
}

/** RFC 4861 4.1, of a host without an address below IP. */
export const ROUTER_SOLICITATION: Uint8Array = Uint8Array.of(
  ICMPV6_TYPE.ROUTER_SOLICITATION,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
)

/** The address that a Neighbour Solicitation asks for; undefined where it is cut short. */
export function solicitedAddress(message: Uint8Array): Uint8Array | undefined {
  return message.length < 24 ? undefined : message.subarray(8, 24)
}

/** The answer of whoever has that address, on a link where nobody has an address below IP. */
export function encodeNeighbourAdvertisement(address: Uint8Array, isRouter: boolean): Uint8Array {
  const message = new Uint8Array(24)
  message.set([ICMPV6_TYPE.NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, SOLICITED | (isRouter ? IS_ROUTER : 0)])
  message.set(address, 8)
  return message
}

/** An Echo Reply with what the request brought. */
export function echoReply(request: Uint8Array): Uint8Array {
  const reply = request.slice()
  reply.set([ICMPV6_TYPE.ECHO_REPLY, 0, 0, 0])
  return reply
}
