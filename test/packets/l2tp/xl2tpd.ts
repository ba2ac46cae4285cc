/** What xl2tpd 1.3.18 sends, captured: see README.md. */
import { type GoldenMessage, header, octets } from './golden.ts'

const CAPABILITIES = {
  protocolVersion: { version: 1, revision: 0 },
  framingCapabilities: { async: true, sync: true },
  bearerCapabilities: { analog: false, digital: false },
  firmwareRevision: 0x0690,
} as const

export const XL2TPD: readonly GoldenMessage[] = [
  {
    name: 'SCCRQ',
    hex: `c802 006c 0000 0000 0000 0000
      8008 0000 0000 0001
      8008 0000 0002 0100
      800a 0000 0003 00000003
      800a 0000 0004 00000000
      0008 0000 0006 0690
      8011 0000 0007 6c61632e6578616d706c65
      0013 0000 0008 78656c6572616e63652e636f6d
      8008 0000 0009 ca13
      8008 0000 000a 0004`,
    header: header(0, 0, 0, 0),
    message: {
      type: 'SCCRQ',
      avps: {
        ...CAPABILITIES,
        hostName: 'lac.example',
        vendorName: 'xelerance.com',
        assignedTunnelId: 0xca13,
        receiveWindowSize: 4,
      },
    },
    sent: `c802 006c 0000 0000 0000 0000
      8008 0000 0000 0001
      8008 0000 0002 0100
      800a 0000 0003 00000003
      000a 0000 0004 00000000
      0008 0000 0006 0690
      8011 0000 0007 6c61632e6578616d706c65
      0013 0000 0008 78656c6572616e63652e636f6d
      8008 0000 0009 ca13
      8008 0000 000a 0004`,
  },
  {
    name: 'SCCRP with a challenge, its answer to ours, and a Random Vector that hides nothing',
    hex: `c802 00ae 64b4 0000 0000 0001
      8008 0000 0000 0002
      8016 0000 0024 ff5058648ced1e831620f298f3ab5b66
      8008 0000 0002 0100
      800a 0000 0003 00000003
      800a 0000 0004 00000000
      0008 0000 0006 0690
      8011 0000 0007 6c6e732e6578616d706c65
      0013 0000 0008 78656c6572616e63652e636f6d
      8008 0000 0009 0c29
      8008 0000 000a 0004
      8016 0000 000d a0f78e044f4e78eeee281cb44af43a25
      8016 0000 000b 87e5ef821a0dd7eb00acad29dd4120b0`,
    header: header(0x64b4, 0, 0, 1),
    message: {
      type: 'SCCRP',
      avps: {
        ...CAPABILITIES,
        hostName: 'lns.example',
        vendorName: 'xelerance.com',
        assignedTunnelId: 0x0c29,
        receiveWindowSize: 4,
        challengeResponse: octets('a0f78e044f4e78eeee281cb44af43a25'),
        challenge: octets('87e5ef821a0dd7eb00acad29dd4120b0'),
      },
    },
    sent: `c802 0098 64b4 0000 0000 0001
      8008 0000 0000 0002
      8008 0000 0002 0100
      800a 0000 0003 00000003
      000a 0000 0004 00000000
      0008 0000 0006 0690
      8011 0000 0007 6c6e732e6578616d706c65
      0013 0000 0008 78656c6572616e63652e636f6d
      8008 0000 0009 0c29
      8008 0000 000a 0004
      8016 0000 000d a0f78e044f4e78eeee281cb44af43a25
      8016 0000 000b 87e5ef821a0dd7eb00acad29dd4120b0`,
  },
  {
    name: 'SCCCN',
    hex: `c802 0014 f8ca 0000 0001 0001
      8008 0000 0000 0003`,
    header: header(0xf8ca, 0, 1, 1),
    message: { type: 'SCCCN', avps: {} },
  },
  {
    name: 'SCCCN with the answer to a challenge',
    hex: `c802 0040 0c29 0000 0001 0001
      8008 0000 0000 0003
      8016 0000 0024 7d7feb025bb0de8d6190ab31d4185fc5
      8016 0000 000d 34a20f0cd5a7f80e180a1721e6c26b78`,
    header: header(0x0c29, 0, 1, 1),
    message: {
      type: 'SCCCN',
      avps: { challengeResponse: octets('34a20f0cd5a7f80e180a1721e6c26b78') },
    },
    sent: `c802 002a 0c29 0000 0001 0001
      8008 0000 0000 0003
      8016 0000 000d 34a20f0cd5a7f80e180a1721e6c26b78`,
  },
  {
    name: 'ZLB',
    hex: 'c802 000c ca13 0000 0001 0002',
    header: header(0xca13, 0, 1, 2),
  },
  {
    name: 'ZLB with a session id',
    hex: 'c802 000c ca13 fbbf 0002 0004',
    header: header(0xca13, 0xfbbf, 2, 4),
  },
  {
    name: 'HELLO',
    hex: `c802 0014 9d7c 0000 0001 0002
      8008 0000 0000 0006`,
    header: header(0x9d7c, 0, 1, 2),
    message: { type: 'HELLO', avps: {} },
  },
  {
    name: 'ICRQ',
    hex: `c802 0030 f8ca 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e fbbf
      800a 0000 000f 00000001
      800a 0000 0012 00000000`,
    header: header(0xf8ca, 0, 2, 1),
    message: {
      type: 'ICRQ',
      avps: {
        assignedSessionId: 0xfbbf,
        callSerialNumber: 1,
        bearerType: { analog: false, digital: false },
      },
    },
    sent: `c802 0030 f8ca 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e fbbf
      800a 0000 000f 00000001
      000a 0000 0012 00000000`,
  },
  {
    name: 'ICRP',
    hex: `c802 001c ca13 fbbf 0001 0003
      8008 0000 0000 000b
      8008 0000 000e ab6c`,
    header: header(0xca13, 0xfbbf, 1, 3),
    message: { type: 'ICRP', avps: { assignedSessionId: 0xab6c } },
  },
  {
    name: 'ICCN',
    hex: `c802 0032 f8ca ab6c 0003 0002
      8008 0000 0000 000c
      800a 0000 0018 00000000
      800a 0000 0013 00000001
      000a 0000 0026 00000000`,
    header: header(0xf8ca, 0xab6c, 3, 2),
    message: {
      type: 'ICCN',
      avps: { txConnectSpeed: 0, framingType: { async: false, sync: true }, rxConnectSpeed: 0 },
    },
  },
  {
    name: 'CDN',
    hex: `c802 0026 ca13 fbbf 0002 0004
      8008 0000 0000 000e
      800a 0000 0001 00010000
      8008 0000 000e ab6c`,
    header: header(0xca13, 0xfbbf, 2, 4),
    message: { type: 'CDN', avps: { resultCode: { result: 1, error: 0 }, assignedSessionId: 0xab6c } },
  },
  {
    name: 'StopCCN with a message',
    hex: `c802 003e b571 0000 0001 0001
      8008 0000 0000 0004
      8008 0000 0009 7a48
      8022 0000 0001 000200064e6f20736563726574206b6579206f6e206f757220656e64`,
    header: header(0xb571, 0, 1, 1),
    message: {
      type: 'StopCCN',
      avps: {
        assignedTunnelId: 0x7a48,
        resultCode: { result: 2, error: 6, message: 'No secret key on our end' },
      },
    },
  },
]
