/** DHCPv6 (RFC 8415): messages between client and server, their options framed and not read. */
import { Reader, Writer } from './bytes.ts'

export const DHCPV6 = {
  SOLICIT: 1,
  ADVERTISE: 2,
  REQUEST: 3,
  RENEW: 5,
  REBIND: 6,
  REPLY: 7,
  RELEASE: 8,
  DECLINE: 9,
  INFORMATION_REQUEST: 11,
} as const

export const DHCPV6_OPTION = {
  CLIENT_ID: 1,
  SERVER_ID: 2,
  IA_NA: 3,
  IA_TA: 4,
  STATUS_CODE: 13,
  RAPID_COMMIT: 14,
  DNS_SERVERS: 23,
  IA_PD: 25,
  IA_PREFIX: 26,
} as const

export const DHCPV6_STATUS = { SUCCESS: 0, NO_ADDRESSES: 2, NO_PREFIX: 6 } as const
export const DHCPV6_PORT = { CLIENT: 546, SERVER: 547 } as const

export interface Dhcpv6Option {
  readonly code: number
  /** Of a decoded one a view. */
  readonly value: Uint8Array
}

export interface Dhcpv6Message {
  readonly type: number
  /** 24 bits. */
  readonly transactionId: number
  readonly options: readonly Dhcpv6Option[]
}

const LONGEST_BYTES = 1200

/** Undefined when it is cut short. */
export function decodeDhcpv6(bytes: Uint8Array): Dhcpv6Message | undefined {
  if (bytes.length < 4) return undefined
  const reader = new Reader(bytes)
  const head = reader.u32()
  const options: Dhcpv6Option[] = []
  while (reader.remaining > 0) {
    if (reader.remaining < 4) return undefined
    const code = reader.u16()
    const length = reader.u16()
    if (length > reader.remaining) return undefined
    options.push({ code, value: reader.bytes(length) })
  }
  return { type: head >>> 24, transactionId: head & 0xff_ffff, options }
}

export function encodeDhcpv6({ type, transactionId, options }: Dhcpv6Message): Uint8Array {
  const w = new Writer(LONGEST_BYTES)
  w.u8(type)
  w.u8(transactionId >> 16)
  w.u16(transactionId & 0xffff)
  for (const option of options) writeOption(w, option)
  return w.finish()
}

function writeOption(w: Writer, { code, value }: Dhcpv6Option): void {
  w.u16(code)
  w.u16(value.length)
  w.bytes(value)
}

/** The value of IA_NA, IA_TA and IA_PD, as we answer them: the identity that the client gave it, and what we say of it. */
export function identityAssociation(
  identity: Uint8Array,
  { renewS, rebindS }: { readonly renewS: number; readonly rebindS: number },
  options: readonly Dhcpv6Option[],
): Uint8Array {
  const w = new Writer(LONGEST_BYTES)
  w.bytes(identity)
  w.u32(renewS)
  w.u32(rebindS)
  for (const option of options) writeOption(w, option)
  return w.finish()
}

/** A prefix within an IA_PD (21.22). */
export function prefixOption(
  { bytes, length }: { readonly bytes: Uint8Array; readonly length: number },
  { preferredS, validS }: { readonly preferredS: number; readonly validS: number },
): Dhcpv6Option {
  const w = new Writer(LONGEST_BYTES)
  w.u32(preferredS)
  w.u32(validS)
  w.u8(length)
  w.bytes(bytes)
  return { code: DHCPV6_OPTION.IA_PREFIX, value: w.finish() }
}

/** 21.13, without a text. */
export function statusOption(status: number): Dhcpv6Option {
  return { code: DHCPV6_OPTION.STATUS_CODE, value: Uint8Array.of(status >> 8, status & 0xff) }
}
