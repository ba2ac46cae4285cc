/** One line about any L2TP datagram, for ladders, traces and logs, and the same as data. */
import type { AvpName, AvpValues } from './avp-dictionary.ts'
import {
  type ControlFault,
  type ControlMessage,
  type DecodeOptions,
  decodeControl,
  type MessageType,
} from './control-message.ts'
import { describePpp, type PppFields } from './describe-ppp.ts'
import { escapeText } from './escape.ts'
import { type ControlHeader, type DataHeader, decodeHeader } from './l2tp-header.ts'
import { describeResult, PPP_DISCONNECT_CAUSES } from './result-codes.ts'

/** A value of an AVP as it may be shown; `text` is what the line says of it. */
export type ShownAvp =
  | string
  | number
  | true
  | { readonly text: string; readonly [field: string]: string | number }

export interface ControlFields extends ControlHeader {
  readonly kind: 'control'
  /** `ZLB`, a name of RFC 2661 3.2, or `message type N`; `control message` where none can be read. */
  readonly message: string
  readonly avps: { readonly [Name in AvpName]?: ShownAvp }
  readonly fault?: string
}

export interface DataFields {
  readonly kind: 'data'
  readonly tunnelId: number
  readonly sessionId: number
  readonly ns?: number
  readonly nr?: number
  readonly ppp: PppFields
}

export interface UnreadableFields {
  readonly kind: 'unreadable'
  readonly fault: string
  readonly octets: number
}

/** Text of the peer in either form is escaped already. JSON-able. */
export interface Description {
  readonly text: string
  readonly fields: ControlFields | DataFields | UnreadableFields
}

/** Never throws. Without the tunnel's secret hidden AVPs are passed over. */
export function describeDatagram(datagram: Uint8Array, options: DecodeOptions = {}): Description {
  const decoded = decodeHeader(datagram)
  if (decoded.kind === 'data') return describeData(decoded.header, decoded.payload)
  const control = decodeControl(datagram, options)
  if (control.ok) return describeControl(control.header, control.message)
  if (control.header === undefined) return unreadable(control.fault, datagram.length)
  return describeFault(control.header, control.fault)
}

function unreadable(fault: ControlFault, octets: number): Description {
  const name = fault.kind === 'header' ? fault.fault : fault.kind
  return {
    text: `no L2TPv2 datagram (${name}), ${octets} octets`,
    fields: { kind: 'unreadable', fault: name, octets },
  }
}

function describeControl(header: ControlHeader, message: ControlMessage | undefined): Description {
  const fields = {
    kind: 'control',
    message: message?.type ?? 'ZLB',
    ...header,
    avps: shownAvps(message),
  } as const
  const details = Object.entries(fields.avps).map(([name, value]) => {
    const { label } = SHOWN[name as AvpName] ?? { label: name }
    return value === true ? label : `${label} ${typeof value === 'object' ? value.text : value}`
  })
  return { text: line(fields.message, header, header, details), fields }
}

function describeFault(header: ControlHeader, fault: ControlFault): Description {
  const [message, text] =
    fault.kind === 'body'
      ? [fault.messageType ?? 'control message', escapeText(fault.text)]
      : [fault.kind === 'ignorable' ? `message type ${fault.number}` : 'control message', 'not understood']
  const fields = { kind: 'control', message, ...header, avps: {}, fault: text } as const
  return { text: line(message, header, header, [text]), fields }
}

function describeData({ tunnelId, sessionId, sequence }: DataHeader, payload: Uint8Array): Description {
  const ppp = describePpp(payload)
  const {
    protocol,
    code,
    id,
    options = [],
    method,
    user,
    name,
    message,
    rejected,
    omitted,
    malformed,
    octets,
  } = ppp
  const head = [protocol, code, id === undefined ? undefined : `id ${id}`].filter(word => word !== undefined)
  const details = [
    ...(method === undefined ? [] : [method]),
    ...options.map(option => (option.value === true ? option.name : `${option.name} ${option.value}`)),
    ...Object.entries({ user, name, message, rejected }).flatMap(([label, value]) =>
      value === undefined ? [] : [`${label} ${value}`],
    ),
    ...(omitted === undefined ? [] : [`${omitted} more options`]),
    ...(malformed ? ['malformed'] : []),
    ...(code === undefined ? [`${octets} octets`] : []),
  ]
  return {
    text: line(head.join(' '), { tunnelId, sessionId }, sequence, details),
    fields: { kind: 'data', tunnelId, sessionId, ...sequence, ppp },
  }
}

function line(
  name: string,
  { tunnelId, sessionId }: { readonly tunnelId: number; readonly sessionId: number },
  sequence: { readonly ns: number; readonly nr: number } | undefined,
  details: readonly string[],
): string {
  const order = sequence === undefined ? '' : ` Ns ${sequence.ns} Nr ${sequence.nr}`
  return [`${name} tunnel ${tunnelId} session ${sessionId}${order}`, ...details].join(', ')
}

interface AvpShow<Name extends AvpName> {
  readonly label: string
  show(value: AvpValues[Name], message: MessageType): ShownAvp
}

const count = (value: number): ShownAvp => value
const text = (value: string): ShownAvp => escapeText(value)
const present = (): ShownAvp => true

/** What a reader of a ladder wants to see, in this order. Of challenges and proofs only that they are there. */
const SHOWN: { readonly [Name in AvpName]?: AvpShow<Name> } = {
  assignedTunnelId: { label: 'assigned tunnel', show: count },
  assignedSessionId: { label: 'assigned session', show: count },
  hostName: { label: 'host', show: text },
  vendorName: { label: 'vendor', show: text },
  receiveWindowSize: { label: 'window', show: count },
  challenge: { label: 'challenge', show: present },
  challengeResponse: { label: 'challenge response', show: present },
  calledNumber: { label: 'called', show: text },
  callingNumber: { label: 'calling', show: text },
  txConnectSpeed: { label: 'speed', show: count },
  proxyAuthenName: { label: 'proxy user', show: text },
  resultCode: {
    label: 'result',
    show: ({ result, error, message }, type) => ({
      text: describeResult(type === 'StopCCN' ? 'StopCCN' : 'CDN', result, error) + quoted(message),
      result,
      ...(error === undefined ? {} : { error }),
      ...(message === undefined ? {} : { message: escapeText(message) }),
    }),
  },
  pppDisconnectCause: {
    label: 'PPP cause',
    show: ({ code, protocol, direction, message }) => ({
      text: `${code} (${causeText(code)})${quoted(message)}`,
      code,
      protocol,
      direction,
      ...(message === '' ? {} : { message: escapeText(message) }),
    }),
  },
}

function causeText(code: number): string {
  const causes: Readonly<Record<number, string>> = PPP_DISCONNECT_CAUSES
  return causes[code] ?? 'unknown cause'
}

function quoted(message: string | undefined): string {
  return message === undefined || message === '' ? '' : `: ${escapeText(message)}`
}

function shownAvps(message: ControlMessage | undefined): ControlFields['avps'] {
  if (message === undefined) return {}
  const values: Readonly<Record<string, unknown>> = message.avps
  const shown = Object.entries(SHOWN as Readonly<Record<string, AvpShow<AvpName>>>)
    .filter(([name]) => values[name] !== undefined)
    .map(([name, { show }]) => [name, show(values[name] as never, message.type)])
  return Object.fromEntries(shown)
}
