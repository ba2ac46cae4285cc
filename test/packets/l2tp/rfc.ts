/** Every message and AVP in the form of its figure in RFC 2661 and RFC 3145, built by build.py. */
import { type GoldenMessage, header, octets } from './golden.ts'

const LCP_OPTIONS = octets('010405dc0305c22305050612345678')

export const RFC: readonly GoldenMessage[] = [
  {
    name: 'SCCRQ with a tie breaker',
    hex: `c802 008a 0000 0000 0000 0000
      8008 0000 0000 0001
      8008 0000 0002 0100
      8011 0000 0007 6c61632e6578616d706c65
      800a 0000 0003 00000003
      000a 0000 0004 00000002
      000e 0000 0005 0123456789abcdef
      0008 0000 0006 0105
      000d 0000 0008 4578616d706c65
      8008 0000 0009 0007
      8008 0000 000a 0004
      8016 0000 000b 000102030405060708090a0b0c0d0e0f`,
    header: header(0, 0, 0, 0),
    message: {
      type: 'SCCRQ',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        hostName: 'lac.example',
        framingCapabilities: { async: true, sync: true },
        bearerCapabilities: { analog: true, digital: false },
        tieBreaker: 0x0123456789abcdefn,
        firmwareRevision: 0x0105,
        vendorName: 'Example',
        assignedTunnelId: 7,
        receiveWindowSize: 4,
        challenge: octets('000102030405060708090a0b0c0d0e0f'),
      },
    },
  },
  {
    name: 'SCCRP with the answer to that challenge',
    hex: `c802 0055 0007 0000 0000 0001
      8008 0000 0000 0002
      8008 0000 0002 0100
      800a 0000 0003 00000001
      8011 0000 0007 6c6e732e6578616d706c65
      8008 0000 0009 0009
      8016 0000 000d 6c0da2faf7a397aa3f88f55061ea9134`,
    header: header(7, 0, 0, 1),
    message: {
      type: 'SCCRP',
      avps: {
        protocolVersion: { version: 1, revision: 0 },
        framingCapabilities: { async: false, sync: true },
        hostName: 'lns.example',
        assignedTunnelId: 9,
        challengeResponse: octets('6c0da2faf7a397aa3f88f55061ea9134'),
      },
    },
  },
  {
    name: 'OCRQ',
    hex: `c802 0063 0001 0000 0002 0001
      8008 0000 0000 0007
      8008 0000 000e 004d
      800a 0000 000f 01020304
      800a 0000 0010 00002580
      800a 0000 0011 0000fa00
      800a 0000 0012 00000001
      800a 0000 0013 00000002
      800d 0000 0015 35353531323334
      0008 0000 0017 3432`,
    header: header(1, 0, 2, 1),
    message: {
      type: 'OCRQ',
      avps: {
        assignedSessionId: 77,
        callSerialNumber: 0x01020304,
        minimumBps: 9600,
        maximumBps: 64_000,
        bearerType: { analog: false, digital: true },
        framingType: { async: true, sync: false },
        calledNumber: '5551234',
        subAddress: '42',
      },
    },
  },
  {
    name: 'OCRP',
    hex: `c802 0026 0001 004d 0001 0003
      8008 0000 0000 0008
      8008 0000 000e 0051
      000a 0000 0019 00010203`,
    header: header(1, 77, 1, 3),
    message: { type: 'OCRP', avps: { assignedSessionId: 81, physicalChannelId: 0x00010203 } },
  },
  {
    name: 'OCCN',
    hex: `c802 0038 0001 004d 0002 0003
      8008 0000 0000 0009
      800a 0000 0018 0000fa00
      800a 0000 0013 00000001
      000a 0000 0026 0000dac0
      8006 0000 0027`,
    header: header(1, 77, 2, 3),
    message: {
      type: 'OCCN',
      avps: {
        txConnectSpeed: 64_000,
        framingType: { async: false, sync: true },
        rxConnectSpeed: 56_000,
        sequencingRequired: true,
      },
    },
  },
  {
    name: 'ICRQ with numbers',
    hex: `c802 005b 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 0051
      800a 0000 000f 00000001
      000a 0000 0012 00000003
      000a 0000 0019 00000005
      000d 0000 0016 35353530303031
      000d 0000 0015 35353530303032
      0007 0000 0017 37`,
    header: header(1, 0, 2, 1),
    message: {
      type: 'ICRQ',
      avps: {
        assignedSessionId: 81,
        callSerialNumber: 1,
        bearerType: { analog: true, digital: true },
        physicalChannelId: 5,
        callingNumber: '5550001',
        calledNumber: '5550002',
        subAddress: '7',
      },
    },
  },
  {
    name: 'ICCN with proxy LCP and proxy authentication',
    hex: `c802 00bf 0001 004d 0003 0002
      8008 0000 0000 000c
      800a 0000 0018 05f5e100
      800a 0000 0013 00000001
      0015 0000 001a 010405dc0305c22305050612345678
      0015 0000 001b 010405dc0305c22305050612345678
      0015 0000 001c 010405dc0305c22305050612345678
      0008 0000 001d 0002
      000b 0000 001e 6862406862
      0016 0000 001f 000102030405060708090a0b0c0d0e0f
      0008 0000 0020 002a
      0016 0000 0021 101112131415161718191a1b1c1d1e1f
      000b 0000 0025 67726f7570
      8006 0000 0027`,
    header: header(1, 77, 3, 2),
    message: {
      type: 'ICCN',
      avps: {
        txConnectSpeed: 100_000_000,
        framingType: { async: false, sync: true },
        initialReceivedLcpConfReq: LCP_OPTIONS,
        lastSentLcpConfReq: LCP_OPTIONS,
        lastReceivedLcpConfReq: LCP_OPTIONS,
        proxyAuthenType: 2,
        proxyAuthenName: 'hb@hb',
        proxyAuthenChallenge: octets('000102030405060708090a0b0c0d0e0f'),
        proxyAuthenId: 0x2a,
        proxyAuthenResponse: octets('101112131415161718191a1b1c1d1e1f'),
        privateGroupId: 'group',
        sequencingRequired: true,
      },
    },
  },
  {
    name: 'CDN with a Q.931 cause and a PPP disconnect cause',
    hex: `c802 0058 0001 004d 0004 0002
      8008 0000 0000 000e
      8014 0000 0001 000200046e6f2061646472657373
      8008 0000 000e 0051
      0013 0000 000c 00225a6e6f2063697263756974
      0015 0000 002e 00138021026e6f2061646472657373`,
    header: header(1, 77, 4, 2),
    message: {
      type: 'CDN',
      avps: {
        resultCode: { result: 2, error: 4, message: 'no address' },
        assignedSessionId: 81,
        q931Cause: { cause: 34, message: 0x5a, advisory: 'no circuit' },
        pppDisconnectCause: { code: 19, protocol: 0x8021, direction: 2, message: 'no address' },
      },
    },
  },
  {
    name: 'WEN',
    hex: `c802 0034 0001 0051 0005 0002
      8008 0000 0000 000f
      8020 0000 0022 00000000000100000002000000030000000400000005ffffffff`,
    header: header(1, 81, 5, 2),
    message: {
      type: 'WEN',
      avps: {
        callErrors: {
          crcErrors: 1,
          framingErrors: 2,
          hardwareOverruns: 3,
          bufferOverruns: 4,
          timeoutErrors: 5,
          alignmentErrors: 0xffffffff,
        },
      },
    },
  },
  {
    name: 'SLI',
    hex: `c802 0024 0001 004d 0006 0002
      8008 0000 0000 0010
      8010 0000 0023 0000000a0000ffffffff`,
    header: header(1, 77, 6, 2),
    message: { type: 'SLI', avps: { accm: { send: 0x000a0000, receive: 0xffffffff } } },
  },
]
