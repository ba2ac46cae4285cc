/** Control messages (RFC 2661 section 6): a table of what each must and may carry, decode and encode. */
import { BurrowError } from '../errors.ts'
import { decodeAvpList, encodeAvpList, hideAvp, type RawAvp, unhideAvpList } from './avp.ts'
import { AVPS, type AvpName, type AvpValues, avpName } from './avp-dictionary.ts'
import { decodeValue, encodeValue, type ValueCodec } from './avp-values.ts'
import { type ControlHeader, decodeHeader, encodeControlDatagram, type HeaderFault } from './l2tp-header.ts'
import { ERROR } from './result-codes.ts'

interface MessageEntry {
  readonly number: number
  readonly required: readonly AvpName[]
}

function message<const Required extends readonly AvpName[]>(number: number, required: Required) {
  return { number, required } as const
}

/** RFC 2661 section 6. What is not required is allowed anywhere: real peers add AVPs (mpd5 in SCCCN). */
export const MESSAGES = {
  SCCRQ: message(1, ['protocolVersion', 'hostName', 'framingCapabilities', 'assignedTunnelId']),
  SCCRP: message(2, ['protocolVersion', 'framingCapabilities', 'hostName', 'assignedTunnelId']),
  SCCCN: message(3, []),
  StopCCN: message(4, ['resultCode']),
  HELLO: message(6, []),
  OCRQ: message(7, [
    'assignedSessionId',
    'callSerialNumber',
    'minimumBps',
    'maximumBps',
    'bearerType',
    'framingType',
    'calledNumber',
  ]),
  OCRP: message(8, ['assignedSessionId']),
  OCCN: message(9, ['txConnectSpeed', 'framingType']),
  ICRQ: message(10, ['assignedSessionId', 'callSerialNumber']),
  ICRP: message(11, ['assignedSessionId']),
  ICCN: message(12, ['txConnectSpeed', 'framingType']),
  CDN: message(14, ['resultCode']),
  WEN: message(15, ['callErrors']),
  SLI: message(16, ['accm']),
} as const satisfies Record<string, MessageEntry>

export type MessageType = keyof typeof MESSAGES
type BodyName = Exclude<AvpName, 'messageType' | 'randomVector'>
type RequiredName<T extends MessageType> = (typeof MESSAGES)[T]['required'][number]
type AvpsOf<T extends MessageType> = Pick<AvpValues, RequiredName<T>> &
  Partial<Pick<AvpValues, Exclude<BodyName, RequiredName<T>>>>

/** An AVP that the dictionary does not have, a vendor's mostly. It came with M=0 and is sent so. */
export interface UnknownAvp {
  readonly vendorId: number
  readonly type: number
  readonly value: Uint8Array
}

/** A typed message. StopCCN of mpd5 and CDN of others come without an assigned id: optional there. */
export type ControlMessage = {
  [T in MessageType]: { readonly type: T; readonly avps: AvpsOf<T>; readonly unknown?: readonly UnknownAvp[] }
}[MessageType]
export type MessageOf<T extends MessageType> = Extract<ControlMessage, { type: T }>

/** No readable header: drop. */
export interface UnreadableHeader {
  readonly kind: 'header'
  readonly fault: HeaderFault | 'data'
}

/** Why a control message was not understood, and what the receiver owes for it. */
export type MessageFault =
  /** Readable header, unreadable body. The message has a place in the sequence. */
  | {
      readonly kind: 'body'
      readonly messageType?: MessageType
      /** General error code to answer with (4.4.2). */
      readonly errorCode: number
      readonly text: string
    }
  /** A message type that we do not know and that may be ignored (M=0): acknowledge, then forget. */
  | { readonly kind: 'ignorable'; readonly number: number }

export type ControlFault = UnreadableHeader | MessageFault

export type DecodedControl =
  | {
      readonly ok: true
      readonly header: ControlHeader /** undefined: a ZLB. */
      readonly message?: ControlMessage
    }
  | { readonly ok: false; readonly header?: ControlHeader; readonly fault: ControlFault }

export interface DecodeOptions {
  /** The tunnel's secret; without it a hidden AVP that is mandatory is a fault. */
  readonly secret?: Uint8Array
}

