/** What of a packet decides whether it may be one of several that are handed on as one. Read in place, nothing is allocated. */
import { IP_PROTOCOL } from '../../wire/ip.ts'

const IPV4_WITHOUT_OPTIONS = 0x45
const IPV4_BYTES = 20
const IPV6_BYTES = 40
const TCP_BYTES = 20
const UDP_BYTES = 8
/** Of the fragment field: all but "don't fragment". */
const FRAGMENTED = 0xbfff

/** What can be merged, and what cannot. */
export const KIND = {
  tcp4: 1,
  tcp6: 2,
  udp4: 3,
  udp6: 4,
  /** Of no conversation that is merged: it may overtake, and be overtaken. */
  other: 0,
  /** Of TCP or UDP, in a form that is never merged: what came before it must go before it. */
  barrier: -1,
} as const

/** Extension headers, behind which TCP or UDP may be (RFC 8200 4). */
const EXTENSIONS: readonly boolean[] = Array.from({ length: 256 }, (_, next) =>
  [0, 43, 44, 51, 60].includes(next),
)

export class SegmentReader {
  kind: number = KIND.other
  isTcp = false
  isIpv6 = false
  /** From the packet's beginning: where the header of TCP or UDP begins, and what it carries. */
  upperBytes = 0
  headerBytes = 0
  payloadBytes = 0

  /** A packet that the fast path has passed, `length` octets at `at`. */
  read(view: DataView, at: number, length: number): void {
    const first = view.getUint8(at)
    this.isIpv6 = first >> 4 === 6
    const protocol = view.getUint8(at + (this.isIpv6 ? 6 : 9))
    this.isTcp = protocol === IP_PROTOCOL.TCP
    const isMerged = this.isTcp || protocol === IP_PROTOCOL.UDP
    if (!isMerged) {
      this.kind = this.isIpv6 && EXTENSIONS[protocol] === true ? KIND.barrier : KIND.other
      return
    }
    this.kind = KIND.barrier
    if (!this.isIpv6 && (first !== IPV4_WITHOUT_OPTIONS || (view.getUint16(at + 6) & FRAGMENTED) !== 0))
      return
    this.upperBytes = this.isIpv6 ? IPV6_BYTES : IPV4_BYTES
    const room = length - this.upperBytes
    if (this.isTcp) this.#readTcp(view, at, room)
    else this.#readUdp(view, at, room)
  }

  #readTcp(view: DataView, at: number, room: number): void {
    if (room < TCP_BYTES) return
    const tcpBytes = (view.getUint8(at + this.upperBytes + 12) >> 4) * 4
    if (tcpBytes < TCP_BYTES || tcpBytes > room) return
    this.headerBytes = this.upperBytes + tcpBytes
    this.payloadBytes = room - tcpBytes
    this.kind = this.isIpv6 ? KIND.tcp6 : KIND.tcp4
  }

  #readUdp(view: DataView, at: number, room: number): void {
    if (room < UDP_BYTES || view.getUint16(at + this.upperBytes + 4) !== room) return
    this.headerBytes = this.upperBytes + UDP_BYTES
    this.payloadBytes = room - UDP_BYTES
    this.kind = this.isIpv6 ? KIND.udp6 : KIND.udp4
  }
}
