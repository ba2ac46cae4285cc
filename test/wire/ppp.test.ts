import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import { md5 } from '../../core/crypto.ts'
import { BurrowError } from '../../core/errors.ts'
import {
  type ChapPacket,
  decodeChap,
  decodePap,
  decodeText,
  encodeChap,
  encodePap,
  encodeText,
  type PapPacket,
} from '../../core/wire/ppp-auth.ts'
import { decodePppFrame, encodePppFrame, PPP, pppProtocolName } from '../../core/wire/ppp-frame.ts'
import {
  addressOption,
  addressValue,
  authProtocolName,
  decodeCpPacket,
  decodeOptions,
  encodeCpPacket,
  encodeOptions,
  LCP_OPTION,
  optionFormat,
  uintOption,
  uintValue,
} from '../../core/wire/ppp-options.ts'
import { GOLDEN_FRAMES } from '../packets/ppp/golden.ts'

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const octets = (maxLength: number) => fc.uint8Array({ maxLength })
const PLAIN = { noNullPrototype: true } as const
const octet = fc.integer({ min: 0, max: 255 })
const protocol = fc.integer({ min: 0, max: 0x7fff }).map(n => ((n & 0x7f00) << 1) | ((n & 0x7f) << 1) | 1)

for (const golden of GOLDEN_FRAMES) {
  test(`golden packet: ${golden.name}`, () => {
    const bytes = hex(golden.hex)
    const frame = decodePppFrame(bytes)
    assert.ok(frame)
    assert.equal(frame.protocol, golden.protocol)
    const packet = decodeCpPacket(frame.payload)
    assert.ok(packet)
    assert.deepEqual([packet.code, packet.identifier], [golden.code, golden.identifier])
    assert.deepEqual(encodeCpPacket(packet), frame.payload, 'the packet is encoded as it was')
    if (golden.options) {
      assert.deepEqual(decodeOptions(packet.data), golden.options)
      assert.deepEqual(encodeOptions(golden.options), packet.data)
    }
    if (golden.pap) {
      assert.deepEqual(decodePap(frame.payload), golden.pap)
      assert.deepEqual(encodePap(golden.pap), frame.payload)
    }
    if (golden.chap) {
      assert.deepEqual(decodeChap(frame.payload), golden.chap)
      assert.deepEqual(encodeChap(golden.chap), frame.payload)
    }
    if (golden.protocol !== PPP.LCP)
      assert.deepEqual(encodePppFrame(golden.protocol, frame.payload, golden), bytes)
  })
}

test('the golden CHAP response is MD5 of identifier, secret and challenge (RFC 1994 4.1)', () => {
  const [challenge, response] = GOLDEN_FRAMES.flatMap(({ chap }) => (chap && 'value' in chap ? [chap] : []))
  assert.ok(challenge && response)
  const expected = md5(Uint8Array.of(challenge.identifier), encodeText('admin@123'), challenge.value)
  assert.deepEqual(response.value, expected)
})

test('a frame decodes to what was encoded, in each of its four forms', () => {
  fc.assert(
    fc.property(protocol, octets(64), fc.boolean(), fc.boolean(), (number, payload, acfc, pfc) => {
      fc.pre(number !== 0xff)
      const bytes = encodePppFrame(number, payload, { acfc, pfc })
      assert.deepEqual(decodePppFrame(bytes), { protocol: number, payload })
    }),
  )
})

test('LCP goes out in full, whatever was agreed (RFC 1661 6.5, 6.6)', () => {
  const frame = encodePppFrame(PPP.LCP, hex('0101 0004'), { acfc: true, pfc: true })
  assert.deepEqual(frame, hex('ff03 c021 0101 0004'))
})

test('a compressed IPv4 frame has one octet before the packet', () => {
  assert.deepEqual(encodePppFrame(PPP.IPV4, hex('45'), { acfc: true, pfc: true }), hex('21 45'))
})

for (const [what, bytes] of [
  ['empty', ''],
  ['FF 03 and no more', 'ff03'],
  ['FF alone', 'ff'],
  ['half of a protocol field', 'ff03 c0'],
  ['an even protocol number', 'ff03 c020 00'],
  ['FF 03 twice', 'ff03 ff03 c021'],
] as const) {
  test(`a frame is refused: ${what}`, () => assert.equal(decodePppFrame(hex(bytes)), undefined))
}

test('a protocol number that the RFC forbids is not encoded', () => {
  for (const number of [0, 0xc020, 0x10021, 0x0121, -1]) {
    const encode = () => encodePppFrame(number, hex(''), { acfc: false, pfc: false })
    assert.throws(encode, { code: 'WIRE_OVERFLOW' }, `${number}`)
  }
})

