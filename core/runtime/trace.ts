/** Datagrams of the control plane, as they may be shown: without passwords and without what users send. */
import type { Path } from '../ports.ts'
import { describeDatagram } from '../wire/describe.ts'
import { decodeHeader } from '../wire/l2tp-header.ts'
import { decodePap } from '../wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../wire/ppp-frame.ts'

export interface TraceRecord {
  /** Wall time. */
  readonly at: string
  readonly direction: 'in' | 'out'
  /** `address:port` */
  readonly local: string
  readonly remote: string
  /** The datagram, a password in it overwritten with `*`. */
  readonly hex: string
  /** What it says, in a line. */
  readonly text: string
}

const MASK = 0x2a
/** Code, identifier and length of a PAP packet (RFC 1334 2.2). */
const PAP_HEADER_BYTES = 4
const FIRST_CONTROL_PROTOCOL = 0x8000

/** Undefined for what carries a user's own packets. */
export function traceRecord(
  atMs: number,
  direction: 'in' | 'out',
  { local, remote }: Path,
  bytes: Uint8Array,
): TraceRecord | undefined {
  const shown = showable(bytes)
  if (shown === undefined) return undefined
  return {
    at: new Date(atMs).toISOString(),
    direction,
    local: `${local.address}:${local.port}`,
    remote: `${remote.address}:${remote.port}`,
    hex: Buffer.from(shown.buffer, shown.byteOffset, shown.length).toString('hex'),
    text: describeDatagram(shown).text,
  }
}

function showable(bytes: Uint8Array): Uint8Array | undefined {
  const copy = bytes.slice()
  const datagram = decodeHeader(copy)
  if (datagram.kind !== 'data') return copy
  const frame = decodePppFrame(datagram.payload)
  if (frame === undefined) return copy
  if (frame.protocol < FIRST_CONTROL_PROTOCOL) return undefined
  if (frame.protocol !== PPP.PAP) return copy
  const packet = decodePap(frame.payload)
  if (packet === undefined) frame.payload.subarray(PAP_HEADER_BYTES).fill(MASK)
  else if (packet.kind === 'request') packet.password.fill(MASK)
  return copy
}
