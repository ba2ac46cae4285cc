/** What the types of ICMP are to a filter that knows conversations (RFC 792, RFC 4443). */
import { IP_PROTOCOL } from '../../wire/ip.ts'
import { ICMPV6 } from '../../wire/ipv6-packet.ts'

export interface IcmpFamily {
  readonly protocol: number
  /** Of a query and of its answer: the type of the query. */
  readonly queryOf: ReadonlyMap<number, number>
  /** Types that quote the packet which they are about. */
  readonly errors: ReadonlySet<number>
}

export const ICMP: IcmpFamily = {
  protocol: IP_PROTOCOL.ICMP,
  // Echo, timestamp.
  queryOf: new Map([
    [8, 8],
    [0, 8],
    [13, 13],
    [14, 13],
  ]),
  // Unreachable, time exceeded, parameter problem; whoever quenches or redirects is not heard.
  errors: new Set([3, 11, 12]),
}

export const ICMP6: IcmpFamily = {
  protocol: ICMPV6,
  queryOf: new Map([
    [128, 128],
    [129, 128],
  ]),
  // Unreachable, packet too big, time exceeded, parameter problem.
  errors: new Set([1, 2, 3, 4]),
}
