import { IP_PROTOCOL, ipv4FragmentOffset, ipv4HeaderBytes, ipv4Protocol, updateChecksum } from '../wire/ip.ts'

const TCP_HEADER_BYTES = 20
const CHECKSUM_AT = 16
const SYN = 0x02
const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_MSS = 2
const MSS_OPTION_BYTES = 4

/**
 * Lowers the MSS option (RFC 9293 3.7.1) of a TCP SYN to `limit`, and mends its checksum. The packet has passed
 * `checkIpv4` with `total` octets; one that is no SYN, or whose options cannot be read, is left as it is.
 */
export function clampMss(view: DataView, at: number, total: number, limit: number): void {
  if (ipv4Protocol(view, at) !== IP_PROTOCOL.TCP || ipv4FragmentOffset(view, at) !== 0) return
  clampTcp(view, at + ipv4HeaderBytes(view, at), at + total, limit)
}

/** The same of the TCP segment from `tcpAt` to `end`, whatever carries it. */
export function clampTcp(view: DataView, tcpAt: number, end: number, limit: number): void {
  if (end - tcpAt < TCP_HEADER_BYTES || (view.getUint8(tcpAt + 13) & SYN) === 0) return
  const optionsEnd = tcpAt + (view.getUint8(tcpAt + 12) >> 4) * 4
  if (optionsEnd > end) return
  const mssAt = findMss(view, tcpAt + TCP_HEADER_BYTES, optionsEnd)
  if (mssAt < 0) return
  const mss = view.getUint16(mssAt)
  if (mss <= limit) return
  view.setUint16(mssAt, limit)
  // At an odd place the value lies across two words of the checksum, each half in the other's octet.
  const odd = ((mssAt - tcpAt) & 1) === 1
  const checksumAt = tcpAt + CHECKSUM_AT
  const before = view.getUint16(checksumAt)
  view.setUint16(checksumAt, updateChecksum(before, odd ? swap(mss) : mss, odd ? swap(limit) : limit))
}

/** Where the option's value is, or -1. */
function findMss(view: DataView, from: number, end: number): number {
  let at = from
  while (at < end) {
    const kind = view.getUint8(at)
    if (kind === OPTION_END) return -1
    if (kind === OPTION_NOP) {
      at++
      continue
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0
    if (length < 2 || length > end - at) return -1
    if (kind === OPTION_MSS) return length === MSS_OPTION_BYTES ? at + 2 : -1
    at += length
  }
  return -1
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8)
}
