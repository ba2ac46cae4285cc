/** Dictionaries in FreeRADIUS's format: what they say, what of them is told as wrong, and TLVs that they describe. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BurrowError, type RadiusAttribute } from '../../core/index.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import type { AttributeDefinition, Dictionary } from '../../plugins/radius-client/dictionary.ts'
import { DictionaryReader } from '../../plugins/radius-client/dictionary-reader.ts'
import {
  attributesHex,
  attributesOf,
  bytes,
  hex,
  IDENTIFIER,
  OPTIONAL,
  replyHex,
  SECRET,
  told,
} from '../support/radius.ts'

const PLAIN = { hasTag: false, encrypt: 0, concat: false, values: new Map() } as const

test('attributes: decimal, hexadecimal, types by any of their names, flags in any form', () => {
  const dictionary = read(`
    # a comment
    ATTRIBUTE Plain 1 string   # and another
    attribute Hex 0x0a uint32
    ATTRIBUTE Fixed 11 octets[4]
    ATTRIBUTE Tagged 12 integer has_tag
    ATTRIBUTE Hidden 13 string has_tag,encrypt=2
    ATTRIBUTE Spaced 14 octets array, concat
    ATTRIBUTE Odd 15 ether some_new_flag,secret
    ATTRIBUTE Last 255 octets
  `)
  const expected: readonly (Partial<AttributeDefinition> & { readonly name: string })[] = [
    { name: 'Plain', path: [1], type: 'string' },
    { name: 'Hex', path: [10], type: 'integer' },
    { name: 'Fixed', path: [11], type: 'octets', exactOctets: 4 },
    { name: 'Tagged', path: [12], type: 'integer', hasTag: true },
    { name: 'Hidden', path: [13], type: 'string', hasTag: true, encrypt: 2 },
    { name: 'Spaced', path: [14], type: 'octets', concat: true },
    { name: 'Odd', path: [15], type: 'ether' },
    { name: 'Last', path: [255], type: 'octets' },
  ]
  assert.deepEqual(
    [...dictionary.attributes],
    expected.map(one => ({ ...PLAIN, vendorId: 0, ...one })),
  )
})

test('types that only dictionaries of vendors have', () => {
  const dictionary = read(`
    ATTRIBUTE Station 200 ether
    ATTRIBUTE Small 201 byte
    ATTRIBUTE Middle 202 short
    ATTRIBUTE Exact 203 octets[2]
  `)
  const golden: readonly [RadiusAttribute, number, string][] = [
    [{ name: 'Station', value: '00:1a:ff:00:00:09' }, 200, '001aff000009'],
    [{ name: 'Small', value: 255 }, 201, 'ff'],
    [{ name: 'Middle', value: 256 }, 202, '0100'],
    [{ name: 'Exact', value: bytes('0102') }, 203, '0102'],
  ]
  for (const [attribute, type, octets] of golden) {
    assert.deepEqual(encoded(dictionary, attribute), [[type, octets]])
    assert.deepEqual(decoded(dictionary, [type, octets]), [attribute])
    const longer = `${octets}00`
    assert.deepEqual(decoded(dictionary, [type, longer]), [{ name: `Attr-${type}`, value: bytes(longer) }])
  }
  for (const value of ['00:1a:ff:00:00', '00:1a:ff:00:00:0g', '0:1a:ff:00:00:09'])
    assert.throws(() => encoded(dictionary, { name: 'Station', value }), { code: 'RADIUS_ATTRIBUTE' })
})

test('values: decimal and hexadecimal, also before their attribute and in another file', t => {
  const folder = folderWith(t, {
    one: 'VALUE Colour Red 0x1F\nVALUE Colour Green 0X20\n$INCLUDE two\nVALUE Colour Blue 7\n',
    two: 'ATTRIBUTE Colour 200 integer\n$INCLUDE one\n',
  })
  const dictionary = new DictionaryReader().addFile(join(folder, 'one')).finish()
  assert.deepEqual(
    dictionary.named('Colour')?.values,
    new Map([
      ['Red', 31],
      ['Green', 32],
      ['Blue', 7],
    ]),
  )
})

test('vendors: a block, the name at the end of the line, and formats', () => {
  const dictionary = read(`
    VENDOR Alpha 100
    VENDOR Beta 0x65 format=2,2
    VENDOR Gamma 102 format=4,0
    VENDOR Delta 103 format=1,1,c
    BEGIN-VENDOR Alpha
    ATTRIBUTE Alpha-One 1 integer
    END-VENDOR Alpha
    ATTRIBUTE Old-Style 2 string Alpha
    BEGIN-VENDOR Beta
    ATTRIBUTE Beta-One 0x1234 integer
    END-VENDOR Beta
    BEGIN-VENDOR Gamma
    ATTRIBUTE Gamma-One 0x12345678 octets
    END-VENDOR Gamma
    BEGIN-VENDOR Delta
    ATTRIBUTE Delta-One 1 octets
    END-VENDOR Delta
  `)
  const golden: readonly [RadiusAttribute, string][] = [
    [{ name: 'Alpha-One', value: 5 }, '00000064 01 06 00000005'],
    [{ name: 'Old-Style', value: 'a' }, '00000064 02 03 61'],
    [{ name: 'Beta-One', value: 5 }, '00000065 1234 0008 00000005'],
    [{ name: 'Gamma-One', value: bytes('0102') }, '00000066 12345678 0102'],
    [{ name: 'Vendor-101-Attr-9', value: bytes('01') }, '00000065 0009 0005 01'],
  ]
  for (const [attribute, octets] of golden) {
    assert.deepEqual(encoded(dictionary, attribute), [[26, hex(bytes(octets))]])
    assert.deepEqual(decoded(dictionary, [26, octets]), [attribute])
  }
  // What goes on in the next attribute is left whole.
  const whole = '00000067 01 04 80 ff'
  assert.deepEqual(decoded(dictionary, [26, whole]), [{ name: 'Attr-26', value: bytes(whole) }])
  assert.throws(() => encoded(dictionary, { name: 'Delta-One', value: bytes('01') }), {
    code: 'RADIUS_ATTRIBUTE',
  })
  assert.throws(() => encoded(dictionary, { name: 'Vendor-101-Attr-65536', value: bytes('01') }), {
    code: 'RADIUS_ATTRIBUTE',
  })
})

const TLVS = `
  ATTRIBUTE Outer 200 tlv
  ATTRIBUTE Inner-Number 200.1 integer
  ATTRIBUTE Inner-Group 200.2 tlv
  ATTRIBUTE Inner-Text 200.2.7 string
  VENDOR Alpha 100
  BEGIN-VENDOR Alpha
  ATTRIBUTE Alpha-Group 3 tlv
  BEGIN-TLV Alpha-Group
  ATTRIBUTE Alpha-Byte 1 byte
  ATTRIBUTE Alpha-Short 2 short
  ATTRIBUTE Alpha-Signed 3 signed
  END-TLV Alpha-Group
  END-VENDOR Alpha
  VALUE Alpha-Byte Two 2
`

test('dotted attributes and BEGIN-TLV: members by their own names, in one TLV where they follow each other', () => {
  const dictionary = read(TLVS)
  const attributes = [
    { name: 'Inner-Number', value: 5 },
    { name: 'Inner-Text', value: 'a' },
    { name: 'Inner-Text', value: 'b' },
    { name: 'Alpha-Byte', value: 2 },
    { name: 'Alpha-Short', value: 65535 },
    { name: 'Alpha-Signed', value: -2 },
    { name: 'Attr-200.255', value: bytes('ff') },
  ]
  const octets: readonly [number, string][] = [
    [200, '01 06 00000005 02 08 07 03 61 07 03 62'],
    [26, '00000064 03 0f 01 03 02 02 04 ffff 03 06 fffffffe'],
    [200, 'ff 03 ff'],
  ]
  assert.deepEqual(
    encoded(dictionary, ...attributes),
    octets.map(([type, value]) => [type, hex(bytes(value))]),
  )
  assert.deepEqual(decoded(dictionary, ...octets), attributes)
  assert.deepEqual(encoded(dictionary, { name: 'Alpha-Byte', value: 'Two' }), [[26, '000000640305010302']])
})

test('a TLV that is broken inside, or empty, is octets by number', () => {
  const dictionary = read(TLVS)
  assert.deepEqual(
    decoded(dictionary, [200, '0107'], [200, ''], [200, '02 04 07 05'], [26, '00000064 03 03 01']),
    [
      { name: 'Attr-200', value: bytes('0107') },
      { name: 'Attr-200', value: bytes('') },
      { name: 'Attr-200.2', value: bytes('0705') },
      { name: 'Vendor-100-Attr-3', value: bytes('01') },
    ],
  )
})

test('members that do not fit one TLV go into more', () => {
  const dictionary = read(TLVS)
  const attributes = Array.from({ length: 100 }, (_, value) => ({ name: 'Inner-Number', value }))
  const sent = encoded(dictionary, ...attributes)
  assert.deepEqual(
    sent.map(([, octets]) => octets.length / 2),
    [228, 228, 144],
  )
  assert.deepEqual(decoded(dictionary, ...sent), attributes)
  assert.throws(() => encoded(dictionary, { name: 'Outer', value: bytes('0103ff') }), {
    code: 'RADIUS_ATTRIBUTE',
  })
  const longest = { name: 'Inner-Text', value: 'x'.repeat(249) }
  assert.deepEqual(decoded(dictionary, ...encoded(dictionary, longest)), [longest])
  assert.throws(() => encoded(dictionary, { ...longest, value: 'x'.repeat(250) }), {
    code: 'RADIUS_ATTRIBUTE',
  })
})

test('encrypt=3: Ascend hides one block', () => {
  const dictionary = read('ATTRIBUTE Ascend-Secret 214 string encrypt=3')
  for (const value of ['a', 'x'.repeat(16)]) {
    const attribute = { name: 'Ascend-Secret', value }
    const [[, octets] = [0, '']] = encoded(dictionary, attribute)
    assert.equal(octets.length, 32)
    assert.deepEqual(decoded(dictionary, [214, octets]), [attribute])
  }
  assert.throws(() => encoded(dictionary, { name: 'Ascend-Secret', value: 'x'.repeat(17) }), {
    code: 'RADIUS_ATTRIBUTE',
  })
  assert.deepEqual(decoded(dictionary, [214, 'ab'.repeat(15)]), [
    { name: 'Attr-214', value: bytes('ab'.repeat(15)) },
  ])
})

test('the first of two names is what an attribute decodes to; either can be sent; a later line of the same name counts', () => {
  const dictionary = read(`
    ATTRIBUTE First 200 string
    ATTRIBUTE Second 200 string
    VALUE First One 1
    ATTRIBUTE First 200 integer
  `)
  assert.deepEqual(encoded(dictionary, { name: 'Second', value: 'a' }), [[200, '61']])
  assert.deepEqual(decoded(dictionary, [200, '00000001']), [{ name: 'First', value: 1 }])
  assert.deepEqual(encoded(dictionary, { name: 'First', value: 'One' }), [[200, '00000001']])
})

test('what FreeRADIUS keeps for itself, and attributes of RFC 6929, do no harm', () => {
  const dictionary = read(`
    ATTRIBUTE Auth-Type 1000 integer internal
    VALUE Auth-Type Local 0
    ATTRIBUTE Extended-Attribute-1 241 extended
    ATTRIBUTE Frag-Status 241.1 integer
    ATTRIBUTE Extended-Vendor-Specific-1 241.26 evs
    ATTRIBUTE Deeper 241.26.7 integer
    VALUE Frag-Status Reserved 0
    VALUE Extended-Attribute-1 Octets 0
    ATTRIBUTE Extended-Attribute-1 1241 string
    VENDOR Alpha 100
    BEGIN-VENDOR Alpha parent=Extended-Vendor-Specific-5
    ATTRIBUTE Alpha-Extended 1 integer
    END-VENDOR Alpha
    $INCLUDE- nowhere
  `)
  assert.deepEqual(
    [...dictionary.attributes].map(({ name }) => name),
    ['Extended-Attribute-1'],
  )
  assert.deepEqual(decoded(dictionary, [241, '0100000000']), [
    { name: 'Extended-Attribute-1', value: bytes('0100000000') },
  ])
})

const WRONG: readonly [line: string, what: RegExp][] = [
  ['ATTRIBUTE', /ATTRIBUTE name number type/],
  ['ATTRIBUTE A 1', /ATTRIBUTE name number type/],
  ['ATTRIBUTE A one string', /"one"/],
  ['ATTRIBUTE A 1.x string', /"1.x"/],
  ['ATTRIBUTE A -1 string', /"-1"/],
  ['ATTRIBUTE A 1 strnig', /"strnig"/],
  ['ATTRIBUTE A 1 constructor', /"constructor"/],
  ['ATTRIBUTE A 1 string encrypt=4', /encrypt=1/],
  ['ATTRIBUTE A 3.256 string', /3\.256/],
  ['ATTRIBUTE A 2.1 string', /TLV 2/],
  ['ATTRIBUTE Known 2 string', /Known/],
  ['VALUE Known One', /VALUE attribute name number/],
  ['VALUE Known One uno', /"uno"/],
  ['VALUE Unknown One 1', /Unknown/],
  ['VALUE Known One 1', /string/],
  ['VENDOR Alpha', /VENDOR name number/],
  ['VENDOR Alpha 0', /VENDOR name number/],
  ['VENDOR Alpha 4294967296', /VENDOR name number/],
  ['VENDOR Alpha 100 format=3,1', /format=3,1/],
  ['BEGIN-VENDOR Nobody', /"Nobody"/],
  ['END-VENDOR Nobody', /"Nobody"/],
  ['BEGIN-TLV Known', /"Known"/],
  ['END-TLV Known', /"Known"/],
  ['$INCLUDE', /\$INCLUDE file/],
  ['$INCLUDE nowhere', /nowhere/],
  ['STRUCT A 1', /"STRUCT"/],
  ['toString', /"toString"/],
]

for (const [line, what] of WRONG)
  test(`"${line}" is told with file and line`, t => {
    const folder = folderWith(t, { dictionary: `ATTRIBUTE Known 1 string\nATTRIBUTE Group 3 tlv\n${line}\n` })
    const file = join(folder, 'dictionary')
    const [first] = problemsOf(() => new DictionaryReader().addFile(file).finish())
    assert.equal(first?.code, 'RADIUS_DICTIONARY')
    assert.deepEqual(first?.place, { file, line: 3 })
    assert.match(first?.message ?? '', what)
  })

test('all that is wrong is told at once, also in files that are included', t => {
  const folder = folderWith(t, {
    one: 'ATTRIBUTE A x string\n$INCLUDE two\nVALUE B C 1\n',
    two: 'VENDOR V 7\nBEGIN-VENDOR V\nATTRIBUTE V-A 256 string\n',
  })
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  assert.deepEqual(
    problemsOf(() => new DictionaryReader().addFile(one).finish()).map(({ place }) => place),
    [
      { file: one, line: 1 },
      { file: two, line: 3 },
      // Its block is not ended.
      { file: two, line: 4 },
      { file: one, line: 3 },
    ],
  )
})

test('a file that is not there is told by name', () => {
  const [first] = problemsOf(() => readDictionaries(['/nowhere/dictionary']))
  assert.deepEqual([first?.code, first?.place], ['RADIUS_DICTIONARY', { file: '/nowhere/dictionary' }])
})

test("a name of ours may be another number's in a file of the operator, but not in two of its lines", t => {
  const folder = folderWith(t, {
    right: 'ATTRIBUTE DNS-Server-IPv6-Address 200 ipv6addr\nATTRIBUTE DNS-Server-IPv6-Address 200 string\n',
    wrong: 'ATTRIBUTE DNS-Server-IPv6-Address 200 ipv6addr\nATTRIBUTE DNS-Server-IPv6-Address 201 ipv6addr\n',
  })
  const dictionary = readDictionaries([join(folder, 'right')])
  assert.deepEqual(dictionary.named('DNS-Server-IPv6-Address')?.path, [200])
  assert.equal(dictionary.at(0, [169]), undefined)
  const [first, ...more] = problemsOf(() => readDictionaries([join(folder, 'wrong')]))
  assert.deepEqual([first?.place, more.length], [{ file: join(folder, 'wrong'), line: 2 }, 0])
})

test('the dictionaries that are there have what an LNS needs, and a file of the operator adds to them', t => {
  const folder = folderWith(t, {
    own: 'VENDOR Us 99999\nBEGIN-VENDOR Us\nATTRIBUTE Us-Zone 1 string\nEND-VENDOR Us\nVALUE Service-Type Us-Service 200\n',
  })
  const dictionary = readDictionaries([join(folder, 'own')])
  const needed: Readonly<Record<string, string>> = {
    'RFC 2865': 'User-Password',
    'RFC 2866': 'Acct-Status-Type',
    'RFC 2867': 'Acct-Tunnel-Connection',
    'RFC 2868': 'Tunnel-Password',
    'RFC 2869': 'Acct-Input-Gigawords',
    'RFC 3162': 'Framed-IPv6-Pool',
    'RFC 3576': 'Error-Cause',
    'RFC 4372': 'Chargeable-User-Identity',
    'RFC 4675': 'Egress-VLANID',
    'RFC 4818': 'Delegated-IPv6-Prefix',
    'RFC 5580': 'Operator-Name',
    'RFC 6911': 'DNS-Server-IPv6-Address',
    'RFC 7055': 'GSS-Acceptor-Service-Name',
    'RFC 2548': 'MS-CHAP2-Success',
    Cisco: 'Cisco-AVPair',
    Mikrotik: 'Mikrotik-Rate-Limit',
    WISPr: 'WISPr-Bandwidth-Max-Down',
    own: 'Us-Zone',
  }
  for (const [source, name] of Object.entries(needed)) assert.ok(dictionary.has(name), `${source}: ${name}`)
  assert.equal(dictionary.has('Attr-1'), false)
  assert.equal(dictionary.named('Service-Type')?.values.get('Us-Service'), 200)
  assert.equal(dictionary.named('Service-Type')?.values.get('Framed-User'), 2)
  assert.equal(dictionary.named('Error-Cause')?.values.get('Multiple-Session-Selection-Unsupported'), 508)
  assert.equal(dictionary.named('EAP-Message')?.concat, true)
})

function read(text: string): Dictionary {
  return new DictionaryReader().addText(text, join(tmpdir(), 'dictionary')).finish()
}

function encoded(
  dictionary: Dictionary,
  ...attributes: readonly RadiusAttribute[]
): readonly [number, string][] {
  const request = { code: 'Access-Request', identifier: IDENTIFIER, attributes } as const
  const { bytes: packet } = new RadiusCodec(dictionary).encodeRequest(request, {
    secret: SECRET,
    random: new SeededRandom(1),
  })
  return attributesOf(packet).slice(1)
}

/** With the authenticator that `encoded` has. */
function decoded(
  dictionary: Dictionary,
  ...attributes: readonly [number, string][]
): readonly RadiusAttribute[] {
  const authenticator = new SeededRandom(1).bytes(16)
  const frame = { ...OPTIONAL, code: 'Access-Request', identifier: IDENTIFIER, authenticator } as const
  const packet = replyHex(2, authenticator, attributesHex(...attributes))
  return told(new RadiusCodec(dictionary).decodeReply(packet, frame))
}

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'burrow-dictionary-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function problemsOf(run: () => unknown): readonly BurrowError[] {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof BurrowError)
    return [error, ...error.also]
  }
  assert.fail('nothing was wrong')
}
