/**
 * The reference exchange: a mobile user (tunnel id 1, session id 81) dials the LNS (tunnel id 1, session id 77), agrees on an
 * MRU of 1500, logs in with PAP as hb@hb, gets 172.16.1.51, and hangs up. Hex beside what it says; Wireshark reads it so, too.
 */
import type { ControlMessage } from '../../core/wire/control-message.ts'
import type { ControlHeader } from '../../core/wire/l2tp-header.ts'
import type { PapPacket } from '../../core/wire/ppp-auth.ts'

export interface GoldenControl {
  readonly from: 'client' | 'lns'
  readonly hex: string
  readonly header: ControlHeader
  /** Absent: a ZLB. */
  readonly message?: ControlMessage
}

export interface GoldenPpp {
  readonly from: 'client' | 'lns'
  readonly hex: string
  /** The receiver's ids. */
  readonly ids: readonly [tunnelId: number, sessionId: number]
  readonly protocol: 'LCP' | 'PAP' | 'IPCP'
  /** LCP and IPCP: code, identifier, options or data in hex. */
  readonly control?: {
    readonly code: number
    readonly identifier: number
    readonly options?: readonly (readonly [type: number, value: string])[]
  }
  readonly pap?: PapPacket
}

const octets = (text: string) => new TextEncoder().encode(text)
const TO_NOBODY = { tunnelId: 0, sessionId: 0 } as const
const TO_TUNNEL = { tunnelId: 1, sessionId: 0 } as const
const CLIENT_CALL = 81
const LNS_CALL = 77
const TO_CLIENT = [1, CLIENT_CALL] as const
const TO_LNS = [1, LNS_CALL] as const

const CONFIGURE_REQUEST = 1
const CONFIGURE_ACK = 2
const CONFIGURE_NAK = 3
const TERMINATE_REQUEST = 5
const TERMINATE_ACK = 6

const CLIENT_LCP = [
  [1, '05dc'],
  [5, '81008100'],
  [7, ''],
  [8, ''],
] as const
const LNS_LCP = [
  [1, '05dc'],
  [3, 'c023'],
  [5, '77007700'],
  [7, ''],
  [8, ''],
] as const
const NO_ADDRESS = [[3, '00000000']] as const
const LNS_ADDRESS = [[3, 'ac100101']] as const
const CLIENT_ADDRESS = [[3, 'ac100133']] as const