test('a packet of a control protocol decodes to what was encoded, and padding is ignored', () => {
  fc.assert(
    fc.property(octet, octet, octets(64), octets(8), (code, identifier, data, padding) => {
      const bytes = Uint8Array.from([...encodeCpPacket({ code, identifier, data }), ...padding])
      assert.deepEqual(decodeCpPacket(bytes), { code, identifier, data })
    }),
  )
})

for (const [what, bytes] of [
  ['shorter than its header', '0101 00'],
  ['Length 0', '0101 0000'],
  ['Length 3', '0101 0003'],
  ['Length beyond the packet', '0101 0006 00'],
] as const) {
  test(`a control packet is refused: ${what}`, () => assert.equal(decodeCpPacket(hex(bytes)), undefined))
}

test('options decode to what was encoded', () => {
  const options = fc.array(fc.record({ type: octet, value: octets(253) }, PLAIN), { maxLength: 8 })
  fc.assert(fc.property(options, list => assert.deepEqual(decodeOptions(encodeOptions(list)), list)))
})

for (const [what, bytes] of [
  ['length 0', '0300'],
  ['length 1', '0301'],
  ['length beyond the packet', '0104 05'],
  ['a type without a length', '0702 08'],
] as const) {
  test(`an option list is refused: ${what}`, () => assert.equal(decodeOptions(hex(bytes)), undefined))
}

test('an option of more than 253 octets of value is not encoded', () => {
  assert.throws(() => encodeOptions([{ type: 1, value: new Uint8Array(254) }]), { code: 'WIRE_OVERFLOW' })
})

test('an option has a format only where the table knows it and the value has its length', () => {
  const formatOf = (type: number, value: string) => optionFormat(PPP.LCP, { type, value: hex(value) })
  assert.equal(formatOf(LCP_OPTION.MRU, '05dc'), 'uint16')
  assert.equal(formatOf(LCP_OPTION.MRU, '05'), undefined)
  assert.equal(formatOf(LCP_OPTION.PFC, '00'), undefined)
  assert.equal(formatOf(200, ''), undefined)
  assert.equal(optionFormat(PPP.CCP, { type: 1, value: hex('') }), undefined)
})

test('numbers and addresses in options read as they were written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.ipV4(), (number, address) => {
      assert.equal(uintValue(uintOption(5, number, 4).value), number)
      assert.equal(uintValue(uintOption(1, number & 0xffff, 2).value), number & 0xffff)
      assert.equal(addressValue(addressOption(3, address).value), address)
    }),
  )
})

test('what is no IPv4 address is not encoded', () => {
  for (const text of ['', '1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', '1.2.3.-4', '::1', ' 1.2.3.4']) {
    assert.throws(() => addressOption(3, text), { code: 'WIRE_OVERFLOW' })
  }
})

test('PAP packets decode to what was encoded', () => {
  const request = fc.record(
    {
      kind: fc.constant('request' as const),
      identifier: octet,
      user: octets(255),
      password: octets(255),
    },
    PLAIN,
  )
  const verdict = fc.record(
    {
      kind: fc.constantFrom('ack' as const, 'nak' as const),
      identifier: octet,
      message: octets(255),
    },
    PLAIN,
  )
  fc.assert(
    fc.property(fc.oneof<fc.Arbitrary<PapPacket>[]>(request, verdict), packet =>
      assert.deepEqual(decodePap(encodePap(packet)), packet),
    ),
  )
})

for (const [what, bytes] of [
  ['no Peer-ID-Length', '0101 0004'],
  ['Peer-ID-Length beyond the packet', '0101 0007 05 6862'],
  ['no Passwd-Length', '0101 0007 02 6862'],
  ['Passwd-Length beyond the packet', '0101 0009 02 6862 ff 61'],
  ['Msg-Length beyond the packet', '0301 0006 05 61'],
  ['an unknown code', '0401 0005 00'],
  ['code 0', '0001 0005 00'],
] as const) {
  test(`a PAP packet is refused: ${what}`, () => assert.equal(decodePap(hex(bytes)), undefined))
}

test('a PAP verdict without Msg-Length has no message', () => {
  assert.deepEqual(decodePap(hex('0201 0004')), { kind: 'ack', identifier: 1, message: hex('') })
})

test('a PAP field of 256 octets is not encoded', () => {
  const user = new Uint8Array(256)
  const encode = () => encodePap({ kind: 'request', identifier: 1, user, password: hex('') })
  assert.throws(encode, { code: 'WIRE_OVERFLOW' })
})

