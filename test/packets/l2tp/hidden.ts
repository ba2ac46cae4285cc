/** Hidden AVPs (RFC 2661 4.3), enciphered by build.py under GOLDEN_SECRET. `sent`: the same in the clear. */
import { type GoldenMessage, header, octets } from './golden.ts'

export const VECTOR = octets('101112131415161718191a1b1c1d1e1f')

/** Hidden as Burrow hides: one Random Vector behind the Message Type, no padding. */
export const HIDDEN_AS_SENT: GoldenMessage = {
  name: 'ICRQ with both ids hidden',
  hex: `c802 0040 0001 0000 0002 0001
      8008 0000 0000 000a
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      c00a 0000 000e 5f48c7b9
      c00c 0000 000f 4bae1bde47a2`,
  header: header(1, 0, 2, 1),
  message: { type: 'ICRQ', avps: { assignedSessionId: 81, callSerialNumber: 1 } },
  sent: `c802 0026 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 0051
      800a 0000 000f 00000001`,
}

export const HIDDEN_LONG: GoldenMessage = {
  name: 'ICCN with hidden values of several blocks',
  hex: `c802 009c 0001 004d 0003 0002
      8008 0000 0000 000c
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      800a 0000 0018 0000fa00
      800a 0000 0013 00000001
      4038 0000 0021 cecde930db14e727ffaf7730f166475c2c70e4ded5be6a683db0f62b3ddb2ed67489db289a4fa545bb103205c2a965e572bc
      4026 0000 001e 46c5ac9841faee0d38fed4af5b4436b8c302207ca8210608e4720c66178763d9`,
  header: header(1, 77, 3, 2),
  message: {
    type: 'ICCN',
    avps: {
      txConnectSpeed: 64_000,
      framingType: { async: false, sync: true },
      proxyAuthenResponse: Uint8Array.from({ length: 48 }, (_, at) => at),
      proxyAuthenName: 'this name has thirty octets ok',
    },
  },
  sent: `c802 0082 0001 004d 0003 0002
      8008 0000 0000 000c
      800a 0000 0018 0000fa00
      800a 0000 0013 00000001
      0036 0000 0021 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f
      0024 0000 001e 74686973206e616d652068617320746869727479206f6374657473206f6b`,
}

export const HIDDEN: readonly GoldenMessage[] = [
  HIDDEN_AS_SENT,
  HIDDEN_LONG,
  {
    name: 'ICRQ with two Random Vectors, of which the last before an AVP counts',
    hex: `c802 0069 0001 0000 0002 0001
      8008 0000 0000 000a
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      c00a 0000 000e 5f48c7b9
      801a 0000 0024 404142434445464748494a4b4c4d4e4f50515253
      c00c 0000 000f fab69c4c734c
      400f 0000 0016 23b281e3c6748318d1`,
    header: header(1, 0, 2, 1),
    message: {
      type: 'ICRQ',
      avps: { assignedSessionId: 81, callSerialNumber: 1, callingNumber: '5550001' },
    },
    sent: `c802 0033 0001 0000 0002 0001
      8008 0000 0000 000a
      8008 0000 000e 0051
      800a 0000 000f 00000001
      000d 0000 0016 35353530303031`,
  },
  {
    name: 'ICRP with 43 octets of padding behind its id',
    hex: `c802 005f 0001 0051 0001 0003
      8008 0000 0000 000b
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      c035 0000 000e 5f48c7a559e7eeba48f57018a0066edae315c45a333a6a5a1752893e28972877c3e48dd4fd7c691583f04fcd447f78`,
    header: header(1, 81, 1, 3),
    message: { type: 'ICRP', avps: { assignedSessionId: 77 } },
    sent: `c802 001c 0001 0051 0001 0003
      8008 0000 0000 000b
      8008 0000 000e 004d`,
  },
  {
    name: 'StopCCN with a hidden tunnel id',
    hex: `c802 003c 0001 0000 0004 0002
      8008 0000 0000 0004
      8008 0000 0001 0006
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      c00a 0000 0009 73bbdc9f`,
    header: header(1, 0, 4, 2),
    message: { type: 'StopCCN', avps: { resultCode: { result: 6 }, assignedTunnelId: 7 } },
    sent: `c802 0024 0001 0000 0004 0002
      8008 0000 0000 0004
      8008 0000 0001 0006
      8008 0000 0009 0007`,
  },
]

/** An ICRP whose hidden Assigned Session ID of 4 octets claims to hold 1024. */
export const HIDDEN_CLAIMS_TOO_MUCH = octets(`c802 0034 0001 0051 0001 0003
      8008 0000 0000 000b
      8016 0000 0024 101112131415161718191a1b1c1d1e1f
      c00a 0000 000e 5b4ac7e8`)
