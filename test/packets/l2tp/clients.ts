/** What other clients put on the wire, quirks and all, built by build.py after their sources and captures. */
import { type GoldenMessage, header, octets } from './golden.ts'

const CAPABILITIES = {
  protocolVersion: { version: 1, revision: 0 },
  framingCapabilities: { async: true, sync: true },
} as const

export const CLIENTS: readonly GoldenMessage[] = [
  {
    name: 'macOS: SCCRQ',
    hex: `c802 0049 0000 0000 0000 0000
      8008 0000 0000 0001
      8008 0000 0002 0100
      800a 0000 0003 00000003
      8013 0000 0007 4d6163626f6f6b2e6c6f63616c
      8008 0000 0009 0003
      8008 0000 000a 0004`,
    header: header(0, 0, 0, 0),
    message: {
      type: 'SCCRQ',
      avps: { ...CAPABILITIES, hostName: 'Macbook.local', assignedTunnelId: 3, receiveWindowSize: 4 },
    },
  },
  {
    name: 'macOS: ICRQ',
    hex: `c802 0026 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 1f03
      800a 0000 000f 00000001`,
    header: header(1, 0, 2, 1),
    message: { type: 'ICRQ', avps: { assignedSessionId: 0x1f03, callSerialNumber: 1 } },
  },
  {
    name: 'macOS: CDN with a result in host byte order and 6 stale octets behind it',
    hex: `c802 002a 0001 004d 0004 0002
      8008 0000 0000 000e
      8008 0000 000e 1f03
      800e 0000 0001 0300000018000000`,
    header: header(1, 77, 4, 2),
    message: { type: 'CDN', avps: { assignedSessionId: 0x1f03, resultCode: { result: 3 } } },
    sent: `c802 0024 0001 004d 0004 0002
      8008 0000 0000 000e
      8008 0000 000e 1f03
      8008 0000 0001 0003`,
  },
  {
    name: 'macOS: StopCCN with the same',
    hex: `c802 002a 0001 0000 0005 0002
      8008 0000 0000 0004
      8008 0000 0009 0003
      800e 0000 0001 0100018008000000`,
    header: header(1, 0, 5, 2),
    message: { type: 'StopCCN', avps: { assignedTunnelId: 3, resultCode: { result: 1 } } },
    sent: `c802 0024 0001 0000 0005 0002
      8008 0000 0000 0004
      8008 0000 0009 0003
      8008 0000 0001 0001`,
  },
  {
    name: 'Android: SCCRQ',
    hex: `c802 0045 0000 0000 0000 0000
      8008 0000 0000 0001
      8008 0000 0002 0100
      800f 0000 0007 616e6f6e796d6f7573
      800a 0000 0003 00000003
      8008 0000 0009 5df1
      8008 0000 000a 0001`,
    header: header(0, 0, 0, 0),
    message: {
      type: 'SCCRQ',
      avps: {
        protocolVersion: CAPABILITIES.protocolVersion,
        hostName: 'anonymous',
        framingCapabilities: CAPABILITIES.framingCapabilities,
        assignedTunnelId: 0x5df1,
        receiveWindowSize: 1,
      },
    },
  },
  {
    name: 'Android: StopCCN with a result of 2 octets',
    hex: `c802 0024 0001 0000 0004 0002
      8008 0000 0000 0004
      8008 0000 0009 5df1
      8008 0000 0001 0006`,
    header: header(1, 0, 4, 2),
    message: { type: 'StopCCN', avps: { assignedTunnelId: 0x5df1, resultCode: { result: 6 } } },
  },
  {
    name: 'MikroTik: CDN with a result of 8 octets',
    hex: `c802 002a 0001 004d 0004 0002
      8008 0000 0000 000e
      800e 0000 0001 0001000000000000
      8008 0000 000e 0002`,
    header: header(1, 77, 4, 2),
    message: {
      type: 'CDN',
      avps: { resultCode: { result: 1, error: 0, message: '\0\0\0\0' }, assignedSessionId: 2 },
    },
  },
  {
    name: 'Windows: ICRQ with a GUID of its own',
    hex: `c802 0046 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 0001
      800a 0000 000f 00000000
      800a 0000 0012 00000002
      0016 0137 0001 00112233445566778899aabbccddeeff`,
    header: header(1, 0, 2, 1),
    message: {
      type: 'ICRQ',
      avps: {
        assignedSessionId: 1,
        callSerialNumber: 0,
        bearerType: { analog: true, digital: false },
      },
      unknown: [{ vendorId: 311, type: 1, value: octets('00112233445566778899aabbccddeeff') }],
    },
    sent: `c802 0046 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 0001
      800a 0000 000f 00000000
      000a 0000 0012 00000002
      0016 0137 0001 00112233445566778899aabbccddeeff`,
  },
  {
    name: 'mpd5: SCCCN with AVPs that belong elsewhere',
    hex: `c802 003b 0001 0000 0001 0001
      8008 0000 0000 0003
      8016 0000 000d 000102030405060708090a0b0c0d0e0f
      8008 0000 000a 0008
      8009 0000 0007 6d7064`,
    header: header(1, 0, 1, 1),
    message: {
      type: 'SCCCN',
      avps: {
        challengeResponse: octets('000102030405060708090a0b0c0d0e0f'),
        receiveWindowSize: 8,
        hostName: 'mpd',
      },
    },
  },
  {
    name: 'others: CDN without Assigned Session ID',
    hex: `c802 001c 0001 004d 0004 0002
      8008 0000 0000 000e
      8008 0000 0001 0001`,
    header: header(1, 77, 4, 2),
    message: { type: 'CDN', avps: { resultCode: { result: 1 } } },
  },
  {
    name: 'others: CDN whose last AVP says that it is longer than the message',
    hex: `c802 0024 0001 004d 0004 0002
      8008 0000 0000 000e
      8008 0000 000e 0051
      800e 0000 0001 0003`,
    header: header(1, 77, 4, 2),
    message: { type: 'CDN', avps: { assignedSessionId: 81, resultCode: { result: 3 } } },
    sent: `c802 0024 0001 004d 0004 0002
      8008 0000 0000 000e
      8008 0000 000e 0051
      8008 0000 0001 0003`,
  },
]
