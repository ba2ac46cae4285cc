/** All dictionaries of Debian's FreeRADIUS: every attribute of every vendor, as an operator may hand them to radius-client. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { RadiusValue } from '../../core/index.ts'
import { SeededRandom } from '../../core/testing/random.ts'
import { RadiusCodec } from '../../plugins/radius-client/codec.ts'
import { readDictionaries } from '../../plugins/radius-client/dictionaries/index.ts'
import type { AttributeDefinition } from '../../plugins/radius-client/dictionary.ts'
import type { ValueTypeName } from '../../plugins/radius-client/values.ts'
import { skipWithout } from '../setup/peers.ts'

const skip = skipWithout('radius')
const MAIN = '/usr/share/freeradius/dictionary'

/** Every ATTRIBUTE line of a file and of those that it includes, and the name of its file. */
function attributeLines(path: string, seen = new Set<string>()): readonly (readonly [string, string])[] {
  if (seen.has(path)) return []
  seen.add(path)
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.flatMap(line => {
    const [keyword = '', name = ''] = line.trim().split(/\s+/)
    if (keyword === '$INCLUDE') return attributeLines(join(dirname(path), name), seen)
    return keyword === 'ATTRIBUTE' ? [[name, path.slice(dirname(MAIN).length + 1)] as const] : []
  })
}

/** Numbers that no packet has (FreeRADIUS's own), and what stands inside extended attributes (RFC 6929), which are octets here. */
const NOT_ON_THE_WIRE = [
  'dictionary.rfc6929',
  'dictionary.rfc6930',
  'dictionary.rfc7499',
  'dictionary.rfc7930',
  'dictionary.rfc8045',
  'dictionary.rfc8559',
  'dictionary.freeradius.evs5',
  'dictionary.freeradius.internal',
]

test('each is known by its name, but for those that no packet has', { skip }, () => {
  const dictionary = readDictionaries([MAIN])
  const lines = attributeLines(MAIN)
  assert.ok(lines.length > 7000, `${lines.length}`)
  const unknown = lines.filter(([name]) => !dictionary.has(name)).map(([, file]) => file)
  assert.deepEqual([...new Set(unknown)], NOT_ON_THE_WIRE)
})

const SAMPLES: Readonly<Record<ValueTypeName, RadiusValue | undefined>> = {
  string: 'text',
  octets: Uint8Array.of(1, 2, 3),
  ipaddr: '192.0.2.1',
  ipv6addr: '2001:db8::1',
  ipv4prefix: '192.0.2.0/24',
  ipv6prefix: '2001:db8::/32',
  ifid: '0001:0002:0003:0004',
  ether: '00:11:22:33:44:55',
  byte: 7,
  short: 700,
  integer: 70_000,
  signed: -7,
  integer64: 2n ** 40n,
  date: 1_700_000_000,
  // Its members are attributes of their own.
  tlv: undefined,
}

const sampleOf = ({ type, exactOctets }: AttributeDefinition): RadiusValue | undefined =>
  exactOctets === undefined ? SAMPLES[type] : new Uint8Array(exactOctets).fill(9)

test('each goes into a packet, and comes out of it as it was', { skip }, () => {
  const dictionary = readDictionaries([MAIN])
  const codec = new RadiusCodec(dictionary)
  const [secret, random] = ['a secret', new SeededRandom(1)]
  let read = 0
  const faults: unknown[] = []
  for (const definition of dictionary.attributes) {
    const { name, vendorId, path } = definition
    const value = sampleOf(definition)
    // Nothing of a vendor whose attributes go on in the next one is sent; every packet has its own Message-Authenticator.
    if (
      value === undefined ||
      dictionary.formatOf(vendorId) === undefined ||
      name === 'Message-Authenticator'
    )
      continue
    if (vendorId === 0 && path[0] === 26) continue
    const request = { code: 'CoA-Request', identifier: 1, attributes: [{ name, value }] } as const
    const { bytes } = codec.encodeRequest(request, { secret, random })
    const decoded = codec.decodeRequest(bytes, secret)
    const found = decoded.kind === 'message' ? decoded.message.attributes : []
    if (found.length === 1 && found[0]?.name === name && isDeepStrictEqual(found[0].value, value)) read++
    else faults.push([name, value, found])
  }
  assert.deepEqual(faults, [])
  assert.ok(read > 6000, `${read}`)
})
