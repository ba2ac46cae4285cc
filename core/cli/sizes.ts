/** How large packets get, for `burrow check`: inside of a session, and around it. */
import type { ServerConfig } from '../runtime/server-config.ts'

/** Largest sizes in octets; LCP and a grant can make a session's smaller. */
export interface Sizes {
  /** Of an inner packet. */
  readonly mtuBytes: number
  /** Of TCP segments over IPv4 and IPv6, where the MSS is clamped. */
  readonly mssBytes?: { readonly ipv4: number; readonly ipv6: number }
  /** Of the IP packet that carries it, of IPv6 where that is listened on: UDP, L2TP with its length, PPP uncompressed. */
  readonly wireBytes: number
  /** The same within ESP in transport mode, AES-CBC and SHA-256, in UDP for a NAT: the most that is usual around L2TP. */
  readonly espBytes: number
}

const IP_BYTES = { ipv4: 20, ipv6: 40 } as const
const UDP_BYTES = 8
const L2TP_BYTES = 8
const PPP_BYTES = 4
const ESP = { head: 8, iv: 16, block: 16, trailer: 2, check: 16 } as const
/** Of most paths. */
const ETHERNET_BYTES = 1500

export function sizesOf({ ppp, tun, listen }: Pick<ServerConfig, 'ppp' | 'tun' | 'listen'>): Sizes {
  const ipBytes = IP_BYTES[listen.some(({ address }) => address.includes(':')) ? 'ipv6' : 'ipv4']
  const mtuBytes = Math.min(ppp.mruBytes, tun.mtuBytes ?? ppp.mruBytes)
  const udpBytes = UDP_BYTES + L2TP_BYTES + PPP_BYTES + mtuBytes
  const encrypted = Math.ceil((udpBytes + ESP.trailer) / ESP.block) * ESP.block
  return {
    mtuBytes,
    ...(tun.clampMss ? { mssBytes: { ipv4: mtuBytes - 40, ipv6: mtuBytes - 60 } } : {}),
    wireBytes: ipBytes + udpBytes,
    espBytes: ipBytes + UDP_BYTES + ESP.head + ESP.iv + encrypted + ESP.check,
  }
}

export function sizesText({ mtuBytes, mssBytes, wireBytes, espBytes }: Sizes): string {
  const mss = mssBytes === undefined ? 'MSS left alone' : `MSS ${mssBytes.ipv4}, over IPv6 ${mssBytes.ipv6}`
  const around = `${wireBytes} on the wire, ${espBytes} in ESP`
  const fragmented = espBytes > ETHERNET_BYTES ? `, which a path of ${ETHERNET_BYTES} takes in fragments` : ''
  return `${mtuBytes} (${mss}); ${around}${fragmented}`
}