const BY_NUMBER = new Map<number, MessageType>(
  (Object.entries(MESSAGES) as [MessageType, MessageEntry][]).map(([type, { number }]) => [number, type]),
)
/** These end things and are read whatever else is wrong with them (macOS: AVP lengths that are off). */
const LENIENT: ReadonlySet<MessageType> = new Set(['StopCCN', 'CDN'])

/** Decodes a whole datagram. Never throws. */
export function decodeControl(datagram: Uint8Array, options: DecodeOptions = {}): DecodedControl {
  const decoded = decodeHeader(datagram)
  if (decoded.kind === 'fault') return { ok: false, fault: { kind: 'header', fault: decoded.fault } }
  if (decoded.kind === 'data') return { ok: false, fault: { kind: 'header', fault: 'data' } }
  const { header, payload } = decoded
  if (payload.length === 0) return { ok: true, header }
  const body = decodeMessage(payload, options)
  return 'type' in body ? { ok: true, header, message: body } : { ok: false, header, fault: body }
}

/** Decodes the AVPs of one message, for a receiver that has read the header already. Never throws. */
export function decodeMessage(
  payload: Uint8Array,
  { secret }: DecodeOptions = {},
): ControlMessage | MessageFault {
  let type: MessageType | undefined
  try {
    const { avps, fault } = decodeAvpList(payload)
    const number = messageNumber(avps[0])
    type = BY_NUMBER.get(number)
    if (type === undefined) {
      return avps[0]?.mandatory === true
        ? bodyFault(type, ERROR.unknownMandatory, `unknown message type ${number}`)
        : { kind: 'ignorable', number }
    }
    if (fault !== undefined && !LENIENT.has(type)) throw new AvpFault(ERROR.badLength, fault)
    return typed(type, reveal(type, avps, secret))
  } catch (error) {
    if (!(error instanceof BurrowError)) throw error
    return bodyFault(type, error instanceof AvpFault ? error.errorCode : ERROR.badLength, error.message)
  }
}

/** The Host Name of an SCCRQ, which is never hidden and chooses the secret that the other AVPs are hidden with. */
export function peekHostName(payload: Uint8Array): string | undefined {
  return peek(payload, 'hostName')
}

/** The Assigned Session ID of a call's message that cannot be read whole: whom to tell that it is refused. */
export function peekSessionId(payload: Uint8Array): number | undefined {
  return peek(payload, 'assignedSessionId')
}

function peek<Name extends AvpName>(payload: Uint8Array, name: Name): AvpValues[Name] | undefined {
  const found = decodeAvpList(payload).avps.find(avp => knownName(avp) === name && !avp.hidden)
  const codec = AVPS[name].codec as ValueCodec<AvpValues[Name]>
  return found && attempt(() => decodeValue(codec, found.value))
}

class AvpFault extends BurrowError {
  readonly errorCode: number
  constructor(errorCode: number, text: string) {
    super('WIRE_MALFORMED', text)
    this.errorCode = errorCode
  }
}

/** Undefined where the peer's octets do not decode. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof BurrowError) return undefined
    throw error
  }
}

function messageNumber(first: RawAvp | undefined): number {
  if (first === undefined || knownName(first) !== 'messageType' || first.hidden)
    throw new AvpFault(ERROR.badValue, 'the first AVP is not a Message Type')
  return decodeValue(AVPS.messageType.codec, first.value)
}

function knownName({ vendorId, type, reserved }: RawAvp): AvpName | undefined {
  return vendorId === 0 && !reserved ? avpName(type) : undefined
}

/** With a secret, the AVPs in the clear. What a lenient message hides badly stays hidden, and is passed over. */
function reveal(type: MessageType, avps: readonly RawAvp[], secret?: Uint8Array): readonly RawAvp[] {
  if (secret === undefined) return avps
  if (LENIENT.has(type)) return attempt(() => unhideAvpList(avps, secret)) ?? avps
  return unhideAvpList(avps, secret)
}

