/** PPP frames as hex beside what they say. Frames are written as peers send them: with FF 03 and without. */
import type { ChapPacket, PapPacket } from '../../../core/wire/ppp-auth.ts'
import type { CpOption } from '../../../core/wire/ppp-options.ts'

export interface GoldenFrame {
  readonly name: string
  readonly hex: string
  /** The form of the frame. */
  readonly acfc: boolean
  readonly pfc: boolean
  readonly protocol: number
  readonly code: number
  readonly identifier: number
  /** Of Configure packets. */
  readonly options?: readonly CpOption[]
  readonly pap?: PapPacket
  readonly chap?: ChapPacket
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const ascii = (text: string) => new TextEncoder().encode(text)
const option = (type: number, hex = ''): CpOption => ({ type, value: bytes(hex) })

const WHOLE = { acfc: false, pfc: false }
const SHORT = { acfc: true, pfc: false }

export const GOLDEN_FRAMES: readonly GoldenFrame[] = [
  {
    name: 'pppd: LCP Configure-Request with ACCM, magic, PFC and ACFC',
    hex: 'ff03 c021 01 01 0014 0206 00000000 0506 2f1b3c4d 0702 0802',
    ...WHOLE,
    protocol: 0xc021,
    code: 1,
    identifier: 1,
    options: [option(2, '00000000'), option(5, '2f1b3c4d'), option(7), option(8)],
  },
  {
    name: 'Windows: LCP Configure-Request with id 0, MRU 1400, magic, PFC, ACFC and Callback',
    hex: 'ff03 c021 01 00 0015 0104 0578 0506 6a2b7c1d 0702 0802 0d03 06',
    ...WHOLE,
    protocol: 0xc021,
    code: 1,
    identifier: 0,
    options: [option(1, '0578'), option(5, '6a2b7c1d'), option(7), option(8), option(13, '06')],
  },
  {
    name: 'Windows: LCP Configure-Nak of CHAP-MD5 with MS-CHAPv2',
    hex: 'ff03 c021 03 01 0009 0305 c223 81',
    ...WHOLE,
    protocol: 0xc021,
    code: 3,
    identifier: 1,
    options: [option(3, 'c22381')],
  },
  {
    name: 'MikroTik: LCP Configure-Request with MRU 1450, magic and MRRU 1600',
    hex: 'c021 01 01 0012 0104 05aa 0506 11223344 1104 0640',
    ...SHORT,
    protocol: 0xc021,
    code: 1,
    identifier: 1,
    options: [option(1, '05aa'), option(5, '11223344'), option(17, '0640')],
  },
  {
    name: 'macOS: an empty LCP Configure-Request',
    hex: 'ff03 c021 01 01 0004',
    ...WHOLE,
    protocol: 0xc021,
    code: 1,
    identifier: 1,
    options: [],
  },
  {
    name: 'RFC 1661 5.8: LCP Echo-Request',
    hex: 'ff03 c021 09 07 0008 00c0ffee',
    ...WHOLE,
    protocol: 0xc021,
    code: 9,
    identifier: 7,
  },
  {
    name: 'RFC 1661 5.7: LCP Protocol-Reject of CCP',
    hex: 'ff03 c021 08 02 000d 80fd 0101 0009 1206 01',
    ...WHOLE,
    protocol: 0xc021,
    code: 8,
    identifier: 2,
  },
  {
    name: 'RFC 1661 5.5: LCP Terminate-Request, with the text that pppd sends',
    hex: 'ff03 c021 05 02 0010 5573657220726571756573 74',
    ...WHOLE,
    protocol: 0xc021,
    code: 5,
    identifier: 2,
  },
  {
    name: 'Windows: LCP Identification',
    hex: 'ff03 c021 0c 02 0012 6a2b7c1d 4d535241535635 2e3230',
    ...WHOLE,
    protocol: 0xc021,
    code: 12,
    identifier: 2,
  },
  {
    name: 'RFC 1334 2.2.1: PAP Authenticate-Request of hb@hb',
    hex: 'ff03 c023 01 01 0014 05 6862406862 09 61646d696e40313233',
    ...WHOLE,
    protocol: 0xc023,
    code: 1,
    identifier: 1,
    pap: { kind: 'request', identifier: 1, user: ascii('hb@hb'), password: ascii('admin@123') },
  },
  {
    name: 'RFC 1334 2.2.2: PAP Authenticate-Ack',
    hex: 'c023 02 01 0005 00',
    ...SHORT,
    protocol: 0xc023,
    code: 2,
    identifier: 1,
    pap: { kind: 'ack', identifier: 1, message: new Uint8Array() },
  },
  {
    name: 'RFC 1334 2.2.2: PAP Authenticate-Nak',
    hex: 'ff03 c023 03 09 000a 05 57726f6e67',
    ...WHOLE,
    protocol: 0xc023,
    code: 3,
    identifier: 9,
    pap: { kind: 'nak', identifier: 9, message: ascii('Wrong') },
  },
  {
    name: 'RFC 1994 4.1: CHAP Challenge',
    hex: 'ff03 c223 01 2a 001b 10 000102030405060708090a0b0c0d0e0f 627572726f77',
    ...WHOLE,
    protocol: 0xc223,
    code: 1,
    identifier: 0x2a,
    chap: {
      kind: 'challenge',
      identifier: 0x2a,
      value: bytes('000102030405060708090a0b0c0d0e0f'),
      name: ascii('burrow'),
    },
  },
  {
    // The value is what `printf '\x2aadmin@123\x00...\x0f' | md5sum` prints.
    name: 'RFC 1994 4.1: CHAP Response to it with admin@123',
    hex: 'ff03 c223 02 2a 001a 10 5171766853672edf9c4cb41c8002455f 6862406862',
    ...WHOLE,
    protocol: 0xc223,
    code: 2,
    identifier: 0x2a,
    chap: {
      kind: 'response',
      identifier: 0x2a,
      value: bytes('5171766853672edf9c4cb41c8002455f'),
      name: ascii('hb@hb'),
    },
  },
  {
    name: 'RFC 1994 4.2: CHAP Success',
    hex: 'ff03 c223 03 2a 0004',
    ...WHOLE,
    protocol: 0xc223,
    code: 3,
    identifier: 0x2a,
    chap: { kind: 'success', identifier: 0x2a, message: new Uint8Array() },
  },
  {
    name: 'RFC 1994 4.2: CHAP Failure',
    hex: 'ff03 c223 04 2a 0008 4e6f7065',
    ...WHOLE,
    protocol: 0xc223,
    code: 4,
    identifier: 0x2a,
    chap: { kind: 'failure', identifier: 0x2a, message: ascii('Nope') },
  },
  {
    name: 'Windows: IPCP Configure-Request for address, DNS and NBNS',
    hex: '8021 01 05 0022 0306 00000000 8106 00000000 8206 00000000 8306 00000000 8406 00000000',
    ...SHORT,
    protocol: 0x8021,
    code: 1,
    identifier: 5,
    options: [
      option(3, '00000000'),
      option(129, '00000000'),
      option(130, '00000000'),
      option(131, '00000000'),
      option(132, '00000000'),
    ],
  },
  {
    name: 'pppd: IPCP Configure-Request with Van Jacobson compression',
    hex: 'ff03 8021 01 01 0010 0206 002d0f01 0306 00000000',
    ...WHOLE,
    protocol: 0x8021,
    code: 1,
    identifier: 1,
    options: [option(2, '002d0f01'), option(3, '00000000')],
  },
  {
    name: 'RFC 1332 3.3: IPCP Configure-Nak with the address to use',
    hex: 'ff03 8021 03 01 000a 0306 ac100133',
    ...WHOLE,
    protocol: 0x8021,
    code: 3,
    identifier: 1,
    options: [option(3, 'ac100133')],
  },
  {
    name: 'RFC 1661 6.5: a protocol field of one octet',
    hex: '3d 0102 0004',
    acfc: true,
    pfc: true,
    protocol: 0x003d,
    code: 1,
    identifier: 2,
  },
]
