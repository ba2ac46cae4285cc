/** Control messages (RFC 2661 section 6): a table of what each must and may carry, decode and encode. */
import { BurrowError } from '../errors.ts'
import { decodeAvpList, encodeAvpList, hideAvp, type RawAvp, unhideAvpList } from './avp.ts'
import { AVPS, type AvpName, type AvpValues, avpName } from './avp-dictionary.ts'
import { encodeValue, type ValueCodec } from './avp-values.ts'
import { Reader } from './bytes.ts'
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

/** A typed message. StopCCN of mpd5 and CDN of others come without an assigned id: optional there. */
export type ControlMessage = {
  [T in MessageType]: { readonly type: T; readonly avps: AvpsOf<T> }
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

const LONGEST_HOST_NAME_BYTES = 255
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
    const { avps, broken } = splitAvps(payload)
    const [first] = avps
    if (first === undefined || first.vendorId !== 0 || first.type !== AVPS.messageType.type || first.hidden) {
      throw broken ?? new BurrowError('WIRE_MALFORMED', 'the first AVP is not a Message Type')
    }
    const number = decodeValue(AVPS.messageType.codec, first.value)
    type = BY_NUMBER.get(number)
    if (type === undefined) {
      return first.mandatory
        ? bodyFault(type, ERROR.unknownMandatory, `unknown message type ${number}`)
        : { kind: 'ignorable', number }
    }
    if (broken !== undefined && !LENIENT.has(type)) throw broken
    return typed(type, readAvps(type, secret === undefined ? avps : unhideAvpList(avps, secret)))
  } catch (error) {
    if (!(error instanceof BurrowError)) throw error
    if (error.code === 'WIRE_OVERFLOW') throw error
    return error instanceof AvpFault
      ? bodyFault(type, error.errorCode, error.message)
      : bodyFault(type, ERROR.badLength, error.message)
  }
}

/** The Host Name of an SCCRQ, which is never hidden and chooses the secret that the other AVPs are hidden with. */
export function peekHostName(payload: Uint8Array): string | undefined {
  const name = splitAvps(payload).avps.find(
    avp => avp.vendorId === 0 && avp.type === AVPS.hostName.type && !avp.hidden,
  )
  if (name === undefined || name.value.length > LONGEST_HOST_NAME_BYTES) return undefined
  return decodeValue(AVPS.hostName.codec, name.value)
}

/** The Assigned Session ID of a call's message that cannot be read whole: whom to tell that it is refused. */
export function peekSessionId(payload: Uint8Array): number | undefined {
  const id = splitAvps(payload).avps.find(
    avp => avp.vendorId === 0 && avp.type === AVPS.assignedSessionId.type && !avp.hidden,
  )
  return id === undefined || id.value.length < 2
    ? undefined
    : decodeValue(AVPS.assignedSessionId.codec, id.value)
}

/** The AVPs that could be framed, and the error that ended them. */
function splitAvps(payload: Uint8Array): { avps: RawAvp[]; broken?: BurrowError } {
  try {
    return { avps: decodeAvpList(payload) }
  } catch (error) {
    if (!(error instanceof BurrowError)) throw error
    return { avps: readableAvps(payload), broken: error }
  }
}

/** The longest prefix of the body that frames, for messages that are read leniently. */
function readableAvps(payload: Uint8Array): RawAvp[] {
  const avps: RawAvp[] = []
  for (let rest = payload; rest.length >= 6; ) {
    const length = (((rest[0] ?? 0) << 8) | (rest[1] ?? 0)) & 0x03ff
    // A length that runs off the end (macOS) still has a value up to the end.
    const end = Math.min(length, rest.length)
    if (end < 6) return avps
    const head = Uint8Array.of((rest[0] ?? 0) & 0xfc, 0, ...rest.subarray(2, end))
    head[0] = (head[0] ?? 0) | (end >> 8)
    head[1] = end & 0xff
    avps.push(...decodeAvpList(head))
    rest = rest.subarray(end)
  }
  return avps
}

class AvpFault extends BurrowError {
  readonly errorCode: number
  constructor(errorCode: number, text: string) {
    super('WIRE_MALFORMED', text)
    this.errorCode = errorCode
  }
}

function readAvps(type: MessageType, avps: readonly RawAvp[]): Partial<Record<AvpName, unknown>> {
  const values: Partial<Record<AvpName, unknown>> = {}
  for (const avp of avps) {
    const name = avp.vendorId === 0 ? avpName(avp.type) : undefined
    if (name === undefined || avp.hidden) {
      if (avp.mandatory && !LENIENT.has(type)) {
        const what = avp.hidden ? 'a hidden AVP without a secret' : 'an unknown AVP'
        throw new AvpFault(ERROR.unknownMandatory, `${what}: vendor ${avp.vendorId}, type ${avp.type}`)
      }
      continue
    }
    // The first of its kind counts: a repeated one cannot overrule what was already seen.
    if (name === 'messageType' || name === 'randomVector' || name in values) continue
    values[name] = decodeKnown(type, name, avp)
  }
  return values
}

function decodeKnown(type: MessageType, name: AvpName, avp: RawAvp): unknown {
  try {
    const codec: ValueCodec<unknown> = AVPS[name].codec
    return decodeValue(codec, avp.value)
  } catch (error) {
    if (!(error instanceof BurrowError)) throw error
    // What is not needed and not insisted on is as good as absent.
    const needed: readonly AvpName[] = MESSAGES[type].required
    if (!needed.includes(name) && (!avp.mandatory || LENIENT.has(type))) return undefined
    throw new AvpFault(ERROR.badLength, `${name}: ${error.message}`)
  }
}

function typed(type: MessageType, avps: Partial<Record<AvpName, unknown>>): ControlMessage {
  const required: readonly AvpName[] = MESSAGES[type].required
  const missing = required.find(name => avps[name] === undefined)
  if (missing !== undefined) throw new AvpFault(ERROR.badValue, `${type} without ${missing}`)
  // Checked just above, entry by entry, against the table that the type is made of.
  return { type, avps } as unknown as ControlMessage
}

function decodeValue<T>(codec: ValueCodec<T>, value: Uint8Array): T {
  return codec.decode(new Reader(value))
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
  const list: RawAvp[] = [plainAvp('messageType', MESSAGES[message.type].number)]
  if (hide !== undefined) list.push(plainAvp('randomVector', hide.randomVector))
  for (const [name, value] of Object.entries(message.avps) as [AvpName, unknown][]) {
    if (value === undefined) continue
    const avp = plainAvp(name, value)
    const hidden = hide?.names.includes(name) === true && AVPS[name].hideable
    list.push(hide !== undefined && hidden ? hideAvp(avp, hide.secret, hide.randomVector) : avp)
  }
  return encodeAvpList(list)
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

function plainAvp(name: AvpName, value: unknown): RawAvp {
  const { type, mandatory, codec } = AVPS[name]
  return {
    mandatory,
    hidden: false,
    vendorId: 0,
    type,
    value: encodeValue(codec as ValueCodec<unknown>, value),
  }
}
