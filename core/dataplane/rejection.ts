/** What tells the sender of a packet that a rule rejects it. */
import { IP_PROTOCOL, ipv4Protocol } from '../wire/ip.ts'
import { Ipv6Walk } from '../wire/ipv6-packet.ts'
import { writeProhibited } from './icmp.ts'
import { writeProhibited6 } from './icmp6.ts'
import { writeReset, writeReset6 } from './tcp-reset.ts'

const walk = new Ipv6Walk()

/** Writes a reset of TCP, or an error of ICMP, to the start of `out`, and returns its length; 0 where there is to be none. */
export function writeRejection(out: DataView, packet: DataView, at: number, total: number): number {
  if (packet.getUint8(at) >> 4 === 4) {
    const write = ipv4Protocol(packet, at) === IP_PROTOCOL.TCP ? writeReset : writeProhibited
    return write(out, packet, at, total)
  }
  const isTcp = walk.walk(packet, at, total) === 0 && walk.protocol === IP_PROTOCOL.TCP
  return isTcp ? writeReset6(out, packet, at, total, walk) : writeProhibited6(out, packet, at, total)
}
