/** How long conversations may be silent: RFC 5382 5, RFC 4787 4.3, RFC 5508 3.2. */
import { IP_PROTOCOL } from '../../wire/ip.ts'
import { STATE, type Timeouts } from './connections.ts'
import { ICMP, ICMP6 } from './icmp-kinds.ts'

/** Of the last word of a key, beside the protocol. */
export const FRAGMENT_BIT = 0x100
export const ASKED_BY_OTHER_BIT = 0x200
const PROTOCOL_MASK = 0xff

/** Seconds. A denial is asked about again after a while, and logged again where it is to be. */
const DENIED_S = 10
const timeouts = (fresh: number, open: number, closing = fresh): Timeouts => ({
  [STATE.denied]: DENIED_S,
  [STATE.fresh]: fresh,
  [STATE.open]: open,
  [STATE.closing]: closing,
})
const TCP = timeouts(240, 7440)
const UDP = timeouts(60, 300)
const QUERIES = timeouts(60, 60)
const OTHERS = timeouts(600, 600)
/** RFC 8200 4.5. */
const FRAGMENTS = timeouts(60, 60)

/** By the last word of a key. */
export function timeoutsOf(lastWord: number): Timeouts {
  if ((lastWord & FRAGMENT_BIT) !== 0) return FRAGMENTS
  const protocol = lastWord & PROTOCOL_MASK
  if (protocol === IP_PROTOCOL.TCP) return TCP
  if (protocol === IP_PROTOCOL.UDP) return UDP
  return protocol === ICMP.protocol || protocol === ICMP6.protocol ? QUERIES : OTHERS
}
