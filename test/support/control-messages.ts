/** Control messages of every type with every AVP, for properties. */
import fc from 'fast-check'
import { AVPS, type AvpName, type AvpValues } from '../../core/wire/avp-dictionary.ts'
import {
  type ControlMessage,
  MESSAGES,
  type MessageType,
  type UnknownAvp,
} from '../../core/wire/control-message.ts'
import type { ControlHeader } from '../../core/wire/l2tp-header.ts'

const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 })
const opaque = fc.uint8Array({ maxLength: 60 })
const text = (minLength: number) =>
  fc
    .string({ unit: 'binary', minLength, maxLength: 80 })
    .filter(value => new TextEncoder().encode(value).length <= 255)
const framing = fc.record({ async: fc.boolean(), sync: fc.boolean() })
const bearer = fc.record({ analog: fc.boolean(), digital: fc.boolean() })

const VALUES: { readonly [Name in AvpName]: fc.Arbitrary<AvpValues[Name]> } = {
  messageType: uint(16),
  // Only the low octet of a result is in use: one in the high octet is macOS's byte order.
  resultCode: fc
    .record({ result: uint(8), error: uint(16), message: text(1) }, { requiredKeys: ['result'] })
    .map(({ message, ...code }) => (code.error === undefined || !message ? code : { ...code, message })),
  protocolVersion: fc.record({ version: uint(8), revision: uint(8) }),
  framingCapabilities: framing,
  bearerCapabilities: bearer,
  tieBreaker: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  firmwareRevision: uint(16),
  hostName: text(0),
  vendorName: text(0),
  assignedTunnelId: uint(16),
  receiveWindowSize: uint(16),
  challenge: opaque,
  q931Cause: fc.record({ cause: uint(16), message: uint(8), advisory: text(0) }),
  challengeResponse: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  assignedSessionId: uint(16),
  callSerialNumber: uint(32),
  minimumBps: uint(32),
  maximumBps: uint(32),
  bearerType: bearer,
  framingType: framing,
  calledNumber: text(0),
  callingNumber: text(0),
  subAddress: text(0),
  txConnectSpeed: uint(32),
  physicalChannelId: uint(32),
  initialReceivedLcpConfReq: opaque,
  lastSentLcpConfReq: opaque,
  lastReceivedLcpConfReq: opaque,
  proxyAuthenType: uint(16),
  proxyAuthenName: text(0),
  proxyAuthenChallenge: opaque,
  proxyAuthenId: uint(8),
  proxyAuthenResponse: opaque,
  callErrors: fc.record({
    crcErrors: uint(32),
    framingErrors: uint(32),
    hardwareOverruns: uint(32),
    bufferOverruns: uint(32),
    timeoutErrors: uint(32),
    alignmentErrors: uint(32),
  }),
  accm: fc.record({ send: uint(32), receive: uint(32) }),
  randomVector: opaque,
  privateGroupId: text(0),
  rxConnectSpeed: uint(32),
  sequencingRequired: fc.constant(true as const),
  pppDisconnectCause: fc.record({
    code: uint(16),
    protocol: uint(16),
    direction: uint(8),
    message: text(0),
  }),
}

const { messageType: _type, randomVector: _vector, ...BODY } = VALUES
const KNOWN = new Set<number>(Object.values(AVPS).map(({ type }) => type))

const unknownAvp: fc.Arbitrary<UnknownAvp> = fc
  .record({
    vendorId: fc.oneof(fc.constant(0), uint(16)),
    type: uint(16),
    value: opaque,
  })
  .filter(({ vendorId, type }) => vendorId !== 0 || !KNOWN.has(type))

/** Every AVP may turn up in every message. Cloned: objects of fast-check have no prototype, those of a decoder do. */
export const controlMessage: fc.Arbitrary<ControlMessage> = fc
  .constantFrom(...(Object.keys(MESSAGES) as MessageType[]))
  .chain(type =>
    fc
      .tuple(
        fc.record(BODY, { requiredKeys: [...MESSAGES[type].required] }),
        fc.array(unknownAvp, { maxLength: 3 }),
      )
      .map(
        ([avps, unknown]) => ({ type, avps, ...(unknown.length === 0 ? {} : { unknown }) }) as ControlMessage,
      ),
  )
  .map(message => structuredClone(message))

export const controlHeader: fc.Arbitrary<ControlHeader> = fc
  .record({
    tunnelId: uint(16),
    sessionId: uint(16),
    ns: uint(16),
    nr: uint(16),
  })
  .map(header => ({ ...header }))
