/**
 * Between the attributes of a packet and those that callers see. An attribute whose octets are no value of its type is
 * kept as octets under its number (RFC 6929 2.8): what reads it by name finds none.
 */
import { BurrowError, type RadiusAttribute, type RadiusValue } from 'burrow'
import { type AttributeDefinition, type Dictionary, numberedName } from './dictionary.ts'
import { HIDING, type Hiding } from './hiding.ts'
import {
  joined,
  LONGEST_VALUE_BYTES,
  MESSAGE_AUTHENTICATOR,
  numberAt,
  numberOctets,
  PLAIN_TLV,
  packTlv,
  type RawAttribute,
  splitTlvs,
  VENDOR_SPECIFIC,
} from './packet.ts'
import { VALUE_TYPES } from './values.ts'

const VENDOR_ID_BYTES = 4
const LARGEST_TAG = 0x1f
const MEMBER_HEADER_BYTES = 2
/** Of members in one TLV: fits every vendor's format, some levels down. */
const LONGEST_SHARED_BYTES = 230

export class AttributeCodec {
  readonly #dictionary: Dictionary

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary
  }

  /** Never throws. Message-Authenticator is left out. */
  decode(attributes: readonly RawAttribute[], hiding: Hiding): readonly RadiusAttribute[] {
    const found = attributes
      .filter(({ type }) => type !== MESSAGE_AUTHENTICATOR)
      .flatMap(({ type, value }) =>
        type === VENDOR_SPECIFIC ? this.#vendor(value, hiding) : this.#decode(0, [type], value, hiding),
      )
    return this.#whole(found)
  }

  /** Throws RADIUS_ATTRIBUTE for what cannot be sent. Text and octets of length 0 are left out (RFC 2865 5). */
  encode(attributes: readonly RadiusAttribute[], hiding: Hiding): readonly RawAttribute[] {
    const leaves: Leaf[] = []
    for (const attribute of attributes) leaves.push(...this.#encode(attribute, hiding))
    return inParents(leaves).map(leaf => this.#raw(leaf))
  }

  /** Several attributes of a vendor may stand in one (RFC 2865 5.26). */
  #vendor(value: Uint8Array, hiding: Hiding): readonly RadiusAttribute[] {
    const vendorId = numberAt(value, 0, VENDOR_ID_BYTES)
    const format = this.#dictionary.formatOf(vendorId)
    const members = format && splitTlvs(value.subarray(VENDOR_ID_BYTES), format)
    // Vendor 0 would be the IETF's own numbers, by a side door.
    if (members === undefined || members.length === 0 || vendorId === 0)
      return [asOctets(0, [VENDOR_SPECIFIC], value)]
    return members.flatMap(member => this.#decode(vendorId, [member.type], member.value, hiding))
  }

  #decode(
    vendorId: number,
    path: readonly number[],
    value: Uint8Array,
    hiding: Hiding,
  ): readonly RadiusAttribute[] {
    const definition = this.#dictionary.at(vendorId, path)
    if (definition?.type === 'tlv') {
      const members = splitTlvs(value, PLAIN_TLV) ?? []
      if (members.length > 0)
        return members.flatMap(member => this.#decode(vendorId, [...path, member.type], member.value, hiding))
    }
    return [(definition && decodeOne(definition, value, hiding)) ?? asOctets(vendorId, path, value)]
  }

  /** Joins what was split over several attributes of one packet. */
  #whole(attributes: readonly RadiusAttribute[]): readonly RadiusAttribute[] {
    const split = new Map<string, Uint8Array[]>()
    for (const { name, value } of attributes)
      if (value instanceof Uint8Array && this.#dictionary.named(name)?.concat)
        split.set(name, [...(split.get(name) ?? []), value])
    return attributes.flatMap(attribute => {
      const pieces = split.get(attribute.name)
      if (pieces === undefined) return [attribute]
      return attribute.value === pieces[0] ? [{ ...attribute, value: joined(pieces) }] : []
    })
  }

  #encode({ name, value, tag }: RadiusAttribute, hiding: Hiding): readonly Leaf[] {
    const definition = this.#dictionary.named(name)
    if (definition === undefined) throw refused(name, 'no dictionary has it')
    const { vendorId, path } = definition
    if (vendorId === 0 && path[0] === MESSAGE_AUTHENTICATOR) throw refused(name, 'every packet gets its own')
    const octets = encodeOne(definition, value, tag, hiding)
    const longest = this.#longestValueOf(definition)
    if (definition.concat)
      return pieces(octets, longest).map(piece => ({ name, vendorId, path, value: piece }))
    if (octets.length > longest) throw refused(name, `${octets.length} octets; it holds ${longest}`)
    return octets.length === 0 ? [] : [{ name, vendorId, path, value: octets }]
  }

  #longestValueOf({ name, vendorId, path }: AttributeDefinition): number {
    const members = MEMBER_HEADER_BYTES * (path.length - 1)
    if (vendorId === 0) return LONGEST_VALUE_BYTES - members
    const format = this.#dictionary.formatOf(vendorId)
    if (format === undefined) throw refused(name, 'attributes of its vendor cannot be sent')
    return LONGEST_VALUE_BYTES - VENDOR_ID_BYTES - format.typeOctets - format.lengthOctets - members
  }

  #raw({ name, vendorId, path: [type = 0], value }: Leaf): RawAttribute {
    const format = this.#dictionary.formatOf(vendorId)
    if (format === undefined || type >= 256 ** format.typeOctets) throw refused(name, `no number ${type}`)
    if (vendorId === 0) return { type, value }
    return {
      type: VENDOR_SPECIFIC,
      value: joined([numberOctets(vendorId, VENDOR_ID_BYTES), packTlv({ type, value }, format)]),
    }
  }
}