test('CHAP packets decode to what was encoded', () => {
  const value = fc.record(
    {
      kind: fc.constantFrom('challenge' as const, 'response' as const),
      identifier: octet,
      value: fc.uint8Array({ minLength: 1, maxLength: 255 }),
      name: octets(64),
    },
    PLAIN,
  )
  const verdict = fc.record(
    {
      kind: fc.constantFrom('success' as const, 'failure' as const),
      identifier: octet,
      message: octets(64),
    },
    PLAIN,
  )
  fc.assert(
    fc.property(fc.oneof<fc.Arbitrary<ChapPacket>[]>(value, verdict), packet =>
      assert.deepEqual(decodeChap(encodeChap(packet)), packet),
    ),
  )
})

for (const [what, bytes] of [
  ['no Value-Size', '0101 0004'],
  ['Value-Size 0', '0101 0005 00'],
  ['Value-Size beyond the packet', '0201 0008 10 010203'],
  ['an unknown code', '0501 0004'],
] as const) {
  test(`a CHAP packet is refused: ${what}`, () => assert.equal(decodeChap(hex(bytes)), undefined))
}

test('text is UTF-8 where it can be, else Latin-1, and never throws', () => {
  assert.equal(decodeText(encodeText('Dédé Ω \u{1f407}')), 'Dédé Ω \u{1f407}')
  assert.equal(decodeText(hex('64e964e9')), 'dédé')
  fc.assert(fc.property(octets(255), bytes => void decodeText(bytes)))
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), text => decodeText(encodeText(text)) === text))
})

test('protocols and authentication methods have names for people', () => {
  assert.equal(pppProtocolName(PPP.IPV6CP), 'IPV6CP')
  assert.equal(pppProtocolName(0x1235), '0x1235')
  const names = ['c023', 'c22305', 'c22381', 'c22399', 'c227', 'c0', ''].map(value =>
    authProtocolName(hex(value)),
  )
  assert.deepEqual(names, ['PAP', 'CHAP-MD5', 'MS-CHAPv2', 'CHAP algorithm 153', 'EAP', '0x00c0', '0x0000'])
})

test('random octets never throw past a decoder', () => {
  fc.assert(
    fc.property(octets(80), bytes => {
      const payload = decodePppFrame(bytes)?.payload ?? bytes
      const packet = decodeCpPacket(payload)
      const options = decodeOptions(packet?.data ?? payload)
      assert.ok(options === undefined || options.length <= payload.length / 2)
      decodePap(payload)
      decodeChap(payload)
    }),
    { numRuns: 1000 },
  )
})

const PPP_OF_LINK: Readonly<Record<number, (packet: Uint8Array) => Uint8Array | undefined>> = {
  // Ethernet: the payload of PPPoE session frames and of Ethertype 880B is PPP without FF 03.
  1: packet => {
    const type = uintValue(packet.subarray(12, 14))
    if (type === 0x8864) return packet.subarray(20)
    return type === 0x880b ? packet.subarray(14) : undefined
  },
  // PPP over HDLC.
  50: packet => packet,
}

/** The PPP frames of a little-endian capture file. */
function capture(name: string): (Uint8Array | undefined)[] {
  const file = readFileSync(new URL(`../../../test/packets/ppp/${name}.pcap`, import.meta.url))
  const frames: (Uint8Array | undefined)[] = []
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    frames.push(
      PPP_OF_LINK[file.readUInt32LE(20)]?.(new Uint8Array(file.subarray(at + 16, at + 16 + length))),
    )
    at += 16 + length
  }
  return frames
}

test('capture pppoes: two LCP Echo-Requests', () => {
  const packets = capture('pppoes').map(bytes => {
    const frame = bytes && decodePppFrame(bytes)
    assert.equal(frame?.protocol, PPP.LCP)
    return frame && decodeCpPacket(frame.payload)
  })
  assert.deepEqual(packets, [
    { code: 9, identifier: 0x6a, data: hex('a4cbea34 0ee2f609') },
    { code: 9, identifier: 0x67, data: hex('b480d7ba 73b72012') },
  ])
})

test('capture ppp_ccp_config_deflate_option_asan: CCP with a length beyond the packet is refused', () => {
  const [bytes] = capture('ppp_ccp_config_deflate_option_asan')
  const frame = bytes && decodePppFrame(bytes)
  assert.equal(frame?.protocol, PPP.CCP)
  assert.equal(decodeCpPacket(frame.payload), undefined)
  assert.equal(decodeOptions(frame.payload.subarray(4)), undefined)
})

test('capture ppp_ip_udp_dns: nonsense is refused or read, and nothing throws but coded errors', () => {
  const frames = capture('ppp_ip_udp_dns')
  assert.equal(frames.length, 1)
  for (const bytes of frames) {
    try {
      const frame = bytes && decodePppFrame(bytes)
      assert.equal(frame, undefined, 'FF is no protocol number')
    } catch (fault) {
      assert.ok(fault instanceof BurrowError)
    }
  }
})
