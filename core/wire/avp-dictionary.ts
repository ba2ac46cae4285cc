/** Every AVP of RFC 2661 4.4 and RFC 3145, as a table. Adding one is adding a line. */
import {
  accm,
  bearer,
  callErrors,
  fixed,
  framing,
  none,
  opaque,
  pppDisconnectCause,
  protocolVersion,
  proxyAuthId,
  q931Cause,
  resultCode,
  string,
  u16,
  u32,
  u64,
  type ValueCodec,
} from './avp-values.ts'

interface AvpEntry<T> {
  readonly type: number
  /**
   * The M bit that we send where the message does not require the AVP (it is 1 where it does). Most that the RFC wants
   * with M=1 go out with M=0: a peer that does not know them can do without, and macOS tears down on an unknown M=1.
   */
  readonly mandatory: boolean
  /** May its value be hidden (the RFC's "H bit MAY be 0 or 1"). */
  readonly hideable: boolean
  readonly section: string
  readonly codec: ValueCodec<T>
}

function avp<T>(type: number, flags: string, section: string, codec: ValueCodec<T>): AvpEntry<T> {
  return { type, mandatory: flags.includes('M'), hideable: flags.includes('H'), section, codec }
}

export const AVPS = {
  messageType: avp(0, 'M', '4.4.1', u16),
  resultCode: avp(1, 'M', '4.4.2', resultCode),
  protocolVersion: avp(2, 'M', '4.4.3', protocolVersion),
  framingCapabilities: avp(3, 'MH', '4.4.3', framing),
  bearerCapabilities: avp(4, 'H', '4.4.3', bearer),
  tieBreaker: avp(5, '', '4.4.3', u64),
  firmwareRevision: avp(6, 'H', '4.4.3', u16),
  hostName: avp(7, 'M', '4.4.3', string),
  vendorName: avp(8, 'H', '4.4.3', string),
  assignedTunnelId: avp(9, 'MH', '4.4.3', u16),
  receiveWindowSize: avp(10, 'M', '4.4.3', u16),
  challenge: avp(11, 'MH', '4.4.3', opaque),
  q931Cause: avp(12, '', '4.4.3', q931Cause),
  challengeResponse: avp(13, 'MH', '4.4.3', fixed(16)),
  assignedSessionId: avp(14, 'MH', '4.4.4', u16),
  callSerialNumber: avp(15, 'MH', '4.4.4', u32),
  minimumBps: avp(16, 'MH', '4.4.4', u32),
  maximumBps: avp(17, 'MH', '4.4.4', u32),
  bearerType: avp(18, 'H', '4.4.4', bearer),
  framingType: avp(19, 'MH', '4.4.4', framing),
  calledNumber: avp(21, 'H', '4.4.4', string),
  callingNumber: avp(22, 'H', '4.4.4', string),
  subAddress: avp(23, 'H', '4.4.4', string),
  txConnectSpeed: avp(24, 'MH', '4.4.4', u32),
  physicalChannelId: avp(25, 'H', '4.4.4', u32),
  initialReceivedLcpConfReq: avp(26, 'H', '4.4.5', opaque),
  lastSentLcpConfReq: avp(27, 'H', '4.4.5', opaque),
  lastReceivedLcpConfReq: avp(28, 'H', '4.4.5', opaque),
  proxyAuthenType: avp(29, 'H', '4.4.5', u16),
  proxyAuthenName: avp(30, 'H', '4.4.5', string),
  proxyAuthenChallenge: avp(31, 'H', '4.4.5', opaque),
  proxyAuthenId: avp(32, 'H', '4.4.5', proxyAuthId),
  proxyAuthenResponse: avp(33, 'H', '4.4.5', opaque),
  callErrors: avp(34, 'MH', '4.4.6', callErrors),
  accm: avp(35, 'MH', '4.4.6', accm),
  randomVector: avp(36, 'M', '4.4.1', opaque),
  privateGroupId: avp(37, 'H', '4.4.4', string),
  rxConnectSpeed: avp(38, 'H', '4.4.4', u32),
  sequencingRequired: avp(39, 'M', '4.4.4', none),
  pppDisconnectCause: avp(46, 'H', 'RFC 3145 2', pppDisconnectCause),
} as const satisfies Record<string, AvpEntry<never> | AvpEntry<unknown>>

export type AvpName = keyof typeof AVPS
type ValueOf<Name extends AvpName> = (typeof AVPS)[Name] extends AvpEntry<infer T> ? T : never
export type AvpValues = { readonly [Name in AvpName]: ValueOf<Name> }

const NAMES = new Map<number, AvpName>(
  (Object.entries(AVPS) as [AvpName, AvpEntry<unknown>][]).map(([name, { type }]) => [type, name]),
)

export function avpName(type: number): AvpName | undefined {
  return NAMES.get(type)
}