/** A value on its way into its parents. */
interface Leaf {
  readonly name: string
  readonly vendorId: number
  readonly path: readonly number[]
  readonly value: Uint8Array
  /** It is a TLV that takes more members. */
  readonly open?: true
}

/** Members of a TLV that follow each other share it, as far as it goes. */
function inParents(leaves: readonly Leaf[]): readonly Leaf[] {
  const deepest = leaves.reduce((most, { path }) => Math.max(most, path.length), 1)
  if (deepest === 1) return leaves
  const raised: Leaf[] = []
  for (const leaf of leaves) {
    if (leaf.path.length < deepest) {
      raised.push(leaf)
      continue
    }
    const path = leaf.path.slice(0, -1)
    const member = packTlv({ type: leaf.path.at(-1) ?? 0, value: leaf.value }, PLAIN_TLV)
    const last = raised.at(-1)
    const shared =
      last?.open &&
      last.vendorId === leaf.vendorId &&
      last.path.join() === path.join() &&
      last.value.length + member.length <= LONGEST_SHARED_BYTES
    if (shared) raised.pop()
    const value = shared ? joined([last.value, member]) : member
    raised.push({ name: leaf.name, vendorId: leaf.vendorId, path, value, open: true })
  }
  return inParents(raised)
}

/** Pieces that fill attributes; of nothing one that is empty (an EAP-Start, RFC 2869 5.13). */
function pieces(octets: Uint8Array, longest: number): readonly Uint8Array[] {
  const count = Math.max(1, Math.ceil(octets.length / longest))
  return Array.from({ length: count }, (_, at) => octets.subarray(at * longest, (at + 1) * longest))
}