/** From SCCRQ to the network phase. */
export const REFERENCE_DIAL: readonly (GoldenControl | GoldenPpp)[] = [
  {
    from: 'client',
    hex: `c802004e 0000 0000 0000 0000 8008 0000 0000 0001 8008 0000 0002 0100 800a 0000 0003 00000003
      800c 0000 0007 636c69656e74 000c 0000 0008 427572726f77 8008 0000 0009 0001 8008 0000 000a 0010`,
    header: { ...TO_NOBODY, ns: 0, nr: 0 },
    message: {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        framingCapabilities: { async: true, sync: true },
        hostName: 'client',
        vendorName: 'Burrow',
        assignedTunnelId: 1,
        receiveWindowSize: 16,
      },
    },
  },
  {
    from: 'lns',
    hex: `c802004b 0001 0000 0000 0001 8008 0000 0000 0002 8008 0000 0002 0100 800a 0000 0003 00000003
      8009 0000 0007 6c6e73 000c 0000 0008 427572726f77 8008 0000 0009 0001 8008 0000 000a 0010`,
    header: { ...TO_TUNNEL, ns: 0, nr: 1 },
    message: {
      type: 'SCCRP',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        framingCapabilities: { async: true, sync: true },
        hostName: 'lns',
        vendorName: 'Burrow',
        assignedTunnelId: 1,
        receiveWindowSize: 16,
      },
    },
  },
  {
    from: 'client',
    hex: 'c8020014 0001 0000 0001 0001 8008 0000 0000 0003',
    header: { ...TO_TUNNEL, ns: 1, nr: 1 },
    message: { type: 'SCCCN', avps: {} },
  },
  {
    from: 'client',
    hex: 'c8020026 0001 0000 0002 0001 8008 0000 0000 000a 8008 0000 000e 0051 800a 0000 000f 00000001',
    header: { ...TO_TUNNEL, ns: 2, nr: 1 },
    message: { type: 'ICRQ', avps: { assignedSessionId: CLIENT_CALL, callSerialNumber: 1 } },
  },
  { from: 'lns', hex: 'c802000c 0001 0000 0001 0002', header: { ...TO_TUNNEL, ns: 1, nr: 2 } },
  {
    from: 'lns',
    hex: 'c802001c 0001 0051 0001 0003 8008 0000 0000 000b 8008 0000 000e 004d',
    header: { tunnelId: 1, sessionId: CLIENT_CALL, ns: 1, nr: 3 },
    message: { type: 'ICRP', avps: { assignedSessionId: LNS_CALL } },
  },
  {
    from: 'client',
    hex: 'c8020028 0001 004d 0003 0002 8008 0000 0000 000c 800a 0000 0018 05f5e100 800a 0000 0013 00000001',
    header: { tunnelId: 1, sessionId: LNS_CALL, ns: 3, nr: 2 },
    message: {
      type: 'ICCN',
      avps: { txConnectSpeed: 100_000_000, framingType: { async: false, sync: true } },
    },
  },
  {
    from: 'client',
    hex: '4002001e 0001 004d ff03 c021 01 01 0012 0104 05dc 0506 81008100 0702 0802',
    ids: TO_LNS,
    protocol: 'LCP',
    control: { code: CONFIGURE_REQUEST, identifier: 1, options: CLIENT_LCP },
  },
  {
    from: 'lns',
    hex: '40020022 0001 0051 ff03 c021 01 01 0016 0104 05dc 0304 c023 0506 77007700 0702 0802',
    ids: TO_CLIENT,
    protocol: 'LCP',
    control: { code: CONFIGURE_REQUEST, identifier: 1, options: LNS_LCP },
  },
  { from: 'lns', hex: 'c802000c 0001 0000 0002 0004', header: { ...TO_TUNNEL, ns: 2, nr: 4 } },
  {
    from: 'lns',
    hex: '4002001e 0001 0051 ff03 c021 02 01 0012 0104 05dc 0506 81008100 0702 0802',
    ids: TO_CLIENT,
    protocol: 'LCP',
    control: { code: CONFIGURE_ACK, identifier: 1, options: CLIENT_LCP },
  },
  {
    from: 'client',
    hex: '40020022 0001 004d ff03 c021 02 01 0016 0104 05dc 0304 c023 0506 77007700 0702 0802',
    ids: TO_LNS,
    protocol: 'LCP',
    control: { code: CONFIGURE_ACK, identifier: 1, options: LNS_LCP },
  },
  {
    from: 'client',
    hex: '40020020 0001 004d ff03 c023 01 01 0014 05 6862406862 09 61646d696e40313233',
    ids: TO_LNS,
    protocol: 'PAP',
    pap: { kind: 'request', identifier: 1, user: octets('hb@hb'), password: octets('admin@123') },
  },
  {
    from: 'lns',
    hex: '40020011 0001 0051 ff03 c023 02 01 0005 00',
    ids: TO_CLIENT,
    protocol: 'PAP',
    pap: { kind: 'ack', identifier: 1, message: octets('') },
  },
  {
    from: 'lns',
    hex: '40020016 0001 0051 ff03 8021 01 01 000a 0306 ac100101',
    ids: TO_CLIENT,
    protocol: 'IPCP',
    control: { code: CONFIGURE_REQUEST, identifier: 1, options: LNS_ADDRESS },
  },
  {
    from: 'client',
    hex: '40020016 0001 004d ff03 8021 01 01 000a 0306 00000000',
    ids: TO_LNS,
    protocol: 'IPCP',
    control: { code: CONFIGURE_REQUEST, identifier: 1, options: NO_ADDRESS },
  },
  {
    from: 'client',
    hex: '40020016 0001 004d ff03 8021 02 01 000a 0306 ac100101',
    ids: TO_LNS,
    protocol: 'IPCP',
    control: { code: CONFIGURE_ACK, identifier: 1, options: LNS_ADDRESS },
  },
  {
    from: 'lns',
    hex: '40020016 0001 0051 ff03 8021 03 01 000a 0306 ac100133',
    ids: TO_CLIENT,
    protocol: 'IPCP',
    control: { code: CONFIGURE_NAK, identifier: 1, options: CLIENT_ADDRESS },
  },
  {
    from: 'client',
    hex: '40020016 0001 004d ff03 8021 01 02 000a 0306 ac100133',
    ids: TO_LNS,
    protocol: 'IPCP',
    control: { code: CONFIGURE_REQUEST, identifier: 2, options: CLIENT_ADDRESS },
  },
  {
    from: 'lns',
    hex: '40020016 0001 0051 ff03 8021 02 02 000a 0306 ac100133',
    ids: TO_CLIENT,
    protocol: 'IPCP',
    control: { code: CONFIGURE_ACK, identifier: 2, options: CLIENT_ADDRESS },
  },
]

/** The client hangs up: PPP, then the call, then the tunnel that carried nothing else. */
export const REFERENCE_HANG_UP: readonly (GoldenControl | GoldenPpp)[] = [
  {
    from: 'client',
    hex: '40020010 0001 004d ff03 c021 05 02 0004',
    ids: TO_LNS,
    protocol: 'LCP',
    control: { code: TERMINATE_REQUEST, identifier: 2 },
  },
  {
    from: 'lns',
    hex: '40020010 0001 0051 ff03 c021 06 02 0004',
    ids: TO_CLIENT,
    protocol: 'LCP',
    control: { code: TERMINATE_ACK, identifier: 2 },
  },
  {
    from: 'client',
    hex: `c802002f 0001 004d 0004 0002 8008 0000 0000 000e 8008 0000 0001 0003 8008 0000 000e 0051
      000b 0000 002e 0003 0000 00`,
    header: { tunnelId: 1, sessionId: LNS_CALL, ns: 4, nr: 2 },
    message: {
      type: 'CDN',
      avps: {
        resultCode: { result: 3 },
        assignedSessionId: CLIENT_CALL,
        pppDisconnectCause: { code: 3, protocol: 0, direction: 0, message: '' },
      },
    },
  },
  {
    from: 'client',
    hex: 'c8020024 0001 0000 0005 0002 8008 0000 0000 0004 8008 0000 0009 0001 8008 0000 0001 0001',
    header: { ...TO_TUNNEL, ns: 5, nr: 2 },
    message: { type: 'StopCCN', avps: { assignedTunnelId: 1, resultCode: { result: 1 } } },
  },
  { from: 'lns', hex: 'c802000c 0001 0000 0002 0005', header: { ...TO_TUNNEL, ns: 2, nr: 5 } },
  { from: 'lns', hex: 'c802000c 0001 0000 0002 0006', header: { ...TO_TUNNEL, ns: 2, nr: 6 } },
]
