/** Datagrams of the control plane, as they may be shown: without passwords and without what users send. */
import type { Path } from '../ports.ts'
import { decodeAvpList } from '../wire/avp.ts'
import { AVPS } from '../wire/avp-dictionary.ts'
import { describeDatagram } from '../wire/describe.ts'
import { decodeEap, EAP_TYPE } from '../wire/eap.ts'
import { decodeHeader } from '../wire/l2tp-header.ts'
import { decodePap } from '../wire/ppp-auth.ts'
import { decodePppFrame, PPP } from '../wire/ppp-frame.ts'
import { CP_CODE } from '../wire/ppp-options.ts'
import { socketText } from '../wire/socket-text.ts'

export interface TraceRecord {
  /** Wall time. */
  readonly at: string
  readonly direction: 'in' | 'out'
  /** `address:port` */
  readonly local: string
  readonly remote: string
  /** The datagram, passwords in it overwritten with `*`. */
  readonly hex: string
  /** What it says, in a line. */
  readonly text: string
}

const MASK = 0x2a
/** Code, identifier and length of a PAP or EAP packet (RFC 1334 2.2, RFC 3748 4). */
const PAP_HEADER_BYTES = 4
/** Code, identifier, length and the protocol that was rejected. */
const REJECT_HEADER_BYTES = 6
/** Flags, length and ids. */
const DATA_HEADER_BYTES = 8
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
    local: socketText(local),
    remote: socketText(remote),
    hex: Buffer.from(shown.buffer, shown.byteOffset, shown.length).toString('hex'),
    text: describeDatagram(shown).text,
  }
}

function showable(bytes: Uint8Array): Uint8Array | undefined {
  const copy = bytes.slice()
  const datagram = decodeHeader(copy)
  if (datagram.kind === 'control') maskProxyPassword(datagram.payload)
  else if (datagram.kind === 'data') return showableData(copy, datagram.payload)
  else if (isData(copy)) copy.subarray(DATA_HEADER_BYTES).fill(MASK)
  return copy
}

/** `payload` is a view into `copy`; what stands behind it belongs to nothing. */
function showableData(copy: Uint8Array, payload: Uint8Array): Uint8Array | undefined {
  copy.subarray(payload.byteOffset - copy.byteOffset + payload.length).fill(MASK)
  return maskFrame(payload) ? copy : undefined
}

function isData([flags = 0x80]: Uint8Array): boolean {
  return (flags & 0x80) === 0
}

/** RFC 2661 4.4.5: what the user answered, the password itself where that was PAP. */
function maskProxyPassword(body: Uint8Array): void {
  for (const { type, vendorId, value } of decodeAvpList(body).avps)
    if (vendorId === 0 && type === AVPS.proxyAuthenResponse.type) value.fill(MASK)
}

/** False for a user's own packets. */
function maskFrame(bytes: Uint8Array): boolean {
  const frame = decodePppFrame(bytes)
  if (frame === undefined) bytes.fill(MASK)
  else if (frame.protocol === PPP.PAP) maskPap(frame.payload)
  else if (frame.protocol === PPP.EAP) maskEap(frame.payload)
  else if (frame.protocol === PPP.LCP) maskRejected(frame.payload)
  return frame === undefined || frame.protocol >= FIRST_CONTROL_PROTOCOL
}

function maskPap(payload: Uint8Array): void {
  const packet = decodePap(payload)
  if (packet === undefined) payload.subarray(PAP_HEADER_BYTES).fill(MASK)
  else if (packet.kind === 'request') packet.password.fill(MASK)
}

/** Some methods send the password as it is (RFC 3748 5.6): what a method is answered with is shown of none but the first. */
function maskEap(payload: Uint8Array): void {
  const packet = decodeEap(payload)
  if (packet === undefined) payload.subarray(PAP_HEADER_BYTES).fill(MASK)
  else if (packet.kind === 'response' && packet.type > EAP_TYPE.MD5_CHALLENGE) packet.data.fill(MASK)
}

/** A Protocol-Reject brings back what was rejected (RFC 1661 5.7): a login, or a user's packet. */
function maskRejected(payload: Uint8Array): void {
  if (payload[0] === CP_CODE.PROTOCOL_REJECT) payload.subarray(REJECT_HEADER_BYTES).fill(MASK)
}