function decodeOne(
  definition: AttributeDefinition,
  value: Uint8Array,
  hiding: Hiding,
): RadiusAttribute | undefined {
  const { name, type, encrypt, exactOctets } = definition
  const { tag, rest } = definition.hasTag ? untagged(definition, value) : { tag: 0, rest: value }
  const revealed = rest && (encrypt === 0 ? rest : HIDING[encrypt].reveal(rest, hiding))
  if (revealed === undefined) return undefined
  const clear = encrypt !== 0 && HIDING[encrypt].padded ? unpadded(definition, revealed) : revealed
  if ((exactOctets ?? clear.length) !== clear.length) return undefined
  const decoded = VALUE_TYPES[type].decode(clear)
  if (decoded === undefined) return undefined
  return { name, value: decoded, ...(tag > 0 && tag <= LARGEST_TAG && { tag }) }
}

/** A number gives its first octet for the tag, a hidden value has one before its salt; text may have none (RFC 2868 3). */
function untagged(
  { type, encrypt }: AttributeDefinition,
  value: Uint8Array,
): { readonly tag: number; readonly rest: Uint8Array | undefined } {
  const [tag = LARGEST_TAG + 1] = value
  if (encrypt !== 0) return { tag, rest: value.subarray(1) }
  if (type !== 'integer')
    return tag > LARGEST_TAG ? { tag: 0, rest: value } : { tag, rest: value.subarray(1) }
  return { tag, rest: tag > LARGEST_TAG ? undefined : Uint8Array.from(value).fill(0, 0, 1) }
}

function encodeOne(
  definition: AttributeDefinition,
  value: RadiusValue,
  tag: number | undefined,
  hiding: Hiding,
): Uint8Array {
  const { name, type, encrypt, exactOctets, hasTag, values } = definition
  const named = typeof value === 'string' ? (values.get(value) ?? value) : value
  const { encode, expects } = VALUE_TYPES[type]
  const clear = encode(named)
  const names = values.size === 0 ? '' : ', or the name of one'
  if (clear === undefined) throw refused(name, `expected ${expects}${names}`)
  if ((exactOctets ?? clear.length) !== clear.length) throw refused(name, `expected ${exactOctets} octets`)
  const octets = encrypt === 0 ? clear : HIDING[encrypt].hide(clear, hiding)
  if (octets === undefined) throw refused(name, `${clear.length} octets are more than can be hidden`)
  if (!hasTag) {
    if (tag !== undefined) throw refused(name, 'it has no tag')
    return octets
  }
  if (tag !== undefined && !(Number.isInteger(tag) && tag > 0 && tag <= LARGEST_TAG))
    throw refused(name, `expected a tag of 1 to ${LARGEST_TAG}`)
  return tagged(definition, octets, tag)
}

function tagged({ name, type, encrypt }: AttributeDefinition, octets: Uint8Array, tag = 0): Uint8Array {
  const [first = LARGEST_TAG + 1] = octets
  const prefixed = joined([Uint8Array.of(tag), octets])
  if (encrypt !== 0) return prefixed
  // Without a tag only what would look like one needs the octet.
  if (type !== 'integer') return tag === 0 && first > LARGEST_TAG ? octets : prefixed
  if (first !== 0) throw refused(name, 'a number with a tag has 24 bits')
  return joined([Uint8Array.of(tag), octets.subarray(1)])
}

/** Text ends before its zeroes, octets of a known number with that (MS-CHAP-MPPE-Keys, RFC 2548 2.4.1); of others nobody can tell. */
function unpadded({ type, exactOctets = 0 }: AttributeDefinition, bytes: Uint8Array): Uint8Array {
  const least = bytes.findLastIndex(byte => byte !== 0) + 1
  if (type === 'string') return bytes.subarray(0, least)
  return exactOctets >= least && exactOctets > 0 ? bytes.subarray(0, exactOctets) : bytes
}

function asOctets(vendorId: number, path: readonly number[], value: Uint8Array): RadiusAttribute {
  return { name: numberedName(vendorId, path), value: Uint8Array.from(value) }
}

/** Without the value: it may be a secret. */
function refused(name: string, text: string): BurrowError {
  return new BurrowError('RADIUS_ATTRIBUTE', `${name}: ${text}`)
}