function typed(type: MessageType, list: readonly RawAvp[]): ControlMessage {
  const avps: Partial<Record<AvpName, unknown>> = {}
  const unknown: UnknownAvp[] = []
  for (const avp of list) {
    const name = knownName(avp)
    if (name === undefined || avp.hidden) {
      passOver(type, avp)
      const { vendorId, type: avpType, value } = avp
      if (name === undefined && !avp.hidden && !avp.reserved)
        unknown.push({ vendorId, type: avpType, value: value.slice() })
    } else if (name !== 'messageType' && name !== 'randomVector' && avps[name] === undefined) {
      // The first of its kind counts: a repeated one cannot overrule what was already seen.
      const value = decodeKnown(type, name, avp)
      if (value !== undefined) avps[name] = value
    }
  }
  const required: readonly AvpName[] = MESSAGES[type].required
  const missing = required.find(name => avps[name] === undefined)
  if (missing !== undefined) throw new AvpFault(ERROR.badValue, `${type} without ${missing}`)
  // Checked just above, entry by entry, against the table that the type is made of.
  return { type, avps, ...(unknown.length === 0 ? {} : { unknown }) } as unknown as ControlMessage
}

/** 4.1: what we cannot read ends the call or the tunnel where its M bit is set. */
function passOver(type: MessageType, avp: RawAvp): void {
  if (!avp.mandatory || LENIENT.has(type)) return
  const what = avp.hidden ? 'a hidden AVP that cannot be read' : 'an unknown AVP'
  throw new AvpFault(ERROR.unknownMandatory, `${what}: vendor ${avp.vendorId}, type ${avp.type}`)
}

function decodeKnown(type: MessageType, name: AvpName, avp: RawAvp): unknown {
  const codec: ValueCodec<unknown> = AVPS[name].codec
  const needed: readonly AvpName[] = MESSAGES[type].required
  // What is not needed and not insisted on is as good as absent.
  if (!needed.includes(name) && (!avp.mandatory || LENIENT.has(type)))
    return attempt(() => decodeValue(codec, avp.value))
  try {
    return decodeValue(codec, avp.value)
  } catch (error) {
    if (!(error instanceof BurrowError)) throw error
    throw new AvpFault(ERROR.badLength, `${name}: ${error.message}`)
  }
}

function bodyFault(messageType: MessageType | undefined, errorCode: number, text: string): MessageFault {
  return { kind: 'body', ...(messageType === undefined ? {} : { messageType }), errorCode, text }
}

export interface HideOptions {
  readonly secret: Uint8Array
  readonly randomVector: Uint8Array
  /** Which of the hideable AVPs to hide. */
  readonly names: readonly AvpName[]
}

/**
 * The AVPs of a message as octets: Message Type first, then (where something is hidden) the Random Vector, then the
 * rest in the order of `avps`. Throws WIRE_OVERFLOW where a value does not fit: a fault of ours, never of a peer.
 */
export function encodeMessage(message: ControlMessage, hide?: HideOptions): Uint8Array {
  const required: readonly AvpName[] = MESSAGES[message.type].required
  const body = (Object.entries(message.avps) as [AvpName, unknown][]).map(([name, value]) => {
    const avp = plainAvp(name, value, required.includes(name))
    const hidden = AVPS[name].hideable && hide?.names.includes(name) === true
    return hidden ? hideAvp(avp, hide.secret, hide.randomVector) : avp
  })
  const hiding = hide !== undefined && body.some(avp => avp.hidden)
  return encodeAvpList([
    plainAvp('messageType', MESSAGES[message.type].number),
    ...(hiding ? [plainAvp('randomVector', hide.randomVector)] : []),
    ...body,
    ...(message.unknown ?? []).map(avp => ({ ...avp, mandatory: false, hidden: false, reserved: false })),
  ])
}

/** A whole datagram; without a message a ZLB. */
export function encodeControl(
  header: ControlHeader,
  message?: ControlMessage,
  hide?: HideOptions,
): Uint8Array {
  return encodeControlDatagram(
    header,
    message === undefined ? new Uint8Array() : encodeMessage(message, hide),
  )
}

function plainAvp(name: AvpName, value: unknown, required = false): RawAvp {
  const { type, mandatory, codec } = AVPS[name]
  return {
    mandatory: mandatory || required,
    hidden: false,
    reserved: false,
    vendorId: 0,
    type,
    value: encodeValue(codec as ValueCodec<unknown>, value),
  }
}
